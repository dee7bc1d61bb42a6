from __future__ import annotations

import re
from importlib import resources

import pytest

from liftgraph_dagster.storage.queries import Statement, _parse, statements

FILES = {
    file.name: file.read_text()
    for file in resources.files("liftgraph_dagster.storage").joinpath("sql").iterdir()
}

TWO = """-- Statements on pets.

-- get_pet --
-- Returns one pet,
-- by its name.
SELECT name, since::date
FROM pets
WHERE name = :name
    AND keeper = :keeper
    AND :name <> ''

-- count_pets --
-- Returns how many there are.
SELECT count(*)
FROM pets
"""


def test_a_file_holds_several_statements() -> None:
    assert list(_parse(TWO)) == ["get_pet", "count_pets"]


def test_a_statement_has_no_comments_and_numbered_parameters() -> None:
    statement = _parse(TWO)["get_pet"]

    assert statement.text.splitlines() == [
        "SELECT name, since::date",
        "FROM pets",
        "WHERE name = $1",
        "    AND keeper = $2",
        "    AND $1 <> ''",
    ]


def test_parameters_stand_in_order_of_appearance_and_once() -> None:
    assert _parse(TWO)["get_pet"].parameters == ("name", "keeper")


def test_a_statement_may_have_no_parameters() -> None:
    assert _parse(TWO)["count_pets"].arguments({}) == []


@pytest.mark.parametrize(
    ("text", "parameters"),
    [
        ("SELECT :a", ("a",)),
        ("SELECT :a_1,:b", ("a_1", "b")),
        ("SELECT (:a)", ("a",)),
        ("SELECT a::text", ()),
        ("SELECT :a::text", ("a",)),
        ("SELECT make_interval(secs => :s)", ("s",)),
        ("SELECT x[1:n]", ()),
        ("SELECT '12:30'", ()),
    ],
)
def test_a_colon_and_a_name_are_a_parameter_where_no_cast_or_word_stands_before(
    text: str, parameters: tuple[str, ...]
) -> None:
    assert _parse(f"-- it --\n{text}")["it"].parameters == parameters


def test_arguments_stand_in_the_order_of_the_parameters() -> None:
    statement = Statement("it", "SELECT $1, $2", ("a", "b"))

    assert statement.arguments({"b": 2, "a": None}) == [None, 2]


def test_a_missing_argument_is_refused() -> None:
    statement = Statement("it", "SELECT $1, $2", ("a", "b"))

    with pytest.raises(KeyError, match="b"):
        statement.arguments({"a": 1})


def test_an_argument_too_many_is_refused_and_named() -> None:
    statement = Statement("it", "SELECT $1", ("a",))

    with pytest.raises(TypeError, match="statement it has no parameter b, c"):
        statement.arguments({"c": 3, "a": 1, "b": 2})


def test_every_statement_of_every_file_is_read() -> None:
    headers = [
        line.split()[1]
        for text in FILES.values()
        for line in text.splitlines()
        if line.startswith("-- ") and line.endswith(" --")
    ]

    assert headers
    assert sorted(statements()) == sorted(headers)


def test_the_statements_can_be_read_twice() -> None:
    assert statements() is statements()


@pytest.mark.parametrize("file", FILES)
def test_every_statement_says_what_it_returns(file: str) -> None:
    undescribed = re.findall(r"^-- (\w+) --\n(?!-- [A-Z])", FILES[file], re.MULTILINE)

    assert not undescribed


@pytest.mark.parametrize("name", statements())
def test_no_statement_selects_every_column(name: str) -> None:
    assert not re.search(r"SELECT\s+(\w+\.)?\*", statements()[name].text, re.IGNORECASE)
