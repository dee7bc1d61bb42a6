from __future__ import annotations

from typing import Any

import pydantic
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from liftgraph_dagster.errors import InputError
from liftgraph_dagster.graph.candidates import Candidate, Candidates
from liftgraph_dagster.graph.state import (
    GraphState,
    apply_patches,
    changed,
    decode,
    encode,
    json_object,
    members,
    refuse_surrogates,
)


class Part(pydantic.BaseModel):
    """A model inside of the state."""

    name: str
    weight: float = 0.0
    raw: bytes = b""


class Everything(GraphState):
    """A field of each kind."""

    text: str = ""
    maybe: str | None = None
    number: int = 0
    ratio: float = 0.0
    raw: bytes = b""
    anything: Any = None
    nested: dict[str, Any] = {}
    parts: list[Part] = []


texts = st.text() | st.sampled_from(["\0", "a\0b", "\U0001f600", "ẞ\u0301", "\u2028", "\ufeff"])
numbers = st.integers() | st.integers(-(10**400), 10**400)
ratios = st.floats() | st.sampled_from([-0.0, 5e-324, 1e16, 1e22, 0.1 + 0.2])
values = st.recursive(
    st.none() | st.booleans() | texts | numbers | ratios,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=8,
)
states = st.builds(
    Everything,
    text=texts,
    maybe=st.none() | texts,
    number=numbers,
    ratio=ratios,
    raw=st.binary(max_size=20),
    anything=values,
    nested=st.dictionaries(texts, values, max_size=3),
    parts=st.lists(
        st.builds(Part, name=texts, weight=st.floats(allow_nan=False, allow_infinity=False)),
        max_size=2,
    ),
)
AWKWARD = Everything(
    text="\0\U0001f600",
    number=10**400,
    ratio=-0.0,
    raw=b"\xff\x00",
    anything=[None, float("nan"), float("-inf"), -0.0, 1, True, 1.0],
    nested={"": {"\0": {}}, "a": []},
)


@given(state=states)
@example(state=AWKWARD)
@settings(max_examples=1000, deadline=None)
def test_a_thousand_states_come_back_as_they_were(state: Everything) -> None:
    """`repr` tells apart what equality does not: 0.0 and -0.0, 1 and True; and NaN equals NaN."""
    data = encode(state)

    back = decode(Everything, data)

    assert repr(back) == repr(state)
    assert encode(back) == data


@given(before=states, after=states)
@example(before=Everything(), after=AWKWARD)
@example(before=AWKWARD, after=Everything())
@settings(max_examples=1000, deadline=None)
def test_a_thousand_states_come_back_through_patches(before: Everything, after: Everything) -> None:
    new = members(after)
    patch = json_object(new[name] for name in changed(members(before), new))

    assert apply_patches(encode(before), [patch]) == encode(after)


@given(state=states, later=st.lists(states, max_size=4))
@settings(deadline=None)
def test_patches_are_applied_in_their_order(state: Everything, later: list[Everything]) -> None:
    before, patches = state, []
    for after in later:
        new = members(after)
        patches.append(json_object(new[name] for name in changed(members(before), new)))
        before = after

    assert apply_patches(encode(state), patches) == encode(before)


def test_a_state_without_patches_is_the_state_as_it_stands() -> None:
    data = b'{"text": "with a space"}'

    assert apply_patches(data, []) is data


@pytest.mark.parametrize(
    "part",
    [
        Part(name="a", weight=float("nan")),
        Part(name="a", weight=float("-inf")),
        Part(name="a", raw=b"\xff"),
    ],
    ids=repr,
)
def test_a_model_inside_of_a_state_comes_back_as_it_was(part: Part) -> None:
    """A nested model has a configuration of its own, which knows nothing of our promises."""
    state = Everything(parts=[part])

    assert repr(decode(Everything, encode(state))) == repr(state)


