"""Tests of generated code, run in the real sandbox."""

from __future__ import annotations

import pytest

from liftgraph_dagster.prompt_to_code.outcome import Test as Case
from liftgraph_dagster.prompt_to_code.running import run_tests
from liftgraph_dagster.sandbox.sandbox import Ending, Limits

HALF = """
class Odd(ValueError):
    pass

def half(n):
    if n < 0:
        while True:
            pass
    if n % 2:
        raise Odd(n)
    return n // 2
"""


def test_each_test_is_judged_by_what_its_call_did() -> None:
    tests = [
        Case(args="(4,)", returns="2"),
        Case(args="(4,)", returns="3"),
        Case(args="(5,)", raises="ValueError"),
        Case(args="(5,)", raises="KeyError"),
        Case(args="(6,)", raises="ValueError"),
        Case(args="()", returns="0"),
    ]

    passed, report = run_tests(HALF, "half", tests)

    assert passed == [True, False, True, False, False, False]
    assert report.level.complete


def test_a_test_that_does_not_end_fails_and_the_rest_goes_on() -> None:
    tests = [Case(args="(-1,)", returns="0"), Case(args="(4,)", returns="2")]

    passed, report = run_tests(HALF, "half", tests, Limits(call_s=0.3))

    assert passed == [False, True]
    assert report.calls[0].ending is Ending.TIMEOUT


@pytest.mark.parametrize("code", ["def half(", "x = missing\ndef half(n): return n // 2"])
def test_code_that_does_not_load_passes_no_test(code: str) -> None:
    passed, report = run_tests(code, "half", [Case(args="(4,)", returns="2")] * 2)

    assert passed == [False, False]
    assert report.loaded.ending is Ending.RAISED
