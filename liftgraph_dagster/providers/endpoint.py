"""The address of a model server: what is posted there, and what its answers mean.

Credentials, redirects, retries and the classification of failures, the same for every dialect that
is spoken over it.
"""

from __future__ import annotations

import base64
import contextlib
import email.utils
import math
import re
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeVar

import httpx
import pydantic

from liftgraph_dagster.errors import (
    ConfigurationError,
    ErrorClass,
    ProviderError,
    ServerUnreachable,
)
from liftgraph_dagster.providers.contract import WireError
from liftgraph_dagster.providers.retry import Retrier, RetryPolicy

T = TypeVar("T")
Model = TypeVar("Model", bound=pydantic.BaseModel)

MOST_REDIRECTS = 20
"""Modal answers 303 to a result that is not there yet, again and again."""
_CONNECT_S = 10.0
_HELD = ("Authorization", "Modal-Key", "Modal-Secret")


@dataclass(frozen=True)
class Credentials:
    """What a model server knows us by. Nothing of it is ever shown."""

    api_key: str | None = field(default=None, repr=False)
    """Sent as a bearer token."""
    modal_key: str | None = field(default=None, repr=False)
    """Token id of Modal's proxy auth; goes with `modal_secret`."""
    modal_secret: str | None = field(default=None, repr=False)

    def headers(self) -> dict[str, str]:
        """Return the headers. Raises ConfigurationError for half a pair, and for a text that no
        header can carry, not showing it."""
        if bool(self.modal_key) != bool(self.modal_secret):
            raise ConfigurationError(
                "Modal's proxy auth takes a pair; set both LIFTGRAPH_MODAL_KEY and "
                "LIFTGRAPH_MODAL_SECRET, or neither"
            )
        for variable, secret in (
            ("LIFTGRAPH_MODEL_API_KEY", self.api_key),
            ("LIFTGRAPH_MODAL_KEY", self.modal_key),
            ("LIFTGRAPH_MODAL_SECRET", self.modal_secret),
        ):
            if secret and not (secret.isascii() and secret.isprintable()):
                raise ConfigurationError(
                    "the model server's key holds a line end or another character that no header "
                    f"can carry ({variable})"
                )
        found = {
            "Authorization": self.api_key and f"Bearer {self.api_key}",
            "Modal-Key": self.modal_key,
            "Modal-Secret": self.modal_secret,
        }
        return {name: value for name, value in found.items() if value}


