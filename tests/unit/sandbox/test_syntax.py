from __future__ import annotations

import os

import pytest

from liftgraph_dagster.sandbox import syntax
from liftgraph_dagster.sandbox.syntax import literal, parse


@pytest.mark.parametrize("text", ["", "f()", "1 +", "[1] * 2", "a\0b", "(" * 5000 + ")" * 5000])
def test_what_is_no_literal_is_refused_with_one_kind_of_error(text: str) -> None:
    with pytest.raises(ValueError, match="no Python literal"):
        literal(text)


@pytest.mark.parametrize("code", ["def f(", "return 1", "x = yield", "a\0b"])
def test_what_does_not_compile_is_no_program(code: str) -> None:
    with pytest.raises((SyntaxError, ValueError)):
        parse(code)


def test_a_process_that_is_forked_while_another_thread_reads_can_read() -> None:
    with syntax._turn:
        pid = os.fork()
        if pid == 0:
            os._exit(0 if literal("[1]") == [1] else 1)

    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
