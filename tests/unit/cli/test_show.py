"""What is printed, with output that goes to no terminal: plain text, 140 columns wide."""

from __future__ import annotations

import json
from typing import Any

import pytest

from liftgraph_dagster.app import Evaluation, Result
from liftgraph_dagster.cli import show
from liftgraph_dagster.errors import ErrorClass
from liftgraph_dagster.evaluation.dataset import Dataset, Difference
from liftgraph_dagster.evaluation.metric import as_metric
from liftgraph_dagster.evaluation.scores import Batch, ExampleRun, score_batch, summarize
from liftgraph_dagster.execution.records import EventKind, Next, NodeError, NodeEvent, Status
from liftgraph_dagster.execution.trace import Trace, TraceLine
from tests.factories import make_example, make_execution, make_run, usage
from tests.support.tickets import route_is_right

Capture = pytest.CaptureFixture[str]
ODD = "list[int] [/b] [red]x"
"""Reads as markup to rich; has to be printed as it stands."""


@pytest.fixture(autouse=True)
def no_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    for variable in ("FORCE_COLOR", "TTY_COMPATIBLE", "TTY_INTERACTIVE"):
        monkeypatch.delenv(variable, raising=False)


def node(name: str = "Classify", **changes: Any) -> NodeEvent:
    values = {"node": name, "node_type": "signature", "duration_s": 0.25, "seq": 1}
    return NodeEvent(EventKind.NODE, **values | changes)


def failed(message: str, **changes: Any) -> NodeEvent:
    error = NodeError(ErrorClass.TRANSIENT, "ProviderError", message)
    values = {"node": "Classify", "node_type": "signature", "seq": 1, "error": error}
    return NodeEvent(EventKind.ERROR, **values | changes)


def make_trace(*lines: TraceLine, outcome: Any = None, **changes: Any) -> Trace:
    return Trace(make_execution(**changes), lines, outcome)


def printed(trace: Trace, capsys: Capture) -> list[str]:
    show.print_execution(trace, as_json=False)
    return capsys.readouterr().out.splitlines()


def make_evaluation(program: str, *runs: ExampleRun) -> Evaluation:
    batch = Batch("tickets", program, "p" * 64, "d" * 64, "scripted", runs)
    scores = score_batch(batch, as_metric(route_is_right))
    return Evaluation(batch, tuple(scores), summarize(batch, scores))


def test_json_is_for_programs_and_for_people(capsys: Capture) -> None:
    show.print_json({"é🙂": [1, None], "status": Status.FAILED})

    out = capsys.readouterr().out
    assert json.loads(out) == {"é🙂": [1, None], "status": "failed"}
    assert "é🙂" in out


def test_a_listed_execution_says_when_it_began_and_ended() -> None:
    execution = make_execution(Status.RUNNING, user_id="ada", attrs={"n": 1})

    found = show.execution_json(execution)

    assert found == {
        "id": execution.id,
        "graph": "tickets",
        "status": "running",
        "rev": 2,
        "program": "program",
        "graph_version": "version",
        "user": "ada",
        "created_at": execution.created_at.isoformat(),
        "finished_at": None,
        "attrs": {"n": 1},
    }


def test_a_page_of_executions_is_in_the_order_given(capsys: Capture) -> None:
    page = [make_execution(Status.FAILED), make_execution(Status.RUNNING)]

    show.print_executions(page, older=None)

    rows = [line.split()[:3] for line in capsys.readouterr().out.splitlines()]
    assert rows[1:] == [[one.id, "tickets", one.status.value] for one in page]


def test_a_full_page_says_how_to_get_the_next_one(capsys: Capture) -> None:
    page = [make_execution(), make_execution()]

    show.print_executions(page, older="--graph of_a_long_name --status succeeded --limit 2")

    assert (
        f"--graph of_a_long_name --status succeeded --limit 2 --before {page[-1].id}"
        in capsys.readouterr().out
    )


def test_no_executions_is_said(capsys: Capture) -> None:
    show.print_executions([], older=None)

    assert capsys.readouterr().out == "No executions.\n"


@pytest.mark.parametrize(("n", "words"), [(0, "0 families"), (1, "1 family"), (2, "2 families")])
def test_a_number_of_things_is_said_in_words(n: int, words: str) -> None:
    assert show.counted(n, "family", "families") == words


def test_a_result_shows_outcome_cost_and_where_to_look(capsys: Capture) -> None:
    result = Result(make_execution(), {"code": "def f():\n    pass\n", "names": ["é"], "one": "x"})
    history = [node(usage=usage(10, 2)), node("Inner", branch="Draft.0", usage=usage(10, 2))]

    show.print_result(result, history)

    lines = capsys.readouterr().out.splitlines()
    assert lines[:5] == ["code:", "    def f():", "        pass", 'names: ["é"]', "one: x"]
    assert lines[5] == "succeeded  2 model calls, 24 tokens, 0.2 s"
    assert lines[6].endswith(f"execution show {result.execution.id}")


