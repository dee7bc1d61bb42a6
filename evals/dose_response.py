"""Do the metrics of prompt_to_code fall when right answers are made worse, step by step?

Each labelled example of train and dev is turned into its own right answer, and k = 0..5 units of it
are corrupted, in an order that is drawn once: a parameter renamed, a type changed, an assertion
turned into its opposite, an operator exchanged, ... The table and docs/dose-response.png show the
mean score at each k with a 95 % interval (bootstrap over families).

This is construct validity and no more: the metrics tell less wrong from more wrong where we put the
wrong in ourselves. It does not show that they agree with people; that needs raters.
"""

from __future__ import annotations

import ast
import copy
import os
import random
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table

from liftgraph_dagster.evaluation.dataset import Dataset
from liftgraph_dagster.evaluation.example import Example, read_examples
from liftgraph_dagster.graph.digest import short
from liftgraph_dagster.prompt_to_code.examples import files
from liftgraph_dagster.prompt_to_code.graph import graph
from liftgraph_dagster.prompt_to_code.ir import (
    IR,
    Assertion,
    Effect,
    HoleKind,
    Parameter,
    TypedHole,
)
from liftgraph_dagster.prompt_to_code.metrics.code import CodeQuality
from liftgraph_dagster.prompt_to_code.metrics.end_to_end import EndToEnd
from liftgraph_dagster.prompt_to_code.metrics.ir import IRQuality
from liftgraph_dagster.prompt_to_code.outcome import Expected, Outcome
from liftgraph_dagster.prompt_to_code.state import CodeCheck
from liftgraph_dagster.sandbox.syntax import parse

DOSES = 6
SEED = 20261127
RESAMPLES = 10_000
PLOT = Path(__file__).parents[1] / "docs" / "dose-response.png"

Edit = Callable[[IR], None]
Metric = IRQuality | CodeQuality | EndToEnd


def ir_units(ir: IR) -> list[Edit]:
    """Return the corruptions of a representation, one unit each; any of them can be made after any
    others."""
    units: list[Edit] = [_rename, _other_return_type, _more_parameters, _more_effects, _more_holes]
    for i in range(len(ir.signature.parameters)):
        units += [_rename_parameter(i), _other_parameter_type(i)]
    units += [_opposite_assertion(i) for i in range(len(ir.assertions))]
    units += [_lose_effect(e) for e in ir.effects] + [_lose_hole(h) for h in ir.holes]
    units += [_lose_word(word) for word in dict.fromkeys(ir.intent.summary.split()[1:])]
    return units


def _rename(ir: IR) -> None:
    ir.signature.name = f"process_{len(ir.signature.name)}"


def _other_return_type(ir: IR) -> None:
    ir.signature.returns = "bytes"


def _more_parameters(ir: IR) -> None:
    ir.signature.parameters.append(Parameter(name="options", type_hint="bytes"))


def _more_effects(ir: IR) -> None:
    ir.effects.append(Effect(description="writes a line to the log"))


def _more_holes(ir: IR) -> None:
    ir.holes.append(TypedHole(identifier="currency", type_hint="bytes", kind=HoleKind.INTENT))


def _rename_parameter(i: int) -> Edit:
    def edit(ir: IR) -> None:
        ir.signature.parameters[i].name = f"arg_{i}"

    return edit


def _other_parameter_type(i: int) -> Edit:
    def edit(ir: IR) -> None:
        ir.signature.parameters[i].type_hint = "bytes"

    return edit


def _opposite_assertion(i: int) -> Edit:
    def edit(ir: IR) -> None:
        ir.assertions[i] = Assertion(predicate=f"not ({ir.assertions[i].predicate})")

    return edit


def _lose_effect(effect: Effect) -> Edit:
    return lambda ir: ir.effects.remove(effect)


def _lose_hole(hole: TypedHole) -> Edit:
    return lambda ir: ir.holes.remove(hole)


def _lose_word(word: str) -> Edit:
    def edit(ir: IR) -> None:
        ir.intent.summary = " ".join(w for w in ir.intent.summary.split() if w != word)

    return edit


