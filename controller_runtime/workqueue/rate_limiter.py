"""How long an item that failed has to wait before it is tried again."""

from __future__ import annotations

from collections.abc import Hashable
from typing import Generic, Protocol, TypeVar

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
