"""The rate limit lets a burst through, then so many requests per second, in their order; on virtual time."""

from __future__ import annotations

import asyncio

import pytest

from controller_runtime.client import RateLimit
from controller_runtime.client.rate_limit import TokenBucket

pytestmark = pytest.mark.looptime


async def taken(bucket: TokenBucket, count: int) -> list[float]:
    """When each of so many requests that come at once goes."""

    async def take() -> float:
        await bucket.take()
        return asyncio.get_running_loop().time()

    return await asyncio.gather(*(take() for _ in range(count)))


async def test_a_burst_goes_at_once_and_the_rest_at_the_rate() -> None:
    assert await taken(TokenBucket(RateLimit(qps=4, burst=3)), 7) == [0, 0, 0, 0.25, 0.5, 0.75, 1]


async def test_a_pause_saves_up_one_burst_and_no_more() -> None:
    bucket = TokenBucket(RateLimit(qps=4, burst=3))
    await taken(bucket, 3)
    await asyncio.sleep(3600)
    assert await taken(bucket, 5) == [3600, 3600, 3600, 3600.25, 3600.5]


async def test_a_short_pause_saves_up_a_part() -> None:
    bucket = TokenBucket(RateLimit(qps=2, burst=10))
    await taken(bucket, 10)
    await asyncio.sleep(1)
    assert await taken(bucket, 3) == [1, 1, 1.5]


async def test_take_tells_how_long_it_waited() -> None:
    bucket = TokenBucket(RateLimit(qps=2, burst=1))
    assert [await bucket.take(), await bucket.take()] == [0, 0.5]


async def test_in_the_long_run_the_rate_holds_exactly() -> None:
    times = await taken(TokenBucket(RateLimit(qps=10, burst=1)), 1000)
    assert times[-1] == pytest.approx(99.9)


async def test_who_is_cancelled_while_waiting_leaves_the_token_to_others() -> None:
    bucket = TokenBucket(RateLimit(qps=1, burst=1))
    await bucket.take()
    waiting = asyncio.create_task(bucket.take())
    await asyncio.sleep(0.5)
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    await bucket.take()
    assert asyncio.get_running_loop().time() == 1


@pytest.mark.parametrize(("qps", "burst"), [(0, 1), (-1, 1), (float("nan"), 1), (5, 0)])
def test_a_limit_that_lets_nothing_through_is_refused(qps: float, burst: int) -> None:
    with pytest.raises(ValueError, match="qps must be more than 0 and burst at least 1"):
        RateLimit(qps, burst)
