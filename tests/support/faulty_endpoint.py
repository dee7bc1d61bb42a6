"""A fault-injecting model server: it does what its script says, then answers well.

It speaks the serving contract and both dialects of the existing Modal endpoints, in the time of the
event loop.
"""

from __future__ import annotations

import asyncio
import json
from dataclasses import dataclass, field
from typing import Any, Literal

import httpx

Dialect = Literal["chat", "ir_json", "text"]
RESULT = {"name": "twice", "arguments": ["n"]}
"""What the model answers when nothing is wrong."""


def answer(dialect: Dialect, content: Any = RESULT, finish_reason: str = "stop") -> dict[str, Any]:
    """Return the body of an answer."""
    if dialect == "chat":
        message = {"role": "assistant", "content": json.dumps(content)}
        return {
            "id": "1",
            "model": "m@2",
            "choices": [{"message": message, "finish_reason": finish_reason}],
            "usage": {"prompt_tokens": 7, "completion_tokens": 5, "total_tokens": 12},
        }
    meta = {"tokens_used": 5, "generation_time_ms": 12.5, "finish_reason": finish_reason}
    return {dialect: content} | meta


@dataclass(frozen=True)
class Fault:
    """One thing that goes wrong."""

    status: int = 200
    body: Any = None
    """JSON, or a text as it is."""
    headers: dict[str, str] = field(default_factory=dict)
    after_s: float = 0.0
    """Before the first byte."""
    until_s: float = 0.0
    """Repeated until this time."""
    raises: type[httpx.TransportError] | None = None

    async def response(self) -> httpx.Response:
        await asyncio.sleep(self.after_s)
        if self.raises is not None:
            raise self.raises("injected")
        if isinstance(self.body, str):
            return httpx.Response(self.status, text=self.body, headers=self.headers)
        return httpx.Response(self.status, json=self.body, headers=self.headers)


class FaultyEndpoint:
    """The server. `requests` are those that it received, `times` when."""

    def __init__(self, dialect: Dialect, *script: Fault) -> None:
        self.dialect: Dialect = dialect
        self.script = list(script)
        self.requests: list[httpx.Request] = []
        self.times: list[float] = []

    def transport(self) -> httpx.MockTransport:
        return httpx.MockTransport(self._handle)

    async def _handle(self, request: httpx.Request) -> httpx.Response:
        self.requests.append(request)
        self.times.append(asyncio.get_running_loop().time())
        if self.script:
            fault = self.script[0]
            if self.times[-1] >= fault.until_s:
                self.script.pop(0)
            if self.times[-1] <= fault.until_s or not fault.until_s:
                return await fault.response()
        return httpx.Response(200, json=answer(self.dialect))


def redirects(n: int) -> list[Fault]:
    """Return a chain of results that are not there yet, as Modal sends after 150 s."""
    return [Fault(303, headers={"location": f"/result?hop={i}"}, after_s=1) for i in range(n)]
