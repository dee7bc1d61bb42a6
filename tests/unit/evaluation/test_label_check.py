from __future__ import annotations

from typing import Any

import pytest

from liftgraph_dagster.errors import ConfigurationError, InputError, ProviderError
from liftgraph_dagster.evaluation.label_check import check_labels
from tests.factories import make_example

EXAMPLES = [make_example(id=id) for id in ("a-1", "a-2", "a-3")]


def test_a_check_says_which_examples_have_a_problem_in_their_order() -> None:
    found = check_labels("short", lambda e: [] if e.id == "a-2" else ["long", e.id], EXAMPLES)

    assert (found.name, found.checked, found.passed) == ("short", 3, False)
    assert dict(found.problems) == {"a-1": ("long", "a-1"), "a-3": ("long", "a-3")}


def test_a_check_without_problems_is_passed() -> None:
    assert check_labels("short", lambda _: (), EXAMPLES).passed
    assert check_labels("short", lambda _: ["never asked"], []).passed


def test_a_check_that_raises_is_named_with_the_example() -> None:
    def broken(example: Any) -> list[str]:
        raise KeyError("desk")

    with pytest.raises(
        ConfigurationError, match="label check broken raised on example a-1: KeyError: 'desk'"
    ):
        check_labels("broken", broken, EXAMPLES)


def test_a_label_that_cannot_be_used_is_a_problem_of_its_example() -> None:
    def tests_are_literals(example: Any) -> list[str]:
        if example.id == "a-2":
            raise InputError("a test returns 'x', which is no literal; correct the label")
        return []

    found = check_labels("tests", tests_are_literals, EXAMPLES)

    assert dict(found.problems) == {
        "a-2": ("a test returns 'x', which is no literal; correct the label",)
    }


def test_an_outage_is_no_problem_of_an_example() -> None:
    def judged(example: Any) -> list[str]:
        raise ProviderError("the judge cannot be reached")

    with pytest.raises(ProviderError, match="cannot be reached"):
        check_labels("judged", judged, EXAMPLES)


@pytest.mark.parametrize("returned", [None, True, "wrong", [1]])
def test_a_check_that_returns_no_list_of_texts_is_refused(returned: Any) -> None:
    with pytest.raises(ConfigurationError, match=r"label check loose returned .* on example a-1"):
        check_labels("loose", lambda _: returned, EXAMPLES)
