from __future__ import annotations

import json
from typing import Any

import httpx
import pytest

from liftgraph_dagster.errors import (
    ConfigurationError,
    ErrorClass,
    LiftGraphError,
    ProviderError,
    ServerUnreachable,
)
from liftgraph_dagster.providers.client import HttpProvider
from liftgraph_dagster.providers.endpoint import Credentials
from tests.unit.providers.factories import (
    ANSWER,
    ASKED,
    KEY,
    Handler,
    answering,
    http_provider,
)

FLAT = {"object": "error", "message": "flat words", "type": "Bad", "param": None, "code": 400}
NESTED = {"error": {"code": 400, "message": "nested words", "type": "invalid_request_error"}}
NESTED_WITH_NAMED_CODE = {
    "error": {"code": "invalid_api_key", "message": "named words", "type": "auth", "param": None}
}


def raising(exc: Exception) -> Handler:
    def handler(request: httpx.Request) -> httpx.Response:
        raise exc

    return handler


async def error_of(handler: Handler, **arguments: Any) -> ProviderError:
    with pytest.raises(ProviderError) as raised:
        await http_provider(handler, **arguments).complete(ASKED)
    return raised.value


async def test_an_answer_is_returned_parsed() -> None:
    response = await http_provider(answering(200, ANSWER)).complete(ASKED)

    assert (response.model, response.choices[0].message.content) == ("m@2", '{"a": 1}')


async def test_the_request_is_posted_as_the_contract_says() -> None:
    seen: list[httpx.Request] = []

    def handler(request: httpx.Request) -> httpx.Response:
        seen.append(request)
        return httpx.Response(200, json=ANSWER)

    await http_provider(handler).complete(ASKED)

    (request,) = seen
    assert (request.method, str(request.url)) == ("POST", "http://there:1/v1/chat/completions")
    assert json.loads(request.content) == ASKED.body()
    assert request.headers["authorization"] == f"Bearer {KEY}"


async def test_no_authorization_is_sent_without_a_key() -> None:
    seen: list[httpx.Headers] = []

    def handler(request: httpx.Request) -> httpx.Response:
        seen.append(request.headers)
        return httpx.Response(200, json=ANSWER)

    await http_provider(handler, credentials=None).complete(ASKED)

    assert "authorization" not in seen[0]


async def test_a_base_url_may_end_in_a_slash_and_have_a_path() -> None:
    paths: list[str] = []

    def handler(request: httpx.Request) -> httpx.Response:
        paths.append(request.url.path)
        return httpx.Response(200, json=ANSWER)

    transport = httpx.MockTransport(handler)
    await HttpProvider("http://there/llm/", model="m", transport=transport).complete(ASKED)

    assert paths == ["/llm/v1/chat/completions"]


@pytest.mark.parametrize(
    ("status", "expected"),
    [
        (302, ErrorClass.PERMANENT),
        (400, ErrorClass.PERMANENT),
        (401, ErrorClass.CONFIGURATION),
        (404, ErrorClass.CONFIGURATION),
        (422, ErrorClass.PERMANENT),
        (408, ErrorClass.TIMEOUT),
        (429, ErrorClass.RATE_LIMITED),
        (500, ErrorClass.TRANSIENT),
        (502, ErrorClass.TRANSIENT),
        (503, ErrorClass.TRANSIENT),
        (504, ErrorClass.TIMEOUT),
    ],
)
async def test_a_status_is_classified_by_what_one_can_do(status: int, expected: ErrorClass) -> None:
    error = await error_of(answering(status, {}))

    assert (error.status, error.error_class) == (status, expected)


@pytest.mark.parametrize(
    "message",
    [
        "the request exceeds the available context size, try increasing it",
        "The input (3000 tokens) is longer than the model's context length (2048 tokens).",
    ],
    ids=["llama.cpp", "sglang"],
)
async def test_a_prompt_that_is_too_long_is_a_matter_of_resources(message: str) -> None:
    error = await error_of(answering(400, FLAT | {"message": message}))

    assert error.error_class is ErrorClass.RESOURCE


