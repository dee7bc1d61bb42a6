"""The system calls that a confined process may make: a list of permitted ones, all others fail.

The filter is a classic BPF program (seccomp(2), struct seccomp_data). It allows what an interpreter
needs to compute, to sleep and to read files that are open to it; there is no way to start a process
or a thread, to signal, to trace, to open a socket or to write a file.
"""

from __future__ import annotations

import ctypes
import errno
import platform
from collections.abc import Iterator
from typing import NamedTuple

from liftgraph_dagster.sandbox.libc import libc, oserror

_PR_SET_NO_NEW_PRIVS = 38
_PR_SET_SECCOMP = 22
_SECCOMP_MODE_FILTER = 2

_KILL_PROCESS = 0x80000000
_ALLOW = 0x7FFF0000
_ERRNO = 0x00050000

_LD_W_ABS = 0x20
_JEQ = 0x15
_JGE = 0x35
_JSET = 0x45
_RET = 0x06

_NR, _ARCH = 0, 4  # offsets in struct seccomp_data
_X32_BIT = 0x40000000

_WRITING = 0o1 | 0o2 | 0o100 | 0o1000 | 0o2000 | 0o20000000
"""O_WRONLY, O_RDWR, O_CREAT, O_TRUNC, O_APPEND and the bit of O_TMPFILE."""
_FCNTL_HARMLESS = (0, 1, 2, 3, 1030)
"""Duplicate a descriptor, read and set its flags. Not F_SETOWN, which makes the kernel signal."""

_COMPUTING = (
    "read", "write", "close", "fstat", "lseek", "mmap", "mprotect", "munmap", "brk", "mremap",
    "madvise", "rt_sigaction", "rt_sigprocmask", "rt_sigreturn", "sigaltstack", "pread64", "readv",
    "writev", "dup", "getcwd", "readlinkat", "faccessat", "faccessat2", "newfstatat", "statx",
    "getdents64", "futex", "sched_yield", "nanosleep", "clock_nanosleep", "clock_gettime",
    "clock_getres", "gettimeofday", "pselect6", "ppoll", "getpid", "getppid", "gettid", "getuid",
    "geteuid", "getgid", "getegid", "getrandom", "getrusage", "times", "uname",
    "sched_getaffinity", "restart_syscall", "exit", "exit_group",
)  # fmt: skip


class Architecture(NamedTuple):
    """What the kernel calls things on one kind of processor."""

    audit: int
    numbers: dict[str, int]


X86_64 = Architecture(
    0xC000003E,
    {
        "read": 0, "write": 1, "close": 3, "stat": 4, "fstat": 5, "lstat": 6, "poll": 7, "lseek": 8,
        "mmap": 9, "mprotect": 10, "munmap": 11, "brk": 12, "rt_sigaction": 13,
        "rt_sigprocmask": 14, "rt_sigreturn": 15, "pread64": 17, "readv": 19, "writev": 20,
        "access": 21, "select": 23, "sched_yield": 24, "mremap": 25, "madvise": 28, "dup": 32,
        "nanosleep": 35, "getpid": 39, "exit": 60, "uname": 63, "fcntl": 72, "getcwd": 79,
        "readlink": 89, "gettimeofday": 96, "getrusage": 98, "times": 100, "getuid": 102,
        "getgid": 104, "geteuid": 107, "getegid": 108, "getppid": 110, "sigaltstack": 131,
        "gettid": 186, "time": 201, "futex": 202, "sched_getaffinity": 204, "getdents64": 217,
        "restart_syscall": 219, "clock_gettime": 228, "clock_getres": 229, "clock_nanosleep": 230,
        "exit_group": 231, "openat": 257, "newfstatat": 262, "readlinkat": 267, "faccessat": 269,
        "pselect6": 270, "ppoll": 271, "getrandom": 318, "statx": 332, "clone3": 435,
        "faccessat2": 439, "ioctl": 16,
    },
)  # fmt: skip

