"""The nodes, driven through the executor on the memory store by a scripted model."""

from __future__ import annotations

import ast
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import dspy
import pytest

from liftgraph_dagster.errors import NodeFailed
from liftgraph_dagster.execution.ask import Asker
from liftgraph_dagster.execution.executor import Executor
from liftgraph_dagster.execution.program import declared_program
from liftgraph_dagster.execution.records import EventKind, NodeEvent, Status
from liftgraph_dagster.execution.store import MemoryStateStore
from liftgraph_dagster.graph.state import decode
from liftgraph_dagster.prompt_to_code import running
from liftgraph_dagster.prompt_to_code.graph import graph
from liftgraph_dagster.prompt_to_code.ir import IR, HoleKind, Intent, Signature, TypedHole
from liftgraph_dagster.prompt_to_code.nodes import CheckCode, SuggestHoles
from liftgraph_dagster.prompt_to_code.state import PromptState
from liftgraph_dagster.providers.contract import ChatRequest
from liftgraph_dagster.providers.engine import language_model
from liftgraph_dagster.providers.evidence import with_evidence
from liftgraph_dagster.providers.scripted import ScriptedProvider
from liftgraph_dagster.sandbox.sandbox import Report, Sandbox, SandboxUnavailable
from tests.support.model_server import ANSWERS, asked

Answers = dict[str, Any]


class RefusingSandbox(Sandbox):
    """As on a machine that lacks a layer."""

    def run(self, *args: Any, **kwargs: Any) -> Report:
        raise SandboxUnavailable("this machine lacks Landlock")


@dataclass(frozen=True)
class Driven:
    """What became of a prompt."""

    state: PromptState
    history: list[NodeEvent]
    requests: dict[str, ChatRequest]

    @property
    def ir(self) -> IR:
        assert self.state.ir is not None
        return self.state.ir

    def question(self, node: str) -> list[str]:
        """Return the lines that the model was asked by `node`."""
        return self.requests[f"{node}Signature"].messages[-1].content.splitlines()


async def drive(**answers: Answers) -> Driven:
    """Run the graph on a model that gives `answers` by node; the others as in `ANSWERS`."""
    script = {name: given | answers.get(name.removesuffix("Signature"), {})
              for name, given in ANSWERS.items()}  # fmt: skip
    provider = ScriptedProvider(lambda request: script[asked(request)])
    program = declared_program(graph, "zero_shot")
    executor = Executor(MemoryStateStore())
    execution = await executor.accept(graph, program.digest, "Round the price.")
    asker = Asker(graph, program, language_model(provider))
    done = await executor.run(graph, execution.id, asker)
    return Driven(
        decode(PromptState, done.state),
        await executor.store.history(done.id),
        {asked(request): request for request in provider.requests},
    )


def parameter(type_hint: str, name: str = "price") -> Answers:
    return {"name": name, "type_hint": type_hint}


def point(identifier: str, type_hint: str = "int") -> Answers:
    return {"identifier": identifier, "type_hint": type_hint, "question": "How many?"}


def identifiers(ir: IR) -> list[str]:
    return [hole.identifier for hole in ir.holes]


async def test_a_prompt_goes_through_the_nodes_in_their_order() -> None:
    driven = await drive()

    main = [event.node for event in driven.history if not event.branch]
    drafts = {event.node for event in driven.history if event.branch}
    assert main == [
        "ExtractIntent", "Draft", "AssembleIR", "SuggestHoles", "GenerateCode", "CheckCode",
    ]  # fmt: skip
    assert drafts == {"DraftSignature", "DraftAssertions", "DraftEffects"}
    assert {event.kind for event in driven.history} == {EventKind.NODE}


async def test_the_drafts_become_one_representation() -> None:
    driven = await drive(DraftEffects={"effects": ["raises ValueError"]})

    ir = driven.ir
    assert ir.intent.summary == "Return the price, rounded."
    assert ir.signature.header() == "def round_price(price: float) -> float:"
    assert [effect.description for effect in ir.effects] == ["raises ValueError"]
    assert [assertion.predicate for assertion in ir.assertions] == ["abs(result - price) <= 1"]


async def test_an_unknown_type_of_a_parameter_becomes_a_hole() -> None:
    driven = await drive(
        ExtractIntent={"open_points": []}, DraftSignature={"parameters": [parameter("a price")]}
    )

    assert driven.ir.signature.parameters[0].type_hint is None
    assert driven.ir.holes == [
        TypedHole(
            identifier="price_type",
            type_hint="type",
            description="Which type does the parameter price have?",
            kind=HoleKind.SIGNATURE,
        )
    ]


