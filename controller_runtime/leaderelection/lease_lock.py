"""The Lease as one candidate knows it: what it read or wrote last, and since when that has not changed."""

from __future__ import annotations

import asyncio
import math
from datetime import UTC, datetime

import msgspec
import structlog

from controller_runtime.api.coordination_v1 import Lease, LeaseSpec
from controller_runtime.apimachinery import NamespacedName, ObjectMeta, format_micro_time
from controller_runtime.client import ApiError, Client, ForbiddenError, NotFoundError
from controller_runtime.leaderelection.options import LeaderElection

log = structlog.get_logger(__name__)

_VERBS = "create, get, update, watch"


def problem_of(error: Exception) -> str:
    """What a try failed with; where a right is missing, with the rule for all that an election does."""
    if isinstance(error, ForbiddenError):
        return error.explain(_VERBS)
    return str(error) or "no answer in time"


class LeaseLock:
    """Reads and writes the Lease; optimistic locking decides between candidates that write at the same time.

    Every method that sends a request takes its time limit in seconds and raises ClientError, or TimeoutError when the
    limit is reached.

    Attributes:
        in_doubt: whether a write may have been carried out without our knowing: it failed without a clear answer, or
            was cancelled.
    """

    def __init__(self, client: Client, options: LeaderElection) -> None:
        self.key = NamespacedName(options.namespace, options.name)
        self.in_doubt = False
        self._client = client
        self._identity = options.identity
        self._duration = int(options.lease_duration)
        self._clock = options.clock
        self._lease: Lease | None = None
        self._version = ""
        self._changed_at = 0.0
        self._deleted_until = -math.inf

    @property
    def lease(self) -> Lease:
        """The Lease; a bare one with nothing but its name while none is known."""
        return self._lease or Lease(metadata=ObjectMeta(namespace=self.key.namespace, name=self.key.name))

    @property
    def holder(self) -> str:
        """Identity of the holder; empty for none."""
        return self.lease.spec.holder_identity

    @property
    def is_mine(self) -> bool:
        """Whether the Lease names this candidate."""
        return self.holder == self._identity

    @property
    def duration(self) -> int:
        """Seconds without a change after which the Lease has expired.

        Not fewer than the candidate itself would write: somebody may have shortened the duration in the Lease by hand,
        and the leader does not know of that before its next renewal.
        """
        return max(self.lease.spec.lease_duration_seconds, self._duration)

    @property
    def is_free(self) -> bool:
        """Whether this candidate may take the Lease: it is its own, nobody's, or has not changed for its duration.

        One that was deleted while somebody else held it counts as held for that time, too.
        """
        if self.is_mine or not self.holder:
            return self._clock() >= self._deleted_until
        return self._clock() >= self._changed_at + self.duration

    def is_news(self, lease: Lease) -> bool:
        """Whether a state of the Lease is newer than the one that is known.

        Watches lag behind reads. Resource versions are compared as numbers, which the API server promises since 1.35
        (KEP-5504) and has always kept; where they are none, nothing is news, and polling has to do.
        """
        version, known = lease.metadata.resource_version, self._version
        return not known or (version.isdecimal() and known.isdecimal() and int(version) > int(known))

    def hear(self, lease: Lease) -> None:
        """Takes a state of the Lease that a watch has told, and that is news."""
        self._observe(lease)

    async def read(self, limit: float) -> None:
        """Gets the Lease."""
        try:
            async with asyncio.timeout(limit):
                lease = await self._client.get(Lease, self.key)
        except NotFoundError:
            if self.holder and not self.is_mine:
                self._deleted_until = self._clock() + self.duration
            self._lease = None
        else:
            self._observe(lease)
            self._deleted_until = -math.inf
        self.in_doubt = False

    async def claim(self, limit: float) -> float:
        """Writes this candidate into the Lease as it was last known, be it to take it or to renew it.

        Returns:
            When the request was sent.
        """
        spec, now = self.lease.spec, _now()
        if not self.is_mine:
            transitions = spec.lease_transitions + 1 if self._lease else 0
            spec = msgspec.structs.replace(spec, acquire_time=now, lease_transitions=transitions)
        sent = self._clock()
        await self._write(spec, limit, holder=self._identity, duration=self._duration, now=now)
        return sent

    async def release(self, limit: float) -> None:
        """Writes that nobody holds the Lease."""
        now = _now()
        spec = msgspec.structs.replace(self.lease.spec, acquire_time=now)
        await self._write(spec, limit, holder="", duration=1, now=now)

    async def _write(self, spec: LeaseSpec, limit: float, *, holder: str, duration: int, now: str) -> None:
        spec = msgspec.structs.replace(spec, holder_identity=holder, lease_duration_seconds=duration, renew_time=now)
        lease = msgspec.structs.replace(self.lease, spec=spec)
        self.in_doubt = True
        try:
            async with asyncio.timeout(limit):
                written = await (self._client.update(lease) if self._lease else self._client.create(lease))
        except ApiError as error:
            self.in_doubt = error.code >= 500
            raise
        self.in_doubt = False
        self._observe(written)
        self._deleted_until = -math.inf

    def _observe(self, lease: Lease) -> None:
        known = self._lease
        if known is None or known.spec != lease.spec:
            self._changed_at = self._clock()
        if lease.spec.holder_identity != self.holder:
            log.info("leader lease has a new holder", lease=str(self.key), holder=lease.spec.holder_identity)
        self._lease = lease
        self._version = lease.metadata.resource_version


def _now() -> str:
    return format_micro_time(datetime.now(UTC))
