from __future__ import annotations

import inspect

import pytest

from liftgraph_dagster import errors
from liftgraph_dagster.cli import exits
from liftgraph_dagster.cli.exits import exit_code, sentence
from liftgraph_dagster.errors import LiftGraphError

CODES = {
    "GraphError": exits.CONFIGURATION,
    "ConfigurationError": exits.CONFIGURATION,
    "SchemaRefused": exits.CONFIGURATION,
    "InputError": exits.INPUT,
    "DatasetError": exits.INPUT,
    "NotFound": exits.NOT_FOUND,
    "Undefined": exits.INPUT,
    "StorageError": exits.DATABASE,
    "ProviderError": exits.MODEL,
    "ServerUnreachable": exits.MODEL,
    "CircuitOpen": exits.MODEL,
    "OutputTruncated": exits.MODEL,
    "OutputInvalid": exits.MODEL,
    "ExecutionError": exits.EXECUTION,
    "ExecutionBusy": exits.BUSY,
    "ExecutionFenced": exits.EXECUTION,
    "ExecutionEnded": exits.EXECUTION,
    "VersionMismatch": exits.EXECUTION,
    "NodeFailed": exits.EXECUTION,
}
FAMILY = {
    name: cls
    for name, cls in inspect.getmembers(errors, inspect.isclass)
    if issubclass(cls, LiftGraphError) and cls is not LiftGraphError
}


@pytest.mark.parametrize("name", FAMILY)
def test_each_error_of_ours_has_its_code(name: str) -> None:
    error = FAMILY[name].__new__(FAMILY[name])

    assert exit_code(error) == CODES[name]


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (KeyboardInterrupt(), 130),
        (ValueError("x"), exits.UNEXPECTED),
        (RuntimeError("x"), exits.UNEXPECTED),
    ],
)
def test_other_errors_have_a_code_too(error: BaseException, code: int) -> None:
    assert exit_code(error) == code


def test_no_two_codes_are_equal() -> None:
    codes = {
        name: value for name, value in vars(exits).items() if name.isupper() and name[0] != "_"
    }

    assert len(set(codes.values())) == len(codes) == 11


def test_the_sentence_of_an_error_is_one_line() -> None:
    assert sentence(errors.InputError("a\n  b\tc")) == "Error: a b c"


def test_the_sentence_of_a_bug_says_how_to_see_more() -> None:
    said = sentence(ZeroDivisionError("division by zero"))

    assert said.startswith("Unexpected ZeroDivisionError: division by zero\n")
    assert "liftgraph --debug" in said