@pytest.mark.parametrize(
    ("outcome", "text"), [("accounts", "accounts"), (3, "3"), ([1, "é"], '[1, "é"]'), (ODD, ODD)]
)
def test_an_outcome_of_any_form_is_shown(capsys: Capture, outcome: Any, text: str) -> None:
    show.print_result(Result(make_execution(), outcome), [])

    assert capsys.readouterr().out.splitlines()[0] == text


def test_only_nodes_count_for_the_usage_of_a_history() -> None:
    """A module's event holds the sum of its predictors' calls already."""
    history = [node(usage=usage(10, 2)), NodeEvent(EventKind.PREDICTOR, usage=usage(10, 2))]

    assert show.total_usage(history).tokens == 12


def test_a_timeline_shows_each_node_with_input_and_output(capsys: Capture) -> None:
    event = node(next=Next("Route"), usage=usage(10, 2), attempt=2)

    lines = printed(
        make_trace(TraceLine(event, {"text": "é"}, {"topic": "billing"}), outcome="accounts"),
        capsys,
    )

    assert lines[2:] == [
        "input  I was charged twice.",
        "  1  Classify  signature  250 ms  12 tokens  attempt 2  -> Route",
        '     in  {"text": "é"}',
        '     out {"topic": "billing"}',
        "outcome",
        "accounts",
    ]


def test_a_timeline_indents_branches_and_ends_with_the_end(capsys: Capture) -> None:
    inner = node("Inner", branch="Draft.0/Deep.1", node_type="function", next=Next(None))

    lines = printed(make_trace(TraceLine(inner, None, None)), capsys)

    assert lines[3] == "  1      Inner  function  250 ms  -> end"


@pytest.mark.parametrize("message", ["the server is down", ODD])
def test_a_timeline_shows_an_error_as_it_was_raised(capsys: Capture, message: str) -> None:
    lines = printed(make_trace(TraceLine(failed(message), None, None)), capsys)

    assert lines[-1].strip() == f"ProviderError: {message}"


@pytest.mark.parametrize("note", ["cancelled: too slow", f"cancelled: {ODD}"])
def test_a_timeline_shows_a_change_of_status_with_its_reason(capsys: Capture, note: str) -> None:
    event = NodeEvent(EventKind.STATUS, note=note, seq=3)

    lines = printed(make_trace(TraceLine(event, None, None)), capsys)

    assert lines[-1].split(maxsplit=1) == ["3", note]


def test_a_long_value_takes_one_line_of_a_timeline(capsys: Capture) -> None:
    lines = printed(make_trace(TraceLine(node(), {"text": "x" * 1000}, {"y": 1})), capsys)

    assert len(lines[4]) <= 140
    assert lines[5].strip() == 'out {"y": 1}'


def test_a_timeline_for_programs_has_everything(capsys: Capture) -> None:
    event = node(next=Next("Route"), usage=usage(10, 2))
    lines = (
        TraceLine(event, {"text": "a"}, {"topic": "billing"}),
        TraceLine(failed("down", seq=2, branch="Draft.0"), None, None),
    )

    show.print_execution(make_trace(*lines, outcome="accounts"), as_json=True)

    found = json.loads(capsys.readouterr().out)
    assert (found["status"], found["input"], found["outcome"]) == (
        "succeeded", "I was charged twice.", "accounts",
    )  # fmt: skip
    assert found["events"][0] == {
        "seq": 1,
        "kind": "node",
        "node": "Classify",
        "node_type": "signature",
        "branch": "",
        "attempt": 1,
        "at": event.started_at.isoformat(),
        "duration_ms": 250.0,
        "inputs": {"text": "a"},
        "output": {"topic": "billing"},
        "next": "Route",
        "error": None,
        "note": None,
        "tokens": 12,
        "evidence": None,
    }
    assert found["events"][1]["error"] == {
        "error_class": "transient", "type": "ProviderError", "message": "down",
    }  # fmt: skip


def test_a_table_of_scores_has_each_example_under_each_program(capsys: Capture) -> None:
    bad = make_run(
        "password-1", execution=make_execution(Status.FAILED), outcome=None, headline="",
        failure="no JSON",
    )  # fmt: skip
    evaluations = [
        make_evaluation("zero_shot", make_run("billing-1", outcome="support"), bad),
        make_evaluation("baseline", make_run("billing-1"), make_run("password-1")),
    ]

    show.print_evaluations("tickets", evaluations)

    rows = [" ".join(line.split()) for line in capsys.readouterr().out.splitlines()]
    ids = [run.execution.id for one in evaluations for run in one.batch.runs]
    assert rows[1:5] == [
        f"billing-1 zero_shot to accounts succeeded 0.000 12 1.5 {ids[0]}",
        f"baseline to accounts succeeded 1.000 12 1.5 {ids[2]}",
        f"password-1 zero_shot no JSON failed 0.000 12 1.5 {ids[1]}",
        f"baseline to accounts succeeded 0.000 12 1.5 {ids[3]}",
    ]


