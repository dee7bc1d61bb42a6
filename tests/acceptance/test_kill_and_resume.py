"""A process is killed in the middle of an execution; another one goes on. The calls are counted at
a model server outside of both."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from liftgraph_dagster import LiftGraph
from liftgraph_dagster.cli.exits import BUSY
from liftgraph_dagster.execution.records import EventKind, Execution, NodeEvent
from liftgraph_dagster.services import environment
from liftgraph_dagster.settings import Settings
from tests.support.model_server import ANSWERS, ModelServer

pytestmark = pytest.mark.postgres

CHILD = Path(__file__).parents[1] / "support" / "child.py"
PROMPT = "Round the price."
NODES = 9
ASKING = len(ANSWERS)


@pytest.fixture
def model() -> Iterator[ModelServer]:
    with ModelServer().serve() as server:
        yield server


@pytest.fixture
def installation(settings: Settings, model: ModelServer) -> Settings:
    return replace(settings, model_url=model.url)


def start(settings: Settings, *arguments: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, str(CHILD), *arguments],
        env=environment(settings),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def killed_id(child: subprocess.Popen[str]) -> str:
    """Return the id that a killed child had printed."""
    out, err = child.communicate(timeout=60)
    assert child.returncode == -signal.SIGKILL, err
    return out.strip()


async def uninterrupted(settings: Settings, model: ModelServer) -> Execution:
    async with LiftGraph(settings) as lg:
        done = await lg.run("prompt_to_code", PROMPT)
    model.calls.clear()
    return done.execution


async def resumed(settings: Settings, execution_id: str) -> tuple[Execution, list[NodeEvent]]:
    """Go on in this process, which is another than the one that was killed."""
    async with LiftGraph(settings) as lg:
        result = await lg.resume(execution_id)
        return result.execution, await lg.history(execution_id)


@pytest.mark.parametrize("event", range(1, NODES))
async def test_a_process_killed_after_a_commit_costs_no_committed_node(
    event: int, installation: Settings, model: ModelServer
) -> None:
    expected = await uninterrupted(installation, model)

    execution_id = killed_id(start(installation, "run", PROMPT, str(event)))
    async with LiftGraph(installation) as lg:
        committed = {e.node for e in await lg.history(execution_id) if e.kind is EventKind.NODE}
    before = model.calls.copy()
    done, history = await resumed(installation, execution_id)

    again = {name.removesuffix("Signature") for name in model.calls - before}
    nodes = [e.node for e in history if e.kind is EventKind.NODE]
    assert len(committed) == event
    assert not again & committed
    assert len(nodes) == len(set(nodes)) == NODES
    assert done.state == expected.state


@pytest.mark.parametrize("call", range(1, ASKING + 1))
async def test_a_process_killed_while_it_asks_repeats_only_the_calls_in_flight(
    call: int, installation: Settings, model: ModelServer
) -> None:
    expected = await uninterrupted(installation, model)
    child = start(installation, "run", PROMPT)

    async def kill(number: int, _: str) -> None:
        if number == call:
            os.kill(child.pid, signal.SIGKILL)

    model.before = kill
    execution_id = killed_id(child)
    model.before = None
    async with LiftGraph(installation) as lg:
        committed = {e.node for e in await lg.history(execution_id) if e.kind is EventKind.NODE}
    before = model.calls.copy()
    done, _ = await resumed(installation, execution_id)

    asked_again = model.calls - before
    missing = {name for name in ANSWERS if name.removesuffix("Signature") not in committed}
    assert dict(asked_again) == dict.fromkeys(missing, 1)
    assert done.state == expected.state


async def test_of_two_processes_that_resume_one_execution_exactly_one_goes_on(
    installation: Settings, model: ModelServer
) -> None:
    execution_id = killed_id(start(installation, "run", PROMPT, "1"))
    model.calls.clear()
    other_ended = asyncio.Event()
    loop_of_test = asyncio.get_running_loop()
    waiting = asyncio.Event()

    async def hold_first(number: int, _: str) -> None:
        if number == 1:
            loop_of_test.call_soon_threadsafe(waiting.set)
            await asyncio.wrap_future(
                asyncio.run_coroutine_threadsafe(other_ended.wait(), loop_of_test)
            )

    model.before = hold_first
    first = start(installation, "resume", execution_id)
    await asyncio.wait_for(waiting.wait(), 60)
    second = start(installation, "resume", execution_id)
    _, refusal = await asyncio.to_thread(second.communicate, timeout=60)
    other_ended.set()
    _, complaint = await asyncio.to_thread(first.communicate, timeout=60)

    assert first.returncode == 0, complaint
    assert second.returncode == BUSY
    assert f"execution {execution_id} is being run by process {first.pid}" in refusal
    assert model.calls == dict.fromkeys(ANSWERS.keys() - {"ExtractIntentSignature"}, 1)
