"""Runs, limits, endings, and the life of the server, on real processes."""

from __future__ import annotations

import gc
import json
import os
import select
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from liftgraph_dagster.errors import ConfigurationError, ErrorClass, InputError
from liftgraph_dagster.sandbox.sandbox import (
    Call,
    Ending,
    Limits,
    Outcome,
    Sandbox,
    SandboxDied,
    SandboxUnavailable,
)
from tests.support import abandoned, lacking, ordinary
from tests.support.attacks import processes_below

TWICE = "def twice(n): return 2 * n"
COUNTING = """
count = 0
def step(what):
    global count
    count += 1
    if what == 'loop':
        while True: pass
    if what == 'die':
        import os
        os._exit(3)
    if what == 'raise':
        raise KeyError(what)
    return count
"""
FOREVER = Limits(call_s=600, total_s=600)


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    with Sandbox() as opened:
        yield opened


def twice(sandbox: Sandbox, n: int = 21) -> Any:
    return sandbox.run(TWICE, [Call("twice", f"({n},)")]).calls[0].value


def steps(*what: str) -> list[Call]:
    return [Call("step", f"({word!r},)") for word in what]


def endings(outcomes: tuple[Outcome, ...]) -> list[str]:
    return [outcome.ending.value for outcome in outcomes]


def test_the_calls_of_a_run_share_one_loaded_program(sandbox: Sandbox) -> None:
    report = sandbox.run(COUNTING, steps("", "", ""))

    assert [outcome.value for outcome in report.calls] == [1, 2, 3]


def test_two_runs_share_nothing(sandbox: Sandbox) -> None:
    values = [sandbox.run(COUNTING, steps("")).calls[0].value for _ in range(2)]

    assert values == [1, 1]


def test_a_call_that_raises_leaves_the_program_loaded(sandbox: Sandbox) -> None:
    report = sandbox.run(COUNTING, steps("", "raise", ""))

    assert endings(report.calls) == ["returned", "raised", "returned"]
    assert (report.calls[1].error, report.calls[1].message) == ("KeyError", "'raise'")
    assert report.calls[1].bases[:3] == ("KeyError", "LookupError", "Exception")
    assert report.calls[2].value == 3


@pytest.mark.parametrize(("what", "ending"), [("loop", "timeout"), ("die", "died")])
def test_after_a_call_that_ends_its_process_the_rest_goes_on_in_a_fresh_one(
    sandbox: Sandbox, what: str, ending: str
) -> None:
    report = sandbox.run(COUNTING, steps("", what, "", ""), Limits(call_s=0.5, total_s=60))

    assert endings(report.calls) == ["returned", ending, "returned", "returned"]
    assert report.calls[2].value == 1


def test_when_the_time_for_everything_is_over_the_rest_is_not_run(sandbox: Sandbox) -> None:
    report = sandbox.run(COUNTING, steps("", "loop", "", ""), Limits(call_s=60, total_s=1.0))

    assert endings(report.calls) == ["returned", "timeout", "not_run", "not_run"]


def test_the_time_for_everything_cuts_a_row_of_slow_calls(sandbox: Sandbox) -> None:
    report = sandbox.run(COUNTING, steps(*["loop"] * 40), Limits(call_s=0.3, total_s=1.0))

    found = endings(report.calls)
    assert found == sorted(found, reverse=True)  # first timeout, then not_run
    assert {"timeout", "not_run"} == set(found)


def test_a_program_that_does_not_load_is_not_called(sandbox: Sandbox) -> None:
    report = sandbox.run("x = missing\n" + TWICE, [Call("twice", "(1,)")])

    assert (report.loaded.ending, report.loaded.error) == (Ending.RAISED, "NameError")
    assert endings(report.calls) == ["not_run"]
    assert not report.defines("twice")


def test_a_program_that_loads_says_what_can_be_called(sandbox: Sandbox) -> None:
    report = sandbox.run(f"{TWICE}\nhalf = lambda n: n / 2\nnumber = 3\nfrom math import sqrt")

    assert [name for name in ("twice", "half", "sqrt", "number", "x") if report.defines(name)] == [
        "twice",
        "half",
        "sqrt",
    ]


