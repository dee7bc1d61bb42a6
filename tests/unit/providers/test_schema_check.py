from __future__ import annotations

import datetime
import enum
import json
import uuid
from typing import Annotated, Any, Literal

import pydantic
import pytest
from hypothesis import given
from hypothesis import strategies as st

from liftgraph_dagster.errors import ErrorClass, OutputInvalid, SchemaRefused
from liftgraph_dagster.providers.schema_check import check_schema, validate_answer

REFUSED_BY_SGLANG = {
    "contains": {},
    "minContains": 1,
    "maxContains": 2,
    "dependentRequired": {"a": ["b"]},
    "dependentSchemas": {"a": {}},
    "if": {},
    "then": {},
    "else": {},
    "multipleOf": 5,
    "not": {},
    "uniqueItems": True,
}
REFUSED_BY_US = {
    "patternProperties": {"^a": {}},
    "propertyNames": {"maxLength": 3},
    "minProperties": 1,
    "maxProperties": 2,
    "unevaluatedItems": False,
    "unevaluatedProperties": False,
}

WRAPPERS = {
    "items": lambda s: {"type": "array", "items": s},
    "additionalProperties": lambda s: {"type": "object", "additionalProperties": s},
    "anyOf[1]": lambda s: {"anyOf": [{"type": "null"}, s]},
    "oneOf[0]": lambda s: {"oneOf": [s]},
    "allOf[0]": lambda s: {"allOf": [s, True]},
    "prefixItems[1]": lambda s: {"prefixItems": [True, s]},
    "properties.a": lambda s: {"properties": {"a": s}},
    "$defs.A": lambda s: {"$defs": {"A": s}},
    "definitions.A": lambda s: {"definitions": {"A": s}},
}


class Colour(enum.Enum):
    RED = "red"
    BLUE = "blue"


class Leaf(pydantic.BaseModel):
    kind: Literal["leaf"] = "leaf"
    size: float = pydantic.Field(gt=0, lt=1)


class Tree(pydantic.BaseModel):
    """A recursive model with what authors of signatures use."""

    kind: Literal["tree"]
    name: str = pydantic.Field(min_length=1, max_length=20, pattern=r"^[a-z_]\w*$")
    counts: dict[str, dict[str, int]] = {}
    colour: Colour | None = None
    pair: tuple[int, str]
    born: datetime.date
    id: uuid.UUID
    child: Annotated[Leaf | Tree, pydantic.Field(discriminator="kind")]
    rest: list[Any] = pydantic.Field(max_length=3, description="what is left", examples=[[1]])


@pytest.mark.parametrize(("keyword", "value"), (REFUSED_BY_SGLANG | REFUSED_BY_US).items())
def test_a_keyword_that_a_server_ignores_is_refused_by_name(keyword: str, value: Any) -> None:
    with pytest.raises(SchemaRefused, match=f"'{keyword}' at \\$ ") as refused:
        check_schema({"type": "object", keyword: value})

    assert refused.value.keyword == keyword


@pytest.mark.parametrize(
    ("keyword", "value"),
    [("x-guidance", {}), ("$anchor", "here"), ("$dynamicRef", "#here"), ("contentSchema", {})],
)
def test_a_keyword_that_nobody_knows_is_refused_by_name(keyword: str, value: Any) -> None:
    with pytest.raises(SchemaRefused, match="not known") as refused:
        check_schema({keyword: value})

    assert refused.value.keyword == keyword


@given(st.lists(st.sampled_from(sorted(WRAPPERS)), max_size=6))
def test_a_refused_keyword_is_found_at_any_depth_and_its_path_is_told(places: list[str]) -> None:
    schema: dict[str, Any] = {"not": {}}
    for place in reversed(places):
        schema = WRAPPERS[place](schema)

    with pytest.raises(SchemaRefused) as refused:
        check_schema(schema)

    assert refused.value.path == ".".join(["$", *places])


def test_a_refusal_says_what_to_do() -> None:
    with pytest.raises(SchemaRefused, match="Use another constraint, or check it after the call"):
        check_schema({"uniqueItems": True})


def test_the_schema_of_a_rich_pydantic_model_passes() -> None:
    check_schema(Tree.model_json_schema())


@pytest.mark.parametrize(
    "schema",
    [
        {"properties": {"not": {"type": "string"}, "if": {"type": "integer"}}},
        {"default": {"not": 1}, "examples": [{"multipleOf": 2}]},
        {"const": {"uniqueItems": True}},
        {"enum": [{"contains": 1}]},
    ],
)
def test_data_named_like_a_keyword_is_not_taken_for_one(schema: dict[str, Any]) -> None:
    check_schema(schema)


@pytest.mark.parametrize(
    "reference",
    ["https://example.org/schema.json", "other.json#/$defs/A", "#/$defs/Missing", "#/nowhere"],
)
def test_a_reference_that_leads_out_of_the_schema_is_refused(reference: str) -> None:
    with pytest.raises(SchemaRefused) as refused:
        check_schema({"$defs": {"A": {}}, "properties": {"a": {"$ref": reference}}})

    assert (refused.value.keyword, refused.value.path) == ("$ref", "$.properties.a")


