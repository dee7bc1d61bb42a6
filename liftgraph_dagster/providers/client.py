"""The HTTP client of the serving contract."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import httpx
import pydantic

from liftgraph_dagster.errors import ConfigurationError, ErrorClass, ProviderError
from liftgraph_dagster.providers.contract import ChatRequest, ChatResponse, WireError

REQUEST_TIMEOUT_S = 110.0
"""Below the 120 s after which DSPy's evaluator sends a slow request a second time."""


class HttpProvider:
    """A model server that speaks the contract, over a socket or in this process (ASGI).

    Args:
        base_url: address of the server, without `/v1`.
        model: what is sent as `model` and stands in the records.
        api_key: sent as a bearer token; never shown in an error.
        transport: an httpx transport, for a server in this process.
    """

    constrains = True

    def __init__(
        self,
        base_url: str,
        *,
        model: str,
        name: str = "http",
        api_key: str | None = None,
        transport: httpx.AsyncBaseTransport | None = None,
        timeout_s: float = REQUEST_TIMEOUT_S,
    ) -> None:
        self.name = name
        self.model = model
        url = _address(base_url)
        self.base_url = str(url.copy_with(userinfo=b"")).rstrip("/")
        self._without_secrets = _censor(api_key, url.password)
        self._client = httpx.AsyncClient(
            base_url=url,
            headers=_authorization(api_key),
            transport=transport,
            timeout=httpx.Timeout(timeout_s, connect=10.0),
            follow_redirects=True,
            trust_env=False,
        )

    async def complete(self, request: ChatRequest) -> ChatResponse:
        try:
            response = await self._client.post("/v1/chat/completions", json=request.body())
        except httpx.TimeoutException as exc:
            raise ProviderError(
                f"{self._who} did not answer in time ({type(exc).__name__})",
                error_class=ErrorClass.TIMEOUT,
            ) from exc
        except httpx.HTTPError as exc:
            said = self._without_secrets(str(exc)).rstrip(".") or type(exc).__name__
            raise ProviderError(
                f"{self._who} cannot be reached: {said}. Check that the server runs and that "
                "LIFTGRAPH_MODEL_URL is its address"
            ) from exc
        if response.status_code != httpx.codes.OK:
            raise self._refused(response)
        return self._parsed(response)

    async def aclose(self) -> None:
        await self._client.aclose()

    @property
    def _who(self) -> str:
        return f"the model server at {self.base_url}"

    def _parsed(self, response: httpx.Response) -> ChatResponse:
        try:
            return ChatResponse.model_validate_json(response.content)
        except pydantic.ValidationError as exc:
            problem = exc.errors(include_url=False, include_input=False)[0]
            where = ".".join(map(str, problem["loc"]))
            raise ProviderError(
                f"{self._who} answered 200 with a body that is not a chat completion: "
                f"{where}{': ' if where else ''}{problem['msg']}",
                error_class=ErrorClass.CONFIGURATION,
            ) from exc

    def _refused(self, response: httpx.Response) -> ProviderError:
        return ProviderError(
            f"{self._who} answered {response.status_code}: "
            f"{self._without_secrets(_said(response))}",
            error_class=_error_class(response),
            status=response.status_code,
            retry_after_s=_seconds(response.headers.get("retry-after")),
        )


def _address(base_url: str) -> httpx.URL:
    """Return the address of a server. Raises ConfigurationError for a text that is none."""
    try:
        url = httpx.URL(base_url)
    except httpx.InvalidURL as exc:
        shown = "" if "@" in base_url else f" {base_url!r}"  # before an @ stands a password
        raise ConfigurationError(
            f"the model server's address{shown} cannot be read: {exc} (LIFTGRAPH_MODEL_URL)"
        ) from exc
    if url.scheme not in ("http", "https") or not url.host:
        raise ConfigurationError(
            f"the model server's address {str(url.copy_with(userinfo=b''))!r} does not begin with "
            "http:// or https:// and a host (LIFTGRAPH_MODEL_URL)"
        )
    return url


def _censor(*secrets: str | None) -> Callable[[str], str]:
    """Return a function that takes the secrets out of what a server said: some repeat a key that
    they refuse."""

    def censored(text: str) -> str:
        for secret in filter(None, secrets):
            text = text.replace(secret, "***")
        return text

    return censored


def _authorization(api_key: str | None) -> dict[str, str]:
    """Return the header for a key. Raises ConfigurationError, not showing it, for a key that no
    header can carry."""
    if not api_key:
        return {}
    if not api_key.isascii() or not api_key.isprintable():
        raise ConfigurationError(
            "the model server's key holds a line end or another character that no header can carry "
            "(LIFTGRAPH_MODEL_API_KEY)"
        )
    return {"Authorization": f"Bearer {api_key}"}


def _said(response: httpx.Response) -> str:
    """Return the server's message, from a flat body (SGLang) or a nested one (llama.cpp)."""
    try:
        body: Any = response.json()
        return WireError.model_validate(body.get("error", body) | {"object": "error"}).message
    except (ValueError, AttributeError, TypeError):
        return response.text[:200].strip() or response.reason_phrase


def _error_class(response: httpx.Response) -> ErrorClass:
    status = response.status_code
    if status == httpx.codes.TOO_MANY_REQUESTS:
        return ErrorClass.RATE_LIMITED
    if status in (httpx.codes.REQUEST_TIMEOUT, httpx.codes.GATEWAY_TIMEOUT):
        return ErrorClass.TIMEOUT
    if status >= httpx.codes.INTERNAL_SERVER_ERROR:
        return ErrorClass.TRANSIENT
    if status in _NOT_FOR_US:
        return ErrorClass.CONFIGURATION
    if status == httpx.codes.BAD_REQUEST and _TOO_LONG.search(response.text):
        return ErrorClass.RESOURCE
    return ErrorClass.PERMANENT


_NOT_FOR_US = (
    httpx.codes.UNAUTHORIZED,
    httpx.codes.PAYMENT_REQUIRED,
    httpx.codes.FORBIDDEN,
    httpx.codes.NOT_FOUND,
    httpx.codes.METHOD_NOT_ALLOWED,
    httpx.codes.PROXY_AUTHENTICATION_REQUIRED,
)
"""Of a wrong key, a wrong address or a wrong model: any request would be answered so."""

_TOO_LONG = re.compile(
    r"exceed_context_size|context_length_exceeded|"
    r"(exceeds?|longer than|maximum).{0,40}context (size|length|window)|maximum context length",
    re.IGNORECASE,
)
"""How llama.cpp, SGLang and OpenAI say that a prompt does not fit."""


def _seconds(header: str | None) -> float | None:
    try:
        return float(header) if header else None
    except ValueError:
        return None
