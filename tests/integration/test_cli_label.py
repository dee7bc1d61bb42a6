"""Marking outcomes in a terminal by real keys, and what the marks say then."""

from __future__ import annotations

import asyncio
import json
import re
import signal
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from liftgraph_dagster.app import LiftGraph
from liftgraph_dagster.cli import exits
from liftgraph_dagster.evaluation.dataset import Split
from liftgraph_dagster.evaluation.marks import Mark, read_marks
from liftgraph_dagster.settings import Settings
from tests.factories import TICKETS, example_line, tickets_graph, topic_provider, write_lines
from tests.integration.conftest import COMMAND, Cli, variables
from tests.support.terminal import Terminal

pytestmark = pytest.mark.postgres

PROMPT = "mark> "
TEXTS = {TICKETS[id][1] for id in ("billing-1", "billing-2", "password-1")}
SEALED_TEXT = TICKETS["outage-1"][1]
PROVIDER = topic_provider()

Label = Callable[..., Terminal]


@pytest.fixture
def installation(settings: Settings, folder: Path) -> Settings:
    """The labelled tickets, run on the open splits; the model that did it is gone."""
    file = write_lines(folder / "tickets.jsonl", [example_line(id) for id in TICKETS])
    ours = replace(settings, graphs=(), model=PROVIDER.model, model_url="http://127.0.0.1:9")

    async def evaluate() -> None:
        graph = tickets_graph(examples=[file])
        async with LiftGraph(ours, graphs=[graph], provider=topic_provider()) as lg:
            for split in (Split.TRAIN, Split.DEV):
                await lg.evaluate("tickets", split=split)

    asyncio.run(evaluate())
    return replace(ours, graphs=("labelled_tickets",))


@pytest.fixture
def label(installation: Settings, folder: Path) -> Label:
    """Opens a terminal with `liftgraph label tickets` in it."""

    def start(*arguments: str) -> Terminal:
        return Terminal(
            [COMMAND, "label", "tickets", *arguments],
            cwd=folder,
            environment=variables(installation),
        )

    return start


def marks_of(installation: Settings) -> list[Mark]:
    """Return the stored marks."""

    async def read() -> list[Mark]:
        async with LiftGraph(replace(installation, graphs=()), graphs=[tickets_graph()]) as lg:
            return await lg.marks.of_graph("tickets")

    return asyncio.run(read())


def text_in(screen: str) -> str:
    """Return the ticket's text that a screen shows."""
    (text,) = [text for text in TEXTS if text in screen]
    return text


def label_all(terminal: Terminal, *keys: str) -> list[str]:
    """Press one key a screen and return the tickets that were shown."""
    shown = []
    for key in keys:
        shown.append(text_in(terminal.until(PROMPT)))
        terminal.press(key)
    return shown


def test_every_open_outcome_is_shown_and_each_key_is_stored(
    label: Label, installation: Settings
) -> None:
    with label("--rater", "ada") as terminal:
        shown = label_all(terminal, "5", "1", "3")
        terminal.until("3 of 3 outcomes are marked by ada in pass 1.")

        assert terminal.ended() == exits.SUCCESS
    marks = marks_of(installation)
    assert set(shown) == TEXTS
    assert [TICKETS[mark.example_id][1] for mark in marks] == shown
    assert [mark.value for mark in marks] == [5, 1, 3]
    assert {(mark.rater, mark.pass_number, str(mark.scale)) for mark in marks} == {
        ("ada", 1, "ordinal")
    }


def test_the_rater_sees_input_and_outcome_and_nothing_of_program_score_or_label(
    label: Label,
) -> None:
    with label("--rater", "ada") as terminal:
        screen = terminal.until(PROMPT)
        for key in ("4", "4"):
            terminal.press(key)
            screen += terminal.until(PROMPT)
        terminal.press("q")

    assert all(text in screen for text in TEXTS)
    assert screen.count("accounts") == 3
    assert "support" not in screen  # what the label of password-1 says
    for hidden in ("baseline", "route_is_right", "score", "billing-", "password-", "0.0", "1.0"):
        assert hidden not in screen
    assert SEALED_TEXT not in screen


def test_sealed_examples_cannot_be_asked_for(label: Label) -> None:
    with label("--split", "sealed") as terminal:
        terminal.until("'sealed' is not one of 'train', 'dev'")

        assert terminal.ended() == exits.USAGE


def test_a_killed_pass_keeps_every_mark_and_goes_on_where_it_stood(
    label: Label, installation: Settings
) -> None:
    with label("--rater", "ada") as terminal:
        first = label_all(terminal, "2")
        terminal.until(PROMPT)
        terminal.process.send_signal(signal.SIGKILL)
        terminal.ended()
    with label("--rater", "ada") as terminal:
        screen = terminal.until(PROMPT)
        assert "2 of 3" in screen
        second = text_in(screen)
        terminal.press("4")
        third = label_all(terminal, "5")
        terminal.until("3 of 3 outcomes are marked")

    assert {*first, second, *third} == TEXTS
    assert [mark.value for mark in marks_of(installation)] == [2, 4, 5]


def test_undo_takes_a_mark_back_skip_leaves_one_out_and_quit_stops(
    label: Label, installation: Settings
) -> None:
    with label("--rater", "ada") as terminal:
        first, again, second = label_all(terminal, "5", "u", "1")
        third, skipped = label_all(terminal, "s", "q")
        terminal.until("1 of 3 outcomes are marked by ada in pass 1.")
        terminal.until("Go on with the same command")

    marks = marks_of(installation)
    assert first == second != again
    assert {first, third, skipped} == TEXTS
    assert [(TICKETS[mark.example_id][1], mark.value) for mark in marks] == [(first, 1)]


