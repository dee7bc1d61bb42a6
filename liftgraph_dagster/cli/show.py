"""How things look in a terminal."""

from __future__ import annotations

import json
import math
import os
import shutil
import sys
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Any

import click
from pydantic_core import to_jsonable_python
from rich.console import Console
from rich.table import Table
from rich.text import Text

from liftgraph_dagster.app import Evaluation, Result
from liftgraph_dagster.evaluation.dataset import (
    Dataset,
    Difference,
    Split,
    StoredDataset,
    split_of,
)
from liftgraph_dagster.evaluation.example import Example
from liftgraph_dagster.evaluation.label_check import LabelCheck
from liftgraph_dagster.execution.records import EventKind, Execution, NodeEvent, Status, Usage
from liftgraph_dagster.execution.trace import Trace, TraceLine

_COLOURS = {
    Status.SUCCEEDED: "green",
    Status.RUNNING: "cyan",
    Status.WAITING: "yellow",
    Status.SUSPENDED: "yellow",
    Status.FAILED: "red",
    Status.CANCELLED: "bright_black",
}


def console() -> Console:
    """Return the terminal, or plain text of sensible width when the output goes to a file.

    Texts are printed as they are: `[b]` in a prompt is no markup.
    """
    found = Console(highlight=False, markup=False)
    return found if found.is_terminal else Console(highlight=False, markup=False, width=140)


def command() -> str:
    """Return how to call this program again from where one is: by name when it is on the path."""
    if shutil.which("liftgraph"):
        return "liftgraph"
    return os.path.relpath(Path(sys.executable).with_name("liftgraph"))


def print_json(value: Any) -> None:
    """Print `value` as JSON, for programs to read: NaN and infinities as null, what is no JSON as
    its text."""
    plain = to_jsonable_python(value, inf_nan_mode="null", fallback=str, bytes_mode="base64")
    text = json.dumps(_finite(plain), ensure_ascii=False, indent=2, allow_nan=False)
    click.echo(text.encode("utf-8", "backslashreplace").decode())  # a lone surrogate as \\udc80


def _finite(value: Any) -> Any:
    match value:
        case float():
            return value if math.isfinite(value) else None
        case dict():
            return {key: _finite(item) for key, item in value.items()}
        case list():
            return [_finite(item) for item in value]
        case _:
            return value


def print_result(result: Result, history: Sequence[NodeEvent]) -> None:
    """Print an outcome: short values as JSON, texts of several lines as they are."""
    out = console()
    usage = total_usage(history)
    seconds = sum(e.duration_s for e in history if e.kind is EventKind.NODE and not e.branch)
    print_value(out, result.outcome)
    out.print(
        Text.assemble(
            (result.execution.status.value, _COLOURS[result.execution.status]),
            f"  {counted(usage.calls, 'model call')}, {usage.tokens} tokens, {seconds:.1f} s",
        )
    )
    out.print(f"{command()} execution show {result.execution.id}", style="bright_black")


def execution_json(execution: Execution) -> dict[str, Any]:
    """Return what lists say about an execution."""
    return {
        "id": execution.id,
        "graph": execution.graph,
        "status": execution.status.value,
        "rev": execution.rev,
        "program": execution.program_digest,
        "graph_version": execution.graph_version,
        "user": execution.user_id,
        "created_at": execution.created_at.isoformat(),
        "finished_at": execution.finished_at.isoformat() if execution.finished_at else None,
        "attrs": dict(execution.attrs),
    }


def counted(n: int, one: str, more: str = "") -> str:
    """Return a number of things, in words."""
    return f"{n} {one if n == 1 else more or one + 's'}"


def print_executions(executions: Sequence[Execution], *, older: str | None) -> None:
    """Print a page of executions, and if there may be older ones the command that lists them: it
    has the options `older`."""
    out = console()
    if not executions:
        out.print("No executions.")
        return
    table = Table(box=None, header_style="bold", pad_edge=False)
    for column in ("id", "graph", "status", "rev", "program", "created"):
        table.add_column(column, no_wrap=True)
    for one in executions:
        table.add_row(
            one.id,
            one.graph,
            Text(one.status.value, _COLOURS[one.status]),
            str(one.rev),
            one.program_digest[:12],
            one.created_at.astimezone().strftime("%Y-%m-%d %H:%M:%S"),
        )
    out.print(table)
    if older is not None:
        out.print(
            f"older: {command()} execution list {older} --before {executions[-1].id}",
            style="bright_black",
            soft_wrap=True,
        )


def print_execution(trace: Trace, *, as_json: bool) -> None:
    """Print an execution's timeline."""
    if as_json:
        print_json(
            execution_json(trace.execution)
            | {
                "input": json.loads(trace.execution.input),
                "events": [_line_json(line) for line in trace.lines],
                "outcome": trace.outcome,
            }
        )
        return
    out = console()
    execution = trace.execution
    out.print(
        Text.assemble(
            (execution.graph, "bold"), "  ",
            (execution.status.value, _COLOURS[execution.status]), "  ", execution.id,
        )
    )  # fmt: skip
    out.print(
        f"version {execution.graph_version[:12]}, program {execution.program_digest[:12]}, begun "
        f"{execution.created_at.astimezone():%Y-%m-%d %H:%M:%S}"
    )
    out.print("input  ", end="", style="bold")
    print_value(out, json.loads(execution.input))
    for line in trace.lines:
        _print_line(out, line)
    if trace.outcome is not None:
        out.print("outcome", style="bold")
        print_value(out, trace.outcome)


