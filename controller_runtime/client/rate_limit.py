"""A limit on how many requests a process sends per second; off unless asked for.

The API server protects itself (API Priority and Fairness answers 429 with a Retry-After, which is honoured), so a limit
here is only for a process that must not be noticed. client-go's own default of 5 requests per second is the usual
reason why its controllers are slow, and controller-runtime turns it off.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class RateLimit:
    """So many requests per second in the long run, and so many at once after a pause."""

    qps: float
    """Requests per second."""
    burst: int
    """Requests that may go at once when none went for a while; at least 1."""

    def __post_init__(self) -> None:
        """Refuse what would let nothing through."""
        if not self.qps > 0 or self.burst < 1:
            raise ValueError(f"{self}: qps must be more than 0 and burst at least 1")


class TokenBucket:
    """Holds up to `burst` tokens, `qps` of which come in each second; each request takes one, in the order of arrival.

    A request that has to wait takes its token in advance, so that a later one cannot overtake it.
    """

    def __init__(self, limit: RateLimit) -> None:
        self._limit = limit
        self._tokens = float(limit.burst)
        self._counted_at = 0.0

    async def take(self) -> float:
        """Take a token, which may mean to wait for it; whoever is cancelled meanwhile leaves it to others.

        Returns:
            Seconds waited.
        """
        now = asyncio.get_running_loop().time()
        come_in = (now - self._counted_at) * self._limit.qps
        self._tokens = min(float(self._limit.burst), self._tokens + come_in) - 1
        self._counted_at = now
        if self._tokens >= 0:
            return 0.0
        wait = -self._tokens / self._limit.qps
        try:
            await asyncio.sleep(wait)
        except asyncio.CancelledError:
            self._tokens += 1
            raise
        return wait
