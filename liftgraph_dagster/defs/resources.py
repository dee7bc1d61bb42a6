"""The resource of every asset: an installation of LiftGraph."""

import asyncio
import signal
import threading
from collections.abc import Callable, Coroutine, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

from liftgraph_dagster.app import LiftGraph
from liftgraph_dagster.evaluation.scores import ExampleRun
from liftgraph_dagster.execution.walker import Observer
from liftgraph_dagster.providers.contract import Provider
from liftgraph_dagster.settings import Settings

T = TypeVar("T")


class Installation:
    """Opens LiftGraph for as long as one piece of work takes.

    Args:
        settings: read from the environment by default.
        provider: a language model instead of the one that the settings name.
        observers: told of every event.
        on_run: told of each example that has been run.
    """

    def __init__(
        self,
        settings: Settings | None = None,
        *,
        provider: Provider | None = None,
        observers: Sequence[Observer] = (),
        on_run: Callable[[ExampleRun], None] | None = None,
    ) -> None:
        self._settings = settings
        self._provider = provider
        self._observers = observers
        self.on_run = on_run

    def run(self, work: Callable[[LiftGraph], Coroutine[Any, Any, T]]) -> T:
        """Return what `work` returns, given an open installation."""

        async def opened() -> T:
            async with LiftGraph(
                self._settings, provider=self._provider, observers=self._observers
            ) as lg:
                return await work(lg)

        with _orderly_interrupts():
            return asyncio.run(opened())


@contextmanager
def _orderly_interrupts() -> Iterator[None]:
    """Let an interrupt cancel the work, as asyncio does, and raise KeyboardInterrupt at its end.

    Dagster's own handler raises in the middle of whatever runs: a node that it hits would be
    recorded as failed, and the rest of a batch would go on.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    handlers = {
        signal.SIGINT: signal.default_int_handler,
        signal.SIGTERM: lambda *_: signal.raise_signal(signal.SIGINT),
    }
    before = {number: signal.signal(number, handler) for number, handler in handlers.items()}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def configure_instance(home: Path) -> None:
    """Write the configuration of Dagster's instance into its directory `home`: a copy of the
    installed package's, or of the source tree's beside it."""
    packaged = Path(__file__).with_name("dagster.yaml")
    file = packaged if packaged.exists() else Path(__file__).parents[2] / "deploy/dagster.yaml"
    home.mkdir(parents=True, exist_ok=True)
    (home / "dagster.yaml").write_text(file.read_text())
