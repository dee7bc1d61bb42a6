"""Retries, budgets and the breaker, in virtual time."""

from __future__ import annotations

import asyncio
import math
import random
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from itertools import pairwise

import pytest

from liftgraph_dagster.errors import (
    CircuitOpen,
    ConfigurationError,
    ErrorClass,
    ProviderError,
    ServerUnreachable,
)
from liftgraph_dagster.providers.retry import IN_PROCESS, ONCE, Retrier, RetryPolicy
from tests.support.virtual_time import in_virtual_time

POLICY = RetryPolicy()
GONE = ServerUnreachable("refused")


def answered(status: int, retry_after_s: float | None = None) -> ProviderError:
    """Return the error of a status."""
    kind = {429: ErrorClass.RATE_LIMITED, 408: ErrorClass.TIMEOUT, 400: ErrorClass.PERMANENT}
    return ProviderError(
        f"answered {status}",
        error_class=kind.get(status, ErrorClass.TRANSIENT),
        status=status,
        retry_after_s=retry_after_s,
    )


class Server:
    """Fails as `failures` say, one after the other, the last one for ever, and then answers.

    `until_s`: fails until that time whatever was sent before.
    """

    def __init__(
        self, failures: Sequence[ProviderError] = (), *, for_ever: bool = False, until_s: float = 0
    ) -> None:
        self.failures = list(failures)
        self.for_ever = for_ever
        self.until_s = until_s
        self.times: list[float] = []

    async def __call__(self) -> str:
        now = asyncio.get_running_loop().time()
        self.times.append(now)
        await asyncio.sleep(0.01)
        last = len(self.times) > len(self.failures)
        if last and not self.for_ever and now >= self.until_s:
            return "answer"
        failure = self.failures[min(len(self.times), len(self.failures)) - 1]
        raise type(failure)(
            str(failure),
            error_class=failure.error_class,
            status=failure.status,
            retry_after_s=failure.retry_after_s,
        )


def ask(server: Callable[[], Awaitable[str]], policy: RetryPolicy = POLICY, seed: int = 0) -> str:
    """Return what a request to `server` returns."""
    return in_virtual_time(Retrier(policy, rng=random.Random(seed)).run(server))


def error_of(server: Server, policy: RetryPolicy = POLICY, seed: int = 0) -> ProviderError:
    with pytest.raises(ProviderError) as raised:
        ask(server, policy, seed)
    return raised.value


@pytest.mark.parametrize("status", [408, 429, 500, 502, 503, 504])
def test_a_failure_that_may_pass_is_tried_again(status: int) -> None:
    server = Server([answered(status)] * 2)

    assert ask(server) == "answer"
    assert len(server.times) == 3


def test_a_failure_that_will_not_pass_is_not() -> None:
    server = Server([answered(400)])

    error = error_of(server)

    assert (len(server.times), error.status, error.attempts) == (1, 400, 1)
    assert str(error) == "answered 400"


def test_no_more_attempts_are_made_than_the_policy_says() -> None:
    server = Server([answered(500)], for_ever=True)

    error = error_of(server)

    assert len(server.times) == error.attempts == POLICY.attempts
    assert "answered 500 (tried 5 times in " in str(error)


@pytest.mark.parametrize("status", [429, 503])
def test_being_asked_to_wait_uses_up_no_attempt(status: int) -> None:
    server = Server([answered(status)] * (POLICY.attempts * 3) + [answered(500)] * 4)

    policy = replace(POLICY, failures_until_open=1000, longest_pause_s=1)

    assert ask(server, policy) == "answer"


@pytest.mark.parametrize("once", [ONCE, IN_PROCESS])
@pytest.mark.parametrize("failure", [answered(429), answered(503, 0), answered(500), GONE])
def test_a_policy_of_one_attempt_makes_one(once: RetryPolicy, failure: ProviderError) -> None:
    server = Server([failure], for_ever=True)

    error_of(server, once)

    assert len(server.times) == 1


def test_a_pause_is_as_long_as_was_asked_for_and_a_little_more() -> None:
    server = Server([answered(503, 7), answered(429, 5)])

    ask(server)

    first, second = (later - earlier for earlier, later in pairwise(server.times))
    assert 7 <= first <= 7 + POLICY.first_pause_s + 0.02
    assert 5 <= second <= 5 + 2 * POLICY.first_pause_s + 0.02


