"""Embedded servers as the operating system sees them, and owners of them in other processes."""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import asyncpg

from liftgraph_dagster.storage.embedded import EmbeddedPostgres

REPOSITORY = Path(__file__).parents[2]


def processes(*words: str) -> list[int]:
    """Return the processes whose command line begins with a path that ends in the first of `words`
    and has the others in it."""
    return [pid for pid in _pids() if _matches(_arguments(pid), words)]


def servers(server: EmbeddedPostgres) -> list[int]:
    """Return the living servers of a data directory: one, or none."""
    found = processes("/postgres", "-D", str(server.data))
    return [pid for pid in found if _parent(pid) not in found]  # a child, until it has its title


def eventually(condition: Callable[[], Any]) -> Any:
    """Return what `condition` gives, once it is true."""
    deadline = time.monotonic() + 30
    while not (found := condition()):
        if time.monotonic() > deadline:
            raise AssertionError("it did not come true in 30 seconds")
        time.sleep(0.002)
    return found


def query(server: EmbeddedPostgres, sql: str, database: str = "postgres") -> Any:
    """Run `sql` and return its first value."""

    async def work() -> Any:
        connection = await asyncpg.connect(server.url(database))
        try:
            return await connection.fetchval(sql)
        finally:
            await connection.close()

    return asyncio.run(work())


@contextmanager
def new_home(mode: int = 0o755) -> Iterator[Path]:
    """Give an empty directory for a server's home; what still runs there afterwards is killed."""
    home = Path(tempfile.mkdtemp(prefix="liftgraph-home-"))
    home.chmod(mode)
    try:
        yield home
    finally:
        remove(home)


@contextmanager
def copied_home(home: Path) -> Iterator[Path]:
    """Give a copy of a home whose server does not run: in a tenth of the time of a first start."""
    with new_home() as copy:
        subprocess.run(["cp", "-a", f"{home}/.", str(copy)], check=True)
        yield copy


def remove(home: Path) -> None:
    """Kill what still runs below `home` and delete it."""
    for pid in processes("/postgres", str(home)) + processes("/initdb", str(home)):
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    shutil.rmtree(home, ignore_errors=True)


def begin_owner(home: Path, *arguments: str, **options: Any) -> subprocess.Popen[str]:
    """Start a process that will own the server of `home`."""
    return subprocess.Popen(
        [sys.executable, "-m", "tests.support.owner", str(home), *arguments],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=REPOSITORY,
        **options,
    )


def ready_owner(home: Path, *arguments: str, **options: Any) -> subprocess.Popen[str]:
    """Return a process that owns the running server of `home`."""
    owner = begin_owner(home, *arguments, **options)
    assert owner.stdout is not None
    if owner.stdout.readline() != "ready\n":
        raise AssertionError(owner.communicate()[1])
    return owner


def leave(owner: subprocess.Popen[str]) -> None:
    """Let an owner leave as it should, and wait until it has."""
    _, complaint = owner.communicate()
    assert owner.returncode == 0, complaint


def kill(owner: subprocess.Popen[str]) -> None:
    """Kill an owner without a warning, and wait until it is gone."""
    owner.kill()
    owner.communicate()


def _pids() -> Iterator[int]:
    return (int(entry.name) for entry in Path("/proc").iterdir() if entry.name.isdigit())


def _parent(pid: int) -> int | None:
    try:
        return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])
    except OSError:
        return None


def _arguments(pid: int) -> list[str]:
    try:
        return os.fsdecode(Path(f"/proc/{pid}/cmdline").read_bytes()).split("\0")
    except OSError:
        return []


def _matches(arguments: list[str], words: tuple[str, ...]) -> bool:
    if not arguments or not arguments[0].endswith(words[0]):
        return False
    return all(any(word in argument for argument in arguments[1:]) for word in words[1:])
