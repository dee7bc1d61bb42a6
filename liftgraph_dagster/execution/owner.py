"""Who runs an execution: a runner in a process, named so that others on its machine can tell
whether the process still lives, and the process itself whether the runner does."""

from __future__ import annotations

import os
import secrets
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_running: set[str] = set()
"""The runners of this process: one that could not give its lease back is known to be over."""


@contextmanager
def new_owner() -> Iterator[str]:
    """Give a name for a runner in this process, `host/machine/pid/started/token`, while it runs."""
    host = socket.gethostname().replace("/", "-")
    pid = os.getpid()
    owner = "/".join([host, _machine(), str(pid), _started(pid) or "0", secrets.token_hex(4)])
    _running.add(owner)
    try:
        yield owner
    finally:
        _running.discard(owner)


def is_dead(owner: str) -> bool:
    """Return True when `owner` ran on this machine and is gone.

    False when it lives, when it ran on another machine, or when that cannot be told: then only
    its lease, running out, says so.
    """
    parts = owner.split("/")
    if len(parts) != 5 or parts[1] != _machine() or not parts[2].isdigit():
        return False
    pid = int(parts[2])
    if _started(pid) != parts[3]:
        return True
    return pid == os.getpid() and owner not in _running


def describe(owner: str) -> str:
    """Return `owner` for people: `process 4711 on host`."""
    parts = owner.split("/")
    return f"process {parts[2]} on {parts[0]}" if len(parts) == 5 else owner


def _machine() -> str:
    """Return a name for this boot of this machine and its space of process ids: containers that
    share a kernel do not share it."""
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
        space = os.readlink("/proc/self/ns/pid").strip("pid:[]")
    except OSError:
        return "unknown-" + secrets.token_hex(4)
    return f"{boot}.{space}"


def _started(pid: int) -> str | None:
    """Return the tick at which a living process started; None when there is none."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return None
    fields = stat.rpartition(")")[2].split()  # the command's name may hold spaces
    return None if fields[0] in "ZX" else fields[19]
