"""How far a drafted signature fits the expected one."""

from __future__ import annotations

from collections.abc import Sequence

from rapidfuzz.distance import DamerauLevenshtein

from liftgraph_dagster.evaluation.metrics.weighted import weighted_mean
from liftgraph_dagster.prompt_to_code.ir import Parameter, Signature
from liftgraph_dagster.prompt_to_code.types import similarity

WEIGHTS = {"name": 0.3, "parameters": 0.5, "returns": 0.2}


def signature_parts(drafted: Signature, expected: Signature) -> dict[str, float]:
    """Return how far the name, the parameters and the type of the result fit, each in [0, 1]."""
    return {
        "name": name_similarity(drafted.name, expected.name),
        "parameters": parameters_similarity(drafted.parameters, expected.parameters),
        "returns": similarity(drafted.returns, expected.returns),
    }


def signature_similarity(drafted: Signature, expected: Signature) -> float:
    """Return how far a signature fits, in [0, 1].

    score = 0.3 name + 0.5 parameters + 0.2 returns
    """
    return weighted_mean(signature_parts(drafted, expected), WEIGHTS)


def name_similarity(drafted: str, expected: str) -> float:
    """Return how alike two names are, in [0, 1].

    1 if equal, else 0.5 * (1 - Damerau-Levenshtein distance / length of the longer name).
    """
    if drafted == expected:
        return 1.0
    return 0.5 * float(DamerauLevenshtein.normalized_similarity(drafted, expected))


def parameters_similarity(drafted: Sequence[Parameter], expected: Sequence[Parameter]) -> float:
    """Return how alike two lists of parameters are, in [0, 1].

        2 * sum over the pairs of (0.5 name + 0.5 type) / (number drafted + number expected)

    See `paired`, `name_similarity` and `types.similarity`. Two empty lists are equal: 1.
    """
    if not drafted and not expected:
        return 1.0
    total = sum(
        0.5 * name_similarity(a.name, b.name) + 0.5 * similarity(a.type_hint, b.type_hint)
        for a, b in paired(drafted, expected)
    )
    return 2 * total / (len(drafted) + len(expected))


def paired(
    drafted: Sequence[Parameter], expected: Sequence[Parameter]
) -> list[tuple[Parameter, Parameter]]:
    """Return the parameters that stand for one another: those of one name, then the rest by their
    order."""
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
