"""What reaches the model server, byte for byte."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from typing import Literal

import dspy
import pydantic
import pytest

from liftgraph_dagster.errors import ConfigurationError
from liftgraph_dagster.providers.adapter import ProviderAdapter
from liftgraph_dagster.providers.client import HttpProvider
from liftgraph_dagster.providers.endpoint import Credentials
from liftgraph_dagster.providers.engine import language_model, our_error
from tests.support.recording_server import Received, RecordingServer, completion


class Part(pydantic.BaseModel):
    """A part of a drawing."""

    name: str = pydantic.Field(max_length=8, pattern="^[a-z]+$")
    sizes: dict[str, int] = {}
    note: str | None = None


class Draw(dspy.Signature):
    """Draw what is asked."""

    prompt: str = dspy.InputField()
    title: str = dspy.OutputField(min_length=1, max_length=12, desc="in two words")
    score: int = dspy.OutputField(ge=0, le=10)
    kind: Literal["sketch", "plan"] = dspy.OutputField()
    parts: list[Part] = dspy.OutputField(max_length=3)
    counts: dict[str, dict[str, int]] = dspy.OutputField()


DRAWING = {
    "title": "A house",
    "score": 7,
    "kind": "plan",
    "parts": [{"name": "door", "sizes": {"height": 2}, "note": None}],
    "counts": {"windows": {"left": 3}},
}

SCHEMA = {
    "$defs": {
        "Part": {
            "description": "A part of a drawing.",
            "properties": {
                "name": {
                    "maxLength": 8,
                    "pattern": "^[a-z]+$",
                    "title": "Name",
                    "type": "string",
                },
                "sizes": {
                    "additionalProperties": {"type": "integer"},
                    "default": {},
                    "title": "Sizes",
                    "type": "object",
                },
                "note": {
                    "anyOf": [{"type": "string"}, {"type": "null"}],
                    "default": None,
                    "title": "Note",
                },
            },
            "required": ["name"],
            "title": "Part",
            "type": "object",
        }
    },
    "additionalProperties": False,
    "properties": {
        "title": {"maxLength": 12, "minLength": 1, "title": "Title", "type": "string"},
        "score": {"maximum": 10, "minimum": 0, "title": "Score", "type": "integer"},
        "kind": {"enum": ["sketch", "plan"], "title": "Kind", "type": "string"},
        "parts": {
            "items": {"$ref": "#/$defs/Part"},
            "maxItems": 3,
            "title": "Parts",
            "type": "array",
        },
        "counts": {
            "additionalProperties": {
                "additionalProperties": {"type": "integer"},
                "type": "object",
            },
            "title": "Counts",
            "type": "object",
        },
    },
    "required": ["title", "score", "kind", "parts", "counts"],
    "title": "DrawAnswer",
    "type": "object",
}
"""Written down by hand, so that a change of pydantic or of DSPy cannot move both sides."""


@pytest.fixture
def server() -> Iterator[RecordingServer]:
    with RecordingServer().serve() as running:
        running.reply = completion(DRAWING)
        yield running


@pytest.fixture
async def provider(server: RecordingServer) -> AsyncIterator[HttpProvider]:
    opened = HttpProvider(
        server.url, model="Qwen/Qwen2.5@1", credentials=Credentials(api_key="sk-secret")
    )
    yield opened
    await opened.aclose()


Ask = Callable[[], Awaitable[dspy.Prediction]]


async def in_async_form() -> dspy.Prediction:
    return await dspy.Predict(Draw).acall(prompt="a house")


async def from_a_thread() -> dspy.Prediction:
    return await asyncio.to_thread(dspy.Predict(Draw), prompt="a house")


both_ways = pytest.mark.parametrize("ask", [in_async_form, from_a_thread])


async def sent(server: RecordingServer, provider: HttpProvider, ask: Ask) -> Received:
    """Ask once and return the one request that reached the server."""
    adapter = ProviderAdapter(provider, temperature=0.25, max_tokens=64, seed=0)
    with dspy.context(lm=adapter.lm, adapter=adapter.adapter):
        await ask()
    (received,) = server.received
    return received


@both_ways
async def test_the_full_schema_of_the_outputs_is_on_the_wire(
    ask: Ask, server: RecordingServer, provider: HttpProvider
) -> None:
    received = await sent(server, provider, ask)

    assert received.body["response_format"] == {
        "type": "json_schema",
        "json_schema": {"name": "DrawAnswer", "schema": SCHEMA, "strict": True},
    }


@both_ways
async def test_properties_are_on_the_wire_in_the_order_of_the_signature(
    ask: Ask, server: RecordingServer, provider: HttpProvider
) -> None:
    """The order of generation: a field can build only on those before it."""
    schema = (await sent(server, provider, ask)).body["response_format"]["json_schema"]["schema"]

    assert list(schema["properties"]) == list(Draw.output_fields)


@both_ways
async def test_the_rest_of_the_request_is_what_was_set_and_nothing_more(
    ask: Ask, server: RecordingServer, provider: HttpProvider
) -> None:
    received = await sent(server, provider, ask)

    body = received.body
    del body["response_format"]
    system, user = body.pop("messages")
    assert body == {
        "model": "Qwen/Qwen2.5@1",
        "temperature": 0.25,
        "max_tokens": 64,
        "seed": 0,
    }
    assert system["role"] == "system"
    assert user == {"role": "user", "content": "prompt: a house"}
    assert (received.method, received.path) == ("POST", "/v1/chat/completions")
    assert received.headers["content-type"] == "application/json"
    assert received.headers["authorization"] == "Bearer sk-secret"


async def test_both_ways_put_the_same_bytes_on_the_wire(
    server: RecordingServer, provider: HttpProvider
) -> None:
    adapter = ProviderAdapter(provider, temperature=0.25, max_tokens=64, seed=0)
    with dspy.context(lm=adapter.lm, adapter=adapter.adapter):
        await in_async_form()
        await from_a_thread()

    assert server.received[0].raw == server.received[1].raw


@both_ways
async def test_the_answer_comes_back_with_its_dicts_filled(
    ask: Ask, server: RecordingServer, provider: HttpProvider
) -> None:
    adapter = ProviderAdapter(provider)
    with dspy.context(lm=adapter.lm, adapter=adapter.adapter):
        prediction = await ask()

    assert prediction.counts == {"windows": {"left": 3}}
    assert prediction.parts == [Part(name="door", sizes={"height": 2})]


async def test_characters_are_on_the_wire_as_they_are(
    server: RecordingServer, provider: HttpProvider
) -> None:
    text = 'é "\n\0 \U0001f600'
    await ProviderAdapter(provider)(text, signature=Draw)

    assert server.received[0].body["messages"][-1]["content"] == f"prompt: {text}"


async def test_logprobs_are_asked_for_as_openai_names_them(
    server: RecordingServer, provider: HttpProvider
) -> None:
    await ProviderAdapter(provider)("a", signature=Draw, logprobs=True, top_logprobs=2)

    body = server.received[0].body
    assert (body["logprobs"], body["top_logprobs"]) == (True, 2)


@both_ways
@pytest.mark.parametrize("adapter", [dspy.JSONAdapter(), dspy.ChatAdapter()])
async def test_a_request_without_constraint_never_leaves_the_process(
    adapter: dspy.Adapter, ask: Ask, server: RecordingServer, provider: HttpProvider
) -> None:
    lm = language_model(provider)

    with dspy.context(lm=lm, adapter=adapter), pytest.raises(Exception) as raised:  # noqa: PT011
        await ask()

    assert isinstance(our_error(raised.value), ConfigurationError)
    assert server.received == []


async def test_an_engine_that_requires_no_schema_sends_none(
    server: RecordingServer, provider: HttpProvider
) -> None:
    await language_model(provider, requires_schema=False).acall("hi")

    assert "response_format" not in server.received[0].body


@both_ways
async def test_a_proxy_of_the_environment_is_not_used(
    ask: Ask, server: RecordingServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Prompts go to the model server and nowhere else."""
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    provider = HttpProvider(server.url, model="m")

    await sent(server, provider, ask)

    assert len(server.received) == 1
