"""How far drafted assertions say what the expected ones say."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from liftgraph_dagster.evaluation.metrics.matching import Matching, match
from liftgraph_dagster.evaluation.metrics.text import token_f1
from liftgraph_dagster.prompt_to_code.ir import Assertion, Signature
from liftgraph_dagster.prompt_to_code.metrics.behaviour import agreement, verdicts
from liftgraph_dagster.prompt_to_code.metrics.predicates import canonical, renamed

_BY_TEXT = 0.5
"""What two predicates are worth at the most that cannot be told apart by trying."""


class _Predicate(NamedTuple):
    text: str
    form: str | None
    verdicts: str | None = None


def match_assertions(
    drafted: Sequence[Assertion],
    expected: Sequence[Assertion],
    signature: Signature,
    names: Mapping[str, str],
) -> Matching:
    """Return how drafted assertions pair with the expected ones; see `match`.

    Two assertions are alike by the first of these that applies:

        1                   their canonical forms are equal
        agreement(a, b)     generated inputs can tell; see `behaviour.agreement`
        0.5 * token F1      else

    Args:
        signature: the expected one: its types say what the inputs are.
        names: the expected parameter that each drafted one stands for; see `paired`.

    Nothing is run where the canonical forms decide. Raises what `verdicts` does.
    """
    types = [signature.returns, *(p.type_hint for p in signature.parameters)]
    total = not any("set" in (hint or "").casefold() for hint in types)
    ours = [_predicate(renamed(a.predicate, names), total) for a in drafted]
    theirs = [_predicate(a.predicate, total) for a in expected]
    by_form = match(ours, theirs, lambda a, b: float(_equal(a, b)))
    if len(by_form.pairs) == min(len(ours), len(theirs)):
        return by_form
    return match(_tried(ours, theirs, signature), _tried(theirs, theirs, signature), _similarity)


def _predicate(text: str, total: bool) -> _Predicate:
    return _Predicate(text, canonical(text, total=total))


def _tried(
    predicates: Sequence[_Predicate], expected: Sequence[_Predicate], signature: Signature
) -> list[_Predicate]:
    """Return the predicates with what they say of generated inputs. In a child of their own: a
    drafted one is foreign code, and must not touch what an expected one says."""
    texts = list(dict.fromkeys(p.text for p in predicates if p.form is not None))
    said = verdicts(
        texts,
        {p.name: p.type_hint for p in signature.parameters},
        signature.returns,
        expected=[p.text for p in expected],
    )
    by_text = dict(zip(texts, said, strict=True))
    return [p._replace(verdicts=by_text.get(p.text)) for p in predicates]


def _equal(drafted: _Predicate, expected: _Predicate) -> bool:
    return drafted.text == expected.text or (
        drafted.form is not None and drafted.form == expected.form
    )


def _similarity(drafted: _Predicate, expected: _Predicate) -> float:
    if _equal(drafted, expected):
        return 1.0
    if drafted.verdicts and expected.verdicts:
        agreed = agreement(drafted.verdicts, expected.verdicts)
        if agreed is not None:
            return agreed
    return _BY_TEXT * token_f1(_tokens(drafted.text), _tokens(expected.text))


def _tokens(predicate: str) -> list[str]:
    """Return names, numbers and operators."""
    return re.findall(r"\w+|[<>=!*/]{1,2}|[^\w\s]", predicate)