def print_evaluations(
    graph: str, evaluations: Sequence[Evaluation], *, with_executions: bool = True
) -> None:
    """Print one table: each example under each program, repeat by repeat, and what they add up
    to. An id is long: without the executions' ids there is room for the outcomes."""
    out = console()
    repeats = max(run.repeat for one in evaluations for run in one.batch.runs) + 1
    table = Table(header_style="bold", box=None, pad_edge=False, expand=True)
    table.add_column("example", overflow="ellipsis", no_wrap=True, max_width=26)
    table.add_column("program", overflow="ellipsis", no_wrap=True, max_width=20)
    if repeats > 1:
        table.add_column("repeat", justify="right", no_wrap=True)
    table.add_column("outcome", overflow="ellipsis", no_wrap=True, ratio=1)
    table.add_column("status", no_wrap=True)
    for column in ("score", "tokens", "seconds"):
        table.add_column(column, justify="right", no_wrap=True)
    if with_executions:
        table.add_column("execution", overflow="fold")
    for example_id, rows in _by_example(evaluations).items():
        for index, (evaluation, run, score) in enumerate(rows):
            table.add_row(
                example_id if index == 0 else "",
                evaluation.batch.program_name,
                *([str(run.repeat)] if repeats > 1 else []),
                Text(run.headline or (run.failure or "-"), "" if run.succeeded else "red"),
                Text(run.execution.status.value, _COLOURS[run.execution.status]),
                _score(score.value),
                str(run.usage.tokens),
                f"{run.seconds:.1f}",
                *([run.execution.id] if with_executions else []),
                end_section=index == len(rows) - 1,
            )
    table.add_section()
    for evaluation in evaluations:
        summary = evaluation.summary
        table.add_row(
            "total",
            evaluation.batch.program_name,
            *([""] if repeats > 1 else []),
            f"n = {summary.n}, mean of {evaluation.scores[0].metric}",
            f"{summary.failures} failed" if summary.failures else "",
            Text(f"{summary.mean:.3f}", "bold"),
            str(summary.tokens),
            f"{summary.seconds:.1f}",
        )
    out.print(table)
    first = evaluations[0]
    examples = {run.example.id for run in first.batch.runs}
    drawn = f" at temperature {first.batch.temperature:g}" if first.batch.temperature else ""
    times = f"{len(examples)} examples x {repeats} repeats, " if repeats > 1 else ""
    out.print(
        f"{graph}, {times}model {first.batch.model}{drawn}, dataset "
        f"{first.batch.dataset_digest[:12]}, metric {first.scores[0].metric} version "
        f"{first.scores[0].metric_version}. Scores lie in [0, 1]; a failed execution counts as 0.",
        style="bright_black",
    )


def print_datasets(datasets: Sequence[StoredDataset]) -> None:
    """Print a line for each dataset."""
    out = console()
    if not datasets:
        out.print("No datasets.")
        return
    table = Table(box=None, header_style="bold", pad_edge=False)
    for column in ("name", "graph", "digest", "since"):
        table.add_column(column, no_wrap=True)
    for column in ("n", "families", *Split):
        table.add_column(column, justify="right", no_wrap=True)
    for one in datasets:
        table.add_row(
            one.name or "(files)",
            one.graph,
            one.digest[:12],
            one.since.astimezone().strftime("%Y-%m-%d %H:%M:%S"),
            str(one.n),
            str(one.families),
            *(str(one.splits[split]) for split in Split),
        )
    out.print(table)


def print_examples(
    dataset: Dataset,
    examples: Sequence[Example],
    *,
    most: int | None = None,
    include_sealed: bool = False,
) -> None:
    """Print what a dataset consists of, and the first `most` of `examples`, which are some of it.
    Of sealed ones only the id is printed, unless they are asked for."""
    out = console()
    splits = ", ".join(f"{split} {len(dataset.split(split))}" for split in Split)
    out.print(
        f"{dataset.graph}  {dataset.digest[:12]}  n = {len(dataset.examples)}, "
        f"{counted(dataset.families, 'family', 'families')}; {splits}"
    )
    table = Table(box=None, header_style="bold", pad_edge=False, expand=True)
    table.add_column("id", overflow="fold", max_width=50)
    table.add_column("family", overflow="ellipsis", no_wrap=True, max_width=24)
    table.add_column("split", no_wrap=True)
    for column in ("input", "expected"):
        table.add_column(column, overflow="ellipsis", no_wrap=True, ratio=1)
    shown = examples[:most]
    for example in shown:
        split = split_of(example.family)
        seen = include_sealed or split is not Split.SEALED
        values = (example.input, example.expected) if seen else ()
        table.add_row(
            example.id, example.family if seen else "", split.value, *map(_one_line, values)
        )
    out.print(table)
    if len(shown) < len(examples):
        out.print(f"and {len(examples) - len(shown)} more", style="bright_black")


