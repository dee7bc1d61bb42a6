"""The seam to DSPy: a provider as the pair of engines that `dspy.LM` takes.

One implementation, async. DSPy's optimizers call from threads; their calls hop onto the loop that
owns the provider. Around the provider stand the two checks that make an answer trustworthy: the
schema before the call, the answer after it.
"""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any

# DSPy looks up prices in a table that litellm downloads, unless told that there is a local one.
os.environ.setdefault("LITELLM_LOCAL_MODEL_COST_MAP", "true")

import dspy
from dspy import lm15

from liftgraph_dagster.errors import (
    ConfigurationError,
    ErrorClass,
    LiftGraphError,
    OutputTruncated,
    ProviderError,
    SchemaRefused,
)
from liftgraph_dagster.providers.contract import (
    ChatRequest,
    ChatResponse,
    JsonSchema,
    Message,
    Provider,
    ResponseFormat,
    TokenLogprob,
)
from liftgraph_dagster.providers.schema_check import check_schema, validate_answer

# The disk cache that DSPy would open on first use unpickles what it finds (CVE-2025-69872, no
# fixed release); the memory cache would answer for another engine of the same model name.
dspy.configure_cache(enable_disk_cache=False, enable_memory_cache=False)


@dataclass(frozen=True)
class ModelCall:
    """One answered request, as it stands in an execution's history."""

    model: str
    prompt_tokens: int
    cached_tokens: int
    completion_tokens: int
    seconds: float
    finish_reason: str
    logprobs: tuple[TokenLogprob, ...] = ()
    """Of the generated tokens, before the grammar's mask; empty when not asked for."""


_calls: ContextVar[list[ModelCall] | None] = ContextVar("liftgraph_model_calls", default=None)


@contextmanager
def recorded_calls() -> Iterator[list[ModelCall]]:
    """Collect the model calls that are made in this context, in order of their answers."""
    calls: list[ModelCall] = []
    token = _calls.set(calls)
    try:
        yield calls
    finally:
        _calls.reset(token)


class AsyncProviderEngine:
    """A provider as DSPy's async engine."""

    supports_response_schema = True
    supports_function_calling = False
    supports_reasoning = False
    supported_params = frozenset(
        {
            "temperature", "max_tokens", "top_p", "top_k", "stop", "seed", "logprobs",
            "frequency_penalty", "presence_penalty", "response_format",
        }
    )  # fmt: skip

    def __init__(self, provider: Provider, *, requires_schema: bool = True) -> None:
        self.provider = provider
        self.requires_schema = requires_schema

    async def complete(self, request: lm15.Request) -> lm15.Response:
        """Answer `request`. Raises a `dspy.lm15` error whose cause is ours, see `our_error`."""
        try:
            return await self._complete(request)
        except LiftGraphError as exc:
            raise _as_lm15(exc) from exc

    async def _complete(self, request: lm15.Request) -> lm15.Response:
        chat = _chat_request(request)
        if chat.response_format is None:
            if self.requires_schema:
                raise ConfigurationError(
                    f"a request to {request.model} has no response schema and would be answered "
                    "without constraint. Use SchemaAdapter, or an engine with requires_schema=False"
                )
            schema = None
        else:
            schema = chat.response_format.json_schema.json_schema
            check_schema(schema)
        started = time.perf_counter()
        response = await self.provider.complete(chat)
        seconds = time.perf_counter() - started
        _record(response, seconds)
        choice = response.choices[0]
        if choice.finish_reason == "length":
            raise OutputTruncated(
                f"{self.provider.model} was cut off after {response.usage.completion_tokens} "
                "tokens. Raise max_tokens, or bound the output fields"
            )
        if choice.finish_reason != "stop":
            raise ProviderError(
                f"{self.provider.model} ended its answer because of {choice.finish_reason!r}",
                error_class=ErrorClass.PERMANENT,
            )
        if schema is not None:
            validate_answer(schema, choice.message.content)
        return _lm15_response(response)

    async def stream(self, request: lm15.Request) -> AsyncIterator[Any]:
        """Answer in one piece: a schema can only be checked against a whole answer."""
        for event in lm15.response_to_events(await self.complete(request)):
            yield event

    async def aclose(self) -> None:
        """Leave the provider open; whoever made it closes it."""


class ProviderEngine:
    """A provider as DSPy's sync engine, for threads other than the loop's own."""

    supports_response_schema = True
    supports_function_calling = False
    supports_reasoning = False
    supported_params = AsyncProviderEngine.supported_params

    def __init__(self, engine: AsyncProviderEngine, loop: asyncio.AbstractEventLoop) -> None:
        self._engine = engine
        self._loop = loop

    def complete(self, request: lm15.Request) -> lm15.Response:
        """Answer `request` on the provider's loop and wait for it."""
        if _running_loop() is self._loop:
            raise ConfigurationError(
                "a synchronous model call on the event loop's own thread would wait for itself. "
                "Await the async form (acall), or call from another thread"
            )
        call = self._engine.complete(request)
        return asyncio.run_coroutine_threadsafe(call, self._loop).result()

    def stream(self, request: lm15.Request) -> Iterator[Any]:
        yield from lm15.response_to_events(self.complete(request))

    def close(self) -> None:
        """Leave the provider open; whoever made it closes it."""


