"""Delays of the per-item rate limiter."""

from __future__ import annotations

import pytest

from controller_runtime.workqueue import ItemExponentialFailureRateLimiter


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
