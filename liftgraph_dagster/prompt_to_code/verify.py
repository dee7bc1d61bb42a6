"""Whether a labelled example can be trusted: its reference code passes its own tests, and the tests
notice when the code is changed."""

from __future__ import annotations

from dataclasses import dataclass

from liftgraph_dagster.evaluation.example import Example
from liftgraph_dagster.prompt_to_code.judging import described
from liftgraph_dagster.prompt_to_code.mutants import Mutant, mutants
from liftgraph_dagster.prompt_to_code.outcome import Expected, Test
from liftgraph_dagster.prompt_to_code.running import run_tests
from liftgraph_dagster.sandbox.sandbox import Limits

MIN_KILLED = 0.8
"""Share of an example's mutants that its tests must notice, one survivor always allowed: some
mutants compute the same as the original, and which they are cannot be decided in general."""
_MUTANT_LIMITS = Limits(call_s=0.5, total_s=2.0)
"""The first test that hangs decides."""


@dataclass(frozen=True)
class Mutation:
    """What became of the mutants of one reference code."""

    tried: int
    survivors: tuple[Mutant, ...]
    """Those that pass all tests: equal in effect, or a gap in the tests."""

    def is_enough(self, min_killed: float) -> bool:
        """Return True when the tests notice enough of them."""
        return len(self.survivors) <= 1 or self.killed >= min_killed

    @property
    def killed(self) -> float:
        """Share of the mutants that failed a test; 1 when there are none."""
        return 1 - len(self.survivors) / self.tried if self.tried else 1.0


def references_pass(example: Example) -> list[str]:
    """Return which of its own tests the reference code of an example fails, in words; empty when
    it passes all. Raises SandboxUnavailable where code must not be run."""
    return reference_problems(Expected.model_validate(example.expected))


def mutants_die(example: Example) -> list[str]:
    """Return which mutants of the reference code the tests of an example do not notice, in words;
    empty when they notice enough of them. Raises SandboxUnavailable where code must not be run."""
    try:
        found = mutate(Expected.model_validate(example.expected))
    except SyntaxError as exc:
        return [f"the reference code does not compile: {exc}"]
    if found.is_enough(MIN_KILLED):
        return []
    return [
        f"{found.killed:.0%} of {found.tried} mutants of the reference code are noticed by its "
        f"tests, wanted are {MIN_KILLED:.0%}",
        *(f"not noticed: line {m.line}, {m.change}" for m in found.survivors),
    ]


def reference_problems(expected: Expected) -> list[str]:
    """Return which tests the reference code fails, in words."""
    name, tests = expected.ir.signature.name, _tests(expected)
    passed, report = run_tests(expected.code, name, tests)
    if not report.loaded.returned:
        return [f"the reference code does not load: it {described(report.loaded, Limits())}"]
    return [
        f"the reference code fails: {name}{test.args} is to "
        f"{f'raise {test.raises}' if test.raises else f'return {test.returns}'}, "
        f"but it {described(outcome, Limits())}"
        for test, outcome, ok in zip(tests, report.calls, passed, strict=True)
        if not ok
    ]


def mutate(expected: Expected) -> Mutation:
    """Run all tests on each mutant of the reference code. One that hangs or dies is noticed."""
    name, tests = expected.ir.signature.name, _tests(expected)
    tried = list(mutants(expected.code))
    survivors = [
        mutant for mutant in tried if all(run_tests(mutant.code, name, tests, _MUTANT_LIMITS)[0])
    ]
    return Mutation(len(tried), tuple(survivors))


def _tests(expected: Expected) -> list[Test]:
    return [*expected.tests, *expected.reference_tests]
