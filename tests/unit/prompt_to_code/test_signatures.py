from __future__ import annotations

from typing import Any

import pytest

from liftgraph_dagster.graph.node import SignatureNode
from liftgraph_dagster.prompt_to_code.graph import graph
from liftgraph_dagster.providers.adapter import output_model
from liftgraph_dagster.providers.schema_check import check_schema

SIGNATURES = [node.signature for node in graph.nodes.values() if issubclass(node, SignatureNode)]


def schemas(part: Any) -> list[dict[str, Any]]:
    """Return `part` of a JSON schema and the schemas inside it."""
    found = [part] if isinstance(part, dict) and "type" in part else []
    inner = part.values() if isinstance(part, dict) else part if isinstance(part, list) else ()
    return found + [schema for value in inner for schema in schemas(value)]


@pytest.mark.parametrize("signature", SIGNATURES, ids=lambda signature: signature.__name__)
def test_every_output_of_a_model_is_bounded(signature: Any) -> None:
    """Unbounded texts doubled the time of a run."""
    found = schemas(output_model(signature).model_json_schema())

    texts = [schema for schema in found if schema["type"] == "string"]
    lists = [schema for schema in found if schema["type"] == "array"]
    assert all("maxLength" in text or text.get("pattern", "").endswith("}$") for text in texts)
    assert all("maxItems" in array for array in lists)
    assert texts


@pytest.mark.parametrize("signature", SIGNATURES, ids=lambda signature: signature.__name__)
def test_every_schema_means_the_same_on_each_model_server(signature: Any) -> None:
    check_schema(output_model(signature).model_json_schema())
