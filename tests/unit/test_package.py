"""The door of the package, and what its modules may import. Subprocesses: this one has it all."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

import liftgraph_dagster

PACKAGE = Path(liftgraph_dagster.__file__).parent
ABOVE_THE_APP = ("cli", "defs", "definitions")


def python(code: str) -> str:
    """Return what `code` prints in a Python of its own."""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def engine_modules() -> list[str]:
    """Return the names of all modules that Dagster must not reach."""
    files = sorted(PACKAGE.rglob("*.py"))
    names = [".".join(file.relative_to(PACKAGE).with_suffix("").parts) for file in files]
    below = [name for name in names if name.split(".")[0] not in ABOVE_THE_APP]
    return [f"liftgraph_dagster.{name}".removesuffix(".__init__") for name in below]


def test_the_ten_names_are_there() -> None:
    names = {name: getattr(liftgraph_dagster, name) for name in liftgraph_dagster.__all__}

    assert sorted(names) == [
        "Candidates", "Context", "End", "FunctionNode", "Graph", "GraphState", "LiftGraph",
        "ModuleNode", "Parallel", "SignatureNode",
    ]  # fmt: skip


def test_another_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="no attribute 'Grpah'"):
        liftgraph_dagster.Grpah  # noqa: B018


def test_importing_the_package_reads_nothing_else() -> None:
    loaded = python(
        "import sys, liftgraph_dagster; liftgraph_dagster.__version__\n"
        "print([m for m in ('pydantic', 'dspy', 'dagster', 'pydantic_graph') if m in sys.modules])"
    )

    assert loaded == "[]"


def test_the_engine_never_imports_dagster() -> None:
    modules = engine_modules()
    loaded = python(
        f"import importlib, sys\nfor name in {modules}: importlib.import_module(name)\n"
        "print([m for m in sys.modules if m.partition('.')[0].startswith('dagster')])"
    )

    assert "liftgraph_dagster.app" in modules
    assert loaded == "[]"


def test_the_app_alone_never_imports_dagster_nor_the_graph_that_ships() -> None:
    loaded = python(
        "import sys, liftgraph_dagster.app\n"
        "print([m for m in sys.modules if m.partition('.')[0] == 'dagster'"
        " or m.startswith('liftgraph_dagster.prompt_to_code')])"
    )

    assert loaded == "[]"


@pytest.mark.parametrize("arguments", [["--help"], ["--version"]])
def test_help_and_version_import_nothing_heavy(arguments: list[str]) -> None:
    """Warm `--help` has 0.3 s; what it imports can be said without a clock."""
    loaded = python(
        "import sys, atexit\n"
        f"sys.argv = ['liftgraph', *{arguments}]\n"
        "heavy = ('pydantic', 'dspy', 'dagster', 'asyncpg', 'rich', 'numpy', 'httpx')\n"
        "atexit.register(lambda: print([m for m in heavy if m in sys.modules]))\n"
        "from liftgraph_dagster.cli import main\n"
        "main()"
    )

    assert loaded.splitlines()[-1] == "[]"


def test_a_command_that_loads_the_graphs_imports_nothing_that_it_does_not_need() -> None:
    """Each of these takes from a half to two seconds, of a command that takes one and a half."""
    loaded = python(
        "import sys, atexit\n"
        "sys.argv = ['liftgraph', 'graph', 'list']\n"
        "slow = ('dagster', 'scipy', 'litellm', 'optuna', 'matplotlib', 'rfc3987_syntax')\n"
        "atexit.register(lambda: print([m for m in slow if m in sys.modules]))\n"
        "from liftgraph_dagster.cli import main\n"
        "main()"
    )

    assert loaded.splitlines()[-1] == "[]"


def test_importing_the_package_leaves_dspy_without_a_disk_cache() -> None:
    caches = python(
        "import liftgraph_dagster.app, dspy\n"
        "print(dspy.cache.enable_disk_cache, dspy.cache.enable_memory_cache)"
    )

    assert caches == "False False"
