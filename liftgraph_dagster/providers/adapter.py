"""Adapters: a DSPy signature as a prompt with an exact schema, and a provider as DSPy sees it."""

from __future__ import annotations

import json
import sys
import textwrap
from collections.abc import Hashable
from functools import cache, lru_cache
from typing import Annotated, Any, cast

import dspy
import pydantic
from dspy.utils.exceptions import AdapterParseError

from liftgraph_dagster.graph.digest import digest
from liftgraph_dagster.graph.version import source
from liftgraph_dagster.providers.contract import Provider
from liftgraph_dagster.providers.engine import language_model
from liftgraph_dagster.providers.outline import outline


class SchemaAdapter(dspy.JSONAdapter):
    """Puts the full pydantic JSON schema of a signature's outputs on the wire.

    DSPy's own adapter rewrites schemas: a nested `dict[str, int]` becomes an object that may hold
    nothing, and the model is then forced to answer `{}`. Here nothing is rewritten.

    The prompt itself is short: the instructions, an outline of the answer's shape, demonstrations
    as compact JSON. The schema constrains the answer, so the prompt need not repeat it.
    """

    def _prepare_response_format(
        self, lm: dspy.LM, lm_kwargs: dict[str, Any], signature: type[dspy.Signature]
    ) -> None:
        model = output_model(signature)
        lm_kwargs["response_format"] = {
            "type": "json_schema",
            "json_schema": {
                "name": model.__name__,
                "schema": model.model_json_schema(),
                "strict": True,
            },
        }

    def format_system_message(self, signature: type[dspy.Signature]) -> str:
        shape = outline(output_model(signature).model_json_schema())
        parts = [textwrap.dedent(signature.instructions).strip()]
        described = [
            f"- {name}: {description}"
            for name, field in signature.fields.items()
            if (description := _description(name, field))
        ]
        if described:
            parts.append("\n".join(described))
        parts.append(f"Answer with one JSON object of this shape:\n{shape}")
        return "\n\n".join(parts)

    def format_user_message_content(
        self,
        signature: type[dspy.Signature],
        inputs: dict[str, Any],
        prefix: str = "",
        suffix: str = "",
        main_request: bool = False,
    ) -> str:
        lines = [
            f"{name}: {_text(inputs[name])}" for name in signature.input_fields if name in inputs
        ]
        return "\n".join(part for part in (prefix, *lines, suffix) if part)

    def format_assistant_message_content(
        self,
        signature: type[dspy.Signature],
        outputs: dict[str, Any],
        missing_field_message: str | None = None,
    ) -> str:
        values = {
            name: _plain(outputs.get(name, missing_field_message))
            for name in signature.output_fields
        }
        return json.dumps(values, ensure_ascii=False)

    def parse(self, signature: type[dspy.Signature], completion: str) -> dict[str, Any]:
        try:
            answer = output_model(signature).model_validate_json(completion)
        except pydantic.ValidationError as exc:
            raise AdapterParseError(
                adapter_name=type(self).__name__,
                signature=signature,
                lm_response=completion,
                message=f"the answer does not fit the signature: {exc}",
            ) from exc
        return {name: getattr(answer, name) for name in signature.output_fields}


@cache
def prompt_version() -> str:
    """Return the digest of how a signature becomes a prompt: of this adapter, of the outline, and
    of DSPy's version. An answer is comparable with another only under the same one."""
    parts = [source(sys.modules[__name__]), source(sys.modules[outline.__module__])]
    return digest([*parts, dspy.__version__])


class ProviderAdapter:
    """A provider, ready to run DSPy signatures.

    Make it on the event loop that will own the provider.
    """

    def __init__(self, provider: Provider, **config: Any) -> None:
        self.provider = provider
        self.adapter = SchemaAdapter()
        self.lm = language_model(provider, **config)

    @property
    def supports_xgrammar(self) -> bool:
        """True when decoding is constrained by the schema that is sent."""
        return self.provider.constrains

    async def __call__(self, prompt: str, **kwargs: Any) -> dspy.Prediction:
        """Return the prediction for `prompt`.

        Keyword arguments: `signature`, a DSPy signature with one input field (default: `prompt ->
        answer`), and sampling settings such as temperature and max_tokens.
        """
        signature = dspy.ensure_signature(kwargs.pop("signature", _PromptToAnswer))
        field = next(iter(signature.input_fields))
        with dspy.context(lm=self.lm, adapter=self.adapter, disable_history=True):
            return await dspy.Predict(signature).acall(**{field: prompt}, config=kwargs)


class _PromptToAnswer(dspy.Signature):
    """Answer the prompt."""

    prompt: str = dspy.InputField()
    answer: str = dspy.OutputField()


def output_model(signature: type[dspy.Signature]) -> type[pydantic.BaseModel]:
    """Return the pydantic model of a signature's outputs: its fields with their constraints, in
    their order, and nothing else allowed."""
    return _output_model(cast(Hashable, signature))


@lru_cache(maxsize=1024)
def _output_model(signature: Any) -> type[pydantic.BaseModel]:
    fields: dict[str, Any] = {
        name: (
            Annotated[(field.annotation, *field.metadata)] if field.metadata else field.annotation,
            ...,
        )
        for name, field in signature.output_fields.items()
    }
    return pydantic.create_model(
        f"{signature.__name__}Answer", __config__=pydantic.ConfigDict(extra="forbid"), **fields
    )


def _description(name: str, field: Any) -> str | None:
    """Return a field's description; DSPy fills in `${name}` where the author wrote none."""
    text: str | None = field.json_schema_extra.get("desc")
    return None if not text or text == f"${{{name}}}" else text


def _text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(_plain(value), ensure_ascii=False)


def _plain(value: Any) -> Any:
    return pydantic.TypeAdapter(Any).dump_python(value, mode="json", by_alias=True)
