"""The fork server: a small process that makes confined children, and reads no foreign byte itself.

It is asked over a socket: each request brings the child's limits and a socket of the child's own,
over which the child alone will read its job. The server answers with a pidfd, by which the child
can be killed, and later with how the child ended.
"""

from __future__ import annotations

import contextlib
import gc
import importlib
import json
import os
import random
import selectors
import signal
import socket
import sys
from typing import Any

from liftgraph_dagster.sandbox import program
from liftgraph_dagster.sandbox.confinement import Confinement

MAX_REQUEST = 4096

_WARM = (
    "abc", "array", "ast", "base64", "bisect", "bz2", "calendar", "cmath", "collections.abc",
    "contextlib", "copy", "csv", "dataclasses", "datetime", "decimal", "difflib", "enum",
    "fractions", "functools", "hashlib", "heapq", "html", "inspect", "io", "itertools", "json",
    "keyword", "locale", "lzma", "math", "numbers", "operator", "pprint", "queue", "random",
    "re", "secrets", "shlex", "sqlite3", "statistics", "string", "struct", "textwrap", "time",
    "timeit", "traceback", "types", "typing", "unicodedata", "uuid", "warnings", "zlib",
    "zoneinfo", "_strptime",
)  # fmt: skip
"""What generated programs import most: loaded once here instead of in each child."""


class Server:
    """The loop."""

    def __init__(self, control: socket.socket) -> None:
        self._control = control
        self._confinement = Confinement()
        self._selector = selectors.DefaultSelector()
        self._selector.register(control, selectors.EVENT_READ)
        self._children: dict[int, tuple[int, int]] = {}  # pidfd -> (request, pid)

    def run(self) -> None:
        """Serve until the other side closes its socket; then kill what still runs."""
        self._send({"level": self._confinement.level.fields()})
        while True:
            for key, _ in self._selector.select():
                if key.fileobj is not self._control:
                    self._reap(key.fd)
                elif not self._serve():
                    self._kill_all()
                    return

    def _serve(self) -> bool:
        data, fds, _, _ = socket.recv_fds(self._control, MAX_REQUEST, 1)
        if not data:
            return False
        request = json.loads(data)
        (child_socket,) = fds
        pid = os.fork()
        if pid == 0:
            self._become_child(request, child_socket)
        os.close(child_socket)
        pidfd = os.pidfd_open(pid)
        self._children[pidfd] = (request["id"], pid)
        self._selector.register(pidfd, selectors.EVENT_READ)
        self._send({"id": request["id"], "started": True}, [pidfd])
        return True

    def _become_child(self, request: dict[str, Any], child_socket: int) -> None:
        """Confine this process, run its job, and end. Never returns."""
        status = 1
        try:
            self._control.close()
            self._selector.close()
            for pidfd in self._children:
                os.close(pidfd)
            random.seed(0)  # a program that draws lots does so repeatably
            try:
                self._confinement.put_on(memory_mb=request["memory_mb"], cpu_s=request["cpu_s"])
            except OSError as exc:
                program.refuse(child_socket, exc)
            else:
                program.serve(child_socket)
            status = 0
        finally:
            os._exit(status)

    def _reap(self, pidfd: int) -> None:
        request_id, pid = self._children.pop(pidfd)
        _, status, usage = os.wait4(pid, 0)
        self._selector.unregister(pidfd)
        os.close(pidfd)
        self._send(
            {
                "id": request_id,
                "exit": os.waitstatus_to_exitcode(status),
                "peak_memory_mb": usage.ru_maxrss / 1024,
                "cpu_s": usage.ru_utime + usage.ru_stime,
            }
        )

    def _kill_all(self) -> None:
        for pidfd in self._children:
            with contextlib.suppress(ProcessLookupError):
                signal.pidfd_send_signal(pidfd, signal.SIGKILL)

    def _send(self, message: dict[str, Any], fds: list[int] | None = None) -> None:
        socket.send_fds(self._control, [json.dumps(message).encode()], fds or [])


def main() -> None:
    """Serve on the socket whose number is the command line's only argument."""
    for name in _WARM:
        with contextlib.suppress(ImportError):  # a build without zlib, say
            importlib.import_module(name)
    sys.path[:] = [entry for entry in sys.path if "site-packages" not in entry]
    for stopping in (signal.SIGINT, signal.SIGHUP):
        signal.signal(stopping, signal.SIG_IGN)  # a Ctrl-C in the terminal is for our parent
    gc.collect()
    gc.freeze()
    Server(socket.socket(fileno=int(sys.argv[1]))).run()
