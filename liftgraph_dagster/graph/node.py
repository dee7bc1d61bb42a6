"""What a node is: which fields it reads, what it asks, what it writes, where it goes next.

Four kinds, all subclasses of `pydantic_graph.BaseNode`, so that they run unchanged under
pydantic-graph's own runner:

- `SignatureNode`  a DSPy signature
- `ModuleNode`     an existing `dspy.Module`
- `FunctionNode`   a tool or plain code
- `Parallel`       branches, each on its own copy of the state

`run` says where to go next; what happens around the question (prompts, cache, hooks, storage) is
the business of the runtime, which `run` reaches through `ask` and `fan_out`.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, ClassVar, Generic, Protocol

from pydantic_graph import BaseNode, End, GraphRunContext

from liftgraph_dagster.errors import GraphError
from liftgraph_dagster.graph.state import StateT

if TYPE_CHECKING:
    import dspy


class Runtime(Protocol):
    """What a node can ask of whoever runs it; the `deps` of pydantic-graph."""

    async def ask(self, node: CallNode[Any], state: Any) -> dspy.Prediction:
        """Answer the node's question from `state`, write the answer into `state`, return it."""

    async def fan_out(self, node: Parallel[Any], state: Any) -> None:
        """Run the node's branches on copies of `state` and merge them into `state`."""


Context = GraphRunContext[StateT, Runtime]
"""What `run` receives: `ctx.state`, a copy that is this node's own, and `ctx.deps`."""


class Node(BaseNode[StateT, Runtime, None], Generic[StateT]):
    """Base of all nodes. The return annotation of `run` names the possible successors."""

    kind: ClassVar[str]
    """Word for the kind of node, as it stands in the history."""
    reads: ClassVar[tuple[str, ...] | None] = None
    """State fields that the node's question is made of; None when not declared."""
    writes: ClassVar[tuple[str, ...] | None] = None
    """State fields that the node may change; None when not declared. When declared, a change to
    any other field is an error."""


class CallNode(Node[StateT], Generic[StateT]):
    """A node that asks something outside the state: a model, a module, a function."""

    def extract_inputs(self, state: StateT) -> dict[str, Any]:
        """Return the inputs of the question. Pure: called again when a history is replayed."""
        return {name: getattr(state, name) for name in _declared(self, "reads")}

    def update_state(self, state: StateT, prediction: dspy.Prediction) -> None:
        """Write the answer into `state`. Pure: called again when a history is replayed."""
        for name in _declared(self, "writes"):
            if name not in prediction:
                raise GraphError(
                    f"{type(self).__name__} writes {name!r}, which its answer does not have; it "
                    f"has {', '.join(prediction.keys()) or 'nothing'}"
                )
            setattr(state, name, prediction[name])

    async def ask(self, ctx: Context[StateT]) -> dspy.Prediction:
        """Ask this node's question and return the answer, already written into `ctx.state`."""
        return await ctx.deps.ask(self, ctx.state)


class SignatureNode(CallNode[StateT], Generic[StateT]):
    """A node that asks a language model through a DSPy signature.

    Unless the methods are overridden, the signature's inputs are read from, and its outputs are
    written to, the state fields of the same names.
    """

    kind = "signature"
    signature: ClassVar[type[dspy.Signature]]
    lm_config: ClassVar[Mapping[str, Any]] = {}
    """Sampling settings for this node's calls: temperature, max_tokens; `logprobs=True` for
    evidence, see `providers.evidence`."""

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        signature = getattr(cls, "signature", None)
        if signature is None:
            return
        if cls.reads is None and cls.extract_inputs is CallNode.extract_inputs:
            cls.reads = tuple(signature.input_fields)
        if cls.writes is None and cls.update_state is CallNode.update_state:
            cls.writes = tuple(signature.output_fields)


class ModuleNode(CallNode[StateT], Generic[StateT]):
    """A node that calls an existing `dspy.Module`; its predictors appear in the history.

    Declare `reads` and `writes`, or override both methods.
    """

    kind = "module"
    module: ClassVar[Callable[[], dspy.Module]]
    """The module's class, or a `staticmethod` that makes one."""


class FunctionNode(CallNode[StateT], Generic[StateT]):
    """A node that calls a tool or plain code.

    Unless `extract_inputs` is overridden, the parameters of `call` are read from the state
    fields of the same names.
    """

    kind = "function"

    if TYPE_CHECKING:
        # An async `call` runs on the event loop, a plain one in a thread. Its parameters are the
        # node's inputs and it returns a mapping of outputs; no one signature fits them all.
        call: Callable[..., Any]

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        call = getattr(cls, "call", None)
        if call is None:
            return
        if cls.reads is None and cls.extract_inputs is CallNode.extract_inputs:
            bound = isinstance(inspect.getattr_static(cls, "call"), staticmethod | classmethod)
            cls.reads = tuple(inspect.signature(call).parameters)[0 if bound else 1 :]


class Parallel(Node[StateT], Generic[StateT]):
    """A node whose branches run at the same time, each on its own copy of the state.

    A branch starts at one of `branches` and goes on until a node returns `End`. The copies are
    merged in the order of `branches`, see `graph.merge`.
    """

    kind = "parallel"
    branches: ClassVar[tuple[type[Node[Any]], ...]]

    async def fan_out(self, ctx: Context[StateT]) -> None:
        """Run all branches and merge them into `ctx.state`."""
        await ctx.deps.fan_out(self, ctx.state)


class SignatureBound(Protocol[StateT]):
    """The contract between a graph node and a DSPy signature, for type checkers."""

    signature: ClassVar[type[dspy.Signature]]

    def extract_inputs(self, state: StateT) -> dict[str, Any]: ...

    def update_state(self, state: StateT, prediction: dspy.Prediction) -> None: ...

    async def run(
        self, ctx: GraphRunContext[StateT, Runtime]
    ) -> BaseNode[StateT, Runtime, None] | End[None]: ...


def _declared(node: CallNode[Any], what: str) -> tuple[str, ...]:
    names: tuple[str, ...] | None = getattr(node, what)
    if names is None:
        method = "extract_inputs" if what == "reads" else "update_state"
        raise GraphError(
            f"{type(node).__name__} neither declares `{what}` nor overrides `{method}`"
        )
    return names
