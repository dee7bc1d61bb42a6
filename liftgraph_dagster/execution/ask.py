"""Asking a node's question: from the state to an answer, and what it cost.

An `Asker` belongs to one program. `Answer` is all that the history keeps of a question. `Given`
answers with what somebody has already.
"""

from __future__ import annotations

import asyncio
import inspect
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

import dspy
import pydantic
from dspy.utils.callback import BaseCallback
from pydantic_core import to_json
from pydantic_graph import End, GraphRunContext

from liftgraph_dagster.errors import GraphError, InputError
from liftgraph_dagster.execution.parallel import run_branches
from liftgraph_dagster.execution.program import Program, predictor_of
from liftgraph_dagster.execution.records import NO_USAGE, EventKind, NodeEvent, Usage, now
from liftgraph_dagster.graph.digest import digest_bytes
from liftgraph_dagster.graph.graph import Graph
from liftgraph_dagster.graph.node import (
    CallNode,
    FunctionNode,
    ModuleNode,
    Node,
    Parallel,
    SignatureNode,
)
from liftgraph_dagster.graph.state import GraphState
from liftgraph_dagster.providers.adapter import SchemaAdapter, output_model
from liftgraph_dagster.providers.engine import ModelCall, recorded_calls
from liftgraph_dagster.providers.evidence import evidence_in, with_evidence


@dataclass(frozen=True)
class Answer:
    """The answer to a node's question."""

    prediction: dspy.Prediction
    input_digest: str
    output: bytes
    """The answer's fields, JSON."""
    usage: Usage = NO_USAGE
    evidence: bytes | None = None
    """What `providers.evidence` finds in it, JSON; None when the node asks for no `logprobs`."""
    predictors: tuple[NodeEvent, ...] = ()
    """What the predictors inside a ModuleNode answered."""


class Answerer(Protocol):
    """Answers the questions of nodes."""

    async def answer(self, node: CallNode[Any], state: GraphState) -> Answer:
        """Return the answer to `node`'s question in `state`, which is left as it is."""


class Asker:
    """Answers the questions of a graph's nodes under one program.

    Args:
        lm: the language model; None for graphs that ask none.
    """

    def __init__(self, graph: Graph[Any], program: Program, lm: dspy.LM | None) -> None:
        self.program = program
        self._lm = lm
        self._adapter = SchemaAdapter()
        self._modules: dict[str, dspy.Module] = {}
        for name, node in graph.nodes.items():
            if issubclass(node, CallNode) and not issubclass(node, FunctionNode):
                self._modules[name] = module = predictor_of(node)
                program.apply(name, module)

    async def answer(self, node: CallNode[Any], state: GraphState) -> Answer:
        inputs = node.extract_inputs(state)
        input_digest = digest_bytes(_json(inputs))
        if isinstance(node, FunctionNode):
            outputs = await _call(node, inputs)
            return Answer(dspy.Prediction(**outputs), input_digest, _json(dict(outputs)))
        module = self._modules[type(node).__name__]
        predictors = _PredictorRecorder(module) if isinstance(node, ModuleNode) else None
        with recorded_calls() as calls, self._context(predictors):
            prediction = await module.acall(**inputs)
        evidence = None
        if isinstance(node, SignatureNode) and calls and calls[-1].logprobs:
            evidence = evidence_in(calls[-1].logprobs)
            with_evidence(prediction, evidence)
        return Answer(
            prediction,
            input_digest,
            _json(_fields(prediction, module)),
            usage=usage_of(calls),
            evidence=None if evidence is None else _json(evidence),
            predictors=predictors.events() if predictors else (),
        )

    def _context(self, predictors: BaseCallback | None) -> Any:
        if self._lm is None:
            raise GraphError(
                f"program {self.program.name!r} asks a language model, but none was given"
            )
        return dspy.context(
            lm=self._lm,
            adapter=self._adapter,
            disable_history=True,
            callbacks=[predictors] if predictors else [],
        )


class Given:
    """Answers with outputs that are there already, whatever is asked.

    Args:
        outputs: the answer's fields, as JSON has them. Raises InputError when asked, naming the
            field, if they do not have the types that the node writes.
    """

    def __init__(self, outputs: Mapping[str, Any]) -> None:
        self._outputs = outputs

    async def answer(self, node: CallNode[Any], state: GraphState) -> Answer:
        return Answer(
            prediction_of(node, type(state), self._outputs),
            digest_bytes(_json(node.extract_inputs(state))),
            _json(dict(self._outputs)),
        )


