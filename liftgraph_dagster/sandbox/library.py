"""The standard library: all that a confined process may read.

What is installed beside it, in `site-packages`, is none of it: there may be anything, labels too.
"""

from __future__ import annotations

import contextlib
import os
import sys
import sysconfig
from pathlib import Path

_INSTALLED = ("site-packages", "dist-packages")


def directories() -> list[Path]:
    """Return where the standard library lies: one directory, two on a few systems."""
    found = {Path(sysconfig.get_path(name)) for name in ("stdlib", "platstdlib")}
    return sorted(path for path in found if path.is_dir())


def entries() -> list[Path]:
    """Return the files and directories of the standard library."""
    return [
        entry
        for directory in directories()
        for entry in sorted(directory.iterdir())
        if entry.name not in _INSTALLED
    ]


def enter() -> None:
    """Make the standard library this process's root directory, and let imports look there.

    An interpreter below a home directory stays readable for nobody in this way, and no path outside
    can even be asked about. Left alone where the library has two directories or the process may
    not change its root directory.
    """
    found = directories()
    if len(found) != 1:
        return
    (root,) = map(str, found)
    with contextlib.suppress(PermissionError):
        os.chroot(root)
        os.chdir("/")
        sys.path[:] = _inside(sys.path, root)
        sys.path_importer_cache.clear()
        for module in list(sys.modules.values()):
            places = getattr(module, "__path__", None)
            if isinstance(places, list):
                module.__path__ = _inside(places, root)


def _inside(paths: list[str], root: str) -> list[str]:
    """Return those of `paths` that lie below `root`, as seen from within."""
    below = [path for path in paths if path == root or path.startswith(f"{root}/")]
    return [path[len(root) :] or "/" for path in below]
