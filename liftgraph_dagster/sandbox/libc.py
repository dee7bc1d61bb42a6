"""The C library, for calls that Python has no function for."""

from __future__ import annotations

import ctypes
import os
from functools import cache


@cache
def libc() -> ctypes.CDLL:
    """Return the C library of this process."""
    return ctypes.CDLL(None, use_errno=True)


def oserror(what: str) -> OSError:
    """Return the error of the last call, with `what` was tried."""
    number = ctypes.get_errno()
    return OSError(number, f"{what}: {os.strerror(number)}")