class PlainRuntime:
    """Runs nodes without storing anything: the `deps` for pydantic-graph's own runner."""

    def __init__(self, asker: Asker) -> None:
        self._asker = asker

    async def ask(self, node: CallNode[Any], state: Any) -> dspy.Prediction:
        answer = await self._asker.answer(node, state)
        node.update_state(state, answer.prediction)
        return answer.prediction

    async def fan_out(self, node: Parallel[Any], state: Any) -> None:
        await run_branches(node, state, self._walk)

    async def _walk(self, index: int, node: Node[Any], state: GraphState) -> GraphState:
        at: Any = node
        while not isinstance(at, End):
            at = await at.run(GraphRunContext(state=state, deps=self))
        return state


def prediction_of(
    node: CallNode[Any], state_type: type[GraphState], outputs: Mapping[str, Any]
) -> dspy.Prediction:
    """Return the answer whose fields are `outputs`, each as the type that the node gave it.

    A signature's outputs have the types that it declares; of other nodes those that bear the name
    of a state field have that field's type. Raises InputError, naming node and field.
    """
    if isinstance(node, SignatureNode):
        model = output_model(node.signature)
    else:
        written = node.writes or () if type(node).update_state is CallNode.update_state else ()
        fields: dict[str, Any] = {
            name: (field.annotation, ...)
            for name, field in state_type.model_fields.items()
            if name in outputs or name in written
        }
        model = pydantic.create_model(
            "Outputs", __config__=pydantic.ConfigDict(extra="allow"), **fields
        )
    try:
        typed = model.model_validate(outputs)
    except pydantic.ValidationError as exc:
        problem = exc.errors(include_url=False, include_input=False)[0]
        raise InputError(
            f"output of {type(node).__name__}: {'.'.join(map(str, problem['loc']))}: "
            f"{problem['msg']}"
        ) from exc
    return dspy.Prediction(**{name: getattr(typed, name) for name in outputs})


def usage_of(calls: list[ModelCall]) -> Usage:
    """Return the sum of `calls`."""
    return sum(
        (
            Usage(
                calls=1,
                prompt_tokens=call.prompt_tokens,
                cached_tokens=call.cached_tokens,
                completion_tokens=call.completion_tokens,
                model_seconds=call.seconds,
                model=call.model,
            )
            for call in calls
        ),
        NO_USAGE,
    )


class _PredictorRecorder(BaseCallback):
    """Notes what each predictor of a module was asked and answered."""

    def __init__(self, module: dspy.Module) -> None:
        self._names = {id(predictor): name for name, predictor in module.named_predictors()}
        self._open: dict[str, tuple[str, Any, float, Any]] = {}
        self._events: list[NodeEvent] = []

    def on_module_start(self, call_id: str, instance: Any, inputs: dict[str, Any]) -> None:
        if id(instance) in self._names:
            kwargs = inputs.get("kwargs", inputs)
            self._open[call_id] = (self._names[id(instance)], now(), time.perf_counter(), kwargs)

    def on_module_end(self, call_id: str, outputs: Any, exception: Exception | None = None) -> None:
        if call_id not in self._open:
            return
        name, started_at, started, inputs = self._open.pop(call_id)
        self._events.append(
            NodeEvent(
                EventKind.PREDICTOR,
                node=name,
                node_type="predictor",
                started_at=started_at,
                duration_s=time.perf_counter() - started,
                input_digest=digest_bytes(_json(inputs)),
                output=_json(_fields(outputs, None)) if outputs is not None else None,
            )
        )

    def events(self) -> tuple[NodeEvent, ...]:
        return tuple(self._events)


async def _call(node: FunctionNode[Any], inputs: Mapping[str, Any]) -> Mapping[str, Any]:
    if inspect.iscoroutinefunction(node.call):
        outputs = await node.call(**inputs)
    else:
        outputs = await asyncio.to_thread(node.call, **inputs)
    if not isinstance(outputs, Mapping):
        raise GraphError(
            f"{type(node).__name__}.call returned {type(outputs).__name__}; return a mapping of "
            "output names to values"
        )
    return outputs


def _fields(prediction: dspy.Prediction, module: dspy.Module | None) -> dict[str, Any]:
    """Return the answer's fields; of a signature's answer only those that it declares."""
    fields: dict[str, Any] = prediction.toDict() if hasattr(prediction, "toDict") else {}
    if isinstance(module, dspy.Predict):
        return {name: prediction[name] for name in module.signature.output_fields}
    return {name: value for name, value in fields.items() if name != "logprobs"}


def _json(value: Any) -> bytes:
    return to_json(value, inf_nan_mode="constants", bytes_mode="base64")
