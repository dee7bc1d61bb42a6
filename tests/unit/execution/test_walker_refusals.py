"""What a walk cannot keep is refused by name, and never lost without a word."""

from __future__ import annotations

from typing import Any

import pydantic
import pytest
from pydantic_graph import End

from liftgraph_dagster.errors import ErrorClass, GraphError, InputError
from liftgraph_dagster.execution.records import EventKind, Next, NodeEvent, Status
from liftgraph_dagster.execution.store import Commit
from liftgraph_dagster.graph.graph import Graph
from liftgraph_dagster.graph.node import Context, FunctionNode, Parallel
from liftgraph_dagster.graph.state import GraphState
from tests.unit.execution.bench import Bench, Letter, Tone, Topic, start


class Early(Parallel[Letter]):
    branches = (Topic, Tone)

    async def run(self, ctx: Context[Letter]) -> End[None]:
        ctx.state.words = 5
        await self.fan_out(ctx)
        return End(None)


class Twice(Parallel[Letter]):
    branches = (Topic, Tone)

    async def run(self, ctx: Context[Letter]) -> End[None]:
        await self.fan_out(ctx)
        await self.fan_out(ctx)
        return End(None)


@pytest.mark.parametrize(
    ("node", "says"),
    [
        (Early, "Early.run changed words before it fanned out"),
        (Twice, "Twice.run fanned out twice"),
    ],
)
async def test_a_parallel_that_a_resume_could_not_repeat_is_refused(
    node: type[Parallel[Letter]], says: str
) -> None:
    """Its branches begin again from the stored state, which does not have the change."""
    graph = Graph(
        "letters", state=Letter, nodes=[node, Topic, Tone], start=start, outcome=lambda s: s.topic
    )
    bench = Bench(graph)
    execution_id = await bench.accept()

    error = await bench.fail(execution_id)

    assert says in str(error)
    assert isinstance(error.__cause__, GraphError)
    assert (await bench.get(execution_id)).status is Status.FAILED


class Base(pydantic.BaseModel):
    a: int = 0


class Sub(Base):
    b: int = 0


class Hidden(pydantic.BaseModel):
    secret: str = pydantic.Field("", exclude=True)


class Holder(GraphState):
    password: pydantic.SecretStr = pydantic.SecretStr("")
    bases: list[Base] = []
    hidden: Hidden = Hidden()
    counts: dict[Any, int] = {}


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("password", pydantic.SecretStr("hunter2")),
        ("bases", [Sub(a=1, b=7)]),
        ("hidden", Hidden(secret="keep")),
        ("counts", {1: 1, "1": 2}),
    ],
)
async def test_a_value_of_which_storage_would_drop_a_part_is_refused_by_its_field(
    field: str, value: Any
) -> None:
    class Fill(FunctionNode[Holder]):
        reads = ()
        writes = (field,)

        def call(self) -> dict[str, Any]:
            return {field: value}

        async def run(self, ctx: Context[Holder]) -> End[None]:
            await self.ask(ctx)
            return End(None)

    graph = Graph(
        "holders",
        state=Holder,
        nodes=[Fill],
        start=lambda text: Holder(),
        outcome=lambda state: None,
    )
    bench = Bench(graph)

    error = await bench.fail(await bench.accept("x"))

    assert f"Holder.{field}" in str(error)


class Mute(Exception):
    def __str__(self) -> str:
        raise RuntimeError("no words")


class Odd(BaseException):
    """No Exception."""


@pytest.mark.parametrize("error", [Mute(), Odd("odd"), SystemExit(3), GeneratorExit()], ids=repr)
async def test_whatever_a_node_raises_stands_in_the_history(error: BaseException) -> None:
    class Raise(FunctionNode[Letter]):
        writes = ()

        async def call(self) -> dict[str, Any]:
            raise error

        async def run(self, ctx: Context[Letter]) -> End[None]:
            await self.ask(ctx)
            return End(None)

    graph = Graph("letters", state=Letter, nodes=[Raise], start=start, outcome=lambda s: s.topic)
    bench = Bench(graph)
    execution_id = await bench.accept()

    failed = await bench.fail(execution_id)

    [event] = await bench.events(execution_id, EventKind.ERROR)
    assert event.error is not None
    assert event.error.type == type(error).__name__
    assert failed.error_class is ErrorClass.UNKNOWN
    assert (await bench.get(execution_id)).status is Status.FAILED


@pytest.mark.parametrize("value", [float("nan"), object(), "\ud800"], ids=["nan", "object", "half"])
async def test_attributes_that_cannot_be_stored_fail_the_last_node_and_not_the_store(
    value: Any,
) -> None:
    class Last(FunctionNode[Letter]):
        writes = ("words",)

        def call(self) -> dict[str, int]:
            return {"words": 1}

        async def run(self, ctx: Context[Letter]) -> End[None]:
            await self.ask(ctx)
            return End(None)

    graph = Graph(
        "letters",
        state=Letter,
        nodes=[Last],
        start=start,
        outcome=lambda s: s.topic,
        attrs=lambda s: {"a": value if s.words else 0},
    )
    bench = Bench(graph)
    execution_id = await bench.accept()

    error = await bench.fail(execution_id)

    assert "`attrs` of graph 'letters'" in str(error)
    assert (await bench.get(execution_id)).status is Status.FAILED


async def test_a_first_state_that_could_not_be_read_again_is_refused_and_not_stored() -> None:
    graph = Graph(
        "letters",
        state=Letter,
        nodes=[Topic],
        start=lambda text: Letter.model_construct(words="many"),
        outcome=lambda s: s.topic,
    )
    bench = Bench(graph)

    with pytest.raises(InputError, match="first state of letters"):
        await bench.accept()


async def test_a_version_without_the_next_node_is_refused_before_anything_moves() -> None:
    first = Graph("letters", state=Letter, nodes=[Topic], start=start, outcome=lambda s: s.topic)
    bench = Bench(first)
    execution_id = await bench.accept()
    step = NodeEvent(EventKind.NODE, node="Topic", next=Next("Topic"))
    await bench.store.commit(execution_id, Commit(0, [step]))
    before = await bench.get(execution_id)
    bench.graph = Graph(
        "letters", state=Letter, nodes=[Tone], start=start, outcome=lambda s: s.tone
    )

    with pytest.raises(GraphError, match="goes on at node Topic"):
        await bench.run(execution_id, accept_version=True)

    assert await bench.get(execution_id) == before
