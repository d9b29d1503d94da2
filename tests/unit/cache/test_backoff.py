"""The waits between two tries."""

from __future__ import annotations

import pytest

from controller_runtime.cache.backoff import Backoff


def test_each_wait_is_between_once_and_twice_a_base_that_doubles_up_to_thirty_seconds() -> None:
    backoff = Backoff()
    waits = [backoff.step(now=0) for _ in range(9)]
    bases = [0.8, 1.6, 3.2, 6.4, 12.8, 25.6, 30, 30, 30]
    assert all(base <= wait < 2 * base for base, wait in zip(bases, waits, strict=True)), waits


def test_waits_of_two_informers_drift_apart() -> None:
    one, other = Backoff(), Backoff()
    assert [one.step(now=0) for _ in range(3)] != [other.step(now=0) for _ in range(3)]


@pytest.mark.parametrize(
    ("quiet", "limit"),
    [pytest.param(120.0, 6.4, id="two minutes are not over"), pytest.param(120.1, 1.6, id="after two minutes")],
)
def test_waits_begin_anew_after_two_minutes_without_a_failure(quiet: float, limit: float) -> None:
    backoff = Backoff()
    backoff.step(now=0)
    backoff.step(now=10)
    assert limit / 2 <= backoff.step(now=10 + quiet) < limit
