from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any

import dspy
import pydantic
import pytest

from liftgraph_dagster.graph import digest as module_with_docstring
from liftgraph_dagster.graph.merge import append, last
from liftgraph_dagster.graph.node import FunctionNode, ModuleNode, SignatureNode
from liftgraph_dagster.graph.state import GraphState
from liftgraph_dagster.graph.version import node_digest, source, state_digest
from tests.factories import function_node, parallel_node


class Page(GraphState):
    text: str = ""
    title: str = ""


def helper() -> int:
    return 1


def plain() -> type[Any]:
    class Shorten(FunctionNode[Page]):
        writes = ("title",)

        def call(self, text: str) -> dict[str, str]:
            return {"title": text[:10]}

    return Shorten


def commented() -> type[Any]:
    class Shorten(FunctionNode[Page]):
        """Shorten the text."""

        writes = ("title",)  # the only one

        def call(self, text: str) -> dict[str, str]:
            """Take the beginning."""
            # ten characters will do
            return {"title": text[:10]}

    return Shorten


def other_constant() -> type[Any]:
    class Shorten(FunctionNode[Page]):
        writes = ("title",)

        def call(self, text: str) -> dict[str, str]:
            return {"title": text[:11]}

    return Shorten


def other_attribute() -> type[Any]:
    class Shorten(FunctionNode[Page]):
        writes = ("title", "text")

        def call(self, text: str) -> dict[str, str]:
            return {"title": text[:10]}

    return Shorten


def with_a_helper() -> type[Any]:
    class Shorten(FunctionNode[Page]):
        writes = ("title",)

        def call(self, text: str) -> dict[str, str]:
            return {"title": text[:10]}

    Shorten.helpers = (helper,)
    return Shorten


def based_on(base: type[Any]) -> type[Any]:
    class Shorten(base):
        pass

    return Shorten


def test_comments_and_docstrings_do_not_change_a_digest() -> None:
    assert node_digest(commented()) == node_digest(plain())


@pytest.mark.parametrize("other", [other_constant, other_attribute, with_a_helper])
def test_code_attributes_and_helpers_change_a_digest(other: Callable[[], type[Any]]) -> None:
    assert node_digest(other()) != node_digest(plain())


def test_the_code_of_a_base_class_changes_a_digest() -> None:
    assert node_digest(based_on(other_constant())) != node_digest(based_on(plain()))


def asking(annotation: Any = str, instructions: str = "Find a title.", **field: Any) -> type[Any]:
    """Return a node whose signature has these instructions and this output field."""
    fields = {
        "text": (str, dspy.InputField()),
        "title": (annotation, dspy.OutputField(**field)),
    }

    class Ask(SignatureNode[Page]):
        signature = dspy.make_signature(fields, instructions, "FindTitle")

    return Ask


def model(**fields: Any) -> type[pydantic.BaseModel]:
    return pydantic.create_model("Title", **fields)


def test_equal_signatures_give_equal_digests() -> None:
    assert node_digest(asking(desc="short")) == node_digest(asking(desc="short"))


@pytest.mark.parametrize(
    ("one", "other"),
    [
        pytest.param(asking(), asking(instructions="Find a name."), id="instructions"),
        pytest.param(asking(), asking(int), id="type"),
        pytest.param(asking(), asking(desc="short"), id="description"),
        pytest.param(asking(), asking(max_length=20), id="constraint"),
        pytest.param(
            asking(model(words=(str, ...))), asking(model(lines=(str, ...))), id="model's fields"
        ),
    ],
)
def test_what_a_model_is_asked_changes_a_digest(one: type[Any], other: type[Any]) -> None:
    assert node_digest(one) != node_digest(other)


class Title(dspy.Module):
    async def aforward(self, text: str) -> dspy.Prediction:
        return dspy.Prediction(title=text)


class Headline(dspy.Module):
    async def aforward(self, text: str) -> dspy.Prediction:
        return dspy.Prediction(title=text.upper())


def wrapping(wrapped: Any) -> type[Any]:
    class Wrap(ModuleNode[Page]):
        reads = ("text",)
        writes = ("title",)
        module = wrapped

    return Wrap


def test_the_code_of_a_wrapped_module_changes_a_digest() -> None:
    assert node_digest(wrapping(Title)) != node_digest(wrapping(Headline))


def test_the_order_of_branches_changes_a_digest() -> None:
    one, two = function_node("One"), function_node("Two")

    assert node_digest(parallel_node("P", one, two)) != node_digest(parallel_node("P", two, one))


def state(annotation: Any) -> type[GraphState]:
    return pydantic.create_model("State", __base__=GraphState, notes=(annotation, []))


def test_equal_state_types_have_equal_digests() -> None:
    assert state_digest(state(list[str])) == state_digest(state(list[str]))


@pytest.mark.parametrize(
    "other",
    [list[int], Annotated[list[str], append], Annotated[list[str], pydantic.Field(max_length=3)]],
)
def test_types_constraints_and_reducers_change_the_digest_of_a_state(other: Any) -> None:
    assert state_digest(state(other)) != state_digest(state(list[str]))


def test_another_reducer_changes_the_digest_of_a_state() -> None:
    one, other = Annotated[list[str], append], Annotated[list[str], last]

    assert state_digest(state(one)) != state_digest(state(other))


@pytest.mark.parametrize(
    ("thing", "docstring"),
    [
        pytest.param(commented(), "Shorten the text", id="class"),
        pytest.param(commented, "Take the beginning", id="function"),
        pytest.param(module_with_docstring, "the names by which", id="module"),
    ],
)
def test_a_source_holds_no_docstring(thing: Any, docstring: str) -> None:
    text = source(thing)

    assert "Return" in text
    assert docstring not in text


@pytest.mark.parametrize(
    ("thing", "name"),
    [(len, "builtins.len"), (function_node("Made"), "tests.factories.Made")],
)
def test_what_has_no_source_stands_for_itself_by_its_name(thing: Any, name: str) -> None:
    assert source(thing) == name
