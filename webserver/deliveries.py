"""Writes into the status of configurations what machines have been given, without ever making a machine wait.

A delivery is noted in memory and written a moment later as a condition (`IPXEScriptFetched`, `IgnitionDataFetched`), by
every replica for what it delivered itself.

Rules:

- All deliveries of one object within `COALESCE_SECONDS` are one write.
- A later delivery is a transition although the status stays True: clients of the API read when the last one was. The
  time moves at most once in `MINUTE` for each object and stage, whichever replica delivers: that is judged by the
  informer's copy, which has what others wrote, and by what this process has noted lately.
- The observed generation is that of the configuration delivered. A delivery of another generation within the same
  minute is written too, and leaves the time as it is.
- Nothing is lost while the API server is away: writes are retried with back-off. An object that is gone, or whose name
  now belongs to another one (uid), is dropped.

The times compared are wall clocks of replicas, which are assumed to agree within a few seconds. A time that lies more
than a minute ahead is from a clock that was wrong or has been put back, and does not count.
"""

from __future__ import annotations

import asyncio
import functools
import random
from collections import OrderedDict, deque
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from typing import Final, NamedTuple, TypeGuard

import msgspec
import structlog

from api.v1alpha1 import BootConfig
from controller_runtime.apimachinery import Condition, NamespacedName, find_condition, now
from controller_runtime.cache import Cache
from controller_runtime.client import Client, ClientError, NotFoundError, patch_status
from machines import Stage
from webserver.metrics import PENDING_DELIVERIES, deliveries

COALESCE_SECONDS: Final = 2.0
MINUTE: Final = timedelta(minutes=1)
MAX_CONCURRENT_WRITES: Final = 8
FLUSH_SECONDS: Final = 5.0
"""What writing the rest may take at the end of the process."""
MAX_PENDING: Final = 100_000
"""Objects whose deliveries may wait: about 50 MB, and several times as many machines as one operator has."""

_FIRST_RETRY_SECONDS = 1.0
_LONGEST_RETRY_SECONDS = 60.0
_RETRY_SECONDS_WHEN_FLUSHING = 0.5

log = structlog.get_logger(__name__)


class _Delivery(NamedTuple):
    time: datetime
    generation: int


class _Pending:
    """The deliveries of one object that have not been written."""

    __slots__ = ("failures", "key", "kind", "stages", "timer", "uid")

    def __init__(self, config: BootConfig) -> None:
        self.kind = type(config)
        self.key: NamespacedName = config.key
        self.uid = config.metadata.uid
        self.stages: dict[Stage, _Delivery] = {}
        self.failures = 0
        self.timer: asyncio.TimerHandle | None = None


