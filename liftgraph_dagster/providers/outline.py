"""A JSON schema as a few words that a language model can read.

{"name": string, "parameters": [{"name": string, "type": string}], "returns": string or null}
"""

from __future__ import annotations

import json
from typing import Any


def outline(schema: dict[str, Any]) -> str:
    """Return the shape of `schema` on one line. Recursive types appear by name the second time."""
    return _outline(schema, schema, frozenset())


def _outline(schema: Any, root: dict[str, Any], inside: frozenset[str]) -> str:
    if not isinstance(schema, dict) or not schema:
        return "any"
    if "$ref" in schema:
        name = str(schema["$ref"]).rpartition("/")[2]
        if name in inside:
            return name
        return _outline(_definition(root, name), root, inside | {name})
    if "const" in schema:
        return _literal(schema["const"])
    if "enum" in schema:
        return " or ".join(_literal(value) for value in schema["enum"])
    for keyword in ("anyOf", "oneOf", "allOf"):
        if keyword in schema:
            parts = (_outline(part, root, inside) for part in schema[keyword])
            return " or ".join(dict.fromkeys(parts))
    return _by_type(schema, root, inside)


def _by_type(schema: dict[str, Any], root: dict[str, Any], inside: frozenset[str]) -> str:
    match schema.get("type"):
        case "array":
            return f"[{_outline(schema.get('items'), root, inside)}]"
        case "object":
            if "properties" in schema:
                items = (
                    f'"{name}": {_outline(part, root, inside)}'
                    for name, part in schema["properties"].items()
                )
                return "{" + ", ".join(items) + "}"
            return "{" + f"name: {_outline(schema.get('additionalProperties'), root, inside)}" + "}"
        case list() as types:
            return " or ".join(types)
        case str() as name:
            return name
        case _:
            return "any"


def _definition(root: dict[str, Any], name: str) -> Any:
    return (root.get("$defs") or root.get("definitions") or {}).get(name)


def _literal(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)
