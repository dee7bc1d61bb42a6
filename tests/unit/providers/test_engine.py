from __future__ import annotations

import asyncio
from typing import Any

import pytest
from dspy import lm15

from liftgraph_dagster.errors import (
    ConfigurationError,
    ErrorClass,
    LiftGraphError,
    OutputInvalid,
    OutputTruncated,
    ProviderError,
    SchemaRefused,
)
from liftgraph_dagster.providers.engine import (
    AsyncProviderEngine,
    ProviderEngine,
)
from liftgraph_dagster.providers.scripted import Script, ScriptedProvider
from tests.unit.providers.factories import FORMAT, SCHEMA, chat_response, lm_request


def model(script: Script = lambda request: {"a": 1}) -> ScriptedProvider:
    return ScriptedProvider(script)


async def cause_of(provider: ScriptedProvider, asked: lm15.Request) -> LiftGraphError:
    """Return our error behind the one that DSPy is given."""
    with pytest.raises(lm15.LM15Error) as raised:
        await AsyncProviderEngine(provider).complete(asked)
    assert isinstance(raised.value.__cause__, LiftGraphError)
    return raised.value.__cause__


@pytest.mark.parametrize(
    ("config", "on_the_wire"),
    [
        ({"temperature": 0.0}, {"temperature": 0.0}),
        ({"max_tokens": 7}, {"max_tokens": 7}),
        ({"seed": 0}, {"seed": 0}),
        ({"top_p": 0.5, "top_k": 3}, {"top_p": 0.5, "top_k": 3}),
        ({"stop": ("a", "b")}, {"stop": ["a", "b"]}),
        ({"frequency_penalty": 0.5}, {"frequency_penalty": 0.5}),
        ({"presence_penalty": 0.5}, {"presence_penalty": 0.5}),
        ({"logprobs": 0}, {"logprobs": True}),
        ({"logprobs": 3}, {"logprobs": True, "top_logprobs": 3}),
        ({}, {}),
    ],
)
async def test_sampling_settings_are_sent_and_no_others(
    config: dict[str, Any], on_the_wire: dict[str, Any]
) -> None:
    provider = model()

    await AsyncProviderEngine(provider).complete(lm_request(**config))

    sent = provider.requests[0].body()
    del sent["model"], sent["messages"], sent["response_format"]
    assert sent == on_the_wire


async def test_the_flat_schema_of_dspy_is_sent_nested_and_strict() -> None:
    """llama.cpp and SGLang answer 200 to the flat form, and constrain nothing."""
    provider = model()

    await AsyncProviderEngine(provider).complete(lm_request())

    assert provider.requests[0].body()["response_format"] == {
        "type": "json_schema",
        "json_schema": {"name": "SomeAnswer", "schema": SCHEMA, "strict": True},
    }


@pytest.mark.parametrize(
    ("asked", "sent"),
    [("scripted/m", "m"), ("http/Qwen/Qwen2.5-7B@rev", "Qwen/Qwen2.5-7B@rev"), ("m", "m")],
)
async def test_the_model_is_sent_without_its_provider(asked: str, sent: str) -> None:
    provider = model()
    config = lm15.Config(response_format=FORMAT)

    await AsyncProviderEngine(provider).complete(
        lm15.Request(model=asked, messages=(lm15.Message.user("hi"),), config=config)
    )

    assert provider.requests[0].model == sent


@pytest.mark.parametrize("system", ["be brief", (lm15.TextPart("be "), lm15.TextPart("brief"))])
async def test_the_system_prompt_comes_first(system: Any) -> None:
    provider = model()
    asked = lm15.Request(
        model="scripted/m",
        system=system,
        messages=(lm15.Message.user("a"), lm15.Message.assistant("b"), lm15.Message.user("c")),
        config=lm15.Config(response_format=FORMAT),
    )

    await AsyncProviderEngine(provider).complete(asked)

    assert [(m.role, m.content) for m in provider.requests[0].messages] == [
        ("system", "be brief"),
        ("user", "a"),
        ("assistant", "b"),
        ("user", "c"),
    ]


UNSENDABLE = {
    "no schema": lm_request(response_format=None),
    "any json": lm_request(response_format={"type": "json_object"}),
    "unknown field": lm_request(extensions={"regex": "a+"}),
    "refused keyword": lm_request(
        response_format={"type": "json_schema", "schema": {"uniqueItems": True}}
    ),
    "an image": lm15.Request(
        model="scripted/m",
        messages=(lm15.Message.user([lm15.ImagePart(url="http://there/a.png")]),),
        config=lm15.Config(response_format=FORMAT),
    ),
    "a tool": lm15.Request(
        model="scripted/m",
        messages=(lm15.Message.user("hi"),),
        tools=(lm15.FunctionTool(name="search"),),
        config=lm15.Config(response_format=FORMAT),
    ),
}


