"""Datasets of the database and repeated evaluations, from Python, with a scripted model."""

from __future__ import annotations

import datetime as dt
from pathlib import Path
from typing import Any

import pydantic
import pytest

from liftgraph_dagster import LiftGraph
from liftgraph_dagster.errors import (
    DatasetError,
    ErrorClass,
    InputError,
    NodeFailed,
    NotFound,
    ProviderError,
)
from liftgraph_dagster.evaluation.dataset import Dataset, Split
from liftgraph_dagster.evaluation.example import Label, LabelKind
from liftgraph_dagster.evaluation.importing import family_of
from liftgraph_dagster.execution.records import Status
from liftgraph_dagster.providers.scripted import Answer, ScriptedProvider
from liftgraph_dagster.settings import Settings
from tests.factories import (
    TICKETS,
    example_line,
    make_example,
    tickets_graph,
    topic_provider,
    write_lines,
)

pytestmark = pytest.mark.postgres

ADA = Label(who="ada", kind=LabelKind.HUMAN, on=dt.date(2026, 11, 25))
ALL = Dataset("tickets", tuple(make_example(id) for id in TICKETS))


@pytest.fixture
def bare(database_url: str, tmp_path: Path) -> Settings:
    """No graph and no model, but those that the test gives."""
    return Settings(home=tmp_path, database_url=database_url, graphs=())


def opened(
    settings: Settings, provider: ScriptedProvider | None = None, **changes: Any
) -> LiftGraph:
    """Return an installation with the tickets graph."""
    return LiftGraph(
        settings, graphs=[tickets_graph(**changes)], provider=provider or topic_provider()
    )


def down_for(text: str) -> ScriptedProvider:
    def topic(asked: str) -> Answer:
        if text in asked:
            raise ProviderError("the server is down", error_class=ErrorClass.TRANSIENT)
        return {"topic": "billing"}

    return topic_provider(topic)


async def test_a_file_is_imported_and_evaluated_by_name(bare: Settings, tmp_path: Path) -> None:
    file = write_lines(tmp_path / "a.jsonl", [example_line(id) for id in TICKETS])

    async with opened(bare) as lg:
        read = await lg.read_import("tickets", file)
        moved = await lg.name_dataset(read, "smoke")
        evaluation = await lg.evaluate("tickets", split=Split.TRAIN, dataset="smoke")

    assert moved.after.digest == evaluation.batch.dataset_digest == ALL.digest
    assert [score.example_id for score in evaluation.scores] == ["billing-1", "billing-2"]


async def test_a_bad_row_of_an_import_stores_nothing(bare: Settings, tmp_path: Path) -> None:
    lines = [example_line("billing-1"), example_line("billing-2") | {"input": 7}]
    file = write_lines(tmp_path / "a.jsonl", lines)

    async with opened(bare) as lg:
        with pytest.raises(DatasetError, match=r"a\.jsonl, line 2, field input"):
            await lg.read_import("tickets", file)

        assert await lg.datasets() == []


async def test_a_file_without_rows_is_refused(bare: Settings, tmp_path: Path) -> None:
    async with opened(bare) as lg:
        with pytest.raises(InputError, match="has no rows"):
            await lg.read_import("tickets", write_lines(tmp_path / "a.jsonl", []))


async def test_a_dataset_is_found_by_name_digest_and_graph(bare: Settings, tmp_path: Path) -> None:
    file = write_lines(tmp_path / "a.jsonl", [example_line("billing-1")])

    async with opened(bare, examples=[file]) as lg:
        await lg.name_dataset(ALL, "smoke")
        by_name = await lg.find_dataset("smoke")
        by_digest = await lg.find_dataset(ALL.digest[:10])
        by_graph = await lg.find_dataset("tickets")

    assert by_name.digest == by_digest.digest == ALL.digest
    assert [example.id for example in by_graph.examples] == ["billing-1"]


@pytest.mark.parametrize("reference", ["smoke", "0" * 64, "half \ud83d", "a\0b"])
async def test_a_dataset_that_is_not_there_is_named(bare: Settings, reference: str) -> None:
    async with opened(bare) as lg:
        with pytest.raises(InputError):
            await lg.find_dataset(reference)
        with pytest.raises(InputError):
            await lg.evaluate("tickets", dataset=reference)


