"""A provider as a model of pydantic-ai, so that its agents speak the serving contract."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from pydantic_ai.messages import (
    ModelMessage,
    ModelRequest,
    ModelResponse,
    RetryPromptPart,
    SystemPromptPart,
    TextPart,
    UserPromptPart,
)
from pydantic_ai.models import Model, ModelRequestParameters
from pydantic_ai.profiles import ModelProfile
from pydantic_ai.settings import ModelSettings
from pydantic_ai.usage import RequestUsage

from liftgraph_dagster.errors import ConfigurationError, OutputTruncated
from liftgraph_dagster.providers.contract import (
    ChatRequest,
    JsonSchema,
    Message,
    Provider,
    ResponseFormat,
)
from liftgraph_dagster.providers.schema_check import check_schema, validate_answer


class ProviderModel(Model[Any]):
    """Asks a provider for typed output: `Agent(ProviderModel(provider), output_type=...)`.

    The output type's JSON schema goes on the wire as `response_format`, checked before as the
    engines check it, and the answer is validated against it after. Tools are not part of the
    contract.

    A request raises ConfigurationError for one without an output type or with tools, SchemaRefused
    for a schema that a server would not honour, ProviderError as the provider does, OutputTruncated
    and OutputInvalid for an answer that is none.
    """

    def __init__(self, provider: Provider, *, settings: ModelSettings | None = None) -> None:
        profile = ModelProfile(
            supports_tools=False,
            supports_json_schema_output=True,
            default_structured_output_mode="native",
        )
        super().__init__(settings=settings, profile=profile)
        self._served_by = provider

    @property
    def model_name(self) -> str:
        return self._served_by.model

    @property
    def system(self) -> str:
        return self._served_by.name

    async def request(
        self,
        messages: list[ModelMessage],
        model_settings: ModelSettings | None,
        model_request_parameters: ModelRequestParameters,
    ) -> ModelResponse:
        settings, parameters = self.prepare_request(model_settings, model_request_parameters)
        schema = _schema(parameters)
        check_schema(schema.json_schema)
        response = await self._served_by.complete(
            _chat_request(self.model_name, messages, settings or {}, schema)
        )
        choice = response.choices[0]
        if choice.finish_reason == "length":
            raise OutputTruncated(
                f"{self.model_name} was cut off after {response.usage.completion_tokens} tokens. "
                "Raise max_tokens, or bound the output's fields"
            )
        validate_answer(schema.json_schema, choice.message.content)
        return ModelResponse(
            parts=[TextPart(choice.message.content)],
            model_name=response.model,
            usage=RequestUsage(
                input_tokens=response.usage.prompt_tokens,
                output_tokens=response.usage.completion_tokens,
            ),
        )


def _schema(parameters: ModelRequestParameters) -> JsonSchema:
    if parameters.function_tools or parameters.output_tools:
        raise ConfigurationError("tools are not part of the serving contract; give an output type")
    output = parameters.output_object
    if output is None:
        raise ConfigurationError(
            "an agent without an output type would be answered without constraint; give it one: "
            "Agent(..., output_type=...)"
        )
    return JsonSchema(name=output.name or "Answer", json_schema=output.json_schema)


def _chat_request(
    model: str, messages: list[ModelMessage], settings: ModelSettings, schema: JsonSchema
) -> ChatRequest:
    return ChatRequest(
        model=model,
        messages=[message for found in messages for message in _messages(found)],
        max_tokens=settings.get("max_tokens"),
        temperature=settings.get("temperature"),
        top_p=settings.get("top_p"),
        seed=settings.get("seed"),
        frequency_penalty=settings.get("frequency_penalty"),
        presence_penalty=settings.get("presence_penalty"),
        stop=settings.get("stop_sequences"),
        response_format=ResponseFormat(json_schema=schema),
    )


def _messages(message: ModelMessage) -> Iterator[Message]:
    if isinstance(message, ModelResponse):
        yield Message(role="assistant", content=message.text or "")
        return
    yield from _instructions(message)
    for part in message.parts:
        match part:
            case SystemPromptPart(content=str() as content):
                yield Message(role="system", content=content)
            case UserPromptPart(content=str() as content):
                yield Message(role="user", content=content)
            case RetryPromptPart():
                yield Message(role="user", content=part.model_response())
            case _:
                raise ConfigurationError(
                    f"a message holds a {type(part).__name__}; the serving contract carries text "
                    "only"
                )


def _instructions(message: ModelRequest) -> Iterator[Message]:
    if message.instructions:
        yield Message(role="system", content=message.instructions)
