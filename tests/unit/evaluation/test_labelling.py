from __future__ import annotations

import datetime as dt
from typing import Any

import pytest

from liftgraph_dagster.evaluation.labelling import Item, Pass, items_of, shuffled, with_part
from liftgraph_dagster.evaluation.marks import Mark, Scale
from liftgraph_dagster.evaluation.scores import Batch
from liftgraph_dagster.execution.records import Status
from tests.factories import make_example, make_execution, make_mark, make_run

LATER = dt.timedelta(minutes=1)


def batch(*outcomes: Any, program: str = "baseline") -> Batch:
    """Return what a program made of billing-1, billing-2, ...; None for a failure."""
    runs = [
        make_run(
            f"billing-{number}",
            example=make_example(id=f"billing-{number}"),
            outcome=outcome,
            execution=make_execution(Status.SUCCEEDED if outcome else Status.FAILED),
        )
        for number, outcome in enumerate(outcomes, 1)
    ]
    return Batch("tickets", program, "digest", "dataset", "model", tuple(runs))


def many(n: int = 20) -> list[Item]:
    return items_of([batch(*[f"desk {number}" for number in range(n)])])


def begin(items: list[Item], *known: Mark, rater: str = "ada", number: int = 1) -> Pass:
    return Pass.begin(
        items, known, graph="tickets", rater=rater, number=number, scale=Scale.parse("ordinal")
    )


def ids(items: list[Item]) -> list[str]:
    return [item.example.id for item in items]


def test_equal_outcomes_of_two_programs_are_marked_once() -> None:
    items = items_of([batch("accounts", "support"), batch("accounts", "accounts", program="tuned")])

    assert [(item.example.id, item.outcome) for item in items] == [
        ("billing-1", "accounts"), ("billing-2", "support"), ("billing-2", "accounts"),
    ]  # fmt: skip


def test_a_failed_execution_has_nothing_to_mark() -> None:
    assert ids(items_of([batch("accounts", None)])) == ["billing-1"]


def test_a_pass_has_one_order_whatever_order_the_items_came_in() -> None:
    items = many()

    first = shuffled(items, seed=3, pass_number=1)

    assert first == shuffled(items[::-1], seed=3, pass_number=1)
    assert sorted(ids(first)) == sorted(ids(items))
    assert first != items


def test_another_pass_and_another_seed_have_another_order() -> None:
    items = many()
    orders = [shuffled(items, seed=s, pass_number=p) for s, p in [(0, 1), (0, 2), (1, 1)]]

    assert len({tuple(ids(order)) for order in orders}) == 3


def test_only_outcomes_with_the_part_are_asked_about() -> None:
    items = items_of([batch({"code": "x", "note": "y"}, {"note": "y"}, "text")])

    found = with_part(items, "code")

    assert ids(found) == ["billing-1"]
    assert found[0].shown(Scale.parse("binary:code")) == "x"
    assert with_part(items, "") == items


def test_a_mark_is_of_the_item_that_is_shown() -> None:
    items = many(2)
    way = begin(items)

    mark = way.mark(4, seconds=1.23456)

    assert (mark.example_id, mark.outcome) == items[0].key
    assert mark.execution_id == items[0].execution_id
    assert (mark.rater, mark.pass_number, mark.value, mark.seconds) == ("ada", 1, 4, 1.235)
    assert (way.current, way.marked, way.total) == (items[1], 1, 2)


def test_after_the_last_item_there_is_none() -> None:
    way = begin(many(1))

    way.mark(4, seconds=1)

    assert way.current is None


def test_undo_takes_the_last_mark_back_and_shows_its_item_again() -> None:
    items = many(3)
    way = begin(items)
    way.mark(4, seconds=1)
    mark = way.mark(2, seconds=1)

    assert way.undo() == mark
    assert (way.current, way.marked) == (items[1], 1)


def test_undo_after_a_skip_removes_no_mark() -> None:
    items = many(2)
    way = begin(items)
    way.skip()

    assert way.undo() is None
    assert way.current == items[0]


def test_undo_at_the_beginning_does_nothing() -> None:
    way = begin(many(2))

    assert way.undo() is None
    assert way.total == 2


def test_a_resumed_pass_asks_for_what_is_not_marked_and_can_undo_what_is() -> None:
    items = many(3)
    before = begin(items)
    mark = before.mark(5, seconds=1)
    before.skip()

    way = begin(items, mark)

    assert ids(way.waiting) == ids(items[1:])
    assert way.undo() == mark
    assert way.current == items[0]


@pytest.mark.parametrize("other", [{"rater": "bob"}, {"pass_number": 2}, {"scale": "ordinal:desk"}])
def test_marks_of_another_rater_pass_or_scale_do_not_count(other: dict[str, Any]) -> None:
    items = many(2)
    foreign = make_mark(items[0].example.id, outcome=items[0].outcome_digest, **other)

    assert begin(items, foreign).waiting == items
