"""The command `liftgraph`: one function a command; each calls the app and prints.

Commands are imported when they are called, so that `--help` answers at once.
"""

from __future__ import annotations

import os
import signal
import sys
import traceback
from importlib import import_module
from typing import Any

import click

from liftgraph_dagster import __version__
from liftgraph_dagster.cli.exits import exit_code, sentence


class LazyGroup(click.Group):
    """A group whose commands live in modules that are imported on first use."""

    def __init__(self, *args: Any, lazy: dict[str, tuple[str, str]], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._lazy = lazy

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(self._lazy)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in self._lazy:
            return None
        module, _, attribute = self._lazy[cmd_name][0].partition(":")
        command = getattr(import_module(f"liftgraph_dagster.cli.{module}"), attribute)
        assert isinstance(command, click.Command)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(name, help_) for name, (_, help_) in self._lazy.items()])


_COMMANDS = {
    "run": ("run:run", "Run a graph on one input."),
    "evaluate": ("evaluate:evaluate", "Run a program over labelled examples and score it."),
    "materialize": ("materialize:materialize", "Materialize a graph's evaluation through Dagster."),
    "dataset": ("dataset:dataset", "Import, list, show, compare and export labelled examples."),
    "label": ("label:label", "Mark outcomes by single keys, blind."),
    "agreement": ("agreement:agreement", "Say how far raters agree, and the metric with them."),
    "execution": ("execution:execution", "List, show, resume and cancel executions."),
    "graph": ("graph:graph", "List and show graphs."),
    "dev": ("dev:dev", "Serve Dagster's page, its daemon and the language model."),
    "serve-local": ("serve:serve_local", "Serve the embedded language model."),
    "doctor": ("doctor:doctor", "Say what is missing on this machine, and how to get it."),
}


@click.group(
    cls=LazyGroup, lazy=_COMMANDS, context_settings={"help_option_names": ["-h", "--help"]}
)
@click.version_option(__version__, prog_name="liftgraph")
@click.option("--debug", is_flag=True, help="Show the traceback of an error.")
@click.pass_context
def liftgraph(ctx: click.Context, debug: bool) -> None:
    """Typed graphs of language-model calls: durable, optimized, proven, calibrated, released."""
    ctx.obj = debug


def main() -> None:
    """Run the command line. Exits with a code of the table in `cli.exits`."""
    sys.path.insert(0, os.getcwd())  # graphs are named by module, and lie where one works
    # A shell starts background jobs with SIGINT ignored; then SIGTERM would be, too.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    for stopping in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(stopping, lambda *_: signal.raise_signal(signal.SIGINT))
    debug = "--debug" in sys.argv
    try:
        liftgraph(standalone_mode=False)
    except click.exceptions.Exit as exc:
        sys.exit(exc.exit_code)
    except click.ClickException as exc:
        exc.show()
        sys.exit(exc.exit_code)
    except (KeyboardInterrupt, click.Abort) as exc:
        print("Interrupted.", file=sys.stderr)
        sys.exit(exit_code(exc))
    except Exception as exc:
        if debug:
            traceback.print_exc()
        print(sentence(exc), file=sys.stderr)
        sys.exit(exit_code(exc))
