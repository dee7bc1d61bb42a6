"""The bar writes to stderr: pytest's, which is no terminal unless the environment says so."""

from __future__ import annotations

import re

import pytest

from liftgraph_dagster.cli.progress import BatchProgress
from liftgraph_dagster.execution.records import EventKind, NodeEvent, Status
from tests.factories import make_example, make_execution, make_run, usage


@pytest.fixture
def terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "120")


@pytest.fixture
def plain(monkeypatch: pytest.MonkeyPatch) -> None:
    for variable in ("FORCE_COLOR", "TTY_COMPATIBLE", "TTY_INTERACTIVE"):
        monkeypatch.delenv(variable, raising=False)


def text_of(err: str) -> str:
    """Return what a terminal was sent without its control sequences."""
    return re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", err)


@pytest.mark.usefixtures("plain")
def test_without_a_terminal_each_finished_example_is_a_line(
    capsys: pytest.CaptureFixture[str],
) -> None:
    with BatchProgress(2) as progress:
        progress.on_run(make_run())
        progress.on_run(make_run("password-1", execution=make_execution(Status.FAILED)))

    assert capsys.readouterr().err.splitlines() == [
        "1/2  billing-1  succeeded  1.5 s",
        "2/2  password-1  failed  1.5 s",
    ]


@pytest.mark.usefixtures("plain")
def test_without_a_terminal_what_is_reused_counts_but_is_no_line(
    capsys: pytest.CaptureFixture[str],
) -> None:
    with BatchProgress(2) as progress:
        progress.on_run(make_run(reused=True))
        progress.on_run(make_run("password-1"))

    assert capsys.readouterr().err.splitlines() == ["2/2  password-1  succeeded  1.5 s"]


@pytest.mark.usefixtures("plain")
def test_an_id_is_printed_as_it_is(capsys: pytest.CaptureFixture[str]) -> None:
    with BatchProgress(1) as progress:
        progress.on_run(make_run(example=make_example(id="a[bold]-[/x]")))

    assert "a[bold]-[/x]" in capsys.readouterr().err


@pytest.mark.usefixtures("plain")
def test_nothing_goes_to_stdout(capsys: pytest.CaptureFixture[str]) -> None:
    """There the JSON goes."""
    with BatchProgress(1) as progress:
        progress.on_run(make_run())

    assert capsys.readouterr().out == ""


@pytest.mark.usefixtures("terminal")
def test_on_a_terminal_the_bar_counts_executions_and_nodes(
    capsys: pytest.CaptureFixture[str],
) -> None:
    execution = make_execution()

    with BatchProgress(2) as progress:
        for kind in (EventKind.NODE, EventKind.NODE, EventKind.ERROR, EventKind.STATUS):
            progress.on_event(execution, NodeEvent(kind, node="Classify", usage=usage(5, 2)))
        progress.on_run(make_run())
        progress.on_run(make_run("password-1", reused=True))

    last = text_of(capsys.readouterr().err).replace("\r", "\n").strip().splitlines()[-1]
    assert last.startswith("2/2 executions")
    assert "2 nodes" in last
    assert re.search(r"\d+ tokens/s", last)
