"""Running a script of the tests as an ordinary user, when the tests themselves are root's.

The project may lie where only root can read it; the user gets a copy of its Python files.
"""

from __future__ import annotations

import atexit
import os
import shutil
import subprocess
import sys
import tempfile
from functools import cache
from pathlib import Path

USER = 64321
_PROJECT = Path(__file__).parents[2]
_CHECK = "import sys; sys.exit(sys.version_info < (3, 11))"


@cache
def interpreter() -> str | None:
    """Return a Python that an ordinary user can start: ours, or the system's where ours lies in
    root's home. None when there is neither."""
    for candidate in (sys.executable, "/usr/bin/python3"):
        try:
            subprocess.run(
                [candidate, "-c", _CHECK], check=True, capture_output=True, **_as_ordinary()
            )
        except (OSError, subprocess.CalledProcessError):
            continue
        return candidate
    return None


def run(script: Path, *args: str) -> str:
    """Return what `script` prints when an ordinary user runs it."""
    python = interpreter()
    assert python is not None
    done = subprocess.run(
        [python, str(_copy() / script.relative_to(_PROJECT)), *args],
        text=True,
        capture_output=True,
        env={"PYTHONPATH": str(_copy()), "PYTHONDONTWRITEBYTECODE": "1"},
        cwd="/",
        **_as_ordinary(),
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@cache
def _copy() -> Path:
    """Return a directory that everybody may read, with the package and the tests in it."""
    copy = Path(tempfile.mkdtemp(prefix="liftgraph-copy-"))
    atexit.register(shutil.rmtree, copy, ignore_errors=True)
    for package in ("liftgraph_dagster", "tests"):
        for file in (_PROJECT / package).rglob("*.py"):
            to = copy / file.relative_to(_PROJECT)
            to.parent.mkdir(parents=True, exist_ok=True)
            to.write_bytes(file.read_bytes())
    for path in [copy, *copy.rglob("*")]:
        path.chmod(0o755 if path.is_dir() else 0o644)
    return copy


def _as_ordinary() -> dict[str, object]:
    return {"user": USER, "group": USER, "extra_groups": []} if os.getuid() == 0 else {}