AARCH64 = Architecture(  # untested: written from the kernel's generic table
    0xC00000B7,
    {
        "getcwd": 17, "dup": 23, "fcntl": 25, "ioctl": 29, "faccessat": 48, "openat": 56,
        "close": 57, "getdents64": 61, "lseek": 62, "read": 63, "write": 64, "readv": 65,
        "writev": 66, "pread64": 67, "pselect6": 72, "ppoll": 73, "readlinkat": 78,
        "newfstatat": 79, "fstat": 80, "exit": 93, "exit_group": 94, "futex": 98, "nanosleep": 101,
        "clock_gettime": 113, "clock_getres": 114, "clock_nanosleep": 115, "sched_getaffinity": 123,
        "restart_syscall": 128, "sched_yield": 124, "sigaltstack": 132, "rt_sigaction": 134,
        "rt_sigprocmask": 135, "rt_sigreturn": 139, "times": 153, "uname": 160, "getrusage": 165,
        "gettimeofday": 169, "getpid": 172, "getppid": 173, "getuid": 174, "geteuid": 175,
        "getgid": 176, "getegid": 177, "gettid": 178, "brk": 214, "munmap": 215, "mremap": 216,
        "mmap": 222, "mprotect": 226, "madvise": 233, "getrandom": 278, "statx": 291,
        "clone3": 435, "faccessat2": 439,
    },
)  # fmt: skip

_OLDER = ("stat", "lstat", "poll", "access", "select", "readlink", "time")
"""What only x86-64 has beside the newer forms."""


class _Instruction(ctypes.Structure):
    _fields_ = (
        ("code", ctypes.c_uint16),
        ("jt", ctypes.c_uint8),
        ("jf", ctypes.c_uint8),
        ("k", ctypes.c_uint32),
    )


class _Program(ctypes.Structure):
    _fields_ = (("length", ctypes.c_uint16), ("filter", ctypes.POINTER(_Instruction)))


class Filter:
    """A filter for this machine's processor, ready to be put on. Raises OSError for a processor
    that there is no table for."""

    def __init__(self) -> None:
        table = {"x86_64": X86_64, "aarch64": AARCH64}.get(platform.machine())
        if table is None:
            raise OSError(errno.ENOSYS, f"no table of system calls for {platform.machine()}")
        instructions = [_Instruction(*parts) for parts in instructions_for(table)]
        self._instructions = (_Instruction * len(instructions))(*instructions)
        self._program = _Program(len(instructions), self._instructions)

    def put_on(self) -> None:
        """Confine this process for good. Raises OSError where the kernel refuses."""
        program = ctypes.byref(self._program)
        if libc().prctl(_PR_SET_SECCOMP, _SECCOMP_MODE_FILTER, program, 0, 0):
            raise oserror("seccomp")


def give_up_privileges() -> None:
    """Make sure that no program started from here can gain rights. Raises OSError."""
    if libc().prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0):
        raise oserror("no_new_privs")


def instructions_for(table: Architecture) -> Iterator[tuple[int, int, int, int]]:
    """Yield the BPF program: (code, jump if true, jump if false, constant)."""
    number = table.numbers
    yield (_LD_W_ABS, 0, 0, _ARCH)
    yield (_JEQ, 1, 0, table.audit)
    yield (_RET, 0, 0, _KILL_PROCESS)
    yield (_LD_W_ABS, 0, 0, _NR)
    yield (_JGE, 0, 1, _X32_BIT)
    yield (_RET, 0, 0, _KILL_PROCESS)
    for name in (*_COMPUTING, *_OLDER):
        if name in number:
            yield from _if(number[name], _ALLOW)
    yield from _if(number["clone3"], _ERRNO | errno.ENOSYS)
    yield from _if(number["ioctl"], _ERRNO | errno.ENOTTY)
    yield (_JEQ, 0, 4, number["openat"])
    yield (_LD_W_ABS, 0, 0, _argument(2))
    yield (_JSET, 0, 1, _WRITING)
    yield (_RET, 0, 0, _ERRNO | errno.EROFS)
    yield (_RET, 0, 0, _ALLOW)
    yield (_JEQ, 0, 1 + 2 * len(_FCNTL_HARMLESS), number["fcntl"])
    yield (_LD_W_ABS, 0, 0, _argument(1))
    for command in _FCNTL_HARMLESS:
        yield from _if(command, _ALLOW)
    yield (_RET, 0, 0, _ERRNO | errno.EPERM)


def _if(value: int, action: int) -> Iterator[tuple[int, int, int, int]]:
    yield (_JEQ, 0, 1, value)
    yield (_RET, 0, 0, action)


def _argument(index: int) -> int:
    """Return the offset of the lower half of an argument, on a little-endian machine."""
    return 16 + 8 * index
