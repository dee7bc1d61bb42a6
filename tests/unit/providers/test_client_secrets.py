from __future__ import annotations

import traceback

import httpx
import pytest

from liftgraph_dagster.errors import LiftGraphError, ProviderError
from liftgraph_dagster.providers.client import HttpProvider
from liftgraph_dagster.providers.endpoint import Credentials
from liftgraph_dagster.providers.retry import ONCE
from tests.unit.providers.factories import (
    ANSWER,
    ASKED,
    KEY,
    Handler,
    answering,
    http_provider,
)

REFUSED = {
    "object": "error",
    "message": f"Incorrect API key provided: {KEY}",
    "type": "Auth",
    "code": 401,
}
ECHOES = {
    "flat": answering(401, REFUSED),
    "text": lambda request: httpx.Response(401, text=f"no: {request.headers['authorization']}"),
}


@pytest.mark.parametrize("handler", ECHOES.values(), ids=ECHOES.keys())
async def test_the_key_stands_in_no_error_even_when_the_server_repeats_it(
    handler: Handler,
) -> None:
    with pytest.raises(ProviderError) as raised:
        await http_provider(handler).complete(ASKED)

    assert KEY not in "".join(traceback.format_exception(raised.value))


def test_a_key_that_no_header_can_carry_is_refused_without_showing_it() -> None:
    with pytest.raises(LiftGraphError) as raised:
        http_provider(answering(200, ANSWER), credentials=Credentials(api_key=f"{KEY}é"))

    assert KEY not in "".join(traceback.format_exception(raised.value))


def test_the_key_stands_in_no_representation() -> None:
    it = http_provider(answering(200, ANSWER))

    assert KEY not in f"{it!r} {it} {vars(it)} {it.endpoint!r} {it.endpoint}"


async def test_a_password_in_the_address_is_not_shown() -> None:
    transport = httpx.MockTransport(answering(500))
    it = HttpProvider("http://ada:pass-word@there", model="m", policy=ONCE, transport=transport)

    with pytest.raises(ProviderError) as raised:
        await it.complete(ASKED)

    assert "pass-word" not in str(raised.value)


async def test_a_redirect_to_another_host_does_not_get_the_key() -> None:
    seen: dict[str, str | None] = {}

    def handler(request: httpx.Request) -> httpx.Response:
        seen[request.url.host] = request.headers.get("authorization")
        if request.url.host == "there":
            return httpx.Response(307, headers={"location": "http://elsewhere/v1"})
        return httpx.Response(200, json=ANSWER)

    await http_provider(handler).complete(ASKED)

    assert seen == {"there": f"Bearer {KEY}", "elsewhere": None}
