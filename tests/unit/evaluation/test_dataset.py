from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from liftgraph_dagster.errors import InputError, NotFound
from liftgraph_dagster.evaluation.dataset import (
    Dataset,
    Split,
    check_dataset_name,
    differences,
    is_digest,
    refuse_sealed,
    split_of,
)
from liftgraph_dagster.evaluation.example import read_examples
from tests.factories import TICKETS, example_line, make_example, tickets_graph, write_lines

EXAMPLES = tuple(make_example(id) for id in TICKETS)
DATASET = Dataset("tickets", EXAMPLES)


def ids(examples: tuple[Any, ...]) -> list[str]:
    return [example.id for example in examples]


@given(st.permutations(EXAMPLES))
def test_the_digest_does_not_depend_on_the_order(examples: list[Any]) -> None:
    assert Dataset("tickets", tuple(examples)).digest == DATASET.digest


@pytest.mark.parametrize(
    "changes",
    [
        {"id": "billing-9"},
        {"family": "refund"},
        {"input": "I was charged thrice."},
        {"expected": "support"},
        {"labelled_by": [{"who": "bob", "kind": "human", "on": "2026-11-25"}]},
        {"difficulty": 1},
        {"source": "execution 7"},
    ],
    ids=lambda changes: next(iter(changes)),
)
def test_the_digest_changes_with_the_content(changes: dict[str, Any]) -> None:
    other = Dataset("tickets", (make_example(**changes), *EXAMPLES[1:]))

    assert other.digest != DATASET.digest


def test_the_digest_changes_when_an_example_goes() -> None:
    assert Dataset("tickets", EXAMPLES[1:]).digest != DATASET.digest


def test_the_digest_names_the_graph() -> None:
    assert Dataset("letters", EXAMPLES).digest != DATASET.digest


def test_the_digest_does_not_depend_on_how_the_files_are_written(tmp_path: Path) -> None:
    lines = [example_line(id) for id in TICKETS]
    backwards = [dict(reversed(line.items())) for line in lines]
    files = [
        write_lines(tmp_path / "a.jsonl", backwards[2:]),
        write_lines(tmp_path / "b.jsonl", ["", *backwards[:2]]),
    ]

    read = Dataset("tickets", tuple(read_examples(tickets_graph(), files)))

    assert read.digest == DATASET.digest


@pytest.mark.parametrize(
    ("family", "split"),
    [
        ("billing", Split.TRAIN),
        ("refund", Split.TRAIN),
        ("password", Split.DEV),
        ("upgrade", Split.DEV),
        ("outage", Split.SEALED),
        ("login", Split.SEALED),
    ],
)
def test_a_family_has_always_been_in_its_split(family: str, split: Split) -> None:
    """A change of this rule would open what was sealed: these answers must never change."""
    assert split_of(family) is split


def test_families_are_shared_out_as_declared() -> None:
    n = 20_000

    counts = Counter(split_of(f"family-{i}") for i in range(n))

    assert counts[Split.TRAIN] / n == pytest.approx(0.33, abs=0.01)
    assert counts[Split.DEV] / n == pytest.approx(0.27, abs=0.01)
    assert counts[Split.SEALED] / n == pytest.approx(0.40, abs=0.01)


def test_examples_of_one_family_are_in_one_split() -> None:
    family = [
        make_example(f"billing-{i}", family="billing", input=f"{i}", expected=i) for i in range(50)
    ]

    assert len(Dataset("tickets", tuple(family)).split(Split.TRAIN)) == 50


def test_new_examples_move_no_old_one() -> None:
    new = tuple(make_example(f"new-{i}", family=f"new-{i}") for i in range(100))

    grown = Dataset("tickets", new + EXAMPLES)

    for split in Split:
        assert set(DATASET.split(split)) == set(grown.split(split)) - set(new)


def test_a_split_that_has_examples_is_returned() -> None:
    split = split_of(EXAMPLES[0].family)

    assert DATASET.filled_split(split) == DATASET.split(split) != ()


