from __future__ import annotations

import asyncio
import json
import threading
from typing import Any

import dspy
import pydantic
import pytest
from pydantic_graph import End

from liftgraph_dagster.errors import GraphError, InputError
from liftgraph_dagster.execution.ask import Asker, Given, prediction_of, usage_of
from liftgraph_dagster.execution.program import Program
from liftgraph_dagster.execution.records import NO_USAGE, EventKind, Usage
from liftgraph_dagster.graph.node import Context, SignatureNode
from liftgraph_dagster.graph.state import GraphState
from liftgraph_dagster.providers.engine import ModelCall
from tests.factories import function_node, make_graph
from tests.unit.execution.bench import (
    Bench,
    Count,
    Letter,
    Reply,
    Tone,
    Topic,
    letters,
)

LETTER = Letter(text="I was charged twice.", topic="billing", tone="angry")


async def test_a_signature_node_gets_its_outputs_from_the_model() -> None:
    answer = await Bench().asker().answer(Topic(), LETTER)

    assert answer.prediction.topic == "billing"
    assert answer.output == b'{"topic":"billing"}'


async def test_an_answer_leaves_the_state_as_it_is() -> None:
    letter = LETTER.model_copy(deep=True)

    await Bench().asker().answer(Topic(), letter)

    assert letter == LETTER


async def test_the_inputs_reach_the_model_and_nothing_else_of_the_state() -> None:
    bench = Bench()

    await bench.asker().answer(Topic(), LETTER)

    assert bench.provider.requests[0].messages[-1].content == "text: I was charged twice."


async def test_the_sampling_settings_of_a_node_reach_the_model() -> None:
    bench = Bench()

    await bench.asker().answer(Topic(), LETTER)
    await bench.asker().answer(Tone(), LETTER)

    assert [(r.temperature, r.max_tokens) for r in bench.provider.requests] == [
        (0.5, 20),
        (None, None),
    ]


async def test_the_instructions_and_demos_of_a_program_reach_the_model() -> None:
    bench = Bench()
    demo = {"text": "Where is my receipt?", "topic": "receipts"}
    program = {"Topic": {"self": {"instructions": "Guess the topic.", "demos": [demo]}}}

    await bench.asker(program).answer(Topic(), LETTER)

    system, question, shown, _ = bench.provider.requests[0].messages
    assert system.content.startswith("Guess the topic.\n")
    assert question.content == "text: Where is my receipt?"
    assert json.loads(shown.content) == {"topic": "receipts"}


async def test_equal_inputs_have_equal_digests() -> None:
    asker = Bench().asker()
    one = await asker.answer(Topic(), LETTER)
    same = await asker.answer(Topic(), LETTER.model_copy(update={"words": 9}))
    other = await asker.answer(Topic(), LETTER.model_copy(update={"text": "Hello."}))

    assert one.input_digest == same.input_digest != other.input_digest


async def test_the_tokens_of_a_call_are_counted() -> None:
    usage = (await Bench().asker().answer(Topic(), LETTER)).usage

    assert (usage.calls, usage.model, usage.completion_tokens) == (1, "scripted", 2)
    assert usage.prompt_tokens > 4
    assert usage.model_seconds > 0


def test_usage_is_the_sum_of_the_calls() -> None:
    calls = [
        ModelCall("small", 10, 2, 5, 0.5, "stop"),
        ModelCall("large", 20, 4, 7, 1.5, "stop"),
    ]

    assert usage_of(calls) == Usage(2, 30, 6, 12, 2.0, model="large")
    assert usage_of([]) == NO_USAGE


async def test_a_plain_function_runs_in_a_thread_of_its_own() -> None:
    """It may block: the event loop must not wait for it."""

    def where() -> dict[str, Any]:
        return {"thread": threading.get_ident()}

    node = function_node("Where", where)
    answer = await Asker(make_graph(Letter, node), Program("tested"), None).answer(node(), LETTER)

    assert answer.prediction.thread != threading.get_ident()


async def test_an_async_function_runs_on_the_event_loop() -> None:
    async def where() -> dict[str, Any]:
        return {"loop": id(asyncio.get_running_loop())}

    node = function_node("Where", where)
    answer = await Asker(make_graph(Letter, node), Program("tested"), None).answer(node(), LETTER)

    assert answer.prediction.loop == id(asyncio.get_running_loop())


async def test_a_function_gets_the_fields_that_its_parameters_name() -> None:
    answer = await Bench().asker().answer(Count(), LETTER)

    assert answer.output == b'{"words":4}'
    assert answer.usage == NO_USAGE


async def test_awkward_outputs_of_a_function_are_stored_as_json() -> None:
    def odd() -> dict[str, Any]:
        return {"raw": b"\xff", "nan": float("nan"), "zero": -0.0, "none": None}

    node = function_node("Odd", odd)
    answer = await Asker(make_graph(Letter, node), Program("tested"), None).answer(node(), LETTER)

    assert answer.output == b'{"raw":"_w==","nan":NaN,"zero":-0.0,"none":null}'


