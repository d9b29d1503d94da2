"""How controllers run, and which of several options counts."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Self

from controller_runtime.controller.reconcile import Request
from controller_runtime.workqueue import ItemExponentialFailureRateLimiter, RateLimiter


@dataclass(frozen=True, kw_only=True)
class ControllerOptions:
    """How a controller runs; the defaults are controller-runtime's where it has the option.

    Each field's docstring in the source says what it is.

    An option that a controller is not given comes from `Manager(controller_defaults=...)`, then from here. Only what is
    written counts as given: `ControllerOptions(max_concurrent_reconciles=1)` says one worker whatever the manager says,
    and a copy by `dataclasses.replace` says everything.

    Raises:
        ValueError: a number makes no sense.
    """

    max_concurrent_reconciles: int = 1
    """Workers. One object is never reconciled twice at once, however many there are."""
    cache_sync_timeout: float | None = 120
    """Seconds that the sources may take to deliver their first state before `CacheSyncError` ends the controller; None
    waits for ever, for operators that would rather be unready than restart. They count from the controller's start,
    which comes after the manager's caches have synced: where the informers are declared before the manager starts, a
    missing CRD or right keeps the process unready, and `/readyz` says why, instead of ending it. This is for sources of
    one's own, and for kinds that are first watched while the manager runs."""
    reconciliation_timeout: float | None = None
    """Seconds that one run may take; it is cancelled then and retried as an error. None: no limit."""
    recover_panics: bool = True
    """Retry after an exception that is a bug; False ends the controller with it."""
    needs_leader_election: bool = True
    """Run on the leader alone; False: on every replica."""
    enable_warmup: bool = False
    """Start the sources before this replica leads, so that the queue is full when it does. Costs a standby the memory
    of the queue. Without effect where the controller does not wait for an election."""
    rate_limiter: Callable[[], RateLimiter[Request]] = ItemExponentialFailureRateLimiter
    """Makes the rate limiter of each term of leadership, whose failures are forgotten at its end. By default 5 ms
    doubled with each failure of an object, up to 1,000 s."""
    await_own_writes: float = 5
    """Seconds that the next run of an object waits for the cache to show what its last run wrote, so that it does not
    act on the state from before; 0 does not wait. The original has no such wait."""

    def __new__(cls, **given: Any) -> Self:
        """Notes which options are given."""
        self = super().__new__(cls)
        object.__setattr__(self, "_given", given)
        return self

    def __post_init__(self) -> None:
        """Checks the numbers."""
        if self.max_concurrent_reconciles < 1:
            raise ValueError("a controller needs at least one worker (max_concurrent_reconciles)")
        for name in ("cache_sync_timeout", "reconciliation_timeout"):
            seconds = getattr(self, name)
            if seconds is not None and seconds <= 0:
                raise ValueError(f"{name} is a number of seconds above 0, or None, not {seconds}")
        if self.await_own_writes < 0:
            raise ValueError(f"await_own_writes is a number of seconds, or 0, not {self.await_own_writes}")

    @property
    def given(self) -> Mapping[str, Any]:
        """The options that were written down, by name."""
        given: dict[str, Any] = self.__dict__["_given"]
        return dict(given)

    def over(self, defaults: ControllerOptions) -> ControllerOptions:
        """These options, and for those that are not given what `defaults` says."""
        return ControllerOptions(**{**defaults.given, **self.given})
