from __future__ import annotations

import datetime
import enum
import json
from typing import Any, Literal

import dspy
import pydantic
import pytest
from dspy.utils.exceptions import AdapterParseError
from hypothesis import given
from hypothesis import strategies as st

from liftgraph_dagster.errors import ConfigurationError, ErrorClass, ProviderError
from liftgraph_dagster.providers.adapter import ProviderAdapter, SchemaAdapter, output_model
from liftgraph_dagster.providers.engine import our_error
from liftgraph_dagster.providers.scripted import ScriptedProvider


class Colour(enum.Enum):
    RED = "red"
    BLUE = "blue"


class Part(pydantic.BaseModel):
    name: str = pydantic.Field(max_length=8, pattern="^[a-z]*$")
    sizes: dict[str, int] = {}
    colour: Colour | None = None


class Draw(dspy.Signature):
    """Draw what is asked.

    Briefly.
    """

    prompt: str = dspy.InputField(desc="what to draw")
    hints: list[Part] = dspy.InputField()
    title: str = dspy.OutputField(max_length=12)
    score: int = dspy.OutputField(ge=0, le=10, desc="from 0 to 10")
    kind: Literal["sketch", "plan"] = dspy.OutputField()
    parts: list[Part] = dspy.OutputField(max_length=3)
    counts: dict[str, dict[str, int]] = dspy.OutputField()
    due: datetime.date = dspy.OutputField()


class Ask(dspy.Signature):
    """Answer."""

    question: str = dspy.InputField()
    answer: str = dspy.OutputField()


parts = st.builds(
    Part,
    name=st.text("abc", max_size=8),
    sizes=st.dictionaries(st.text(max_size=3), st.integers(), max_size=2),
    colour=st.none() | st.sampled_from(Colour),
)
drawings = st.fixed_dictionaries(
    {
        "title": st.text(max_size=12),
        "score": st.integers(0, 10),
        "kind": st.sampled_from(["sketch", "plan"]),
        "parts": st.lists(parts, max_size=3),
        "counts": st.dictionaries(
            st.text(max_size=3), st.dictionaries(st.text(max_size=3), st.integers(), max_size=2)
        ),
        "due": st.dates(),
    }
)


def schema() -> dict[str, Any]:
    return output_model(Draw).model_json_schema()


def test_outputs_keep_their_order_are_all_required_and_nothing_else_is_allowed() -> None:
    fields = ["title", "score", "kind", "parts", "counts", "due"]

    assert list(schema()["properties"]) == fields
    assert schema()["required"] == fields
    assert schema()["additionalProperties"] is False


@pytest.mark.parametrize(
    ("field", "expected"),
    [
        ("title", {"type": "string", "maxLength": 12}),
        ("score", {"type": "integer", "minimum": 0, "maximum": 10}),
        ("kind", {"type": "string", "enum": ["sketch", "plan"]}),
        ("parts", {"type": "array", "items": {"$ref": "#/$defs/Part"}, "maxItems": 3}),
        ("due", {"type": "string", "format": "date"}),
    ],
)
def test_constraints_of_a_field_are_in_the_schema(field: str, expected: dict[str, Any]) -> None:
    assert schema()["properties"][field] == expected | {"title": field.title()}


def test_dicts_stay_open_at_every_depth() -> None:
    open_dict = {"type": "object", "additionalProperties": {"type": "integer"}}

    assert schema()["properties"]["counts"]["additionalProperties"] == open_dict
    assert schema()["$defs"]["Part"]["properties"]["sizes"].items() >= open_dict.items()


def test_definitions_are_at_the_root_and_constraints_in_them_are_kept() -> None:
    assert set(schema()["$defs"]) == {"Part", "Colour"}
    name = schema()["$defs"]["Part"]["properties"]["name"]
    assert (name["maxLength"], name["pattern"]) == (8, "^[a-z]*$")


def test_two_signatures_of_one_name_have_each_their_own_outputs() -> None:
    one = dspy.Signature("question -> answer: str", "Answer.")
    other = dspy.Signature("question -> answer: int", "Answer.")

    types = [
        output_model(s).model_json_schema()["properties"]["answer"]["type"] for s in (one, other)
    ]

    assert types == ["string", "integer"]


def test_the_system_message_has_instructions_descriptions_and_the_shape() -> None:
    message = SchemaAdapter().format_system_message(Draw)

    assert message == (
        "Draw what is asked.\n\nBriefly.\n\n"
        "- prompt: what to draw\n- score: from 0 to 10\n\n"
        "Answer with one JSON object of this shape:\n"
        '{"title": string, "score": integer, "kind": "sketch" or "plan", '
        '"parts": [{"name": string, "sizes": {name: integer}, '
        '"colour": "red" or "blue" or null}], '
        '"counts": {name: {name: integer}}, "due": string}'
    )


def test_an_input_that_is_no_text_is_written_as_json() -> None:
    inputs = {"prompt": 'a "b" é', "hints": [Part(name="a", colour=Colour.RED)]}

    message = SchemaAdapter().format_user_message_content(Draw, inputs)

    assert message == (
        'prompt: a "b" é\nhints: [{"name": "a", "sizes": {}, "colour": "red"}]'
    )  # fmt: skip


def test_a_missing_input_is_left_out() -> None:
    message = SchemaAdapter().format_user_message_content(Draw, {"prompt": "a"})

    assert message == "prompt: a"


@given(drawings)
def test_what_a_demonstration_shows_is_what_is_parsed(outputs: dict[str, Any]) -> None:
    adapter = SchemaAdapter()

    shown = adapter.format_assistant_message_content(Draw, outputs)

    assert adapter.parse(Draw, shown) == outputs


