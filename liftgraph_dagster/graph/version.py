"""Versions: digests of a graph's code, so that an execution is resumed by the code it began with.

Comments, blank lines and docstrings do not count: the source is compared as a syntax tree.
"""

from __future__ import annotations

import ast
import functools
import inspect
import textwrap
from collections.abc import Callable
from types import ModuleType
from typing import Annotated, Any

import pydantic

from liftgraph_dagster.graph.digest import digest
from liftgraph_dagster.graph.node import ModuleNode, Node, Parallel, SignatureNode
from liftgraph_dagster.graph.state import GraphState

_DOCUMENTED = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)


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
    """Return the code of a class, function, lambda or module as a syntax tree without docstrings,
    and that of its class for any other object; the bare qualified name where Python has no source,
    as in an interactive session."""
    if isinstance(thing, functools.partial):
        return f"{source(thing.func)} {thing.args} {thing.keywords}"
    if not (inspect.isclass(thing) or inspect.isroutine(thing) or inspect.ismodule(thing)):
        thing = type(thing)
    try:
        tree: ast.AST = _lambda(thing) or ast.parse(textwrap.dedent(inspect.getsource(thing)))
    except (OSError, TypeError, SyntaxError):
        where = getattr(thing, "__module__", "")
        return f"{where}.{getattr(thing, '__qualname__', repr(thing))}"
    for part in ast.walk(tree):
        if isinstance(part, _DOCUMENTED) and part.body:
            first = part.body[0]
            if isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant):
                part.body = part.body[1:] or [ast.Pass()]
    return ast.dump(tree)


def _lambda(thing: Any) -> ast.AST | None:
    """Return the syntax tree of a lambda, which is but a part of the lines it stands on; None for
    anything else. Raises OSError where it is not alone on its line."""
    code = getattr(thing, "__code__", None)
    if code is None or code.co_name != "<lambda>":
        return None
    lines, _ = inspect.findsource(thing)
    names = list(code.co_varnames)[: code.co_argcount]
    found = [
        part
        for part in ast.walk(ast.parse("".join(lines)))
        if isinstance(part, ast.Lambda)
        and part.lineno == code.co_firstlineno
        and [argument.arg for argument in part.args.args] == names
    ]
    if len(found) != 1:
        raise OSError("the lambda cannot be told from others on its line")
    return found[0]


def _is_authored(cls: type) -> bool:
    return issubclass(cls, Node) and cls.__module__ != Node.__module__


def _signature(signature: Any) -> dict[str, Any]:
    return {
        "instructions": signature.instructions,
        "fields": {
            name: [_type(field), field.json_schema_extra.get("desc")]
            for name, field in signature.fields.items()
        },
    }


def _type(field: Any) -> Any:
    """Return the JSON schema of a field's type with its constraints; the type's name where there
    is none."""
    annotated: Any = field.annotation
    if field.metadata:
        annotated = Annotated[(field.annotation, *field.metadata)]
    try:
        return [str(field.annotation), pydantic.TypeAdapter(annotated).json_schema()]
    except pydantic.errors.PydanticUserError:
        return str(field.annotation)
