"""Programs that try to do harm, through the real sandbox: as the user of the tests, and as an
ordinary user when that is root."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from liftgraph_dagster.prompt_to_code.outcome import Test as Case
from liftgraph_dagster.prompt_to_code.running import run_tests
from liftgraph_dagster.sandbox.sandbox import Call, Ending, Limits, Sandbox
from tests.support import attacks, ordinary
from tests.support.attacks import ATTACKS, Attack, fault

CLAIMS = [attack.claim for attack in ATTACKS]


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    os.environ["ATTACK_SECRET"] = "hidden"
    with Sandbox() as opened:
        opened.run("")
        yield opened
    del os.environ["ATTACK_SECRET"]


@pytest.fixture(scope="module")
def as_ordinary_user() -> dict[str, str]:
    if ordinary.interpreter() is None:
        pytest.skip("no Python here that an ordinary user can start")
    found: dict[str, str] = json.loads(ordinary.run(Path(attacks.__file__)))
    return found


def test_each_attack_has_a_claim_of_its_own() -> None:
    assert len(set(CLAIMS)) == len(CLAIMS)


@pytest.mark.parametrize("attack", ATTACKS, ids=CLAIMS)
def test_an_attack_is_contained(sandbox: Sandbox, attack: Attack) -> None:
    """The next program runs, the server is the same, and no process or file is left."""
    assert sandbox.level.complete

    assert fault(sandbox, attack) == ""


@pytest.mark.parametrize("claim", CLAIMS)
def test_an_attack_is_contained_for_an_ordinary_user(
    as_ordinary_user: dict[str, str], claim: str
) -> None:
    assert as_ordinary_user["level"].endswith("seccomp, no_new_privs, ordinary user")
    assert as_ordinary_user[claim] == ""


@pytest.mark.parametrize(
    "claim",
    [
        "the user list cannot be read",
        "a directory of processes cannot be listed",
        "its own environment cannot be read",
        "the map of its own memory cannot be read",
        "no TCP socket can be opened",
        "no pair of sockets can be made",
        "no subprocess can be run",
        "no thread can be started, however often it is tried",
        "its environment is empty",
    ],
)
def test_the_same_attack_succeeds_outside(claim: str) -> None:
    """Otherwise its containment would show nothing."""
    (attack,) = [attack for attack in ATTACKS if attack.claim == claim]
    code = attack.code.replace("range(2000)", "range(2)")

    done = subprocess.run(
        [sys.executable, "-c", f"{code}\nassert attack() not in (0, ({{}}, None, None))"],
        capture_output=True,
        text=True,
    )

    assert done.returncode == 0, done.stderr


POISON = """
import atexit, builtins, decimal, gc, json, math, os, random, signal, sys, time
builtins.len = lambda x: 7
builtins.print = None
json.dumps = lambda *a, **k: '"poison"'
json.loads = None
sys.modules['math'] = None
sys.path[:] = []
sys.meta_path[:] = []
os.environ['LIFTGRAPH_POISON'] = '1'
os.write = None
os._exit = None
os.getcwd = lambda: '/poison'
time.perf_counter = lambda: -1.0
random.seed(666)
decimal.getcontext().prec = 1
sys.setrecursionlimit(50)
sys.set_int_max_str_digits(640)
gc.disable()
signal.signal(signal.SIGTERM, signal.SIG_IGN)
atexit.register(lambda: None)
for name, module in list(sys.modules.items()):
    if name.startswith('liftgraph_dagster'):
        for entry in list(vars(module)):
            if callable(getattr(module, entry)):
                setattr(module, entry, lambda *a, **k: 'poison')
