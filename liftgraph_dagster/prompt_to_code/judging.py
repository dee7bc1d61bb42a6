"""Whether a call did what its test says: the one place where values are compared.

Compared is what the sandbox decoded with what the label says, here, in our own process: a program
never sees what is expected of it.
"""

from __future__ import annotations

import builtins
import math
from typing import Any

from liftgraph_dagster.errors import InputError
from liftgraph_dagster.prompt_to_code.outcome import Test
from liftgraph_dagster.sandbox.sandbox import Ending, Limits, Outcome
from liftgraph_dagster.sandbox.syntax import literal

_LONGEST_WRITTEN = 200
REL_TOLERANCE = 1e-9
"""Of floats, relative to the larger one: how far two orders of summation may lie apart."""


def passes(test: Test, outcome: Outcome) -> bool:
    """Return True when a call ended as `test` says: with an equal value, or with an exception of
    the named class or of a class derived from it.

    A call that timed out, died or was not run passes no test. Raises InputError when the test's
    `returns` is no literal.
    """
    if test.raises is not None:
        return outcome.ending is Ending.RAISED and test.raises in _names(outcome)
    return outcome.returned and equal(expected_value(test), outcome.value)


def described(outcome: Outcome, limits: Limits) -> str:
    """Return what a call or a loading did, as the end of a sentence that begins with it."""
    match outcome.ending:
        case Ending.RETURNED:
            return f"returned {_written(outcome.value)}"
        case Ending.RAISED:
            return f"raised {outcome.error}{f': {outcome.message}' if outcome.message else ''}"
        case Ending.UNDEFINED:
            return "is not defined"
        case Ending.TIMEOUT:
            return f"did not end within {limits.call_s:g} seconds"
        case Ending.DIED:
            return f"ended its process{f': {outcome.error}' if outcome.error else ''}"
        case Ending.NOT_RUN:
            return "was not reached: the time for all tests was over"


def _written(value: Any) -> str:
    try:
        text = repr(value)
    except ValueError:  # a number of more digits than Python writes
        return "a number too long to write"
    return text if len(text) <= _LONGEST_WRITTEN else f"{text[:_LONGEST_WRITTEN]}..."


def expected_value(test: Test) -> Any:
    """Return the value that `test` expects. Raises InputError when it is no literal."""
    try:
        return literal(test.returns or "")
    except ValueError as exc:
        raise InputError(f"a test returns {test.returns!r}, {exc}; correct the label") from exc


def equal(expected: Any, found: Any) -> bool:
    """Return True when two values are the same to whoever reads them.

    As Python's `==`, but True is not 1, floats may differ by `REL_TOLERANCE`, and NaN equals NaN.
    Lists and tuples differ, as they do in Python. The order of a dictionary does not matter.
    """
    if isinstance(expected, bool) or isinstance(found, bool):
        return expected is found
    if isinstance(expected, int | float) and isinstance(found, int | float):
        return _numbers_equal(expected, found)
    if isinstance(expected, complex) and isinstance(found, complex):
        return _numbers_equal(expected.real, found.real) and _numbers_equal(
            expected.imag, found.imag
        )
    if isinstance(expected, list) and isinstance(found, list):
        return _sequences_equal(expected, found)
    if isinstance(expected, tuple) and isinstance(found, tuple):
        return _sequences_equal(expected, found)
    if isinstance(expected, dict) and isinstance(found, dict):
        return _members_equal(expected.items(), found.items())
    if isinstance(expected, set | frozenset) and isinstance(found, set | frozenset):
        return _members_equal(expected, found)
    return bool(type(expected) is type(found) and expected == found)


def _numbers_equal(a: float, b: float) -> bool:
    if isinstance(a, int) and isinstance(b, int):
        return a == b
    if a == b or (a != a and b != b):
        return True
    try:
        return math.isclose(a, b, rel_tol=REL_TOLERANCE)
    except OverflowError:  # an int beyond all floats
        return False


def _sequences_equal(a: Any, b: Any) -> bool:
    return len(a) == len(b) and all(equal(x, y) for x, y in zip(a, b, strict=True))


def _members_equal(expected: Any, found: Any) -> bool:
    """Pair the members off: a set that holds 0.1 + 0.2 is equal to one that holds 0.3."""
    if len(expected) != len(found):
        return False
    left = list(found)
    for member in expected:
        for index, candidate in enumerate(left):
            if equal(member, candidate):
                del left[index]
                break
        else:
            return False
    return True


def _names(outcome: Outcome) -> set[str]:
    """Return the names of the raised class and of its ancestors."""
    known = getattr(builtins, outcome.error, None)
    ancestors = known.__mro__ if isinstance(known, type) else ()
    return {outcome.error, *outcome.bases, *(cls.__name__ for cls in ancestors)}
