"""All layers of the confinement together: what a process puts on before it reads foreign code."""

from __future__ import annotations

import json
import os
import resource
import signal
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

from liftgraph_dagster.sandbox import landlock, library
from liftgraph_dagster.sandbox.libc import libc, oserror
from liftgraph_dagster.sandbox.seccomp import Filter, give_up_privileges

_NOBODY = 65534
_PR_SET_PDEATHSIG = 1
_PR_SET_DUMPABLE = 4
_OPEN_FILES = 32

LANDLOCK, SECCOMP, NO_NEW_PRIVS, ORDINARY_USER = (
    "Landlock",
    "seccomp",
    "no_new_privs",
    "ordinary user",
)


@dataclass(frozen=True)
class Level:
    """Which layers a process is confined by."""

    landlock: int
    """Version of the kernel's interface; 0 for none."""
    seccomp: bool
    no_new_privs: bool
    ordinary_user: bool
    """It is not root: root's children become nobody."""
    reason: str = ""
    """Why a layer is missing, in the kernel's words."""

    def __str__(self) -> str:
        there = [
            f"{LANDLOCK} {self.landlock}" if name == LANDLOCK else name
            for name, present in self._layers().items()
            if present
        ]
        return ", ".join(there) or "limits only"

    @property
    def missing(self) -> tuple[str, ...]:
        """Names of the layers that are not there."""
        return tuple(name for name, present in self._layers().items() if not present)

    @property
    def complete(self) -> bool:
        """True when no layer is missing."""
        return not self.missing

    def fields(self) -> dict[str, object]:
        """Return the fields, to be sent as JSON."""
        return asdict(self)

    def _layers(self) -> dict[str, bool]:
        return {
            LANDLOCK: self.landlock > 0,
            SECCOMP: self.seccomp,
            NO_NEW_PRIVS: self.no_new_privs,
            ORDINARY_USER: self.ordinary_user,
        }


class Confinement:
    """The layers, prepared once and put on by each child.

    Each is tried on by a process that ends with the trial. Whatever the machine lacks is left out;
    `level` says what there is.
    """

    def __init__(self) -> None:
        self._layers: dict[str, Callable[[], None]] = {
            ORDINARY_USER: _leave_root,
            NO_NEW_PRIVS: give_up_privileges,
        }
        reasons = []
        for name, prepared in ((LANDLOCK, _landlock), (SECCOMP, Filter)):
            try:
                self._layers[name] = prepared().put_on
            except OSError as exc:
                reasons.append(str(exc))
        for name, reason in _refused(self._layers).items():
            del self._layers[name]
            reasons.append(reason)
        self._address_space = _address_space()
        self._server = os.getpid()
        self.level = Level(
            landlock=landlock.version() if LANDLOCK in self._layers else 0,
            seccomp=SECCOMP in self._layers,
            no_new_privs=NO_NEW_PRIVS in self._layers,
            ordinary_user=ORDINARY_USER in self._layers,
            reason="; ".join(reasons),
        )

    def put_on(self, *, memory_mb: int, cpu_s: int) -> None:
        """Confine this process for good.

        Args:
            memory_mb: what it may use beside what it has already.
            cpu_s: seconds of CPU time, after which the kernel kills it.

        Raises OSError when a layer that is there cannot be put on.
        """
        os.environ.clear()
        os.chdir("/")
        _limit(self._address_space + memory_mb * 2**20, cpu_s)
        rest = dict(self._layers)
        if leave_root := rest.pop(ORDINARY_USER, None):
            leave_root()
        _tie_to(self._server)
        for put_on in rest.values():
            put_on()


def _landlock() -> landlock.Ruleset:
    return landlock.Ruleset(listed=library.directories(), readable=library.entries())


def _leave_root() -> None:
    """Become nobody, if this process is root's, with the standard library for a root directory."""
    if os.getuid() == 0:
        library.enter()
        os.setgroups([])
        os.setresgid(_NOBODY, _NOBODY, _NOBODY)
        os.setresuid(_NOBODY, _NOBODY, _NOBODY)


def _tie_to(server: int) -> None:
    """Die with the server, and be out of reach for other processes of the same user."""
    if libc().prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0):  # a new user clears it
        raise oserror("parent death signal")
    if os.getppid() != server:  # it died before the signal was asked for
        raise OSError("the server is gone")
    if libc().prctl(_PR_SET_DUMPABLE, 0, 0, 0, 0):
        raise oserror("not dumpable")


def _refused(layers: dict[str, Callable[[], None]]) -> dict[str, str]:
    """Try the layers on in a process of its own; return the reasons of those that it could not
    put on, by name."""
    reading, writing = os.pipe()
    pid = os.fork()
    if pid == 0:
        try:
            os.write(writing, json.dumps(_trial(layers)).encode())
        finally:
            os._exit(0)
    os.close(writing)
    with os.fdopen(reading, "rb") as answer:
        data = answer.read()
    os.waitpid(pid, 0)
    if not data:
        return dict.fromkeys(layers, "a process did not survive putting it on")
    refused: dict[str, str] = json.loads(data)
    return refused


def _trial(layers: dict[str, Callable[[], None]]) -> dict[str, str]:
    refused = {}
    for name, put_on in layers.items():
        try:
            put_on()
        except OSError as exc:
            refused[name] = f"{name}: {exc}"
    return refused


def _address_space() -> int:
    """Return the bytes of address space that this process has mapped."""
    pages = int(Path("/proc/self/statm").read_text().split()[0])
    return pages * resource.getpagesize()


def _limit(address_space: int, cpu_s: int) -> None:
    limits = {
        resource.RLIMIT_AS: address_space,
        resource.RLIMIT_CPU: cpu_s,
        resource.RLIMIT_FSIZE: 0,
        resource.RLIMIT_CORE: 0,
        resource.RLIMIT_NOFILE: _OPEN_FILES,
        resource.RLIMIT_NPROC: 0,
        resource.RLIMIT_MEMLOCK: 0,
    }
    for limit, value in limits.items():
        _, hard = resource.getrlimit(limit)
        value = value if hard == resource.RLIM_INFINITY else min(value, hard)
        resource.setrlimit(limit, (value, value))
