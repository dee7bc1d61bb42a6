from __future__ import annotations

import json
from typing import Any

import pydantic
import pytest
from hypothesis import given
from hypothesis import strategies as st

from liftgraph_dagster.providers.contract import (
    Answer,
    ChatRequest,
    ChatResponse,
    JsonSchema,
    Message,
    ResponseFormat,
    WireError,
)

HELLO = {"model": "m", "messages": [{"role": "user", "content": "hello"}]}

texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=5)
schemas = st.sampled_from([{}, {"const": None}, {"properties": {"a": {"default": None}}}])
response_formats = st.builds(
    lambda name, schema: ResponseFormat(json_schema=JsonSchema(name=name, json_schema=schema)),
    texts,
    schemas,
)
requests = st.fixed_dictionaries(
    {
        "model": texts,
        "messages": st.lists(
            st.builds(
                lambda role, content: Message(role=role, content=content),
                st.sampled_from(["system", "user", "assistant"]),
                texts,
            ),
            min_size=1,
            max_size=3,
        ),
    },
    optional={
        "max_tokens": st.integers(1, 99),
        "temperature": st.floats(0, 2),
        "top_p": st.floats(0, 1, exclude_min=True),
        "top_k": st.integers(1, 99),
        "seed": st.integers(0, 2**31),
        "stop": st.lists(texts, max_size=2),
        "logprobs": st.booleans(),
        "top_logprobs": st.integers(0, 20),
        "response_format": response_formats,
    },
).map(lambda fields: ChatRequest(**fields))


def answer(**message: Any) -> dict[str, Any]:
    """Return a chat completion as a server sends it."""
    return {
        "id": "1",
        "object": "chat.completion",
        "created": 1764000000,
        "model": "m",
        "choices": [
            {
                "index": 0,
                "message": {"role": "assistant", "content": "hi"} | message,
                "finish_reason": "stop",
                "matched_stop": 2,
                "logprobs": {
                    "content": [
                        {
                            "token": "hi",
                            "logprob": -0.5,
                            "top_logprobs": [{"token": "hi", "logprob": -0.5, "rank": 1}],
                        }
                    ]
                },
            }
        ],
        "usage": {"prompt_tokens": 3, "completion_tokens": 1, "total_tokens": 4},
        "system_fingerprint": "b1",
    }


@given(requests)
def test_a_request_comes_back_from_its_body_unchanged(request: ChatRequest) -> None:
    body = json.dumps(request.body())

    assert ChatRequest.model_validate_json(body) == request


def test_what_was_not_set_is_left_out_of_the_body() -> None:
    assert ChatRequest.model_validate(HELLO).body() == HELLO


def test_a_schema_goes_on_the_wire_nested_and_as_schema() -> None:
    schema = {"type": "object", "properties": {"a": {"default": None}}}
    response_format = ResponseFormat(json_schema=JsonSchema(name="A", json_schema=schema))

    body = ChatRequest(**HELLO, response_format=response_format).body()

    assert body["response_format"] == {
        "type": "json_schema",
        "json_schema": {"name": "A", "schema": schema, "strict": True},
    }


@pytest.mark.parametrize("field", ["regex", "ebnf", "structural_tag", "n", "tools", "stream"])
def test_a_field_outside_the_contract_is_refused_by_name(field: str) -> None:
    with pytest.raises(pydantic.ValidationError, match=rf"{field}\n\s+Extra inputs"):
        ChatRequest.model_validate(HELLO | {field: 1})


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("max_tokens", 0),
        ("temperature", -0.1),
        ("temperature", 2.1),
        ("top_p", 0),
        ("top_p", 1.1),
        ("top_k", 0),
        ("top_logprobs", 21),
        ("messages", []),
        ("messages", [{"role": "tool", "content": ""}]),
        ("messages", [{"role": "user", "content": [{"type": "text", "text": "a"}]}]),
        ("response_format", {"type": "json_object"}),
        ("response_format", {"type": "json_schema", "schema": {}}),
    ],
)
def test_a_value_outside_the_contract_is_refused(field: str, value: Any) -> None:
    with pytest.raises(pydantic.ValidationError, match=field):
        ChatRequest.model_validate(HELLO | {field: value})


def test_fields_that_a_server_adds_are_dropped() -> None:
    response = ChatResponse.model_validate(answer())

    assert set(response.model_dump()) == {"id", "model", "choices", "usage"}


@pytest.mark.parametrize(
    "extra",
    [
        {"reasoning_content": None, "tool_calls": None},
        {"refusal": None, "annotations": []},
    ],
    ids=["sglang", "openai"],
)
def test_fields_that_a_server_adds_to_the_message_are_dropped(extra: dict[str, Any]) -> None:
    response = ChatResponse.model_validate(answer(**extra))

    assert response.choices[0].message == Answer(role="assistant", content="hi")


def test_logprobs_are_read_with_their_alternatives() -> None:
    logprobs = ChatResponse.model_validate(answer()).choices[0].logprobs

    assert logprobs is not None
    token = logprobs.content[0]
    assert (token.token, token.logprob, token.top_logprobs[0].token) == ("hi", -0.5, "hi")


@pytest.mark.parametrize("missing", ["id", "model", "choices", "usage"])
def test_an_answer_without_an_essential_part_is_refused(missing: str) -> None:
    body = answer()
    del body[missing]

    with pytest.raises(pydantic.ValidationError, match=missing):
        ChatResponse.model_validate(body)


def test_an_answer_without_a_choice_is_refused() -> None:
    with pytest.raises(pydantic.ValidationError, match="choices"):
        ChatResponse.model_validate(answer() | {"choices": []})


def test_an_error_body_is_flat_as_sglang_sends_it() -> None:
    error = WireError(message="no", type="BadRequestError", code=400)

    assert error.model_dump() == {
        "object": "error",
        "message": "no",
        "type": "BadRequestError",
        "param": None,
        "code": 400,
    }


@pytest.mark.parametrize(
    "wrong",
    [
        {"usage": {"prompt_tokens": 3_000_000_000, "completion_tokens": 1, "total_tokens": 1}},
        {"usage": {"prompt_tokens": -5, "completion_tokens": 1, "total_tokens": 1}},
        {"model": "a\x00b"},
    ],
    ids=["too many tokens", "negative tokens", "NUL in the model"],
)
def test_an_answer_whose_numbers_no_history_can_hold_is_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(pydantic.ValidationError, match=next(iter(wrong))):
        ChatResponse.model_validate(answer() | wrong)


def test_cached_tokens_may_be_null() -> None:
    usage = {"prompt_tokens": 1, "completion_tokens": 1, "total_tokens": 2}
    read = ChatResponse.model_validate(
        answer() | {"usage": usage | {"prompt_tokens_details": {"cached_tokens": None}}}
    )

    assert read.usage.prompt_tokens_details is not None
    assert read.usage.prompt_tokens_details.cached_tokens == 0
