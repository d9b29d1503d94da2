"""How long to wait before the API server is asked again.

The numbers are client-go's (tools/cache/reflector.go): 800 ms doubled up to 30 s, each wait stretched by a random share
of itself. At the cap an informer asks once in 30 to 60 s, a fiftieth of what a loop without back-off would ask, and the
stretching keeps replicas that lost the same API server from coming back in step. After two minutes without a failure
the server counts as healthy again.
"""

from __future__ import annotations

import random

_INITIAL = 0.8
_FACTOR = 2.0
_MAXIMUM = 30.0
_RESET_AFTER = 120.0


class Backoff:
    """The waits of one reflector, shared by its lists and its watches."""

    def __init__(self) -> None:
        self._next = _INITIAL
        self._last_step = float("-inf")

    def step(self, now: float) -> float:
        """Seconds to wait this time: uniform in [d, 2d), where d doubles with each step.

        Args:
            now: the loop's clock; after two minutes without a step the waits begin at 800 ms again.
        """
        if now - self._last_step > _RESET_AFTER:
            self._next = _INITIAL
        self._last_step = now
        delay = self._next
        self._next = min(delay * _FACTOR, _MAXIMUM)
        return delay * (1 + random.random())