async def test_a_dataset_that_the_graph_no_longer_takes_can_be_looked_at_but_not_evaluated(
    bare: Settings,
) -> None:
    class Desk(pydantic.BaseModel):
        desk: str

    async with opened(bare) as lg:
        await lg.name_dataset(ALL, "smoke")
    async with opened(bare, expected=Desk) as lg:
        found = await lg.find_dataset("smoke")

        with pytest.raises(DatasetError, match="dataset smoke, example 1, field expected"):
            await lg.evaluate("tickets", dataset="smoke")
    assert found.digest == ALL.digest


async def test_an_execution_becomes_an_example_with_its_outcome(bare: Settings) -> None:
    async with opened(bare) as lg:
        execution = (await lg.run("tickets", "I was charged twice.")).execution
        moved = await lg.add_execution("tickets", "real", execution.id, ADA)
        stored = await lg.dataset("tickets", "real")

    [example] = stored.examples
    assert moved.before is None
    assert example.model_dump() == {
        "id": f"execution-{execution.id}",
        "family": family_of("I was charged twice."),
        "input": "I was charged twice.",
        "expected": "accounts",
        "labelled_by": ({"who": "ada", "kind": LabelKind.HUMAN, "on": dt.date(2026, 11, 25)},),
        "difficulty": None,
        "source": f"execution {execution.id}",
    }


async def test_what_was_expected_instead_replaces_the_outcome_and_an_earlier_label(
    bare: Settings,
) -> None:
    async with opened(bare) as lg:
        await lg.name_dataset(ALL, "real")
        execution = (await lg.run("tickets", "I was charged twice.")).execution
        await lg.add_execution("tickets", "real", execution.id, ADA)
        moved = await lg.add_execution(
            "tickets", "real", execution.id, ADA, expected="support", family="billing"
        )

    made = [one for one in moved.after.examples if one.id == f"execution-{execution.id}"]
    assert [(one.expected, one.family) for one in made] == [("support", "billing")]
    assert len(moved.after.examples) == len(TICKETS) + 1


async def test_an_execution_that_failed_needs_to_be_told_what_was_expected(bare: Settings) -> None:
    async with opened(bare, topic_provider(lambda _: {"topic": 7})) as lg:
        execution = await lg.accept("tickets", "I was charged twice.")
        with pytest.raises(NodeFailed):
            await lg.resume(execution.id)

        with pytest.raises(InputError, match=r"is failed and has no outcome; .* --expected"):
            await lg.add_execution("tickets", "real", execution.id, ADA)
        moved = await lg.add_execution("tickets", "real", execution.id, ADA, expected="accounts")

    assert moved.after.examples[0].expected == "accounts"


async def test_an_example_that_is_none_stores_nothing(bare: Settings) -> None:
    class Desk(pydantic.BaseModel):
        desk: str

    async with opened(bare, expected=Desk) as lg:
        execution = (await lg.run("tickets", "I was charged twice.")).execution
        attempts: list[tuple[str, str, str, type[InputError]]] = [
            ("tickets", "real", execution.id, DatasetError),  # the outcome is a text
            ("letters", "real", execution.id, NotFound),
            ("tickets", "real", "12", NotFound),
            ("tickets", "a b", execution.id, InputError),
        ]
        for graph, name, execution_id, error in attempts:
            with pytest.raises(error):
                await lg.add_execution(graph, name, execution_id, ADA)

        assert await lg.datasets() == []


async def test_an_execution_of_another_graph_is_refused(bare: Settings) -> None:
    other = tickets_graph()
    other.name = "letters"
    async with LiftGraph(bare, graphs=[tickets_graph(), other], provider=topic_provider()) as lg:
        execution = (await lg.run("tickets", "I was charged twice.")).execution

        with pytest.raises(InputError, match="is of graph 'tickets', not 'letters'"):
            await lg.add_execution("letters", "real", execution.id, ADA)


async def test_an_evaluation_goes_on_with_the_dataset_it_began_with(bare: Settings) -> None:
    """The name moves while it runs: all its scores are of the dataset that it stood for."""
    smaller = Dataset("tickets", ALL.examples[:1])
    provider: ScriptedProvider

    async def move_the_name(_: Any) -> Answer:
        await lg.name_dataset(smaller, "smoke")
        return {"topic": "billing"}

    provider = ScriptedProvider(move_the_name)
    async with opened(bare, provider) as lg:
        await lg.name_dataset(ALL, "smoke")
        evaluation = await lg.evaluate("tickets", split=Split.TRAIN, dataset="smoke")
        after = await lg.find_dataset("smoke")

    assert after.digest == smaller.digest
    assert evaluation.summary.n == 2
    assert {score.dataset_digest for score in evaluation.scores} == {ALL.digest}
    assert {run.execution.attrs["dataset"] for run in evaluation.batch.runs} == {ALL.digest}


