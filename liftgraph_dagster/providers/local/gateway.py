"""The embedded model behind the serving contract: one ASGI app, in this process or on a port."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pydantic
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from liftgraph_dagster.errors import (
    ConfigurationError,
    ErrorClass,
    OutputInvalid,
    ProviderError,
    SchemaRefused,
)
from liftgraph_dagster.providers.contract import ChatRequest, ChatResponse, WireError
from liftgraph_dagster.providers.local.grammar import JSON_BEGINS, json_grammar
from liftgraph_dagster.providers.local.model import SLOTS, LocalModel
from liftgraph_dagster.providers.schema_check import check_schema, validate_answer

MAX_QUEUED = 256
"""Requests that wait for a slot; one more is answered 503, as SGLang does."""


class Gateway:
    """The handlers, around one model and one queue."""

    def __init__(self, model: LocalModel, *, max_queued: int = MAX_QUEUED) -> None:
        self.model = model
        self.max_queued = max_queued
        self._slots = ThreadPoolExecutor(SLOTS, thread_name_prefix="local-model")
        self._waiting = 0

    def app(self) -> Starlette:
        """Return the ASGI app. It loads the model when it starts, or at the first request."""
        return Starlette(
            routes=[
                Route("/health", self.health),
                Route("/v1/models", self.models),
                Route("/v1/chat/completions", self.chat_completions, methods=["POST"]),
            ],
            lifespan=self._lifespan,
        )

    async def health(self, request: Request) -> Response:
        if self.model.ready:
            return Response(status_code=200)
        said = self.model.failure or "the model is starting"
        return _error(said, status=503, kind="ServiceUnavailable")

    async def models(self, request: Request) -> Response:
        card = {"id": self.model.revision, "object": "model", "owned_by": "liftgraph"}
        return JSONResponse({"object": "list", "data": [card]})

    async def chat_completions(self, request: Request) -> Response:
        try:
            chat = ChatRequest.model_validate_json(await request.body())
        except pydantic.ValidationError as exc:
            problem = exc.errors(include_url=False, include_input=False)[0]
            field = ".".join(str(part) for part in problem["loc"])
            message = f"{field}: {problem['msg']}" if field else problem["msg"]
            return _error(message, status=400, param=field or None)
        if self._waiting >= self.max_queued + SLOTS:
            return _error("The request queue is full.", status=503, kind="ServiceUnavailable")
        self._waiting += 1
        try:
            loop = asyncio.get_running_loop()
            answer = await loop.run_in_executor(self._slots, self.answer, chat)
        except SchemaRefused as exc:
            return _error(f"Failed to compile json grammar: {exc}", status=400, param=exc.path)
        except OutputInvalid as exc:
            return _error(f"the model left its grammar: {exc}", status=500, kind="InternalError")
        except ProviderError as exc:
            return _error(str(exc), status=exc.status or 500)
        except ConfigurationError as exc:  # this machine cannot run the model
            return _error(str(exc), status=500, kind="InternalError")
        finally:
            self._waiting -= 1
        return JSONResponse(answer.model_dump(mode="json", exclude_none=True))

    def answer(self, chat: ChatRequest) -> ChatResponse:
        """Answer one request; blocks. The schema is checked before and the answer after."""
        body = chat.body()
        schema = None
        if chat.response_format is not None:
            schema = chat.response_format.json_schema.json_schema
            check_schema(schema)
            del body["response_format"]
            body["grammar"] = json_grammar(schema)
        self.model.load()
        answer = ChatResponse.model_validate(self.model.complete(body))
        answer.model = self.model.revision
        choice = answer.choices[0]
        if schema is not None:
            _require_constrained(choice.message.content)
            if choice.finish_reason == "stop":
                validate_answer(schema, choice.message.content)
        return answer

    def close(self) -> None:
        """Let the requests under way end, then free the model."""
        self._slots.shutdown(wait=True, cancel_futures=True)
        self.model.close()

    @contextlib.asynccontextmanager
    async def _lifespan(self, app: Starlette) -> AsyncIterator[None]:
        loading = asyncio.get_running_loop().run_in_executor(None, self.model.load)
        try:
            yield
        finally:
            await loading
            await asyncio.to_thread(self.close)


def _require_constrained(content: str) -> None:
    """Raise ProviderError for an answer that begins as no JSON does: llama.cpp has dropped the
    grammar."""
    if content and content[0] not in JSON_BEGINS:
        raise ProviderError(
            "Failed to compile json grammar: llama.cpp did not take it, and answered without",
            error_class=ErrorClass.PERMANENT,
            status=400,
        )


def _error(
    message: str, *, status: int, kind: str = "BadRequestError", param: str | None = None
) -> Response:
    body: dict[str, Any] = WireError(
        message=message, type=kind, param=param, code=status
    ).model_dump()
    return Response(json.dumps(body), status_code=status, media_type="application/json")
