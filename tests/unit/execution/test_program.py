from __future__ import annotations

from typing import Any

import dspy
import pydantic
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from liftgraph_dagster.errors import ConfigurationError, NotFound
from liftgraph_dagster.execution.program import PREDICTOR, Program, declared_program, predictor_of
from liftgraph_dagster.graph.node import Context, End, ModuleNode, SignatureNode
from tests.factories import tickets_graph
from tests.support import tickets

DEMO = {"text": "Where is my receipt?", "topic": "billing"}


class Label(pydantic.BaseModel):
    name: str


class LabelTopic(dspy.Signature):
    """Label the ticket."""

    text: str = dspy.InputField()
    topic: Label = dspy.OutputField()


class Warm(SignatureNode[tickets.Ticket]):
    signature = LabelTopic
    lm_config = {"temperature": 0.7, "max_tokens": 50}

    async def run(self, ctx: Context[tickets.Ticket]) -> End[None]:
        return End(None)


class DraftAndPolish(dspy.Module):
    def __init__(self) -> None:
        super().__init__()
        self.draft = dspy.Predict(tickets.FindTopic)
        self.polish = dspy.Predict(tickets.FindTopic)


class Think(ModuleNode[tickets.Ticket]):
    module = DraftAndPolish
    reads = ("text",)
    writes = ("topic",)

    async def run(self, ctx: Context[tickets.Ticket]) -> End[None]:
        return End(None)


states = st.fixed_dictionaries(
    {}, optional={"instructions": st.text(), "demos": st.lists(st.just(DEMO), max_size=2)}
)
nodes = st.dictionaries(st.text(), st.dictionaries(st.text(), states, max_size=2), max_size=2)


@given(nodes=nodes)
@settings(deadline=None)
def test_a_program_comes_back_from_its_json(nodes: dict[str, Any]) -> None:
    program = Program("tickets", nodes, name="tuned")

    back = Program.from_json(program.to_json())

    assert back == program
    assert back.digest == program.digest


def test_a_name_is_no_part_of_the_digest() -> None:
    assert Program("tickets", name="one").digest == Program("tickets", name="other").digest


@pytest.mark.parametrize(
    "other",
    [
        Program("letters"),
        Program("tickets", {"Classify": {}}),
        Program("tickets", {"Classify": {PREDICTOR: {"instructions": "Guess."}}}),
    ],
)
def test_graph_and_nodes_are_parts_of_the_digest(other: Program) -> None:
    assert other.digest != Program("tickets").digest


def test_a_predictor_gets_its_instructions_and_demos() -> None:
    predictor = predictor_of(tickets.Classify)
    state = {"instructions": "Guess.", "demos": [DEMO]}

    Program("tickets", {"Classify": {PREDICTOR: state}}).apply("Classify", predictor)

    assert predictor.signature.instructions == "Guess."
    assert predictor.demos == [DEMO]


def test_what_a_program_does_not_say_is_as_the_code_has_it() -> None:
    predictor = predictor_of(tickets.Classify)
    predictor.demos = [DEMO]

    Program("tickets", {"Classify": {PREDICTOR: {}}, "Other": {}}).apply("Classify", predictor)

    assert predictor.signature.instructions == tickets.FindTopic.instructions
    assert predictor.demos == [DEMO]


def test_a_program_that_says_no_demos_takes_those_of_the_code_away() -> None:
    predictor = predictor_of(tickets.Classify)
    predictor.demos = [DEMO]

    Program("tickets", {"Classify": {PREDICTOR: {"demos": []}}}).apply("Classify", predictor)

    assert predictor.demos == []


def test_each_predictor_of_a_module_gets_its_own() -> None:
    module = predictor_of(Think)
    program = Program("tickets", {"Think": {"polish": {"instructions": "Polish."}}})

    program.apply("Think", module)

    assert module.draft.signature.instructions == tickets.FindTopic.instructions
    assert module.polish.signature.instructions == "Polish."