async def test_files_that_change_under_an_evaluation_do_not_change_it(
    bare: Settings, tmp_path: Path
) -> None:
    file = write_lines(tmp_path / "a.jsonl", [example_line(id) for id in TICKETS])

    def change_the_file(_: Any) -> Answer:
        write_lines(file, [example_line("billing-1") | {"expected": "support"}])
        return {"topic": "billing"}

    async with opened(bare, ScriptedProvider(change_the_file), examples=[file]) as lg:
        evaluation = await lg.evaluate("tickets", split=Split.TRAIN)

    assert evaluation.summary.mean == 1.0
    assert {score.dataset_digest for score in evaluation.scores} == {ALL.digest}


async def test_an_outage_stores_no_score_and_the_next_evaluation_goes_on_from_there(
    bare: Settings,
) -> None:
    async with opened(bare, down_for("receipt")) as lg:
        await lg.name_dataset(ALL, "smoke")
        with pytest.raises(NodeFailed, match="the server is down"):
            await lg.evaluate("tickets", split=Split.TRAIN, dataset="smoke", repeats=2)
        begun = {one.id for one in await lg.executions()}
    async with opened(bare) as lg:
        evaluation = await lg.evaluate("tickets", split=Split.TRAIN, dataset="smoke", repeats=2)
        ended = await lg.executions()

    assert [(score.example_id, score.repeat) for score in evaluation.scores] == [
        ("billing-1", 0), ("billing-1", 1), ("billing-2", 0), ("billing-2", 1),
    ]  # fmt: skip
    assert begun <= {one.id for one in ended}
    assert len(ended) == 4


async def test_each_repeat_has_a_score_that_names_its_execution(bare: Settings) -> None:
    def script(request: Any) -> Answer:
        return {"topic": "billing" if request.seed else 7}

    async with opened(bare, ScriptedProvider(script)) as lg:
        await lg.name_dataset(ALL, "smoke")
        evaluation = await lg.evaluate("tickets", split=Split.DEV, dataset="smoke", repeats=2)
        stored = await lg.evaluations.scores(
            evaluation.batch.program_digest, ALL.digest, lg.metric("tickets")
        )
        shown = [(await lg.execution(score.execution_id)).status for score in stored]

    assert tuple(stored) == evaluation.scores
    assert [(one.repeat, one.value, one.failure_class) for one in stored] == [
        (0, 0.0, ErrorClass.VALIDATION), (1, 0.0, None),
    ]  # fmt: skip
    assert shown == [Status.FAILED, Status.SUCCEEDED]


async def test_a_repeat_that_is_resumed_alone_asks_as_its_evaluation_would_have(
    bare: Settings,
) -> None:
    async with opened(bare, down_for("password")) as lg:
        await lg.name_dataset(ALL, "smoke")
        with pytest.raises(NodeFailed):
            await lg.evaluate("tickets", dataset="smoke", repeats=2, temperature=0.4)
        begun = await lg.executions()
    provider = topic_provider()
    async with opened(bare, provider) as lg:
        for execution in begun:
            await lg.resume(execution.id)

    assert [(request.seed, request.temperature) for request in provider.requests] == [
        (execution.attrs["repeat"], 0.4) for execution in begun
    ]


async def test_repeats_at_temperature_0_run_nothing(bare: Settings) -> None:
    async with opened(bare) as lg:
        await lg.name_dataset(ALL, "smoke")
        with pytest.raises(InputError, match="would give one answer 3 times"):
            await lg.evaluate("tickets", dataset="smoke", repeats=3, temperature=0.0)

        assert await lg.executions() == []


def is_short(example: Any, outcome: Any, trace: Any = None) -> float:
    return 0.25


async def test_another_metric_scores_the_same_executions(bare: Settings) -> None:
    async with opened(bare, metrics=[is_short]) as lg:
        await lg.name_dataset(ALL, "smoke")
        first = await lg.evaluate("tickets", split=Split.TRAIN, dataset="smoke")
        second = await lg.evaluate("tickets", split=Split.TRAIN, dataset="smoke", metric="is_short")

    assert (first.scores[0].metric, first.summary.mean) == ("route_is_right", 1.0)
    assert (second.scores[0].metric, second.summary.mean) == ("is_short", 0.25)
    assert all(run.reused for run in second.batch.runs)


