from __future__ import annotations

from typing import Any, Literal

import pydantic
import pytest

from liftgraph_dagster.providers.outline import outline


class Parameter(pydantic.BaseModel):
    name: str
    type: str | None = None


class Drawing(pydantic.BaseModel):
    title: str = pydantic.Field(max_length=10)
    kind: Literal["sketch", "plan"]
    parameters: list[Parameter]
    sizes: dict[str, dict[str, int]]
    scale: float = 1.0
    extra: Any = None


class Tree(pydantic.BaseModel):
    label: str
    children: list[Tree]


@pytest.mark.parametrize(
    ("schema", "expected"),
    [
        ({"type": "string"}, "string"),
        ({"type": "integer", "minimum": 1}, "integer"),
        ({"type": ["integer", "null"]}, "integer or null"),
        ({"type": "array", "items": {"type": "number"}}, "[number]"),
        ({"type": "array"}, "[any]"),
        ({"type": "array", "items": {}}, "[any]"),
        ({"type": "object"}, "{name: any}"),
        ({"type": "object", "properties": {}}, "{}"),
        ({"type": "object", "additionalProperties": {"type": "boolean"}}, "{name: boolean}"),
        ({"type": "object", "additionalProperties": True}, "{name: any}"),
        ({"enum": ["a", 1, None]}, '"a" or 1 or null'),
        ({"const": "a", "type": "string"}, '"a"'),
        ({"const": None}, "null"),
        ({"anyOf": [{"type": "string"}, {"type": "null"}]}, "string or null"),
        ({"oneOf": [{"const": 1}, {"const": 2}]}, "1 or 2"),
        ({"anyOf": [{"type": "string"}, {"type": "string", "format": "date"}]}, "string"),
        ({"allOf": [{"$ref": "#/$defs/A"}], "$defs": {"A": {"type": "string"}}}, "string"),
        ({"$ref": "#/definitions/A", "definitions": {"A": {"type": "null"}}}, "null"),
        ({"$ref": "#/$defs/Missing"}, "any"),
        ({"description": "whatever"}, "any"),
        ({}, "any"),
        (True, "any"),
    ],
)
def test_a_schema_is_said_in_a_few_words(schema: Any, expected: str) -> None:
    assert outline(schema) == expected


@pytest.mark.parametrize(
    ("value", "expected"),
    [(True, "true"), (False, "false"), ('say "hi"', r'"say \"hi\""'), ("a\nb", r'"a\nb"')],
)
def test_a_literal_stands_as_the_json_that_the_model_is_to_write(value: Any, expected: str) -> None:
    assert outline({"const": value}) == expected


def test_a_pydantic_model_is_outlined_on_one_line() -> None:
    expected = (
        '{"title": string, "kind": "sketch" or "plan", '
        '"parameters": [{"name": string, "type": string or null}], '
        '"sizes": {name: {name: integer}}, "scale": number, "extra": any}'
    )

    assert outline(Drawing.model_json_schema()) == expected


def test_a_recursive_type_is_named_the_second_time() -> None:
    assert outline(Tree.model_json_schema()) == '{"label": string, "children": [Tree]}'


def test_a_type_that_is_used_twice_side_by_side_is_outlined_twice() -> None:
    schema = {
        "properties": {"a": {"$ref": "#/$defs/A"}, "b": {"$ref": "#/$defs/A"}},
        "type": "object",
        "$defs": {"A": {"type": "integer"}},
    }

    assert outline(schema) == '{"a": integer, "b": integer}'
