"""`liftgraph doctor`"""

from __future__ import annotations

import asyncio
import importlib.metadata
import shutil
import sys
from collections.abc import Callable
from dataclasses import dataclass

import click
from rich.text import Text

from liftgraph_dagster.cli.exits import CONFIGURATION
from liftgraph_dagster.cli.show import console
from liftgraph_dagster.errors import LiftGraphError
from liftgraph_dagster.settings import Settings

_WANTED_FREE_GB = 2.0


@dataclass(frozen=True)
class Finding:
    """What one check found."""

    subject: str
    good: bool
    says: str
    """What is there; or what is missing and how to get it."""


@click.command()
def doctor() -> None:
    """Say what is missing on this machine, and how to get it.

    Exits with 0 when everything is there.
    """
    settings = Settings.from_environment()
    findings = [check(settings) for check in _CHECKS]
    out = console()
    for finding in findings:
        mark = ("ok       ", "green") if finding.good else ("missing  ", "red")
        out.print(
            Text.assemble(mark, (f"{finding.subject:<12} ", "bold"), finding.says), soft_wrap=True
        )
    if not all(finding.good for finding in findings):
        raise SystemExit(CONFIGURATION)


def _python(_: Settings) -> Finding:
    version = ".".join(map(str, sys.version_info[:3]))
    good = sys.version_info >= (3, 11)
    return Finding("python", good, version if good else f"{version}; 3.11 or newer is needed")


def _packages(_: Settings) -> Finding:
    names = ("liftgraph-dagster", "dagster", "dspy", "pydantic-graph", "asyncpg")
    try:
        found = [f"{name} {importlib.metadata.version(name)}" for name in names]
    except importlib.metadata.PackageNotFoundError as exc:
        return Finding("packages", False, f"{exc.name} is not installed; run: make install")
    return Finding("packages", True, ", ".join(found))


def _home(settings: Settings) -> Finding:
    try:
        settings.home.mkdir(parents=True, exist_ok=True)
        probe = settings.home / ".doctor"
        probe.touch()
        probe.unlink()
    except OSError as exc:
        says = f"{settings.home} cannot be written ({exc.strerror}); set LIFTGRAPH_HOME"
        return Finding("home", False, says)
    free = shutil.disk_usage(settings.home).free / 1e9
    good = free >= _WANTED_FREE_GB
    advice = "" if good else f"; {_WANTED_FREE_GB:.0f} GB are wanted"
    return Finding("home", good, f"{settings.home}, {free:.1f} GB free{advice}")


def _database(settings: Settings) -> Finding:
    from liftgraph_dagster.services import database_server
    from liftgraph_dagster.storage.database import Database

    async def version(url: str) -> str:
        database = await Database.open(url, connections=1)
        try:
            async with database.connection() as connection:
                return str(await connection.fetchval("SHOW server_version"))
        finally:
            await database.close()

    kind = "yours" if settings.database_url else "embedded"
    try:
        with database_server(settings) as served:
            assert served.database_url is not None
            return Finding(
                "database", True, f"{kind}, PostgreSQL {asyncio.run(version(served.database_url))}"
            )
    except LiftGraphError as exc:
        return Finding("database", False, str(exc))


def _model(settings: Settings) -> Finding:
    if settings.model_url:
        return _model_server(settings.model_url)
    from liftgraph_dagster.providers.local.model import LocalModel

    try:
        model = LocalModel()
        model.load()
        model.close()
    except LiftGraphError as exc:
        return Finding("model", False, str(exc))
    return Finding("model", True, f"embedded, {model.revision}")


def _model_server(url: str) -> Finding:
    import httpx

    try:
        response = httpx.get(f"{url.rstrip('/')}/health", timeout=10, trust_env=False)
    except (httpx.HTTPError, httpx.InvalidURL) as exc:
        says = f"{url} cannot be reached ({exc}); check LIFTGRAPH_MODEL_URL"
        return Finding("model", False, says)
    good = response.is_success
    return Finding("model", good, f"{url} answers {response.status_code}")


def _sandbox(settings: Settings) -> Finding:
    from liftgraph_dagster.sandbox.sandbox import Sandbox

    try:
        with Sandbox(unsafe_ok=settings.sandbox_unsafe_ok) as sandbox:
            report = sandbox.run("")
    except LiftGraphError as exc:
        return Finding("sandbox", False, str(exc))
    if report.unsafe_ok:
        missing = ", ".join(report.level.missing)
        says = f"{report.level}; {missing} missing, accepted because: {report.unsafe_ok}"
        return Finding("sandbox", True, says)
    return Finding("sandbox", True, str(report.level))


def _graphs(settings: Settings) -> Finding:
    from liftgraph_dagster.app import load_graphs

    try:
        return Finding("graphs", True, ", ".join(load_graphs(settings)))
    except LiftGraphError as exc:
        return Finding("graphs", False, str(exc))


_CHECKS: tuple[Callable[[Settings], Finding], ...] = (
    _python,
    _packages,
    _home,
    _database,
    _model,
    _sandbox,
    _graphs,
)
