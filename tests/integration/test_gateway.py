"""The serving contract as the embedded gateway keeps it, around the real model."""

from __future__ import annotations

import asyncio
import datetime
import json
import sys
import threading
from collections.abc import AsyncIterator, Iterator
from typing import Annotated, Any, Literal

import httpx
import pydantic
import pytest

from liftgraph_dagster.errors import ErrorClass, ProviderError
from liftgraph_dagster.providers.client import HttpProvider
from liftgraph_dagster.providers.contract import ChatRequest, ChatResponse, WireError
from liftgraph_dagster.providers.local.gateway import Gateway
from liftgraph_dagster.providers.local.model import CONTEXT_TOKENS, SLOTS, LocalModel

pytestmark = pytest.mark.model

SCHEMA = {
    "type": "object",
    "properties": {"a": {"type": "string", "maxLength": 4}},
    "required": ["a"],
    "additionalProperties": False,
}
HELLO = {"model": "any", "messages": [{"role": "user", "content": "Say hi"}], "temperature": 0}


def constrained(schema: Any = SCHEMA, *, max_tokens: int = 12, **changes: Any) -> dict[str, Any]:
    """Return the body of a request whose answer must match `schema`."""
    response_format = {
        "type": "json_schema",
        "json_schema": {"name": "A", "schema": schema, "strict": True},
    }
    return HELLO | {"max_tokens": max_tokens, "response_format": response_format} | changes


def client_of(gateway: Gateway) -> httpx.AsyncClient:
    transport = httpx.ASGITransport(app=gateway.app(), raise_app_exceptions=False)
    return httpx.AsyncClient(transport=transport, base_url="http://embedded", timeout=60)


async def chat(client: httpx.AsyncClient, body: Any) -> httpx.Response:
    return await client.post("/v1/chat/completions", json=body)


def flat(response: httpx.Response) -> WireError:
    """Return the error that `response` carries; it must be flat and say its own status."""
    error = WireError.model_validate(response.json())
    assert set(response.json()) == {"object", "message", "type", "param", "code"}
    assert error.code == response.status_code
    return error


@pytest.fixture(scope="module")
def gateway() -> Iterator[Gateway]:
    ready = Gateway(LocalModel())
    ready.model.load()
    yield ready
    ready.close()


@pytest.fixture
async def client(gateway: Gateway) -> AsyncIterator[httpx.AsyncClient]:
    async with client_of(gateway) as opened:
        yield opened


class HeldModel(LocalModel):
    """The real model, whose start waits until it is let go."""

    def __init__(self) -> None:
        super().__init__()
        self.let_go = threading.Event()
        self.loaded = threading.Event()

    def load(self) -> None:
        self.let_go.wait(60)
        super().load()
        self.loaded.set()


async def test_the_app_loads_the_model_at_its_start_and_is_healthy_only_then() -> None:
    model = HeldModel()
    app = Gateway(model).app()
    transport = httpx.ASGITransport(app=app)
    async with (
        app.router.lifespan_context(app),
        httpx.AsyncClient(transport=transport, base_url="http://embedded") as client,
    ):
        starting = await client.get("/health")
        model.let_go.set()
        await asyncio.to_thread(model.loaded.wait, 60)
        ready = await client.get("/health")

    assert (starting.status_code, ready.status_code) == (503, 200)
    assert flat(starting).message == "the model is starting"
    assert not model.ready, "the memory is freed at the end"


async def test_a_full_queue_answers_503_and_what_was_accepted_is_answered() -> None:
    model = HeldModel()
    gateway = Gateway(model, max_queued=2)
    async with client_of(gateway) as client:
        asked = [
            asyncio.create_task(chat(client, constrained(max_tokens=1))) for _ in range(SLOTS + 3)
        ]
        (refused,), _ = await asyncio.wait(asked, return_when=asyncio.FIRST_COMPLETED)
        model.let_go.set()
        answers = await asyncio.gather(*asked)
        after = await chat(client, constrained(max_tokens=1))
    await asyncio.to_thread(gateway.close)

    statuses = sorted(response.status_code for response in answers)
    assert statuses == [200] * (SLOTS + 2) + [503]
    assert flat(refused.result()).message == "The request queue is full."
    assert after.status_code == 200


