from __future__ import annotations

from liftgraph_dagster.execution.records import EventKind, Status
from liftgraph_dagster.graph.state import decode
from tests.unit.execution.bench import ANSWERS, DONE, Letter, stopped

BOOM = ValueError("boom")


async def test_an_execution_that_has_not_begun_has_its_first_state() -> None:
    _, execution_id, states = await stopped()

    assert await states.load(execution_id) == Letter(text=DONE.text)


async def test_a_loaded_state_is_that_after_the_last_node_of_the_main_line() -> None:
    _, execution_id, states = await stopped(draft=BOOM)

    assert await states.load(execution_id) == DONE.model_copy(update={"reply": ""})


async def test_what_branches_did_is_not_in_the_state_before_they_are_joined() -> None:
    bench, execution_id, states = await stopped()
    bench.answers["tone"] = bench.once_finished("Topic", BOOM)
    await bench.fail(str(execution_id))

    assert "Topic" in await bench.finished(str(execution_id))
    assert await states.load(execution_id) == Letter(text=DONE.text, words=4)


async def test_the_state_of_an_execution_that_has_ended_can_be_loaded() -> None:
    bench, execution_id, states = await stopped()
    await bench.run(str(execution_id))

    assert await states.load(execution_id) == DONE


async def test_an_execution_goes_on_from_the_state_that_was_saved() -> None:
    bench, execution_id, states = await stopped(draft=[BOOM, ANSWERS["draft"]])
    state = await states.load(execution_id)
    state.log.append("seen by ada")
    await states.save(execution_id, state)

    execution = await bench.run(str(execution_id))

    assert decode(Letter, execution.state).log == ["seen by ada"]
    assert "tone: angry" in bench.provider.requests[-1].messages[-1].content


async def test_a_saved_state_reaches_the_next_question() -> None:
    bench, execution_id, states = await stopped(draft=[BOOM, ANSWERS["draft"]])
    state = await states.load(execution_id)
    state.topic = "receipts"
    await states.save(execution_id, state)

    await bench.run(str(execution_id))

    drafts = [r for r in bench.provider.requests if "topic: " in r.messages[-1].content]
    assert [r.messages[-1].content for r in drafts] == ["topic: billing", "topic: receipts"]


async def test_a_save_stands_in_the_history_with_what_it_changed() -> None:
    bench, execution_id, states = await stopped()
    await states.save(execution_id, Letter(text="Hello.", words=1))

    (event,) = await bench.events(str(execution_id))
    assert (event.kind, event.seq) == (EventKind.EDIT, 1)
    assert event.note == "state saved from outside: text, words changed"
    assert event.state_patch == b'{"text":"Hello.","words":1}'


async def test_a_save_that_changes_nothing_says_so() -> None:
    bench, execution_id, states = await stopped()
    await states.save(execution_id, await states.load(execution_id))

    (event,) = await bench.events(str(execution_id))
    assert event.note == "state saved from outside: nothing changed"
    assert event.state_patch is None


async def test_a_save_leaves_the_status_and_the_place_as_they_are() -> None:
    bench, execution_id, states = await stopped(draft=BOOM)
    await states.save(execution_id, DONE)

    assert (await bench.get(str(execution_id))).status is Status.FAILED
    assert await bench.finished(str(execution_id)) == ["Count", "Topic", "Tone", "Read"]


async def test_observers_are_told_of_a_save() -> None:
    bench, execution_id, states = await stopped()
    told: list[tuple[EventKind, int]] = []
    bench.executor.observers.append(lambda _, event: told.append((event.kind, event.seq)))

    await states.save(execution_id, DONE)

    assert told == [(EventKind.EDIT, 1)]


async def test_a_hundred_saves_and_loads_in_a_row_lose_nothing() -> None:
    bench, execution_id, states = await stopped()
    for number in range(1, 101):
        state = await states.load(execution_id)
        state.words = number
        state.log.append(f"\0 {number}")
        await states.save(execution_id, state)

        assert await states.load(execution_id) == state

    assert state == Letter(
        text=DONE.text, words=100, log=[f"\0 {number}" for number in range(1, 101)]
    )
    assert (await bench.get(str(execution_id))).rev == 100


async def test_a_given_output_takes_the_place_of_the_question() -> None:
    bench, execution_id, states = await stopped(draft=BOOM)

    await states.update_node_output(execution_id, "Reply", {"reply": "By hand."})

    execution = await bench.get(str(execution_id))
    assert execution.status is Status.SUCCEEDED
    assert decode(Letter, execution.state) == DONE.model_copy(update={"reply": "By hand."})
    assert bench.calls.count("reply") == 0


async def test_an_execution_goes_on_behind_the_node_whose_output_was_given() -> None:
    bench, execution_id, states = await stopped()

    await states.update_node_output(execution_id, "Count", {"words": 99})
    execution = await bench.run(str(execution_id))

    assert decode(Letter, execution.state) == DONE.model_copy(update={"words": 99})
    assert (await bench.finished(str(execution_id)))[0] == "Count"


async def test_a_given_output_stands_in_the_history_as_the_node_s_own() -> None:
    bench, execution_id, states = await stopped()
    await states.update_node_output(execution_id, "Count", {"words": 99})

    (event,) = await bench.events(str(execution_id))
    assert (event.kind, event.node, event.output) == (EventKind.NODE, "Count", b'{"words":99}')
    assert event.state_patch == b'{"words":99}'