async def test_a_refused_schema_that_mentions_a_context_is_not_a_prompt_too_long() -> None:
    message = "Failed to compile json grammar: keyword 'not' at $.properties.context is ignored"

    error = await error_of(answering(400, FLAT | {"message": message}))

    assert error.error_class is ErrorClass.PERMANENT


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (FLAT, "answered 400: flat words"),
        (NESTED, "answered 400: nested words"),
        (NESTED_WITH_NAMED_CODE, "answered 400: named words"),
        ({"detail": "Not Found"}, 'answered 400: {"detail":"Not Found"}'),
        (["odd"], 'answered 400: ["odd"]'),
        ({"error": "odd"}, 'answered 400: {"error":"odd"}'),
    ],
    ids=["sglang", "llama.cpp", "openai", "fastapi", "list", "text"],
)
async def test_the_words_of_the_server_are_passed_on_from_every_shape(
    body: Any, words: str
) -> None:
    error = await error_of(answering(400, body))

    assert str(error) == f"the model server at http://there:1 {words}"


@pytest.mark.parametrize(
    ("response", "words"),
    [
        (httpx.Response(502, text=" <html>Bad\n"), "answered 502: <html>Bad"),
        (httpx.Response(502, text=""), "answered 502: Bad Gateway"),
        (httpx.Response(502, content=b"\xff\xfe"), "answered 502: "),
        (httpx.Response(502, text="x" * 10_000), "answered 502: " + "x" * 200),
    ],
)
async def test_an_error_that_is_not_json_is_told_in_short(
    response: httpx.Response, words: str
) -> None:
    error = await error_of(lambda request: response)

    assert str(error).startswith(f"the model server at http://there:1 {words}")
    assert len(str(error)) < 300


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        ("7", 7.0),
        ("0.5", 0.5),
        ("soon", None),
        ("inf", None),
        ("-1", 0.0),
        ("Wed, 21 Oct 2020 07:28:00 GMT", 0.0),
    ],
)
async def test_retry_after_is_read_in_seconds(header: str, expected: float | None) -> None:
    error = await error_of(answering(429, {}, **{"retry-after": header}))

    assert error.retry_after_s == expected


@pytest.mark.parametrize(
    "exc",
    [
        httpx.ReadTimeout("t"),
        httpx.WriteTimeout("t"),
        httpx.PoolTimeout("t"),
    ],
)
async def test_a_timeout_is_one_whatever_it_waited_for(exc: httpx.TimeoutException) -> None:
    error = await error_of(raising(exc))

    assert error.error_class is ErrorClass.TIMEOUT
    assert f"http://there:1 did not answer in time ({type(exc).__name__})" in str(error)


@pytest.mark.parametrize(
    "exc",
    [
        httpx.ConnectError("refused"),
        httpx.ReadError("reset"),
        httpx.RemoteProtocolError("Server disconnected without sending a response."),
        httpx.TooManyRedirects("Exceeded maximum allowed redirects."),
        httpx.DecodingError("bad gzip"),
    ],
)
async def test_a_broken_connection_is_transient_and_says_what_to_check(
    exc: httpx.HTTPError,
) -> None:
    error = await error_of(raising(exc))

    assert (error.error_class, error.status) == (ErrorClass.TRANSIENT, None)
    assert str(exc) in str(error)
    assert "Check that the server runs and that LIFTGRAPH_MODEL_URL is its address" in str(error)


@pytest.mark.parametrize("exc", [httpx.ConnectError("refused"), httpx.ConnectTimeout("t")])
async def test_where_nobody_listens_nothing_was_sent(exc: httpx.TransportError) -> None:
    error = await error_of(raising(exc))

    assert isinstance(error, ServerUnreachable)


