"""What a model server would do with a JSON schema: checked before, validated after.

SGLang refuses some keywords and llama.cpp silently ignores others. A schema passes here only if
both honour every keyword of it, so that one request means the same on either side. An answer is
validated in full all the same: a 200 is not trusted.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from functools import cache, lru_cache
from re import _parser  # type: ignore[attr-defined]  # what a pattern is made of
from typing import Any

import jsonschema

from liftgraph_dagster.errors import OutputInvalid, SchemaRefused

_REFUSED = frozenset(
    {
        "contains", "minContains", "maxContains", "dependentRequired", "dependentSchemas",
        "if", "then", "else", "multipleOf", "not", "uniqueItems", "unevaluatedItems",
        "unevaluatedProperties", "patternProperties", "propertyNames", "minProperties",
        "maxProperties",
    }
)  # fmt: skip

_HONOURED = frozenset(
    {
        "$defs", "$ref", "additionalProperties", "allOf", "anyOf", "const", "default",
        "definitions", "deprecated", "description", "discriminator", "enum", "examples",
        "exclusiveMaximum", "exclusiveMinimum", "format", "items", "maxItems", "maxLength",
        "maximum", "minItems", "minLength", "minimum", "oneOf", "pattern", "prefixItems",
        "properties", "readOnly", "required", "title", "type", "writeOnly", "$schema", "$id",
        "$comment", "contentMediaType", "contentEncoding",
    }
)  # fmt: skip

_FORMATS = frozenset(
    {"date", "time", "date-time", "duration", "email", "ipv4", "ipv6", "uuid", "hostname"}
)
"""Not `uri`: llama.cpp cannot compile it, and answers without any constraint."""

_SUBSCHEMA = ("items", "additionalProperties")
_SUBSCHEMAS = ("allOf", "anyOf", "oneOf", "prefixItems")
_NAMED = ("properties", "$defs", "definitions")


def check_schema(schema: dict[str, Any]) -> None:
    """Raise SchemaRefused, naming keyword and path, unless every server honours all of `schema`."""
    _check_form(schema)
    for path, part in _parts(schema, "$"):
        for keyword, value in part.items():
            _check_keyword(schema, path, keyword, value)


def validate_answer(schema: dict[str, Any], answer: str) -> Any:
    """Return `answer` parsed. Raises OutputInvalid, saying what is wrong and where, when it is
    not JSON or does not match `schema`."""
    try:
        value = json.loads(answer, parse_constant=_no_constant)
    except (ValueError, RecursionError) as exc:
        raise OutputInvalid(f"the answer is not JSON: {exc}", answer=answer) from exc
    problem = jsonschema.exceptions.best_match(_validator(json.dumps(schema)).iter_errors(value))
    if problem is not None:
        where = problem.json_path
        raise OutputInvalid(
            f"the answer does not match its schema at {where}: {problem.message}", answer=answer
        )
    return value


def _no_constant(name: str) -> Any:
    raise ValueError(f"{name} is no JSON number")


def _check_form(schema: dict[str, Any]) -> None:
    """Raise SchemaRefused for what is no JSON schema at all."""
    for problem in _metavalidator().iter_errors(schema):
        where = [str(part) for part in problem.absolute_path]
        keyword = next((part for part in reversed(where) if not part.isdigit()), "$schema")
        path = ".".join(["$", *where[: where.index(keyword) if keyword in where else 0]])
        raise SchemaRefused(keyword=keyword, path=path, reason=f"is malformed: {problem.message}")


def _parts(schema: Any, path: str) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield each subschema with its path. Where JSON Schema expects a schema, `true` is one."""
    if not isinstance(schema, dict):
        return
    yield path, schema
    for keyword in _SUBSCHEMA:
        yield from _parts(schema.get(keyword), f"{path}.{keyword}")
    for keyword in _SUBSCHEMAS:
        for index, part in enumerate(schema.get(keyword, ())):
            yield from _parts(part, f"{path}.{keyword}[{index}]")
    for keyword in _NAMED:
        for name, part in schema.get(keyword, {}).items():
            yield from _parts(part, f"{path}.{keyword}.{name}")


def _check_keyword(root: dict[str, Any], path: str, keyword: str, value: Any) -> None:
    reason = None
    if keyword in _REFUSED:
        reason = "is ignored by at least one model server"
    elif keyword not in _HONOURED:
        reason = "is not known to constrain the output on both model servers"
    elif keyword == "format" and value not in _FORMATS:
        reason = f"has the value {value!r}, which is no format that constrains the output"
    elif keyword == "$ref":
        reason = _bad_reference(root, value)
    elif keyword == "pattern":
        reason = _bad_pattern(value)
    if reason:
        raise SchemaRefused(
            keyword=keyword, path=path, reason=f"{reason}. Use another constraint, or check it "
            "after the call"
        )  # fmt: skip


def _bad_reference(root: dict[str, Any], reference: str) -> str | None:
    if not reference.startswith("#"):
        return f"points to {reference!r}; only references into the same schema are followed"
    target: Any = root
    for part in reference.lstrip("#").strip("/").split("/"):
        if part and not (isinstance(target, dict) and part in target):
            return f"points to {reference!r}, which is not in the schema"
        target = target[part] if part else target
    return None


def _bad_pattern(pattern: str) -> str | None:
    try:
        parsed = _parser.parse(pattern)
    except (re.error, RecursionError, OverflowError) as exc:
        return f"is not a regular expression: {exc}"
    if irregular := _irregular(parsed):
        return f"has a {irregular}, which a grammar cannot express"
    return None


_IRREGULAR = {
    "ASSERT": "lookaround",
    "ASSERT_NOT": "lookaround",
    "GROUPREF": "backreference",
    "GROUPREF_EXISTS": "backreference",
    "ATOMIC_GROUP": "atomic group",
    "POSSESSIVE_REPEAT": "possessive repetition",
    "AT_BOUNDARY": "word boundary",
    "AT_NON_BOUNDARY": "word boundary",
    "AT_BEGINNING_STRING": "Python anchor",
    "AT_END_STRING": "Python anchor",
}


def _irregular(parsed: Any) -> str | None:
    """Return the name of the first part of a parsed pattern that no regular grammar has."""
    if isinstance(parsed, list | tuple | _parser.SubPattern):
        found = (_irregular(part) for part in parsed)
        return next((name for name in found if name), None)
    return _IRREGULAR.get(str(parsed))


@lru_cache(maxsize=256)
def _validator(schema: str) -> jsonschema.Draft202012Validator:
    return jsonschema.Draft202012Validator(
        json.loads(schema), format_checker=jsonschema.Draft202012Validator.FORMAT_CHECKER
    )


@cache
def _metavalidator() -> jsonschema.Draft202012Validator:
    return jsonschema.Draft202012Validator(jsonschema.Draft202012Validator.META_SCHEMA)
