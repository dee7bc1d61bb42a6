from __future__ import annotations

import math
from typing import Annotated, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from liftgraph_dagster.errors import GraphError
from liftgraph_dagster.graph.merge import (
    Branch,
    Reducer,
    add,
    append,
    last,
    maximum,
    merge,
    reducers,
    union,
)
from liftgraph_dagster.graph.state import GraphState

joined = Reducer("joined", lambda base, values: base + "".join(values))


class Board(GraphState):
    """A field for each reducer, and one without."""

    plain: str = "as it was"
    lines: Annotated[list[Any], append] = []
    keys: Annotated[dict[str, Any], union] = {}
    total: Annotated[int, add] = 0
    best: Annotated[float, maximum] = 0.0
    latest: Annotated[str, last] = ""
    text: Annotated[str, joined] = ""


def merged(field: str, base: Any, *values: Any) -> Any:
    """Return `field` after branches that have left these values."""
    board = Board.model_construct(**{field: base})
    branches = [
        Branch(f"Node{number}", Board.model_construct(**{field: value}), frozenset({field}))
        for number, value in enumerate(values, 1)
    ]
    merge("Both", board, branches)
    return getattr(board, field)


@pytest.mark.parametrize(
    ("field", "base", "values", "expected"),
    [
        ("lines", ["a"], (["a", "b"], ["a", "c", "d"]), ["a", "b", "c", "d"]),
        ("keys", {"a": 1}, ({"a": 1, "b": 2}, {"a": 3}), {"a": 3, "b": 2}),
        ("keys", {}, ({"a": 1}, {"a": 1}), {"a": 1}),
        ("total", 10, (12, 9), 11),  # 10 + 2 - 1
        ("best", 3.0, (2.0, 5.0, 4.0), 5.0),
        ("best", 3.0, (1.0,), 3.0),
        ("latest", "old", ("first", "second"), "second"),
        ("text", "0", ("1", "2", "3"), "0123"),
        ("plain", "old", ("new",), "new"),
    ],
)
def test_a_field_is_merged_by_its_reducer(
    field: str, base: Any, values: tuple[Any, ...], expected: Any
) -> None:
    assert merged(field, base, *values) == expected


@given(base=st.lists(st.integers()), added=st.lists(st.lists(st.integers()), min_size=1))
@settings(deadline=None)
def test_append_keeps_what_each_branch_added_in_declared_order(
    base: list[int], added: list[list[int]]
) -> None:
    expected = base + [item for items in added for item in items]

    assert merged("lines", base, *(base + items for items in added)) == expected


@given(base=st.integers(), added=st.lists(st.integers(), min_size=1))
@settings(deadline=None)
def test_add_sums_what_each_branch_added(base: int, added: list[int]) -> None:
    assert merged("total", base, *(base + item for item in added)) == base + sum(added)


@given(
    base=st.dictionaries(st.text(), st.integers()),
    added=st.lists(st.dictionaries(st.text(), st.integers()), min_size=1),
)
@settings(deadline=None)
def test_union_keeps_the_keys_of_all_branches(
    base: dict[str, int], added: list[dict[str, int]]
) -> None:
    own = [
        {f"{number}.{key}": item for key, item in items.items()}
        for number, items in enumerate(added)
    ]
    expected = dict(base)
    for items in own:
        expected |= items

    assert merged("keys", base, *(base | items for items in own)) == expected


def test_a_branch_that_left_a_field_alone_has_no_say_in_it() -> None:
    board = Board(latest="old")
    wrote = Branch("Wrote", Board(latest="new"), frozenset({"latest"}))
    left_alone = Branch("LeftAlone", Board(latest="old"), frozenset())

    merge("Both", board, [wrote, left_alone])

    assert board.latest == "new"


def test_a_field_that_no_branch_changed_stays() -> None:
    board = Board(lines=["a"], total=3)
    before = board.model_copy(deep=True)

    merge("Both", board, [Branch("One", Board(), frozenset())])

    assert board == before


def test_append_adds_to_a_list_that_holds_nan() -> None:
    """NaN is unequal to itself, yet an unchanged one was not changed."""
    base, one, two = ([float("nan")] for _ in range(3))

    lines = merged("lines", base, [*one, 1.0], [*two, 2.0])

    assert math.isnan(lines[0])
    assert lines[1:] == [1.0, 2.0]


def test_union_adds_to_a_dict_that_holds_nan() -> None:
    base, one, two = ({"nan": float("nan")} for _ in range(3))

    keys = merged("keys", base, one | {"a": 1}, two | {"b": 2})

    assert math.isnan(keys.pop("nan"))
    assert keys == {"a": 1, "b": 2}


@pytest.mark.parametrize(("before", "after"), [(1, True), (0.0, -0.0), (1, 1.0)])
def test_union_sees_a_change_that_equality_does_not(before: Any, after: Any) -> None:
    assert repr(merged("keys", {"a": before}, {"a": after})) == repr({"a": after})


def test_two_writers_of_a_field_without_a_reducer_are_named() -> None:
    with pytest.raises(GraphError) as caught:
        merged("plain", "", "a", "b")

    assert str(caught.value) == (
        "field 'plain' is written by more than one branch of Both: Node1, Node2. Give the field a "
        "reducer, for example plain: Annotated[..., append], or let one node write it."
    )


def test_two_writers_of_a_field_without_a_reducer_are_refused_also_when_they_agree() -> None:
    with pytest.raises(GraphError, match="field 'plain' is written by more than one branch"):
        merged("plain", "", "a", "a")


@pytest.mark.parametrize(
    ("field", "base", "values", "said"),
    [
        (
            "lines",
            ["a"],
            (["a", "b"], ["c"]),
            "reducer 'append' cannot merge field 'lines' at Both, written by Node1, Node2: "
            "a branch changed items that were already in the list",
        ),
        (
            "lines",
            ["a", "b"],
            (["a"],),
            "reducer 'append' cannot merge field 'lines' at Both, written by Node1: "
            "a branch changed items that were already in the list",
        ),
        (
            "keys",
            {},
            ({"a": 1}, {"a": 2}),
            "reducer 'union' cannot merge field 'keys' at Both, written by Node1, Node2: "
            "two branches wrote the key 'a' with different values",
        ),
        (
            "text",
            "a",
            (1,),
            "reducer 'joined' cannot merge field 'text' at Both, written by Node1: ",
        ),
    ],
)
def test_values_that_a_reducer_refuses_are_named(
    field: str, base: Any, values: tuple[Any, ...], said: str
) -> None:
    with pytest.raises(GraphError) as caught:
        merged(field, base, *values)

    assert str(caught.value).startswith(said)


def test_the_reducers_of_a_state_type_are_found_by_field() -> None:
    assert reducers(Board) == {
        "lines": append,
        "keys": union,
        "total": add,
        "best": maximum,
        "latest": last,
        "text": joined,
    }
