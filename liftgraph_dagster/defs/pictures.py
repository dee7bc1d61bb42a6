"""Pictures in the metadata of assets, as Markdown that carries them along."""

from __future__ import annotations

import base64
import io
from collections.abc import Sequence

import dagster as dg
import numpy as np
from matplotlib.figure import Figure

from liftgraph_dagster.app import Evaluation
from liftgraph_dagster.evaluation.dataset import Dataset, Split

_GREYS = "0.85", "0.70", "0.55", "0.40", "0.25", "#7aa6c2"
_UNGRADED = "not graded"


def splits_picture(dataset: Dataset) -> dg.MarkdownMetadataValue:
    """Return the number of examples in each split, by difficulty."""
    figure = Figure(figsize=(6, 2.2), layout="constrained")
    axes = figure.subplots()
    grades = [1, 2, 3, 4, 5, None]
    left = np.zeros(len(Split))
    for grade, grey in zip(grades, _GREYS, strict=True):
        counts = [
            sum(example.difficulty == grade for example in dataset.split(split)) for split in Split
        ]
        if any(counts):
            label = _UNGRADED if grade is None else f"difficulty {grade}"
            axes.barh([split.value for split in Split], counts, left=left, color=grey, label=label)
            left += counts
    axes.invert_yaxis()
    axes.set(xlabel="examples", title=f"{dataset.graph}: {dataset.families} families")
    axes.legend(frameon=False, bbox_to_anchor=(1, 1))
    return _picture(figure, "examples by split and difficulty")


def scores_picture(evaluations: Sequence[Evaluation]) -> dg.MarkdownMetadataValue:
    """Return the score of each example as a dot, one row a program, with the mean as a line."""
    figure = Figure(figsize=(6, 1 + 0.5 * len(evaluations)), layout="constrained")
    axes = figure.subplots()
    rng = np.random.default_rng(0)
    for row, evaluation in enumerate(evaluations):
        values = [score.value for score in evaluation.scores]
        heights = row + rng.uniform(-0.15, 0.15, len(values))
        axes.scatter(values, heights, s=16, alpha=0.6, color="#2b6a99", linewidths=0)
        mean = evaluation.summary.mean
        axes.plot([mean, mean], [row - 0.3, row + 0.3], color="black", linewidth=2)
        axes.annotate(f"{mean:.3f}", (mean, row - 0.32), ha="center", va="bottom", fontsize=8)
    names = [f"{one.batch.program_name}\nn = {one.summary.n}" for one in evaluations]
    axes.set_yticks(range(len(evaluations)), names)
    axes.set(xlim=(-0.02, 1.02), ylim=(len(evaluations) - 0.5, -0.6))
    axes.set_xlabel(f"{evaluations[0].scores[0].metric} (line: mean; a failure counts as 0)")
    return _picture(figure, "scores by program")


def _picture(figure: Figure, title: str) -> dg.MarkdownMetadataValue:
    png = io.BytesIO()
    figure.savefig(png, format="png", dpi=110)
    encoded = base64.b64encode(png.getvalue()).decode()
    return dg.MetadataValue.md(f"![{title}](data:image/png;base64,{encoded})")