def corrupt_ir(ir: IR, k: int, rng: random.Random) -> IR:
    """Return a copy with k units corrupted, or with all when there are fewer."""
    found = ir.model_copy(deep=True)
    units = ir_units(ir)
    rng.shuffle(units)
    for edit in units[:k]:
        edit(found)
    return found


_OPERATORS: dict[type[ast.AST], type[ast.AST]] = {
    ast.Add: ast.Sub, ast.Sub: ast.Add, ast.Mult: ast.Add, ast.Div: ast.Mult,
    ast.FloorDiv: ast.Mult, ast.Mod: ast.Mult, ast.Lt: ast.GtE, ast.GtE: ast.Lt, ast.Gt: ast.LtE,
    ast.LtE: ast.Gt, ast.Eq: ast.NotEq, ast.NotEq: ast.Eq, ast.In: ast.NotIn, ast.NotIn: ast.In,
    ast.And: ast.Or, ast.Or: ast.And, ast.Is: ast.IsNot, ast.IsNot: ast.Is,
}  # fmt: skip


def corrupt_code(code: str, k: int, rng: random.Random) -> str:
    """Return code with k places changed, or all when there are fewer: an operator exchanged, a
    number raised by one, a text lengthened, a returned value put into a list."""
    tree = parse(code)
    places = list(_places(tree))
    rng.shuffle(places)
    for change in places[:k]:
        change()
    return ast.unparse(tree) + "\n"


def _places(tree: ast.AST) -> Iterator[Callable[[], None]]:
    hints = {
        id(part)
        for node in ast.walk(tree)
        for hint in (getattr(node, "annotation", None), getattr(node, "returns", None))
        if isinstance(hint, ast.AST)
        for part in ast.walk(hint)
    }
    for node in ast.walk(tree):
        if id(node) in hints:
            continue
        match node:
            case ast.BinOp() | ast.BoolOp() | ast.AugAssign() if type(node.op) in _OPERATORS:
                yield _exchange(node)
            case ast.Compare():
                yield _exchange_comparison(node)
            case ast.Constant(value=bool() | int() | float() | str()):
                yield _other_constant(node)
            case ast.Return(value=ast.expr()):
                yield _wrap(node)


def _exchange(node: ast.BinOp | ast.BoolOp | ast.AugAssign) -> Callable[[], None]:
    return lambda: setattr(node, "op", _OPERATORS[type(node.op)]())


def _exchange_comparison(node: ast.Compare) -> Callable[[], None]:
    return lambda: setattr(node, "ops", [_OPERATORS[type(op)]() for op in node.ops])


def _other_constant(node: ast.Constant) -> Callable[[], None]:
    def change() -> None:
        value = node.value
        if isinstance(value, bool):
            node.value = not value
        else:
            node.value = f"{value}x" if isinstance(value, str) else value + 1  # type: ignore[operator]

    return change


def _wrap(node: ast.Return) -> Callable[[], None]:
    def change() -> None:
        assert node.value is not None
        node.value = ast.List([node.value], ast.Load())

    return change


def corrupt_both(expected: Expected, k: int, rng: random.Random) -> Outcome:
    """Return the right outcome with k units corrupted, each in the representation or in the code by
    the toss of a coin."""
    seed = rng.random()
    in_ir = sum(rng.random() < 0.5 for _ in range(k))
    ir = corrupt_ir(expected.ir, in_ir, random.Random(seed))
    code = corrupt_code(expected.code, k - in_ir, random.Random(seed))
    return right_outcome(expected, ir, code)


def right_outcome(expected: Expected, ir: IR, code: str) -> Outcome:
    """Return an outcome of these parts; the code is put under the name that the representation
    declares, as the graph does it."""
    tree = parse(code)
    old, new = expected.ir.signature.name, ir.signature.name
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef) and node.name == old:
            node.name = new
        elif isinstance(node, ast.Name) and node.id == old:
            node.id = new
    return Outcome(
        ir=ir,
        header=ir.signature.header(),
        suggestions=expected.fillings,
        code=ast.unparse(tree) + "\n",
        check=CodeCheck(parses=True),
    )


