"""SGLang's native `/generate`: a text goes in and a text comes out, without a chat template."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from typing import Any

import httpx
import pydantic

from liftgraph_dagster.errors import ErrorClass, ProviderError
from liftgraph_dagster.providers.contract import (
    Answer,
    ChatRequest,
    ChatResponse,
    Choice,
    ChoiceLogprobs,
    Message,
    PromptDetails,
    TokenLogprob,
    Usage,
)
from liftgraph_dagster.providers.endpoint import Credentials, Endpoint
from liftgraph_dagster.providers.retry import RetryPolicy

_SAMPLING = {
    "max_tokens": "max_new_tokens",
    "temperature": "temperature",
    "top_p": "top_p",
    "top_k": "top_k",
    "frequency_penalty": "frequency_penalty",
    "presence_penalty": "presence_penalty",
    "seed": "sampling_seed",
    "stop": "stop",
}
"""Fields of a chat request, and what `sampling_params` calls them."""

TokenOfServer = tuple[float, int, str | None]
"""Log-probability, id and text of a token."""


class _Ended(pydantic.BaseModel):
    type: str
    message: str = ""


class _Meta(pydantic.BaseModel):
    id: str
    finish_reason: _Ended
    prompt_tokens: int = pydantic.Field(ge=0, lt=2**31)
    completion_tokens: int = pydantic.Field(ge=0, lt=2**31)
    cached_tokens: int = pydantic.Field(0, ge=0, lt=2**31)
    output_token_logprobs: list[TokenOfServer] = []
    output_top_logprobs: list[list[TokenOfServer] | None] = []


class _Generated(pydantic.BaseModel):
    text: str
    meta_info: _Meta


def chatml(messages: Sequence[Message]) -> str:
    """Return a conversation in ChatML, as Qwen and SmolLM2 are trained on it, up to where the
    assistant speaks."""
    turns = [f"<|im_start|>{m.role}\n{m.content}<|im_end|>\n" for m in messages]
    return "".join(turns) + "<|im_start|>assistant\n"


class GenerateProvider:
    """A model server that speaks SGLang's `/generate`.

    Args:
        base_url: address of the server, without `/generate`.
        model: model and revision; this API does not carry them.
        template: makes the prompt of a conversation; what the model was trained on.
    """

    name = "generate"
    constrains = True

    def __init__(
        self,
        base_url: str,
        *,
        model: str,
        template: Callable[[Sequence[Message]], str] = chatml,
        credentials: Credentials | None = None,
        policy: RetryPolicy | None = None,
        transport: httpx.AsyncBaseTransport | None = None,
    ) -> None:
        self.model = model
        self._template = template
        self.endpoint = Endpoint(
            base_url, credentials=credentials, policy=policy, transport=transport
        )

    async def complete(self, request: ChatRequest) -> ChatResponse:
        return await self.endpoint.post("/generate", self._body(request), self._read)

    async def aclose(self) -> None:
        await self.endpoint.aclose()

    def _body(self, request: ChatRequest) -> dict[str, Any]:
        given = request.body()
        sampling = {theirs: given[ours] for ours, theirs in _SAMPLING.items() if ours in given}
        if request.response_format is not None:
            schema = request.response_format.json_schema.json_schema
            sampling["json_schema"] = json.dumps(schema)
        body: dict[str, Any] = {
            "text": self._template(request.messages),
            "sampling_params": sampling,
        }
        if request.logprobs:
            body |= {
                "return_logprob": True,
                "return_text_in_logprobs": True,
                "top_logprobs_num": request.top_logprobs or 0,
            }
        return body

    def _read(self, response: httpx.Response) -> ChatResponse:
        answer = self.endpoint.parsed(_Generated, response, "an answer of /generate")
        meta = answer.meta_info
        if meta.finish_reason.type == "abort":
            raise self.endpoint.error(
                f"it gave up: {meta.finish_reason.message}", ErrorClass.TRANSIENT, httpx.codes.OK
            )
        return ChatResponse(
            id=meta.id,
            model=self.model,
            choices=[
                Choice(
                    message=Answer(content=answer.text),
                    finish_reason=meta.finish_reason.type,
                    logprobs=self._logprobs(meta),
                )
            ],
            usage=Usage(
                prompt_tokens=meta.prompt_tokens,
                completion_tokens=meta.completion_tokens,
                total_tokens=meta.prompt_tokens + meta.completion_tokens,
                prompt_tokens_details=PromptDetails(cached_tokens=meta.cached_tokens),
            ),
        )

    def _logprobs(self, meta: _Meta) -> ChoiceLogprobs | None:
        """Return the log-probabilities of the generated tokens, None when there are none."""
        if not meta.output_token_logprobs:
            return None
        tops = meta.output_top_logprobs or [None] * len(meta.output_token_logprobs)
        if len(tops) != len(meta.output_token_logprobs):
            raise ProviderError(
                f"{self.endpoint} answered with {len(meta.output_token_logprobs)} tokens and the "
                f"alternatives of {len(tops)}",
                error_class=ErrorClass.CONFIGURATION,
                status=httpx.codes.OK,
            )
        pairs = zip(meta.output_token_logprobs, tops, strict=True)
        return ChoiceLogprobs(
            content=[
                _token(one).model_copy(update={"top_logprobs": [_token(t) for t in top or ()]})
                for one, top in pairs
            ]
        )


def _token(one: TokenOfServer) -> TokenLogprob:
    logprob, _, text = one
    return TokenLogprob(token=text or "", logprob=logprob)
