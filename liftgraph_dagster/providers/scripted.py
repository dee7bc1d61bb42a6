"""A provider whose answers you write: for tests that must be exact, and for trying a graph."""

from __future__ import annotations

import asyncio
import inspect
import itertools
import json
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from liftgraph_dagster.providers import contract
from liftgraph_dagster.providers.contract import ChatRequest, ChatResponse, Choice, Usage

Answer = str | Mapping[str, Any] | ChatResponse
Script = Callable[[ChatRequest], Answer | Awaitable[Answer]]


class ScriptedProvider:
    """Answers each request with what `script` returns for it.

    A text is the model's answer as it stands, a mapping is sent as JSON, a `ChatResponse` is
    returned as it is, and what the script raises is raised. Every request is kept in `requests`.
    Tokens are counted as words, so that usage is deterministic.

        provider = ScriptedProvider(lambda request: {"topic": "billing"})
    """

    name = "scripted"
    constrains = True

    def __init__(self, script: Script, *, model: str = "scripted", delay_s: float = 0.0) -> None:
        self.model = model
        self.script = script
        self.delay_s = delay_s
        self.requests: list[ChatRequest] = []
        self._ids = itertools.count(1)

    async def complete(self, request: ChatRequest) -> ChatResponse:
        self.requests.append(request)
        if self.delay_s:
            await asyncio.sleep(self.delay_s)
        answer = self.script(request)
        if inspect.isawaitable(answer):
            answer = await answer
        if isinstance(answer, ChatResponse):
            return answer
        text = answer if isinstance(answer, str) else json.dumps(answer)
        prompt_tokens = sum(len(message.content.split()) for message in request.messages)
        completion_tokens = len(text.split())
        return ChatResponse(
            id=f"scripted-{next(self._ids)}",
            model=self.model,
            choices=[Choice(message=contract.Answer(content=text), finish_reason="stop")],
            usage=Usage(
                prompt_tokens=prompt_tokens,
                completion_tokens=completion_tokens,
                total_tokens=prompt_tokens + completion_tokens,
            ),
        )

    async def aclose(self) -> None:
        """Nothing to close."""
