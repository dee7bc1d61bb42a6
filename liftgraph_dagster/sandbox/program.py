"""What runs in a confined child: foreign code, call by call.

The child reads one job and answers with a line of JSON for the loading of the code and for each
call, as they are done. Expected results never come here: whoever asked compares.

Whatever a program can do in a process it can do to the lines of this module, too: it may find the
job and the descriptor on the stack and write the answers itself, know the arguments of the calls
to come, print what it did not print. All of that it could as well return, so such an answer says
no more than a returned value does: it is the program's claim, bounded in size, about itself. The
calls of one run share a process and therefore fate; other runs share nothing with it.
"""

from __future__ import annotations

import ast
import builtins
import io
import json
import os
import sys
import time
from typing import Any

from liftgraph_dagster.sandbox.values import encode, encode_opaque

MAX_PRINTED = 2000
"""Characters of a call's printed text that are kept."""
MAX_MESSAGE = 500
MAX_BASES = 20
MAX_LOADED_BYTES = 65536
"""For the names that a program defines."""
MAX_NAMES = 500
_LONGEST_NAME = 100


def refuse(fd: int, exc: Exception) -> None:
    """Say on `fd` that this process could not be confined; nothing has been read."""
    _write(fd, {"confined": False, "reason": f"{type(exc).__name__}: {exc}"})


def serve(fd: int) -> None:
    """Say on `fd` that this process is confined, read a job, run it, write the answers."""
    _write(fd, {"confined": True})
    job = _read(fd)
    max_bytes = job["output_bytes"]
    scope: dict[str, Any] = {"__name__": "program", "__builtins__": builtins}

    def load() -> list[str]:
        exec(compile(job["code"], "<program>", "exec", dont_inherit=True), scope)
        return _callables(scope)

    loaded = _outcome(load, MAX_LOADED_BYTES)
    _write(fd, loaded)
    if loaded["outcome"] != "returned":
        return
    for call in job["calls"]:
        function = scope.get(call["function"])
        if function is None:
            _write(fd, {"outcome": "undefined"})
            continue
        args = ast.literal_eval(call["args"])
        _write(fd, _outcome(lambda f=function, a=args: f(*a), max_bytes))


def _callables(scope: dict[str, Any]) -> list[str]:
    """Return the names of what can be called, of ordinary length and number."""
    names = [name for name, value in scope.items() if type(name) is str and callable(value)]
    return [name for name in names if len(name) <= _LONGEST_NAME][:MAX_NAMES]


def _outcome(work: Any, max_bytes: int) -> dict[str, Any]:
    printed = _Bounded()
    sys.stdout = sys.stderr = printed
    sys.stdin = io.StringIO()
    started = time.perf_counter()
    found: dict[str, Any]
    try:
        found = {"outcome": "returned", "value": _encoded(work(), max_bytes)}
    except BaseException as exc:  # SystemExit and KeyboardInterrupt are the program's, too
        names = _class_names(exc)
        found = {
            "outcome": "raised",
            "error": names[0],
            "bases": names,
            "message": _message(exc),
        }
    found["seconds"] = time.perf_counter() - started
    found["printed"] = printed.text()
    return found


def _encoded(value: Any, max_bytes: int) -> str:
    """Return a value as JSON; one that is too large, or breaks when it is looked at, as something
    that equals nothing: the program has returned it, and raised nothing."""
    try:
        return encode(value, max_bytes=max_bytes)
    except BaseException as exc:
        return encode_opaque(value, f"cannot be compared: {_message(exc)}")


def _class_names(exc: BaseException) -> list[str]:
    """Return the names of an exception's class and of its ancestors, past any metaclass."""
    ancestors = type.__dict__["__mro__"].__get__(type(exc))
    return [type.__dict__["__name__"].__get__(cls) for cls in ancestors][:MAX_BASES]


def _message(exc: BaseException) -> str:
    try:
        return str(exc)[:MAX_MESSAGE]
    except BaseException as failing:
        return f"(no message: {type(failing).__name__})"


class _Bounded(io.TextIOBase):
    """A text stream that keeps its beginning."""

    def __init__(self) -> None:
        self._kept: list[str] = []
        self._room = MAX_PRINTED

    def write(self, text: str) -> int:
        if self._room > 0:
            self._kept.append(text[: self._room])
            self._room -= len(text)
        return len(text)

    def text(self) -> str:
        return "".join(self._kept)


def _read(fd: int) -> Any:
    size = int.from_bytes(_exactly(fd, 8))
    return json.loads(_exactly(fd, size))


def _exactly(fd: int, size: int) -> bytes:
    data = bytearray()
    while len(data) < size:
        part = os.read(fd, size - len(data))
        if not part:
            raise EOFError
        data += part
    return bytes(data)


def _write(fd: int, answer: dict[str, Any]) -> None:
    data = json.dumps(answer).encode() + b"\n"
    while data:
        data = data[os.write(fd, data) :]
