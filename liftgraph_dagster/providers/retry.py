"""Trying again: how often, how long, and when a server is left alone.

Transport retries live here and nowhere else: DSPy's are switched off, and what a graph does about a
failed node begins when these are spent. Time is the event loop's, so that a test can run a cold
start of 90 s in none.
"""

from __future__ import annotations

import asyncio
import math
import random
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from typing import TypeVar

from liftgraph_dagster.errors import (
    CircuitOpen,
    ConfigurationError,
    ErrorClass,
    ProviderError,
    ServerUnreachable,
)

T = TypeVar("T")

DSPY_STRAGGLER_S = 120.0
"""After so long DSPy's evaluator sends a slow request a second time, beside the first."""
_OVERLOADED = (429, 503)
"""A server that asks for time: too many requests, a full queue, a model that is being loaded."""


@dataclass(frozen=True)
class RetryPolicy:
    """How long a request may take, all attempts and pauses together, and how it is tried again.

    The pause before attempt n is uniform between 0 and `min(longest_pause_s, first_pause_s *
    2**n)` ("full jitter"), and begins after what the server asked for in `Retry-After`. An attempt
    that would begin after the budget of its failure is not made.
    """

    timeout_s: float = 110.0
    """The end of everything, also of an attempt under way: below 120 s, see DSPY_STRAGGLER_S, or
    infinite for a model in this process, which no network can lose."""
    cold_start_s: float = 100.0
    """Budget of a server that asks for time (429, 503): a container that starts answers so."""
    request_s: float = 60.0
    """Budget of other failures of a server that is there."""
    connect_s: float = 3.0
    """Budget of an address where nobody listens: it is mostly a wrong one."""
    attempts: int = 5
    """Of one request; those that were answered 429 or 503 do not count."""
    first_pause_s: float = 0.5
    longest_pause_s: float = 8.0
    failures_until_open: int = 5
    """Failures in a row after which the breaker lets one request through at a time."""
    retry_tokens: float = 20.0
    """Retries that all requests together may make, while the breaker is closed, before an answer
    earns new ones: a fifth of a retry each. Keeps a server that stumbles from being run over."""

    def __post_init__(self) -> None:
        if not (0 < self.timeout_s < DSPY_STRAGGLER_S or self.timeout_s == math.inf):
            raise ConfigurationError(
                f"a request's timeout of {self.timeout_s} s is not between 0 and "
                f"{DSPY_STRAGGLER_S:.0f} s, when DSPy would send it a second time"
            )
        if self.attempts < 1:
            raise ConfigurationError(f"a request needs one attempt at least, not {self.attempts}")

    def budget_s(self, error: ProviderError) -> float:
        """Return how long after its beginning a request may be tried again after `error`."""
        if isinstance(error, ServerUnreachable):
            budget_s = self.connect_s
        else:
            budget_s = self.cold_start_s if error.status in _OVERLOADED else self.request_s
        return min(budget_s, self.timeout_s)

    def pause_s(self, error: ProviderError, failures: int, rng: random.Random) -> float:
        """Return how long to wait after `error`, the last of so many failures."""
        doubled = self.first_pause_s * 2 ** min(failures - 1, 30)
        return (error.retry_after_s or 0) + rng.uniform(0, min(self.longest_pause_s, doubled))


ONCE = RetryPolicy(cold_start_s=0, request_s=0, connect_s=0, attempts=1)
"""No second attempt."""
IN_PROCESS = replace(ONCE, timeout_s=math.inf)
"""For a model in this process: it answers, or says why not, and has a queue of its own."""


