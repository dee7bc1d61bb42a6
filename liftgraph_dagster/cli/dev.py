"""`liftgraph dev`: what `make dev` calls."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import click

from liftgraph_dagster.cli.ports import listening
from liftgraph_dagster.errors import ConfigurationError
from liftgraph_dagster.services import database_server, environment
from liftgraph_dagster.settings import Settings

_STOP_TIMEOUT_S = 20.0
_QUIET = "ignore:Function `dev_command` is superseded"
"""`dg dev`, which the warning recommends, needs a package more and offers us nothing more."""


@click.command()
@click.option("--host", default="127.0.0.1", show_default=True)
@click.option("--port", default=3000, show_default=True, type=click.IntRange(1, 65535))
def dev(host: str, port: int) -> None:
    """Serve Dagster's page and daemon, with the embedded database and language model.

    This process owns the embedded servers; Dagster's processes get their addresses. Whoever
    reaches the page can launch runs: keep it on this machine, or put a login before it.
    """
    with listening(host, port):
        pass  # Dagster's own message about a taken port comes late and without a way out
    from liftgraph_dagster.defs.resources import configure_instance

    with contextlib.ExitStack() as stack:
        settings = stack.enter_context(database_server(Settings.from_environment()))
        settings = stack.enter_context(_model_server(settings))
        variables = environment(settings) | {"PYTHONWARNINGS": _QUIET}
        configure_instance(Path(variables["DAGSTER_HOME"]))
        dagster = subprocess.Popen(
            [str(Path(sys.executable).with_name("dagster")), "dev", *_code(),
             "--host", host, "--port", str(port), "--log-level", "warning"],
            env=variables,
            start_new_session=True,
        )  # fmt: skip
        stack.callback(_stop, dagster)
        click.echo(f"Dagster: http://{host}:{port}   (Ctrl-C stops everything)")
        if code := dagster.wait():
            raise ConfigurationError(f"Dagster ended with code {code}; its messages stand above")


def _code() -> list[str]:
    """Return where Dagster finds the definitions: in the workspace file, where there is one."""
    if Path("workspace.yaml").exists():
        return ["--workspace", "workspace.yaml"]
    return ["--module-name", "liftgraph_dagster.definitions"]


@contextlib.contextmanager
def _model_server(settings: Settings) -> Iterator[Settings]:
    """Serve the embedded model on a free port of this machine, unless another is set."""
    if settings.model_url:
        yield settings
        return
    import uvicorn

    from liftgraph_dagster.providers.local.gateway import Gateway
    from liftgraph_dagster.providers.local.model import LocalModel

    gateway = Gateway(LocalModel())
    server = uvicorn.Server(uvicorn.Config(gateway.app(), log_level="warning"))
    with listening("127.0.0.1", 0) as (served, url):
        thread = threading.Thread(target=server.run, kwargs={"sockets": [served]}, daemon=True)
        thread.start()
        try:
            yield replace(settings, model_url=url, model=gateway.model.revision)
        finally:
            server.should_exit = True
            thread.join(_STOP_TIMEOUT_S)


def _stop(process: subprocess.Popen[bytes]) -> None:
    """Stop Dagster and what it started; kill what is left after a while."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGINT)
    deadline = time.monotonic() + _STOP_TIMEOUT_S
    while time.monotonic() < deadline and _group_lives(process):
        time.sleep(0.1)
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def _group_lives(process: subprocess.Popen[bytes]) -> bool:
    process.poll()
    try:
        os.killpg(process.pid, 0)
    except ProcessLookupError:
        return False
    return True
