"""Our promises about assets, checked each time they are materialized; those that run code are steps
of their own."""

from collections.abc import Sequence
from typing import Any

import dagster as dg

from liftgraph_dagster.app import LiftGraph, load_graphs
from liftgraph_dagster.defs.resources import Installation
from liftgraph_dagster.evaluation.dataset import Dataset, Split, inputs_in_two_splits, is_sealed
from liftgraph_dagster.evaluation.label_check import LabelCheck
from liftgraph_dagster.settings import Settings

VALID = "examples_valid"
ONE_FAMILY, ONE_INPUT, COUNTS = (
    "no_family_in_two_splits",
    "no_input_in_two_splits",
    "enough_examples",
)
SPLITS = {
    ONE_FAMILY: "No family of the stored examples has been in two splits.",
    ONE_INPUT: "No input stands in two splits, under two families.",
    COUNTS: "Each split has enough examples to learn, choose or judge by.",
}
"""Names and descriptions of the checks of dataset_splits."""

ENOUGH = {Split.TRAIN: 70, Split.DEV: 50, Split.SEALED: 70}
"""Examples of a split, below which what is learned, chosen or judged by them is mostly noise."""
ENOUGH_SEALED_FAMILIES = 20
"""Families are what a verdict's error is computed from."""
_SHOWN = 20


def check_valid(dataset: Dataset) -> dg.AssetCheckResult:
    """Return that every line was readable, or there would be no dataset."""
    return dg.AssetCheckResult(
        check_name=VALID,
        passed=True,
        description=f"{len(dataset.examples)} examples are what {dataset.graph} takes and expects",
    )


def check_splits(dataset: Dataset, moved: Sequence[str]) -> list[dg.AssetCheckResult]:
    """Return whether what was learned from can be kept apart from what is judged by.

    Args:
        moved: families that stand in two splits in the database.
    """
    twice = [f"{one}, {other}" for one, other in inputs_in_two_splits(dataset)]
    return [
        dg.AssetCheckResult(
            check_name=ONE_FAMILY,
            passed=not moved,
            description=f"in two splits: {_few(moved)}" if moved else "none",
            metadata={"families": dataset.families},
        ),
        dg.AssetCheckResult(
            check_name=ONE_INPUT,
            passed=not twice,
            description=f"the same input under two families: {_few(twice)}" if twice else "none",
        ),
        _check_counts(dataset),
    ]


def label_checks() -> list[dg.AssetChecksDefinition]:
    """Return a check of labelled_examples for each label check that a graph declares."""
    graphs = load_graphs(Settings.from_environment()).values()
    return [_label_check(name) for name in sorted({n for g in graphs for n in g.label_checks})]


def _check_counts(dataset: Dataset) -> dg.AssetCheckResult:
    """A warning: a small graph may have few examples yet."""
    counts = {split: len(dataset.split(split)) for split in Split}
    sealed = len({example.family for example in dataset.split(Split.SEALED)})
    few = [
        f"{n} {split}, wanted {ENOUGH[split]}" for split, n in counts.items() if n < ENOUGH[split]
    ]
    if sealed < ENOUGH_SEALED_FAMILIES:
        few.append(f"{sealed} sealed families, wanted {ENOUGH_SEALED_FAMILIES}")
    return dg.AssetCheckResult(
        check_name=COUNTS,
        passed=not few,
        severity=dg.AssetCheckSeverity.WARN,
        description="; ".join(few) or "each split has enough",
        metadata={split.value: n for split, n in counts.items()} | {"sealed families": sealed},
    )


def _label_check(name: str) -> dg.AssetChecksDefinition:
    @dg.asset_check(
        asset="labelled_examples",
        name=name,
        description=f"The label check {name!r} of all graphs that declare it.",
    )
    def check(liftgraph: dg.ResourceParam[Installation]) -> dg.AssetCheckResult:
        async def work(lg: LiftGraph) -> dict[str, tuple[Dataset, LabelCheck]]:
            found = {}
            for graph in lg.graphs.values():
                if name in graph.label_checks:
                    dataset = await lg.dataset(graph.name)
                    [checked] = await lg.check_labels(dataset, [name])
                    found[graph.name] = dataset, checked
            return found

        found = liftgraph.run(work)
        return dg.AssetCheckResult(
            passed=all(check.passed for _, check in found.values()),
            description="; ".join(_said(dataset, check) for dataset, check in found.values()),
            metadata={graph: _problems(*one) for graph, one in found.items()},
        )

    return check


def _said(dataset: Dataset, check: LabelCheck) -> str:
    return f"{dataset.graph}: {len(check.problems)} of {check.checked} examples have a problem"


def _problems(dataset: Dataset, check: LabelCheck) -> Any:
    """Return what is wrong as Markdown; of sealed examples only that something is."""
    sealed = {example.id for example in dataset.examples if is_sealed(example)}
    lines = [
        f"- {id}: {'sealed' if id in sealed else '; '.join(said)}"
        for id, said in check.problems.items()
    ]
    return dg.MetadataValue.md("\n".join(lines) or "none")


def _few(texts: Sequence[str]) -> str:
    more = len(texts) - _SHOWN
    return "; ".join(texts[:_SHOWN]) + (f" and {more} more" if more > 0 else "")