def test_a_key_that_means_nothing_marks_nothing_and_says_what_does(
    label: Label, installation: Settings
) -> None:
    with label("--rater", "ada") as terminal:
        terminal.until(PROMPT)
        for keys in ("9", "x", "\x1b[A", "55", "\r", "é"):
            terminal.press(keys)
            assert "5 right as it is" in terminal.until(PROMPT), keys
        terminal.press("q")
        terminal.until("0 of 3 outcomes are marked")

    assert marks_of(installation) == []


def test_ctrl_c_interrupts_and_leaves_the_terminal_as_it_was(
    label: Label, installation: Settings
) -> None:
    with label("--rater", "ada") as terminal:
        label_all(terminal, "3")
        terminal.until(PROMPT)
        terminal.process.send_signal(signal.SIGINT)
        terminal.until("Interrupted.")

        assert terminal.ended() == exits.INTERRUPTED
        assert terminal.echoes
    assert [mark.value for mark in marks_of(installation)] == [3]


def test_a_second_pass_asks_for_all_again_in_another_order(
    label: Label, installation: Settings
) -> None:
    orders = set()
    for number in (1, 2, 3):
        with label("--rater", "ada", "--pass", str(number)) as terminal:
            orders.add(tuple(label_all(terminal, "4", "4", "4")))
            terminal.until("3 of 3 outcomes are marked")

    assert len(orders) > 1
    assert {frozenset(order) for order in orders} == {frozenset(TEXTS)}
    assert len(marks_of(installation)) == 9


def test_yes_and_no_are_the_keys_of_the_binary_scale(label: Label, installation: Settings) -> None:
    with label("--rater", "ada", "--scale", "binary") as terminal:
        label_all(terminal, "y", "n", "y")
        terminal.until("3 of 3 outcomes are marked")

    assert [mark.value for mark in marks_of(installation)] == [1, 0, 1]


def test_a_part_that_no_outcome_has_is_refused(label: Label) -> None:
    with label("--part", "code", "--rater", "ada") as terminal:
        terminal.until("no outcome of 'tickets' has a part 'code'")

        assert terminal.ended() == exits.INPUT


def test_without_a_terminal_it_says_what_to_do(cli: Cli) -> None:
    done = cli("label", "tickets", "--rater", "ada")

    assert done.returncode == exits.CONFIGURATION
    assert "needs a terminal" in done.stderr
    assert "--import FILE" in done.stderr


def test_marks_go_to_a_file_and_come_back(
    label: Label, cli: Cli, installation: Settings, folder: Path
) -> None:
    with label("--rater", "ada") as terminal:
        label_all(terminal, "5", "1", "3")
        terminal.until("3 of 3")
    marks = marks_of(installation)

    exported = cli("label", "tickets", "--rater", "ada", "--export")
    file = folder / "evals" / "tickets" / "marks-ada.jsonl"
    renamed = [json.loads(line) | {"rater": "bob"} for line in file.read_text().splitlines()]
    write_lines(folder / "marks-bob.jsonl", renamed)
    imported = cli("label", "tickets", "--import", "marks-bob.jsonl")

    assert "3 marks are written to evals/tickets/marks-ada.jsonl" in exported.stdout
    assert read_marks("tickets", file) == marks
    assert "3 marks of 1 raters are stored" in imported.stdout
    assert sorted(mark.rater for mark in marks_of(installation)) == ["ada"] * 3 + ["bob"] * 3


def test_a_rater_without_marks_has_nothing_to_export(cli: Cli) -> None:
    done = cli("label", "tickets", "--rater", "cy", "--export")

    assert done.returncode == exits.INPUT
    assert "cy has marked no outcome of 'tickets'" in done.stderr


def test_agreement_without_marks_claims_the_construct_alone(cli: Cli) -> None:
    done = cli("agreement", "tickets")

    assert done.returncode == exits.SUCCESS, done.stderr
    assert done.stdout.startswith("metric validity: construct (dose-response) only, and that")
    assert "label tickets" in done.stdout


def test_agreement_of_one_rater_is_said_to_be_undefined_and_the_retest_named_so(
    label: Label, cli: Cli
) -> None:
    for number in ("1", "2"):
        with label("--rater", "ada", "--pass", number) as terminal:
            label_all(terminal, "5", "1", "3")
            terminal.until("3 of 3")

    done = cli("agreement", "tickets")

    said = re.sub(r"\s+", " ", done.stdout)
    assert "agreement between raters: undefined (there is one rater; agreement needs two)" in said
    assert "intra-rater retest (alpha; says nothing of agreement between raters)" in said
    assert "ada, pass 1 and 2" in said


def test_agreement_of_two_raters_has_coefficients_verdict_and_validity(
    label: Label, cli: Cli
) -> None:
    for rater in ("ada", "bob"):
        with label("--rater", rater) as terminal:
            for _ in TEXTS:
                wrong = TICKETS["password-1"][1] in terminal.until(PROMPT)
                terminal.press("1" if wrong else "5")
            terminal.until("3 of 3")

    done = cli("agreement", "tickets")
    report = json.loads(cli("agreement", "tickets", "--json").stdout)

    (scale,) = report["scales"]
    assert re.search(r"Krippendorff's alpha \(ordinal\) +1\.000", done.stdout)
    assert report["claim"] == "metric validity: route_is_right against human marks"
    assert scale["between"][0]["estimate"]["value"] == 1.0
    assert scale["validity"]["spearman"]["value"] == pytest.approx(1.0)
    # A resample of three may hold one value only: there is no lower bound, and nothing is shown.
    assert scale["verdict"]["shown"] == "not shown"