@pytest.mark.parametrize("asked", UNSENDABLE.values(), ids=UNSENDABLE.keys())
async def test_what_would_not_be_honoured_is_refused_before_the_model_is_asked(
    asked: lm15.Request,
) -> None:
    provider = model()

    with pytest.raises(lm15.InvalidRequestError) as raised:
        await AsyncProviderEngine(provider).complete(asked)

    assert isinstance(raised.value.__cause__, ConfigurationError)
    assert provider.requests == []


async def test_a_refused_keyword_is_named() -> None:
    cause = await cause_of(model(), UNSENDABLE["refused keyword"])

    assert isinstance(cause, SchemaRefused)
    assert cause.keyword == "uniqueItems"


async def test_an_engine_that_requires_no_schema_asks_without_one() -> None:
    provider = model(lambda request: "plain words")
    engine = AsyncProviderEngine(provider, requires_schema=False)

    answer = await engine.complete(lm_request(response_format=None))

    assert answer.text == "plain words"
    assert provider.requests[0].response_format is None


@pytest.mark.parametrize("answer", ["plain words", '{"a": "1"}', '{"a": 1, "b": 2}', "{}"])
async def test_an_answer_outside_its_schema_is_an_error_of_its_own(answer: str) -> None:
    cause = await cause_of(model(lambda request: answer), lm_request())

    assert isinstance(cause, OutputInvalid)
    assert cause.answer == answer


@pytest.mark.parametrize("answer", ['{"a": 1', '{"a": 1}'])
async def test_an_answer_that_was_cut_off_is_an_error_of_its_own(answer: str) -> None:
    """Also when it happens to be whole: the model may have had more to say."""
    cause = await cause_of(
        model(lambda request: chat_response(answer, finish_reason="length")), lm_request()
    )

    assert isinstance(cause, OutputTruncated)
    assert "cut off after 3 tokens. Raise max_tokens" in str(cause)


async def test_an_answer_that_ended_for_an_unknown_reason_is_not_taken_for_a_whole_one() -> None:
    cause = await cause_of(
        model(lambda request: chat_response('{"a": 1}', finish_reason="content_filter")),
        lm_request(),
    )

    assert isinstance(cause, ProviderError)
    assert "because of 'content_filter'" in str(cause)
    assert not cause.retryable


@pytest.mark.parametrize(
    ("error_class", "kind"),
    [
        (ErrorClass.TRANSIENT, lm15.ServerError),
        (ErrorClass.RATE_LIMITED, lm15.RateLimitError),
        (ErrorClass.TIMEOUT, lm15.TimeoutError),
        (ErrorClass.RESOURCE, lm15.ContextLengthError),
        (ErrorClass.VALIDATION, lm15.ProviderError),
        (ErrorClass.CONFIGURATION, lm15.ProviderError),
        (ErrorClass.PERMANENT, lm15.ProviderError),
        (ErrorClass.UNKNOWN, lm15.ProviderError),
    ],
)
async def test_dspy_is_given_the_error_that_means_the_same(
    error_class: ErrorClass, kind: type[lm15.LM15Error]
) -> None:
    ours = ProviderError("gone", error_class=error_class, status=499, retry_after_s=1.5)

    def script(_: Any) -> str:
        raise ours

    with pytest.raises(kind, match="gone") as raised:
        await AsyncProviderEngine(model(script)).complete(lm_request())

    assert type(raised.value) is kind
    assert (raised.value.status, raised.value.retry_after) == (499, 1.5)
    assert raised.value.__cause__ is ours


async def test_text_model_and_usage_come_back() -> None:
    answer = await AsyncProviderEngine(model(lambda request: chat_response())).complete(
        lm_request()
    )

    assert (answer.text, answer.model, answer.finish_reason) == ('{"a": 1}', "m@2", "stop")
    assert (answer.usage.input_tokens, answer.usage.output_tokens) == (5, 3)


async def test_a_stream_carries_the_answer_whole() -> None:
    engine = AsyncProviderEngine(model())
    sync_engine = ProviderEngine(engine, asyncio.get_running_loop())

    events = [event async for event in engine.stream(lm_request())]
    in_thread = await asyncio.to_thread(lambda: list(sync_engine.stream(lm_request())))

    deltas = [event.delta.text for event in events if isinstance(event, lm15.StreamDeltaEvent)]
    assert deltas == ['{"a": 1}']
    assert [type(event) for event in in_thread] == [type(event) for event in events]
