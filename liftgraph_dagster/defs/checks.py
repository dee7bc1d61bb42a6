"""Our promises about assets, checked each time they are materialized."""

import dagster as dg

from liftgraph_dagster.evaluation.dataset import Dataset, Split

EXAMPLES_VALID = "examples_valid"


def examples_valid(dataset: Dataset) -> dg.AssetCheckResult:
    """Return whether the dataset can be used as intended: every line was readable (or there would
    be no dataset) and each split has examples. An empty split is a warning: a small graph may
    have no sealed examples yet."""
    counts = {split.value: len(dataset.split(split)) for split in Split}
    empty = [name for name, n in counts.items() if n == 0]
    return dg.AssetCheckResult(
        check_name=EXAMPLES_VALID,
        passed=not empty,
        severity=dg.AssetCheckSeverity.WARN,
        description=f"no examples in {', '.join(empty)}" if empty else "each split has examples",
        metadata={**counts, "families": dataset.families},
    )