def test_what_is_printed_is_kept_call_by_call(sandbox: Sandbox) -> None:
    code = "print('loading')\ndef say(text): print(text)"

    report = sandbox.run(code, [Call("say", "('a',)"), Call("say", "('b',)")])

    assert report.loaded.printed == "loading\n"
    assert [outcome.printed for outcome in report.calls] == ["a\n", "b\n"]


@pytest.mark.parametrize(
    "module",
    ["colorsys", "json.tool", "email.message", "encodings.cp1252", "bz2", "sqlite3", "asyncio"],
)
def test_the_standard_library_can_be_imported(sandbox: Sandbox, module: str) -> None:
    """Also by root's children, where the interpreter lies in root's home."""
    loaded = sandbox.run(f"import {module}").loaded

    assert loaded.returned, loaded


def test_drawing_lots_is_repeatable(sandbox: Sandbox) -> None:
    code = "import random\ndef draw(): return [random.random() for _ in range(3)]"

    first, second = (sandbox.run(code, [Call("draw", "()")]).calls[0].value for _ in range(2))

    assert first == second


def test_a_report_says_what_was_used(sandbox: Sandbox) -> None:
    code = "kept = b'x' * 30_000_000\nfor _ in range(10**6): pass"

    report = sandbox.run(code)

    assert report.peak_memory_mb > 30
    assert report.cpu_s > 0
    assert report.level.complete


@pytest.mark.parametrize("args", ["", "1", "[1]", "f()", "(1", "(x,)", "(1,) * 2", "('\0',)"])
def test_arguments_that_are_no_tuple_of_literals_are_refused(args: str) -> None:
    with pytest.raises(InputError, match="twice cannot be called with"):
        Call("twice", args)


@pytest.mark.parametrize("name", ["call_s", "total_s", "memory_mb", "output_bytes"])
@pytest.mark.parametrize("value", [0, -1, float("inf"), float("nan")])
def test_a_limit_that_is_none_is_refused(name: str, value: float) -> None:
    with pytest.raises(InputError, match=f"{name}="):
        Limits(**{name: value})


@pytest.mark.parametrize("reason", ["yes", "1", "   ", "because"])
def test_a_reason_that_is_no_sentence_is_refused(reason: str) -> None:
    with pytest.raises(ConfigurationError, match="say in words why"):
        Sandbox(unsafe_ok=reason)


def test_a_reason_stands_in_no_report_where_nothing_is_missing() -> None:
    with Sandbox(unsafe_ok="this machine is thrown away afterwards") as sandbox:
        assert sandbox.run("").unsafe_ok == ""


def without(layer: str, *reason: str, user: str) -> dict[str, Any]:
    """Return what came of a run where the kernel refuses `layer`."""
    script = Path(lacking.__file__)
    if user == "ordinary":
        if ordinary.interpreter() is None:
            pytest.skip("no Python here that an ordinary user can start")
        return dict(json.loads(ordinary.run(script, layer, *reason)))
    command = [sys.executable, str(script), layer, *reason]
    return dict(json.loads(subprocess.run(command, check=True, capture_output=True).stdout))


LAYERS = [
    (layer, user)
    for layer in ("Landlock", "seccomp", "no_new_privs", "ordinary user")
    for user in ("own", "ordinary")
    if layer != "ordinary user" or (user == "own" and os.getuid() == 0)
]


@pytest.mark.parametrize(("layer", "user"), LAYERS)
def test_where_a_layer_is_missing_nothing_is_run(layer: str, user: str) -> None:
    found = without(layer, user=user)

    assert found["error"] == "SandboxUnavailable"
    assert f"this machine lacks {layer} (" in found["message"]
    assert "LIFTGRAPH_SANDBOX_UNSAFE_OK" in found["message"]


@pytest.mark.parametrize(("layer", "user"), LAYERS)
def test_a_reason_lets_programs_run_without_a_layer_and_stands_in_the_report(
    layer: str, user: str
) -> None:
    found = without(layer, "this machine is thrown away afterwards", user=user)

    assert found["value"] == 42
    assert found["missing"] == [layer]
    assert layer not in found["level"]
    assert found["unsafe_ok"] == "this machine is thrown away afterwards"


def test_an_unavailable_sandbox_is_a_matter_of_configuration() -> None:
    assert issubclass(SandboxUnavailable, ConfigurationError)
    assert SandboxUnavailable.error_class is ErrorClass.CONFIGURATION
    assert SandboxDied.error_class is ErrorClass.TRANSIENT


