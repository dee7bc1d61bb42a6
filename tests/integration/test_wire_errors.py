"""What a model server can do wrong, on a real connection, as the caller of a signature sees it."""

from __future__ import annotations

import asyncio
import socket
import traceback
from collections.abc import Iterator
from dataclasses import replace

import dspy
import pytest

from liftgraph_dagster.errors import (
    ErrorClass,
    LiftGraphError,
    OutputInvalid,
    OutputTruncated,
    ProviderError,
)
from liftgraph_dagster.providers.adapter import ProviderAdapter
from liftgraph_dagster.providers.client import HttpProvider
from liftgraph_dagster.providers.endpoint import Credentials
from liftgraph_dagster.providers.engine import our_error
from liftgraph_dagster.providers.retry import ONCE
from tests.support.recording_server import RecordingServer, Reply, completion

KEY = "sk-very-secret"
FLAT = {
    "object": "error",
    "message": "The request queue is full.",
    "type": "ServiceUnavailable",
    "param": None,
    "code": 503,
}
NESTED = {"error": {"code": 400, "message": "bad grammar", "type": "invalid_request_error"}}
CUT_OFF = {
    "choices": [
        {"message": {"role": "assistant", "content": '{"ans'}, "finish_reason": "length"},
    ]
}


@pytest.fixture
def server() -> Iterator[RecordingServer]:
    with RecordingServer().serve() as running:
        yield running


def once(url: str, *, timeout_s: float = 30, key: str = KEY) -> HttpProvider:
    """Return a provider that asks once."""
    policy = replace(ONCE, timeout_s=timeout_s)
    return HttpProvider(url, model="m", credentials=Credentials(api_key=key), policy=policy)


async def error_of(url: str, *, timeout_s: float = 30, key: str = KEY) -> LiftGraphError:
    """Ask the server at `url`; return our error behind the one that DSPy raises."""
    with pytest.raises(Exception) as raised:  # noqa: PT011
        await ProviderAdapter(once(url, timeout_s=timeout_s, key=key))("hi")
    shown = "".join(traceback.format_exception(raised.value)) + repr(raised.value)
    assert KEY not in shown
    error = our_error(raised.value)
    assert error is not None
    return error


async def test_a_server_that_is_not_there(server: RecordingServer) -> None:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{closed.getsockname()[1]}"

        error = await error_of(url)

    assert error.error_class is ErrorClass.TRANSIENT
    assert f"{url} cannot be reached" in str(error)


async def test_a_server_that_says_nothing(server: RecordingServer) -> None:
    server.reply = Reply(hang=True)

    error = await error_of(server.url, timeout_s=0.1)

    assert error.error_class is ErrorClass.TIMEOUT
    assert f"{server.url} did not answer within 0.1 s" in str(error)


async def test_a_server_that_goes_away_in_the_middle_of_its_answer(
    server: RecordingServer,
) -> None:
    server.reply = Reply(body=b'{"id": "1", "choices"', claimed_length=1000)

    error = await error_of(server.url)

    assert error.error_class is ErrorClass.TRANSIENT
    assert "cannot be reached: peer closed connection" in str(error)


@pytest.mark.parametrize(
    ("reply", "error_class", "words"),
    [
        (Reply(400, NESTED), ErrorClass.PERMANENT, "answered 400: bad grammar"),
        (Reply(401, NESTED), ErrorClass.CONFIGURATION, "answered 401: bad grammar"),
        (Reply(404, b"Not Found"), ErrorClass.CONFIGURATION, "answered 404: Not Found"),
        (Reply(429, FLAT), ErrorClass.RATE_LIMITED, "answered 429: The request queue"),
        (Reply(500, b""), ErrorClass.TRANSIENT, "answered 500: Internal Server Error"),
        (Reply(503, FLAT), ErrorClass.TRANSIENT, "answered 503: The request queue is full."),
        (Reply(504, b""), ErrorClass.TIMEOUT, "answered 504: Gateway Timeout"),
        (Reply(200, {}), ErrorClass.CONFIGURATION, "not a chat completion: id: Field required"),
        (Reply(200, b"<html>"), ErrorClass.CONFIGURATION, "not a chat completion"),
        (Reply(200, FLAT), ErrorClass.CONFIGURATION, "not a chat completion"),
    ],
)
async def test_a_server_that_refuses_or_answers_nonsense(
    reply: Reply, error_class: ErrorClass, words: str, server: RecordingServer
) -> None:
    server.reply = reply

    error = await error_of(server.url)

    assert type(error) is ProviderError
    assert error.error_class is error_class
    assert words in str(error)


async def test_a_server_that_asks_to_wait(server: RecordingServer) -> None:
    server.reply = Reply(429, FLAT, {"retry-after": "3"})

    error = await error_of(server.url)

    assert isinstance(error, ProviderError)
    assert (error.retry_after_s, error.retryable) == (3.0, True)


async def test_an_answer_that_leaves_its_schema(server: RecordingServer) -> None:
    server.reply = completion({"answer": "hi", "more": 1})

    error = await error_of(server.url)

    assert isinstance(error, OutputInvalid)
    assert error.answer == '{"answer": "hi", "more": 1}'


async def test_an_answer_that_was_cut_off(server: RecordingServer) -> None:
    server.reply = completion({}, **CUT_OFF)

    error = await error_of(server.url)

    assert isinstance(error, OutputTruncated)


@pytest.mark.parametrize("reply", [Reply(500, b""), Reply(429, FLAT), completion("no")])
async def test_a_failed_request_is_sent_once(reply: Reply, server: RecordingServer) -> None:
    """Neither DSPy nor an adapter of its own asks a second time behind the policy's back."""
    server.reply = reply

    await error_of(server.url)

    assert len(server.received) == 1


async def test_a_server_that_repeats_the_key_does_not_get_it_shown(
    server: RecordingServer,
) -> None:
    server.reply = Reply(401, FLAT | {"message": f"Incorrect API key: {KEY}"})

    error = await error_of(server.url)

    assert "Incorrect API key" in str(error)


async def test_a_key_read_with_its_line_end_is_not_shown(server: RecordingServer) -> None:
    """The HTTP library quotes a header that it cannot send."""
    server.reply = Reply(401, FLAT)

    await error_of(server.url, key=f"{KEY}\n")


async def test_a_thread_sees_the_same_error(server: RecordingServer) -> None:
    server.reply = Reply(503, FLAT)
    adapter = ProviderAdapter(once(server.url))
    predict = dspy.Predict("question -> answer")

    context = dspy.context(lm=adapter.lm, adapter=adapter.adapter)
    with pytest.raises(Exception, match="queue is full") as raised, context:
        await asyncio.to_thread(predict, question="hi")

    error = our_error(raised.value)
    assert isinstance(error, ProviderError)
    assert error.status == 503


async def test_the_answer_after_an_error_is_returned(server: RecordingServer) -> None:
    adapter = ProviderAdapter(once(server.url))
    server.reply = Reply(500, b"")
    with pytest.raises(Exception, match="answered 500"):
        await adapter("hi")

    server.reply = completion({"answer": "hello"})

    assert (await adapter("hi")).answer == "hello"
