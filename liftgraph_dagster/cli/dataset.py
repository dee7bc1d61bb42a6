"""`liftgraph dataset`"""

from __future__ import annotations

import asyncio
import datetime as dt
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

from liftgraph_dagster.app import LiftGraph, NameMoved
from liftgraph_dagster.cli.show import (
    console,
    print_datasets,
    print_difference,
    print_examples,
    print_json,
    print_label_checks,
    shown_problems,
)
from liftgraph_dagster.errors import InputError
from liftgraph_dagster.evaluation.dataset import (
    Dataset,
    Split,
    StoredDataset,
    differences,
    is_sealed,
    split_of,
)
from liftgraph_dagster.evaluation.example import Example, Label, LabelKind
from liftgraph_dagster.evaluation.importing import (
    RECIPES,
    FieldMap,
    parse_map,
    read_map,
    write_examples,
)
from liftgraph_dagster.evaluation.label_check import LabelCheck
from liftgraph_dagster.graph.state import refuse_surrogates

F = TypeVar("F", bound=Callable[..., Any])

FIRST_ROWS = 5
_KIND = click.Choice([kind.value for kind in LabelKind])
_FILE = click.Path(exists=True, dir_okay=False, path_type=Path)
_SPENT = (
    "Warning: sealed examples are shown. Whoever has seen them can no longer trust a verdict on "
    "them."
)
_ONE_FAMILY = (
    "Warning: all examples are of one family, and a family goes to one split as a whole. Inputs "
    "that differ in numbers, case and spaces alone are of one family; --map family=PATH names "
    "others."
)


def _label_options(*, required: bool) -> Callable[[F], F]:
    def add(command: F) -> F:
        for option in (
            click.option(
                "--labelled-on",
                type=click.DateTime(["%Y-%m-%d"]),
                help="When; today unless given.",
            ),
            click.option("--kind", type=_KIND, required=required, help="What sort of labeller."),
            click.option(
                "--labelled-by",
                metavar="NAME",
                required=required,
                help="Who made the labels" + ("." if required else " that do not say so."),
            ),
        ):
            command = option(command)
        return command

    return add


_include_sealed = click.option(
    "--include-sealed", is_flag=True, help="Sealed examples, too: a verdict's trust is spent."
)


@click.group()
def dataset() -> None:
    """Import, add, list, show, compare, check and export labelled examples."""


@dataset.command("import")
@click.argument("file", type=_FILE)
@click.option("--graph", required=True, help="The graph that the examples are for.")
@click.option("--name", required=True, help="What the dataset is called.")
@click.option("--recipe", type=click.Choice(list(RECIPES)), help="Where the file was exported.")
@click.option(
    "--map",
    "mapping",
    metavar="MAP",
    help="input=PATH,expected=PATH,... or a file of JSON; of a recipe it changes single fields.",
)
@_label_options(required=False)
@click.option("--dry-run", is_flag=True, help="Read and check the file; store nothing.")
def import_(
    file: Path,
    graph: str,
    name: str,
    recipe: str | None,
    mapping: str | None,
    labelled_by: str | None,
    kind: str | None,
    labelled_on: dt.datetime | None,
    dry_run: bool,
) -> None:
    """Read the examples in FILE (.jsonl, .json, .csv, .parquet) into a named dataset.

    The name then stands for the rows of FILE and nothing else; what it stood for before is kept
    under its digest.
    """
    fields = _fields(recipe, mapping)
    label = _label(labelled_by, kind, labelled_on)

    async def work() -> tuple[Dataset, NameMoved | None]:
        async with LiftGraph() as lg:
            found = await lg.read_import(graph, file, fields, label)
            return found, None if dry_run else await lg.name_dataset(found, name)

    found, moved = asyncio.run(work())
    print_examples(found, found.examples, most=FIRST_ROWS)
    if len(found.examples) > 1 and found.families == 1:
        click.echo(_ONE_FAMILY, err=True)
    if moved is None:
        click.echo("Nothing was stored.")
    else:
        _say_moved(name, moved)