def test_a_pause_beyond_the_budget_is_not_waited_for() -> None:
    server = Server([answered(429, 3600)])

    error = error_of(server)

    assert (server.times, error.retry_after_s) == ([0.0], 3600)


def test_pauses_are_of_full_jitter() -> None:
    """The n-th is uniform between 0 and a bound that doubles (Brooker, AWS, 2015)."""
    rng = random.Random(1)
    drawn = [[POLICY.pause_s(answered(500), n, rng) for _ in range(2000)] for n in range(1, 8)]

    for n, pauses in enumerate(drawn):
        bound = min(POLICY.longest_pause_s, POLICY.first_pause_s * 2**n)
        assert 0 <= min(pauses) < 0.01 * bound
        assert 0.99 * bound < max(pauses) <= bound
        assert sum(pauses) / len(pauses) == pytest.approx(bound / 2, rel=0.05)


@pytest.mark.parametrize("seed", range(20))
def test_a_cold_start_of_90_s_is_waited_for(seed: int) -> None:
    server = Server([answered(503)], until_s=90)

    assert ask(server, seed=seed) == "answer"
    assert 90 <= server.times[-1] <= POLICY.cold_start_s


@pytest.mark.parametrize(
    ("failure", "budget_s"),
    [(answered(503), POLICY.cold_start_s), (answered(429), POLICY.cold_start_s),
     (GONE, POLICY.connect_s), (answered(502), POLICY.request_s)],
    ids=["starting", "too many", "nobody there", "ill"],
)  # fmt: skip
def test_a_failure_is_tried_again_within_its_own_budget(
    failure: ProviderError, budget_s: float
) -> None:
    server = Server([failure], for_ever=True)

    error = error_of(server, replace(POLICY, attempts=1000, retry_tokens=1000))

    longest = POLICY.longest_pause_s
    assert budget_s - 2 * longest < server.times[-1] <= budget_s
    assert error.spent_s <= budget_s + 0.02


@pytest.mark.parametrize("seconds", [0.5, 30.0])
def test_what_takes_too_long_is_ended_with_all_its_attempts(seconds: float) -> None:
    begun: list[float] = []

    async def hang() -> str:
        begun.append(asyncio.get_running_loop().time())
        await asyncio.sleep(1000)
        return "late"

    async def timed() -> float:
        with pytest.raises(ProviderError, match="did not answer within") as raised:
            await Retrier(replace(POLICY, timeout_s=seconds)).run(hang)
        assert raised.value.error_class is ErrorClass.TIMEOUT
        return asyncio.get_running_loop().time()

    assert in_virtual_time(timed()) == pytest.approx(seconds)
    assert begun == [0]


def test_a_model_in_this_process_may_take_its_time() -> None:
    async def slow() -> str:
        await asyncio.sleep(10_000)
        return "answer"

    assert ask(slow, IN_PROCESS) == "answer"


@pytest.mark.parametrize("seconds", [0, -1, 120, 500, math.nan])
def test_a_timeout_at_which_dspy_would_ask_twice_is_refused(seconds: float) -> None:
    with pytest.raises(ConfigurationError, match="a request's timeout of"):
        RetryPolicy(timeout_s=seconds)


def test_a_policy_without_attempts_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="one attempt at least"):
        RetryPolicy(attempts=0)


def test_a_storm_of_retries_is_kept_from_a_server_that_stumbles() -> None:
    """200 requests of which each would be sent five times."""
    policy = replace(POLICY, failures_until_open=10_000)
    server = Server([answered(500)], for_ever=True)

    async def storm() -> None:
        retrier = Retrier(policy, rng=random.Random(1))
        await asyncio.gather(*(retrier.run(server) for _ in range(200)), return_exceptions=True)

    in_virtual_time(storm())

    assert len(server.times) == 200 + policy.retry_tokens