async def test_an_unknown_metric_is_refused_before_anything_runs(bare: Settings) -> None:
    async with opened(bare, metrics=[is_short]) as lg:
        await lg.name_dataset(ALL, "smoke")
        with pytest.raises(NotFound, match="no metric 'best'; it has route_is_right, is_short"):
            await lg.evaluate("tickets", dataset="smoke", metric="best")

        assert await lg.executions() == []


async def test_what_is_added_to_a_graphs_name_is_among_its_own_examples(
    bare: Settings, tmp_path: Path
) -> None:
    file = write_lines(tmp_path / "a.jsonl", [example_line("billing-1")])

    async with opened(bare, examples=[file]) as lg:
        execution = (await lg.run("tickets", "Where is my receipt?")).execution
        await lg.add_execution("tickets", "tickets", execution.id, ADA)
        own = await lg.dataset("tickets")
        by_name = await lg.find_dataset("tickets")

    assert [one.id for one in own.examples] == ["billing-1", f"execution-{execution.id}"]
    assert by_name.digest == own.digest


async def test_an_example_that_is_in_the_files_too_counts_once(
    bare: Settings, tmp_path: Path
) -> None:
    file = write_lines(tmp_path / "a.jsonl", [example_line("billing-1")])

    async with opened(bare, examples=[file]) as lg:
        await lg.name_dataset(ALL, "tickets")
        own = await lg.dataset("tickets")

    assert own.digest == ALL.digest


async def test_another_example_under_the_id_of_one_of_the_files_is_refused(
    bare: Settings, tmp_path: Path
) -> None:
    file = write_lines(tmp_path / "a.jsonl", [example_line("billing-1")])
    other = Dataset("tickets", (make_example("billing-1", input="I paid once."),))

    async with opened(bare, examples=[file]) as lg:
        with pytest.raises(DatasetError, match="'billing-1' stands in the files of tickets"):
            await lg.name_dataset(other, "tickets")
        own = await lg.dataset("tickets")

    assert [one.input for one in own.examples] == ["I was charged twice."]


async def test_label_checks_are_applied_by_name(bare: Settings) -> None:
    checks = {"short": lambda one: [f"{one.id} is long"] if len(one.input) > 20 else [],
              "never": lambda one: []}  # fmt: skip

    async with opened(bare, label_checks=checks) as lg:
        short, never = await lg.check_labels(ALL)
        [only] = await lg.check_labels(ALL, ["never"])
        with pytest.raises(NotFound, match="no label check 'long'; it has short, never"):
            await lg.check_labels(ALL, ["long"])

    assert dict(short.problems) == {
        "password-1": ("password-1 is long",), "outage-1": ("outage-1 is long",),
    }  # fmt: skip
    assert never.passed
    assert only == never


async def test_a_family_that_was_stored_in_another_split_is_found(
    bare: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By another version of the rule, say: what was learned from would now judge."""
    async with opened(bare) as lg:
        await lg.name_dataset(ALL, "smoke")
        before = await lg.moved_families("tickets")
        with monkeypatch.context() as other:
            other.setattr("liftgraph_dagster.storage.evaluation.split_of", lambda _: Split.DEV)
            await lg.name_dataset(Dataset("tickets", ALL.examples[:1]), "one")
        after = await lg.moved_families("tickets")

    assert (before, after) == ([], ["billing"])


async def test_an_input_of_another_split_is_not_added_to_a_graphs_own(
    bare: Settings, tmp_path: Path
) -> None:
    """A sealed example under another family would be learned from."""
    file = write_lines(tmp_path / "a.jsonl", [example_line(id) for id in TICKETS])
    copy = make_example("copy-1", family="billing", input="the page  does not load. ")

    async with opened(bare, examples=[file]) as lg:
        execution = (await lg.run("tickets", "The page does not load.")).execution
        with pytest.raises(InputError, match=r"'copy-1' has the input of 'outage-1'.*'outage'"):
            await lg.name_dataset(Dataset("tickets", (copy,)), "tickets")
        with pytest.raises(InputError, match="has the input of 'outage-1'"):
            await lg.add_execution("tickets", "tickets", execution.id, ADA, family="billing")
        moved = await lg.add_execution("tickets", "tickets", execution.id, ADA, family="outage")

    assert len(moved.after.examples) == 1