@dataset.command()
@click.option("--graph", required=True, help="The graph of the execution.")
@click.option("--name", help="The dataset, which may be new; the graph's own unless given.")
@click.option("--from-execution", "execution_id", metavar="ID", required=True)
@click.option(
    "--expected",
    type=_FILE,
    help="A file with the JSON of what is expected, when the execution's outcome is not right.",
)
@click.option("--family", help="The example's family; by its input unless given.")
@_label_options(required=True)
def add(
    graph: str,
    name: str | None,
    execution_id: str,
    expected: Path | None,
    family: str | None,
    labelled_by: str,
    kind: str,
    labelled_on: dt.datetime | None,
) -> None:
    """Make an example of an execution: of its input, and its outcome or what was expected."""
    corrected = _json(expected) if expected else None
    label = _label(labelled_by, kind, labelled_on)
    assert label is not None

    async def work() -> NameMoved:
        async with LiftGraph() as lg:
            return await lg.add_execution(
                graph, name or graph, execution_id, label, expected=corrected, family=family
            )

    moved = asyncio.run(work())
    before = moved.before or Dataset(graph, ())
    changes = differences(before, moved.after)
    for example_id in (*changes.added, *changes.changed):
        click.echo(f"example {example_id}")
    _say_moved(name or graph, moved)


@dataset.command("list")
@click.option("--graph", help="Only of this graph.")
@click.option("--json", "as_json", is_flag=True, help="Print a JSON array.")
def list_(graph: str | None, as_json: bool) -> None:
    """List what names stand for, and what was read from the files of graphs, newest first."""

    async def work() -> list[StoredDataset]:
        async with LiftGraph() as lg:
            return await lg.datasets(graph)

    found = asyncio.run(work())
    if as_json:
        print_json([vars(one) | {"since": one.since.isoformat()} for one in found])
    else:
        print_datasets(found)


@dataset.command()
@click.argument("reference", metavar="REF")
@click.option("--graph", help="The graph, when several have a dataset of that name.")
@click.option("--split", type=click.Choice([split.value for split in Split]))
@_include_sealed
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def show(
    reference: str, graph: str | None, split: str | None, include_sealed: bool, as_json: bool
) -> None:
    """Show the examples of REF: a name, a digest or the beginning of one, or a graph, whose files
    are read. Of sealed examples only the ids are shown."""
    found = _find(reference, graph)
    examples = found.split(Split(split)) if split else found.examples
    _warn(examples, include_sealed=include_sealed)
    if as_json:
        print_json(
            {
                "digest": found.digest,
                "graph": found.graph,
                "n": len(found.examples),
                "families": found.families,
                "splits": {one.value: len(found.split(one)) for one in Split},
                "examples": [_shown(one, include_sealed=include_sealed) for one in examples],
            }
        )
    else:
        print_examples(found, examples, include_sealed=include_sealed)