def test_a_demonstration_is_one_line_with_its_characters_as_they_are() -> None:
    shown = SchemaAdapter().format_assistant_message_content(Ask, {"answer": "é\n"})

    assert shown == '{"answer": "é\\n"}'


def test_a_demonstration_names_fields_as_the_schema_does() -> None:
    class Aliased(pydantic.BaseModel):
        class_: str = pydantic.Field(alias="class")

    signature = dspy.Signature({"q": (str, dspy.InputField()), "a": (Aliased, dspy.OutputField())})
    outputs = {"a": Aliased(**{"class": "x"})}

    shown = SchemaAdapter().format_assistant_message_content(signature, outputs)

    assert json.loads(shown) == {"a": {"class": "x"}}


@pytest.mark.parametrize(
    "answer",
    ["", "hi", "{}", '{"answer": 1}', '{"answer": "a", "more": 1}', '```{"answer": ""}```'],
)
def test_an_answer_that_does_not_fit_is_not_repaired(answer: str) -> None:
    with pytest.raises(AdapterParseError, match="the answer does not fit the signature") as raised:
        SchemaAdapter().parse(Ask, answer)

    assert raised.value.lm_response == answer


async def test_a_signature_is_asked_and_its_typed_outputs_come_back() -> None:
    drawing = {
        "title": "a",
        "score": 3,
        "kind": "plan",
        "parts": [{"name": "b", "sizes": {"c": 1}, "colour": "red"}],
        "counts": {"d": {"e": 2}},
        "due": "2026-11-25",
    }
    adapter = ProviderAdapter(ScriptedProvider(lambda request: drawing))

    with dspy.context(lm=adapter.lm, adapter=adapter.adapter):
        prediction = await dspy.Predict(Draw).acall(prompt="a house", hints=[])

    assert dict(prediction.items()) == drawing | {
        "parts": [Part(name="b", sizes={"c": 1}, colour=Colour.RED)],
        "due": datetime.date(2026, 11, 25),
    }


async def test_demonstrations_come_before_the_question() -> None:
    provider = ScriptedProvider(lambda request: {"answer": "x"})
    adapter = ProviderAdapter(provider)
    predict = dspy.Predict(Ask)
    predict.demos = [dspy.Example(question="one?", answer="1").with_inputs("question")]

    with dspy.context(lm=adapter.lm, adapter=adapter.adapter):
        await predict.acall(question="two?")

    turns = [(m.role, m.content) for m in provider.requests[0].messages[1:]]
    assert turns == [
        ("user", "question: one?"),
        ("assistant", '{"answer": "1"}'),
        ("user", "question: two?"),
    ]


async def test_a_prompt_is_answered_without_more_ado() -> None:
    provider = ScriptedProvider(lambda request: {"answer": "hello"})

    prediction = await ProviderAdapter(provider)("hi")

    assert prediction.answer == "hello"
    assert provider.requests[0].messages[-1].content == "prompt: hi"


@pytest.mark.parametrize("signature", [Ask, "question -> answer"])
async def test_a_prompt_fills_the_input_of_the_signature(signature: Any) -> None:
    provider = ScriptedProvider(lambda request: {"answer": "hello"})

    await ProviderAdapter(provider)("hi", signature=signature)

    assert provider.requests[0].messages[-1].content == "question: hi"


async def test_settings_of_a_call_stand_over_those_of_the_adapter() -> None:
    provider = ScriptedProvider(lambda request: {"answer": "hello"})
    adapter = ProviderAdapter(provider, temperature=0.0, max_tokens=40, seed=7)

    await adapter("hi", temperature=0.5, max_tokens=9)
    await adapter("hi")

    sent = [(r.temperature, r.max_tokens, r.seed) for r in provider.requests]
    assert sent == [(0.5, 9, 7), (0.0, 40, 7)]


@pytest.mark.parametrize("constrains", [True, False])
async def test_it_tells_whether_decoding_is_constrained(constrains: bool) -> None:
    provider = ScriptedProvider(lambda request: "x")
    provider.constrains = constrains

    assert ProviderAdapter(provider).supports_xgrammar is constrains


async def test_the_error_of_the_provider_is_behind_that_of_dspy() -> None:
    ours = ProviderError("gone", error_class=ErrorClass.TIMEOUT)

    def script(_: Any) -> str:
        raise ours

    with pytest.raises(Exception, match="gone") as raised:
        await ProviderAdapter(ScriptedProvider(script))("hi")

    assert our_error(raised.value) is ours


async def test_the_prompts_are_not_kept() -> None:
    adapter = ProviderAdapter(ScriptedProvider(lambda request: {"answer": "x"}))

    await adapter("a private prompt")

    assert adapter.lm.history == []


async def test_the_settings_of_the_process_stay_as_they_were() -> None:
    await ProviderAdapter(ScriptedProvider(lambda request: {"answer": "x"}))("hi")

    assert (dspy.settings.lm, dspy.settings.adapter) == (None, None)


@pytest.mark.parametrize("adapter", [dspy.ChatAdapter(), dspy.JSONAdapter()])
async def test_an_adapter_that_cannot_send_the_schema_is_refused(adapter: dspy.Adapter) -> None:
    """A dict output makes DSPy's own adapters ask for any JSON, or for no schema at all."""
    provider = ScriptedProvider(lambda request: {"counts": {}})
    lm = ProviderAdapter(provider).lm

    with (
        pytest.raises(Exception, match="constrain") as raised,
        dspy.context(lm=lm, adapter=adapter),
    ):
        await dspy.Predict("question -> counts: dict[str, int]").acall(question="hi")

    assert isinstance(our_error(raised.value), ConfigurationError)
    assert provider.requests == []
