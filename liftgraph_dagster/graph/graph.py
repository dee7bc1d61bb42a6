"""A graph: nodes and edges over a state type, checked when it is built.

Edges are read from the return annotations of the nodes' `run`. A graph that cannot run is refused
here, with the names of the nodes and fields, and not in the middle of an execution.
"""

from __future__ import annotations

import inspect
import json
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import UnionType
from typing import Annotated, Any, Generic, Union, get_args, get_origin, get_type_hints

import pydantic
from pydantic_graph import BaseNode, Edge, End

from liftgraph_dagster.errors import GraphError, InputError
from liftgraph_dagster.graph.digest import digest
from liftgraph_dagster.graph.merge import conflict, reducers
from liftgraph_dagster.graph.node import (
    CallNode,
    FunctionNode,
    ModuleNode,
    Node,
    Parallel,
    SignatureNode,
)
from liftgraph_dagster.graph.state import StateT, refuse_surrogates
from liftgraph_dagster.graph.version import node_digest, state_digest

NodeType = type[Node[Any]]
Demos = Mapping[str, Sequence[Mapping[str, Any]]]
"""Node name to demonstrations: the signature's inputs and outputs by field name."""


@dataclass(frozen=True)
class Successor:
    """One edge."""

    node: str | None
    """Name of the next node; None for the end."""
    label: str | None = None


