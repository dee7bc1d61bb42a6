"""The existing Modal endpoints, which speak dialects of their own.

They take `{prompt, schema, max_tokens, temperature, top_p}` at their address itself, and answer
`{ir_json | text, tokens_used, generation_time_ms, finish_reason}`. An error comes under 200 too, as
`{error, raw_output, finish_reason}` or `{error, status}`. Nothing else can be asked of them.
"""

from __future__ import annotations

import json
import uuid
from collections.abc import Collection
from typing import Any

import httpx
import pydantic

from liftgraph_dagster.errors import ConfigurationError, ErrorClass, OutputInvalid, ProviderError
from liftgraph_dagster.providers.contract import (
    Answer,
    ChatRequest,
    ChatResponse,
    Choice,
    Message,
    Usage,
)
from liftgraph_dagster.providers.endpoint import Credentials, Endpoint
from liftgraph_dagster.providers.retry import RetryPolicy

_KEYS = ("ir_json", "text")
"""Where the answer stands: one key in each dialect."""
_SETTINGS = ("max_tokens", "temperature", "top_p")
_CARRIED = {"model", "messages", "response_format", *_SETTINGS}


class _Body(pydantic.BaseModel):
    """What both dialects have in common. Servers may add fields."""

    error: str | None = None
    status: int | None = None
    raw_output: str | None = None
    tokens_used: int = pydantic.Field(0, ge=0, lt=2**31)
    finish_reason: str = "stop"

    model_config = pydantic.ConfigDict(extra="allow")


class LegacyModalProvider:
    """An endpoint `...-generate.modal.run`, in either dialect.

    Of tokens the server counts those that it generated, and no others: `prompt_tokens` is 0.

    Args:
        url: address of the endpoint itself.
        model: model and revision behind it; the endpoint does not say.
        ignored: fields of a request that the caller knows to be lost here, as `seed`. A request
            with any other field that the endpoint does not carry is refused.
    """

    name = "modal-legacy"
    constrains = True

    def __init__(
        self,
        url: str,
        *,
        model: str,
        ignored: Collection[str] = (),
        credentials: Credentials | None = None,
        policy: RetryPolicy | None = None,
        transport: httpx.AsyncBaseTransport | None = None,
    ) -> None:
        self.model = model
        self._ignored = frozenset(ignored)
        self.endpoint = Endpoint(url, credentials=credentials, policy=policy, transport=transport)

    async def complete(self, request: ChatRequest) -> ChatResponse:
        body = request.body()
        if lost := sorted(body.keys() - _CARRIED - self._ignored):
            raise ConfigurationError(
                f"{self.endpoint} takes no {', '.join(lost)}. Leave it out of the request, or name "
                "it in `ignored`"
            )
        asked: dict[str, Any] = {name: body[name] for name in _SETTINGS if name in body}
        asked["prompt"] = _prompt(request.messages)
        if request.response_format is not None:
            asked["schema"] = request.response_format.json_schema.json_schema
        return await self.endpoint.post("", asked, self._read)

    async def aclose(self) -> None:
        await self.endpoint.aclose()

    def _read(self, response: httpx.Response) -> ChatResponse:
        body = self.endpoint.parsed(_Body, response, "an answer of a Modal endpoint")
        if body.error is not None:
            raise self._error(body)
        known = [key for key in _KEYS if key in (body.model_extra or {})]
        if not known:
            found = ", ".join(sorted(response.json())) or "nothing"
            raise ProviderError(
                f"{self.endpoint} answered 200 with neither {' nor '.join(_KEYS)}, but with "
                f"{found}. It may have been deployed anew with another form of answer",
                error_class=ErrorClass.CONFIGURATION,
                status=response.status_code,
            )
        return ChatResponse(
            id=uuid.uuid4().hex,
            model=self.model,
            choices=[
                Choice(
                    message=Answer(content=_content((body.model_extra or {})[known[0]])),
                    finish_reason=body.finish_reason,
                )
            ],
            usage=Usage(
                prompt_tokens=0, completion_tokens=body.tokens_used, total_tokens=body.tokens_used
            ),
        )

    def _error(self, body: _Body) -> ProviderError:
        """Return the error that a body under 200 tells of."""
        if body.finish_reason == "json_error":
            return OutputInvalid(
                f"{self.endpoint} answered with text that is not JSON: {body.error}",
                answer=body.raw_output or "",
            )
        status = body.status or httpx.codes.OK
        refused = httpx.codes.BAD_REQUEST <= status < httpx.codes.INTERNAL_SERVER_ERROR
        error_class = ErrorClass.PERMANENT if refused else ErrorClass.TRANSIENT
        return self.endpoint.error(body.error or "an error without words", error_class, status)


def _prompt(messages: list[Message]) -> str:
    """Return a conversation as one text; a single message as it is."""
    if len(messages) == 1:
        return messages[0].content
    return "\n\n".join(f"{m.role.capitalize()}: {m.content}" for m in messages) + "\n\nAssistant:"


def _content(value: Any) -> str:
    """Return an answer as the text that a model wrote: one dialect has parsed it already."""
    if value is None or isinstance(value, str):
        return value or ""
    return json.dumps(value, ensure_ascii=False)
