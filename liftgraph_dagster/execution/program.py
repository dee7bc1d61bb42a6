"""A program: a graph plus the instructions and demonstrations of each predictor, by digest."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import dspy
import pydantic

from liftgraph_dagster.errors import ConfigurationError, NotFound
from liftgraph_dagster.graph.digest import canonical_json, digest_bytes
from liftgraph_dagster.graph.graph import Graph
from liftgraph_dagster.graph.node import ModuleNode, SignatureNode

PREDICTOR = "self"
"""Name of a SignatureNode's only predictor, as DSPy calls it."""


@dataclass(frozen=True)
class Program:
    """What an optimizer changes about a graph.

    `nodes` maps a node's name to its predictors' state: by predictor name `instructions` and
    `demos`. What is absent is as the graph's code has it.
    """

    graph: str
    nodes: Mapping[str, Mapping[str, Mapping[str, Any]]] = field(default_factory=dict)
    name: str = "baseline"
    """A label; not part of the digest."""

    @cached_property
    def digest(self) -> str:
        """SHA-256 of graph and nodes: equal programs have equal digests, whatever their names."""
        return digest_bytes(canonical_json({"graph": self.graph, "nodes": self.nodes}))

    def to_json(self) -> bytes:
        """Return the program as JSON."""
        return canonical_json({"graph": self.graph, "name": self.name, "nodes": self.nodes})

    @classmethod
    def from_json(cls, data: bytes) -> Program:
        """Return the program that `data` describes."""
        raw = json.loads(data)
        return cls(graph=raw["graph"], nodes=raw["nodes"], name=raw["name"])

    def apply(self, node: str, module: dspy.Module) -> None:
        """Give the predictors of `module`, which is `node`'s, their instructions and demos.

        Raises ConfigurationError, naming the fields, for a demo that does not fit its signature.
        """
        states = self.nodes.get(node, {})
        predictors = dict(module.named_predictors())
        for name, state in states.items():
            if name not in predictors:
                raise ConfigurationError(
                    f"program {self.name!r} has a predictor {name!r} for node {node}, which has "
                    f"only {', '.join(predictors)}. It was made for another version of the graph"
                )
            _apply(self.name, node, predictors[name], state)


def declared_program(graph: Graph[Any], name: str) -> Program:
    """Return a program that the graph's code declares. Raises NotFound."""
    if name not in graph.programs:
        raise NotFound(
            f"graph {graph.name!r} has no program {name!r}; it has {', '.join(graph.programs)}"
        )
    nodes = {
        node: {PREDICTOR: {"demos": [_plain(demo) for demo in demos]}}
        for node, demos in graph.programs[name].items()
    }
    program = Program(graph=graph.name, nodes=nodes, name=name)
    for node in nodes:
        if node not in graph.nodes:
            raise ConfigurationError(
                f"program {name!r} of graph {graph.name!r} has demos for {node}, which is not a "
                "node of the graph"
            )
        program.apply(node, predictor_of(graph.nodes[node]))
    return program


def predictor_of(node: Any) -> dspy.Module:
    """Return a fresh module for a SignatureNode or ModuleNode class."""
    if issubclass(node, SignatureNode):
        return dspy.Predict(node.signature, **node.lm_config)
    if issubclass(node, ModuleNode):
        return node.module()
    raise ConfigurationError(f"{node.__name__} asks no language model, so it has no demos")


def _apply(program: str, node: str, predictor: dspy.Predict, state: Mapping[str, Any]) -> None:
    signature = predictor.signature
    if "instructions" in state:
        predictor.signature = signature = signature.with_instructions(state["instructions"])
    demos = [dict(demo) for demo in state.get("demos", ())]
    for demo in demos:
        if unknown := demo.keys() - signature.fields.keys() - {"augmented"}:
            raise ConfigurationError(
                f"program {program!r}: a demo of {node} has {', '.join(sorted(unknown))}, which "
                f"its signature does not have; it has {', '.join(signature.fields)}"
            )
    if "demos" in state:
        predictor.demos = demos


def _plain(demo: Mapping[str, Any]) -> dict[str, Any]:
    return {
        name: pydantic.TypeAdapter(Any).dump_python(value, mode="json")
        for name, value in demo.items()
    }