def test_applying_a_program_leaves_the_signature_of_the_code_alone() -> None:
    state = {"instructions": "Guess.", "demos": [DEMO]}
    program = Program("tickets", {"Classify": {PREDICTOR: state}})

    program.apply("Classify", predictor_of(tickets.Classify))

    assert tickets.FindTopic.instructions == "Name the topic of the ticket in one word."


def test_a_predictor_that_the_module_does_not_have_is_named() -> None:
    program = Program("tickets", {"Think": {"refine": {}}}, name="tuned")

    with pytest.raises(ConfigurationError) as caught:
        program.apply("Think", predictor_of(Think))

    assert str(caught.value) == (
        "program 'tuned' has a predictor 'refine' for node Think, which has only draft, polish. "
        "It was made for another version of the graph"
    )


def test_fields_of_a_demo_that_the_signature_does_not_have_are_named() -> None:
    demo = DEMO | {"mood": "angry", "colour": "red"}
    program = Program("tickets", {"Classify": {PREDICTOR: {"demos": [demo]}}}, name="tuned")

    with pytest.raises(ConfigurationError) as caught:
        program.apply("Classify", predictor_of(tickets.Classify))

    assert str(caught.value) == (
        "program 'tuned': a demo of Classify has colour, mood, which its signature does not have; "
        "it has text, topic"
    )


def test_the_mark_of_an_augmented_demo_is_no_field() -> None:
    predictor = predictor_of(tickets.Classify)
    demo = DEMO | {"augmented": True}

    Program("tickets", {"Classify": {PREDICTOR: {"demos": [demo]}}}).apply("Classify", predictor)

    assert predictor.demos == [demo]


def test_a_declared_program_holds_its_demos_as_json() -> None:
    demos = [DEMO | {"topic": Label(name="billing")}]
    graph = tickets_graph(nodes=[Warm], programs={"shown": {"Warm": demos}})

    program = declared_program(graph, "shown")

    assert program == Program(
        "tickets",
        {"Warm": {PREDICTOR: {"demos": [DEMO | {"topic": {"name": "billing"}}]}}},
        name="shown",
    )


def test_a_baseline_that_nobody_declared_changes_nothing() -> None:
    assert declared_program(tickets.graph, "baseline") == Program("tickets")


def test_a_program_that_is_not_declared_is_refused_with_those_that_are() -> None:
    graph = tickets_graph(programs={"tuned": {}})

    with pytest.raises(NotFound) as caught:
        declared_program(graph, "best")

    assert str(caught.value) == "graph 'tickets' has no program 'best'; it has baseline, tuned"


def test_demos_for_a_node_that_the_graph_does_not_have_are_refused() -> None:
    graph = tickets_graph(programs={"tuned": {"Guess": [DEMO]}})

    with pytest.raises(ConfigurationError) as caught:
        declared_program(graph, "tuned")

    assert str(caught.value) == (
        "program 'tuned' of graph 'tickets' has demos for Guess, which is not a node of the graph"
    )


def test_demos_for_a_node_that_asks_no_model_are_refused() -> None:
    graph = tickets_graph(programs={"tuned": {"Route": [DEMO]}})

    with pytest.raises(ConfigurationError) as caught:
        declared_program(graph, "tuned")

    assert str(caught.value) == "Route asks no language model, so it has no demos"


def test_declared_demos_that_do_not_fit_are_refused() -> None:
    graph = tickets_graph(programs={"tuned": {"Classify": [{"colour": "red"}]}})

    with pytest.raises(ConfigurationError, match="a demo of Classify has colour"):
        declared_program(graph, "tuned")


def test_a_predictor_asks_with_the_node_s_sampling_settings() -> None:
    assert predictor_of(Warm).config == {"temperature": 0.7, "max_tokens": 50}


def test_a_predictor_is_made_anew_each_time() -> None:
    assert predictor_of(tickets.Classify) is not predictor_of(tickets.Classify)
    assert predictor_of(Think) is not predictor_of(Think)
