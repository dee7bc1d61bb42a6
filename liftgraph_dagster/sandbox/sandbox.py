"""Running foreign Python where it can do no harm.

    with Sandbox() as sandbox:
        report = sandbox.run("def double(n): return 2 * n", [Call("double", "(21,)")])
    report.calls[0].value  # 42

Each run has a process of its own, forked from a warm server and confined before it reads the first
byte of the program: rlimits, no_new_privs, Landlock, seccomp, no environment, nobody's rights. When
its time is over it is killed. Where a layer cannot be had nothing is run, unless the caller says in
words why that is acceptable.
"""

from __future__ import annotations

import contextlib
import itertools
import json
import math
import os
import queue
import selectors
import signal
import socket
import subprocess
import sys
import threading
import time
import weakref
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from liftgraph_dagster.errors import ConfigurationError, ErrorClass, InputError, LiftGraphError
from liftgraph_dagster.sandbox.confinement import Level
from liftgraph_dagster.sandbox.program import (
    MAX_BASES,
    MAX_LOADED_BYTES,
    MAX_MESSAGE,
    MAX_PRINTED,
)
from liftgraph_dagster.sandbox.syntax import literal
from liftgraph_dagster.sandbox.values import decode

_SHORTEST_REASON = 10
_ENVIRONMENT = {"PYTHONHASHSEED": "0", "PYTHONDONTWRITEBYTECODE": "1", "LC_ALL": "C.UTF-8"}
"""Of the server; its children have none. A fixed hash seed makes the order of sets repeatable."""
_START_TIMEOUT_S = 30.0
_REAP_TIMEOUT_S = 10.0


class SandboxUnavailable(ConfigurationError):
    """This machine lacks a layer of the confinement."""


class SandboxDied(LiftGraphError):
    """The fork server went away while it was needed; the same run may work when repeated."""

    error_class = ErrorClass.TRANSIENT


@dataclass(frozen=True)
class Limits:
    """What one run may use. Raises InputError for what is not more than 0."""

    call_s: float = 2.0
    """Seconds of wall clock for the loading of the program and for each call."""
    total_s: float = 10.0
    """Seconds for everything; calls that were not reached are `NOT_RUN`."""
    memory_mb: int = 256
    """Beside what the interpreter itself has."""
    output_bytes: int = 200_000
    """Longest result of one call, as JSON."""

    def __post_init__(self) -> None:
        for name, value in vars(self).items():
            if not 0 < value < math.inf:
                raise InputError(f"Limits({name}={value}): it must be a number, more than 0")


@dataclass(frozen=True)
class Call:
    """One call of a function that the program defines. Raises InputError for arguments that are
    no tuple of literals."""

    function: str
    args: str
    """A tuple of literals, as text."""

    def __post_init__(self) -> None:
        try:
            given = literal(self.args)
        except ValueError:
            given = None
        if not isinstance(given, tuple):
            raise InputError(
                f"{self.function} cannot be called with {self.args[:200]!r}: write the arguments "
                "as a tuple of Python literals, (1, 'a') or (1,) or ()"
            )


class Ending(StrEnum):
    """How the loading of a program, or a call, ended."""

    RETURNED = "returned"
    RAISED = "raised"
    UNDEFINED = "undefined"
    """The program does not define the function."""
    TIMEOUT = "timeout"
    """Killed when its time was over."""
    DIED = "died"
    """The process ended in the middle (out of memory, out of CPU time, `os._exit`), or answered
    with what is no answer."""
    NOT_RUN = "not_run"
    """The program did not load, or the time for everything was over."""


@dataclass(frozen=True)
class Outcome:
    """What became of the loading of a program, or of one call."""

    ending: Ending
    value: Any = None
    """What was returned, see `sandbox.values`; None unless it returned."""
    error: str = ""
    """Name of the exception's class, or the reason why the process died."""
    bases: tuple[str, ...] = ()
    """Names of the exception's class and of its ancestors."""
    message: str = ""
    printed: str = ""
    """The beginning of what was printed."""
    seconds: float = 0.0
    """Wall clock, as seen from here."""

    @property
    def returned(self) -> bool:
        """True when there is a value."""
        return self.ending is Ending.RETURNED


@dataclass(frozen=True)
class Report:
    """What became of one program."""

    loaded: Outcome
    """Its value is the list of the names that can be called."""
    calls: tuple[Outcome, ...]
    level: Level
    """What it was confined by."""
    unsafe_ok: str = ""
    """Why running with less than all layers was acceptable; empty when none was missing."""
    peak_memory_mb: float = 0.0
    cpu_s: float = 0.0

    def defines(self, name: str) -> bool:
        """Return True when the program loaded and `name` can be called."""
        names = self.loaded.value
        return isinstance(names, list) and name in names