@pytest.mark.parametrize(("returned", "named"), [(None, "NoneType"), (["a"], "list"), ("a", "str")])
async def test_a_function_that_returns_no_mapping_is_named(returned: Any, named: str) -> None:
    node = function_node("Odd", lambda: returned)
    asker = Asker(make_graph(Letter, node), Program("tested"), None)

    with pytest.raises(GraphError) as caught:
        await asker.answer(node(), LETTER)

    assert str(caught.value) == (
        f"Odd.call returned {named}; return a mapping of output names to values"
    )


async def test_the_predictors_of_a_module_become_events_in_their_order() -> None:
    answer = await Bench().asker().answer(Reply(), LETTER)

    assert [
        (event.kind, event.node_type, event.node, event.output) for event in answer.predictors
    ] == [
        (EventKind.PREDICTOR, "predictor", "draft", b'{"draft":"Sorry."}'),
        (EventKind.PREDICTOR, "predictor", "polish", b'{"reply":"We are sorry."}'),
    ]


async def test_the_answer_of_a_module_is_that_of_the_whole() -> None:
    answer = await Bench().asker().answer(Reply(), LETTER)

    assert answer.output == b'{"reply":"We are sorry."}'
    assert answer.usage.calls == 2


async def test_each_predictor_has_the_digest_of_its_own_inputs() -> None:
    asker = Bench().asker()
    one = await asker.answer(Reply(), LETTER)
    other = await asker.answer(Reply(), LETTER.model_copy(update={"tone": "calm"}))

    draft, polish = zip(one.predictors, other.predictors, strict=True)
    assert draft[0].input_digest == draft[1].input_digest
    assert polish[0].input_digest != polish[1].input_digest


async def test_the_instructions_of_a_program_reach_the_predictors_of_a_module() -> None:
    bench = Bench()

    await bench.asker({"Reply": {"polish": {"instructions": "Be kind."}}}).answer(Reply(), LETTER)

    first, second = (request.messages[0].content for request in bench.provider.requests)
    assert first.startswith("Draft a reply.")
    assert second.startswith("Be kind.")


async def test_predictors_of_two_questions_at_the_same_time_are_not_mixed() -> None:
    all_here = asyncio.Barrier(2)

    async def together(_: Any) -> dict[str, str]:
        await all_here.wait()
        return {"draft": "Sorry."}

    asker = Bench(draft=together).asker()
    answers = await asyncio.gather(*(asker.answer(Reply(), LETTER) for _ in range(2)))

    assert [[event.node for event in answer.predictors] for answer in answers] == [
        ["draft", "polish"]
    ] * 2
    assert [answer.usage.calls for answer in answers] == [2, 2]


async def test_a_question_to_a_model_that_was_not_given_names_the_program() -> None:
    asker = Asker(letters, Program("letters", name="tuned"), None)

    with pytest.raises(GraphError) as caught:
        await asker.answer(Topic(), LETTER)

    assert str(caught.value) == "program 'tuned' asks a language model, but none was given"


class Label(pydantic.BaseModel):
    name: str
    weight: float = 1.0


class FindLabel(dspy.Signature):
    text: str = dspy.InputField()
    label: Label = dspy.OutputField()


class Labelled(GraphState):
    text: str = ""
    label: Label | None = None
    count: int = 0


class GiveLabel(SignatureNode[Labelled]):
    signature = FindLabel

    async def run(self, ctx: Context[Labelled]) -> End[None]:
        return End(None)


COUNT = function_node("CountAll", lambda text: {"count": 1}, writes=("count",))


def test_given_outputs_become_what_the_signature_declares() -> None:
    prediction = prediction_of(GiveLabel(), Labelled, {"label": {"name": "a"}})

    assert prediction.label == Label(name="a")


def test_given_outputs_become_what_the_state_declares() -> None:
    prediction = prediction_of(COUNT(), Labelled, {"count": "3", "label": {"name": "a"}, "x": [1]})

    assert dict(prediction.items()) == {"count": 3, "label": Label(name="a"), "x": [1]}


@pytest.mark.parametrize(
    ("node", "outputs", "said"),
    [
        (GiveLabel, {"label": {"weight": 2}}, "output of GiveLabel: label.name: Field required"),
        (GiveLabel, {}, "output of GiveLabel: label: Field required"),
        (GiveLabel, {"label": {"name": "a"}, "x": 1}, "output of GiveLabel: x: Extra inputs"),
        (COUNT, {"count": "many"}, "output of CountAll: count: Input should be a valid integer"),
        (COUNT, {}, "output of CountAll: count: Field required"),
    ],
)
def test_given_outputs_of_the_wrong_form_name_node_and_field(
    node: type[Any], outputs: dict[str, Any], said: str
) -> None:
    with pytest.raises(InputError) as caught:
        prediction_of(node(), Labelled, outputs)

    assert str(caught.value).startswith(said)


async def test_what_is_given_is_the_answer_whatever_is_asked() -> None:
    answer = await Given({"topic": "post"}).answer(Topic(), LETTER)
    asked = await Bench().asker().answer(Topic(), LETTER)

    assert answer.prediction.topic == "post"
    assert answer.output == b'{"topic":"post"}'
    assert answer.input_digest == asked.input_digest
    assert answer.usage == NO_USAGE
