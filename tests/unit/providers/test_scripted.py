from __future__ import annotations

import asyncio
import json

import pytest

from liftgraph_dagster.errors import ProviderError
from liftgraph_dagster.providers.contract import ChatRequest, ChatResponse, Message, Usage
from liftgraph_dagster.providers.scripted import ScriptedProvider


def request(*texts: str) -> ChatRequest:
    return ChatRequest(model="m", messages=[Message(role="user", content=t) for t in texts])


def content(response: ChatResponse) -> str:
    return response.choices[0].message.content


async def test_a_text_is_the_answer_as_it_stands() -> None:
    provider = ScriptedProvider(lambda request: "not { json")

    response = await provider.complete(request("hi"))

    assert content(response) == "not { json"


async def test_a_mapping_is_sent_as_json() -> None:
    provider = ScriptedProvider(lambda request: {"topic": ["é", None]})

    response = await provider.complete(request("hi"))

    assert json.loads(content(response)) == {"topic": ["é", None]}


async def test_a_response_is_returned_as_it_is() -> None:
    given = await ScriptedProvider(lambda request: "a").complete(request("hi"))

    response = await ScriptedProvider(lambda request: given).complete(request("hi"))

    assert response is given


async def test_what_the_script_raises_is_raised() -> None:
    error = ProviderError("gone")

    def script(_: ChatRequest) -> str:
        raise error

    with pytest.raises(ProviderError) as raised:
        await ScriptedProvider(script).complete(request("hi"))

    assert raised.value is error


async def test_a_script_may_be_async() -> None:
    async def script(asked: ChatRequest) -> str:
        await asyncio.sleep(0)
        return asked.messages[0].content.upper()

    response = await ScriptedProvider(script).complete(request("hi"))

    assert content(response) == "HI"


async def test_every_request_is_kept_in_order_also_one_that_fails() -> None:
    def script(asked: ChatRequest) -> str:
        if asked.messages[0].content == "b":
            raise ProviderError("gone")
        return "x"

    provider = ScriptedProvider(script)
    asked = [request("a"), request("b"), request("c")]

    await asyncio.gather(*(provider.complete(one) for one in asked), return_exceptions=True)

    assert provider.requests == asked


async def test_tokens_are_counted_as_words_of_all_messages_and_of_the_answer() -> None:
    provider = ScriptedProvider(lambda request: "four five six")

    response = await provider.complete(request("one two", "three"))

    assert response.usage == Usage(prompt_tokens=3, completion_tokens=3, total_tokens=6)


async def test_answers_carry_the_model_and_distinct_ids() -> None:
    provider = ScriptedProvider(lambda request: "x", model="made-up@1")

    first = await provider.complete(request("hi"))
    second = await provider.complete(request("hi"))

    assert (first.model, first.id != second.id) == ("made-up@1", True)


async def test_an_answer_ends_as_one_that_the_model_finished() -> None:
    response = await ScriptedProvider(lambda request: "x").complete(request("hi"))

    assert response.choices[0].finish_reason == "stop"


async def test_a_delayed_answer_leaves_the_loop_free_and_can_be_cancelled() -> None:
    answered: list[ChatRequest] = []
    provider = ScriptedProvider(lambda asked: answered.append(asked) or "x", delay_s=3600)
    waiting = asyncio.create_task(provider.complete(request("hi")))
    await asyncio.sleep(0)

    waiting.cancel()
    await asyncio.wait([waiting])

    assert (waiting.cancelled(), len(provider.requests), answered) == (True, 1, [])
