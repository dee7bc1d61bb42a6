"""A process in a terminal of its own, driven by real keys."""

from __future__ import annotations

import os
import pty
import re
import select
import subprocess
import termios
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

PATIENCE_S = 60
_CONTROL = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")


class Terminal:
    """Runs a command whose input and output are a terminal. A context manager."""

    def __init__(
        self, command: Sequence[object], *, cwd: Path, environment: Mapping[str, str]
    ) -> None:
        self._ours, theirs = pty.openpty()
        self.process = subprocess.Popen(
            [str(part) for part in command],
            cwd=cwd,
            env=environment | {"TERM": "xterm", "COLUMNS": "120", "LINES": "40"},
            stdin=theirs,
            stdout=theirs,
            stderr=theirs,
            start_new_session=True,
        )
        self._theirs = theirs
        self._seen = ""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.process.kill()
        self.process.wait()
        os.close(self._theirs)
        os.close(self._ours)

    def until(self, text: str) -> str:
        """Return what is printed up to and with `text`, without colours. Raises AssertionError
        when that does not come."""
        deadline = time.monotonic() + PATIENCE_S
        while text not in (plain := _CONTROL.sub("", self._seen)):
            ready, _, _ = select.select([self._ours], [], [], 0.1)
            if ready:
                self._seen += os.read(self._ours, 65536).decode(errors="replace")
            elif self.process.poll() is not None or time.monotonic() > deadline:
                raise AssertionError(f"{text!r} was never printed; printed was\n{plain}")
        found, _, rest = plain.partition(text)
        self._seen = rest
        return found + text

    def press(self, keys: str) -> None:
        """Press keys."""
        os.write(self._ours, keys.encode())

    @property
    def echoes(self) -> bool:
        """True when the terminal shows what is typed and waits for Enter, as shells want it."""
        flags = termios.tcgetattr(self._theirs)[3]
        return bool(flags & termios.ECHO and flags & termios.ICANON)

    def ended(self) -> int:
        """Return the exit code of the process, once it has ended."""
        return self.process.wait(PATIENCE_S)
