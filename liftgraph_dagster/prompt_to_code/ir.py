"""The intermediate representation: what a prompt asks for, typed holes for what is open."""

from __future__ import annotations

from enum import StrEnum

import pydantic


class _Part(pydantic.BaseModel):
    model_config = pydantic.ConfigDict(extra="forbid")


class HoleKind(StrEnum):
    """Which part of the representation a hole belongs to."""

    INTENT = "intent"
    SIGNATURE = "signature"
    EFFECT = "effect"
    ASSERTION = "assertion"
    IMPLEMENTATION = "implementation"


class TypedHole(_Part):
    """Something that the prompt leaves open and that changes what the code does."""

    identifier: str
    """Name of the hole, unique in its representation."""
    type_hint: str
    """Python type of what fills it; `type` for an open type."""
    description: str = ""
    """The question that a filling answers."""
    kind: HoleKind = HoleKind.INTENT
    constraints: dict[str, str] = {}
    """Further conditions on a filling, by name."""


class Intent(_Part):
    """What the function is for."""

    summary: str
    rationale: str | None = None


class Parameter(_Part):
    """One parameter of the function."""

    name: str
    type_hint: str | None
    """None while the type is open; a hole `NAME_type` stands for it then."""


class Signature(_Part):
    """The function's name, parameters and result."""

    name: str
    parameters: list[Parameter] = []
    returns: str | None = None
    """None while the type is open; a hole `returns` stands for it then."""

    def header(self) -> str:
        """Return the first line of the function's definition, open types left out."""
        parameters = ", ".join(
            f"{p.name}: {p.type_hint}" if p.type_hint else p.name for p in self.parameters
        )
        arrow = f" -> {self.returns}" if self.returns else ""
        return f"def {self.name}({parameters}){arrow}:"


class Effect(_Part):
    """Something the function does besides returning a value."""

    description: str


class Assertion(_Part):
    """A Python expression over the parameters and `result` that holds after each call."""

    predicate: str
    rationale: str | None = None


class IR(_Part):
    """The whole representation."""

    intent: Intent
    signature: Signature
    effects: list[Effect] = []
    assertions: list[Assertion] = []
    holes: list[TypedHole] = []
