"""`liftgraph agreement`"""

from __future__ import annotations

import asyncio
from dataclasses import asdict
from typing import Any

import click
from rich.console import Console
from rich.table import Table
from rich.text import Text

from liftgraph_dagster.app import LiftGraph
from liftgraph_dagster.cli.show import command, console, print_json
from liftgraph_dagster.evaluation.agreement import Shown
from liftgraph_dagster.evaluation.agreement_report import (
    AgreementReport,
    Coefficient,
    ScaleReport,
)
from liftgraph_dagster.evaluation.bootstrap import Estimate

_COLOURS = {Shown.MET: "green", Shown.NOT_SHOWN: "yellow", Shown.UNDEFINED: "yellow"}


@click.command()
@click.argument("graph")
@click.option(
    "--seed",
    type=click.IntRange(min=0),
    default=0,
    show_default=True,
    help="Of the intervals' resamples.",
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def agreement(graph: str, seed: int, as_json: bool) -> None:
    """Say how far the raters of GRAPH's outcomes agree, and how its metric goes with their marks.

    Agreement is met when alpha is above .8 and the lower bound of its 95 % interval above .667.
    """

    async def work() -> AgreementReport:
        async with LiftGraph() as lg:
            return await lg.agreement(graph, seed=seed)

    report = asyncio.run(work())
    if as_json:
        print_json(_json(report))
        return
    out = console()
    out.print(report.claim, style="bold")
    for scale in report.scales:
        _print_scale(out, scale)
    if not report.scales:
        out.print(f"No outcome of {graph} is marked yet: {command()} label {graph}")


def _print_scale(out: Console, report: ScaleReport) -> None:
    many = len(report.raters) > 1
    out.print(
        Text.assemble(
            "\nscale ", (str(report.scale), "bold"), f": {report.outcomes} outcomes marked by "
            f"{', '.join(report.raters)}; {report.shared} by two or more; median "
            f"{report.median_seconds:.1f} s a mark",
        )
    )  # fmt: skip
    if many:
        _print_table(out, "agreement between raters", report.between)
    out.print(
        Text.assemble(
            "agreement between raters: ",
            (report.verdict.shown.value, _COLOURS[report.verdict.shown]),
            f" ({report.verdict.reason})",
        )
    )
    if report.retests:
        title = "intra-rater retest (alpha; says nothing of agreement between raters)"
        _print_table(out, title, report.retests)
    if report.validity is None:
        out.print(f"metric validity: undefined ({report.validity_reason})")
        return
    correlations = (
        Coefficient("Spearman's rho", report.validity.spearman),
        Coefficient("Kendall's tau-b", report.validity.kendall),
    )
    _print_table(out, "metric's score and mean mark", correlations)


def _print_table(out: Console, title: str, rows: tuple[Coefficient, ...]) -> None:
    table = Table(title=title, title_justify="left", box=None, header_style="bold", pad_edge=False)
    for column in ("", "value", "95 % interval", "n", "how"):
        table.add_column(column)
    for row in rows:
        if row.estimate is None:
            table.add_row(row.name, "undefined", "", "", row.reason)
        else:
            estimate = row.estimate
            table.add_row(
                row.name,
                f"{estimate.value:.3f}",
                _interval(estimate),
                str(estimate.n),
                estimate.method,
            )
    out.print(table)


def _interval(estimate: Estimate) -> str:
    low, high = (
        "none" if bound is None else f"{bound:.3f}" for bound in (estimate.low, estimate.high)
    )
    return f"[{low}, {high}]"


def _json(report: AgreementReport) -> dict[str, Any]:
    return {
        "claim": report.claim,
        "metric": report.metric,
        "scales": [asdict(scale) | {"scale": str(scale.scale)} for scale in report.scales],
    }
