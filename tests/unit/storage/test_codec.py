from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic_core import to_json

from liftgraph_dagster.storage.codec import THRESHOLD_BYTES, pack, unpack

values = st.text() | st.floats() | st.lists(st.integers()) | st.dictionaries(st.text(), st.none())


@given(values, st.integers(0, 3 * THRESHOLD_BYTES))
def test_json_of_any_size_comes_back_as_it_was(value: object, blanks: int) -> None:
    data = to_json(value, inf_nan_mode="constants") + b" " * blanks

    assert unpack(pack(data)) == data


@pytest.mark.parametrize("data", [None, b"", b"{}", b"\0", b'"\\u0000"', b"[" * 100])
def test_what_is_short_is_kept_as_it_is(data: bytes | None) -> None:
    assert pack(data) == data
    assert unpack(data) == data


@pytest.mark.parametrize(
    ("length", "is_compressed"), [(THRESHOLD_BYTES - 1, False), (THRESHOLD_BYTES, True)]
)
def test_what_is_long_is_compressed(length: int, is_compressed: bool) -> None:
    packed = pack(b"x" * length)

    assert packed is not None
    assert (len(packed) < length) == is_compressed


def test_no_json_looks_compressed() -> None:
    """RFC 8259: a text begins with white space, a bracket, a quote, a minus, a digit, t, f or n."""
    compressed = pack(b"x" * THRESHOLD_BYTES)

    assert compressed is not None
    assert compressed[:1] not in b' \t\n\r[{"-0123456789tfn'


def test_what_is_compressed_twice_is_unpacked_once() -> None:
    once = pack(bytes(range(256)) * 4096)
    assert once is not None
    long = once * (1 + THRESHOLD_BYTES // len(once))

    assert unpack(pack(long)) == long
