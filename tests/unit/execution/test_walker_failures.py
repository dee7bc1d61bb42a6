from __future__ import annotations

from typing import Any

import pytest
from pydantic_graph import End

from liftgraph_dagster.errors import (
    ErrorClass,
    GraphError,
    NodeFailed,
    ProviderError,
    StorageError,
)
from liftgraph_dagster.execution.records import EventKind, ExecutionId, Status
from liftgraph_dagster.graph.node import Context, FunctionNode
from liftgraph_dagster.graph.state import decode
from tests.factories import function_node, make_graph, nothing, parallel_node
from tests.unit.execution.bench import Bench, Letter


def raising(error: BaseException) -> Any:
    def call() -> dict[str, Any]:
        raise error

    return call


async def failed(call: Any = nothing, **own: Any) -> tuple[NodeFailed, Bench, ExecutionId]:
    """Run a graph of one node that is expected to fail."""
    bench = Bench(make_graph(Letter, function_node("Only", call, **own)))
    execution_id = await bench.accept()
    return await bench.fail(execution_id), bench, execution_id


async def run_to_the_text(self: FunctionNode[Letter], ctx: Context[Letter]) -> End[None]:
    await self.ask(ctx)
    return "Only"  # type: ignore[return-value]


async def run_to_itself(self: FunctionNode[Letter], ctx: Context[Letter]) -> End[None]:
    await self.ask(ctx)
    return type(self)()  # type: ignore[return-value]


async def run_and_ask_twice(self: FunctionNode[Letter], ctx: Context[Letter]) -> End[None]:
    await self.ask(ctx)
    await self.ask(ctx)
    return End(None)


async def run_and_change_the_tone(self: FunctionNode[Letter], ctx: Context[Letter]) -> End[None]:
    ctx.state.tone = "angry"
    ctx.state.words = 3
    return End(None)


async def run_and_raise(self: FunctionNode[Letter], ctx: Context[Letter]) -> End[None]:
    ctx.state.topic = "half"
    raise ValueError("in the middle")


@pytest.mark.parametrize(
    ("error_class", "status"),
    [
        (ErrorClass.TRANSIENT, Status.SUSPENDED),
        (ErrorClass.RATE_LIMITED, Status.SUSPENDED),
        (ErrorClass.TIMEOUT, Status.SUSPENDED),
        (ErrorClass.CONFIGURATION, Status.SUSPENDED),
        (ErrorClass.CANCELLED, Status.SUSPENDED),
        (ErrorClass.VALIDATION, Status.FAILED),
        (ErrorClass.RESOURCE, Status.FAILED),
        (ErrorClass.PERMANENT, Status.FAILED),
        (ErrorClass.UNKNOWN, Status.FAILED),
    ],
)
@pytest.mark.parametrize("field", ["topic", "draft"])
async def test_what_is_no_fault_of_the_program_suspends_an_execution_and_all_else_fails_it(
    error_class: ErrorClass, status: Status, field: str
) -> None:
    """`topic` is asked in a branch, `draft` by a module's predictor."""
    bench = Bench(**{field: ProviderError("no answer", error_class=error_class)})
    execution_id = await bench.accept()

    error = await bench.fail(execution_id)

    assert error.error_class is error_class
    assert (await bench.get(execution_id)).status is status


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        ("not JSON", "the answer is not JSON"),
        ({"topic": 1}, "does not match its schema at $.topic"),
    ],
)
async def test_an_answer_that_does_not_fit_fails_the_execution(answer: Any, said: str) -> None:
    bench = Bench(topic=answer)

    error = await bench.fail(await bench.accept())

    assert error.error_class is ErrorClass.VALIDATION
    assert said in str(error)


async def test_an_error_of_code_that_we_do_not_know_fails_the_execution() -> None:
    error, bench, execution_id = await failed(raising(ValueError("boom")))

    assert error.error_class is ErrorClass.UNKNOWN
    assert (await bench.get(execution_id)).status is Status.FAILED


async def test_a_failure_names_node_execution_attempt_and_the_way_on() -> None:
    error, _, execution_id = await failed(raising(ValueError("boom")))

    assert (error.node, error.execution_id) == ("Only", execution_id)
    assert str(error) == (
        f"node Only of execution {execution_id} failed (attempt 1, unknown): boom. The state "
        f"before it is stored; go on with `liftgraph execution resume {execution_id}`"
    )


async def test_an_error_without_words_is_told_by_its_type() -> None:
    error, _, _ = await failed(raising(LookupError()))

    assert "(attempt 1, unknown): LookupError." in str(error)


async def test_the_cause_of_a_failure_is_what_the_node_raised() -> None:
    raised = ValueError("boom")

    error, _, _ = await failed(raising(raised))

    assert error.__cause__ is raised


async def test_the_cause_of_a_failure_in_a_branch_is_what_the_node_raised() -> None:
    raised = ValueError("boom")
    node = function_node("Only", raising(raised))
    bench = Bench(make_graph(Letter, parallel_node("Both", node), node))

    error = await bench.fail(await bench.accept())

    assert error.__cause__ is raised


