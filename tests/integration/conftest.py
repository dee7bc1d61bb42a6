"""The command `liftgraph` in a folder of the test's own."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from liftgraph_dagster.services import environment
from liftgraph_dagster.settings import Settings
from tests.factories import write_labelled_tickets

ROOT = Path(__file__).parents[2]
COMMAND = Path(sys.executable).with_name("liftgraph")
NOWHERE = "http://127.0.0.1:9"
"""An address where nobody serves."""

Done = subprocess.CompletedProcess[str]
Cli = Callable[..., Done]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Where the user works: the graph of labelled tickets lies there."""
    folder = tmp_path / "work"
    write_labelled_tickets(folder)
    return folder


@pytest.fixture
def installation(settings: Settings) -> Settings:
    """Two graphs on a database of the test's own; no model server is there."""
    graphs = ("liftgraph_dagster.prompt_to_code.graph", "labelled_tickets")
    return replace(settings, graphs=graphs, model_url=NOWHERE)


@pytest.fixture
def cli(installation: Settings, folder: Path) -> Cli:
    """Runs the command; keyword arguments are variables of its environment."""

    def run(*arguments: str | bytes | Path, **changes: str) -> Done:
        return subprocess.run(
            [COMMAND, *arguments],
            cwd=folder,
            env=variables(installation) | changes,
            capture_output=True,
            text=True,
            timeout=120,
        )

    return run


def variables(installation: Settings, *folders: Path) -> dict[str, str]:
    """Return the environment of a process that uses `installation`, the tests' modules and those
    in `folders`."""
    return environment(installation) | {"PYTHONPATH": os.pathsep.join(map(str, [ROOT, *folders]))}
