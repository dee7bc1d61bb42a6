from __future__ import annotations

import inspect
import re

import pytest

from liftgraph_dagster import errors
from liftgraph_dagster.errors import (
    ConfigurationError,
    DatasetError,
    ErrorClass,
    ExecutionBusy,
    ExecutionError,
    GraphError,
    InputError,
    LiftGraphError,
    NodeFailed,
    OutputInvalid,
    OutputTruncated,
    ProviderError,
    SchemaRefused,
    StorageError,
    VersionMismatch,
)


def drawn_parents() -> dict[str, str]:
    """Return the parent of each error in the tree that the module's docstring draws."""
    parents: dict[str, str] = {}
    above: dict[int, str] = {}
    for line in (errors.__doc__ or "").splitlines():
        branch, name = re.match(r"([│├└─ ]*)(\w*)", line).groups()
        if not hasattr(errors, name):
            continue
        depth = len(branch) // 4
        above[depth] = name
        if depth:
            parents[name] = above[depth - 1]
    return parents


def test_the_drawn_family_is_the_real_one() -> None:
    real = {
        name: cls.__bases__[0].__name__
        for name, cls in inspect.getmembers(errors, inspect.isclass)
        if issubclass(cls, LiftGraphError) and cls is not LiftGraphError
    }

    assert drawn_parents() == real


@pytest.mark.parametrize("error_class", ErrorClass)
def test_a_provider_error_is_retryable_by_its_class(error_class: ErrorClass) -> None:
    may_pass = {ErrorClass.TRANSIENT, ErrorClass.RATE_LIMITED, ErrorClass.TIMEOUT}

    assert ProviderError("x", error_class=error_class).retryable is (error_class in may_pass)


@pytest.mark.parametrize(
    ("error", "error_class"),
    [
        (InputError("x"), ErrorClass.PERMANENT),
        (ConfigurationError("x"), ErrorClass.CONFIGURATION),
        (GraphError("x"), ErrorClass.PERMANENT),
        (SchemaRefused(keyword="not", path="$", reason="is ignored"), ErrorClass.PERMANENT),
        (StorageError("x"), ErrorClass.TRANSIENT),
        (ProviderError("x"), ErrorClass.TRANSIENT),
        (OutputTruncated("x"), ErrorClass.VALIDATION),
        (OutputInvalid("x", answer="{"), ErrorClass.VALIDATION),
        (ExecutionBusy("x", execution_id="e"), ErrorClass.TRANSIENT),
        (
            NodeFailed("x", execution_id="e", node="n", error_class=ErrorClass.TIMEOUT),
            ErrorClass.TIMEOUT,
        ),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, Exception) else str(value),
)
def test_an_error_knows_its_class(error: LiftGraphError, error_class: ErrorClass) -> None:
    assert error.error_class is error_class


def test_a_dataset_error_names_file_line_and_field() -> None:
    error = DatasetError("too short", file="a.jsonl", line=7, field="input")

    assert str(error) == "a.jsonl, line 7, field input: too short"
    assert (error.file, error.line, error.field) == ("a.jsonl", 7, "input")


def test_a_refused_schema_names_keyword_and_path() -> None:
    error = SchemaRefused(keyword="not", path="$.a", reason="is ignored")

    assert str(error) == "JSON schema keyword 'not' at $.a is ignored"
    assert (error.keyword, error.path) == ("not", "$.a")


def test_an_execution_error_knows_execution_and_node() -> None:
    error = ExecutionError("x", execution_id="e", node="n")

    assert (error.execution_id, error.node) == ("e", "n")


def test_a_version_mismatch_knows_what_changed() -> None:
    error = VersionMismatch("x", execution_id="e", changed=("Draft", "state"))

    assert (error.execution_id, error.changed) == ("e", ("Draft", "state"))


def test_a_provider_error_keeps_status_and_waiting_time() -> None:
    error = ProviderError("x", status=429, retry_after_s=1.5)

    assert (error.status, error.retry_after_s) == (429, 1.5)


def test_an_invalid_answer_is_kept() -> None:
    assert OutputInvalid("x", answer="{").answer == "{"
