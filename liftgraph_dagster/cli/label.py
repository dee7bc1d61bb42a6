"""`liftgraph label`"""

from __future__ import annotations

import asyncio
import getpass
import time
from pathlib import Path

import click
from rich.console import Console
from rich.rule import Rule
from rich.text import Text

from liftgraph_dagster.app import LiftGraph
from liftgraph_dagster.cli.keys import Keys
from liftgraph_dagster.cli.show import command, console, print_value
from liftgraph_dagster.errors import InputError
from liftgraph_dagster.evaluation.dataset import Split
from liftgraph_dagster.evaluation.labelling import Item, Pass, shuffled, with_part
from liftgraph_dagster.evaluation.marks import (
    MarkStore,
    Scale,
    ScaleKind,
    check_rater,
    read_marks,
    write_marks,
)

_OPEN = (Split.TRAIN.value, Split.DEV.value)


@click.command()
@click.argument("graph")
@click.option("--rater", help="Who marks; the name of the user by default.")
@click.option(
    "--pass",
    "number",
    default=1,
    show_default=True,
    type=click.IntRange(1, 1000),
    help="2 for the second time through.",
)
@click.option("--split", type=click.Choice(_OPEN), help="Only outcomes of this split's examples.")
@click.option(
    "--scale",
    type=click.Choice([kind.value for kind in ScaleKind]),
    default=ScaleKind.ORDINAL.value,
    show_default=True,
    help="Marks 1 to 5, or yes and no.",
)
@click.option("--part", default="", help="Mark this part of the outcome alone, such as `code`.")
@click.option("--seed", default=0, show_default=True, help="Of the order.")
@click.option("--export", is_flag=True, help="Write the rater's marks to evals/GRAPH and stop.")
@click.option(
    "--import",
    "file",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="Store the marks of a file and stop.",
)
def label(
    graph: str,
    rater: str | None,
    number: int,
    split: str | None,
    scale: str,
    part: str,
    seed: int,
    export: bool,
    file: Path | None,
) -> None:
    """Mark what GRAPH made of its labelled examples, by single keys.

    You see the input and an outcome, and nothing of the program or its score. Every mark is stored
    at once; run the same command again to go on. Sealed examples are never shown.
    """
    if export and file:
        raise click.UsageError("Give either --export or --import.")
    if file:
        asyncio.run(_import(graph, file))
        return
    name = check_rater(rater or getpass.getuser())
    if export:
        asyncio.run(_export(graph, name))
        return
    chosen = Scale(kind=ScaleKind(scale), part=part)
    asyncio.run(_label(graph, name, number, Split(split) if split else None, chosen, seed))


async def _import(graph: str, file: Path) -> None:
    async with LiftGraph() as lg:
        marks = read_marks(lg.graph(graph).name, file)
        for mark in marks:
            await lg.marks.save(mark)
    click.echo(f"{len(marks)} marks of {len({mark.rater for mark in marks})} raters are stored")


async def _export(graph: str, rater: str) -> None:
    async with LiftGraph() as lg:
        found = await lg.marks.of_graph(lg.graph(graph).name)
    marks = [mark for mark in found if mark.rater == rater]
    if not marks:
        raise InputError(f"{rater} has marked no outcome of {graph!r}; --rater names another")
    file = Path("evals") / graph / f"marks-{rater}.jsonl"
    write_marks(marks, file)
    click.echo(f"{len(marks)} marks are written to {file}")


async def _label(
    graph: str, rater: str, number: int, split: Split | None, scale: Scale, seed: int
) -> None:
    with Keys() as keys:
        async with LiftGraph() as lg:
            items = with_part(await lg.outcomes_to_mark(graph, split), scale.part)
            if not items:
                raise InputError(f"no outcome of {graph!r} has a part {scale.part!r}")
            way = Pass.begin(
                shuffled(items, seed=seed, pass_number=number),
                await lg.marks.of_graph(graph),
                graph=graph,
                rater=rater,
                number=number,
                scale=scale,
            )
            await _go(way, keys, lg.marks, console())
    click.echo(f"{way.marked} of {way.total} outcomes are marked by {rater} in pass {number}.")
    if way.marked < way.total:
        click.echo(f"Go on with the same command; see {command()} agreement {graph}.")


async def _go(way: Pass, keys: Keys, marks: MarkStore, out: Console) -> None:
    """Show one outcome after the other until all are marked or skipped, or the rater quits."""
    values = _values(way.scale)
    while item := way.current:
        _show(out, way, item)
        keys.forget()
        started = time.monotonic()
        out.print("mark> ", end="", style="bold")
        while (key := await keys.next()) not in {*values, "u", "s", "q"}:
            out.print(f"\n{_help(way.scale)}\nmark> ", end="", style="yellow")
        if key == "q":
            break
        if key == "u":
            if undone := way.undo():
                await marks.remove(undone)
        elif key == "s":
            way.skip()
        else:
            await marks.save(way.mark(values[key], seconds=time.monotonic() - started))
    out.print()


def _show(out: Console, way: Pass, item: Item) -> None:
    out.clear()
    place = f"{len(way.done) + 1} of {way.total}, pass {way.number}, {way.rater}"
    out.print(Rule(place, align="left", style="bright_black"))
    out.print("input", style="bold")
    print_value(out, item.example.input)
    name = way.scale.part or "outcome"
    out.print(f"\n{name}", style="bold")
    print_value(out, item.shown(way.scale))
    out.print()
    out.print(Text(_help(way.scale), "bright_black"))


def _help(scale: Scale) -> str:
    keys = {value: key for key, value in _values(scale).items()}
    words = [f"{keys[value]} {word}" for value, word in scale.words.items()]
    return "   ".join([*words, "u undo", "s skip", "q quit"])


def _values(scale: Scale) -> dict[str, int]:
    """Return the mark that each key gives."""
    if scale.kind is ScaleKind.BINARY:
        return {"n": 0, "y": 1}
    return {str(value): value for value in scale.words}
