"""What goes to the existing Modal endpoints, and what does not."""

from __future__ import annotations

import json
from typing import Any

import httpx
import pytest

from liftgraph_dagster.errors import ConfigurationError
from liftgraph_dagster.providers.contract import (
    ChatRequest,
    ChatResponse,
    JsonSchema,
    Message,
    ResponseFormat,
)
from liftgraph_dagster.providers.modal.legacy import LegacyModalProvider

SCHEMA = {"type": "object"}
ASKED = ChatRequest(
    model="m",
    messages=[Message(role="user", content="Twice a number.")],
    max_tokens=64,
    temperature=0.3,
    top_p=0.9,
    response_format=ResponseFormat(json_schema=JsonSchema(name="Answer", json_schema=SCHEMA)),
)
BODY = {"text": {"a": 1}, "tokens_used": 5, "generation_time_ms": 1.0, "finish_reason": "stop"}


async def exchange(request: ChatRequest, **arguments: Any) -> tuple[httpx.Request, ChatResponse]:
    """Return what reached the endpoint for `request`, and our answer."""
    seen: list[httpx.Request] = []

    def handler(got: httpx.Request) -> httpx.Response:
        seen.append(got)
        return httpx.Response(200, json=BODY)

    provider = LegacyModalProvider(
        "https://there-generate.modal.run",
        model="qwen@1",
        transport=httpx.MockTransport(handler),
        **arguments,
    )
    response = await provider.complete(request)
    return seen[0], response


async def test_a_request_goes_to_the_address_itself_in_the_endpoints_words() -> None:
    request, _ = await exchange(ASKED)

    assert str(request.url).rstrip("/") == "https://there-generate.modal.run"
    assert json.loads(request.content) == {
        "prompt": "Twice a number.",
        "schema": SCHEMA,
        "max_tokens": 64,
        "temperature": 0.3,
        "top_p": 0.9,
    }


async def test_a_conversation_becomes_one_text() -> None:
    roles = ("system", "user", "assistant", "user")
    messages = [Message.model_validate({"role": r, "content": r[0]}) for r in roles]

    request, _ = await exchange(ASKED.model_copy(update={"messages": messages}))

    assert json.loads(request.content)["prompt"] == (
        "System: s\n\nUser: u\n\nAssistant: a\n\nUser: u\n\nAssistant:"
    )


async def test_tokens_are_those_that_the_server_counted() -> None:
    _, response = await exchange(ASKED)

    usage = response.usage
    assert (usage.prompt_tokens, usage.completion_tokens, usage.total_tokens) == (0, 5, 5)
    assert response.model == "qwen@1"


@pytest.mark.parametrize(
    "lost", [{"seed": 7}, {"stop": ["\n"]}, {"logprobs": True}, {"frequency_penalty": 0.5}]
)
async def test_what_the_endpoint_would_ignore_is_refused_unless_the_caller_says_so(
    lost: dict[str, Any],
) -> None:
    asked = ASKED.model_copy(update=lost)
    [name] = lost

    with pytest.raises(ConfigurationError, match=f"takes no {name}"):
        await exchange(asked)

    request, _ = await exchange(asked, ignored=[name])
    assert name not in json.loads(request.content)
