"""The contract between a controller and its reconciler."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Protocol, TypeAlias

from controller_runtime.apimachinery import NamespacedName

Request: TypeAlias = NamespacedName
"""Names the object to reconcile, and nothing else: what happened to it is for the reconciler to find out."""


@dataclass(frozen=True, slots=True)
class Result:
    """What should happen after a reconciliation that succeeded."""

    requeue_after: float = 0
    """Seconds until the object is reconciled again without a change; 0 means only when something changes."""
    priority: int | None = None
    """Priority of that next run; None keeps the one this run had."""

    def __post_init__(self) -> None:
        """Refuses a delay that is no time.

        Raises:
            ValueError: `requeue_after` is negative, infinite or no number.
        """
        if not 0 <= self.requeue_after < math.inf:
            raise ValueError(f"requeue_after is a number of seconds, not {self.requeue_after}")


class TerminalError(Exception):
    """An error that a retry cannot mend: counted and logged, and the object waits for its next change."""


class Reconciler(Protocol):
    """Brings one object closer to what its spec asks for.

    It is called again and again with the same request and must be idempotent. It reads what it needs (mostly from the
    cache), writes only what differs, and returns; a deleted object is simply one that it does not find.
    """

    async def reconcile(self, request: Request) -> Result | None:
        """One run. None is the same as an empty `Result`.

        Raises:
            TerminalError: nothing but a change can help; not retried.
            Exception: anything else is retried with exponential back-off, 5 ms doubling up to 1,000 s.
        """
        ...
