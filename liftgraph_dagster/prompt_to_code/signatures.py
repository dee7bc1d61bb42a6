"""What the language model is asked, node by node.

Every output is bounded in length and number: a model that runs on and on is stopped by its grammar,
not by a timeout. Unbounded texts doubled the time of a run.
"""

from __future__ import annotations

from typing import Annotated

import dspy
import pydantic

Name = Annotated[str, pydantic.StringConstraints(pattern=r"^[a-z_][a-z0-9_]{0,31}$")]
TypeHint = Annotated[str, pydantic.StringConstraints(min_length=1, max_length=32)]
Predicate = Annotated[str, pydantic.StringConstraints(min_length=1, max_length=72)]
EffectText = Annotated[str, pydantic.StringConstraints(min_length=1, max_length=60)]
CodeLine = Annotated[str, pydantic.StringConstraints(max_length=88)]


class _Answer(pydantic.BaseModel):
    model_config = pydantic.ConfigDict(extra="forbid")


class OpenPoint(_Answer):
    """Something that the prompt does not say."""

    identifier: Name
    type_hint: TypeHint
    question: Annotated[str, pydantic.StringConstraints(max_length=80)]


class DraftParameter(_Answer):
    """One parameter as the model proposes it."""

    name: Name
    type_hint: TypeHint


class Suggestion(_Answer):
    """Proposed fillings of one hole, the best first."""

    identifier: Name
    values: Annotated[list[Annotated[str, pydantic.StringConstraints(max_length=32)]],
                      pydantic.Field(min_length=1, max_length=3)]  # fmt: skip


class ExtractIntentSignature(dspy.Signature):
    """Say in one short sentence what the function asked for shall do. Name an open point only
    if the prompt leaves out something that changes the result."""

    prompt: str = dspy.InputField()
    summary: str = dspy.OutputField(min_length=1, max_length=110)
    open_points: list[OpenPoint] = dspy.OutputField(max_length=2)


class DraftSignatureSignature(dspy.Signature):
    """Design the Python function that does what the prompt asks: its name, its parameters with
    their types, and the type it returns."""

    prompt: str = dspy.InputField()
    function_name: Name = dspy.OutputField()
    parameters: list[DraftParameter] = dspy.OutputField(max_length=5)
    returns: TypeHint = dspy.OutputField()


class DraftAssertionsSignature(dspy.Signature):
    """Write Python expressions that must be true after every call of the function. Use the
    parameters' names and `result`."""

    prompt: str = dspy.InputField()
    summary: str = dspy.InputField()
    assertions: list[Predicate] = dspy.OutputField(max_length=2)


class DraftEffectsSignature(dspy.Signature):
    """List what the function does besides returning a value: exceptions it raises, arguments it
    changes. Most functions have no effects."""

    prompt: str = dspy.InputField()
    summary: str = dspy.InputField()
    effects: list[EffectText] = dspy.OutputField(max_length=2)


class SuggestHolesSignature(dspy.Signature):
    """Suggest values for what the prompt leaves open, as Python literals, the most likely first."""

    prompt: str = dspy.InputField()
    holes: list[str] = dspy.InputField()
    suggestions: list[Suggestion] = dspy.OutputField(max_length=2)


class GenerateCodeSignature(dspy.Signature):
    """Write the body of the Python function, one statement a line, indented as in a file. Use only
    the standard library."""

    summary: str = dspy.InputField()
    header: str = dspy.InputField()
    choices: list[str] = dspy.InputField()
    body: list[CodeLine] = dspy.OutputField(min_length=1, max_length=16)
