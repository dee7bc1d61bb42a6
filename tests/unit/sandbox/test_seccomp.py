"""The filter, instruction by instruction, for both processors: no call is made here."""

from __future__ import annotations

import errno

import pytest

from liftgraph_dagster.sandbox.seccomp import AARCH64, X86_64, Architecture, instructions_for

KILL, ALLOW, ERRNO = 0x80000000, 0x7FFF0000, 0x00050000
TABLES = pytest.mark.parametrize("table", [X86_64, AARCH64], ids=["x86-64", "aarch64"])
DECIDED_BY_ARGUMENT = {"openat", "fcntl", "clone3", "ioctl"}


def verdict(table: Architecture, number: int, *, arch: int = 0, args: tuple[int, ...] = ()) -> int:
    """Return what the filter says to a call, by the rules of classic BPF."""
    fields = {0: number, 4: arch or table.audit} | {
        16 + 8 * index: value for index, value in enumerate(args)
    }
    program = list(instructions_for(table))
    at = loaded = 0
    while True:
        code, if_true, if_false, constant = program[at]
        at += 1
        if code == 0x20:
            loaded = fields[constant]
        elif code == 0x06:
            return constant
        else:
            jumps = {
                0x15: loaded == constant,
                0x35: loaded >= constant,
                0x45: bool(loaded & constant),
            }[code]
            at += if_true if jumps else if_false


@TABLES
def test_what_an_interpreter_needs_is_allowed(table: Architecture) -> None:
    needed = {n: v for n, v in table.numbers.items() if n not in DECIDED_BY_ARGUMENT}

    assert {name for name, number in needed.items() if verdict(table, number) != ALLOW} == set()


@TABLES
def test_all_that_is_not_named_is_refused(table: Architecture) -> None:
    unnamed = set(range(600)) - set(table.numbers.values())

    assert {verdict(table, number) for number in unnamed} == {ERRNO | errno.EPERM}


@TABLES
@pytest.mark.parametrize(
    ("flags", "allowed"),
    [
        (0, True),
        (0o2000000, True),  # O_CLOEXEC
        (0o200000, True),  # O_DIRECTORY
        (0o1, False),  # O_WRONLY
        (0o2, False),  # O_RDWR
        (0o100, False),  # O_CREAT
        (0o1000, False),  # O_TRUNC
        (0o20200000, False),  # O_TMPFILE
    ],
)
def test_a_file_is_opened_for_reading_only(table: Architecture, flags: int, allowed: bool) -> None:
    found = verdict(table, table.numbers["openat"], args=(0, 0, flags))

    assert found == (ALLOW if allowed else ERRNO | errno.EROFS)


@TABLES
@pytest.mark.parametrize(
    ("command", "allowed"),
    [(0, True), (1, True), (2, True), (3, True), (1030, True), (4, False), (8, False), (10, False)],
)
def test_a_descriptor_may_be_doubled_and_not_be_made_to_signal(
    table: Architecture, command: int, allowed: bool
) -> None:
    found = verdict(table, table.numbers["fcntl"], args=(0, command))

    assert found == (ALLOW if allowed else ERRNO | errno.EPERM)


@TABLES
def test_a_thread_is_refused_so_that_libc_tries_the_older_way(table: Architecture) -> None:
    assert verdict(table, table.numbers["clone3"]) == ERRNO | errno.ENOSYS


@TABLES
def test_another_table_of_numbers_kills(table: Architecture) -> None:
    i386 = 0x40000003

    assert verdict(table, table.numbers["read"], arch=i386) == KILL
    assert verdict(table, table.numbers["read"] | 0x40000000) == KILL
