"""What does it cost to score one outcome of prompt_to_code, with and without the sandbox?

Every labelled example of train and dev is scored against an answer that is wrong in places: another
name, another summary, a changed operator. Without the sandbox: the assertions are other wordings
that the canonical form sees through, and the code has no tests. With it: the assertions must be
tried on generated inputs, which are made anew, and the tests are run. Milliseconds in one thread,
of each example the best of three: what other processes take is not asked for here. The sandbox's
server is warm.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

import numpy as np
from rich.console import Console
from rich.table import Table

from liftgraph_dagster.evaluation.dataset import Dataset
from liftgraph_dagster.evaluation.example import read_examples
from liftgraph_dagster.prompt_to_code.examples import files
from liftgraph_dagster.prompt_to_code.graph import graph
from liftgraph_dagster.prompt_to_code.ir import IR
from liftgraph_dagster.prompt_to_code.metrics import behaviour
from liftgraph_dagster.prompt_to_code.metrics.code import compare_code
from liftgraph_dagster.prompt_to_code.metrics.ir import compare_ir
from liftgraph_dagster.prompt_to_code.outcome import Expected

ASKED_MS = 5.0
"""What one outcome may cost at the most without the sandbox."""
REPEATS = 3


def wrong_ir(ir: IR, predicate: str) -> IR:
    """Return another representation; `predicate` says how its assertions are worded."""
    found = ir.model_copy(deep=True)
    found.signature.name += "_now"
    found.intent.summary = f"Compute this: {ir.intent.summary}"
    for assertion in found.assertions:
        assertion.predicate = predicate.format(assertion.predicate)
    return found


def wrong_code(code: str) -> str:
    """Return code that differs in text and tree."""
    return code.replace("+", "-").replace("return", "return not")


def milliseconds(score: Callable[[Expected], object], labels: Sequence[Expected]) -> list[float]:
    """Return what a score of each label cost."""
    score(labels[0])
    return [min(_once(score, label) for _ in range(REPEATS)) for label in labels]


def _once(score: Callable[[Expected], object], label: Expected) -> float:
    behaviour._program.cache_clear()
    started = time.perf_counter()
    score(label)
    return (time.perf_counter() - started) * 1000


def main() -> None:
    dataset = Dataset(graph.name, tuple(read_examples(graph, files())))
    labels = [Expected.model_validate(example.expected) for example in dataset.open()]
    measured = {
        "ir_quality": lambda e: compare_ir(wrong_ir(e.ir, "not (not ({}))"), e.ir),
        "code_quality, no tests": lambda e: compare_code(wrong_code(e.code), e.code, []),
        "both, nothing run": lambda e: (
            compare_ir(wrong_ir(e.ir, "not (not ({}))"), e.ir),
            compare_code(wrong_code(e.code), e.code, []),
        ),
        "ir_quality, assertions tried": lambda e: compare_ir(wrong_ir(e.ir, "1 and ({})"), e.ir),
        "code_quality, tests run": lambda e: compare_code(e.code, e.code, e.tests),
    }
    table = Table("one example", "p50 ms", "p95 ms", "max ms", box=None)
    for name, score in measured.items():
        found = milliseconds(score, labels)
        table.add_row(name, *(f"{v:.2f}" for v in (*np.percentile(found, [50, 95]), max(found))))
    console = Console()
    console.print(table)
    console.print(f"n = {len(labels)} examples; asked for: {ASKED_MS:g} ms with nothing run")


if __name__ == "__main__":
    main()
