"""Running a script of the tests as an ordinary user, when the tests themselves are root's."""

from __future__ import annotations

import os
import subprocess
import sys
from functools import cache
from pathlib import Path

USER = 64321
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
        [python, str(script), *args],
        text=True,
        capture_output=True,
        env={"PYTHONPATH": str(Path(__file__).parents[2]), "PYTHONDONTWRITEBYTECODE": "1"},
        cwd="/",
        **_as_ordinary(),
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def _as_ordinary() -> dict[str, object]:
    return {"user": USER, "group": USER, "extra_groups": []} if os.getuid() == 0 else {}
