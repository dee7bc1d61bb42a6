"""The nodes of `prompt_to_code`.

ExtractIntent -> Draft(DraftSignature | DraftAssertions | DraftEffects) -> AssembleIR
    -> SuggestHoles (when something is open) -> GenerateCode -> CheckCode
"""

from __future__ import annotations

import keyword
from typing import Any

import dspy
from pydantic_graph import End

from liftgraph_dagster.graph.candidates import Candidate, Candidates
from liftgraph_dagster.graph.node import Context, FunctionNode, Parallel, SignatureNode
from liftgraph_dagster.prompt_to_code.ir import (
    IR,
    Assertion,
    Effect,
    HoleKind,
    Intent,
    Parameter,
    Signature,
    TypedHole,
)
from liftgraph_dagster.prompt_to_code.running import check
from liftgraph_dagster.prompt_to_code.signatures import (
    DraftAssertionsSignature,
    DraftEffectsSignature,
    DraftParameter,
    DraftSignatureSignature,
    ExtractIntentSignature,
    GenerateCodeSignature,
    OpenPoint,
    SuggestHolesSignature,
)
from liftgraph_dagster.prompt_to_code.state import PromptState
from liftgraph_dagster.prompt_to_code.types import is_type_hint, written
from liftgraph_dagster.providers.evidence import evidence_of


class ExtractIntent(SignatureNode[PromptState]):
    """What is asked, and what is left open."""

    signature = ExtractIntentSignature

    async def run(self, ctx: Context[PromptState]) -> Draft:
        await self.ask(ctx)
        return Draft()


class DraftSignature(SignatureNode[PromptState]):
    """Name, parameters, result."""

    signature = DraftSignatureSignature

    async def run(self, ctx: Context[PromptState]) -> End[None]:
        await self.ask(ctx)
        return End(None)


class DraftAssertions(SignatureNode[PromptState]):
    """What must hold after a call."""

    signature = DraftAssertionsSignature

    async def run(self, ctx: Context[PromptState]) -> End[None]:
        await self.ask(ctx)
        return End(None)


class DraftEffects(SignatureNode[PromptState]):
    """What else a call does."""

    signature = DraftEffectsSignature

    async def run(self, ctx: Context[PromptState]) -> End[None]:
        await self.ask(ctx)
        return End(None)


class Draft(Parallel[PromptState]):
    """The three drafts, at the same time."""

    branches = (DraftSignature, DraftAssertions, DraftEffects)

    async def run(self, ctx: Context[PromptState]) -> AssembleIR:
        await self.fan_out(ctx)
        return AssembleIR()


class AssembleIR(FunctionNode[PromptState]):
    """The drafts as one representation; what is unknown becomes a typed hole."""

    writes = ("ir",)

    def call(
        self,
        summary: str,
        open_points: list[OpenPoint],
        function_name: str,
        parameters: list[DraftParameter],
        returns: str,
        assertions: list[str],
        effects: list[str],
    ) -> dict[str, Any]:
        signature = Signature(
            name=function_name,
            parameters=[
                Parameter(name=p.name, type_hint=_known_type(p.type_hint)) for p in parameters
            ],
            returns=_known_type(returns),
        )
        ir = IR(
            intent=Intent(summary=summary),
            signature=signature,
            effects=[Effect(description=text) for text in effects],
            assertions=[Assertion(predicate=text) for text in assertions],
            holes=_holes(signature, open_points),
        )
        return {"ir": ir}

    async def run(self, ctx: Context[PromptState]) -> SuggestHoles | GenerateCode:
        await self.ask(ctx)
        return SuggestHoles() if _ir(ctx.state).holes else GenerateCode()


class SuggestHoles(SignatureNode[PromptState]):
    """Candidates for each hole, with how probable the model finds each."""

    signature = SuggestHolesSignature
    lm_config = {"logprobs": True}
    reads = ("prompt", "ir")
    writes = ("suggestions",)

    def extract_inputs(self, state: PromptState) -> dict[str, Any]:
        return {"prompt": state.prompt, "holes": [_question(h) for h in _ir(state).holes]}

    def update_state(self, state: PromptState, prediction: dspy.Prediction) -> None:
        known = {hole.identifier for hole in _ir(state).holes}
        state.suggestions = {}
        for place, suggestion in enumerate(prediction.suggestions):
            options: dict[str, Candidate[str]] = {}
            for nr, value in enumerate(suggestion.values):
                evidence = evidence_of(prediction, "suggestions", place, "values", nr)
                options.setdefault(value, Candidate(value=value, evidence=evidence))
            if suggestion.identifier in known:
                state.suggestions[suggestion.identifier] = Candidates(options=[*options.values()])

    async def run(self, ctx: Context[PromptState]) -> GenerateCode:
        await self.ask(ctx)
        return GenerateCode()


class GenerateCode(SignatureNode[PromptState]):
    """The function's code, with the best candidate in each hole."""

    signature = GenerateCodeSignature
    reads = ("ir", "suggestions")
    writes = ("code",)

    def extract_inputs(self, state: PromptState) -> dict[str, Any]:
        ir = _ir(state)
        return {
            "summary": ir.intent.summary,
            "header": ir.signature.header(),
            "choices": [
                f"{identifier} = {candidates.options[0].value}"
                for identifier, candidates in state.suggestions.items()
            ],
        }

    def update_state(self, state: PromptState, prediction: dspy.Prediction) -> None:
        lines = [f"    {line}".rstrip() for line in prediction.body]
        state.code = "\n".join([_ir(state).signature.header(), *lines]) + "\n"

    async def run(self, ctx: Context[PromptState]) -> CheckCode:
        await self.ask(ctx)
        return CheckCode()


class CheckCode(FunctionNode[PromptState]):
    """Whether the code is Python, defines the function, and loads in the sandbox."""

    reads = ("code", "function_name")
    writes = ("check",)

    def call(self, code: str, function_name: str) -> dict[str, Any]:
        return {"check": check(code, function_name)}

    async def run(self, ctx: Context[PromptState]) -> End[None]:
        await self.ask(ctx)
        return End(None)


def _ir(state: PromptState) -> IR:
    if state.ir is None:
        raise ValueError("the intermediate representation has not been assembled")
    return state.ir


def _known_type(type_hint: str) -> str | None:
    return written(type_hint) if is_type_hint(type_hint) else None


def _holes(signature: Signature, open_points: list[OpenPoint]) -> list[TypedHole]:
    holes = [
        TypedHole(
            identifier=f"{name}_type",
            type_hint="type",
            description=f"Which type does the parameter {name} have?",
            kind=HoleKind.SIGNATURE,
        )
        for name in dict.fromkeys(p.name for p in signature.parameters if p.type_hint is None)
    ]
    if signature.returns is None:
        holes.append(
            TypedHole(
                identifier="returns",
                type_hint="type",
                description="Which type does the function return?",
                kind=HoleKind.SIGNATURE,
            )
        )
    taken = {hole.identifier for hole in holes}
    for point in open_points:
        if point.identifier not in taken and not keyword.iskeyword(point.identifier):
            taken.add(point.identifier)
            holes.append(
                TypedHole(
                    identifier=point.identifier,
                    type_hint=point.type_hint,
                    description=point.question,
                    kind=HoleKind.IMPLEMENTATION,
                )
            )
    return holes


def _question(hole: TypedHole) -> str:
    return f"{hole.identifier} ({hole.type_hint}): {hole.description}"
