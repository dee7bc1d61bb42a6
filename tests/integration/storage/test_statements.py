"""The statements of `sql/*.sql` against the schema that the migrations make."""

from __future__ import annotations

import ast
import asyncio
from collections import defaultdict
from importlib import resources

import asyncpg
import pytest

from liftgraph_dagster.storage.database import Database
from liftgraph_dagster.storage.embedded import EmbeddedPostgres
from liftgraph_dagster.storage.queries import statements

pytestmark = pytest.mark.postgres

FETCHES = {"fetch", "fetch_one", "fetch_many"}


@pytest.fixture(scope="module")
def migrated_url(postgres: EmbeddedPostgres) -> str:
    """The address of a database that is freshly migrated and empty."""

    async def migrate(url: str) -> None:
        await (await Database.open(url)).close()

    postgres.create_database("statements")
    url = postgres.url("statements")
    asyncio.run(migrate(url))
    return url


@pytest.mark.parametrize("name", statements())
async def test_every_statement_can_be_prepared(name: str, migrated_url: str) -> None:
    connection = await asyncpg.connect(migrated_url)
    try:
        prepared = await connection.prepare(statements()[name].text)
        parameters = prepared.get_parameters()
    finally:
        await connection.close()

    assert len(parameters) == len(statements()[name].parameters)


def test_every_statement_is_used_by_exactly_one_method() -> None:
    users = _users()

    assert {name: len(users[name]) for name in statements()} == dict.fromkeys(statements(), 1)


def test_every_statement_that_is_used_exists() -> None:
    assert _users().keys() <= statements().keys()


def test_a_statement_is_used_by_the_module_of_its_family() -> None:
    folder = resources.files("liftgraph_dagster.storage").joinpath("sql")
    users = _users()
    strangers = {
        name: users[name]
        for name in statements()
        for file in folder.iterdir()
        if f"-- {name} --" in file.read_text()
        and users[name][0][0] != file.name.removesuffix(".sql")
    }

    assert not strangers


def _users() -> dict[str, list[tuple[str, str]]]:
    """Return module and method of each use, by the name of the statement."""
    users: dict[str, list[tuple[str, str]]] = defaultdict(list)
    for file in resources.files("liftgraph_dagster.storage").iterdir():
        if not file.name.endswith(".py"):
            continue
        for method in ast.walk(ast.parse(file.read_text())):
            if isinstance(method, ast.FunctionDef | ast.AsyncFunctionDef):
                for name in _fetched(method):
                    users[name].append((file.name.removesuffix(".py"), method.name))
    return users


def _fetched(method: ast.AST) -> list[str]:
    """Return the names in the calls `self._database.fetch...("name", ...)`."""
    return [
        ast.literal_eval(call.args[0])
        for call in ast.walk(method)
        if isinstance(call, ast.Call)
        and isinstance(call.func, ast.Attribute)
        and call.func.attr in FETCHES
        and ast.unparse(call.func.value) == "self._database"
    ]
