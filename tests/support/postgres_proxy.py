"""A PostgreSQL server that can go away, and that may lie about its version."""

from __future__ import annotations

import asyncio
import contextlib
from urllib.parse import parse_qs, urlsplit


class PostgresProxy:
    """Hands bytes on between a TCP port and the server behind `url`, which listens on a socket.

    Args:
        url: address of a database on an embedded server.
        rewrite: what the server's answers have, and what they shall have instead, of one length.
    """

    def __init__(self, url: str, rewrite: tuple[bytes, bytes] = (b"", b"")) -> None:
        parts = urlsplit(url)
        where = parse_qs(parts.query)
        self._socket = f"{where['host'][0]}/.s.PGSQL.{where['port'][0]}"
        self._database = parts.path
        self._rewrite = rewrite
        self._port = 0
        self._writers: set[asyncio.StreamWriter] = set()

    @property
    def url(self) -> str:
        """The database's address through here."""
        return f"postgresql://postgres@127.0.0.1:{self._port}{self._database}?sslmode=disable"

    async def start(self) -> None:
        """Listen, on the same port as before."""
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", self._port)
        self._port = self._server.sockets[0].getsockname()[1]

    async def stop(self) -> None:
        """Stop listening and cut all connections."""
        self._server.close()
        for writer in self._writers:
            writer.transport.abort()
        await self._server.wait_closed()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        behind, to_behind = await asyncio.open_unix_connection(self._socket)
        self._writers |= {writer, to_behind}
        old, new = self._rewrite
        with contextlib.suppress(ConnectionError):
            await asyncio.gather(
                _pump(reader, to_behind), _pump(behind, writer, lambda data: data.replace(old, new))
            )
        self._writers -= {writer, to_behind}


async def _pump(reader, writer, change=bytes) -> None:
    with contextlib.closing(writer):
        while data := await reader.read(2**16):
            writer.write(change(data))
            await writer.drain()
