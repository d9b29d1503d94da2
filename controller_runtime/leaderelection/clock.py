"""The clock of leaders."""

from __future__ import annotations

import time


def leader_clock() -> float:
    """Seconds that never stop: CLOCK_BOOTTIME, or the monotonic clock where there is none (it stops in suspend)."""
    if hasattr(time, "CLOCK_BOOTTIME"):
        return time.clock_gettime(time.CLOCK_BOOTTIME)
    return time.monotonic()
