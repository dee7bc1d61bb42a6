from __future__ import annotations

from typing import Any

import pytest

from liftgraph_dagster.errors import NotFound
from liftgraph_dagster.execution.program import Program
from liftgraph_dagster.storage.database import Database
from liftgraph_dagster.storage.programs import PostgresProgramStore

pytestmark = pytest.mark.postgres


def program(instructions: str = "Name the topic.", **changes: Any) -> Program:
    return Program("tickets", {"Classify": {"self": {"instructions": instructions}}}, **changes)


@pytest.fixture
def store(emptied: Database) -> PostgresProgramStore:
    return PostgresProgramStore(emptied)


@pytest.mark.parametrize(
    "instructions",
    ["", "Name it.", "ünï\0🙂\u2028", "x" * 2**20],
    ids=["nothing", "short", "unicode", "1 MB"],
)
async def test_a_program_comes_back_as_it_was(
    instructions: str, store: PostgresProgramStore
) -> None:
    saved = program(instructions, name="tuned")
    await store.save(saved)

    assert await store.get(saved.digest) == saved


async def test_demos_of_every_type_come_back_as_they_were(store: PostgresProgramStore) -> None:
    demo = {"text": "", "n": 10**30, "zero": -0.0, "none": None, "list": [True, {"a": 1.5}]}
    saved = Program("tickets", {"Classify": {"self": {"demos": [demo]}}})
    await store.save(saved)
    kept = await store.get(saved.digest)

    assert kept.to_json() == saved.to_json()
    assert kept.digest == saved.digest


async def test_a_program_that_is_there_stays_as_it_was(store: PostgresProgramStore) -> None:
    await store.save(program(name="first"))
    await store.save(program(name="second"))

    assert (await store.get(program().digest)).name == "first"


async def test_an_unknown_program_is_not_found(store: PostgresProgramStore) -> None:
    with pytest.raises(NotFound, match="program abc is not stored"):
        await store.get("abc")


async def test_programs_of_a_graph_come_newest_first(store: PostgresProgramStore) -> None:
    saved = [program(f"Version {number}") for number in range(3)]
    for one in saved:
        await store.save(one)
    await store.save(Program("letters"))

    assert await store.of_graph("tickets") == saved[::-1]


async def test_a_graph_without_programs_has_none(store: PostgresProgramStore) -> None:
    await store.save(program())

    assert await store.of_graph("letters") == []