def test_a_table_of_repeats_has_a_line_for_each_and_counts_the_examples(capsys: Capture) -> None:
    runs = [make_run(id, repeat=n) for id in ("billing-1", "billing-2") for n in range(2)]

    show.print_evaluations("tickets", [make_evaluation("baseline", *runs)])

    rows = [" ".join(line.split()) for line in capsys.readouterr().out.splitlines()]
    assert [row.rpartition(" ")[0] for row in rows[1:5]] == [
        "billing-1 baseline 0 to accounts succeeded 1.000 12 1.5",
        "baseline 1 to accounts succeeded 1.000 12 1.5",
        "billing-2 baseline 0 to accounts succeeded 1.000 12 1.5",
        "baseline 1 to accounts succeeded 1.000 12 1.5",
    ]
    assert rows[5].startswith("total baseline n = 4, mean of route_is_right 1.000")
    assert rows[6].startswith("tickets, 2 examples x 2 repeats, model scripted, dataset")


def test_a_table_of_scores_ends_with_totals_and_what_they_are_of(capsys: Capture) -> None:
    bad = make_run("password-1", execution=make_execution(Status.FAILED), failure="no JSON")

    show.print_evaluations("tickets", [make_evaluation("baseline", make_run("billing-1"), bad)])

    out = " ".join(capsys.readouterr().out.split())
    assert "total baseline n = 2, mean of route_is_right 1 failed 0.500 24 3.0" in out
    assert "tickets, model scripted, dataset dddddddddddd, metric route_is_right version" in out


def test_names_in_a_table_are_printed_as_they_are(capsys: Capture) -> None:
    name = "a[bold][/x]"
    run = make_run("billing-1", example=make_example(id=name), headline=ODD)

    show.print_evaluations("tickets", [make_evaluation("p[dim]", run)])

    row = capsys.readouterr().out.splitlines()[1]
    assert row.split()[:2] == [name, "p[dim]"]
    assert ODD in row


def labelled(*ids: str) -> Dataset:
    return Dataset("tickets", tuple(make_example(id) for id in ids))


def test_of_a_sealed_example_only_the_id_is_printed(capsys: Capture) -> None:
    dataset = labelled("billing-1", "outage-1")

    show.print_examples(dataset, dataset.examples)

    lines = [" ".join(line.split()) for line in capsys.readouterr().out.splitlines()]
    assert lines == [
        f"tickets {dataset.digest[:12]} n = 2, 2 families; train 1, dev 0, sealed 1",
        "id family split input expected",
        "billing-1 billing train I was charged twice. accounts",
        "outage-1 sealed",
    ]


def test_sealed_examples_are_printed_when_they_are_asked_for(capsys: Capture) -> None:
    dataset = labelled("outage-1")

    show.print_examples(dataset, dataset.examples, include_sealed=True)

    assert "outage-1" in (out := capsys.readouterr().out)
    assert "The page does not load." in out


def test_more_examples_than_are_wanted_are_counted(capsys: Capture) -> None:
    dataset = labelled("billing-1", "billing-2", "password-1")

    show.print_examples(dataset, dataset.examples, most=1)

    out = capsys.readouterr().out
    assert "billing-2" not in out
    assert out.splitlines()[-1] == "and 2 more"


def test_what_an_example_holds_is_printed_as_it_stands_on_one_line(capsys: Capture) -> None:
    example = make_example(input=f"{ODD}\n  two", expected={"a": [1, "é"]})

    show.print_examples(Dataset("tickets", (example,)), [example])

    assert " ".join(capsys.readouterr().out.splitlines()[2].split()) == (
        f'billing-1 billing train {ODD} two {{"a": [1, "é"]}}'
    )


def test_a_difference_names_examples_and_fields(capsys: Capture) -> None:
    show.print_difference(Difference(("new",), ("old-1", "old-2"), {"x[b]": ("input", "family")}))

    assert capsys.readouterr().out.splitlines() == [
        "+ new", "- old-1", "- old-2", "~ x[b]  input, family",
        "1 added, 2 removed, 1 changed",
    ]  # fmt: skip


def test_no_datasets_is_said(capsys: Capture) -> None:
    show.print_datasets([])

    assert capsys.readouterr().out == "No datasets.\n"


@pytest.mark.parametrize(
    ("value", "read"),
    [
        ({"a": float("nan"), "b": [float("inf"), 1.5]}, {"a": None, "b": [None, 1.5]}),
        ({"a": "half \udc80"}, {"a": "half \udc80"}),
        ({"a": {1, 2}}, {"a": [1, 2]}),
        ({"a": 10**30}, {"a": 10**30}),
    ],
    ids=["not finite", "lone surrogate", "set", "huge"],
)
def test_what_is_printed_as_json_is_json(value: Any, read: Any, capsys: Capture) -> None:
    show.print_json(value)

    assert json.loads(capsys.readouterr().out) == read
