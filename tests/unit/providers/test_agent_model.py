from __future__ import annotations

from typing import Annotated, Any

import pydantic
import pytest
from pydantic_ai import Agent

from liftgraph_dagster.errors import ConfigurationError, SchemaRefused
from liftgraph_dagster.providers.agent_model import ProviderModel
from liftgraph_dagster.providers.scripted import ScriptedProvider


class City(pydantic.BaseModel):
    name: str
    people: int


class Odd(pydantic.BaseModel):
    count: Annotated[int, pydantic.Field(multiple_of=2)]


def provider() -> ScriptedProvider:
    return ScriptedProvider(lambda request: {"name": "Rome", "people": 2_800_000})


async def test_an_agent_gets_typed_output_from_a_provider() -> None:
    agent = Agent(ProviderModel(provider()), output_type=City)

    assert (await agent.run("Where?")).output == City(name="Rome", people=2_800_000)


async def test_usage_is_what_the_server_counted() -> None:
    usage = (await Agent(ProviderModel(provider()), output_type=City).run("Where is it?")).usage

    assert (usage.input_tokens, usage.output_tokens) == (3, 4)


async def test_an_earlier_conversation_goes_on_the_wire_in_order() -> None:
    served = provider()
    agent = Agent(ProviderModel(served), output_type=City, system_prompt="Be brief.")

    first = await agent.run("Where?")
    await agent.run("And then?", message_history=first.all_messages())

    assert [message.role for message in served.requests[1].messages] == [
        "system", "user", "assistant", "user",
    ]  # fmt: skip


async def test_settings_become_the_fields_of_the_contract() -> None:
    served = provider()
    settings: Any = {"max_tokens": 50, "seed": 3, "top_p": 0.5, "stop_sequences": ["#"]}

    await Agent(ProviderModel(served), output_type=City, model_settings=settings).run("Where?")

    request = served.requests[0]
    assert (request.max_tokens, request.seed, request.top_p, request.stop) == (50, 3, 0.5, ["#"])


async def test_a_schema_that_a_server_would_not_honour_is_refused_before_the_call() -> None:
    served = provider()

    with pytest.raises(SchemaRefused, match="multipleOf"):
        await Agent(ProviderModel(served), output_type=Odd).run("How many?")
    assert served.requests == []


async def test_an_agent_without_an_output_type_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="without an output type"):
        await Agent(ProviderModel(provider())).run("Where?")


async def test_an_agent_with_tools_is_refused() -> None:
    agent = Agent(ProviderModel(provider()), output_type=City)
    agent.tool_plain(lambda: "noon", name="clock")

    with pytest.raises(ConfigurationError, match="tools are not part of the serving contract"):
        await agent.run("Where?")