@pytest.mark.parametrize("reference", ["#/$defs/A", "#/definitions/B"])
def test_a_reference_into_the_schema_passes(reference: str) -> None:
    check_schema({"$defs": {"A": {}}, "definitions": {"B": {}}, "$ref": reference})


@pytest.mark.parametrize(
    "pattern",
    ["(?=a)", "(?!a)", "(?<=a)b", "(?<!a)b", r"(a)\1", r"(?P<x>a)(?P=x)", "(", "[z-a]", "*"],
)
def test_a_pattern_that_no_grammar_can_express_is_refused(pattern: str) -> None:
    with pytest.raises(SchemaRefused) as refused:
        check_schema({"type": "string", "pattern": pattern})

    assert refused.value.keyword == "pattern"


@pytest.mark.parametrize("pattern", ["^[a-z]+$", "(?:a|b)", "a?=b", r"\(?=", r"^\d{3}$", "[(?=]"])
def test_a_regular_pattern_passes(pattern: str) -> None:
    check_schema({"type": "string", "pattern": pattern})


@pytest.mark.parametrize("name", ["date", "date-time", "time", "uuid", "ipv4", "email"])
def test_a_format_that_servers_constrain_passes(name: str) -> None:
    check_schema({"type": "string", "format": name})


@pytest.mark.parametrize("name", ["binary", "password", "path", "colour"])
def test_a_format_that_constrains_nothing_is_refused_by_its_value(name: str) -> None:
    with pytest.raises(SchemaRefused, match=f"'format' at \\$ has the value '{name}'"):
        check_schema({"type": "string", "format": name})


@pytest.mark.parametrize(
    ("schema", "keyword"),
    [
        ({"properties": []}, "properties"),
        ({"allOf": 5}, "allOf"),
        ({"$ref": 5}, "$ref"),
        ({"pattern": 5}, "pattern"),
        ({"format": []}, "format"),
        ({"type": "strng"}, "type"),
        ({"type": 5}, "type"),
        ({"items": [{"not": {}}]}, "items"),
        ({"maxLength": "x"}, "maxLength"),
    ],
)
def test_what_is_no_json_schema_is_refused_by_name(schema: dict[str, Any], keyword: str) -> None:
    """Whoever calls the gateway writes the schema: a wrong one is an answer 400, not a crash."""
    with pytest.raises(SchemaRefused) as refused:
        check_schema(schema)

    assert refused.value.keyword == keyword


SCHEMA = {
    "type": "object",
    "properties": {
        "name": {"type": "string", "maxLength": 5},
        "sizes": {"type": "array", "items": {"type": "integer", "maximum": 9}},
    },
    "required": ["name"],
    "additionalProperties": False,
}


@pytest.mark.parametrize(
    ("answer", "where"),
    [
        ('{"name": 1}', r"\$\.name"),
        ('{"name": "abcdef"}', r"\$\.name"),
        ('{"name": "a", "sizes": [1, 10]}', r"\$\.sizes\[1\]"),
        ('{"name": "a", "more": 1}', r"\$: .*more"),
        ("{}", r"\$: .*name"),
        ("[]", r"\$"),
    ],
)
def test_a_wrong_answer_is_refused_with_the_place(answer: str, where: str) -> None:
    with pytest.raises(OutputInvalid, match=f"does not match its schema at {where}"):
        validate_answer(SCHEMA, answer)


@pytest.mark.parametrize(
    "answer",
    ["", "Sure!", '{"name": "a"', '{"name": "a"} {}', '```json\n{"name": "a"}\n```', "NaN"],
)
def test_an_answer_that_is_not_json_is_refused(answer: str) -> None:
    with pytest.raises(OutputInvalid, match="the answer is not JSON"):
        validate_answer({}, answer)


@pytest.mark.parametrize(
    ("name", "answer"),
    [("date", "2026-13-01"), ("date", "banana"), ("ipv4", "1.2.3"), ("uuid", "1"), ("email", "a")],
)
def test_the_format_of_an_answer_is_validated(name: str, answer: str) -> None:
    with pytest.raises(OutputInvalid):
        validate_answer({"type": "string", "format": name}, json.dumps(answer))


def test_an_invalid_answer_is_kept_and_worth_asking_again() -> None:
    with pytest.raises(OutputInvalid) as invalid:
        validate_answer(SCHEMA, "[]")

    assert (invalid.value.answer, invalid.value.error_class) == ("[]", ErrorClass.VALIDATION)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)  # fmt: skip


@given(json_values)
def test_a_right_answer_comes_back_parsed(value: Any) -> None:
    parsed = validate_answer({"title": "anything"}, json.dumps(value))

    assert parsed == value
