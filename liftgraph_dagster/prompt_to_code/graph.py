"""The graph that ships: a prompt becomes an intermediate representation with typed holes,
suggestions for the holes, code, and checked code."""

from __future__ import annotations

from liftgraph_dagster.graph.graph import Graph
from liftgraph_dagster.prompt_to_code.demos import DEMOS
from liftgraph_dagster.prompt_to_code.examples import SAMPLE, files
from liftgraph_dagster.prompt_to_code.metrics.code import CodeQuality
from liftgraph_dagster.prompt_to_code.metrics.end_to_end import end_to_end
from liftgraph_dagster.prompt_to_code.metrics.ir import IRQuality
from liftgraph_dagster.prompt_to_code.nodes import (
    AssembleIR,
    CheckCode,
    Draft,
    DraftAssertions,
    DraftEffects,
    DraftSignature,
    ExtractIntent,
    GenerateCode,
    SuggestHoles,
)
from liftgraph_dagster.prompt_to_code.outcome import Expected, begin, outcome
from liftgraph_dagster.prompt_to_code.state import PromptState
from liftgraph_dagster.prompt_to_code.verify import mutants_die, references_pass

graph = Graph(
    "prompt_to_code",
    state=PromptState,
    nodes=[
        ExtractIntent,
        Draft,
        DraftSignature,
        DraftAssertions,
        DraftEffects,
        AssembleIR,
        SuggestHoles,
        GenerateCode,
        CheckCode,
    ],
    start=begin,
    outcome=outcome,
    headline=lambda outcome: outcome["header"],
    examples=files(),
    expected=Expected,
    sample=SAMPLE,
    metric=end_to_end,
    metrics=[IRQuality(), CodeQuality()],
    label_checks={"references_pass": references_pass, "mutants_die": mutants_die},
    programs={"zero_shot": {}, "baseline": DEMOS},
    candidates=["suggestions"],
    description="From a prompt to checked Python code, by way of typed holes.",
)
