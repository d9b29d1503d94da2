"""How long an item that failed has to wait before it is tried again."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Hashable
from typing import Any, Generic, Protocol, TypeVar

K = TypeVar("K", bound=Hashable)
K_contra = TypeVar("K_contra", bound=Hashable, contravariant=True)

_MAXIMUM_EXPONENT = 62
"""2**62 times any sensible base is longer than any sensible maximum, and still a float."""


class RateLimiter(Protocol[K_contra]):
    """Decides the delay of each rate-limited add."""

    def when(self, item: K_contra) -> float:
        """Counts one more failure of the item and returns how many seconds it has to wait now."""

    def forget(self, item: K_contra) -> None:
        """The item succeeded: its failures no longer count."""

    def num_requeues(self, item: K_contra) -> int:
        """How many failures of the item count at present."""


class ItemExponentialFailureRateLimiter(Generic[K]):
    """Waits `base * 2**failures` seconds, at most `maximum`, each item for itself.

    The defaults are controller-runtime's: 5 ms doubled up to 1000 s, which the 18th failure in a row reaches.
    """

    def __init__(self, base: float = 0.005, maximum: float = 1000.0) -> None:
        if not 0 < base <= maximum:
            raise ValueError(f"rate limiter: need 0 < base <= maximum, got base {base} and maximum {maximum} seconds")
        self._base = base
        self._maximum = maximum
        self._failures: dict[K, int] = {}

    def when(self, item: K) -> float:
        """Counts one more failure of the item and returns how many seconds it has to wait now."""
        failures = self._failures.get(item, 0)
        self._failures[item] = failures + 1
        return min(self._base * 2.0 ** min(failures, _MAXIMUM_EXPONENT), self._maximum)

    def forget(self, item: K) -> None:
        """The item succeeded: its failures no longer count."""
        self._failures.pop(item, None)

    def num_requeues(self, item: K) -> int:
        """How many failures of the item count at present."""
        return self._failures.get(item, 0)


class BucketRateLimiter(Generic[K]):
    """Lets `rate` failures a second through, `burst` of them at once, whatever the items; the rest wait in line.

    Each failure books the next free moment, so that a mass of them is spread out evenly. An item that fails again
    before the moment that it has booked keeps that one. If it booked one more each time, as in client-go, an item that
    is added faster than `rate` would push the moments of all others away without end (controller-runtime#1594).

    Time is that of the running event loop, as for the delays themselves.
    """

    def __init__(self, rate: float = 10.0, burst: int = 100) -> None:
        if not (0 < rate < math.inf and burst >= 1):
            raise ValueError(f"rate limiter: need a rate above 0 and a burst of 1 or more, got {rate} and {burst}")
        self._interval = 1 / rate
        self._saved = burst / rate
        self._booked_until = -math.inf
        self._bookings: dict[K, float] = {}

    def when(self, item: K) -> float:
        """Books a moment unless one is booked, and returns in how many seconds it comes."""
        now = asyncio.get_running_loop().time()
        if self._bookings.get(item, now) <= now:
            self._booked_until = max(self._booked_until, now - self._saved) + self._interval
            self._bookings[item] = self._booked_until
        return max(0.0, self._bookings[item] - now)

    def forget(self, item: K) -> None:
        """The item succeeded; its moment stays taken."""
        self._bookings.pop(item, None)

    def num_requeues(self, item: K) -> int:  # noqa: ARG002 - failures are not counted
        """Always 0: the bucket does not count the failures of an item."""
        return 0


class MaxOfRateLimiter(Generic[K]):
    """Asks several rate limiters and takes the longest delay; a failure counts with all of them."""

    def __init__(self, *limiters: RateLimiter[K]) -> None:
        if not limiters:
            raise ValueError("rate limiter: the longest delay of no rate limiters is asked for")
        self._limiters = limiters

    def when(self, item: K) -> float:
        """Counts one more failure of the item and returns how many seconds it has to wait now."""
        return max([limiter.when(item) for limiter in self._limiters])

    def forget(self, item: K) -> None:
        """The item succeeded: its failures no longer count."""
        for limiter in self._limiters:
            limiter.forget(item)

    def num_requeues(self, item: K) -> int:
        """The most failures that one of them counts."""
        return max(limiter.num_requeues(item) for limiter in self._limiters)


def default_controller_rate_limiter() -> MaxOfRateLimiter[Any]:
    """client-go's default: each item for itself from 5 ms up to 1000 s, and all together 10 a second after 100 at once.

    controller-runtime goes without the bucket since it has the priority queue, and so does `PriorityQueue`.
    """
    return MaxOfRateLimiter[Any](ItemExponentialFailureRateLimiter(), BucketRateLimiter())