def outcome_at(metric: Metric, expected: Expected, k: int, seed: str) -> Outcome:
    """Return the right outcome with k units corrupted of what `metric` looks at. The units of k are
    among those of k + 1."""
    if isinstance(metric, EndToEnd):
        return corrupt_both(expected, k, random.Random(seed))
    ir, code = expected.ir, expected.code
    if isinstance(metric, IRQuality):
        ir = corrupt_ir(ir, k, random.Random(seed))
    else:
        code = corrupt_code(code, k, random.Random(seed))
    return right_outcome(expected, ir, code)


def normalized(example: Example) -> Example:
    """Return an example whose reference code is laid out as a corrupted one is, so that layout
    costs nothing."""
    expected = Expected.model_validate(example.expected)
    expected.code = ast.unparse(parse(expected.code)) + "\n"
    return example.model_copy(update={"expected": expected})


def scores(metric: Metric, examples: Sequence[Example], seed: int) -> NDArray[np.float64]:
    """Return the scores, one row an example, one column a dose."""

    def row(example: Example) -> list[float]:
        drawn = f"{seed} {example.id}"
        return [
            metric(example, outcome_at(metric, copy.deepcopy(example.expected), k, drawn)).value
            for k in range(DOSES)
        ]

    with ThreadPoolExecutor(os.cpu_count()) as threads:
        return np.array(list(threads.map(row, [normalized(example) for example in examples])))


def interval(
    values: NDArray[np.float64], families: Sequence[str], seed: int
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the 95 % percentile interval of the mean of each column, from resampled families."""
    names, of = np.unique(np.array(families), return_inverse=True)
    sums = np.array([values[of == i].sum(axis=0) for i in range(len(names))])
    sizes = np.bincount(of)
    drawn = np.random.default_rng(seed).integers(len(names), size=(RESAMPLES, len(names)))
    means = sums[drawn].sum(axis=1) / sizes[drawn].sum(axis=1)[:, None]
    low, high = np.percentile(means, [2.5, 97.5], axis=0)
    return low, high


def has_all_doses(code: str) -> bool:
    """Return True when the code has as many places to change as the highest dose."""
    return len(list(_places(parse(code)))) >= DOSES - 1


def main() -> None:
    dataset = Dataset(graph.name, tuple(read_examples(graph, files())))
    examples = dataset.open()
    families = [example.family for example in examples]
    table = Table("metric", "k", "mean", "95 % interval", "step to k", "95 % interval", box=None)
    figure = Figure(figsize=(7, 4.2), layout="constrained")
    axes = figure.subplots()
    for metric in (IRQuality(), CodeQuality(), EndToEnd()):
        found = scores(metric, examples, SEED)
        low, high = interval(found, families, SEED)
        means, steps = found.mean(axis=0), np.diff(found, axis=1)
        step_low, step_high = interval(steps, families, SEED)
        for k in range(DOSES):
            row = [metric.name if k == 0 else "", str(k), f"{means[k]:.3f}"]
            row.append(f"[{low[k]:.3f}, {high[k]:.3f}]")
            if k > 0:
                row.append(f"{steps[:, k - 1].mean():+.3f}")
                row.append(f"[{step_low[k - 1]:+.3f}, {step_high[k - 1]:+.3f}]")
            table.add_row(*row)
        errors = np.clip([means - low, high - means], 0, None)
        axes.errorbar(range(DOSES), means, yerr=errors, marker="o", capsize=3, label=metric.name)
    axes.set(xlabel="corrupted units of a right answer", ylabel="mean score", ylim=(0, 1.02))
    axes.set_title(
        f"Construct validity: {len(examples)} examples of train and dev, "
        f"{len(set(families))} families", fontsize=10,
    )  # fmt: skip
    axes.legend(frameon=False)
    PLOT.parent.mkdir(exist_ok=True)
    figure.savefig(PLOT, dpi=150)
    complete = sum(has_all_doses(e.expected["code"]) for e in examples)
    console = Console()
    console.print(table)
    console.print(
        f"n = {len(examples)} examples in {len(set(families))} families of train and dev, dataset "
        f"{short(dataset.digest)}, seed {SEED}, {RESAMPLES:,} bootstrap resamples of families. "
        f"{complete} examples have {DOSES - 1} places in their code or more; in the "
        "others all there are were corrupted.\n"
        "Construct validity only: the corruptions are ours, and no person has judged an outcome.",
        soft_wrap=True,
    )


if __name__ == "__main__":
    main()
