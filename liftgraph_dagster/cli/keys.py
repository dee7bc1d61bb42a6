"""Single keys from a terminal, without Enter."""

from __future__ import annotations

import asyncio
import os
import sys
import termios
import tty
from types import TracebackType
from typing import Self

from liftgraph_dagster.errors import ConfigurationError


class Keys:
    """Reads keys while it is open; the terminal is as before afterwards. A context manager.

    Raises ConfigurationError when standard input is no terminal. Ctrl-C interrupts as ever.
    """

    def __init__(self) -> None:
        if not (sys.stdin.isatty() and sys.stdout.isatty()):
            raise ConfigurationError(
                "labelling needs a terminal for its keys, and this is none. Run it in a terminal, "
                "or bring marks in with --import FILE"
            )
        self._terminal = sys.stdin.fileno()

    def __enter__(self) -> Self:
        self._before = termios.tcgetattr(self._terminal)
        tty.setcbreak(self._terminal)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        termios.tcsetattr(self._terminal, termios.TCSADRAIN, self._before)

    def forget(self) -> None:
        """Drop the keys that were pressed until now: they answered what was shown before."""
        termios.tcflush(self._terminal, termios.TCIFLUSH)

    async def next(self) -> str:
        """Return the next key. Several bytes at once (an arrow, a paste) are one key. Raises
        KeyboardInterrupt when the terminal is gone."""
        loop = asyncio.get_running_loop()
        pressed: asyncio.Future[bytes] = loop.create_future()
        loop.add_reader(self._terminal, self._read, pressed)
        try:
            key = await pressed
        finally:
            loop.remove_reader(self._terminal)
        if not key:
            raise KeyboardInterrupt
        return key.decode(errors="replace")

    def _read(self, pressed: asyncio.Future[bytes]) -> None:
        try:
            key = os.read(self._terminal, 1024)
        except OSError:  # the terminal was closed
            key = b""
        if not pressed.done():
            pressed.set_result(key)
