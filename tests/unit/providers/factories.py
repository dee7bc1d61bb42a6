"""Requests and answers of models, for tests that care about one part of them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import httpx
from dspy import lm15

from liftgraph_dagster.providers.client import HttpProvider
from liftgraph_dagster.providers.contract import ChatRequest, ChatResponse, Message
from liftgraph_dagster.providers.endpoint import Credentials
from liftgraph_dagster.providers.retry import ONCE

SCHEMA = {
    "type": "object",
    "properties": {"a": {"type": "integer"}},
    "required": ["a"],
    "additionalProperties": False,
}
FORMAT = {"type": "json_schema", "schema": SCHEMA, "name": "SomeAnswer"}
ANSWER: dict[str, Any] = {
    "id": "1",
    "model": "m@2",
    "choices": [{"message": {"role": "assistant", "content": '{"a": 1}'}, "finish_reason": "stop"}],
    "usage": {
        "prompt_tokens": 5,
        "completion_tokens": 3,
        "total_tokens": 8,
        "prompt_tokens_details": {"cached_tokens": 4},
    },
}
"""A chat completion that matches `SCHEMA`."""

KEY = "sk-very-secret"
ASKED = ChatRequest(model="m", messages=[Message(role="user", content="é")], seed=1)

Handler = Callable[[httpx.Request], httpx.Response]


def lm_request(content: str = "hi", **config: Any) -> lm15.Request:
    """Return a request as DSPy makes it, with a schema unless `config` says otherwise."""
    return lm15.Request(
        model="scripted/scripted",
        messages=(lm15.Message.user(content),),
        config=lm15.Config(**{"response_format": FORMAT} | config),
    )


def chat_response(content: str = '{"a": 1}', **choice: Any) -> ChatResponse:
    """Return an answer with `content`, and what `choice` says about it."""
    message = {"role": "assistant", "content": content}
    choices = [ANSWER["choices"][0] | {"message": message} | choice]
    return ChatResponse.model_validate(ANSWER | {"choices": choices})


def http_provider(handler: Handler, **arguments: Any) -> HttpProvider:
    """Return a provider of a foreign server that answers what `handler` says. It asks once."""
    given = {"model": "m", "credentials": Credentials(api_key=KEY), "policy": ONCE}
    arguments = given | arguments
    return HttpProvider("http://there:1", transport=httpx.MockTransport(handler), **arguments)


def answering(status: int, body: Any = None, **headers: str) -> Handler:
    """Return a handler that always answers the same."""
    return lambda request: httpx.Response(status, json=body, headers=headers)
