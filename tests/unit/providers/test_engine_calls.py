from __future__ import annotations

import asyncio
import contextvars
from typing import Any

import pytest
from dspy import lm15

from liftgraph_dagster.errors import (
    ConfigurationError,
    OutputInvalid,
    ProviderError,
)
from liftgraph_dagster.providers.contract import (
    ChatRequest,
    ChatResponse,
    ChoiceLogprobs,
    TokenLogprob,
)
from liftgraph_dagster.providers.engine import (
    AsyncProviderEngine,
    ModelCall,
    ProviderEngine,
    language_model,
    our_error,
    recorded_calls,
)
from liftgraph_dagster.providers.scripted import Script, ScriptedProvider
from tests.unit.providers.factories import chat_response, lm_request


def model(script: Script = lambda request: {"a": 1}) -> ScriptedProvider:
    return ScriptedProvider(script)


async def test_a_thread_asks_on_the_loop_of_the_provider() -> None:
    loops: list[asyncio.AbstractEventLoop] = []

    async def script(_: Any) -> dict[str, int]:
        loops.append(asyncio.get_running_loop())
        return {"a": 1}

    engine = ProviderEngine(AsyncProviderEngine(model(script)), asyncio.get_running_loop())

    answer = await asyncio.to_thread(engine.complete, lm_request())

    assert answer.text == '{"a": 1}'
    assert loops == [asyncio.get_running_loop()]


async def test_a_thread_gets_the_same_error() -> None:
    engine = ProviderEngine(
        AsyncProviderEngine(model(lambda request: "no")), asyncio.get_running_loop()
    )

    with pytest.raises(lm15.ProviderError) as raised:
        await asyncio.to_thread(engine.complete, lm_request())

    assert isinstance(raised.value.__cause__, OutputInvalid)


async def test_a_synchronous_call_on_the_loop_itself_is_refused() -> None:
    provider = model()
    engine = ProviderEngine(AsyncProviderEngine(provider), asyncio.get_running_loop())

    with pytest.raises(ConfigurationError, match="would wait for itself"):
        engine.complete(lm_request())

    assert provider.requests == []


async def test_calls_are_recorded_in_the_order_of_their_answers() -> None:
    fast_is_done = asyncio.Event()

    async def script(asked: ChatRequest) -> str:
        if asked.messages[0].content == "fast":
            return '{"a":1}'
        await fast_is_done.wait()
        return '{"a": 1}'

    engine = AsyncProviderEngine(model(script))
    with recorded_calls() as calls:
        slow = asyncio.create_task(engine.complete(lm_request("slow")))
        await engine.complete(lm_request("fast"))
        fast_is_done.set()
        await slow

    words = [call.completion_tokens for call in calls]
    assert words == [1, 2]


async def test_a_recorded_call_says_what_it_used() -> None:
    logprobs = [TokenLogprob(token="{", logprob=-1.0), TokenLogprob(token="}", logprob=-2.0)]
    answer = chat_response(logprobs=ChoiceLogprobs(content=logprobs))
    with recorded_calls() as calls:
        await AsyncProviderEngine(model(lambda request: answer)).complete(lm_request())

    (call,) = calls
    assert call == ModelCall(
        model="m@2",
        prompt_tokens=5,
        cached_tokens=4,
        completion_tokens=3,
        seconds=call.seconds,
        finish_reason="stop",
        logprobs=tuple(logprobs),
    )
    assert call.seconds > 0


@pytest.mark.parametrize("answer", [chat_response("no"), chat_response(finish_reason="length")])
async def test_a_call_whose_answer_is_refused_is_recorded_too(answer: ChatResponse) -> None:
    """It was paid for."""
    with recorded_calls() as calls, pytest.raises(lm15.ProviderError):
        await AsyncProviderEngine(model(lambda request: answer)).complete(lm_request())

    assert len(calls) == 1


async def test_calls_from_a_thread_are_recorded_where_the_thread_was_started() -> None:
    engine = ProviderEngine(AsyncProviderEngine(model()), asyncio.get_running_loop())

    elsewhere = contextvars.Context()
    with recorded_calls() as calls:
        await asyncio.to_thread(engine.complete, lm_request())
        await asyncio.to_thread(elsewhere.run, engine.complete, lm_request())

    assert len(calls) == 1


async def test_two_recordings_at_the_same_time_do_not_mix() -> None:
    engine = AsyncProviderEngine(model())

    async def record(times: int) -> int:
        with recorded_calls() as calls:
            for _ in range(times):
                await engine.complete(lm_request())
                await asyncio.sleep(0)
        return len(calls)

    assert await asyncio.gather(record(1), record(3)) == [1, 3]


async def test_an_inner_recording_takes_the_calls_and_the_outer_goes_on_after_it() -> None:
    engine = AsyncProviderEngine(model())

    with recorded_calls() as outer:
        with recorded_calls() as inner:
            await engine.complete(lm_request())
        await engine.complete(lm_request())
        await engine.complete(lm_request())

    assert (len(inner), len(outer)) == (1, 2)


async def test_a_language_model_is_named_by_provider_and_revision() -> None:
    lm = language_model(ScriptedProvider(lambda request: "x", model="a/b@3"))

    assert lm.model == "scripted/a/b@3"


async def test_dspy_neither_retries_nor_caches() -> None:
    """A provider raises only when its own retries are spent; caches stand elsewhere."""

    def script(_: Any) -> str:
        if len(provider.requests) == 1:
            raise ProviderError("gone")
        return "x"

    provider = ScriptedProvider(script)
    lm = language_model(provider, requires_schema=False, temperature=0.0)
    with pytest.raises(Exception, match="gone"):
        await lm.acall("hi")

    await lm.acall("hi")
    await lm.acall("hi")

    assert len(provider.requests) == 3


def test_our_error_is_found_behind_others_and_no_foreign_one_is_taken_for_it() -> None:
    ours = ProviderError("gone")
    try:
        try:
            raise RuntimeError from ours
        except RuntimeError as exc:
            raise ValueError from exc
    except ValueError as outer:
        wrapped = outer

    assert (our_error(wrapped), our_error(ours), our_error(ValueError())) == (ours, ours, None)