"""

CLEAN = """
import atexit, decimal, gc, json, math, os, random, signal, sys
def state():
    try:
        math.sqrt(4)
        path = bool(sys.path and sys.meta_path)
    except Exception as exc:
        path = repr(exc)
    return {
        'len': len([1, 2]), 'print': print is not None, 'json': json.loads(json.dumps([1])),
        'path': path, 'environ': dict(os.environ), 'cwd': os.getcwd(), 'draw': random.random(),
        'prec': decimal.getcontext().prec, 'recursion': sys.getrecursionlimit(),
        'digits': sys.get_int_max_str_digits(), 'gc': gc.isenabled(),
        'sigterm': signal.getsignal(signal.SIGTERM) == signal.SIG_DFL,
        'atexit': atexit._ncallbacks(),
    }
"""


def test_nothing_that_a_program_changes_reaches_the_next(sandbox: Sandbox) -> None:
    def state() -> Any:
        return sandbox.run(CLEAN, [Call("state", "()")]).calls[0].value

    before = state()
    for _ in range(3):
        sandbox.run(POISON)

    assert before["len"] == 2
    assert state() == before


def test_a_program_that_rewrites_the_runner_speaks_for_itself_alone(sandbox: Sandbox) -> None:
    """It replaces what writes the answers: what comes of it is its own claim or its own death."""
    rewriting = """
import sys
program = sys.modules['liftgraph_dagster.sandbox.program']
def attack():
    program._outcome = lambda work, max_bytes: {'outcome': 'returned', 'value': '"mine"'}
    return 1
"""
    calls = [Call("attack", "()")] * 3

    values = [outcome.value for outcome in sandbox.run(rewriting, calls).calls]

    assert values == [1, "mine", "mine"]
    assert sandbox.run("def f(): return 2", [Call("f", "()")]).calls[0].value == 2


SEARCH = """
import gc, sys
def attack(n):
    places = list(gc.get_objects())
    frame = sys._getframe()
    while frame:
        places += [*frame.f_locals.values(), *frame.f_globals.values()]
        frame = frame.f_back
    for module in list(sys.modules.values()):
        places += list(vars(module).values())
    wanted = ''.join(['the-answer', '-is-', '7f3a'])
    for place in places:
        try:
            if wanted in (place if isinstance(place, str) else repr(place)):
                return wanted
        except Exception:
            pass
    return 'not found'
"""


def test_what_is_expected_cannot_be_found_in_the_process_of_the_program() -> None:
    tests = [Case(args="(0,)", returns="'the-answer-is-7f3a'")]

    passed, report = run_tests(SEARCH, "attack", tests, Limits(call_s=20, total_s=30))

    assert report.calls[0].value == "not found"
    assert passed == [False]


def test_what_the_search_looks_for_would_be_found_if_it_were_sent() -> None:
    """The same search finds an argument."""
    tests = [Case(args="('the-answer-is-7f3a',)", returns="'the-answer-is-7f3a'")]

    passed, _ = run_tests(SEARCH, "attack", tests, Limits(call_s=20, total_s=30))

    assert passed == [True]


def test_a_forged_reply_passes_no_test_whose_value_the_program_does_not_know() -> None:
    forging = f"{attacks.FORGE}forge(*[reply(value='true')] * 9)\nos._exit(0)\n"
    tests = [Case(args=f"({n},)", returns=f"{n * n}") for n in range(4)]

    passed, report = run_tests(forging, "square", tests)

    assert passed == [False] * 4
    assert {outcome.ending for outcome in report.calls} == {Ending.RETURNED}


def test_attacks_beside_each_other_do_not_disturb_a_program(sandbox: Sandbox) -> None:
    hostile = [attack for attack in ATTACKS if "forge" in attack.claim or "floo" in attack.claim]
    harmless = "def square(n): return n * n"

    with ThreadPoolExecutor(6) as pool:
        for attack in hostile:
            pool.submit(sandbox.run, attack.code, attack.calls, attacks.limits(attack))
        found = [pool.submit(sandbox.run, harmless, [Call("square", f"({n},)")]) for n in range(40)]
        values = [future.result().calls[0].value for future in found]

    assert values == [n * n for n in range(40)]
