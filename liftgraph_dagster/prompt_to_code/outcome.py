"""What `prompt_to_code` makes of a prompt, and what a labelled example says it should."""

from __future__ import annotations

from typing import Annotated, Any

import pydantic

from liftgraph_dagster.prompt_to_code.ir import IR
from liftgraph_dagster.prompt_to_code.state import CodeCheck, PromptState

MAX_PROMPT_CHARACTERS = 4000
"""A small model's context ends soon after; a longer prompt is refused before anything is stored."""

Prompt = Annotated[
    str,
    pydantic.StringConstraints(
        strip_whitespace=True, min_length=1, max_length=MAX_PROMPT_CHARACTERS
    ),
]


class Outcome(pydantic.BaseModel):
    """The result of an execution."""

    ir: IR
    header: str
    """First line of the function, for people in a hurry."""
    suggestions: dict[str, list[str]]
    """Candidates for each hole, the best first."""
    code: str
    check: CodeCheck


class Test(pydantic.BaseModel):
    """One call of the function and what it gives, as Python literals in text."""

    model_config = pydantic.ConfigDict(extra="forbid")

    args: str
    """A tuple of arguments."""
    returns: str | None = None
    raises: str | None = None
    """Name of the exception's class."""

    @pydantic.model_validator(mode="after")
    def _one_result(self) -> Test:
        if (self.returns is None) == (self.raises is None):
            raise ValueError("a test has either `returns` or `raises`")
        return self


class Expected(pydantic.BaseModel):
    """The labels of an example."""

    model_config = pydantic.ConfigDict(extra="forbid")

    ir: IR
    fillings: dict[str, list[str]] = {}
    """Accepted fillings of each hole; the reference code uses the first."""
    code: str
    tests: list[Test] = pydantic.Field(min_length=4)
    """These hold under every accepted filling; programs are scored by them."""
    reference_tests: list[Test] = []
    """These hold only under the first fillings, or the prompt says too little to ask them of a
    program; they check the reference code and its mutants."""


def begin(prompt: Prompt) -> PromptState:
    """Return the first state for a prompt."""
    return PromptState(prompt=prompt)


def outcome(state: PromptState) -> dict[str, Any]:
    """Return the outcome of a finished execution, as JSON."""
    if state.ir is None or state.check is None:
        raise ValueError("the execution has not reached its end")
    return Outcome(
        ir=state.ir,
        header=state.ir.signature.header(),
        suggestions={
            identifier: [option.value for option in candidates.options]
            for identifier, candidates in state.suggestions.items()
        },
        code=state.code,
        check=state.check,
    ).model_dump(mode="json")
