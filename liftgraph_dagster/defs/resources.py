"""The resource of every asset: an installation of LiftGraph."""

import asyncio
from collections.abc import Callable, Coroutine, Sequence
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

        return asyncio.run(opened())


def configure_instance(home: Path) -> None:
    """Write the configuration of Dagster's instance into its directory `home`: a copy of the
    installed package's, or of the source tree's beside it."""
    packaged = Path(__file__).with_name("dagster.yaml")
    file = packaged if packaged.exists() else Path(__file__).parents[2] / "deploy/dagster.yaml"
    home.mkdir(parents=True, exist_ok=True)
    (home / "dagster.yaml").write_text(file.read_text())
