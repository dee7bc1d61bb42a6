"""A process that imports the package and asks a model, as an audit hook sees it from inside."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pydantic
import pytest

from tests.support.recording_server import RecordingServer, completion

GUARD = """
import json, sys

seen = {"connect": [], "look_up": [], "other": []}

def watch(event, args):
    if event == "socket.connect":
        seen["connect"].append(list(args[1]) if isinstance(args[1], tuple) else args[1])
    elif event in ("socket.getaddrinfo", "socket.gethostbyname", "socket.gethostbyname_ex"):
        seen["look_up"].append(str(args[0]))
    elif event in ("socket.sendto", "socket.sendmsg", "subprocess.Popen", "os.system",
                   "sqlite3.connect", "pickle.find_class"):
        seen["other"].append(event)

sys.addaudithook(watch)

import asyncio
import dspy
import liftgraph_dagster
from liftgraph_dagster import LiftGraph
from liftgraph_dagster.providers.adapter import ProviderAdapter
from liftgraph_dagster.providers.client import HttpProvider

async def main():
    provider = HttpProvider(sys.argv[1], model="m")
    adapter = ProviderAdapter(provider, temperature=0.0)
    with dspy.context(lm=adapter.lm, adapter=adapter.adapter, track_usage=True):
        for _ in range(2):
            prediction = await dspy.Predict("question -> answer").acall(question="hi")
        await asyncio.to_thread(dspy.Predict("question -> answer"), question="hi")
    await adapter("hi")
    await provider.aclose()
    return prediction.get_lm_usage()

asyncio.run(main())
dspy.LM("openai/gpt-4o-mini", api_key="none").supports_response_schema
dspy.cache.get({"model": "m"})
print(json.dumps(seen))
"""


class Watched(pydantic.BaseModel):
    """What a process did, as its audit hook saw it."""

    connect: list[Any]
    look_up: list[str]
    other: list[str]
    files: list[str]
    requests: int


@pytest.fixture(scope="module")
def watched(tmp_path_factory: pytest.TempPathFactory) -> Watched:
    """Import the package, ask four times, and touch what DSPy opens and looks up on first use, in
    a process that is watched."""
    home = tmp_path_factory.mktemp("home")
    ours = ("LITELLM_", "DSPY_", "LIFTGRAPH_", "XDG_", "OPENAI_")
    kept = {name: value for name, value in os.environ.items() if not name.startswith(ours)}
    with RecordingServer().serve() as server:
        server.reply = completion({"answer": "hello"})
        done = subprocess.run(
            [sys.executable, "-c", GUARD, server.url],
            env=kept | {"HOME": str(home), "PYTHONDONTWRITEBYTECODE": "1"},
            cwd=Path(__file__).parents[2],
            capture_output=True,
            text=True,
            timeout=60,
        )
    assert done.returncode == 0, done.stderr
    port = int(server.url.rpartition(":")[2])
    seen = json.loads(done.stdout)
    seen["connect"] = ["model" if to == ["127.0.0.1", port] else to for to in seen["connect"]]
    files = [str(file.relative_to(home)) for file in home.rglob("*")]
    return Watched(**seen, files=files, requests=len(server.received))


def test_nothing_but_the_model_endpoint_is_ever_contacted(watched: Watched) -> None:
    assert set(watched.connect) == {"model"}
    assert set(watched.look_up) <= {"127.0.0.1", "localhost"}


def test_nothing_is_opened_started_or_left_behind(watched: Watched) -> None:
    """DSPy's disk cache would open a database below the home, and unpickle what it finds."""
    assert (watched.other, watched.files) == ([], [])


def test_the_same_question_is_asked_again_each_time(watched: Watched) -> None:
    assert watched.requests == 4