NOT_RUN = Outcome(Ending.NOT_RUN)


@dataclass
class _Run:
    """One child, as its caller sees it."""

    socket: socket.socket
    replies: queue.SimpleQueue[Any] = field(default_factory=queue.SimpleQueue)
    pidfd: int = -1


class Sandbox:
    """Runs programs, from any thread. Starts its server when it is first needed, again when it was
    killed, and once more in a process that was forked from this one.

    Args:
        unsafe_ok: why programs may run although this machine lacks a layer of the confinement: a
            sentence, which will stand in every report. Empty: then nothing is run there.
        processes: programs at the same time; as many as there are processors by default.
    """

    def __init__(self, *, unsafe_ok: str = "", processes: int | None = None) -> None:
        if unsafe_ok and len(unsafe_ok.strip()) < _SHORTEST_REASON:
            raise ConfigurationError(
                f"unsafe_ok={unsafe_ok!r} is no reason: say in words why generated code may run "
                "without full confinement"
            )
        self._unsafe_ok = unsafe_ok.strip()
        self._processes = processes or os.cpu_count() or 1
        self._slots = threading.BoundedSemaphore(self._processes)
        self._lock = threading.Lock()
        self._server: _Server | None = None
        _sandboxes.add(self)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    @property
    def level(self) -> Level:
        """What programs are confined by on this machine."""
        return self._ready().level

    def run(self, code: str, calls: Sequence[Call] = (), limits: Limits | None = None) -> Report:
        """Load `code`, make `calls` one after another, and return what became of them.

        The calls share one loaded program. When one of them has to be killed, or kills the process,
        the rest go on in a fresh one. Raises SandboxUnavailable when a layer is missing and nobody
        said that this is acceptable, SandboxDied when the server went away.
        """
        limits = limits or Limits()
        server = self._ready()
        if not server.level.complete and not self._unsafe_ok:
            raise SandboxUnavailable(
                f"this machine lacks {', '.join(server.level.missing)} ({server.level.reason}), so "
                "generated code is not run here. Use Linux 5.13 or newer on x86-64, or set "
                "LIFTGRAPH_SANDBOX_UNSAFE_OK to a sentence that says why it may run all the same"
            )
        with self._slots:
            return self._run(server, code, calls, limits)

    def close(self) -> None:
        """Stop the server and everything that runs in it."""
        with self._lock:
            server, self._server = self._server, None
        if server is not None:
            server.close()

    def _ready(self) -> _Server:
        with self._lock:
            if self._server is not None and self._server.dead:
                self._server.close()
                self._server = None
            if self._server is None:
                self._server = _Server()
            return self._server

    def _leave_to_parent(self) -> None:
        """Begin anew in a forked process; the server and the locks' holders are the parent's."""
        server, self._server = self._server, None
        self._slots = threading.BoundedSemaphore(self._processes)
        self._lock = threading.Lock()
        if server is not None:
            server.leave_to_parent()

    def _run(self, server: _Server, code: str, calls: Sequence[Call], limits: Limits) -> Report:
        deadline = time.monotonic() + limits.total_s
        loaded: Outcome | None = None
        outcomes: list[Outcome] = []
        peak = cpu = 0.0
        while loaded is None or (loaded.returned and len(outcomes) < len(calls)):
            if time.monotonic() >= deadline:
                break
            rest = calls[len(outcomes) :]
            with server.child(limits) as child:
                found = list(_converse(child, code, rest, limits, deadline))
                ended = server.ended(child)
            peak, cpu = max(peak, ended["peak_memory_mb"]), cpu + ended["cpu_s"]
            found[-1] = _explained(found[-1], ended["exit"])
            loaded = loaded or found[0]
            if not found[0].returned:
                break
            outcomes += found[1:]
        missing = len(calls) - len(outcomes)
        return Report(
            loaded=loaded or NOT_RUN,
            calls=(*outcomes, *(NOT_RUN for _ in range(missing))),
            level=server.level,
            unsafe_ok="" if server.level.complete else self._unsafe_ok,
            peak_memory_mb=peak,
            cpu_s=cpu,
        )


_sandboxes: weakref.WeakSet[Sandbox] = weakref.WeakSet()


def _after_fork() -> None:
    for sandbox in list(_sandboxes):
        sandbox._leave_to_parent()


