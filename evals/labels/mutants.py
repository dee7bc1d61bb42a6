"""Do the tests of the labelled examples notice when the reference code is wrong?

Every reference code must pass all its tests; then one small change at a time is made to it, and the
tests should fail. A survivor either computes the same as the original or shows a gap in the tests.
"""

from __future__ import annotations

import sys
import time
from concurrent.futures import ThreadPoolExecutor

from rich.console import Console
from rich.table import Table

from liftgraph_dagster.evaluation.example import read_examples
from liftgraph_dagster.prompt_to_code.examples import files
from liftgraph_dagster.prompt_to_code.graph import graph
from liftgraph_dagster.prompt_to_code.outcome import Expected
from liftgraph_dagster.prompt_to_code.verify import MIN_KILLED, mutate, reference_problems


def main(show_survivors: bool) -> int:
    started = time.perf_counter()
    console = Console()
    table = Table("examples", "number", "mutants", "killed", "rate", "below the limit", box=None)
    tried = killed = failing = 0
    survivors = []
    with ThreadPoolExecutor(2) as pool:
        for path in files():
            examples = read_examples(graph, [path])
            labels = [Expected.model_validate(example.expected) for example in examples]
            for example, problems in zip(
                examples, pool.map(reference_problems, labels), strict=True
            ):
                failing += bool(problems)
                for problem in problems:
                    console.print(f"{example.id}: {problem}", markup=False)
            found = list(pool.map(mutate, labels))
            number = sum(mutation.tried for mutation in found)
            dead = number - sum(len(mutation.survivors) for mutation in found)
            low = [
                f"{example.id} {mutation.killed:.0%}"
                for example, mutation in zip(examples, found, strict=True)
                if not mutation.is_enough(MIN_KILLED)
            ]
            table.add_row(
                path.stem, str(len(labels)), str(number), str(dead), f"{dead / number:.1%}",
                ", ".join(low) or "-",
            )  # fmt: skip
            tried, killed = tried + number, killed + dead
            survivors += [
                f"{example.id}, line {mutant.line}: {mutant.change}"
                for example, mutation in zip(examples, found, strict=True)
                for mutant in mutation.survivors
            ]
    console.print(table)
    console.print(
        f"{failing} references fail; {killed} of {tried} mutants killed ({killed / tried:.1%}), "
        f"{len(survivors)} survive; {time.perf_counter() - started:.0f} s"
    )
    if show_survivors:
        for survivor in survivors:
            console.print(survivor, markup=False, highlight=False)
    return 1 if failing else 0


if __name__ == "__main__":
    sys.exit(main("--survivors" in sys.argv[1:]))
