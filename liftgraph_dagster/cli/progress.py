"""The progress bar of a batch: executions, nodes, tokens a second, time left."""

from __future__ import annotations

import time
from types import TracebackType
from typing import Self

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from liftgraph_dagster.evaluation.scores import ExampleRun
from liftgraph_dagster.execution.records import EventKind, Execution, NodeEvent


class BatchProgress:
    """A bar that is told of events and finished examples. A context manager.

    Args:
        total: number of executions.
    """

    def __init__(self, total: int) -> None:
        console = Console(stderr=True)
        self._plain = not console.is_terminal
        self._console = console
        self._progress = Progress(
            TextColumn("{task.completed:.0f}/{task.total:.0f} executions"),
            BarColumn(),
            TextColumn("{task.fields[nodes]} nodes, {task.fields[speed]:.0f} tokens/s"),
            TimeElapsedColumn(),
            TextColumn("left"),
            TimeRemainingColumn(),
            console=console,
            disable=self._plain,
        )
        self._total = total
        self._task = self._progress.add_task("executions", total=total, nodes=0, speed=0.0)
        self._nodes = 0
        self._tokens = 0
        self._done = 0
        self._started = time.monotonic()

    def __enter__(self) -> Self:
        self._progress.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._progress.stop()

    def on_event(self, execution: Execution, event: NodeEvent) -> None:
        """Count a node and the tokens it generated."""
        if event.kind is not EventKind.NODE:
            return
        self._nodes += 1
        self._tokens += event.usage.completion_tokens
        speed = self._tokens / max(time.monotonic() - self._started, 1e-9)
        self._progress.update(self._task, nodes=self._nodes, speed=speed)

    def on_run(self, run: ExampleRun) -> None:
        """Count a finished example; without a terminal, print a line for it."""
        self._done += 1
        self._progress.advance(self._task)
        if self._plain and not run.reused:
            status = run.execution.status.value
            line = f"{self._done}/{self._total}  {run.sample}  {status}  {run.seconds:.1f} s"
            self._console.print(line, highlight=False, markup=False)