def test_a_server_that_is_killed_in_the_middle_is_an_error_and_the_next_run_works() -> None:
    before = processes_below(os.getpid())
    with Sandbox() as sandbox, ThreadPoolExecutor(1) as pool:
        sandbox.run("")
        running = pool.submit(sandbox.run, "while True: pass", (), FOREVER)
        while len(new := [p for p in processes_below(os.getpid()) if p not in before]) < 2:
            pass
        os.kill(_parent_of_the_others(new), signal.SIGKILL)

        with pytest.raises(SandboxDied, match=r"went away|does not answer|the server is gone"):
            running.result()
        assert twice(sandbox) == 42
        assert not set(new) & set(processes_below(os.getpid()))


def test_a_server_that_is_killed_between_runs_costs_one_run_at_the_most() -> None:
    with Sandbox() as sandbox:
        before = set(processes_below(os.getpid()))
        sandbox.run("")
        (server,) = set(processes_below(os.getpid())) - before
        os.kill(server, signal.SIGKILL)

        values = []
        for _ in range(2):
            try:
                values.append(twice(sandbox))
            except SandboxDied:
                continue

    assert values[-1] == 42


def test_threads_run_programs_at_the_same_time(sandbox: Sandbox) -> None:
    with ThreadPoolExecutor(8) as pool:
        values = list(pool.map(lambda n: twice(sandbox, n), range(64)))

    assert values == [2 * n for n in range(64)]


def test_two_programs_run_beside_each_other() -> None:
    """Were they to take turns, the first would time out before the second began."""
    before = len(processes_below(os.getpid()))
    with Sandbox(processes=2) as sandbox, ThreadPoolExecutor(2) as pool:
        sandbox.run("")
        running = [pool.submit(sandbox.run, "while True: pass", (), FOREVER) for _ in range(2)]
        while len(processes_below(os.getpid())) < before + 3:
            pass
        sandbox.close()

        for run in running:
            with pytest.raises(SandboxDied):
                run.result()


def test_closing_leaves_no_process_thread_or_descriptor() -> None:
    def held() -> tuple[list[int], list[str], int]:
        gc.collect()
        names = sorted(thread.name for thread in threading.enumerate())
        return processes_below(os.getpid()), names, len(os.listdir("/proc/self/fd"))

    before = held()
    with Sandbox() as sandbox:
        for _ in range(5):
            twice(sandbox)
            sandbox.run("import os\nos._exit(0)")

    assert held() == before


def test_a_closed_sandbox_starts_again_when_it_is_needed() -> None:
    sandbox = Sandbox()
    values = []
    for _ in range(2):
        values.append(twice(sandbox))
        sandbox.close()
        sandbox.close()

    assert values == [42, 42]


def test_a_forked_process_has_a_server_of_its_own(sandbox: Sandbox) -> None:
    twice(sandbox)
    before = processes_below(os.getpid())
    reading, writing = os.pipe()
    pid = os.fork()
    if pid == 0:
        try:
            own = twice(sandbox)
            servers = len(processes_below(os.getpid()))
            sandbox.close()
            os.write(writing, json.dumps([own, servers]).encode())
        finally:
            os._exit(0)
    os.waitpid(pid, 0)

    assert json.loads(os.read(reading, 100)) == [42, 1]
    assert twice(sandbox) == 42
    assert processes_below(os.getpid()) == before
    os.close(reading)
    os.close(writing)


def test_all_ends_with_a_process_that_is_killed() -> None:
    script = [sys.executable, str(Path(abandoned.__file__))]
    environment = os.environ | {"PYTHONPATH": str(Path(__file__).parents[3])}
    with subprocess.Popen(script, stdout=subprocess.PIPE, text=True, env=environment) as parent:
        assert parent.stdout is not None
        left = [os.pidfd_open(int(pid)) for pid in parent.stdout.readline().split()]
        parent.kill()

    assert len(left) == 2
    for pidfd in left:
        assert select.select([pidfd], [], [], 30)[0]
        os.close(pidfd)


def _parent_of_the_others(pids: list[int]) -> int:
    (parent,) = [pid for pid in pids if processes_below(pid)]
    return parent