async def test_a_failure_stands_in_the_history() -> None:
    _, bench, execution_id = await failed(raising(KeyError("boom")))

    (event,) = await bench.events(execution_id)
    assert (event.kind, event.node, event.node_type) == (EventKind.ERROR, "Only", "function")
    assert event.error is not None
    assert (event.error.error_class, event.error.type) == (ErrorClass.UNKNOWN, "KeyError")
    assert event.error.message == "'boom'"


async def test_a_model_s_failure_stands_in_the_history_by_our_name() -> None:
    bench = Bench(topic=ProviderError("no answer"))
    execution_id = await bench.accept()

    await bench.fail(execution_id)

    (event,) = await bench.events(execution_id, EventKind.ERROR)
    assert (event.node, event.branch) == ("Topic", "Read.0")
    assert event.error is not None
    assert (event.error.type, event.error.message) == ("ProviderError", "no answer")


async def test_a_long_message_is_cut_in_the_history() -> None:
    _, bench, execution_id = await failed(raising(ValueError("x" * 5000)))

    (event,) = await bench.events(execution_id)
    assert event.error is not None
    assert event.error.message == "x" * 4000


async def test_a_node_that_raises_leaves_no_trace_in_the_state() -> None:
    _, bench, execution_id = await failed(run=run_and_raise, writes=("topic",))

    execution = await bench.get(execution_id)
    assert decode(Letter, execution.state) == Letter()


@pytest.mark.parametrize(
    ("own", "said"),
    [
        pytest.param(
            {"run": run_and_change_the_tone, "writes": ("topic", "words")},
            "Only changed tone, which it does not declare in `writes` (topic, words)",
            id="undeclared write",
        ),
        pytest.param(
            {"run": run_and_change_the_tone},
            "Only changed tone, words, which it does not declare in `writes` (nothing)",
            id="undeclared writes",
        ),
        pytest.param(
            {"run": run_to_itself},
            "Only.run returned Only, which its return annotation does not name",
            id="undeclared successor",
        ),
        pytest.param(
            {"run": run_to_the_text},
            "Only.run returned str, which its return annotation does not name",
            id="no node",
        ),
        pytest.param(
            {"run": run_and_ask_twice},
            "Only.run asked twice; a node asks one question. Split it in two",
            id="asked twice",
        ),
    ],
)
async def test_a_node_that_breaks_its_contract_fails_and_says_how(
    own: dict[str, Any], said: str
) -> None:
    error, bench, execution_id = await failed(**own)

    assert isinstance(error.__cause__, GraphError)
    assert str(error.__cause__) == said
    assert error.error_class is ErrorClass.PERMANENT
    assert await bench.finished(execution_id) == []


async def test_an_end_that_was_not_declared_is_refused() -> None:
    class Onward(FunctionNode[Letter]):
        writes = ()

        def call(self) -> dict[str, Any]:
            return {}

        async def run(self, ctx: Context[Letter]) -> Last:  # noqa: F821
            return End(None)  # type: ignore[return-value]

    bench = Bench(make_graph(Letter, Onward, function_node("Last")))

    error = await bench.fail(await bench.accept())

    assert "Onward.run returned End, which its return annotation does not name" in str(error)


async def test_an_output_that_is_missing_is_named_with_its_node() -> None:
    error, _, _ = await failed(lambda: {"tone": "calm"}, writes=("tone", "topic"))

    assert isinstance(error.__cause__, GraphError)
    assert "Only" in str(error.__cause__)
    assert "topic" in str(error.__cause__)


async def test_a_node_that_carries_what_cannot_be_stored_is_named_with_it() -> None:
    class Carrying(FunctionNode[Letter]):
        writes = ()

        def call(self) -> dict[str, Any]:
            return {}

        async def run(self, ctx: Context[Letter]) -> Carrying | End[None]:
            following = Carrying()
            following.colour = "red"  # type: ignore[attr-defined]
            return following

    bench = Bench(make_graph(Letter, Carrying))

    error = await bench.fail(await bench.accept())

    assert str(error.__cause__) == (
        "Carrying carries colour but is not a dataclass, so it cannot be stored. Make it a "
        "dataclass, or put the values into the state"
    )


async def test_branches_that_cannot_be_merged_fail_their_parallel() -> None:
    def cut() -> dict[str, list[str]]:
        return {"log": []}

    graph = make_graph(
        Letter,
        parallel_node("Both", cutting := function_node("Cut", cut, writes=("log",))),
        cutting,
        start=lambda _: Letter(log=["before"]),
    )
    bench = Bench(graph)

    error = await bench.fail(await bench.accept())

    assert error.node == "Both"
    assert str(error.__cause__) == (
        "reducer 'append' cannot merge field 'log' at Both, written by Cut: "
        "a branch changed items that were already in the list"
    )


async def test_a_store_that_goes_away_is_told_with_the_way_on() -> None:
    bench = Bench(make_graph(Letter, function_node("Only", raising(StorageError("it went away")))))
    execution_id = await bench.accept()

    with pytest.raises(StorageError) as caught:
        await bench.run(execution_id)

    assert str(caught.value) == (
        f"it went away. Execution {execution_id} is stored up to rev 0; go on with "
        f"`liftgraph execution resume {execution_id}`"
    )
