"""Reading Python text, one thread at a time.

Python 3.11 counts the depth of the tree that it builds once for all threads, so that two threads
building at the same time now and then get SystemError, "AST constructor recursion depth mismatch".
"""

from __future__ import annotations

import ast
import os
import threading
from typing import Any

_turn = threading.Lock()


def parse(code: str) -> ast.Module:
    """Return the syntax tree of a program that compiles. Raises SyntaxError, ValueError,
    RecursionError or MemoryError for one that does not."""
    with _turn:
        tree = ast.parse(code)
        compile(tree, "<program>", "exec", dont_inherit=True)
        return tree


def parse_expression(text: str) -> ast.expr:
    """Return the syntax tree of an expression. Raises as `parse` does."""
    with _turn:
        return ast.parse(text, mode="eval").body


def literal(text: str) -> Any:
    """Return the value of a literal. Raises ValueError for what is none."""
    try:
        with _turn:
            return ast.literal_eval(text)
    except (ValueError, SyntaxError, TypeError, MemoryError, RecursionError) as exc:
        raise ValueError(f"no Python literal: {exc}") from exc


def _after_fork() -> None:
    global _turn
    _turn = threading.Lock()


os.register_at_fork(after_in_child=_after_fork)
