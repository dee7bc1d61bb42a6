from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from liftgraph_dagster.errors import (
    ConfigurationError,
    ErrorClass,
    OutputInvalid,
    OutputTruncated,
    ProviderError,
)
from liftgraph_dagster.evaluation.metric import Scored
from liftgraph_dagster.evaluation.metrics.judge import Judge
from liftgraph_dagster.providers.contract import Answer, ChatResponse, Choice, Usage
from liftgraph_dagster.providers.scripted import ScriptedProvider
from tests.factories import make_example

RUBRIC = "The desk is the one that can help."
MakeJudge = Callable[..., tuple[Judge, ScriptedProvider]]


@pytest.fixture
def make_judge() -> Iterator[MakeJudge]:
    judges = []

    def make(
        answer: Any = None, *, rubric: str = RUBRIC, model: str = "m-1", **settings: Any
    ) -> tuple[Judge, ScriptedProvider]:
        said = {"reason": "The right desk.", "score": 0.75} if answer is None else answer

        def script(request: Any) -> Any:
            if isinstance(said, Exception):
                raise said
            return said

        provider = ScriptedProvider(script, model=model)
        judges.append(Judge(provider, rubric, **settings))
        return judges[-1], provider

    yield make
    for judge in judges:
        judge.close()


def test_a_judge_returns_the_models_score_and_reason(make_judge: MakeJudge) -> None:
    judge, _ = make_judge()

    assert judge(make_example(), "accounts") == Scored(0.75, "The right desk.")


def test_the_schema_goes_on_the_wire_as_the_contract_has_it(make_judge: MakeJudge) -> None:
    judge, provider = make_judge()

    judge(make_example(), "accounts")

    body = provider.requests[0].body()
    assert body["response_format"]["type"] == "json_schema"
    assert body["response_format"]["json_schema"]["schema"]["properties"]["score"] == {
        "type": "number",
        "enum": [0.0, 0.25, 0.5, 0.75, 1.0],
    }


def test_the_model_sees_rubric_input_label_and_outcome(make_judge: MakeJudge) -> None:
    judge, provider = make_judge()

    judge(make_example(), "support")

    system, user = provider.requests[0].messages
    assert (system.role, user.role) == ("system", "user")
    assert RUBRIC in system.content
    assert user.content == (
        '{"input":"I was charged twice.","expected":"accounts","answer":"support"}'
    )


def test_a_judge_asks_at_temperature_0_unless_told_otherwise(make_judge: MakeJudge) -> None:
    found = []
    for settings in ({}, {"temperature": 0.5, "seed": 7}):
        judge, provider = make_judge(**settings)
        judge(make_example(), "accounts")
        found.append((provider.requests[0].temperature, provider.requests[0].seed))

    assert found == [(0.0, None), (0.5, 7)]


async def test_a_judge_can_be_asked_on_the_thread_of_a_running_loop(make_judge: MakeJudge) -> None:
    judge, _ = make_judge()

    assert judge(make_example(), "accounts").value == 0.75


def test_another_rubric_or_model_or_setting_is_another_version(make_judge: MakeJudge) -> None:
    versions = [
        make_judge()[0].version,
        make_judge(rubric="Another.")[0].version,
        make_judge(model="m-2")[0].version,
        make_judge(temperature=1.0)[0].version,
    ]

    assert len(set(versions)) == 4
    assert make_judge()[0].version == versions[0]


def test_the_model_stands_in_the_name(make_judge: MakeJudge) -> None:
    assert make_judge()[0].name == "judge(m-1)"


def test_a_rubric_is_needed() -> None:
    with pytest.raises(ConfigurationError, match="a judge needs a rubric"):
        Judge(ScriptedProvider(lambda request: {}), "  ")


@pytest.mark.parametrize(
    "answer",
    [
        {"reason": "x", "score": 0.7},
        {"reason": "x", "score": "1"},
        {"score": 1},
        {"reason": "", "score": 1},
        "not JSON",
        '{"reason": "x", "score": NaN}',
    ],
    ids=str,
)
def test_an_answer_that_is_no_verdict_is_no_score(make_judge: MakeJudge, answer: Any) -> None:
    judge, _ = make_judge(answer)

    with pytest.raises(OutputInvalid):
        judge(make_example(), "accounts")


def test_a_verdict_that_was_cut_off_is_no_score(make_judge: MakeJudge) -> None:
    cut = ChatResponse(
        id="1",
        model="m-1",
        choices=[Choice(message=Answer(content='{"reason": "The'), finish_reason="length")],
        usage=Usage(prompt_tokens=1, completion_tokens=400, total_tokens=401),
    )
    judge, _ = make_judge(cut)

    with pytest.raises(OutputTruncated, match="m-1 was cut off after 400 tokens"):
        judge(make_example(), "accounts")


def test_a_judge_that_cannot_be_reached_gives_no_score(make_judge: MakeJudge) -> None:
    judge, _ = make_judge(ProviderError("no answer", error_class=ErrorClass.TIMEOUT))

    with pytest.raises(ProviderError, match="no answer"):
        judge(make_example(), "accounts")