async def test_models_lists_the_revision_that_answers(client: httpx.AsyncClient) -> None:
    (card,) = (await client.get("/v1/models")).json()["data"]
    answer = (await chat(client, constrained())).json()

    assert card["id"] == answer["model"]
    assert card["id"].startswith("smollm2-135m-instruct-q4@")


async def test_an_answer_is_a_chat_completion_that_matches_its_schema(
    client: httpx.AsyncClient,
) -> None:
    answer = ChatResponse.model_validate((await chat(client, constrained())).json())

    text = pydantic.TypeAdapter(dict[Literal["a"], str]).validate_json(
        answer.choices[0].message.content
    )
    assert len(text["a"]) <= 4
    assert answer.choices[0].finish_reason == "stop"
    usage = answer.usage
    assert usage.total_tokens == usage.prompt_tokens + usage.completion_tokens


WRONG = {
    "no body": (b"", None, "Invalid JSON"),
    "half a body": (b"{", None, "Invalid JSON"),
    "a list": (b"[]", None, "Input should be an object"),
    "no messages": ({"model": "m"}, "messages", "messages: Field required"),
    "role": (HELLO | {"messages": [{"role": "x", "content": ""}]}, "messages.0.role", "'user'"),
    "regex": (HELLO | {"regex": "a"}, "regex", "regex: Extra inputs are not permitted"),
    "any json": (
        HELLO | {"response_format": {"type": "json_object"}},
        "response_format.type",
        "'json_schema'",
    ),
    "flat schema": (
        HELLO | {"response_format": {"type": "json_schema", "schema": SCHEMA}},
        "response_format.json_schema",
        "Field required",
    ),
    "temperature": (HELLO | {"temperature": 3}, "temperature", "less than or equal to 2"),
    "lone top_logprobs": (HELLO | {"top_logprobs": 2}, None, "requires logprobs"),
}


@pytest.mark.parametrize(("body", "param", "words"), WRONG.values(), ids=WRONG.keys())
async def test_a_wrong_request_is_answered_400_and_flat(
    body: Any, param: str | None, words: str, client: httpx.AsyncClient
) -> None:
    content = body if isinstance(body, bytes) else json.dumps(body)

    response = await client.post("/v1/chat/completions", content=content)

    error = flat(response)
    assert (error.code, error.type, error.param) == (400, "BadRequestError", param)
    assert words in error.message
    assert not error.message.startswith(":")


@pytest.mark.parametrize(
    "keyword",
    [
        "contains", "minContains", "maxContains", "dependentRequired", "dependentSchemas", "if",
        "then", "else", "multipleOf", "not", "uniqueItems",
    ],
)  # fmt: skip
async def test_a_keyword_that_sglang_refuses_is_refused_here_by_name(
    keyword: str, client: httpx.AsyncClient
) -> None:
    response = await chat(client, constrained({"properties": {"b": {keyword: {}}}}))

    error = flat(response)
    assert error.code == 400
    assert error.message.startswith(
        f"Failed to compile json grammar: JSON schema keyword {keyword!r}"
    )
    assert error.param == "$.properties.b"


@pytest.mark.parametrize(
    "schema",
    [{"properties": []}, {"$ref": 5}, {"pattern": 5}, {"allOf": 5}, {"minimum": -(10**30)}],
)
async def test_what_is_no_schema_is_answered_400_and_flat(
    schema: Any, client: httpx.AsyncClient
) -> None:
    response = await chat(client, constrained(schema))

    assert flat(response).code == 400


class Leaf(pydantic.BaseModel):
    kind: Literal["leaf"]


class Branch(pydantic.BaseModel):
    kind: Literal["branch"]
    size: int


