"""The state of `prompt_to_code`."""

from __future__ import annotations

import pydantic

from liftgraph_dagster.graph.candidates import Candidates
from liftgraph_dagster.graph.state import GraphState
from liftgraph_dagster.prompt_to_code.ir import IR
from liftgraph_dagster.prompt_to_code.signatures import DraftParameter, OpenPoint


class CodeCheck(pydantic.BaseModel):
    """What is known about the code without having run it."""

    model_config = pydantic.ConfigDict(extra="forbid")

    parses: bool
    problems: list[str] = []
    """What is wrong, in words; empty when the code compiles and defines the function."""


class PromptState(GraphState):
    """A prompt on its way to checked code."""

    prompt: str

    summary: str = ""
    open_points: list[OpenPoint] = []

    function_name: str = ""
    parameters: list[DraftParameter] = []
    returns: str = ""
    assertions: list[str] = []
    effects: list[str] = []

    ir: IR | None = None
    suggestions: dict[str, Candidates[str]] = {}
    """By the identifier of the hole."""

    code: str = ""
    check: CodeCheck | None = None
