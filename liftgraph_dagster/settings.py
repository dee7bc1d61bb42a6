"""The settings: one frozen object, read from the environment in one place."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from liftgraph_dagster.errors import ConfigurationError

PREFIX = "LIFTGRAPH_"


def _default_home() -> Path:
    """Root's data belongs to the machine, an ordinary user's to that user."""
    if os.getuid() == 0:
        return Path("/var/lib/liftgraph")
    import platformdirs

    return platformdirs.user_data_path("liftgraph", appauthor=False)


@dataclass(frozen=True)
class Settings:
    """How this installation is set up. Read it with `Settings.from_environment`."""

    home: Path = field(default_factory=_default_home)
    """Everything we write lies below it; two homes are two independent installations."""
    database_url: str | None = field(default=None, repr=False)
    """Any PostgreSQL 15 or newer; None for the embedded one."""
    dagster_database_url: str | None = field(default=None, repr=False)
    """Dagster's own database; None for `<our database>_dagster` on the same server."""
    model_url: str | None = None
    """A model server that speaks the serving contract; None for the embedded model."""
    model: str = "default"
    """What is sent as the model's name to that server."""
    model_api_key: str | None = field(default=None, repr=False)
    """Sent to that server as a bearer token."""
    modal_key: str | None = field(default=None, repr=False)
    """With `modal_secret`, a token of Modal's proxy auth, if the server stands behind that."""
    modal_secret: str | None = field(default=None, repr=False)
    graphs: tuple[str, ...] = ("liftgraph_dagster.prompt_to_code.graph",)
    """Modules that each hold a `graph`."""
    concurrency: int = 4
    """Executions of a batch at the same time; as many as the embedded model has slots."""
    lease_s: float = 30.0
    """Seconds after which another machine may take over an execution whose process fell silent."""
    sandbox_unsafe_ok: str = ""
    """A sentence that says why generated code may run although this machine lacks a layer of the
    sandbox's confinement; it stands in every report. Empty: code is not run there."""

    @classmethod
    def from_environment(cls, environment: Mapping[str, str] | None = None) -> Settings:
        """Return the settings that the variables `LIFTGRAPH_*` describe.

        Raises ConfigurationError for a variable that is unknown or cannot be read.
        """
        environment = os.environ if environment is None else environment
        values: dict[str, Any] = {}
        for variable, text in environment.items():
            if not variable.startswith(PREFIX) or text == "":
                continue
            name = variable.removeprefix(PREFIX).lower()
            if name not in _READERS:
                raise ConfigurationError(
                    f"{variable} is not a setting. Settings are "
                    f"{', '.join(sorted(PREFIX + name.upper() for name in _READERS))}"
                )
            try:
                values[name] = _READERS[name](text)
            except ValueError as exc:
                raise ConfigurationError(f"{variable}={text!r} cannot be read: {exc}") from exc
        return cls(**values)


def _modules(text: str) -> tuple[str, ...]:
    modules = tuple(part.strip() for part in text.split(",") if part.strip())
    if not modules:
        raise ValueError("it names no module")
    return modules


def _positive(text: str) -> int:
    number = int(text)
    if number < 1:
        raise ValueError("it must be at least 1")
    return number


def _seconds(text: str) -> float:
    number = float(text)
    if not 0 < number <= _LONGEST_LEASE_S:
        raise ValueError("it must be a number of seconds, more than 0 and at most a day")
    return number


_LONGEST_LEASE_S = 86_400.0


def _home(text: str) -> Path:
    try:
        home = Path(text).expanduser().absolute()
    except RuntimeError as exc:
        raise ValueError(str(exc)) from exc
    if any(part.is_file() for part in (home, *home.parents)):
        raise ValueError("it lies in a file, not in a directory")
    return home


_READERS: Mapping[str, Any] = {
    "home": _home,
    "database_url": str,
    "dagster_database_url": str,
    "model_url": str,
    "model": str,
    "model_api_key": str,
    "modal_key": str,
    "modal_secret": str,
    "graphs": _modules,
    "concurrency": _positive,
    "lease_s": _seconds,
    "sandbox_unsafe_ok": str,
}