class Graph(Generic[StateT]):
    """A typed graph, ready to be registered and run.

    Args:
        name: how it is called on the command line and in the tables.
        state: the state type.
        nodes: all node classes, the first one is where executions begin. Branches of a
            `Parallel` belong in the list too.
        start: makes the first state from an input. The annotation of its parameter is the type
            that inputs are validated against.
        outcome: what an execution is for, taken from its last state; any JSON value.
        headline: one line of an outcome, for tables.
        examples: files of labelled examples (JSON Lines).
        expected: the form of the examples' labels; None when any JSON will do.
        sample: ids of the examples for a first look at the graph, a dozen or so.
        metric: scores an outcome against an example: a function `(example, outcome, trace=None)`
            that returns a number in [0, 1], or a `Metric`; see `evaluation.metric`.
        metrics: further ones, which an evaluation uses when it is asked for them by name.
        label_checks: by name, functions that say what is wrong with a labelled example, in words;
            nothing is said of one that can be trusted. See `evaluation.label_check`.
        programs: named demonstrations for the nodes. `baseline` is the program that runs when
            nothing else is asked for; without one it is the signatures as they stand.
        candidates: state fields that hold `Candidates`.
        attrs: small projection of the state that executions can be searched by.
        migrate: makes the JSON of a state written by another version fit this one; gets and
            returns the parsed object.

    Raises GraphError when the graph cannot run.
    """

    def __init__(
        self,
        name: str,
        *,
        state: type[StateT],
        nodes: Sequence[NodeType],
        start: Callable[[Any], StateT],
        outcome: Callable[[StateT], Any],
        headline: Callable[[Any], str] = str,
        examples: Sequence[Path] = (),
        expected: type[pydantic.BaseModel] | None = None,
        sample: Sequence[str] = (),
        metric: Any = None,
        metrics: Sequence[Any] = (),
        label_checks: Mapping[str, Callable[[Any], Sequence[str]]] | None = None,
        programs: Mapping[str, Demos] | None = None,
        candidates: Sequence[str] = (),
        attrs: Callable[[StateT], Mapping[str, Any]] | None = None,
        migrate: Callable[[dict[str, Any]], dict[str, Any]] | None = None,
        description: str = "",
    ) -> None:
        self.name = name
        self.state = state
        self.nodes: dict[str, NodeType] = _by_name(name, nodes)
        self.first = nodes[0].__name__ if nodes else ""
        self.start = start
        self.outcome = outcome
        self.headline = headline
        self.examples = tuple(examples)
        self.expected = expected
        self.sample = tuple(sample)
        self.metric = metric
        self.metrics = tuple(metrics)
        self.label_checks = dict(label_checks or {})
        self.programs: Mapping[str, Demos] = {"baseline": {}} | dict(programs or {})
        self.candidates = tuple(candidates)
        self.attrs = attrs
        self.migrate = migrate
        self.description = description or (inspect.getdoc(state) or "").partition("\n")[0]
        self.edges: dict[str, tuple[Successor, ...]] = {
            node: _successors(name, node_type, self.nodes) for node, node_type in self.nodes.items()
        }
        self._input: pydantic.TypeAdapter[Any] = pydantic.TypeAdapter(_input_type(name, start))
        self._check()
        self.manifest: dict[str, str] = {
            "state": state_digest(state),
            "edges": digest(
                {n: [[s.node, s.label] for s in edges] for n, edges in self.edges.items()}
            ),
        } | {node: node_digest(node_type) for node, node_type in self.nodes.items()}
        self.version = digest(self.manifest)

    def __repr__(self) -> str:
        return f"Graph({self.name!r}, {len(self.nodes)} nodes, version {self.version[:12]})"

    @property
    def takes_text(self) -> bool:
        """True when the input is a plain text, so that a prompt can be handed over as it is."""
        return self.input_schema.get("type") == "string"

    @property
    def asks_model(self) -> bool:
        """True when a node asks a language model."""
        return any(issubclass(node, SignatureNode | ModuleNode) for node in self.nodes.values())

    @property
    def input_schema(self) -> dict[str, Any]:
        """JSON schema of the input."""
        return self._input.json_schema()

    def begin(self, value: Any) -> StateT:
        """Return the first state for an input. Raises InputError, naming what is wrong."""
        refuse_surrogates(value, f"input of {self.name}")
        try:
            return self.start(self._input.validate_python(value))
        except pydantic.ValidationError as exc:
            raise InputError(f"input of {self.name}: {_first_problem(exc)}") from exc

    def projection(self, state: StateT) -> dict[str, Any]:
        """Return what executions in `state` can be searched by. Raises GraphError when the graph's
        `attrs` raises or returns what is no JSON object."""
        if self.attrs is None:
            return {}
        try:
            found = dict(self.attrs(state))
            refuse_surrogates(found, "it")
            json.dumps(found, allow_nan=False)
        except Exception as exc:
            raise GraphError(
                f"`attrs` of graph {self.name!r} gives nothing that can be stored: "
                f"{type(exc).__name__}: {exc}"
            ) from exc
        return found

    def changed_since(self, manifest: Mapping[str, str]) -> tuple[str, ...]:
        """Return what differs from the manifest of another version, by name: nodes, `state`,
        `edges`."""
        names = sorted(self.manifest.keys() | manifest.keys())
        return tuple(n for n in names if self.manifest.get(n) != manifest.get(n))

    def reachable(self, names: Iterable[str]) -> list[str]:
        """Return the nodes that can run once one of `names` runs, nearest first."""
        found: list[str] = []
        waiting = list(names)
        while waiting:
            name = waiting.pop(0)
            if name in found or name not in self.nodes:
                continue
            found.append(name)
            node = self.nodes[name]
            waiting += [edge.node for edge in self.edges[name] if edge.node]
            if issubclass(node, Parallel):
                waiting += [branch.__name__ for branch in node.branches]
        return found

    def _check(self) -> None:
        for name, node in self.nodes.items():
            self._check_fields(name, node)
        self._check_branches()
        reached = self.reachable([self.first])
        in_branches = self._in_branches()
        if unreachable := [name for name in self.nodes if name not in reached]:
            raise GraphError(
                f"graph {self.name!r}: no way leads from {self.first} to "
                f"{', '.join(unreachable)}. Name them in the return annotation of a node's run, "
                "or leave them out"
            )
        spine = [name for name in reached if name not in in_branches]
        if not any(edge.node is None for name in spine for edge in self.edges[name]):
            raise GraphError(f"graph {self.name!r} has no end: no node's run returns End")
        for name in self.label_checks:
            if not name.isidentifier():
                raise GraphError(
                    f"graph {self.name!r}: {name!r} cannot be the name of a label check; it takes "
                    "letters, digits and '_', the first one no digit"
                )
        for name in self.candidates:
            if name not in self.state.model_fields:
                raise GraphError(
                    f"graph {self.name!r}: candidates field {name!r} is not in "
                    f"{self.state.__name__}"
                )

    def _in_branches(self) -> set[str]:
        return {
            name
            for node in self.nodes.values()
            if issubclass(node, Parallel)
            for name in self.reachable(branch.__name__ for branch in node.branches)
        }

    def _check_fields(self, name: str, node: NodeType) -> None:
        for what in ("reads", "writes"):
            for field in getattr(node, what) or ():
                if field not in self.state.model_fields:
                    raise GraphError(
                        f"graph {self.name!r}: node {name} {what} {field!r}, which is not a "
                        f"field of {self.state.__name__}"
                    )
        if missing := _missing(node):
            raise GraphError(f"graph {self.name!r}: node {name} has no {missing}")
        if issubclass(node, CallNode):
            for what, method in (("reads", "extract_inputs"), ("writes", "update_state")):
                inherited = getattr(node, method) is getattr(CallNode, method)
                if inherited and getattr(node, what) is None:
                    raise GraphError(
                        f"graph {self.name!r}: node {name} neither declares `{what}` nor "
                        f"overrides `{method}`"
                    )

    def _check_branches(self) -> None:
        merged = reducers(self.state)
        for name, node in self.nodes.items():
            if not issubclass(node, Parallel):
                continue
            writers: dict[str, str] = {}
            for branch in node.branches:
                for field, writer in self._branch_writes(name, branch).items():
                    if field in writers and field not in merged:
                        nodes = f"{writers[field]}, {writer}"
                        raise conflict(f"{name} in graph {self.name!r}", field, nodes)
                    writers[field] = writer

    def _branch_writes(self, parallel: str, branch: NodeType) -> dict[str, str]:
        """Return the fields that a branch may change, each with the node that writes it."""
        if branch.__name__ not in self.nodes:
            raise GraphError(
                f"graph {self.name!r}: {parallel} has the branch {branch.__name__}, which is not "
                "among the graph's nodes"
            )
        writes: dict[str, str] = {}
        for name in self.reachable([branch.__name__]):
            node = self.nodes[name]
            if node.writes is None and issubclass(node, CallNode):
                raise GraphError(
                    f"graph {self.name!r}: {name} runs in a branch of {parallel} and overrides "
                    "update_state, so it must declare `writes`"
                )
            writes.update(dict.fromkeys(node.writes or (), name))
        return writes


