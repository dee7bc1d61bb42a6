"""The state of `prompt_to_code`."""

from __future__ import annotations

import pydantic

from liftgraph_dagster.graph.candidates import Candidates
from liftgraph_dagster.graph.state import GraphState
from liftgraph_dagster.prompt_to_code.ir import IR
from liftgraph_dagster.prompt_to_code.signatures import DraftParameter, OpenPoint


class CodeCheck(pydantic.BaseModel):
    """What is known about the code before its function has been called."""

    model_config = pydantic.ConfigDict(extra="forbid")

    parses: bool
    defines: bool = False
    """It defines the function, as a function."""
    loads: bool = False
    """It ran from its first line to its last without an exception, in the sandbox."""
    confined_by: str = ""
    """The layers of the sandbox that it was loaded in; empty when it was not, for it does not
    parse."""
    problems: list[str] = []
    """What is wrong, in words; empty when nothing is."""


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
