"""Recording and sending Events of events.k8s.io/v1, by the rules of client-go's tools/events.

One deliberate difference: the note belongs to what makes two Events the same. In client-go it does not, and as the API
keeps it immutable, `kubectl describe` would go on naming the Secret that was missing first while another one is now.
"""

from __future__ import annotations

import asyncio
import random
import socket
import time
from collections import OrderedDict, deque
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final, Literal, NamedTuple, TypeAlias

import msgspec
import structlog

from controller_runtime import metrics
from controller_runtime.api.core_v1 import ObjectReference
from controller_runtime.api.events_v1 import Event
from controller_runtime.apimachinery import Object, ObjectMeta, format_micro_time
from controller_runtime.client import Client, ClientError, NotFoundError, TransportError

log = structlog.get_logger(__name__)

EventType: TypeAlias = Literal["Normal", "Warning"]

MAX_QUEUED: Final = 1000
"""Events that wait to be sent; further ones are dropped and counted."""
MAX_REMEMBERED: Final = 4096
"""Events that a repetition is recognised among."""
MAX_NOTE_BYTES: Final = 1024
MAX_NAME_LENGTH: Final = 128
"""Of reason, action and reporting instance, as the API server demands."""
_SERIES_IDLE_SECONDS = 360.0
_SERIES_FLUSH_SECONDS = 1800.0
_TRIES = 12
_RETRY_SECONDS = 10.0
_FLUSH_SECONDS = 2.0
_MAX_OBJECT_NAME = 230  # leaves room for the dot and the time within the 253 characters of a name


class _Key(NamedTuple):
    type: str
    action: str
    reason: str
    controller: str
    regarding: ObjectReference
    related: ObjectReference | None
    note: str


@dataclass(slots=True)
class _Remembered:
    """An Event that was made, and how often it was observed."""

    event: Event
    count: int
    seen: float
    """Loop time of the last observation."""
    sent_count: int = 1
    sent: float = 0.0
    """Loop time of the last write."""


class EventRecorder:
    """Records Events in the name of one controller."""

    def __init__(self, broadcaster: EventBroadcaster, controller: str) -> None:
        self._broadcaster = broadcaster
        self._controller = controller

    def event(
        self,
        regarding: Object,
        type_: EventType,
        reason: str,
        action: str,
        note: str,
        *,
        related: Object | None = None,
    ) -> None:
        """Records that something happened; never waits and never fails for what the API server says.

        Args:
            regarding: the object it happened to.
            type_: `Warning` for what a person should look into.
            reason: why, in CamelCase, at most 128 characters, the same for all Events of this sort.
            action: what was done or tried, in CamelCase, at most 128 characters.
            note: one sentence; cut at 1024 bytes.
            related: another object that has to do with it.

        Raises:
            ValueError: reason or action is empty or too long.
        """
        for name, value in (("reason", reason), ("action", action)):
            if not 0 < len(value) <= MAX_NAME_LENGTH:
                raise ValueError(f"the {name} of an Event needs 1 to {MAX_NAME_LENGTH} characters: {value!r}")
        key = _Key(
            type=type_,
            action=action,
            reason=reason,
            controller=self._controller,
            regarding=_identity(regarding),
            related=_identity(related) if related is not None else None,
            note=_cut(note),
        )
        self._broadcaster.observe(key, ObjectReference.to(regarding))


