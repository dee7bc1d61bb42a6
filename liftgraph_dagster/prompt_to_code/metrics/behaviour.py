"""Whether predicates say the same, found out by trying them in the sandbox."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import lru_cache

from liftgraph_dagster.prompt_to_code.metrics.inputs import Inputs
from liftgraph_dagster.prompt_to_code.metrics.predicates import constants
from liftgraph_dagster.prompt_to_code.running import sandbox
from liftgraph_dagster.sandbox.sandbox import Call, Limits

INPUTS = 256
LIMITS = Limits(call_s=1.0, total_s=8.0)
"""Of all predicates of one example; trying one on all inputs takes some milliseconds."""

_PROGRAM = """
import copy, itertools, math, re, string

ROWS = {rows}
MODULES = {{"itertools": itertools, "math": math, "re": re, "string": string}}

def verdicts(text):
    predicate = compile(text, "<predicate>", "eval", dont_inherit=True)
    return "".join(map(lambda row: verdict(predicate, row), ROWS))

def verdict(predicate, row):
    try:
        return "1" if eval(predicate, MODULES | copy.deepcopy(row)) else "0"
    except Exception:
        return "x"
"""

HOLDS, FAILS, RAISES = "1", "0", "x"


def verdicts(
    predicates: Sequence[str],
    parameters: Mapping[str, str | None],
    returns: str | None,
    *,
    expected: Sequence[str],
) -> list[str | None]:
    """Return what each predicate says of `INPUTS` inputs: a character each, `HOLDS`, `FAILS` or
    `RAISES`. None for one that is no expression or does not come to an end.

    The inputs have the types of the parameters and of the result, and hold the constants of the
    expected predicates. They depend on these three alone, whatever the order of `expected`, so that
    all drafts of an example are tried on the same. The predicates are tried in one child of the
    sandbox, where each can change what those after it say. Raises SandboxUnavailable where code
    must not be run, SandboxDied when the sandbox went away.
    """
    program = _program(tuple(parameters.items()), returns, tuple(sorted(expected)))
    calls = [Call("verdicts", repr((predicate.strip(),))) for predicate in predicates]
    outcomes = sandbox().run(program, calls, LIMITS).calls
    return [
        outcome.value if outcome.returned and _is_verdicts(outcome.value) else None
        for outcome in outcomes
    ]


def agreement(drafted: str, expected: str) -> float | None:
    """Return how far two predicates agree, in [0, 1], given what they say of the same inputs.

        agreement = max(0, 2 a - 1),
        a = (share of equal verdicts where the expected predicate holds
             + share of equal verdicts where it does not) / 2

    Each of the two halves weighs the same, because most predicates hold for few of the inputs, and
    two that have nothing in common would agree on nearly all the others. So 2 a - 1 is Youden's J
    (1950): 1 for the same predicate, 0 for any that does not look at what the expected one looks
    at. Raising is a verdict of its own. None where the expected predicate holds for all inputs or
    for none of them: they cannot tell then.
    """
    holds = [d == e for d, e in zip(drafted, expected, strict=True) if e == HOLDS]
    fails = [d == e for d, e in zip(drafted, expected, strict=True) if e != HOLDS]
    if not holds or not fails:
        return None
    return max(0.0, sum(holds) / len(holds) + sum(fails) / len(fails) - 1)


@lru_cache(maxsize=512)
def _program(
    parameters: tuple[tuple[str, str | None], ...], returns: str | None, expected: tuple[str, ...]
) -> str:
    inputs = Inputs(
        dict(parameters),
        returns,
        constants=[value for predicate in expected for value in constants(predicate)],
        seed=repr((parameters, returns, expected)),
    )
    return _PROGRAM.format(rows=repr(inputs.rows(INPUTS)))


def _is_verdicts(value: object) -> bool:
    return isinstance(value, str) and len(value) == INPUTS and set(value) <= {HOLDS, FAILS, RAISES}
