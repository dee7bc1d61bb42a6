"""What comes through the border between a program and us, and what does not."""

from __future__ import annotations

import collections
import contextlib
import enum
import json
import math
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from liftgraph_dagster.sandbox.values import MAX_DEPTH, Opaque, decode, encode

TEXTS = st.text(st.characters(codec=None))  # with lone surrogates
HASHABLE = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False)
    | TEXTS
    | st.binary()
    | st.complex_numbers(allow_nan=False),
    lambda inner: st.lists(inner, max_size=4).map(tuple) | st.frozensets(inner, max_size=4),
    max_leaves=8,
)
VALUES = st.recursive(
    HASHABLE,
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(HASHABLE, inner, max_size=4)
        | st.sets(HASHABLE, max_size=4)
    ),
    max_leaves=12,
)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.sampled_from("ifcbtszdox"), inner),
)


def through(value: Any, max_bytes: int = 200_000) -> Any:
    return decode(json.loads(encode(value, max_bytes=max_bytes)))


@given(VALUES)
def test_a_literal_comes_through_as_it_is(value: Any) -> None:
    found = through(value)

    assert found == value
    assert repr(type(found)) == repr(type(value))


@given(st.floats())
def test_a_float_comes_through_to_the_bit(value: float) -> None:
    assert through(value).hex() == value.hex()


@pytest.mark.parametrize("value", [True, 1, 1.0, -0.0, 2**53, -(2**60), math.inf])
def test_a_number_keeps_its_type(value: Any) -> None:
    found = through([value])[0]

    assert (found, type(found)) == (value, type(value))


def test_a_subclass_comes_through_as_the_builtin() -> None:
    class Colour(enum.IntEnum):
        RED = 3

    values = [collections.Counter("aab"), collections.OrderedDict(a=1), Colour.RED, bytearray(b"x")]

    found = through(values)

    assert found == [{"a": 2, "b": 1}, {"a": 1}, 3, b"x"]
    assert [type(value) for value in found] == [dict, dict, int, bytes]


@pytest.mark.parametrize("value", [Decimal("1.5"), range(3), object, print, iter([])])
def test_what_is_no_literal_comes_through_as_the_name_of_its_type(value: Any) -> None:
    kind = type(value)

    found = through(value)

    assert isinstance(found, Opaque)
    assert found.type == f"{kind.__module__}.{kind.__qualname__}"
    assert found != value


@pytest.mark.parametrize("value", ["x" * 1000, b"x" * 1000, list(range(1000)), [[]] * 1000])
def test_a_value_longer_than_allowed_is_refused(value: Any) -> None:
    with pytest.raises(ValueError, match="too large"):
        encode(value, max_bytes=900)


def test_a_value_nested_deeper_than_allowed_is_refused() -> None:
    def nested(depth: int) -> list[Any]:
        return [nested(depth - 1)] if depth else []

    assert through(nested(MAX_DEPTH - 1)) == nested(MAX_DEPTH - 1)
    with pytest.raises(ValueError, match="too large"):
        encode(nested(MAX_DEPTH + 1), max_bytes=10_000)


@given(JSON)
def test_decoding_gives_a_value_or_one_kind_of_error(plain: Any) -> None:
    with contextlib.suppress(ValueError):  # any other exception fails
        decode(plain)


@pytest.mark.parametrize(
    "plain",
    [
        {},
        {"q": 1},
        {"i": 1, "f": 2},
        {"i": "xyz"},
        {"i": 7},
        {"f": []},
        {"c": ["0x1p99999", "0x0p0"]},
        {"c": ["0x0p0"]},
        {"b": "abc"},
        {"s": [[1]]},
        {"d": [[1]]},
        {"d": [[[], 1]]},
        {"t": 3},
        {"o": []},
    ],
)
def test_what_encode_does_not_write_is_refused(plain: Any) -> None:
    with pytest.raises(ValueError, match=r"."):
        decode(plain)


def test_brackets_without_end_are_refused() -> None:
    plain: list[Any] = []
    for _ in range(5000):
        plain = [plain]

    with pytest.raises(ValueError, match="nested too deeply"):
        decode(plain)
