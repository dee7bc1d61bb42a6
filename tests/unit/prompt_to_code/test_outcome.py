from __future__ import annotations

from typing import Any

import pydantic
import pytest

from liftgraph_dagster.errors import InputError
from liftgraph_dagster.graph.candidates import Candidate, Candidates
from liftgraph_dagster.prompt_to_code import outcome as module
from liftgraph_dagster.prompt_to_code.graph import graph
from liftgraph_dagster.prompt_to_code.ir import IR, Intent, Parameter, Signature
from liftgraph_dagster.prompt_to_code.outcome import Expected, outcome
from liftgraph_dagster.prompt_to_code.state import CodeCheck, PromptState

SIGNATURE = Signature(name="f", parameters=[Parameter(name="x", type_hint="int")], returns="int")
FINISHED = PromptState(
    prompt="Double it.",
    ir=IR(intent=Intent(summary="Double x."), signature=SIGNATURE),
    suggestions={
        "start": Candidates(options=[Candidate(value="1"), Candidate(value="0")]),
        "empty": Candidates(),
    },
    code="def f(x: int) -> int:\n    return 2 * x\n",
    check=CodeCheck(parses=True, defines=True, loads=True, confined_by="seccomp"),
)


def expected(**changes: Any) -> dict[str, Any]:
    return {
        "ir": {"intent": {"summary": "Double x."}, "signature": {"name": "f"}},
        "code": "def f(): pass",
        "tests": [{"args": "(1,)", "returns": "2"}] * 4,
    } | changes


@pytest.mark.parametrize(
    ("text", "prompt"),
    [
        ("Double it.", "Double it."),
        ("  Double it.\n", "Double it."),
        ("a\0b", "a\0b"),
        ("né 🙂", "né 🙂"),
        ("x" * 4000, "x" * 4000),
    ],
    ids=["plain", "stripped", "NUL", "unicode", "longest"],
)
def test_a_prompt_becomes_the_first_state(text: str, prompt: str) -> None:
    assert graph.begin(text) == PromptState(prompt=prompt)


@pytest.mark.parametrize(
    "value",
    ["", "  \n", "x" * 4001, "x" * 1_000_000, "a\ud800b", None, 7, ["Double it."], {"prompt": "x"}],
    ids=["empty", "blank", "long", "1 MB", "surrogate", "None", "number", "list", "object"],
)
def test_what_is_no_prompt_is_refused_in_one_short_sentence(value: Any) -> None:
    with pytest.raises(InputError, match=r"^input of prompt_to_code") as caught:
        graph.begin(value)

    assert len(str(caught.value)) < 200


def test_the_outcome_is_what_a_person_wants_of_the_state() -> None:
    assert outcome(FINISHED) == {
        "ir": FINISHED.ir.model_dump(mode="json"),
        "header": "def f(x: int) -> int:",
        "suggestions": {"start": ["1", "0"], "empty": []},
        "code": "def f(x: int) -> int:\n    return 2 * x\n",
        "check": {
            "parses": True,
            "defines": True,
            "loads": True,
            "confined_by": "seccomp",
            "problems": [],
        },
    }


def test_the_headline_of_an_outcome_is_the_header() -> None:
    assert graph.headline(outcome(FINISHED)) == "def f(x: int) -> int:"


@pytest.mark.parametrize("missing", ["ir", "check"])
def test_an_execution_under_way_has_no_outcome(missing: str) -> None:
    with pytest.raises(ValueError, match="has not reached its end"):
        outcome(FINISHED.model_copy(update={missing: None}))


@pytest.mark.parametrize(
    ("signature", "header"),
    [
        (SIGNATURE, "def f(x: int) -> int:"),
        (Signature(name="f"), "def f():"),
        (
            Signature(
                name="f",
                parameters=[
                    Parameter(name="x", type_hint=None),
                    Parameter(name="y", type_hint="str"),
                ],
            ),
            "def f(x, y: str):",
        ),
    ],
)
def test_a_header_leaves_open_types_out(signature: Signature, header: str) -> None:
    assert signature.header() == header


def test_labels_of_the_right_form_are_taken() -> None:
    tests = [*expected()["tests"], {"args": "(-1,)", "raises": "ValueError"}]

    assert len(Expected.model_validate(expected(tests=tests)).tests) == 5


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"tests": [{"args": "(1,)", "returns": "2"}] * 3}, "tests"),
        ({"test": []}, "test"),
        ({"code": None}, "code"),
        ({"ir": {}}, "ir.intent"),
        ({"ir": {"intent": {"summary": "x"}, "signature": {"name": "f"}, "hole": []}}, "ir.hole"),
        ({"fillings": {"start": "1"}}, "fillings.start"),
        ({"tests": [{"args": "(1,)"}] * 4}, "tests.0"),
        ({"tests": [{"args": "(1,)", "returns": "2", "raises": "E"}] * 4}, "tests.0"),
        ({"reference_tests": [{"args": "(1,)", "return": "2"}]}, "reference_tests.0.return"),
    ],
)
def test_labels_of_another_form_are_refused_with_the_field(
    changes: dict[str, Any], field: str
) -> None:
    with pytest.raises(pydantic.ValidationError) as caught:
        Expected.model_validate(expected(**changes))

    assert field in [".".join(map(str, error["loc"])) for error in caught.value.errors()]


@pytest.mark.parametrize("result", [{"returns": "2"}, {"raises": "ValueError"}])
def test_a_test_has_one_result(result: dict[str, str]) -> None:
    found = module.Test(args="(1,)", **result)

    assert found.model_dump(exclude_none=True) == {"args": "(1,)"} | result
