"""The HTTP client of the serving contract."""

from __future__ import annotations

import httpx

from liftgraph_dagster.providers.contract import ChatRequest, ChatResponse
from liftgraph_dagster.providers.endpoint import Credentials, Endpoint
from liftgraph_dagster.providers.retry import RetryPolicy


class HttpProvider:
    """A model server that speaks the contract, over a socket or in this process (ASGI).

    Args:
        base_url: address of the server, without `/v1`.
        model: what is sent as `model` and stands in the records.
        credentials: never shown in an error.
        policy: budgets of a request, and how it is tried again.
        transport: an httpx transport, for a server in this process.
    """

    constrains = True

    def __init__(
        self,
        base_url: str,
        *,
        model: str,
        name: str = "http",
        credentials: Credentials | None = None,
        policy: RetryPolicy | None = None,
        transport: httpx.AsyncBaseTransport | None = None,
    ) -> None:
        self.name = name
        self.model = model
        self.endpoint = Endpoint(
            base_url, credentials=credentials, policy=policy, transport=transport
        )

    async def complete(self, request: ChatRequest) -> ChatResponse:
        return await self.endpoint.post("/v1/chat/completions", request.body(), self._read)

    async def aclose(self) -> None:
        await self.endpoint.aclose()

    def _read(self, response: httpx.Response) -> ChatResponse:
        return self.endpoint.parsed(ChatResponse, response, "a chat completion")
