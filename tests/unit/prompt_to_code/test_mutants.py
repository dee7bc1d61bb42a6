from __future__ import annotations

import ast

import pytest

from liftgraph_dagster.prompt_to_code.mutants import mutants


@pytest.mark.parametrize(
    ("expression", "changed"),
    [
        ("a < b", {"a <= b"}),
        ("a == b != c", {"a != b != c", "a == b == c"}),
        ("a in b", {"a not in b"}),
        ("a + b", {"a - b"}),
        ("a / b", {"a // b"}),
        ("a and b", {"a or b"}),
        ("not a", {"a"}),
        ("-a", {"a"}),
        ("3", {"4", "2"}),
        ("True", {"False"}),
        ("2.5", {"3.5"}),
        ("'x'", {"''"}),
        ("''", {"'X'"}),
        ("a if b else c", {"a if not b else c"}),
        ("a if b < c else d", {"a if b <= c else d", "a if not b < c else d"}),
        ("a if b == c else d", {"a if b != c else d"}),
        ("a if not b else c", {"a if b else c"}),
        (
            "[a for a in b if c if d]",
            {"[a for a in b if not c if d]", "[a for a in b if c if not d]"},
        ),
        ("{a: c for a in b if a in c}", {"{a: c for a in b if a not in c}"}),
        ("range(a, b)", {"range(a + 1, b)", "range(a, b + 1)"}),
        ("a[b:c]", {"a[b + 1:c]", "a[b:c + 1]"}),
        ("a[1:]", {"a[2:]", "a[0:]"}),
        ("None", set()),
        ("f(a)", set()),
    ],
)
def test_each_change_makes_one_mutant(expression: str, changed: set[str]) -> None:
    found = {mutant.code for mutant in mutants(f"x = {expression}")}

    assert found == {f"x = {text}\n" for text in changed}


@pytest.mark.parametrize(
    ("code", "line", "change"),
    [
        ("def f(a):\n    if a:\n        return a", 2, "a becomes not a"),
        ("def f(a):\n    while a:\n        pass", 2, "a becomes not a"),
        ("while True:\n    pass", 1, "True becomes False"),
        ("f(\n    a for a in b\n    if a\n)", 2, "for a in b if a becomes for a in b if not a"),
        ("match a:\n    case b if c:\n        pass", 2, "c becomes not c"),
        ("def f(a, b):\n    a += b", 2, "a += b becomes a -= b"),
    ],
)
def test_a_mutant_says_where_and_what_was_changed(code: str, line: int, change: str) -> None:
    (mutant,) = mutants(code)

    assert (mutant.line, mutant.change) == (line, change)


def test_each_branch_of_an_if_with_elif_is_swapped() -> None:
    code = "if a:\n    f()\nelif b:\n    g()\nelse:\n    h()\n"

    found = [mutant.code for mutant in mutants(code)]

    assert found == [
        code.replace("if a", "if not a"),
        code.replace("elif b", "elif not b"),
    ]


@pytest.mark.parametrize(
    "code",
    [
        'def f(a):\n    """Return 1."""\n    return a',
        "def f(a: 'int') -> Literal[1]:\n    return a",
        "x: Literal[1] = a",
        "raise ValueError('1' + str(a))",
    ],
)
def test_what_no_test_can_notice_is_left_alone(code: str) -> None:
    assert list(mutants(code)) == []


def test_a_mutant_differs_from_the_original_and_is_python() -> None:
    code = "def f(items, n=2):\n    return [i * n for i in items[1:] if i > 0 and not i % n]\n"

    found = [mutant.code for mutant in mutants(code)]

    assert len(set(found)) == len(found) >= 9
    assert ast.unparse(ast.parse(code)) not in {ast.unparse(ast.parse(text)) for text in found}