class Breaker:
    """Keeps requests from a server that is ill, and finds out when it is well again.

    Closed, it lets all pass. After failures in a row it opens: requests wait, and after a pause,
    which doubles from failure to failure, one of them goes ahead as a probe. An answer closes it.
    A request that may not wait so long ends at once with CircuitOpen.
    """

    def __init__(self, policy: RetryPolicy) -> None:
        self._policy = policy
        self._failures = 0
        self._pause_s = 0.0
        self._opens_at = 0.0
        self._because: ProviderError | None = None
        self._probe: asyncio.Future[None] | None = None

    @property
    def is_open(self) -> bool:
        return self._because is not None

    async def admit(self, began: float) -> bool:
        """Wait until a request that began at `began` may be sent; True when it is the probe.
        Raises CircuitOpen when that is later than the request may be tried."""
        loop = asyncio.get_running_loop()
        while self._because is not None:
            last = began + self._policy.budget_s(self._because)
            if self._probe is None:
                if loop.time() >= self._opens_at:
                    self._probe = loop.create_future()
                    return True
                if self._opens_at > last:
                    raise self._error(loop.time())
                await asyncio.sleep(self._opens_at - loop.time())
            else:
                try:
                    async with asyncio.timeout_at(last):
                        await asyncio.shield(self._probe)
                except TimeoutError:
                    raise self._error(loop.time()) from None
        return False

    def report(self, error: ProviderError | None, *, probed: bool) -> None:
        """Take in how an admitted request ended: without an error the server is well."""
        self.release(probed=probed)
        if error is None:
            self._failures, self._because = 0, None
            return
        self._failures += 1
        if self._because is None:
            if self._failures >= self._policy.failures_until_open:
                self._open(error, self._policy.first_pause_s * 2)
        elif probed:
            self._open(error, min(self._pause_s * 2, self._policy.longest_pause_s))

    def release(self, *, probed: bool) -> None:
        """Let another request be the probe: this one has ended."""
        if probed and self._probe is not None:
            self._probe.set_result(None)
            self._probe = None

    def _open(self, error: ProviderError, pause_s: float) -> None:
        self._because, self._pause_s = error, pause_s
        now = asyncio.get_running_loop().time()
        self._opens_at = now + max(pause_s, error.retry_after_s or 0)

    def _error(self, now: float) -> CircuitOpen:
        assert self._because is not None
        return CircuitOpen(
            f"{self._failures} requests in a row have failed, so this one was not sent; the last "
            f"error was: {self._because}",
            retry_after_s=max(self._opens_at - now, 0),
        )


class Retrier:
    """Sends requests to one model of one server, and sends them again.

    Args:
        policy: the budgets.
        who: the server, as errors name it.
        rng: where the jitter comes from.
    """

    def __init__(
        self,
        policy: RetryPolicy,
        *,
        who: str = "the model server",
        rng: random.Random | None = None,
    ) -> None:
        self.policy = policy
        self._who = who
        self.breaker = Breaker(policy)
        self._rng = rng or random.Random()
        self._tokens = policy.retry_tokens

    async def run(self, attempt: Callable[[], Awaitable[T]]) -> T:
        """Return what `attempt` returns, once it does. It raises ProviderError when it fails.

        Raises the last ProviderError, with the number of attempts, when it is not worth a retry or
        its budget is spent; CircuitOpen.
        """
        loop = asyncio.get_running_loop()
        began = loop.time()
        tried = failures = waits = 0
        while True:
            probed = await self.breaker.admit(began)
            tried += 1
            try:
                answer = await self._within(began + self.policy.timeout_s, attempt)
            except ProviderError as exc:
                error = exc
            except BaseException:
                self.breaker.release(probed=probed)
                raise
            else:
                self.breaker.report(None, probed=probed)
                self._tokens = min(self._tokens + 0.2, self.policy.retry_tokens)
                return answer
            error.attempts, error.spent_s = tried, loop.time() - began
            self.breaker.report(error if _is_ill(error) else None, probed=probed)
            if not error.retryable:
                raise error
            if error.status in _OVERLOADED:
                waits += 1
            else:
                failures += 1
            pause_s = self.policy.pause_s(error, failures + waits, self._rng)
            again = loop.time() + pause_s
            if again >= began + self.policy.budget_s(error) or failures >= self.policy.attempts:
                raise error
            if not self.breaker.is_open and error.status not in _OVERLOADED:
                if self._tokens < 1:
                    raise error
                self._tokens -= 1
            await asyncio.sleep(pause_s)

    async def _within(self, end: float, attempt: Callable[[], Awaitable[T]]) -> T:
        try:
            async with asyncio.timeout_at(end if math.isfinite(end) else None):
                return await attempt()
        except TimeoutError as exc:
            raise ProviderError(
                f"{self._who} did not answer within {self.policy.timeout_s:g} s",
                error_class=ErrorClass.TIMEOUT,
            ) from exc


def _is_ill(error: ProviderError) -> bool:
    """Return True when an error says something of the server, not of the request or its rate."""
    return error.error_class in (ErrorClass.TRANSIENT, ErrorClass.TIMEOUT)