class DeliveryRecorder:
    """Takes note of deliveries and writes them; a Runnable for every replica.

    Stop it after the boot server, so that what that one delivered last is still written.

    Args:
        client: writes the status; without a leader's fence, as replicas write too.
        cache: has the current copies of the objects.
        clock: the wall clock in UTC, in whole seconds.
    """

    needs_leader_election = False

    def __init__(self, client: Client, cache: Cache, *, clock: Callable[[], datetime] = now) -> None:
        self._client = client
        self._cache = cache
        self._clock = clock
        self._pending: dict[str, _Pending] = {}
        """By uid."""
        self._due: deque[_Pending] = deque()
        self._noted: OrderedDict[tuple[str, Stage], _Delivery] = OrderedDict()
        """What was noted within the last minute, oldest first: the informer may not have it yet."""
        self._writes: set[asyncio.Task[None]] = set()
        self._is_running = False
        self._is_flushing = False
        self._is_failing = False
        self._flushed = asyncio.Event()

    def record(self, config: BootConfig, stage: Stage) -> None:
        """Takes note that a machine has been given what the configuration says; never waits.

        Args:
            config: the configuration as it was when it was delivered.
            stage: what was delivered.
        """
        delivery = self._news(config, stage)
        if delivery is None:
            deliveries(stage.label, "unchanged").inc()
            return
        uid = config.metadata.uid
        pending = self._pending.get(uid)
        if pending is None:
            if len(self._pending) >= MAX_PENDING:
                deliveries(stage.label, "dropped").inc()
                return
            pending = self._pending[uid] = _Pending(config)
            PENDING_DELIVERIES.set(len(self._pending))
            self._schedule(pending, COALESCE_SECONDS)
        pending.stages[stage] = delivery
        self._remember((uid, stage), delivery)
        log.info(
            "delivered",
            stage=stage.label,
            machine=config.spec.system_uuid,
            kind=pending.kind.resource.kind,
            namespace=pending.key.namespace,
            name=pending.key.name,
        )

    def _news(self, config: BootConfig, stage: Stage) -> _Delivery | None:
        """What there is to write; None if a delivery of the same minute and generation is known."""
        current = _Delivery(self._clock(), config.metadata.generation)
        noted = self._noted.get((config.metadata.uid, stage))
        written = _delivery_of(find_condition(config.status.conditions, stage.condition_type))
        known = max((known for known in (noted, written) if _counts(known, current.time)), default=None)
        if known is None or current.time - known.time >= MINUTE:
            return current
        return None if known.generation >= current.generation else _Delivery(known.time, current.generation)

    def _remember(self, key: tuple[str, Stage], delivery: _Delivery) -> None:
        self._noted[key] = delivery
        self._noted.move_to_end(key)
        oldest_of_interest = self._clock() - MINUTE
        while self._noted:
            if len(self._noted) <= MAX_PENDING and next(iter(self._noted.values())).time > oldest_of_interest:
                break
            self._noted.popitem(last=False)

    async def start(self) -> None:
        """Writes deliveries until cancelled, then what is left, for `FLUSH_SECONDS` at most."""
        self._is_running = True
        self._pump()
        try:
            await asyncio.get_running_loop().create_future()
        finally:
            await self._flush()

    # Writing

    def _schedule(self, pending: _Pending, delay: float) -> None:
        pending.timer = asyncio.get_running_loop().call_later(delay, self._fall_due, pending)

    def _fall_due(self, pending: _Pending) -> None:
        pending.timer = None
        self._due.append(pending)
        self._pump()

    def _pump(self) -> None:
        while self._is_running and self._due and len(self._writes) < MAX_CONCURRENT_WRITES:
            pending = self._due.popleft()
            task = asyncio.get_running_loop().create_task(self._write(pending), name=f"delivery/{pending.key}")
            self._writes.add(task)
            task.add_done_callback(self._written)

    def _written(self, task: asyncio.Task[None]) -> None:
        self._writes.discard(task)
        self._pump()

    async def _write(self, pending: _Pending) -> None:
        stages = dict(pending.stages)
        try:
            was_written = await self._patch(pending, stages)
        except ClientError as error:
            self._retry_later(pending, stages, str(error))
        except asyncio.CancelledError:
            if not self._is_running:
                raise
            # Nobody here did that: what the request went through was closed.
            self._retry_later(pending, stages, "the request was cancelled")
        except Exception:
            # A bug: this record is lost, and machines go on being served.
            log.exception("cannot record a delivery", kind=pending.kind.resource.kind, object=str(pending.key))
            self._finish(pending, stages, "dropped")
        else:
            self._note_success()
            self._finish(pending, stages, "recorded" if was_written else "dropped")

    async def _patch(self, pending: _Pending, stages: Mapping[Stage, _Delivery]) -> bool:
        """Whether the object is still there and has been told."""
        config: BootConfig | None = self._cache.get(pending.kind, pending.key)
        if config is None:
            return False
        change = functools.partial(_with_deliveries, uid=pending.uid, stages=stages, current=self._clock())
        try:
            result = await patch_status(self._client, config, change)
        except NotFoundError as error:
            if error.kind_is_missing:  # a proxy without an API server, or the CRD was removed
                raise
            return False
        return result.metadata.uid == pending.uid

    def _finish(self, pending: _Pending, stages: Mapping[Stage, _Delivery], result: str) -> None:
        for stage, delivery in stages.items():
            deliveries(stage.label, result).inc()
            if pending.stages[stage] == delivery:
                del pending.stages[stage]
        pending.failures = 0
        if pending.stages:
            self._schedule(pending, 0 if self._is_flushing else COALESCE_SECONDS)
            return
        del self._pending[pending.uid]
        PENDING_DELIVERIES.set(len(self._pending))
        if not self._pending:
            self._flushed.set()

    def _retry_later(self, pending: _Pending, stages: Mapping[Stage, _Delivery], error: str) -> None:
        for stage in stages:
            deliveries(stage.label, "failed").inc()
        if not self._is_failing:
            self._is_failing = True
            log.warning("cannot record deliveries, trying again", error=error, object=str(pending.key))
        delay = min(_LONGEST_RETRY_SECONDS, _FIRST_RETRY_SECONDS * 2 ** min(pending.failures, 10))
        pending.failures += 1
        self._schedule(pending, _RETRY_SECONDS_WHEN_FLUSHING if self._is_flushing else delay * random.uniform(0.5, 1))

    def _note_success(self) -> None:
        if self._is_failing:
            self._is_failing = False
            log.info("deliveries are recorded again")

    async def _flush(self) -> None:
        self._is_flushing = True
        self._flushed.clear()
        for pending in self._pending.values():
            if pending.timer is not None:
                pending.timer.cancel()
                self._fall_due(pending)
        try:
            if self._pending:
                async with asyncio.timeout(FLUSH_SECONDS):
                    await self._flushed.wait()
        except TimeoutError:
            log.warning("deliveries could not be recorded before the end", objects=len(self._pending))
        finally:
            self._is_running = False
            for pending in self._pending.values():
                if pending.timer is not None:
                    pending.timer.cancel()
            for task in self._writes:
                task.cancel()


