"""What a command's exit code means: the one table."""

from __future__ import annotations

import click

from liftgraph_dagster import errors

SUCCESS = 0
UNEXPECTED = 1
"""A bug of ours, or of a library."""
USAGE = 2
"""The command line itself is wrong."""
INPUT = 3
"""An input or a dataset that cannot be used."""
NOT_FOUND = 4
"""No graph, program, dataset or execution of that name."""
CONFIGURATION = 5
"""Settings, machine or graph code must change first."""
DATABASE = 6
MODEL = 7
EXECUTION = 8
"""The execution failed, was suspended, or cannot go on."""
BUSY = 9
"""Another process runs the execution."""
INTERRUPTED = 130

_TABLE: tuple[tuple[type[BaseException], int], ...] = (
    (errors.NotFound, NOT_FOUND),
    (errors.InputError, INPUT),
    (errors.ConfigurationError, CONFIGURATION),
    (errors.StorageError, DATABASE),
    (errors.ProviderError, MODEL),
    (errors.ExecutionBusy, BUSY),
    (errors.ExecutionError, EXECUTION),
    (KeyboardInterrupt, INTERRUPTED),
    (click.Abort, INTERRUPTED),
)


def exit_code(exc: BaseException) -> int:
    """Return the code for `exc`."""
    return next((code for kind, code in _TABLE if isinstance(exc, kind)), UNEXPECTED)


def sentence(exc: BaseException) -> str:
    """Return what to tell a person about `exc`, on one line where it is an error of ours."""
    if isinstance(exc, errors.LiftGraphError):
        return f"Error: {' '.join(str(exc).split())}"
    return (
        f"Unexpected {type(exc).__name__}: {exc}\n"
        "This is a bug. `liftgraph --debug ...` shows where it happened."
    )