async def test_an_unknown_type_of_the_result_becomes_a_hole() -> None:
    driven = await drive(
        ExtractIntent={"open_points": []}, DraftSignature={"returns": "the rounded price"}
    )

    assert driven.ir.signature.returns is None
    assert driven.ir.holes == [
        TypedHole(
            identifier="returns",
            type_hint="type",
            description="Which type does the function return?",
            kind=HoleKind.SIGNATURE,
        )
    ]


async def test_an_open_point_becomes_a_hole() -> None:
    driven = await drive()

    assert driven.ir.holes == [
        TypedHole(
            identifier="digits",
            type_hint="int",
            description="How many decimal places?",
            kind=HoleKind.IMPLEMENTATION,
        )
    ]


@pytest.mark.parametrize(
    ("points", "parameters", "expected"),
    [
        ([point("digits"), point("digits")], [parameter("float")], ["digits"]),
        ([point("class")], [parameter("float")], []),
        ([point("price_type")], [parameter("a price")], ["price_type"]),
        ([point("price_type")], [parameter("float")], ["price_type"]),
        ([], [parameter("a price"), parameter("a price")], ["price_type"]),
        (
            [point("b"), point("a")],
            [parameter("what", "y"), parameter("what", "x")],
            ["y_type", "x_type", "b", "a"],
        ),
    ],
)
async def test_the_identifier_of_a_hole_is_a_name_and_unique(
    points: list[Answers], parameters: list[Answers], expected: list[str]
) -> None:
    driven = await drive(
        ExtractIntent={"open_points": points},
        DraftSignature={"parameters": parameters},
        SuggestHoles={"suggestions": []},
    )

    assert identifiers(driven.ir) == expected


@pytest.mark.parametrize(
    "hint", ["float", "'int'", "a price", "int, str", "int  # cents", "int\n", " int"]
)
async def test_the_header_is_python_whatever_types_are_proposed(hint: str) -> None:
    driven = await drive(DraftSignature={"parameters": [parameter(hint)], "returns": hint})

    tree = ast.parse(f"{driven.ir.signature.header()} pass")
    assert [part.name for part in tree.body if isinstance(part, ast.FunctionDef)] == ["round_price"]


async def test_nothing_is_suggested_where_nothing_is_open() -> None:
    driven = await drive(ExtractIntent={"open_points": []})

    assert "SuggestHolesSignature" not in driven.requests
    assert driven.state.suggestions == {}
    assert driven.state.check is not None


async def test_the_model_is_asked_about_each_hole_with_its_type_and_question() -> None:
    driven = await drive(DraftSignature={"returns": "who knows"})

    assert driven.question("SuggestHoles") == [
        "prompt: Round the price.",
        'holes: ["returns (type): Which type does the function return?", '
        '"digits (int): How many decimal places?"]',
    ]


async def test_suggestions_are_candidates_best_first_without_repeats() -> None:
    driven = await drive(
        SuggestHoles={"suggestions": [{"identifier": "digits", "values": ["2", "0", "2"]}]}
    )

    options = driven.state.suggestions["digits"].options
    assert [option.value for option in options] == ["2", "0"]
    assert {option.confidence for option in options} == {None}


def test_a_candidate_has_the_models_own_probability() -> None:
    hole = TypedHole(identifier="digits", type_hint="int")
    ir = IR(intent=Intent(summary="s"), signature=Signature(name="f"), holes=[hole])
    state = PromptState(prompt="p", ir=ir)
    suggestion = SimpleNamespace(identifier="digits", values=["2", "0"])
    prediction = dspy.Prediction(suggestions=[suggestion])
    one, other = {"logprob": -0.1, "tokens": 1.0}, {"logprob": -3.0, "tokens": 1.0}
    with_evidence(prediction, {"/suggestions/0/values/0": one, "/suggestions/0/values/1": other})

    SuggestHoles().update_state(state, prediction)

    assert [option.evidence for option in state.suggestions["digits"].options] == [one, other]


async def test_a_suggestion_for_what_is_no_hole_is_dropped() -> None:
    suggestions = [
        {"identifier": "colour", "values": ["red"]},
        {"identifier": "digits", "values": ["1"]},
    ]

    driven = await drive(SuggestHoles={"suggestions": suggestions})

    assert list(driven.state.suggestions) == ["digits"]


async def test_code_is_asked_for_with_the_header_and_the_best_candidates() -> None:
    driven = await drive()

    assert driven.question("GenerateCode") == [
        "summary: Return the price, rounded.",
        "header: def round_price(price: float) -> float:",
        'choices: ["digits = 2"]',
    ]


async def test_the_code_is_the_header_and_the_indented_body() -> None:
    body = ["if price:", "    return round(price)", "  ", "return 0.0"]

    driven = await drive(GenerateCode={"body": body})

    assert driven.state.code == (
        "def round_price(price: float) -> float:\n"
        "    if price:\n"
        "        return round(price)\n"
        "\n"
        "    return 0.0\n"
    )


