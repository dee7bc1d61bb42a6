"""Parts of outcomes and labels, found by their path."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from liftgraph_dagster.errors import InputError

_LONGEST_SHOWN = 300


def value_at(value: Any, path: str) -> Any:
    """Return what stands at `path`: keys and list indexes joined by dots, as in `ir.holes.0.kind`.
    The empty path is the value itself. None where there is nothing."""
    for step in filter(None, path.split(".")):
        if isinstance(value, Mapping):
            value = value.get(step)
        elif isinstance(value, Sequence) and not isinstance(value, str) and step.isdigit():
            value = value[int(step)] if int(step) < len(value) else None
        else:
            return None
    return value


def text_at(value: Any, path: str, whose: str) -> str:
    """Return the text at `path`. Raises InputError, saying `whose` it should be, for what is no
    text."""
    found = value_at(value, path)
    if not isinstance(found, str):
        where = f" at {path}" if path else ""
        raise InputError(
            f"the {whose} has no text{where} but {type(found).__name__} {shown(found)}; give the "
            "metric the path of a text, or compare with JsonSimilarity"
        )
    return found


def shown(value: Any) -> str:
    """Return a value as JSON on one line, its end cut off where it is long."""
    try:
        text = json.dumps(value, ensure_ascii=False)
    except (TypeError, ValueError):
        text = repr(value)
    return text if len(text) <= _LONGEST_SHOWN else f"{text[:_LONGEST_SHOWN]}..."
