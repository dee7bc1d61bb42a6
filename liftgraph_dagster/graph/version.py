"""Versions: digests of a graph's code, so that an execution is resumed by the code it began with.

Comments, blank lines and docstrings do not count: the source is compared as a syntax tree.
"""

from __future__ import annotations

import ast
import inspect
import textwrap
from collections.abc import Callable
from types import ModuleType
from typing import Any

from liftgraph_dagster.graph.digest import digest
from liftgraph_dagster.graph.node import ModuleNode, Node, Parallel, SignatureNode
from liftgraph_dagster.graph.state import GraphState


def node_digest(node: type[Node[Any]]) -> str:
    """Return the digest of a node: its code, its base classes' code, and what it asks.

    Functions that the code calls are not followed; name those that matter in a class attribute
    `helpers = (function, ...)`, and their code counts too.
    """
    parts: dict[str, Any] = {
        "code": [source(cls) for cls in node.__mro__ if _is_authored(cls)],
        "helpers": [source(helper) for helper in getattr(node, "helpers", ())],
    }
    if issubclass(node, SignatureNode):
        parts["signature"] = _signature(node.signature)
    if issubclass(node, ModuleNode):
        parts["module"] = source(node.module)
    if issubclass(node, Parallel):
        parts["branches"] = [branch.__name__ for branch in node.branches]
    return digest(parts)


def state_digest(state: type[GraphState]) -> str:
    """Return the digest of a state type: its JSON schema and its reducers."""
    from liftgraph_dagster.graph.merge import reducers

    merged = {name: reducer.name for name, reducer in reducers(state).items()}
    return digest({"schema": state.model_json_schema(), "reducers": merged})


def source(thing: type | Callable[..., Any] | ModuleType) -> str:
    """Return the code of a class, function or module as a syntax tree without docstrings; the bare
    qualified name where Python has no source, as in an interactive session."""
    try:
        tree = ast.parse(textwrap.dedent(inspect.getsource(thing)))
    except (OSError, TypeError, SyntaxError):
        where = getattr(thing, "__module__", "")
        return f"{where}.{getattr(thing, '__qualname__', repr(thing))}"
    for part in ast.walk(tree):
        if isinstance(part, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef) and part.body:
            first = part.body[0]
            if isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant):
                part.body = part.body[1:] or [ast.Pass()]
    return ast.dump(tree)


def _is_authored(cls: type) -> bool:
    return issubclass(cls, Node) and cls.__module__ != Node.__module__


def _signature(signature: Any) -> dict[str, Any]:
    return {
        "instructions": signature.instructions,
        "fields": {
            name: [str(field.annotation), field.json_schema_extra.get("desc")]
            for name, field in signature.fields.items()
        },
    }
