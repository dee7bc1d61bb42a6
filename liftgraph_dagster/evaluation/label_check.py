"""Whether the labels of examples can be trusted: the checks that a graph declares for them."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from liftgraph_dagster.errors import ConfigurationError, InputError, LiftGraphError
from liftgraph_dagster.evaluation.example import Example

Check = Callable[[Example], Sequence[str]]
"""Returns what is wrong with an example, in words."""


@dataclass(frozen=True)
class LabelCheck:
    """What one check says of some examples."""

    name: str
    checked: int
    problems: Mapping[str, tuple[str, ...]]
    """By the id of the example; only of those that have some."""

    @property
    def passed(self) -> bool:
        """True when nothing is wrong."""
        return not self.problems


def check_labels(name: str, check: Check, examples: Sequence[Example]) -> LabelCheck:
    """Apply a check to each example, several at a time: a check may wait for code to run.

    An InputError of the check is what is wrong with the example. Raises ConfigurationError, naming
    check and example, when the check raises something else or returns something else than texts;
    an outage passes as it is.
    """

    def problems(example: Example) -> tuple[str, ...]:
        try:
            said = check(example)
        except InputError as exc:  # the label is none that can be used
            return (str(exc),)
        except LiftGraphError:
            raise
        except Exception as exc:
            raise ConfigurationError(
                f"label check {name} raised on example {example.id}: {type(exc).__name__}: {exc}"
            ) from exc
        if not isinstance(said, list | tuple) or not all(isinstance(one, str) for one in said):
            raise ConfigurationError(
                f"label check {name} returned {said!r} on example {example.id}; return a list of "
                "texts, an empty one when nothing is wrong"
            )
        return tuple(said)

    with ThreadPoolExecutor(os.cpu_count()) as threads:
        found = list(threads.map(problems, examples))
    wrong = {one.id: said for one, said in zip(examples, found, strict=True) if said}
    return LabelCheck(name, len(examples), wrong)
