"""How good a drafted intermediate representation is."""

from __future__ import annotations

import sys
from typing import Any

from liftgraph_dagster.evaluation.example import Example
from liftgraph_dagster.evaluation.metric import Scored
from liftgraph_dagster.evaluation.metrics import matching, text, weighted
from liftgraph_dagster.evaluation.metrics.matching import Matching, match
from liftgraph_dagster.evaluation.metrics.weighted import feedback, weighted_mean
from liftgraph_dagster.prompt_to_code import types
from liftgraph_dagster.prompt_to_code.ir import IR, Effect, TypedHole
from liftgraph_dagster.prompt_to_code.metrics import (
    assertions,
    behaviour,
    inputs,
    intents,
    predicates,
    signatures,
)
from liftgraph_dagster.prompt_to_code.metrics.assertions import match_assertions
from liftgraph_dagster.prompt_to_code.metrics.intents import contradiction, text_similarity
from liftgraph_dagster.prompt_to_code.metrics.reading import (
    read_expected,
    read_outcome,
    version_of,
)
from liftgraph_dagster.prompt_to_code.metrics.signatures import (
    name_similarity,
    paired,
    signature_parts,
    signature_similarity,
)
from liftgraph_dagster.prompt_to_code.types import similarity

WEIGHTS = {"intent": 0.25, "signature": 0.30, "effects": 0.15, "assertions": 0.20, "holes": 0.10}


def ir_quality(predicted: IR, expected: IR) -> float:
    """Return how good a representation is, in [0, 1].

        ir_quality = sum of w_c * s_c / sum of w_c

    over the components c that the expected representation has:

        intent      .25   text similarity of the summaries, see `intents.text_similarity`
        signature   .30   see `signatures.signature_similarity`
        effects     .15   soft F1 by text similarity, see `matching.match`
        assertions  .20   soft F1 by meaning, see `assertions.match_assertions`
        holes       .10   soft F1 of .5 identifier + .3 type + .2 kind

    Where neither representation has effects, assertions or holes, that component does not count.
    Where only the predicted one has some, it counts, and is 0: what nobody asked for is an error,
    too. ir_quality(x, x) is 1; the order of effects, assertions and holes does not count; one
    changed item of n moves the score by at most w_c / (sum of w_c * n).

    Assertions that are not canonically equal are tried in the sandbox; raises SandboxUnavailable
    where code must not be run, SandboxDied when the sandbox went away.
    """
    return compare_ir(predicted, expected).value


def compare_ir(predicted: IR, expected: IR) -> Scored:
    """Return `ir_quality` with its components as parts, and what is wrong with each."""
    names = {a.name: b.name for a, b in paired(predicted.signature.parameters,
                                               expected.signature.parameters)}  # fmt: skip
    found = {
        "intent": _intent(predicted, expected),
        "signature": _signature(predicted, expected),
    }
    if predicted.effects or expected.effects:
        pairing = match(predicted.effects, expected.effects, _effects_alike)
        texts = ([e.description for e in ir.effects] for ir in (predicted, expected))
        found["effects"] = (pairing.score, _items(pairing, *texts))
    if predicted.assertions or expected.assertions:
        pairing = match_assertions(
            predicted.assertions, expected.assertions, expected.signature, names
        )
        texts = ([a.predicate for a in ir.assertions] for ir in (predicted, expected))
        found["assertions"] = (pairing.score, _items(pairing, *texts))
    if predicted.holes or expected.holes:
        pairing = match(predicted.holes, expected.holes, hole_similarity)
        texts = ([_hole(hole) for hole in ir.holes] for ir in (predicted, expected))
        found["holes"] = (pairing.score, _items(pairing, *texts))
    parts = {name: value for name, (value, _) in found.items()}
    return Scored(weighted_mean(parts, WEIGHTS), feedback(found), parts)


def hole_similarity(predicted: TypedHole, expected: TypedHole) -> float:
    """Return how alike two holes are, in [0, 1]: .5 identifier + .3 type + .2 kind."""
    return (
        0.5 * name_similarity(predicted.identifier, expected.identifier)
        + 0.3 * similarity(predicted.type_hint, expected.type_hint)
        + 0.2 * (predicted.kind is expected.kind)
    )


class IRQuality:
    """`ir_quality` of an outcome of `prompt_to_code` as a metric."""

    name = "ir_quality"
    version = version_of(
        sys.modules[__name__], matching, text, weighted, types, assertions, behaviour, inputs,
        intents, predicates, signatures,
    )  # fmt: skip

    def __call__(self, example: Example, prediction: Any, trace: Any = None) -> Scored:
        return compare_ir(read_outcome(prediction).ir, read_expected(example).ir)


def _intent(predicted: IR, expected: IR) -> tuple[float, str]:
    ours, theirs = predicted.intent.summary, expected.intent.summary
    value = text_similarity(ours, theirs)
    why = contradiction(ours, theirs)
    said = f"expected {theirs!r}, got {ours!r}"
    return value, f"{said}; {why}." if why else f"{said}."


def _signature(predicted: IR, expected: IR) -> tuple[float, str]:
    ours, theirs = predicted.signature, expected.signature
    parts = signature_parts(ours, theirs)
    wrong = ", ".join(name for name, value in parts.items() if value < 1)
    return (
        signature_similarity(ours, theirs),
        f"wrong {wrong}; expected `{theirs.header()}`, got `{ours.header()}`.",
    )


def _effects_alike(predicted: Effect, expected: Effect) -> float:
    return text_similarity(predicted.description, expected.description)


def _hole(hole: TypedHole) -> str:
    return f"{hole.identifier} ({hole.type_hint}, {hole.kind})"


def _items(pairing: Matching, predicted: list[str], expected: list[str]) -> str:
    """Return what is wrong with a list: what differs, what is missing, what nobody asked for."""
    said = [
        f"expected `{expected[e]}`, got `{predicted[p]}`"
        for p, e, alike in pairing.pairs
        if alike < 1
    ]
    paired_expected = {pair.expected for pair in pairing.pairs}
    paired_predicted = {pair.predicted for pair in pairing.pairs}
    said += [f"missing `{t}`" for i, t in enumerate(expected) if i not in paired_expected]
    said += [f"not asked for `{t}`" for i, t in enumerate(predicted) if i not in paired_predicted]
    return f"{'; '.join(said)}."