os.register_at_fork(after_in_child=_after_fork)


class _Server:
    """The fork server's process, and the thread that hears its replies."""

    def __init__(self) -> None:
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        package = str(Path(__file__).parents[2])
        start = (
            f"import sys; sys.path.insert(0, {package!r}); "
            "from liftgraph_dagster.sandbox.server import main; "
            f"sys.path.remove({package!r}); main()"
        )
        with theirs:
            self._process = subprocess.Popen(
                [sys.executable, "-s", "-S", "-P", "-c", start, str(theirs.fileno())],
                env=_ENVIRONMENT,
                cwd="/",
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                pass_fds=[theirs.fileno()],
            )
        self._control = ours
        self._ids = itertools.count(1)
        self._runs: dict[int, _Run] = {}
        self._sending = threading.Lock()
        self.dead = False
        ours.settimeout(_START_TIMEOUT_S)
        try:
            hello = ours.recv(65536)
            if not hello:
                raise OSError(f"exit code {self._process.wait(_REAP_TIMEOUT_S)}")
            self.level = Level(**json.loads(hello)["level"])
        except (OSError, subprocess.TimeoutExpired) as exc:
            self._process.kill()
            self._process.wait()
            ours.close()
            raise SandboxDied(f"the sandbox's fork server did not start: {exc}") from exc
        ours.settimeout(None)
        self._hearing = threading.Thread(target=self._hear, name="sandbox", daemon=True)
        self._hearing.start()

    @contextlib.contextmanager
    def child(self, limits: Limits) -> Iterator[_Run]:
        """Give a fresh child; it is gone when the body ends."""
        ours, theirs = socket.socketpair()
        run = _Run(ours)
        run_id = next(self._ids)
        self._runs[run_id] = run
        request = {
            "id": run_id,
            "memory_mb": limits.memory_mb,
            "cpu_s": math.ceil(limits.total_s) + 1,  # for when nobody is left to watch the clock
        }
        try:
            with theirs, self._sending:
                socket.send_fds(self._control, [json.dumps(request).encode()], [theirs.fileno()])
            run.pidfd = self._reply(run, _START_TIMEOUT_S)["pidfd"]
            yield run
        except SandboxDied:
            self.dead = True
            raise
        except OSError as exc:
            self.dead = True
            raise SandboxDied(f"the sandbox's fork server went away: {exc}") from exc
        finally:
            self._runs.pop(run_id, None)
            ours.close()
            if run.pidfd >= 0:
                _kill(run)
                os.close(run.pidfd)

    def ended(self, run: _Run) -> dict[str, Any]:
        """Kill a child, unless it has ended, and return how it ended."""
        _kill(run)
        return self._reply(run, _REAP_TIMEOUT_S)

    def close(self) -> None:
        """Stop the process; its children die with it."""
        with contextlib.suppress(OSError):
            self._control.shutdown(socket.SHUT_RDWR)
        self._hearing.join(_REAP_TIMEOUT_S)
        self._control.close()
        try:
            self._process.wait(2)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def leave_to_parent(self) -> None:
        """Let go of what a forked process has inherited, without a word to the server."""
        self._control.close()
        self._process.returncode = 0  # no child of this process, so nothing to wait for
        for run in self._runs.values():
            run.socket.close()
            if run.pidfd >= 0:
                os.close(run.pidfd)

    def _reply(self, run: _Run, timeout_s: float) -> dict[str, Any]:
        try:
            reply: dict[str, Any] | None = run.replies.get(timeout=timeout_s)
        except queue.Empty:
            reply = None
        if reply is None:
            raise SandboxDied("the sandbox's fork server does not answer")
        return reply

    def _hear(self) -> None:
        """Hand each reply to the run that it is for, until the server closes its socket."""
        while True:
            try:
                data, fds, _, _ = socket.recv_fds(self._control, 65536, 1)
            except OSError:
                data, fds = b"", []
            if not data:
                break
            message = json.loads(data)
            run = self._runs.get(message["id"])
            if run is None:
                for fd in fds:
                    os.close(fd)
                continue
            run.replies.put(message | ({"pidfd": fds[0]} if fds else {}))
        self.dead = True
        for run in list(self._runs.values()):
            run.replies.put(None)


def _kill(run: _Run) -> None:
    with contextlib.suppress(ProcessLookupError):
        signal.pidfd_send_signal(run.pidfd, signal.SIGKILL)


