"""What a confined process may reach in the file system: reading in a few places, no more.

Landlock (Linux 5.13) confines a process from within, without privileges. See landlock(7); the
handled rights grow with the version of the kernel's interface.
"""

from __future__ import annotations

import ctypes
import os
from collections.abc import Iterable
from pathlib import Path

from liftgraph_dagster.sandbox.libc import libc, oserror

_CREATE_RULESET, _ADD_RULE, _RESTRICT_SELF = 444, 445, 446  # alike on all architectures
_VERSION_FLAG = 1
_PATH_BENEATH = 1

_READ_FILE = 1 << 2
_READ_DIR = 1 << 3
_RIGHTS_BY_VERSION = {1: 13, 2: 14, 3: 15, 4: 15, 5: 16}
"""How many rights to files each version knows; version 6 and later as version 5."""
_NET = 0b11  # bind and connect over TCP, from version 4
_SCOPED = 0b11  # abstract sockets and signals of processes outside, from version 6


class _Ruleset(ctypes.Structure):
    _fields_ = (
        ("fs", ctypes.c_uint64),
        ("net", ctypes.c_uint64),
        ("scoped", ctypes.c_uint64),
    )


class _PathBeneath(ctypes.Structure):
    _pack_ = 1
    _fields_ = (("allowed", ctypes.c_uint64), ("parent", ctypes.c_int32))


def version() -> int:
    """Return the version of the kernel's Landlock interface; 0 where there is none."""
    found: int = libc().syscall(_CREATE_RULESET, None, 0, _VERSION_FLAG)
    return max(found, 0)


class Ruleset:
    """Leave to read `readable` and all below, to list `listed` and all below, and to do nothing
    else with files. Raises OSError where the kernel has no Landlock."""

    def __init__(self, *, listed: Iterable[Path], readable: Iterable[Path]) -> None:
        known = version()
        attributes = _Ruleset(
            fs=(1 << _RIGHTS_BY_VERSION[min(known, 5)]) - 1 if known else 0,
            net=_NET if known >= 4 else 0,
            scoped=_SCOPED if known >= 6 else 0,
        )
        size = 8 if known < 4 else 16 if known < 6 else 24
        self._fd = libc().syscall(_CREATE_RULESET, ctypes.byref(attributes), size, 0)
        if self._fd < 0:
            raise oserror("Landlock")
        for path in listed:
            self._allow(_READ_DIR, path)
        for path in readable:
            self._allow(_READ_FILE | _READ_DIR if path.is_dir() else _READ_FILE, path)

    def put_on(self) -> None:
        """Confine this process for good. Raises OSError where the kernel refuses."""
        if libc().syscall(_RESTRICT_SELF, self._fd, 0):
            raise oserror("Landlock")
        os.close(self._fd)

    def _allow(self, rights: int, path: Path) -> None:
        place = os.open(path, os.O_PATH | os.O_CLOEXEC)
        try:
            rule = _PathBeneath(rights, place)
            if libc().syscall(_ADD_RULE, self._fd, _PATH_BENEATH, ctypes.byref(rule), 0):
                raise oserror(f"Landlock, {path}")
        finally:
            os.close(place)