class Endpoint:
    """A model server at an address, over a socket or in this process (ASGI).

    Args:
        base_url: its address, with the path that all requests have in common.
        credentials: sent to this address, and to no other that it redirects to.
        policy: budgets of retries.
        transport: an httpx transport, for a server in this process.

    Raises ConfigurationError for an address or a key that cannot be used.
    """

    def __init__(
        self,
        base_url: str,
        *,
        credentials: Credentials | None = None,
        policy: RetryPolicy | None = None,
        transport: httpx.AsyncBaseTransport | None = None,
    ) -> None:
        credentials = credentials or Credentials()
        url = _address(base_url)
        address = url.copy_with(userinfo=b"")
        self.url = str(address).rstrip("/")
        self.retrier = Retrier(policy or RetryPolicy(), who=str(self))
        self._censored = _censor(
            credentials.api_key, credentials.modal_key, credentials.modal_secret, url.password
        )
        self._client = httpx.AsyncClient(
            base_url=address,
            headers=credentials.headers() | _basic(url),
            transport=transport,
            timeout=httpx.Timeout(None, connect=_CONNECT_S),  # the retrier ends what takes too long
            trust_env=False,
        )

    def __str__(self) -> str:
        return f"the model server at {self.url}"

    async def post(
        self, path: str, body: Mapping[str, Any], read: Callable[[httpx.Response], T]
    ) -> T:
        """Return what `read` makes of the answer to a request, which is tried again as the policy
        says. Raises ProviderError, classified; so does `read` for an answer that is none."""

        async def attempt() -> T:
            return read(await self._answer(self._client.build_request("POST", path, json=body)))

        return await self.retrier.run(attempt)

    def parsed(self, model: type[Model], response: httpx.Response, what: str) -> Model:
        """Return the body of an answer. Raises ProviderError when it is none: worth a retry if it
        breaks off, a matter of configuration if another dialect is spoken there."""
        try:
            return model.model_validate_json(response.content)
        except pydantic.ValidationError as exc:
            problem = exc.errors(include_url=False, include_input=False)[0]
            where = ".".join(map(str, problem["loc"]))
            is_json = "json" in response.headers.get("content-type", "")
            broken_off = problem["type"] == "json_invalid" and is_json
            raise ProviderError(
                f"{self} answered 200 with a body that is not {what}: "
                f"{where}{': ' if where else ''}{problem['msg']}",
                error_class=ErrorClass.TRANSIENT if broken_off else ErrorClass.CONFIGURATION,
                status=response.status_code,
            ) from exc

    def error(self, said: str, error_class: ErrorClass, status: int) -> ProviderError:
        """Return the error for what the server said, without the secrets that it may repeat."""
        return ProviderError(
            f"{self} answered {status}: {self._censored(said)}",
            error_class=error_class,
            status=status,
        )

    async def aclose(self) -> None:
        """Close the connections."""
        await self._client.aclose()

    async def _answer(self, request: httpx.Request) -> httpx.Response:
        """Return the answer to a request, at the end of its redirects."""
        for _ in range(MOST_REDIRECTS + 1):
            response = await self._sent(request)
            if response.next_request is None:
                if response.status_code != httpx.codes.OK:
                    raise self._refused(response)
                return response
            request = self._redirected(request, response.next_request)
        raise ProviderError(
            f"{self} redirected more than {MOST_REDIRECTS} times; its result may not be there yet",
            error_class=ErrorClass.TIMEOUT,
            status=response.status_code,
        )

    async def _sent(self, request: httpx.Request) -> httpx.Response:
        try:
            return await self._client.send(request)
        except httpx.ConnectTimeout as exc:
            raise ServerUnreachable(
                f"{self} did not take a connection within {_CONNECT_S:g} s",
                error_class=ErrorClass.TIMEOUT,
            ) from exc
        except httpx.TimeoutException as exc:
            raise ProviderError(
                f"{self} did not answer in time ({type(exc).__name__})",
                error_class=ErrorClass.TIMEOUT,
            ) from exc
        except httpx.HTTPError as exc:
            kind = ServerUnreachable if isinstance(exc, httpx.ConnectError) else ProviderError
            said = self._censored(str(exc)).rstrip(".") or type(exc).__name__
            raise kind(
                f"{self} cannot be reached: {said}. Check that the server runs and that "
                "LIFTGRAPH_MODEL_URL is its address"
            ) from exc

    def _redirected(self, asked: httpx.Request, following: httpx.Request) -> httpx.Request:
        """Return the next request of a chain: another host does not get the credentials, and
        nobody gets them in the clear."""
        if asked.url.scheme == "https" and following.url.scheme != "https":
            raise ProviderError(
                f"{self} redirected from https to {following.url.scheme}; nothing was sent there",
                error_class=ErrorClass.CONFIGURATION,
            )
        if not _is_same_place(self._client.base_url, following.url):
            for name in _HELD:
                following.headers.pop(name, None)
        return following

    def _refused(self, response: httpx.Response) -> ProviderError:
        error = self.error(_said(response), error_class_of(response), response.status_code)
        error.retry_after_s = _retry_after_s(response.headers)
        return error


def _is_same_place(ours: httpx.URL, other: httpx.URL) -> bool:
    """Return True for one host and port, and for a host that moves its visitors on to https."""
    moved_on = (ours.scheme, other.scheme) == ("http", "https")
    unnamed = ours.port is None and other.port is None
    same = (ours.scheme, ours.port) == (other.scheme, other.port) or (moved_on and unnamed)
    return ours.host == other.host and same


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


def _basic(url: httpx.URL) -> dict[str, str]:
    """Return the header for a name and password in an address, which then need not stand there."""
    if not url.userinfo:
        return {}
    pair = base64.b64encode(f"{url.username}:{url.password}".encode()).decode()
    return {"Authorization": f"Basic {pair}"}


def _censor(*secrets: str | None) -> Callable[[str], str]:
    """Return a function that takes the secrets out of what a server said: some repeat a key that
    they refuse."""

    def censored(text: str) -> str:
        for secret in filter(None, secrets):
            text = text.replace(secret, "***")
        return text

    return censored


def _said(response: httpx.Response) -> str:
    """Return the server's message, from a flat body (SGLang) or a nested one (llama.cpp)."""
    try:
        body: Any = response.json()
        return WireError.model_validate(body.get("error", body) | {"object": "error"}).message
    except (ValueError, AttributeError, TypeError):
        return response.text[:200].strip() or response.reason_phrase


def error_class_of(response: httpx.Response) -> ErrorClass:
    """Return what can be done about an answer that is not 200."""
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


def _retry_after_s(headers: httpx.Headers) -> float | None:
    """Return the seconds that `Retry-After` asks for, as a number or a date (RFC 9110, 10.2.3), or
    `retry-after-ms`; at least 0."""
    for name, unit in (("retry-after-ms", 1000), ("retry-after", 1)):
        text = headers.get(name, "")
        with contextlib.suppress(ValueError):
            seconds = float(text) / unit
            return max(seconds, 0.0) if math.isfinite(seconds) else None
    try:
        return max(email.utils.parsedate_to_datetime(text).timestamp() - time.time(), 0.0)
    except ValueError:
        return None