def test_candidates_keep_a_probability_of_zero_as_its_logarithm() -> None:
    class Guess(GraphState):
        guesses: Candidates[str] = Candidates()

    options = [Candidate(value="a", evidence={"logprob": float("-inf")})]
    state = Guess(guesses=Candidates(options=options))

    assert decode(Guess, encode(state)) == state


def sparse() -> set[int]:
    """Return a set whose order shows that it was once large."""
    numbers = set(range(100))
    for number in range(100):
        if number not in (1, 8, 9):
            numbers.discard(number)
    return numbers


def test_a_set_is_stored_alike_before_and_after_it_was_read() -> None:
    class Tagged(GraphState):
        tags: set[int] = set()

    state = Tagged()
    state.tags = sparse()
    data = encode(state)

    assert encode(decode(Tagged, data)) == data


def test_a_field_that_is_excluded_from_serialization_leaves_the_json_whole() -> None:
    class Secret(GraphState):
        before: str = ""
        hidden: str = pydantic.Field(default="h", exclude=True)
        after: str = ""

    assert decode(Secret, encode(Secret(before="b", after="a"))) == Secret(before="b", after="a")


def test_a_field_with_an_alias_comes_back() -> None:
    class Renamed(GraphState):
        name: str = pydantic.Field(default="", alias="Name")

    assert decode(Renamed, encode(Renamed(name="a"))) == Renamed(name="a")


@pytest.mark.parametrize(("before", "after"), [(0.0, -0.0), (1, True), (1, 1.0), ("", None)])
def test_a_change_that_equality_does_not_see_is_a_change(before: Any, after: Any) -> None:
    names = changed(members(Everything(anything=before)), members(Everything(anything=after)))

    assert names == ("anything",)


def test_an_unchanged_nan_is_not_a_change() -> None:
    before, after = (Everything(ratio=float("nan"), anything=[float("nan")]) for _ in range(2))

    assert changed(members(before), members(after)) == ()


def test_changes_come_in_the_order_of_the_state_type() -> None:
    after = Everything(nested={"a": 1}, text="a", ratio=1.0)

    assert changed(members(Everything()), members(after)) == ("text", "ratio", "nested")


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("text", "a\ud800"),
        ("anything", ["\udfff"]),
        ("nested", {"a": {"b": "\ud800"}}),
        ("nested", {"\ud800": 1}),
        ("parts", [Part.model_construct(name="\ud800")]),
    ],
)
def test_a_lone_surrogate_names_the_field_that_holds_it(field: str, value: Any) -> None:
    state = Everything()
    setattr(state, field, value)

    with pytest.raises(InputError, match=f"^field '{field}' of Everything cannot be stored: "):
        encode(state)


def test_a_value_that_json_cannot_carry_names_its_field() -> None:
    with pytest.raises(InputError, match=r"^field 'anything' of Everything cannot be stored: "):
        encode(Everything(anything=object()))


def test_a_field_that_the_state_does_not_have_is_refused() -> None:
    with pytest.raises(pydantic.ValidationError, match=r"colour\n\s+Extra inputs"):
        decode(Everything, b'{"colour": "red"}')


@pytest.mark.parametrize(
    ("value", "said"),
    [
        ("ab\udc80", "it is not valid Unicode: lone surrogate U+DC80 at position 2."),
        ({"a": [1, {"b": "\ud800"}]}, "it.a[1].b is not valid Unicode"),
        ({"a": ("x", "\ud800")}, "it.a[1] is not valid Unicode"),
        ({"\ud800": 1}, "it is not valid Unicode: lone surrogate U+D800 at position 0."),
    ],
)
def test_a_lone_surrogate_is_refused_by_its_place(value: Any, said: str) -> None:
    with pytest.raises(InputError) as caught:
        refuse_surrogates(value, "it")

    assert str(caught.value).startswith(said)


@given(value=values)
@settings(deadline=None)
def test_what_holds_no_lone_surrogate_is_accepted(value: Any) -> None:
    refuse_surrogates(value, "it")
