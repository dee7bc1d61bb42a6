from __future__ import annotations

import hashlib

import pytest

from liftgraph_dagster.graph.digest import canonical_json, digest, digest_bytes, short


def test_canonical_json_sorts_the_keys_and_keeps_the_characters() -> None:
    assert (
        canonical_json({"b": [1, 2.0], "a": {"ü": None}}) == '{"a":{"ü":null},"b":[1,2.0]}'.encode()
    )


def test_the_order_of_keys_does_not_change_a_digest() -> None:
    assert digest({"a": 1, "b": 2}) == digest({"b": 2, "a": 1})


@pytest.mark.parametrize("other", [1.0, True, "1", [1], None])
def test_values_of_other_types_have_other_digests(other: object) -> None:
    assert digest(other) != digest(1)


def test_a_digest_is_the_sha256_of_the_json() -> None:
    assert digest("a") == digest_bytes(b'"a"') == hashlib.sha256(b'"a"').hexdigest()


@pytest.mark.parametrize(("value", "error"), [(float("nan"), ValueError), ({1, 2}, TypeError)])
def test_what_json_cannot_carry_has_no_digest(value: object, error: type[Exception]) -> None:
    with pytest.raises(error):
        digest(value)


def test_a_short_digest_is_its_beginning() -> None:
    assert short("0123456789abcdef") == "0123456789ab"
