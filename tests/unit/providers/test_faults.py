"""What a model server does wrong: each case ends in the right answer or in a classified error.

The server is a fault-injecting fake in virtual time; above it is all of ours, down to DSPy.
"""

from __future__ import annotations

from typing import Any, get_args

import dspy
import httpx
import pytest

from liftgraph_dagster.errors import (
    ErrorClass,
    LiftGraphError,
    OutputInvalid,
    OutputTruncated,
    ServerUnreachable,
)
from liftgraph_dagster.providers.adapter import ProviderAdapter
from liftgraph_dagster.providers.client import HttpProvider
from liftgraph_dagster.providers.contract import Provider
from liftgraph_dagster.providers.endpoint import Credentials
from liftgraph_dagster.providers.engine import our_error
from liftgraph_dagster.providers.modal.legacy import LegacyModalProvider
from tests.support.faulty_endpoint import RESULT, Dialect, Fault, FaultyEndpoint, answer, redirects
from tests.support.virtual_time import in_virtual_time

DIALECTS: tuple[Dialect, ...] = get_args(Dialect)
LEGACY: tuple[Dialect, ...] = ("ir_json", "text")
SECRETS = {"api_key": "sk-planted", "modal_key": "wk-planted", "modal_secret": "ws-planted"}
JSON = {"content-type": "application/json"}
STARTING = Fault(503, {"message": "starting", "type": "x"}, until_s=90)


class Signature(dspy.Signature):
    """Name a function."""

    prompt: str = dspy.InputField()
    name: str = dspy.OutputField()
    arguments: list[str] = dspy.OutputField()


def provider(server: FaultyEndpoint) -> Provider:
    """Return the client that speaks the server's dialect."""
    given: dict[str, Any] = {
        "model": "m",
        "credentials": Credentials(**SECRETS),
        "transport": server.transport(),
    }
    if server.dialect == "chat":
        return HttpProvider("https://there", **given)
    return LegacyModalProvider("https://there-generate.modal.run", **given)


async def ask(server: FaultyEndpoint) -> dict[str, Any]:
    adapter = ProviderAdapter(provider(server), max_tokens=64)
    prediction = await adapter("Twice a number.", signature=Signature)
    return {"name": prediction.name, "arguments": prediction.arguments}


def error_of(server: FaultyEndpoint) -> LiftGraphError:
    """Return our error behind the one that DSPy raises."""
    with pytest.raises(Exception) as raised:  # noqa: PT011
        in_virtual_time(ask(server))
    error = our_error(raised.value)
    assert error is not None
    return error


OVERCOME = {
    "nothing wrong": [],
    "408 of an overloaded Modal": [Fault(408, "Missing request, possibly due to expiry")] * 2,
    "429": [Fault(429, {})] * 3,
    "429 with Retry-After": [Fault(429, {}, {"retry-after": "20"})],
    "500": [Fault(500, "")],
    "502 of a gateway": [Fault(502, "<html>Bad gateway")] * 2,
    "503": [Fault(503, {})] * 7,
    "503 with Retry-After": [Fault(503, {}, {"retry-after": "30"})] * 2,
    "303 to a result": redirects(1),
    "303 again and again": redirects(20),
    "303, then lost": [*redirects(3), Fault(408, "Missing request")],
    "slow first byte": [Fault(408, "", after_s=45)],
    "cold start of 90 s": [STARTING],
    "closed socket": [Fault(raises=httpx.RemoteProtocolError)] * 2,
    "reset in the middle": [Fault(raises=httpx.ReadError)],
    "not listening yet": [Fault(raises=httpx.ConnectError)] * 2,
    "truncated JSON": [Fault(200, '{"id": "1", "cho', JSON)],
}


@pytest.mark.parametrize("dialect", DIALECTS)
@pytest.mark.parametrize("script", OVERCOME.values(), ids=OVERCOME.keys())
def test_a_failure_that_passes_is_overcome(script: list[Fault], dialect: Dialect) -> None:
    assert in_virtual_time(ask(FaultyEndpoint(dialect, *script))) == RESULT


def says(error: str, **more: Any) -> Fault:
    """Return an error under 200, as the existing endpoints send it."""
    return Fault(200, {"error": error, "tokens_used": 0, "finish_reason": "error"} | more)


@pytest.mark.parametrize("dialect", LEGACY)
def test_an_error_under_200_is_an_error_and_is_tried_again(dialect: Dialect) -> None:
    server = FaultyEndpoint(dialect, says("CUDA out of memory"))

    assert in_virtual_time(ask(server)) == RESULT
    assert len(server.requests) == 2


