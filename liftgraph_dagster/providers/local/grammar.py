"""A JSON schema as the grammar that constrains the embedded model.

The grammar is compiled here before the model sees it: llama.cpp drops one that it cannot compile
and lets the model say what it likes.
"""

from __future__ import annotations

import json
from functools import lru_cache
from typing import Any

from llguidance import LLMatcher, LLTokenizer

from liftgraph_dagster.errors import ErrorClass, ProviderError

_COMPACT = {
    "whitespace_flexible": False,  # half of the generated tokens would be indentation
    "item_separator": ", ",
    "key_separator": ": ",
    "coerce_one_of": True,  # as anyOf; the answer is validated against the schema afterwards
}
JSON_BEGINS = frozenset('{["-0123456789tfn')
"""What the first character of any JSON value can be."""


def json_grammar(schema: dict[str, Any]) -> str:
    """Return the grammar that constrains decoding to `schema`, on one line without spaces to
    spare. Raises ProviderError, with what the compiler says, when there is none."""
    grammar = f"%llguidance {{}}\nstart: %json {json.dumps({**schema, 'x-guidance': _COMPACT})}"
    if problem := _problem(grammar):
        raise ProviderError(
            f"Failed to compile json grammar: {problem}",
            error_class=ErrorClass.PERMANENT,
            status=400,
        )
    return grammar


@lru_cache(maxsize=256)
def _problem(grammar: str) -> str:
    said: str = LLMatcher.validate_grammar(grammar, _tokenizer())
    return said.partition("\n   1 | ")[0].strip()


@lru_cache(maxsize=1)
def _tokenizer() -> LLTokenizer:
    return LLTokenizer("byte")