@pytest.mark.parametrize("empty", Split)
def test_an_empty_split_is_an_error_that_tells_the_sizes_of_all(empty: Split) -> None:
    others = Dataset("tickets", tuple(e for e in EXAMPLES if split_of(e.family) is not empty))
    sizes = ", ".join(f"{split} has {len(others.split(split))}" for split in Split)

    with pytest.raises(InputError) as caught:
        others.filled_split(empty)

    assert f"'tickets' has no examples in split {empty}: {sizes}" in str(caught.value)


def test_each_example_is_in_exactly_one_split() -> None:
    assert sorted(id for split in Split for id in ids(DATASET.split(split))) == sorted(TICKETS)


def test_open_is_everything_but_the_sealed() -> None:
    assert ids(DATASET.open()) == ["billing-1", "billing-2", "password-1"]


def test_families_are_counted_once() -> None:
    assert DATASET.families == 3


def test_pick_returns_the_examples_in_the_order_asked_for() -> None:
    assert ids(DATASET.pick(["password-1", "billing-1"])) == ["password-1", "billing-1"]


def test_picking_an_unknown_example_names_it() -> None:
    with pytest.raises(NotFound, match="dataset of tickets has no example 'billing-7'"):
        DATASET.pick(["billing-1", "billing-7"])


def test_picking_a_sealed_example_is_refused() -> None:
    with pytest.raises(InputError, match="'outage-1' is sealed"):
        DATASET.pick(["billing-1", "outage-1"])


def test_one_sealed_example_among_others_is_refused_by_name() -> None:
    with pytest.raises(InputError, match="'outage-1' is sealed"):
        refuse_sealed(EXAMPLES)


def test_open_examples_are_not_refused() -> None:
    assert refuse_sealed(DATASET.open()) is None


def test_an_unknown_source_is_not_part_of_the_content() -> None:
    """Datasets that were stored before there were sources keep their digests."""
    digest = "d5882f883d1ca6ca1120db5a293bc2e0f153eff2cd2ce0eb54da5724f64231a5"

    assert DATASET.digest == digest


def test_an_example_is_added_or_replaces_the_one_of_its_id() -> None:
    new, corrected = make_example(id="new"), make_example(expected="support")

    bigger = DATASET.with_example(new).with_example(corrected)

    assert set(bigger.examples) == {new, corrected, *EXAMPLES[1:]}
    assert DATASET.examples == EXAMPLES


def test_differences_name_examples_and_the_fields_that_changed() -> None:
    before = Dataset("tickets", (*EXAMPLES, make_example(id="b"), make_example(id="a")))
    changed = make_example(expected="support", difficulty=2)
    after = Dataset("tickets", (make_example(id="new"), changed, *EXAMPLES[1:]))

    found = differences(before, after)

    assert (found.added, found.removed) == (("new",), ("a", "b"))
    assert found.changed == {"billing-1": ("expected", "difficulty")}


@pytest.mark.parametrize(("one", "other"), [(1, True), (1, 1.0), (0.0, -0.0), (None, "")])
def test_values_that_are_equal_but_not_the_same_json_differ(one: Any, other: Any) -> None:
    before, after = (Dataset("tickets", (make_example(expected=e),)) for e in (one, other))

    assert differences(before, after).changed == {"billing-1": ("expected",)}


def test_a_dataset_does_not_differ_from_itself_in_another_order() -> None:
    found = differences(DATASET, Dataset("tickets", EXAMPLES[::-1]))

    assert (found.added, found.removed, found.changed) == ((), (), {})


@pytest.mark.parametrize("name", ["a", "smoke-2026.11", "A_b", "x" * 64, "abc", "facade-1"])
def test_a_name_of_a_dataset(name: str) -> None:
    check_dataset_name(name)

    assert not is_digest(name)


@pytest.mark.parametrize("name", ["", "-a", "a b", "é", "x" * 65, "facade", "0" * 64, "a\0", "a\n"])
def test_a_name_that_no_dataset_can_bear(name: str) -> None:
    with pytest.raises(InputError, match="cannot be the name of a dataset"):
        check_dataset_name(name)