def _delivery_of(condition: Condition | None) -> _Delivery | None:
    if condition is None or condition.status != "True" or condition.last_transition_time is None:
        return None
    return _Delivery(condition.last_transition_time, condition.observed_generation)


def _counts(known: _Delivery | None, current: datetime) -> TypeGuard[_Delivery]:
    """Whether there is a delivery, and the clock that dated it was right."""
    return known is not None and known.time - current <= MINUTE


def _with_deliveries(
    config: BootConfig, *, uid: str, stages: Mapping[Stage, _Delivery], current: datetime
) -> BootConfig:
    """The object with the deliveries in its conditions.

    The very same object if they tell nothing new, or if it is another one (uid) that took the name.
    """
    if config.metadata.uid != uid:
        return config
    conditions = config.status.conditions
    for stage, delivery in stages.items():
        conditions = _with_delivery(conditions, stage, delivery, current)
    if conditions is config.status.conditions:
        return config
    return msgspec.structs.replace(config, status=msgspec.structs.replace(config.status, conditions=conditions))


def _with_delivery(
    conditions: tuple[Condition, ...], stage: Stage, delivery: _Delivery, current: datetime
) -> tuple[Condition, ...]:
    """Replaces the stage's condition, its time too, which `set_condition` would keep while the status is the same."""
    found = find_condition(conditions, stage.condition_type)
    known = _delivery_of(found)
    if _counts(known, current) and delivery.time - known.time < MINUTE:
        if known.generation >= delivery.generation:
            return conditions
        delivery = _Delivery(known.time, delivery.generation)
    condition = Condition(
        type=stage.condition_type,
        status="True",
        reason=stage.delivered,
        message=stage.message,
        last_transition_time=delivery.time,
        observed_generation=delivery.generation,
    )
    if found is None:
        return (*conditions, condition)
    return tuple(condition if other is found else other for other in conditions)
