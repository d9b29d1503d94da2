"""Delays of the rate limiters."""

from __future__ import annotations

import asyncio

import pytest

from controller_runtime.workqueue import (
    BucketRateLimiter,
    ItemExponentialFailureRateLimiter,
    MaxOfRateLimiter,
    default_controller_rate_limiter,
)


def test_delay_doubles_with_each_failure_up_to_the_maximum() -> None:
    limiter = ItemExponentialFailureRateLimiter[str](base=0.005, maximum=0.03)
    assert [limiter.when("a") for _ in range(5)] == [0.005, 0.01, 0.02, 0.03, 0.03]


def test_default_delays_are_controller_runtimes() -> None:
    limiter = ItemExponentialFailureRateLimiter[str]()
    delays = [limiter.when("a") for _ in range(20)]
    assert delays[0] == 0.005
    assert delays[16] == 0.005 * 2**16
    assert delays[18:] == [1000, 1000]


def test_items_fail_each_for_itself() -> None:
    limiter = ItemExponentialFailureRateLimiter[str](base=1, maximum=8)
    assert [limiter.when("a"), limiter.when("a"), limiter.when("b")] == [1, 2, 1]
    assert (limiter.num_requeues("a"), limiter.num_requeues("b"), limiter.num_requeues("c")) == (2, 1, 0)


def test_a_forgotten_item_starts_anew() -> None:
    limiter = ItemExponentialFailureRateLimiter[str](base=1, maximum=8)
    limiter.when("a")
    limiter.when("a")
    limiter.forget("a")
    limiter.forget("never seen")
    assert limiter.num_requeues("a") == 0
    assert limiter.when("a") == 1


def test_endless_failures_neither_overflow_nor_exceed_the_maximum() -> None:
    limiter = ItemExponentialFailureRateLimiter[str]()
    assert max(limiter.when("a") for _ in range(3000)) == 1000


@pytest.mark.parametrize(
    ("base", "maximum"),
    [
        pytest.param(0, 1, id="base is zero"),
        pytest.param(-1, 1, id="base is negative"),
        pytest.param(2, 1, id="base exceeds the maximum"),
    ],
)
def test_impossible_delays_are_refused(base: float, maximum: float) -> None:
    with pytest.raises(ValueError, match="0 < base <= maximum"):
        ItemExponentialFailureRateLimiter[str](base, maximum)


@pytest.mark.looptime
async def test_a_bucket_lets_the_burst_through_and_then_one_at_a_time() -> None:
    limiter = BucketRateLimiter[int](rate=4, burst=2)
    assert [limiter.when(number) for number in range(5)] == [0, 0, 0.25, 0.5, 0.75]
    await asyncio.sleep(1)
    assert [limiter.when(number) for number in range(5, 8)] == [0, 0.25, 0.5]


@pytest.mark.looptime
async def test_a_bucket_that_was_not_used_saves_no_more_than_the_burst() -> None:
    limiter = BucketRateLimiter[int](rate=4, burst=2)
    await asyncio.sleep(1000)
    assert [limiter.when(number) for number in range(4)] == [0, 0, 0.25, 0.5]


@pytest.mark.looptime
async def test_an_item_that_fails_again_and_again_books_one_moment_in_the_bucket() -> None:
    """controller-runtime#1594: items added faster than the rate were put off for hours."""
    limiter = BucketRateLimiter[str](rate=4, burst=1)
    limiter.when("first")
    assert [limiter.when("a") for _ in range(100)] == [0.25] * 100
    assert limiter.when("b") == 0.5
    await asyncio.sleep(0.25)
    assert limiter.when("a") == 0.5


@pytest.mark.looptime
async def test_the_bucket_forgets_an_item_but_not_that_a_moment_is_taken() -> None:
    limiter = BucketRateLimiter[str](rate=4, burst=1)
    limiter.when("first")
    limiter.when("a")
    limiter.forget("a")
    limiter.forget("never seen")
    assert limiter.num_requeues("a") == 0
    assert limiter.when("a") == 0.5


@pytest.mark.parametrize(("rate", "burst"), [(0, 1), (-1, 1), (float("inf"), 1), (float("nan"), 1), (1, 0)])
def test_an_impossible_bucket_is_refused(rate: float, burst: int) -> None:
    with pytest.raises(ValueError, match="need a rate above 0 and a burst of 1 or more"):
        BucketRateLimiter[str](rate, burst)


@pytest.mark.looptime
async def test_the_longest_delay_of_several_limiters_counts_and_all_of_them_are_told() -> None:
    fast, slow = (
        ItemExponentialFailureRateLimiter[str](base=1),
        ItemExponentialFailureRateLimiter[str](base=4, maximum=4),
    )
    fast.when("a")
    limiter = MaxOfRateLimiter[str](fast, slow)
    assert [limiter.when("a") for _ in range(3)] == [4, 4, 8]
    assert (limiter.num_requeues("a"), slow.num_requeues("a")) == (4, 3)
    limiter.forget("a")
    assert (fast.num_requeues("a"), slow.num_requeues("a")) == (0, 0)


def test_the_longest_delay_of_none_is_refused() -> None:
    with pytest.raises(ValueError, match="of no rate limiters"):
        MaxOfRateLimiter[str]()


@pytest.mark.looptime
async def test_client_gos_default_spreads_a_mass_of_failures_and_backs_off_each_item() -> None:
    limiter = default_controller_rate_limiter()
    delays = [limiter.when(number) for number in range(102)]
    assert delays[:100] == [0.005] * 100
    assert delays[100:] == pytest.approx([0.1, 0.2])
    assert [limiter.when(0) for _ in range(9)][-1] == 0.005 * 2**9