class EventBroadcaster:
    """Sends what its recorders record; one per process."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self._queue: deque[_Key] = deque()
        self._wake = asyncio.Event()
        self._remembered: OrderedDict[_Key, _Remembered] = OrderedDict()
        self._refused: set[str] = set()

    def recorder(self, controller: str) -> EventRecorder:
        """A recorder whose Events carry that name as `reportingController`."""
        return EventRecorder(self, controller)

    async def run(self) -> None:
        """Sends until cancelled, then what is queued, for at most two seconds."""
        sweep = asyncio.create_task(self._sweep_regularly(), name="event-series")
        try:
            while True:
                while self._queue:
                    await self._send(self._queue[0])
                    self._queue.popleft()
                self._wake.clear()
                await self._wake.wait()
        finally:
            sweep.cancel()
            await self._flush()

    def observe(self, key: _Key, regarding: ObjectReference) -> None:
        """Notes one occurrence and queues what has to be sent for it; called by recorders."""
        now = _loop_time()
        known = self._remembered.get(key)
        if known is None:
            if len(self._queue) >= MAX_QUEUED:
                self._drop("queue full", key)
                return
            self._remembered[key] = _Remembered(_new_event(key, regarding), count=1, seen=now, sent=now)
            if len(self._remembered) > MAX_REMEMBERED:
                self._remembered.popitem(last=False)
            self._enqueue(key)
            return
        known.count += 1
        known.seen = now
        self._remembered.move_to_end(key)
        # The second occurrence starts the series; later ones only count until the next flush.
        if known.count == 2 and len(self._queue) < MAX_QUEUED:
            self._enqueue(key)

    def _enqueue(self, key: _Key) -> None:
        self._queue.append(key)
        self._wake.set()

    async def _send(self, key: _Key) -> None:
        for attempt in range(_TRIES):
            if attempt:
                await asyncio.sleep(_RETRY_SECONDS * random.uniform(1, 1.25))
            known = self._remembered.get(key)
            if known is None:
                return
            try:
                await self._write(known)
            except TransportError as error:
                last = str(error)
            except ClientError as error:
                self._refuse(key, error)
                return
            else:
                return
        self._drop("API server away", key, error=last)

    async def _write(self, known: _Remembered) -> None:
        """Creates the Event, or brings its series up to date."""
        count = known.count
        if count > 1 and known.event.metadata.resource_version:
            series = {"count": count, "lastObservedTime": format_micro_time(datetime.now(UTC))}
            try:
                await self._client.patch(Event, known.event.key, {"series": series})
            except NotFoundError:
                known.event = await self._client.create(_without_identity(known.event))
        elif not known.event.metadata.resource_version:
            known.event = await self._client.create(known.event)
            count = 1
        known.sent_count, known.sent = count, _loop_time()

    async def _sweep_regularly(self) -> None:
        while True:
            await asyncio.sleep(_SERIES_IDLE_SECONDS)
            self.sweep()

    def sweep(self) -> None:
        """Queues series that are due and forgets Events that have not been observed for six minutes."""
        now = _loop_time()
        for key, known in list(self._remembered.items()):
            idle = now - known.seen > _SERIES_IDLE_SECONDS
            behind = known.count > known.sent_count
            if behind and (idle or now - known.sent > _SERIES_FLUSH_SECONDS) and len(self._queue) < MAX_QUEUED:
                self._enqueue(key)
            elif idle and not behind:
                del self._remembered[key]

    async def _flush(self) -> None:
        try:
            async with asyncio.timeout(_FLUSH_SECONDS):
                while self._queue:
                    await self._send(self._queue[0])
                    self._queue.popleft()
        except TimeoutError:
            self._drop("process ended", self._queue[0], number=len(self._queue))

    def _refuse(self, key: _Key, error: ClientError) -> None:
        """The API server's answer is final. The same answer is worth one line, not one per Event."""
        self._remembered.pop(key, None)
        metrics.EVENTS_DROPPED.labels("refused").inc()
        text = f"{type(error).__name__} {key.controller}"
        if text not in self._refused:
            self._refused.add(text)
            log.warning("Event refused; further ones of this controller are only counted", error=str(error))

    def _drop(self, reason: str, key: _Key, *, number: int = 1, error: str = "") -> None:
        self._remembered.pop(key, None)
        metrics.EVENTS_DROPPED.labels(reason).inc(number)
        log.warning("Event not sent", reason=reason, number=number, controller=key.controller, error=error)


def _loop_time() -> float:
    return asyncio.get_running_loop().time()


def _identity(obj: Object) -> ObjectReference:
    """The object without its version, so that two Events about two versions are the same."""
    resource, metadata = type(obj).resource, obj.metadata
    return ObjectReference(
        api_version=resource.api_version,
        kind=resource.kind,
        namespace=metadata.namespace,
        name=metadata.name,
        uid=metadata.uid,
    )


def _cut(note: str) -> str:
    """At most 1024 bytes, without a character cut in two."""
    return note.encode()[:MAX_NOTE_BYTES].decode(errors="ignore")


def _new_event(key: _Key, regarding: ObjectReference) -> Event:
    namespace = regarding.namespace or "default"
    instance = f"{key.controller}-{socket.gethostname()}"[:MAX_NAME_LENGTH]
    return Event(
        metadata=ObjectMeta(namespace=namespace, name=_event_name(regarding.name)),
        event_time=format_micro_time(datetime.now(UTC)),
        reporting_controller=key.controller,
        reporting_instance=instance,
        action=key.action,
        reason=key.reason,
        regarding=regarding,
        related=key.related,
        note=key.note,
        type=key.type,
    )


def _event_name(regarding: str) -> str:
    return f"{regarding[:_MAX_OBJECT_NAME]}.{time.time_ns():x}"


def _without_identity(event: Event) -> Event:
    """The Event as a new one, after its predecessor was deleted (the API server keeps Events for an hour)."""
    assert event.regarding is not None
    metadata = ObjectMeta(namespace=event.metadata.namespace, name=_event_name(event.regarding.name))
    return msgspec.structs.replace(event, metadata=metadata, series=None)