@pytest.mark.parametrize(
    ("body", "parses", "problem"),
    [
        (["return round(price, 2)"], True, None),
        (["return round(price"], False, "does not compile"),
        (["return await price"], False, "does not compile"),
        (["return 'a\0b'"], False, "does not compile"),
        (["  return 1", "return 2"], False, "does not compile"),
    ],
)
async def test_the_code_is_compiled(body: list[str], parses: bool, problem: str | None) -> None:
    driven = await drive(GenerateCode={"body": body})

    check = driven.state.check
    assert check is not None
    assert check.parses is parses
    assert [text.startswith(problem or "") for text in check.problems] == [True] * bool(problem)


@pytest.mark.parametrize(
    ("code", "problems"),
    [
        ("def f(): pass", []),
        ("import math\ndef g(): pass\ndef f(): pass", []),
        ("def g(): pass", ["does not define f"]),
        ("f = lambda: 0", ["does not define f"]),
        ("def g():\n    def f(): pass", ["does not define f"]),
        ("", ["does not define f"]),
    ],
)
def test_code_that_does_not_define_the_function_says_so(code: str, problems: list[str]) -> None:
    check = CheckCode().call(code, "f")["check"]

    assert (check.parses, check.problems) == (True, problems)


@pytest.mark.parametrize(
    ("code", "problem"),
    [
        ("def f(x: Missing): pass", "raises NameError at load: name 'Missing' is not defined"),
        ("def f(): pass\n1 / 0", "raises ZeroDivisionError at load: division by zero"),
        ("def f(): pass\nraise SystemExit(3)", "raises SystemExit at load: 3"),
        ("def f(): pass\nimport os\nos._exit(3)", "the process ended at load: exit code 3"),
        ("def f(): pass\nwhile True: pass", "load timed out after 2 s"),
        ("def f(): pass\nraise ValueError('\\ud800')", "raises ValueError at load: \\ud800"),
    ],
)
def test_code_that_does_not_load_says_why(code: str, problem: str) -> None:
    check = CheckCode().call(code, "f")["check"]

    assert (check.parses, check.defines, check.loads) == (True, True, False)
    assert check.problems == [problem]
    assert check.confined_by.endswith("seccomp, no_new_privs, ordinary user")


def test_code_that_loads_says_what_it_was_confined_by() -> None:
    check = CheckCode().call("import math\ndef f(): return math.pi", "f")["check"]

    assert check.loads
    assert check.confined_by.startswith("Landlock")


def test_a_function_that_is_gone_after_loading_is_not_defined() -> None:
    check = CheckCode().call("def f(): pass\ndel f", "f")["check"]

    assert (check.loads, check.defines) == (True, False)
    assert check.problems == ["does not define f"]


def test_code_that_does_not_parse_is_not_loaded() -> None:
    check = CheckCode().call("def f(:", "f")["check"]

    assert (check.parses, check.loads, check.confined_by) == (False, False, "")


def test_checking_code_writes_no_file(tmp_path: Path) -> None:
    file = tmp_path / "written"

    CheckCode().call(f"open({str(file)!r}, 'w')\ndef f(): pass", "f")

    assert not file.exists()


async def test_where_code_must_not_run_the_execution_fails_and_goes_on_once_it_may(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Nothing before the check is asked again."""
    provider = ScriptedProvider(lambda request: ANSWERS[asked(request)])
    program = declared_program(graph, "zero_shot")
    executor = Executor(MemoryStateStore())
    asker = Asker(graph, program, language_model(provider))
    execution = await executor.accept(graph, program.digest, "Round the price.")

    with monkeypatch.context() as machine:
        machine.setattr(running, "sandbox", RefusingSandbox)
        with pytest.raises(NodeFailed, match="this machine lacks Landlock") as caught:
            await executor.run(graph, execution.id, asker)
    waiting = await executor.store.get(execution.id)
    asked_before = len(provider.requests)
    done = await executor.run(graph, execution.id, asker)

    assert isinstance(caught.value.__cause__, SandboxUnavailable)
    assert waiting.status is Status.SUSPENDED
    assert done.status is Status.SUCCEEDED
    assert len(provider.requests) == asked_before


def test_checking_code_prints_no_warning_about_it(recwarn: pytest.WarningsRecorder) -> None:
    """What the model writes would otherwise speak on the command's stderr."""
    CheckCode().call("def f(x):\n    return x is 1", "f")

    assert recwarn.list == []


def test_code_too_deep_for_the_compiler_is_a_finding() -> None:
    deep = "(" * 5000 + ")" * 5000

    check = CheckCode().call(f"def f(): return {deep}", "f")["check"]

    assert not check.parses