def language_model(provider: Provider, *, requires_schema: bool = True, **config: Any) -> dspy.LM:
    """Return `provider` as a `dspy.LM`, bound to the running event loop.

    `config` holds sampling defaults: temperature, max_tokens, seed, logprobs. DSPy's own retries
    are off, because a provider raises only when its own are spent.
    """
    engine = AsyncProviderEngine(provider, requires_schema=requires_schema)
    return dspy.LM(
        f"{provider.name}/{provider.model}",
        engine=ProviderEngine(engine, asyncio.get_running_loop()),
        async_engine=engine,
        num_retries=0,
        cache=False,
        **config,
    )


def our_error(exc: BaseException) -> LiftGraphError | None:
    """Return the error of ours that `exc` is or was caused by, if there is one."""
    seen: BaseException | None = exc
    while seen is not None:
        if isinstance(seen, LiftGraphError):
            return seen
        seen = seen.__cause__
    return None


def _running_loop() -> asyncio.AbstractEventLoop | None:
    try:
        return asyncio.get_running_loop()
    except RuntimeError:
        return None


def _record(response: ChatResponse, seconds: float) -> None:
    calls = _calls.get()
    if calls is None:
        return
    details = response.usage.prompt_tokens_details
    choice = response.choices[0]
    calls.append(
        ModelCall(
            model=response.model,
            prompt_tokens=response.usage.prompt_tokens,
            cached_tokens=details.cached_tokens if details else 0,
            completion_tokens=response.usage.completion_tokens,
            seconds=seconds,
            finish_reason=choice.finish_reason,
            logprobs=tuple(choice.logprobs.content) if choice.logprobs else (),
        )
    )


def _chat_request(request: lm15.Request) -> ChatRequest:
    config = request.config
    if request.tools or config.extensions:
        raise ConfigurationError(
            f"tools and extensions ({sorted(config.extensions or {})}) are not part of the serving "
            "contract"
        )
    messages = [Message(role=m.role, content=_text(m.parts)) for m in request.messages]
    if request.system is not None:
        system = request.system if isinstance(request.system, str) else _text(request.system)
        messages.insert(0, Message(role="system", content=system))
    return ChatRequest(
        model=request.model.partition("/")[2] or request.model,
        messages=messages,
        max_tokens=config.max_tokens,
        temperature=config.temperature,
        top_p=config.top_p,
        top_k=config.top_k,
        frequency_penalty=config.frequency_penalty,
        presence_penalty=config.presence_penalty,
        seed=config.seed,
        stop=list(config.stop) or None,
        logprobs=None if config.logprobs is None else True,
        top_logprobs=config.logprobs or None,
        response_format=_response_format(config.response_format),
    )


def _response_format(canonical: dict[str, Any] | None) -> ResponseFormat | None:
    """Return the nested form that servers read; the flat one is accepted and ignored by them."""
    if canonical is None:
        return None
    if canonical.get("type") != "json_schema":
        raise ConfigurationError(
            f"response_format {canonical.get('type')!r} leaves the answer unconstrained; give a "
            "JSON schema"
        )
    schema = JsonSchema(
        name=canonical.get("name") or "Answer", json_schema=canonical["schema"], strict=True
    )
    return ResponseFormat(json_schema=schema)


def _text(parts: Any) -> str:
    for part in parts:
        if not isinstance(part, lm15.TextPart):
            raise ConfigurationError(
                f"a message holds a {part.type} part; the serving contract carries text only"
            )
    return "".join(part.text for part in parts)


def _lm15_response(response: ChatResponse) -> lm15.Response:
    choice = response.choices[0]
    return lm15.Response(
        id=response.id or None,
        model=response.model,
        message=lm15.Message.assistant(choice.message.content),
        finish_reason="stop",
        usage=lm15.Usage(
            input_tokens=response.usage.prompt_tokens,
            output_tokens=response.usage.completion_tokens,
            total_tokens=response.usage.total_tokens,
        ),
    )


def _as_lm15(exc: LiftGraphError) -> lm15.LM15Error:
    """Return the DSPy error that means what `exc` means, so that DSPy's own code reacts well."""
    if isinstance(exc, SchemaRefused | ConfigurationError):
        return lm15.InvalidRequestError(str(exc))
    status = exc.status if isinstance(exc, ProviderError) else None
    retry_after = exc.retry_after_s if isinstance(exc, ProviderError) else None
    match exc.error_class:
        case ErrorClass.RATE_LIMITED:
            kind: type[lm15.LM15Error] = lm15.RateLimitError
        case ErrorClass.TIMEOUT:
            kind = lm15.TimeoutError
        case ErrorClass.RESOURCE:
            kind = lm15.ContextLengthError
        case ErrorClass.TRANSIENT:
            kind = lm15.ServerError
        case _:
            kind = lm15.ProviderError
    return kind(str(exc), status=status, retry_after=retry_after)
