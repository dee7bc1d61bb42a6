"""`liftgraph serve-local`"""

from __future__ import annotations

import click
import uvicorn

from liftgraph_dagster.cli.ports import listening
from liftgraph_dagster.providers.local.gateway import Gateway
from liftgraph_dagster.providers.local.model import LocalModel


@click.command()
@click.option("--host", default="127.0.0.1", show_default=True)
@click.option("--port", default=30000, show_default=True, type=click.IntRange(0, 65535))
@click.option("--threads", type=click.IntRange(1), help="Threads; as many as there are cores.")
def serve_local(host: str, port: int, threads: int | None) -> None:
    """Serve the embedded language model behind the serving contract.

    Others use it by LIFTGRAPH_MODEL_URL=http://HOST:PORT.
    """
    gateway = Gateway(LocalModel(threads=threads))
    with listening(host, port) as (served, url):
        click.echo(f"{gateway.model.revision} on {url}   (Ctrl-C stops it)", err=True)
        click.echo(f"export LIFTGRAPH_MODEL_URL={url}", err=True)
        uvicorn.Server(uvicorn.Config(gateway.app(), log_level="warning")).run([served])
