from __future__ import annotations

import os
import subprocess
import sys

import pytest

from liftgraph_dagster.execution.owner import describe, is_dead, new_owner

PROCESS = """
import sys
from liftgraph_dagster.execution.owner import new_owner
with new_owner() as owner:
    print(owner, flush=True)
    sys.stdin.read()
"""


def changed(owner: str, **parts: str) -> str:
    """Return `owner` with some of its parts replaced."""
    names = ("host", "machine", "pid", "started", "token")
    return "/".join((dict(zip(names, owner.split("/"), strict=True)) | parts).values())


def start() -> tuple[subprocess.Popen[str], str]:
    """Start a process that runs something until it is told to end; return it and its owner."""
    process = subprocess.Popen(
        [sys.executable, "-c", PROCESS], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    return process, process.stdout.readline().strip()


def test_two_runners_of_one_process_have_two_names() -> None:
    with new_owner() as one, new_owner() as other:
        assert one != other


def test_a_runner_lives_while_it_runs() -> None:
    with new_owner() as owner:
        assert not is_dead(owner)


def test_a_runner_of_this_process_is_dead_when_it_is_over() -> None:
    """It could not give its lease back: nobody else will."""
    with new_owner() as owner:
        pass

    assert is_dead(owner)


def test_a_runner_that_raised_is_dead() -> None:
    with pytest.raises(KeyError), new_owner() as owner:
        raise KeyError

    assert is_dead(owner)


def test_a_process_lives_until_it_ends() -> None:
    process, owner = start()

    living = is_dead(owner)
    process.communicate()

    assert not living
    assert is_dead(owner)


def test_a_killed_process_is_dead_before_its_parent_has_noticed() -> None:
    process, owner = start()
    process.kill()
    os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)  # a zombie now

    dead = is_dead(owner)
    process.communicate()

    assert dead


def test_another_process_of_the_same_number_is_not_the_owner() -> None:
    with new_owner() as owner:
        assert is_dead(changed(owner, started="1"))


@pytest.mark.parametrize("parts", [{"machine": "another"}, {"pid": "x"}])
def test_what_cannot_be_told_is_not_dead(parts: dict[str, str]) -> None:
    with new_owner() as owner:
        pass

    assert not is_dead(changed(owner, **parts))


@pytest.mark.parametrize("owner", ["", "a worker", "a/b/c/d", "a/b/c/d/e/f"])
def test_a_name_of_another_form_is_not_dead(owner: str) -> None:
    assert not is_dead(owner)


def test_a_runner_of_this_process_says_so() -> None:
    with new_owner() as owner:
        host, _, pid, _, _ = owner.split("/")

    assert pid == str(os.getpid())
    assert describe(owner) == f"process {pid} on {host}"


def test_a_name_of_another_form_is_described_as_it_stands() -> None:
    assert describe("a worker") == "a worker"
