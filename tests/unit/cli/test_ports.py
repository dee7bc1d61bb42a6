from __future__ import annotations

import socket

import pytest

from liftgraph_dagster.cli.ports import listening
from liftgraph_dagster.errors import ConfigurationError


def test_a_free_port_is_told_by_its_number() -> None:
    with listening("127.0.0.1", 0) as (bound, url):
        assert url == f"http://127.0.0.1:{bound.getsockname()[1]}"
        assert not url.endswith(":0")


@pytest.mark.skipif(not socket.has_ipv6, reason="this machine has no IPv6")
def test_an_ipv6_address_stands_in_brackets() -> None:
    with listening("::1", 0) as (_, url):
        assert url.startswith("http://[::1]:")


def test_a_taken_port_is_named_with_a_way_out() -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        with (
            pytest.raises(ConfigurationError, match=f"port {port} of 127.0.0.1 .* --port"),
            listening("127.0.0.1", port),
        ):
            pass


def test_an_unknown_host_is_named() -> None:
    with (
        pytest.raises(ConfigurationError, match=r"no-such-host\.invalid"),
        listening("no-such-host.invalid", 0),
    ):
        pass
