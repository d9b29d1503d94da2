"""Options of the election."""

from __future__ import annotations

import socket
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import NoReturn

from controller_runtime.client import in_cluster_namespace
from controller_runtime.leaderelection.clock import leader_clock

JITTER = 1.2
"""A candidate waits `retry_period * (1 + random() * JITTER)` between two tries; client-go's factor."""


def _default_identity() -> str:
    return f"{socket.gethostname()}_{uuid.uuid4()}"


@dataclass(frozen=True, kw_only=True)
class LeaderElection:
    """Which Lease to compete for, and how fast. The times are controller-runtime's by default.

    Each field's docstring in the source says what it is.

    Raises:
        ValueError: a name is missing, or the times contradict each other.
    """

    name: str
    """Name of the Lease."""
    namespace: str = ""
    """Namespace of the Lease; by default the one that this pod runs in."""
    lease_duration: float = 15
    """Seconds after which others may take a Lease that has not changed; whole seconds, as the Lease stores them."""
    renew_deadline: float = 10
    """Seconds after the last successful renewal at which a leader gives up; below `lease_duration`, so that it has
    stopped before another one starts."""
    retry_period: float = 2
    """Seconds between two renewals, and the shortest time between two tries of a candidate."""
    release_on_cancel: bool = True
    """Whether a leader that ends gives the Lease up, so that another one need not wait for it to expire. Safe, because
    its work has ended by then."""
    identity: str = field(default_factory=_default_identity)
    """Names this candidate in the Lease; unique to the process. By default `<hostname>_<uuid>`."""
    clock: Callable[[], float] = leader_clock
    """Seconds; decides how long a leader leads and when a Lease has expired. Tests on virtual time give the loop's."""

    def __post_init__(self) -> None:
        """Completes and checks."""
        if not self.name:
            raise ValueError("leader election needs the name of a Lease (leader election ID)")
        if not self.identity:
            self._refuse("the identity is empty")
        self._check_times()
        if not self.namespace:
            object.__setattr__(self, "namespace", in_cluster_namespace() or "")
        if not self.namespace:
            self._refuse("outside of a pod the namespace of the Lease has to be named")

    def _check_times(self) -> None:
        if self.lease_duration < 1 or self.lease_duration != int(self.lease_duration):
            self._refuse(f"lease duration must be whole seconds, 1 at least, not {self.lease_duration}")
        if not self.lease_duration > self.renew_deadline:
            self._refuse(f"lease duration {self.lease_duration} s must exceed renew deadline {self.renew_deadline} s")
        if not self.retry_period > 0:
            self._refuse(f"retry period must exceed 0 s, not {self.retry_period}")
        if not self.renew_deadline > self.retry_period * JITTER:
            self._refuse(
                f"renew deadline {self.renew_deadline} s must exceed {JITTER} times retry period {self.retry_period} s"
            )

    def _refuse(self, why: str) -> NoReturn:
        raise ValueError(f"leader election {self.name}: {why}")
