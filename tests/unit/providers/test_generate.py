"""SGLang's `/generate`: what goes there, and what its answers become."""

from __future__ import annotations

import json
from typing import Any

import httpx
import pytest

from liftgraph_dagster.errors import ErrorClass, ProviderError
from liftgraph_dagster.providers.contract import (
    ChatRequest,
    ChatResponse,
    JsonSchema,
    Message,
    ResponseFormat,
)
from liftgraph_dagster.providers.generate import GenerateProvider, chatml
from liftgraph_dagster.providers.retry import ONCE

SCHEMA = {"type": "object", "properties": {"a": {"type": "integer"}}}
ASKED = ChatRequest(
    model="m",
    messages=[Message(role="system", content="Be short."), Message(role="user", content="é")],
    max_tokens=64,
    temperature=0.0,
    seed=7,
    stop=["\n\n"],
    logprobs=True,
    top_logprobs=2,
    response_format=ResponseFormat(json_schema=JsonSchema(name="Answer", json_schema=SCHEMA)),
)
META: dict[str, Any] = {
    "id": "r-1",
    "finish_reason": {"type": "stop", "matched": 151645},
    "prompt_tokens": 9,
    "completion_tokens": 2,
    "cached_tokens": 4,
    "weight_version": "default",
    "output_token_logprobs": [[-0.1, 90, '{"a'], [-0.2, 91, '": 1}']],
    "output_top_logprobs": [[[-0.1, 90, '{"a'], [-3.0, 17, "Sure"]], None],
}


async def exchange(request: ChatRequest = ASKED, **meta: Any) -> tuple[httpx.Request, ChatResponse]:
    """Return what reached the server for `request`, and our answer."""
    seen: list[httpx.Request] = []

    def handler(got: httpx.Request) -> httpx.Response:
        seen.append(got)
        return httpx.Response(200, json={"text": '{"a": 1}', "meta_info": META | meta})

    provider = GenerateProvider(
        "http://there", model="qwen@1", policy=ONCE, transport=httpx.MockTransport(handler)
    )
    response = await provider.complete(request)
    return seen[0], response


async def test_a_request_is_in_the_words_of_the_native_api() -> None:
    request, _ = await exchange()

    body = json.loads(request.content)
    assert request.url.path == "/generate"
    assert json.loads(body["sampling_params"].pop("json_schema")) == SCHEMA
    assert body == {
        "text": chatml(ASKED.messages),
        "sampling_params": {
            "max_new_tokens": 64, "temperature": 0.0, "sampling_seed": 7, "stop": ["\n\n"],
        },
        "return_logprob": True,
        "return_text_in_logprobs": True,
        "top_logprobs_num": 2,
    }  # fmt: skip


def test_chatml_ends_where_the_assistant_speaks() -> None:
    assert chatml(ASKED.messages) == (
        "<|im_start|>system\nBe short.<|im_end|>\n<|im_start|>user\né<|im_end|>\n"
        "<|im_start|>assistant\n"
    )


async def test_an_answer_has_the_servers_counts_and_log_probabilities() -> None:
    _, response = await exchange()

    (choice,) = response.choices
    usage, logprobs = response.usage, choice.logprobs
    assert (response.id, response.model, choice.finish_reason) == ("r-1", "qwen@1", "stop")
    assert (usage.prompt_tokens, usage.completion_tokens, usage.total_tokens) == (9, 2, 11)
    assert usage.prompt_tokens_details is not None
    assert usage.prompt_tokens_details.cached_tokens == 4
    assert logprobs is not None
    assert [(t.token, t.logprob) for t in logprobs.content] == [('{"a', -0.1), ('": 1}', -0.2)]
    assert [t.token for t in logprobs.content[0].top_logprobs] == ['{"a', "Sure"]
    assert logprobs.content[1].top_logprobs == []


async def test_no_log_probabilities_are_asked_for_unasked() -> None:
    asked = ASKED.model_copy(update={"logprobs": None, "top_logprobs": None})

    request, response = await exchange(asked, output_token_logprobs=[], output_top_logprobs=[])

    assert "return_logprob" not in json.loads(request.content)
    assert response.choices[0].logprobs is None


async def test_an_answer_that_was_cut_off_says_so() -> None:
    _, response = await exchange(finish_reason={"type": "length", "length": 64})

    assert response.choices[0].finish_reason == "length"


@pytest.mark.parametrize(
    ("meta", "error_class", "words"),
    [
        ({"finish_reason": {"type": "abort", "message": "out of memory"}},
         ErrorClass.TRANSIENT, "it gave up: out of memory"),
        ({"output_top_logprobs": [[]]}, ErrorClass.CONFIGURATION, "the alternatives of 1"),
        ({"prompt_tokens": None}, ErrorClass.CONFIGURATION, "meta_info.prompt_tokens"),
    ],
)  # fmt: skip
async def test_an_answer_that_is_none_is_an_error(
    meta: dict[str, Any], error_class: ErrorClass, words: str
) -> None:
    with pytest.raises(ProviderError) as raised:
        await exchange(**meta)

    assert raised.value.error_class is error_class
    assert words in str(raised.value)
