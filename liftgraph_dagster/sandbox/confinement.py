"""All layers of the confinement together: what a process puts on before it reads foreign code."""

from __future__ import annotations

import os
import resource
import signal
import sysconfig
from dataclasses import asdict, dataclass
from pathlib import Path

from liftgraph_dagster.sandbox import landlock
from liftgraph_dagster.sandbox.libc import libc, oserror
from liftgraph_dagster.sandbox.seccomp import Filter, give_up_privileges

_NOBODY = 65534
_PR_SET_PDEATHSIG = 1
_PR_SET_DUMPABLE = 4
_OPEN_FILES = 32


@dataclass(frozen=True)
class Level:
    """Which layers a process is confined by."""

    landlock: int
    """Version of the kernel's interface; 0 for none."""
    seccomp: bool
    no_new_privs: bool
    reason: str = ""
    """Why a layer is missing, in the kernel's words."""

    @property
    def missing(self) -> tuple[str, ...]:
        """Names of the layers that are not there."""
        layers = {
            "Landlock": self.landlock > 0,
            "seccomp": self.seccomp,
            "no_new_privs": self.no_new_privs,
        }
        return tuple(name for name, there in layers.items() if not there)

    @property
    def complete(self) -> bool:
        """True when no layer is missing."""
        return not self.missing

    def fields(self) -> dict[str, object]:
        """Return the fields, to be sent as JSON."""
        return asdict(self)


class Confinement:
    """The layers, prepared once and put on by each child.

    Whatever the machine lacks is left out; `level` says what there is.
    """

    def __init__(self) -> None:
        self._ruleset: landlock.Ruleset | None = None
        self._filter: Filter | None = None
        reasons = []
        try:
            self._ruleset = landlock.Ruleset(_standard_library())
        except OSError as exc:
            reasons.append(str(exc))
        try:
            self._filter = Filter()
        except OSError as exc:
            reasons.append(str(exc))
        self._address_space = _address_space()
        self.level = Level(
            landlock=landlock.version() if self._ruleset else 0,
            seccomp=self._filter is not None,
            no_new_privs=True,
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
        if os.getuid() == 0:
            _become_nobody()
        if libc().prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0):  # a new user clears it
            raise oserror("parent death signal")
        if libc().prctl(_PR_SET_DUMPABLE, 0, 0, 0, 0):  # nobody else of its user may trace it
            raise oserror("not dumpable")
        give_up_privileges()
        if self._ruleset is not None:
            self._ruleset.put_on()
        if self._filter is not None:
            self._filter.put_on()


def _standard_library() -> list[Path]:
    found = {Path(sysconfig.get_path(name)) for name in ("stdlib", "platstdlib")}
    return sorted(path for path in found if path.is_dir())


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


def _become_nobody() -> None:
    os.setgroups([])
    os.setresgid(_NOBODY, _NOBODY, _NOBODY)
    os.setresuid(_NOBODY, _NOBODY, _NOBODY)
