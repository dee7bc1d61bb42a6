"""Ports of this machine that commands serve on."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import contextmanager

from liftgraph_dagster.errors import ConfigurationError


@contextmanager
def listening(host: str, port: int) -> Iterator[tuple[socket.socket, str]]:
    """Give a socket bound to `port` of `host`, 0 for any free one, and its address for clients.

    Raises ConfigurationError for a port that is taken or not allowed, and for an unknown host.
    """
    try:
        family, kind, _, _, address = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        with socket.socket(family, kind) as bound:
            bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            bound.bind(address)
            shown = f"[{host}]" if ":" in host else host
            yield bound, f"http://{shown}:{bound.getsockname()[1]}"
    except OSError as exc:
        raise ConfigurationError(
            f"port {port} of {host} cannot be used: {exc.strerror}. Choose another with --port"
        ) from exc
