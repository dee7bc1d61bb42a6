"""The embedded servers that an installation needs: started, given an address, stopped."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

from liftgraph_dagster.settings import Settings
from liftgraph_dagster.storage.embedded import EmbeddedPostgres

DATABASE = "liftgraph"
DAGSTER_DATABASE = "liftgraph_dagster"


@contextmanager
def database_server(settings: Settings) -> Iterator[Settings]:
    """Give the settings with the addresses of both databases filled in.

    Without a `database_url` the embedded server runs meanwhile; it is shared with other processes
    of the same home, and the last one stops it.
    """
    if settings.database_url:
        dagster_url = settings.dagster_database_url or _beside(settings.database_url)
        yield replace(settings, dagster_database_url=dagster_url)
        return
    with EmbeddedPostgres(settings.home) as server:
        for name in (DATABASE, DAGSTER_DATABASE):
            server.create_database(name)
        yield replace(
            settings,
            database_url=server.url(DATABASE),
            dagster_database_url=settings.dagster_database_url or server.url(DAGSTER_DATABASE),
        )


def environment(settings: Settings) -> dict[str, str]:
    """Return the environment of a child process: ours, and the servers that run here instead of
    those that ours names."""
    variables = {
        "LIFTGRAPH_HOME": str(settings.home),
        "LIFTGRAPH_DATABASE_URL": settings.database_url,
        "LIFTGRAPH_DAGSTER_DATABASE_URL": _for_sqlalchemy(settings.dagster_database_url),
        "LIFTGRAPH_MODEL_URL": settings.model_url,
        "LIFTGRAPH_MODEL": settings.model,
        "LIFTGRAPH_MODEL_API_KEY": settings.model_api_key,
        "LIFTGRAPH_MODAL_KEY": settings.modal_key,
        "LIFTGRAPH_MODAL_SECRET": settings.modal_secret,
        "LIFTGRAPH_GRAPHS": ",".join(settings.graphs),
        "DAGSTER_HOME": str(settings.home / "dagster"),
        "DAGSTER_DISABLE_TELEMETRY": "true",
    }
    inherited = {name: value for name, value in os.environ.items() if name not in variables}
    return inherited | {name: value for name, value in variables.items() if value}


def _beside(url: str) -> str:
    """Return the address of Dagster's database on the server of ours."""
    address, mark, parameters = url.partition("?")
    scheme, _, rest = address.partition("://")
    host, _, name = rest.partition("/")
    return f"{scheme}://{host}/{name or DATABASE}_dagster{mark}{parameters}"


def _for_sqlalchemy(url: str | None) -> str | None:
    """Return the address with the driver named: SQLAlchemy 2.1 would look for psycopg 3."""
    if url is None:
        return None
    return f"postgresql+psycopg2://{url.partition('://')[2]}"
