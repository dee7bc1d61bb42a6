from __future__ import annotations

import subprocess
import sys
from typing import Any

import pytest

from liftgraph_dagster.prompt_to_code.metrics.inputs import Inputs

HINTS: list[tuple[str, Any]] = [
    ("int", int),
    ("float", float),
    ("bool", bool),
    ("str", str),
    ("bytes", bytes),
    ("None", type(None)),
    ("list[int]", list),
    ("dict[str, int]", dict),
    ("set[str]", set),
    ("tuple[int, ...]", tuple),
    ("Literal['x', 2]", (str, int)),
    ("int | None", (int, type(None))),
    ("Sequence[str]", list),
]


def values(hint: str | None, **options: Any) -> list[Any]:
    return [row["x"] for row in Inputs({"x": hint}, None, seed="s", **options).rows(200)]


@pytest.mark.parametrize(("hint", "kind"), HINTS)
def test_values_have_the_type_of_their_hint(hint: str, kind: Any) -> None:
    assert all(isinstance(value, kind) for value in values(hint))


@pytest.mark.parametrize("hint", [None, "Any", "Money", "list[", "object"])
def test_an_open_or_unknown_hint_gives_values_of_several_types(hint: str | None) -> None:
    assert len({type(value) for value in values(hint)}) > 2


def test_a_tuple_has_as_many_items_as_its_hint() -> None:
    kinds = {tuple(map(type, value)) for value in values("tuple[int, str, bool]")}

    assert kinds == {(int, str, bool)}


def test_items_have_the_type_of_their_hint() -> None:
    items = [item for value in values("list[tuple[str, int]]") for item in value]

    assert items
    assert all(isinstance(name, str) and isinstance(number, int) for name, number in items)


@pytest.mark.parametrize(("hint", "kind"), HINTS)
def test_results_have_the_type_of_their_hint(hint: str, kind: Any) -> None:
    rows = Inputs({"x": "list[int]", "y": "str"}, hint, seed="s").rows(200)

    # a whole number is a float's value, too
    kinds = (int, float) if kind is float else kind
    assert all(isinstance(row["result"], kinds) for row in rows)


def test_many_results_are_computed_from_the_parameters() -> None:
    rows = Inputs({"x": "list[int]"}, "int", seed="s").rows(200)

    assert sum(row["result"] == sum(row["x"]) for row in rows) > 20


def test_known_constants_are_used() -> None:
    rows = Inputs({"x": "str", "n": "int"}, None, constants=["PM", 4711], seed="s").rows(200)

    assert sum("PM" in row["x"] for row in rows) > 20
    assert sum(abs(row["n"] - 4711) <= 1 for row in rows) > 20


def test_one_seed_gives_one_list_of_rows_in_every_process() -> None:
    """The hash seed, and so the order of sets, differs from process to process."""
    code = (
        "from liftgraph_dagster.prompt_to_code.metrics.inputs import Inputs\n"
        "inputs = Inputs({'x': 'set[str]', 'y': 'dict[str, list[int]]'}, 'list[str]', seed='s')\n"
        "for row in inputs.rows(100): print(sorted(row['x']), row['y'], row['result'])\n"
    )
    runs = [
        subprocess.run(
            [sys.executable, "-c", code],
            env={"PYTHONHASHSEED": seed, "PYTHONPATH": ":".join(sys.path)},
            capture_output=True,
            check=True,
        ).stdout
        for seed in ("1", "2")
    ]

    assert runs[0] == runs[1] != b""


def test_another_seed_gives_other_rows() -> None:
    first, second = (Inputs({"x": "int"}, "int", seed=seed).rows(20) for seed in "ab")

    assert first != second
