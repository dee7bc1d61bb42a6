"""A model server on a port, with answers that are written here."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import threading
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator
from typing import Any

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from liftgraph_dagster.providers.contract import ChatRequest
from liftgraph_dagster.providers.scripted import ScriptedProvider

ANSWERS: dict[str, dict[str, Any]] = {
    "ExtractIntentSignature": {
        "summary": "Return the price, rounded.",
        "open_points": [
            {"identifier": "digits", "type_hint": "int", "question": "How many decimal places?"}
        ],
    },
    "DraftSignatureSignature": {
        "function_name": "round_price",
        "parameters": [{"name": "price", "type_hint": "float"}],
        "returns": "float",
    },
    "DraftAssertionsSignature": {"assertions": ["abs(result - price) <= 1"]},
    "DraftEffectsSignature": {"effects": []},
    "SuggestHolesSignature": {"suggestions": [{"identifier": "digits", "values": ["2", "0"]}]},
    "GenerateCodeSignature": {"body": ["return round(price, 2)"]},
}
"""What a model answers to the signatures of `prompt_to_code`, for one prompt."""


def asked(request: ChatRequest) -> str:
    """Return the name of the signature that `request` asks."""
    assert request.response_format is not None
    return request.response_format.json_schema.name.removesuffix("Answer")


class ModelServer:
    """The server. `calls` counts the requests by signature; `before` is awaited before each
    answer, with the number of the request, from 1."""

    def __init__(self) -> None:
        self.calls: Counter[str] = Counter()
        self.before: Callable[[int, str], Awaitable[None]] | None = None
        self._provider = ScriptedProvider(lambda request: ANSWERS[asked(request)])
        self.url = ""

    @property
    def total(self) -> int:
        """Number of requests."""
        return self.calls.total()

    async def chat_completions(self, request: Request) -> Response:
        chat = ChatRequest.model_validate_json(await request.body())
        self.calls[asked(chat)] += 1
        if self.before is not None:
            await self.before(self.total, asked(chat))
        answer = await self._provider.complete(chat)
        return JSONResponse(answer.model_dump(mode="json"))

    @contextlib.contextmanager
    def serve(self, port: int = 0) -> Iterator[ModelServer]:
        """Serve on `port` of this machine while the body runs; 0 for any free one."""
        app = Starlette(
            routes=[Route("/v1/chat/completions", self.chat_completions, methods=["POST"])]
        )
        listening = socket.socket()
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind(("127.0.0.1", port))
        self.url = f"http://127.0.0.1:{listening.getsockname()[1]}"
        config = uvicorn.Config(app, log_level="critical", timeout_graceful_shutdown=1)
        server = uvicorn.Server(config)
        thread = threading.Thread(
            target=lambda: asyncio.run(server.serve(sockets=[listening])), daemon=True
        )
        thread.start()
        while not server.started:
            thread.join(0.01)
        try:
            yield self
        finally:
            server.should_exit = True
            thread.join(10)
            listening.close()
