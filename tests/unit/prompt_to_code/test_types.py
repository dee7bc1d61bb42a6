from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from liftgraph_dagster.prompt_to_code.types import Type, is_type_hint, parse, similarity

INT, STR, NONE = Type("int"), Type("str"), Type("None")
HINTS = st.recursive(
    st.sampled_from(["int", "float", "bool", "str", "None", "Any", "object", "list", "dict"]),
    lambda inner: st.one_of(
        st.builds("list[{}]".format, inner),
        st.builds("dict[{}, {}]".format, inner, inner),
        st.builds("{} | {}".format, inner, inner),
        st.builds("Optional[{}]".format, inner),
    ),
    max_leaves=6,
)


@pytest.mark.parametrize(
    "text",
    [
        "int", "str", "None", "object", "bytes", "Exception", " int ", "'int'", "Any", "datetime",
        "list[int]", "dict[str, list[float]]", "tuple[int, ...]", "tuple[()]", "int | None",
        "Optional[str]", "Union[int, str]", "typing.List[int]", "collections.abc.Iterable[str]",
        "Callable[[int, str], bool]", "Callable[..., int]", "Literal['a', 'b']",
        "Annotated[int, 'positive']", "type[int]", "list['int']",
    ],
)  # fmt: skip
def test_a_type_that_a_reader_knows_is_a_type_hint(text: str) -> None:
    assert is_type_hint(text)


@pytest.mark.parametrize(
    "text",
    [
        "", " ", "number", "a list of numbers", "list[number]", "int | number", "list[", "3",
        "True", "int or None", "int = 3", "print", "len", "Literal", "def", "x: int", "\0",
        "list[]", "int if x else str", "lambda: int", "{int}", "int()", "list[int]()",
        "f'int'", "-int",
    ],
)  # fmt: skip
def test_what_is_no_type_is_no_type_hint(text: str) -> None:
    assert not is_type_hint(text)


@pytest.mark.parametrize(
    "text", ["int, str", "(int, str)", "[int]", "[]", "...", "()", "open('f').list", "int  # count"]
)
def test_what_python_reads_but_no_reader_calls_a_type_is_no_type_hint(text: str) -> None:
    """In a header `-> int, str:` is no Python, and a comment swallows the colon."""
    assert not is_type_hint(text)


def test_a_very_long_union_is_answered_and_not_a_crash() -> None:
    assert is_type_hint(" | ".join(["int"] * 2000)) in (True, False)


@given(st.text())
def test_any_text_has_an_answer(text: str) -> None:
    assert is_type_hint(text) in (True, False)
    assert similarity(text, text) == 1.0


@pytest.mark.parametrize(
    ("text", "normal"),
    [
        ("int", INT),
        ("List[int]", Type("list", (INT,))),
        ("typing.List[int]", Type("list", (INT,))),
        ("'List[int]'", Type("list", (INT,))),
        ("Text", STR),
        ("NoneType", NONE),
        ("int | None", Type("Union", (NONE, INT))),
        ("None | int", Type("Union", (NONE, INT))),
        ("Optional[int]", Type("Union", (NONE, INT))),
        ("Union[int, None]", Type("Union", (NONE, INT))),
        ("Union[int, Union[str, None]]", Type("Union", (NONE, INT, STR))),
        ("Optional[int | str]", Type("Union", (NONE, INT, STR))),
        ("Union[int]", INT),
        ("int | int", INT),
        ("Annotated[int, 5]", INT),
        ("Literal['b', 'a']", Type("Literal", (Type("'a'"), Type("'b'")))),
        ("tuple[int, ...]", Type("tuple", (INT, Type("Ellipsis")))),
        ("Callable[[int], str]", Type("Callable", (Type("[]", (INT,)), STR))),
    ],
)
def test_two_ways_to_write_a_type_have_one_normal_form(text: str, normal: Type) -> None:
    assert parse(text) == normal


@pytest.mark.parametrize("text", ["", "a b", "int()", "1 + 1", "lambda: 0"])
def test_what_cannot_be_read_is_a_value_error_that_shows_it(text: str) -> None:
    with pytest.raises(ValueError, match="is not a type hint"):
        parse(text)


@pytest.mark.parametrize(
    ("left", "right", "expected"),
    [
        ("int", "int", 1.0),
        ("List[int]", "list[int]", 1.0),
        ("int | None", "Optional[int]", 1.0),
        (None, None, 1.0),
        (None, "int", 0.0),
        ("int", None, 0.0),
        ("int", "str", 0.0),
        ("int", "float", 0.5),
        ("bool", "int", 0.5),
        ("bool", "complex", 0.5),
        ("int", "Decimal", 0.0),
        ("Any", "str", 0.5),
        ("object", "list[int]", 0.5),
        ("Any", "object", 0.5),
        ("Any", "int | str", 0.5),
        ("Any", "Any", 1.0),
        ("list", "list[int]", 0.5),  # 0.5 + 0.5 * 0/1
        ("list[str]", "list[int]", 0.5),
        ("list[float]", "list[int]", 0.75),  # 0.5 + 0.5 * 0.5
        ("list[Any]", "list[int]", 0.75),
        ("dict[str, int]", "dict[str, float]", 0.875),  # 0.5 + 0.5 * (1 + 0.5)/2
        ("tuple[int, int]", "tuple[int]", 0.75),  # 0.5 + 0.5 * 1/2
        ("list[list[str]]", "list[list[int]]", 0.75),  # 0.5 + 0.5 * (0.5 + 0.5 * 0)
        ("list[int]", "set[int]", 0.0),
        ("int | None", "int", 2 / 3),  # 2 * 1 / (2 + 1)
        ("int | None", "str | None", 0.5),  # 2 * 1 / (2 + 2)
        ("int | str", "float | str", 0.75),  # 2 * (0.5 + 1) / (2 + 2)
        ("int | None", "float", 1 / 3),  # 2 * 0.5 / (2 + 1)
        ("int | float", "int", 2 / 3),  # the equal member is taken, not the similar one
        ("Literal['a']", "Literal['b']", 0.5),  # one origin, no equal argument
        ("a b", "a b", 1.0),
        ("a b", " a b ", 1.0),
        ("a b", "int", 0.0),
    ],
)
def test_similarity(left: str | None, right: str | None, expected: float) -> None:
    assert similarity(left, right) == pytest.approx(expected)


@given(HINTS, HINTS)
def test_similarity_lies_in_0_to_1_and_is_1_only_for_equal_types(left: str, right: str) -> None:
    found = similarity(left, right)

    assert 0 <= found <= 1
    assert (found == 1) == (parse(left) == parse(right))


@given(HINTS, HINTS)
def test_similarity_has_no_direction(left: str, right: str) -> None:
    assert similarity(left, right) == pytest.approx(similarity(right, left))


@given(HINTS)
def test_what_is_made_of_known_types_is_a_type_hint(text: str) -> None:
    assert is_type_hint(text)
