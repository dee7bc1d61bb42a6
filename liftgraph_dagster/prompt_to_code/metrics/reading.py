"""What a metric is handed, checked; and by what version its scores are known."""

from __future__ import annotations

from types import ModuleType
from typing import Any

import pydantic

from liftgraph_dagster.errors import InputError
from liftgraph_dagster.evaluation.example import Example
from liftgraph_dagster.graph.digest import digest, short
from liftgraph_dagster.graph.version import source
from liftgraph_dagster.prompt_to_code.outcome import Expected, Outcome


def read_outcome(prediction: Any) -> Outcome:
    """Return an outcome of `prompt_to_code`. Raises InputError, naming the field, for anything
    else."""
    if isinstance(prediction, Outcome):
        return prediction
    try:
        return Outcome.model_validate(prediction)
    except pydantic.ValidationError as exc:
        raise _error("the outcome is none of prompt_to_code", exc) from exc


def read_expected(example: Example) -> Expected:
    """Return the label of an example. Raises InputError, naming the field, for a label of another
    form."""
    if isinstance(example.expected, Expected):
        return example.expected
    try:
        return Expected.model_validate(example.expected)
    except pydantic.ValidationError as exc:
        raise _error(f"the label of example {example.id} is none of prompt_to_code", exc) from exc


def version_of(*modules: ModuleType) -> str:
    """Return the version of a metric whose scores these modules make: a digest of their code."""
    return short(digest([source(module) for module in modules]))


def _error(what: str, exc: pydantic.ValidationError) -> InputError:
    problem = exc.errors(include_url=False, include_input=False)[0]
    field = ".".join(map(str, problem["loc"])) or "-"
    return InputError(f"{what}: field {field}: {problem['msg']}")
