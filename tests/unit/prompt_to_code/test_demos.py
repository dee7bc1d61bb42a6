from __future__ import annotations

import ast
import json
from typing import Any

import pytest

from liftgraph_dagster.execution.ask import Asker
from liftgraph_dagster.execution.program import declared_program
from liftgraph_dagster.graph.node import SignatureNode
from liftgraph_dagster.prompt_to_code.demos import DEMOS
from liftgraph_dagster.prompt_to_code.graph import graph
from liftgraph_dagster.prompt_to_code.state import PromptState
from liftgraph_dagster.prompt_to_code.types import is_type_hint
from liftgraph_dagster.providers.adapter import output_model
from liftgraph_dagster.providers.engine import language_model
from liftgraph_dagster.providers.scripted import ScriptedProvider
from tests.support.model_server import ANSWERS, asked

SIGNATURES: dict[str, Any] = {
    name: node.signature for name, node in graph.nodes.items() if issubclass(node, SignatureNode)
}
ALL = [
    pytest.param(node, demo, id=f"{node}-{index}")
    for node, demos in DEMOS.items()
    for index, demo in enumerate(demos)
]


def test_every_node_that_asks_a_model_has_demos() -> None:
    assert DEMOS.keys() == SIGNATURES.keys()
    assert all(DEMOS.values())


@pytest.mark.parametrize(("node", "demo"), ALL)
def test_a_demo_has_exactly_the_fields_of_its_signature(node: str, demo: dict[str, Any]) -> None:
    assert list(demo) == list(SIGNATURES[node].fields)


@pytest.mark.parametrize(("node", "demo"), ALL)
def test_a_demo_shows_an_answer_that_the_schema_would_allow(
    node: str, demo: dict[str, Any]
) -> None:
    signature = SIGNATURES[node]
    answer = {name: demo[name] for name in signature.output_fields}

    assert output_model(signature).model_validate_json(json.dumps(answer), strict=True)


@pytest.mark.parametrize("demo", DEMOS["DraftSignature"], ids=lambda demo: demo["function_name"])
def test_a_demo_names_types_that_leave_no_hole(demo: dict[str, Any]) -> None:
    hints = [demo["returns"], *(parameter["type_hint"] for parameter in demo["parameters"])]

    assert all(is_type_hint(hint) for hint in hints)


@pytest.mark.parametrize("demo", DEMOS["GenerateCode"], ids=lambda demo: demo["header"])
def test_a_demo_of_code_compiles_without_a_warning(
    demo: dict[str, Any], recwarn: pytest.WarningsRecorder
) -> None:
    code = "\n".join([demo["header"], *(f"    {line}" for line in demo["body"])])

    compile(code, "<demo>", "exec")

    assert recwarn.list == []


@pytest.mark.parametrize("demo", DEMOS["DraftAssertions"], ids=lambda demo: demo["prompt"])
def test_a_demo_of_an_assertion_is_an_expression_about_the_result(demo: dict[str, Any]) -> None:
    names = [
        {part.id for part in ast.walk(ast.parse(text, mode="eval")) if isinstance(part, ast.Name)}
        for text in demo["assertions"]
    ]

    assert all("result" in found for found in names)


def test_the_programs_are_the_signatures_as_they_stand_and_the_demos() -> None:
    assert graph.programs == {"zero_shot": {}, "baseline": DEMOS}
    assert declared_program(graph, "baseline").digest != declared_program(graph, "zero_shot").digest


@pytest.mark.parametrize(("program", "demos"), [("zero_shot", 0), ("baseline", 3)])
async def test_the_demos_of_the_program_are_shown_to_the_model(program: str, demos: int) -> None:
    provider = ScriptedProvider(lambda request: ANSWERS[asked(request)])
    asker = Asker(graph, declared_program(graph, program), language_model(provider))

    await asker.answer(graph.nodes["ExtractIntent"](), PromptState(prompt="Round the price."))

    messages = [(m.role, m.content) for m in provider.requests[0].messages]
    shown = [content for role, content in messages if role == "assistant"]
    assert [json.loads(content) for content in shown] == [
        {name: demo[name] for name in ("summary", "open_points")}
        for demo in DEMOS["ExtractIntent"][:demos]
    ]
    assert messages[-1] == ("user", "prompt: Round the price.")
