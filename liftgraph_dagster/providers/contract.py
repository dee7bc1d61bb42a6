"""The serving contract: the part of SGLang's HTTP API that LiftGraph speaks.

The same requests go to SGLang in production and to the embedded gateway (`providers.local`):
`POST /v1/chat/completions`, `GET /health`, `GET /v1/models`, a flat error body, 503 when the queue
is full. Fields that are not listed here are refused by name on our side, because a server that
ignores a field it does not know answers 200 all the same.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal, Protocol

import pydantic


class _Wire(pydantic.BaseModel):
    model_config = pydantic.ConfigDict(extra="forbid", populate_by_name=True)


class _FromServer(pydantic.BaseModel):
    """Servers may add fields; those we do not know are dropped."""

    model_config = pydantic.ConfigDict(extra="ignore", populate_by_name=True)


class Message(_Wire):
    """One turn of a chat."""

    role: Literal["system", "user", "assistant"]
    content: str


class JsonSchema(_Wire):
    """A schema that the answer must match in full."""

    name: str
    json_schema: dict[str, Any] = pydantic.Field(alias="schema")
    strict: bool = True


class ResponseFormat(_Wire):
    """The only structured output that both sides honour today: a JSON schema."""

    type: Literal["json_schema"] = "json_schema"
    json_schema: JsonSchema


class ChatRequest(_Wire):
    """Body of `POST /v1/chat/completions`."""

    model: str
    messages: list[Message] = pydantic.Field(min_length=1)
    max_tokens: int | None = pydantic.Field(default=None, ge=1)
    temperature: float | None = pydantic.Field(default=None, ge=0, le=2)
    top_p: float | None = pydantic.Field(default=None, gt=0, le=1)
    top_k: int | None = pydantic.Field(default=None, ge=1)
    frequency_penalty: float | None = None
    presence_penalty: float | None = None
    seed: int | None = None
    stop: list[str] | None = None
    logprobs: bool | None = None
    top_logprobs: int | None = pydantic.Field(default=None, ge=0, le=20)
    response_format: ResponseFormat | None = None

    def body(self) -> dict[str, Any]:
        """Return the JSON object that goes on the wire; what was not set is left out."""
        return self.model_dump(mode="json", by_alias=True, exclude_none=True)


class TokenLogprob(_FromServer):
    """Log-probability of one generated token, before the grammar's mask."""

    token: str
    logprob: float
    bytes: list[int] | None = None
    top_logprobs: list[TokenLogprob] = []


class ChoiceLogprobs(_FromServer):
    """Log-probabilities of a choice, in the order of generation."""

    content: Annotated[
        list[TokenLogprob], pydantic.BeforeValidator(lambda tokens: tokens or [])
    ] = []


class Answer(_FromServer):
    """What the model said; empty when the server sends null."""

    role: Literal["assistant"] = "assistant"
    content: Annotated[str, pydantic.BeforeValidator(lambda text: text or "")] = ""


class Choice(_FromServer):
    """One answer."""

    index: int = 0
    message: Answer
    finish_reason: str
    logprobs: ChoiceLogprobs | None = None


class PromptDetails(_FromServer):
    """Where prompt tokens came from."""

    cached_tokens: Annotated[
        int, pydantic.BeforeValidator(lambda n: n or 0), pydantic.Field(ge=0, lt=2**31)
    ] = 0


class Usage(_FromServer):
    """Tokens as the server counted them."""

    prompt_tokens: int = pydantic.Field(ge=0, lt=2**31)
    completion_tokens: int = pydantic.Field(ge=0, lt=2**31)
    total_tokens: int = pydantic.Field(ge=0, lt=2**32)
    prompt_tokens_details: PromptDetails | None = None


class ChatResponse(_FromServer):
    """Answer of `POST /v1/chat/completions`."""

    id: str
    model: str = pydantic.Field(pattern=r"^[^\x00]*$")
    choices: list[Choice] = pydantic.Field(min_length=1)
    usage: Usage


class WireError(_FromServer):
    """Body of an error, flat as SGLang sends it."""

    object: Literal["error"] = "error"
    message: str
    type: str
    param: str | None = None
    code: int | str | None = None


class Provider(Protocol):
    """A language model behind the contract.

    `complete` answers one request or raises `errors.ProviderError`, classified, after its own
    transport retries. It checks nothing about schemas: that is the engine's business.
    """

    name: str
    """Who serves: `local`, `http`, `scripted`, `modal`."""
    model: str
    """Model and revision; part of every cache key and of every recorded call."""
    constrains: bool
    """True when decoding is constrained by the schema, as XGrammar and llguidance do."""

    async def complete(self, request: ChatRequest) -> ChatResponse: ...

    async def aclose(self) -> None: ...