class Tree(pydantic.BaseModel):
    kind: Literal["tree"]
    children: list[Annotated[Leaf | Tree, pydantic.Field(discriminator="kind")]]


def of(type_: Any) -> dict[str, Any]:
    return pydantic.TypeAdapter(type_).json_schema()


HARD_SCHEMAS = {
    "discriminated": of(Annotated[Leaf | Branch, pydantic.Field(discriminator="kind")]),
    "discriminated recursion": of(Tree),
    "optional": of(int | None),
    "tuple": of(tuple[int, str]),
    "open dict": of(dict[str, dict[str, int]]),
    "bounds": of(Annotated[float, pydantic.Field(gt=0, lt=1)]),
    "pattern": {"type": "string", "pattern": r"^[a-z_]\w*$"},
    "datetime": of(datetime.datetime),
    "address": of(pydantic.HttpUrl),
    "uri": {"type": "string", "format": "uri"},
    "overlap": {"oneOf": [{"type": "integer"}, {"type": "number"}]},
    "backreference": {"type": "string", "pattern": r"^(a)\1$"},
    "word boundary": {"type": "string", "pattern": r"^\ba$"},
    "end of text": {"type": "string", "pattern": r"^a\Z"},
    "contradiction": {"type": "string", "minLength": 5, "maxLength": 3},
    "nothing": {"enum": []},
    "unknown type": {"type": "strng"},
    "old tuple": {"type": "array", "items": [{"type": "integer"}]},
}


@pytest.mark.parametrize("schema", HARD_SCHEMAS.values(), ids=HARD_SCHEMAS.keys())
async def test_a_schema_is_refused_or_it_constrains(
    schema: dict[str, Any], client: httpx.AsyncClient
) -> None:
    """Without constraint the model says "I'm glad you're here", which is how no JSON begins."""
    response = await chat(client, constrained(schema, max_tokens=2))

    if response.status_code == 200:
        begins = response.json()["choices"][0]["message"]["content"][0]
        assert begins in '{["-0123456789tfn'
    else:
        assert flat(response).code == 400


async def test_the_model_left_to_itself_does_not_begin_with_json(
    client: httpx.AsyncClient,
) -> None:
    """What the test before this one stands on."""
    response = await chat(client, HELLO | {"max_tokens": 2})

    assert response.json()["choices"][0]["message"]["content"].startswith("I")


async def test_an_answer_that_ends_outside_its_schema_is_an_error(
    client: httpx.AsyncClient,
) -> None:
    """A stop word ends the answer in the middle of the grammar."""
    response = await chat(client, constrained(stop=[":"]))

    error = flat(response)
    assert (error.code, error.type) == (500, "InternalError")
    assert "the answer is not JSON" in error.message


async def test_an_answer_that_was_cut_off_says_so(client: httpx.AsyncClient) -> None:
    response = await chat(client, constrained(max_tokens=3))

    (choice,) = response.json()["choices"]
    assert (response.status_code, choice["finish_reason"]) == (200, "length")


async def test_a_prompt_that_is_too_long_is_a_matter_of_resources(gateway: Gateway) -> None:
    transport = httpx.ASGITransport(app=gateway.app())
    provider = HttpProvider("http://embedded", model="m", transport=transport)
    prompt = [{"role": "user", "content": "word " * (CONTEXT_TOKENS + 1)}]
    request = ChatRequest.model_validate(constrained(messages=prompt))

    with pytest.raises(ProviderError, match="exceeds the available context size") as raised:
        await provider.complete(request)

    assert (raised.value.status, raised.value.error_class) == (400, ErrorClass.RESOURCE)


async def test_a_model_whose_start_fails_is_answered_flat(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """As on a machine without libgomp."""
    monkeypatch.setitem(sys.modules, "xllamacpp", None)
    async with client_of(Gateway(LocalModel())) as client:
        response = await chat(client, constrained())

    assert "libgomp1" in flat(response).message