def print_label_checks(checks: Sequence[LabelCheck], hidden: Collection[str]) -> None:
    """Print a line for each check, then what is wrong, example by example; of the `hidden` ones
    only the id."""
    out = console()
    table = Table("check", "examples", "with a problem", box=None)
    for check in checks:
        table.add_row(check.name, str(check.checked), str(len(check.problems)))
    out.print(table if checks else "the graph declares no label checks")
    for check in checks:
        for example_id, said in shown_problems(check, hidden).items():
            out.print(f"\n{example_id} ({check.name})", markup=False, highlight=False)
            for problem in said:
                out.print(f"  {problem}", markup=False, highlight=False, soft_wrap=True)


def shown_problems(check: LabelCheck, hidden: Collection[str]) -> dict[str, list[str]]:
    """Return what is wrong, by example; of the `hidden` ones only that something is."""
    return {
        example_id: ["sealed: see --include-sealed"] if example_id in hidden else list(said)
        for example_id, said in check.problems.items()
    }


def print_difference(difference: Difference) -> None:
    """Print a line for each example that was added, removed or changed."""
    out = console()
    for example_id in difference.added:
        out.print(Text(f"+ {example_id}", "green"))
    for example_id in difference.removed:
        out.print(Text(f"- {example_id}", "red"))
    for example_id, fields in difference.changed.items():
        out.print(Text(f"~ {example_id}  {', '.join(fields)}", "yellow"))
    counts = (len(difference.added), len(difference.removed), len(difference.changed))
    out.print("{} added, {} removed, {} changed".format(*counts))


def total_usage(history: Sequence[NodeEvent]) -> Usage:
    """Return what the nodes of a history used."""
    return sum((event.usage for event in history if event.kind is EventKind.NODE), Usage())


def _by_example(evaluations: Sequence[Evaluation]) -> dict[str, list[Any]]:
    rows: dict[str, list[Any]] = {}
    for evaluation in evaluations:
        for run, score in zip(evaluation.batch.runs, evaluation.scores, strict=True):
            rows.setdefault(run.example.id, []).append((evaluation, run, score))
    return rows


def _one_line(value: Any) -> Text:
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return Text(" ".join(text[:500].split()))


def _score(value: float) -> Text:
    colour = "green" if value >= 0.8 else "yellow" if value >= 0.5 else "red"
    return Text(f"{value:.3f}", colour)


def _line_json(line: TraceLine) -> dict[str, Any]:
    event = line.event
    return {
        "seq": event.seq,
        "kind": event.kind.value,
        "node": event.node,
        "node_type": event.node_type,
        "branch": event.branch,
        "attempt": event.attempt,
        "at": event.started_at.isoformat(),
        "duration_ms": round(event.duration_s * 1e3, 3),
        "inputs": line.inputs,
        "output": line.output,
        "next": event.next.node if event.next else None,
        "error": vars(event.error) if event.error else None,
        "note": event.note,
        "tokens": event.usage.tokens,
        "evidence": json.loads(event.evidence) if event.evidence else None,
    }


def _print_line(out: Console, line: TraceLine) -> None:
    event = line.event
    indent = "  " * (1 + event.branch.count("/") if event.branch else 0)
    if event.kind is EventKind.STATUS:
        out.print(Text(f"{event.seq:3}  {event.note}", "yellow"))
        return
    head = Text.assemble(
        f"{event.seq:3}  {indent}",
        (event.node, "bold red" if event.error else "bold"),
        (f"  {event.node_type}", "bright_black"),
        f"  {event.duration_s * 1e3:.0f} ms",
        f"  {event.usage.tokens} tokens" if event.usage.calls else "",
        f"  attempt {event.attempt}" if event.attempt > 1 else "",
        (f"  -> {event.next.node or 'end'}" if event.next else "", "bright_black"),
    )
    out.print(head)
    pad = " " * (5 + len(indent))
    if event.error:
        out.print(Text(f"{pad}{event.error.type}: {event.error.message}", "red"))
    for name, value in (("in", line.inputs), ("out", line.output)):
        if value is not None:
            text = json.dumps(value, ensure_ascii=False)
            told = Text(f"{pad}{name:3} {text}", "bright_black")
            told.truncate(out.width, overflow="ellipsis")
            out.print(told, no_wrap=True)


def print_value(out: Console, value: Any) -> None:
    """Print an input or an outcome: fields line by line, texts of several lines as they are."""
    if not isinstance(value, dict):
        text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
        out.print(Text(text), soft_wrap=True)
        return
    for name, item in value.items():
        if isinstance(item, str) and "\n" in item:
            out.print(Text(f"{name}:", "bold"))
            out.print(Text("\n".join(f"    {part}" for part in item.rstrip("\n").split("\n"))))
        else:
            text = item if isinstance(item, str) else json.dumps(item, ensure_ascii=False)
            out.print(Text.assemble((f"{name}: ", "bold"), text), soft_wrap=True)