CHAT: dict[str, tuple[Fault, type[LiftGraphError], ErrorClass, str]] = {
    "wrong credentials": (
        Fault(401, {"error": {"message": "no", "type": "auth"}}),
        LiftGraphError, ErrorClass.CONFIGURATION, "answered 401: no"),
    "a stale address": (
        Fault(404, "Not Found"), LiftGraphError, ErrorClass.CONFIGURATION, "answered 404"),
    "a prompt that is too long": (
        Fault(400, {"message": "maximum context length is 8192", "type": "x", "object": "error"}),
        LiftGraphError, ErrorClass.RESOURCE, "maximum context length"),
    "a page": (
        Fault(200, "<html>Log in</html>"),
        LiftGraphError, ErrorClass.CONFIGURATION, "is not a chat completion"),
    "a renamed key": (
        Fault(200, {"id": "1", "model": "m", "answers": []}),
        LiftGraphError, ErrorClass.CONFIGURATION, "is not a chat completion: choices"),
    "a schema that was ignored": (
        Fault(200, answer("chat", {"name": "twice"})),
        OutputInvalid, ErrorClass.VALIDATION, "'arguments' is a required property"),
    "a schema that was ignored, in prose": (
        Fault(200, answer("chat", "Sure!")), OutputInvalid, ErrorClass.VALIDATION, ""),
    "an answer that was cut off": (
        Fault(200, answer("chat", finish_reason="length")),
        OutputTruncated, ErrorClass.VALIDATION, "cut off"),
    "an endless chain": (
        Fault(303, headers={"location": "/result"}, until_s=1e9),
        LiftGraphError, ErrorClass.TIMEOUT, "redirected more than 20 times"),
    "from https to http": (
        Fault(307, headers={"location": "http://there/"}),
        LiftGraphError, ErrorClass.CONFIGURATION, "nothing was sent there"),
    "no answer": (
        Fault(after_s=1000), LiftGraphError, ErrorClass.TIMEOUT, "did not answer within 110 s"),
    "nobody there": (
        Fault(raises=httpx.ConnectError, until_s=1e9),
        ServerUnreachable, ErrorClass.TRANSIENT, "cannot be reached: injected"),
    "408 for ever": (
        Fault(408, "Missing request", until_s=1e9),
        LiftGraphError, ErrorClass.TIMEOUT, "Missing request (tried 5 times in "),
    "503 for ever": (
        Fault(503, {"message": "no GPU", "type": "x"}, until_s=1e9),
        LiftGraphError, ErrorClass.TRANSIENT, "answered 503: no GPU (tried "),
    "429 for longer than one can wait": (
        Fault(429, {}, {"retry-after": "3600"}),
        LiftGraphError, ErrorClass.RATE_LIMITED, "answered 429"),
}  # fmt: skip


@pytest.mark.parametrize(("fault", "kind", "error_class", "words"), CHAT.values(), ids=CHAT.keys())
def test_a_failure_that_stays_is_a_classified_error(
    fault: Fault, kind: type[LiftGraphError], error_class: ErrorClass, words: str
) -> None:
    error = error_of(FaultyEndpoint("chat", fault))

    assert isinstance(error, kind)
    assert error.error_class is error_class
    assert words in str(error)


BAD: dict[str, tuple[Fault, type[LiftGraphError], ErrorClass, str]] = {
    "text that is not JSON": (
        says("Expecting value", finish_reason="json_error", raw_output="Sure! Here is"),
        OutputInvalid, ErrorClass.VALIDATION, "not JSON: Expecting value"),
    "a missing field": (
        Fault(200, {"error": "Missing required field: schema", "status": 400}),
        LiftGraphError, ErrorClass.PERMANENT, "answered 400: Missing required field: schema"),
    "a renamed key": (
        Fault(200, {"output": {}, "tokens_used": 5, "finish_reason": "stop"}),
        LiftGraphError, ErrorClass.CONFIGURATION, "but with finish_reason, output, tokens_used"),
    "a number for a body": (
        Fault(200, 7), LiftGraphError, ErrorClass.CONFIGURATION, "not an answer of a Modal"),
    "tokens below zero": (
        Fault(200, {"text": {}, "tokens_used": -1}),
        LiftGraphError, ErrorClass.CONFIGURATION, "tokens_used"),
    "cut off": (
        Fault(200, {"text": None, "tokens_used": 64, "finish_reason": "length"}),
        OutputTruncated, ErrorClass.VALIDATION, "cut off after 64 tokens"),
    "an error for ever": (
        Fault(200, {"error": "CUDA error", "finish_reason": "error"}, until_s=1e9),
        LiftGraphError, ErrorClass.TRANSIENT, "CUDA error (tried 5 times in "),
}  # fmt: skip


@pytest.mark.parametrize("dialect", LEGACY)
@pytest.mark.parametrize(("fault", "kind", "error_class", "words"), BAD.values(), ids=BAD.keys())
def test_a_failure_that_stays_is_a_classified_error_of_an_existing_endpoint_too(
    fault: Fault,
    kind: type[LiftGraphError],
    error_class: ErrorClass,
    words: str,
    dialect: Dialect,
) -> None:
    error = error_of(FaultyEndpoint(dialect, fault))

    assert isinstance(error, kind)
    assert error.error_class is error_class
    assert words in str(error)


@pytest.mark.parametrize("dialect", LEGACY)
@pytest.mark.parametrize("content", [RESULT, '{"name": "twice", "arguments": ["n"]}'])
def test_an_existing_endpoint_may_have_parsed_the_answer_or_not(
    content: Any, dialect: Dialect
) -> None:
    server = FaultyEndpoint(dialect, Fault(200, answer(dialect, content)))

    assert in_virtual_time(ask(server)) == RESULT


def test_no_secret_is_told_by_a_server_that_repeats_it(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("DEBUG")
    repeated = " ".join(SECRETS.values())
    server = FaultyEndpoint("chat", Fault(500, repeated), Fault(403, repeated))

    error = error_of(server)

    told = f"{error} {error!r} {error.__cause__} {caplog.text}"
    assert "answered 403: *** *** ***" in str(error)
    assert not [secret for secret in SECRETS.values() if secret in told]
    assert {"authorization", "modal-key", "modal-secret"} <= server.requests[-1].headers.keys()


@pytest.mark.parametrize("location", ["https://elsewhere/x", "https://there:8443/x"])
def test_another_host_does_not_get_the_credentials(location: str) -> None:
    server = FaultyEndpoint("chat", Fault(303, headers={"location": location}))

    in_virtual_time(ask(server))

    first, second = server.requests
    assert first.headers["modal-key"] == SECRETS["modal_key"]
    assert not {"authorization", "modal-key", "modal-secret"} & second.headers.keys()