async def test_a_broken_connection_without_words_is_told_by_its_kind() -> None:
    error = await error_of(raising(httpx.ReadError("")))

    assert "cannot be reached: ReadError" in str(error)


async def test_an_address_without_a_scheme_is_not_worth_a_retry() -> None:
    with pytest.raises(LiftGraphError, match="localhost:30000") as raised:
        await HttpProvider("localhost:30000", model="m").complete(ASKED)

    assert raised.value.error_class is ErrorClass.CONFIGURATION


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ({}, "id: Field required"),
        (ANSWER | {"choices": []}, "choices: List should have at least 1 item"),
        (ANSWER | {"usage": None}, "usage: Input should be"),
        ({"object": "error"} | FLAT, "id: Field required"),
        ([], "Input should be an object"),
    ],
)
async def test_a_wrong_body_under_200_is_an_error_that_names_the_field(
    body: Any, words: str
) -> None:
    error = await error_of(answering(200, body))

    assert error.error_class is ErrorClass.CONFIGURATION
    assert "answered 200 with a body that is not a chat completion: " in str(error)
    assert words in str(error)


async def test_a_page_under_200_is_an_error() -> None:
    error = await error_of(lambda request: httpx.Response(200, text="<html>Log in</html>"))

    assert "not a chat completion: Invalid JSON" in str(error)


async def test_json_that_breaks_off_is_worth_a_retry() -> None:
    headers = {"content-type": "application/json"}

    error = await error_of(lambda request: httpx.Response(200, text='{"id": "1', headers=headers))

    assert error.error_class is ErrorClass.TRANSIENT


async def test_a_wrong_body_is_not_quoted() -> None:
    """It may hold what somebody's model wrote."""
    error = await error_of(answering(200, ANSWER | {"usage": "private words"}))

    assert "private words" not in str(error)


async def test_a_redirect_is_followed() -> None:
    """Modal answers 303 when a call takes longer than 150 s; the result is at the new address."""

    def handler(request: httpx.Request) -> httpx.Response:
        if request.method == "POST":
            return httpx.Response(303, headers={"location": "/result/1"})
        return httpx.Response(200, json=ANSWER | {"id": request.url.path})

    response = await http_provider(handler).complete(ASKED)

    assert response.id == "/result/1"


async def test_a_password_in_the_address_becomes_a_header() -> None:
    seen: list[httpx.Request] = []

    def handler(request: httpx.Request) -> httpx.Response:
        seen.append(request)
        return httpx.Response(200, json=ANSWER)

    transport = httpx.MockTransport(handler)
    it = HttpProvider("http://ada:p%40ss@there", model="m", transport=transport)
    await it.complete(ASKED)

    assert seen[0].headers["authorization"] == "Basic YWRhOnBAc3M="
    assert str(seen[0].url) == "http://there/v1/chat/completions"


async def test_a_host_that_moves_its_visitors_on_to_https_gets_the_key() -> None:
    seen: list[tuple[str, str | None]] = []

    def handler(request: httpx.Request) -> httpx.Response:
        seen.append((request.url.scheme, request.headers.get("authorization")))
        if request.url.scheme == "http":
            return httpx.Response(308, headers={"location": "https://there/v1/chat/completions"})
        return httpx.Response(200, json=ANSWER)

    transport = httpx.MockTransport(handler)
    it = HttpProvider(
        "http://there", model="m", credentials=Credentials(api_key=KEY), transport=transport
    )
    await it.complete(ASKED)

    assert seen == [("http", f"Bearer {KEY}"), ("https", f"Bearer {KEY}")]


@pytest.mark.parametrize("given", [{"modal_key": "wk"}, {"modal_secret": "ws"}])
def test_half_of_modals_pair_is_refused(given: dict[str, str]) -> None:
    with pytest.raises(ConfigurationError, match="takes a pair"):
        HttpProvider("http://there", model="m", credentials=Credentials(**given))