@dataset.command()
@click.argument("before", metavar="A")
@click.argument("after", metavar="B")
@click.option("--graph", help="The graph, when several have datasets of those names.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def diff(before: str, after: str, graph: str | None, as_json: bool) -> None:
    """Show which examples were added, removed and changed from A to B, and in which fields."""

    async def work() -> tuple[Dataset, Dataset]:
        async with LiftGraph() as lg:
            return await lg.find_dataset(before, graph), await lg.find_dataset(after, graph)

    changes = differences(*asyncio.run(work()))
    if as_json:
        print_json(vars(changes))
    else:
        print_difference(changes)


@dataset.command()
@click.argument("reference", metavar="REF")
@click.option("--graph", help="The graph, when several have a dataset of that name.")
@click.option("--only", "names", multiple=True, metavar="CHECK", help="This check; repeatable.")
@_include_sealed
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def check(
    reference: str, graph: str | None, names: tuple[str, ...], include_sealed: bool, as_json: bool
) -> None:
    """Tell which labels of REF the checks that its graph declares do not trust, and why. Of sealed
    examples only the ids are shown."""

    async def work() -> tuple[Dataset, list[LabelCheck]]:
        async with LiftGraph() as lg:
            found = await lg.find_dataset(reference, graph)
            return found, await lg.check_labels(found, names)

    with console().status("Checking labels ..."):
        found, checks = asyncio.run(work())
    _warn(found.examples, include_sealed=include_sealed)
    hidden = () if include_sealed else {one.id for one in found.examples if is_sealed(one)}
    if as_json:
        print_json([vars(one) | {"problems": shown_problems(one, hidden)} for one in checks])
    else:
        print_label_checks(checks, hidden)
    wrong = {example_id for one in checks for example_id in one.problems}
    if wrong:
        raise InputError(f"{len(wrong)} of {len(found.examples)} examples have a label to correct")


@dataset.command()
@click.argument("reference", metavar="REF")
@click.option("--graph", help="The graph, when several have a dataset of that name.")
@click.option(
    "--to",
    "file",
    required=True,
    type=click.Path(dir_okay=False, path_type=Path),
    help="Where to; .jsonl, .csv or .parquet.",
)
@_include_sealed
def export(reference: str, graph: str | None, file: Path, include_sealed: bool) -> None:
    """Write the examples of REF to a file that `dataset import` reads as they were."""
    found = _find(reference, graph)
    _warn(found.examples, include_sealed=include_sealed)
    examples = found.examples if include_sealed else found.open()
    write_examples(examples, file)
    left = len(found.examples) - len(examples)
    click.echo(
        f"{len(examples)} examples in {file}"
        + (f"; {left} sealed ones were left out, see --include-sealed" if left else "")
    )


def _find(reference: str, graph: str | None) -> Dataset:
    async def work() -> Dataset:
        async with LiftGraph() as lg:
            return await lg.find_dataset(reference, graph)

    return asyncio.run(work())


def _fields(recipe: str | None, mapping: str | None) -> FieldMap | None:
    if recipe is None and mapping is None:
        return None
    given: FieldMap = {}
    if mapping is not None:
        given = parse_map(mapping) if "=" in mapping else read_map(Path(mapping))
    return {**RECIPES.get(recipe or "", {}), **given}


def _label(who: str | None, kind: str | None, on: dt.datetime | None) -> Label | None:
    if (who is None) != (kind is None):
        raise click.UsageError("Give --labelled-by and --kind together.")
    if who is None or kind is None:
        return None
    refuse_surrogates(who, "--labelled-by")
    if not who.strip():
        raise click.UsageError("--labelled-by names somebody; it cannot be empty.")
    return Label(who=who, kind=LabelKind(kind), on=on.date() if on else dt.date.today())


def _json(file: Path) -> Any:
    try:
        value = json.loads(file.read_bytes())
    except (ValueError, RecursionError) as exc:
        raise InputError(f"{file} is not JSON: {exc}") from exc
    if value is None:
        raise InputError(f"{file} holds null; it has to say what is expected")
    return value


def _warn(examples: tuple[Example, ...], *, include_sealed: bool) -> None:
    if include_sealed and any(map(is_sealed, examples)):
        click.echo(_SPENT, err=True)


def _shown(example: Example, *, include_sealed: bool) -> dict[str, Any]:
    split = {"split": split_of(example.family).value}
    if is_sealed(example) and not include_sealed:
        return {"id": example.id} | split
    return example.model_dump(mode="json") | split


def _say_moved(name: str, moved: NameMoved) -> None:
    stands = f"{name} stands for {moved.after.digest[:12]}, n = {len(moved.after.examples)}"
    if moved.before is None:
        click.echo(stands)
    elif moved.before.digest == moved.after.digest:
        click.echo(f"{stands}, as before")
    else:
        before = moved.before
        click.echo(f"{stands}; before it was {before.digest[:12]}, n = {len(before.examples)}")