def _by_name(graph: str, nodes: Sequence[NodeType]) -> dict[str, NodeType]:
    if not nodes:
        raise GraphError(f"graph {graph!r} has no nodes")
    by_name: dict[str, NodeType] = {}
    for node in nodes:
        if not (isinstance(node, type) and issubclass(node, Node)):
            raise GraphError(f"graph {graph!r}: {node!r} is not a node class")
        if node.__name__ in by_name:
            raise GraphError(f"graph {graph!r} has two nodes named {node.__name__}")
        by_name[node.__name__] = node
    return by_name


def _missing(node: NodeType) -> str | None:
    """Return the name of what a node of its kind must have and this one has not."""
    if issubclass(node, SignatureNode) and getattr(node, "signature", None) is None:
        return "signature"
    if issubclass(node, ModuleNode) and getattr(node, "module", None) is None:
        return "module"
    if issubclass(node, FunctionNode) and getattr(node, "call", None) is None:
        return "call"
    if issubclass(node, Parallel) and not getattr(node, "branches", ()):
        return "branches"
    return None


def _successors(graph: str, node: NodeType, nodes: Mapping[str, NodeType]) -> tuple[Successor, ...]:
    """Read the possible successors from the return annotation of `run`."""
    if node.run is BaseNode.run:
        raise GraphError(f"graph {graph!r}: node {node.__name__} has no run")
    annotation = inspect.signature(node.run).return_annotation
    if annotation is inspect.Signature.empty:
        raise GraphError(
            f"graph {graph!r}: {node.__name__}.run has no return annotation. Name the possible "
            "next nodes, for example -> NextNode | End[None]"
        )
    if isinstance(annotation, str):
        try:
            annotation = _evaluated(annotation, {**vars(sys.modules[node.__module__]), **nodes})
        except NameError as exc:
            raise GraphError(
                f"graph {graph!r}: {node.__name__}.run leads to {exc.name}, which is neither a "
                "node of the graph nor known in its module"
            ) from exc
    return tuple(_successor(graph, node, item, nodes) for item in _alternatives(annotation))


def _alternatives(annotation: Any) -> list[Any]:
    if get_origin(annotation) in (Union, UnionType):
        return [item for part in get_args(annotation) for item in _alternatives(part)]
    return [annotation]


def _successor(
    graph: str, node: NodeType, annotation: Any, nodes: Mapping[str, NodeType]
) -> Successor:
    label = None
    if get_origin(annotation) is Annotated:
        annotation, *extras = get_args(annotation)
        label = next((e.label for e in extras if isinstance(e, Edge)), None)
    target = get_origin(annotation) or annotation
    if target is End:
        return Successor(None, label)
    name = getattr(target, "__name__", repr(target))
    if nodes.get(name) is not target:
        raise GraphError(
            f"graph {graph!r}: {node.__name__}.run leads to {name}, which is not among the "
            "graph's nodes"
        )
    return Successor(name, label)


def _input_type(graph: str, start: Callable[[Any], Any]) -> Any:
    parameters = list(inspect.signature(start).parameters.values())
    if len(parameters) != 1:
        raise GraphError(f"graph {graph!r}: `start` takes one parameter, the input")
    annotation = parameters[0].annotation
    if annotation is inspect.Parameter.empty:
        return Any
    if isinstance(annotation, str):
        annotation = _evaluated(annotation, getattr(start, "__globals__", {}))
    return annotation


def _evaluated(annotation: str, scope: dict[str, Any]) -> Any:
    """Return what a postponed annotation stands for, without reading its neighbours: those may
    name types that are imported for type checkers only."""
    holder = type("Holder", (), {"__annotations__": {"it": annotation}})
    return get_type_hints(holder, scope, {"End": End}, include_extras=True)["it"]


def _first_problem(exc: pydantic.ValidationError) -> str:
    problem = exc.errors(include_url=False, include_input=False)[0]
    where = ".".join(str(part) for part in problem["loc"])
    return f"{where}: {problem['msg']}" if where else problem["msg"]
