"""How good an outcome of `prompt_to_code` is."""

from __future__ import annotations

from collections.abc import Sequence
from difflib import SequenceMatcher
from typing import Any

from liftgraph_dagster.evaluation.example import Example
from liftgraph_dagster.evaluation.metric import Scored
from liftgraph_dagster.prompt_to_code.ir import Parameter, Signature
from liftgraph_dagster.prompt_to_code.outcome import Expected, Outcome
from liftgraph_dagster.prompt_to_code.types import similarity

_NAME, _PARAMETERS, _RETURNS, _CODE = 0.25, 0.35, 0.15, 0.25


class SignatureQuality:
    """How well the drafted signature fits the labelled one, and whether the code compiles.

        score = 0.25 name + 0.35 parameters + 0.15 returns + 0.25 code

    name: 1 if equal, else half the ratio of matching characters (Ratcliff and Obershelp).
    parameters: 2 * sum of the similarities of paired parameters / (number drafted + number
    labelled), 1 when both have none; parameters are paired by name, the rest by position; a pair
    is worth 0.5 for the name and 0.5 times the similarity of the types.
    returns: similarity of the types, see `types.similarity`.
    code: 1 if it compiles and defines the function, else 0. Whether it loads does not count here.
    """

    name = "signature_quality"
    version = "1"

    def __call__(self, example: Example, prediction: Any, trace: Any = None) -> Scored:
        expected = Expected.model_validate(example.expected).ir.signature
        outcome = Outcome.model_validate(prediction)
        drafted = outcome.ir.signature
        parts = {
            "name": (_NAME, name_similarity(drafted.name, expected.name)),
            "parameters": (
                _PARAMETERS,
                parameters_similarity(drafted.parameters, expected.parameters),
            ),
            "returns": (_RETURNS, similarity(drafted.returns, expected.returns)),
            "code": (_CODE, float(outcome.check.parses and outcome.check.defines)),
        }
        value = sum(weight * score for weight, score in parts.values())
        return Scored(min(value, 1.0), _feedback(parts, drafted, expected, outcome))


def name_similarity(drafted: str, expected: str) -> float:
    """Return how alike two names are, in [0, 1]; at most 0.5 unless they are equal."""
    if drafted == expected:
        return 1.0
    return 0.5 * SequenceMatcher(None, drafted, expected, autojunk=False).ratio()


def parameters_similarity(drafted: Sequence[Parameter], expected: Sequence[Parameter]) -> float:
    """Return how alike two lists of parameters are, in [0, 1]."""
    if not drafted and not expected:
        return 1.0
    pairs = _paired(drafted, expected)
    total = sum(
        0.5 * (a.name == b.name) + 0.5 * similarity(a.type_hint, b.type_hint) for a, b in pairs
    )
    return 2 * total / (len(drafted) + len(expected))


def _paired(
    drafted: Sequence[Parameter], expected: Sequence[Parameter]
) -> list[tuple[Parameter, Parameter]]:
    by_name = {parameter.name: parameter for parameter in reversed(expected)}
    named = {
        index: by_name.pop(parameter.name)
        for index, parameter in enumerate(drafted)
        if parameter.name in by_name
    }
    taken = [id(parameter) for parameter in named.values()]
    rest = iter([parameter for parameter in expected if id(parameter) not in taken])
    pairs = []
    for index, parameter in enumerate(drafted):
        partner = named.get(index) or next(rest, None)
        if partner is not None:
            pairs.append((parameter, partner))
    return pairs


def _feedback(
    parts: dict[str, tuple[float, float]], drafted: Signature, expected: Signature, outcome: Outcome
) -> str:
    weak = [name for name, (_, score) in parts.items() if score < 1]
    if not weak:
        return "The signature is right and the code compiles."
    lines = [f"Not right: {', '.join(weak)}."]
    if weak != ["code"]:
        lines.append(f"Expected `{expected.header()}`, got `{drafted.header()}`.")
    if "code" in weak:
        lines += outcome.check.problems
    return " ".join(lines)


signature_quality = SignatureQuality()