def _converse(
    run: _Run, code: str, calls: Sequence[Call], limits: Limits, deadline: float
) -> Iterator[Outcome]:
    """Send a child its job and yield what becomes of the loading and of each call; the last is
    the one that did not load, or did not come to an end."""
    job = {
        "code": code,
        "calls": [vars(call) for call in calls],
        "output_bytes": limits.output_bytes,
    }
    longest = 2 * max(limits.output_bytes, MAX_LOADED_BYTES) + 65536
    lines = _Lines(run.socket, longest=longest)
    _require_confined(lines)
    data = json.dumps(job).encode()
    run.socket.settimeout(limits.call_s)
    try:
        run.socket.sendall(len(data).to_bytes(8) + data)
    except OSError:
        yield Outcome(Ending.DIED)
        return
    for step in range(1 + len(calls)):
        loading = step == 0
        started = time.monotonic()
        line = lines.next(min(started + limits.call_s, deadline))
        seconds = time.monotonic() - started
        if isinstance(line, Ending):
            outcome = Outcome(line, seconds=seconds)
        else:
            max_bytes = MAX_LOADED_BYTES if loading else limits.output_bytes
            outcome = _parsed(line, max_bytes, seconds)
        yield outcome
        if outcome.ending in (Ending.TIMEOUT, Ending.DIED) or (loading and not outcome.returned):
            return


def _require_confined(lines: _Lines) -> None:
    """Hear the child say that it is confined. It has read nothing yet, so it can be believed."""
    line = lines.next(time.monotonic() + _START_TIMEOUT_S)
    said = {} if isinstance(line, Ending) else json.loads(line)
    if not said.get("confined"):
        why = said.get("reason", line)
        raise SandboxDied(f"a child of the sandbox could not be confined: {why}")


class _Lines:
    """Lines that arrive on a socket, each by a deadline and none longer than it may be."""

    def __init__(self, source: socket.socket, *, longest: int) -> None:
        self._source = source
        self._longest = longest
        self._buffer = bytearray()
        self._selector = selectors.DefaultSelector()
        self._selector.register(source, selectors.EVENT_READ)

    def next(self, deadline: float) -> bytes | Ending:
        """Return the next line, or how the waiting for it ended."""
        while True:
            line, found, rest = self._buffer.partition(b"\n")
            if found:
                self._buffer = rest
                return bytes(line)
            if len(self._buffer) > self._longest:
                return Ending.DIED
            left = deadline - time.monotonic()
            if left <= 0 or not self._selector.select(left):
                return Ending.TIMEOUT
            try:
                part = self._source.recv(65536)
            except OSError:
                part = b""
            if not part:
                return Ending.DIED
            self._buffer += part


def _parsed(line: bytes, max_bytes: int, seconds: float) -> Outcome:
    """Return the outcome that a child reported; a report that is none counts as a death.

    What a child says may have been written by the program itself: nothing about it is certain, but
    it can claim no more than that a call returned a value or raised.
    """
    try:
        raw = json.loads(line)
        if raw["outcome"] == Ending.RETURNED:
            if len(raw["value"]) > max_bytes:
                raise ValueError("the value is too large")
            ending, value = Ending.RETURNED, decode(json.loads(raw["value"]))
        elif raw["outcome"] in (Ending.RAISED, Ending.UNDEFINED):
            ending, value = Ending(raw["outcome"]), None
        else:
            raise ValueError("neither returned nor raised")
        return Outcome(
            ending,
            value=value,
            error=_text(raw.get("error", ""), MAX_MESSAGE),
            bases=tuple(_text(name, MAX_MESSAGE) for name in raw.get("bases", ())[:MAX_BASES]),
            message=_text(raw.get("message", ""), MAX_MESSAGE),
            printed=_text(raw.get("printed", ""), MAX_PRINTED),
            seconds=seconds,
        )
    except (ValueError, LookupError, TypeError, RecursionError, AttributeError, OverflowError) as e:
        return Outcome(
            Ending.DIED,
            error="garbled report",
            message=_text(str(e), MAX_MESSAGE),
            seconds=seconds,
        )


def _text(said: Any, longest: int) -> str:
    """Return what a child said as text that every file and database can hold."""
    return str(said)[:longest].encode("utf-8", "backslashreplace").decode()


def _explained(outcome: Outcome, exit_code: int) -> Outcome:
    """Return the outcome of a process that died with the reason."""
    if outcome.ending is not Ending.DIED or outcome.error:
        return outcome
    try:
        reason = f"exit code {exit_code}" if exit_code >= 0 else signal.Signals(-exit_code).name
    except ValueError:
        reason = f"signal {-exit_code}"
    return replace(outcome, error=reason)