def test_answers_earn_retries() -> None:
    """Three of four attempts fail; five answers earn one retry."""
    policy = replace(POLICY, retry_tokens=1, attempts=2)

    async def asked() -> list[int]:
        retrier = Retrier(policy, rng=random.Random(1))
        sent = []
        for answers in (0, 4, 5):
            for _ in range(answers):
                await retrier.run(Server())
            server = Server([answered(500)], for_ever=True)
            with pytest.raises(ProviderError):
                await retrier.run(server)
            sent.append(len(server.times))
        return sent

    assert in_virtual_time(asked()) == [2, 1, 2]


async def open_breaker(retrier: Retrier, failure: ProviderError) -> None:
    """Let requests fail until the breaker is open."""
    server = Server([failure], for_ever=True)
    while not retrier.breaker.is_open:
        with pytest.raises(ProviderError):
            await retrier.run(server)


def test_after_failures_in_a_row_one_request_at_a_time_goes_to_a_server_that_starts() -> None:
    """200 requests meet a cold start of 60 s: all are answered, and few are sent before."""
    server = Server([answered(503)], until_s=60)

    async def crowd() -> list[str]:
        retrier = Retrier(POLICY, rng=random.Random(1))
        return list(await asyncio.gather(*(retrier.run(server) for _ in range(200))))

    assert in_virtual_time(crowd()) == ["answer"] * 200
    first = [t for t in server.times if t == 0]
    before = [t for t in server.times if 0 < t < 60]
    assert len(first) == 200
    assert len(before) < 20


def test_an_open_breaker_sends_nothing_that_could_not_wait() -> None:
    async def asked() -> tuple[float, CircuitOpen, Server]:
        retrier = Retrier(replace(POLICY, first_pause_s=8), rng=random.Random(1))
        await open_breaker(retrier, GONE)
        server = Server()
        began = asyncio.get_running_loop().time()
        with pytest.raises(CircuitOpen) as raised:
            await retrier.run(server)
        return asyncio.get_running_loop().time() - began, raised.value, server

    waited, error, server = in_virtual_time(asked())

    assert (waited, server.times) == (0, [])
    assert error.retryable
    assert error.retry_after_s is not None
    assert 0 < error.retry_after_s <= 16
    assert (
        "requests in a row have failed, so this one was not sent; the last error was: refused"
        in (str(error))
    )


def test_an_answer_closes_the_breaker() -> None:
    async def asked() -> bool:
        retrier = Retrier(POLICY, rng=random.Random(1))
        await open_breaker(retrier, answered(500))
        await retrier.run(Server())
        return retrier.breaker.is_open

    assert in_virtual_time(asked()) is False


@pytest.mark.parametrize("status", [400, 429])
def test_a_server_that_refuses_a_request_is_well(status: int) -> None:
    async def asked() -> bool:
        retrier = Retrier(replace(ONCE, failures_until_open=2), rng=random.Random(1))
        for _ in range(10):
            with pytest.raises(ProviderError):
                await retrier.run(Server([answered(status)]))
        return retrier.breaker.is_open

    assert in_virtual_time(asked()) is False


def test_a_probe_that_is_cancelled_leaves_its_place_to_another() -> None:
    async def hang() -> str:
        await asyncio.sleep(1000)
        return "late"

    async def asked() -> str:
        retrier = Retrier(POLICY, rng=random.Random(1))
        await open_breaker(retrier, answered(503))
        probe = asyncio.ensure_future(retrier.run(hang))
        await asyncio.sleep(20)
        second = asyncio.ensure_future(retrier.run(Server()))
        await asyncio.sleep(1)
        probe.cancel()
        return await second

    assert in_virtual_time(asked()) == "answer"


def test_a_request_waits_no_longer_for_a_probe_than_for_an_answer() -> None:
    async def hang() -> str:
        await asyncio.sleep(1000)
        return "late"

    async def asked() -> float:
        retrier = Retrier(POLICY, rng=random.Random(1))
        await open_breaker(retrier, GONE)
        await asyncio.sleep(20)
        probe = asyncio.ensure_future(retrier.run(hang))
        await asyncio.sleep(0.1)
        began = asyncio.get_running_loop().time()
        with pytest.raises(CircuitOpen):
            await retrier.run(Server())
        probe.cancel()
        return asyncio.get_running_loop().time() - began

    assert in_virtual_time(asked()) == pytest.approx(POLICY.connect_s)
