"""The graph that ships: a prompt becomes an intermediate representation with typed holes,
suggestions for the holes, code, and checked code."""

from __future__ import annotations

from liftgraph_dagster.graph.graph import Graph
from liftgraph_dagster.prompt_to_code.demos import DEMOS
from liftgraph_dagster.prompt_to_code.examples import SAMPLE, files
from liftgraph_dagster.prompt_to_code.metrics.end_to_end import end_to_end
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
    programs={"zero_shot": {}, "baseline": DEMOS},
    candidates=["suggestions"],
    description="From a prompt to checked Python code, by way of typed holes.",
)
