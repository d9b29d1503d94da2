"""Recorders note what happens; the broadcaster sends it, one request at a time."""

from __future__ import annotations

import asyncio
import random
import socket
from collections import OrderedDict, deque
from dataclasses import dataclass
from typing import Final

import msgspec
import structlog

from controller_runtime.api.core_v1 import ObjectReference
from controller_runtime.api.events_v1 import Event
from controller_runtime.apimachinery import Object, ObjectMeta, to_json_value
from controller_runtime.client import (
    AlreadyExistsError,
    Client,
    ClientError,
    ForbiddenError,
    NotFoundError,
    TransportError,
)
from controller_runtime.metrics import EVENTS_DROPPED
from controller_runtime.recorder.observation import (
    MAX_NOTE_BYTES,
    MAX_TEXT_BYTES,
    EventType,
    Key,
    Series,
    checked_controller,
    checked_text,
    cut,
    event_name,
    identity,
    micro_time,
    new_event,
)

log = structlog.get_logger(__name__)

MAX_QUEUED: Final = 1000
"""Events that wait to be sent; further ones are dropped and counted."""
MAX_REMEMBERED: Final = 4096
"""Events among which a repetition is recognised."""
MAX_NOTES: Final = 10
"""Different notes about the same thing within `_NOTES_SECONDS`; client-go's old recorder had the same limit."""
_NOTES_SECONDS = 600.0
_IDLE_SECONDS = 360.0  # not observed for so long: the series has ended
_FLUSH_SERIES_SECONDS = 1800.0  # a series that goes on is brought up to date this often
_TRIES = 12
_RETRY_SECONDS = 10.0  # and up to a quarter more, so that replicas do not come back all at once
_FLUSH_SECONDS = 2.0  # less than a manager waits for the end of `run`
_COMPLAINT_SECONDS = 600.0
_VERBS = "create, patch"


class EventRecorder:
    """Records Events in the name of one controller."""

    def __init__(self, broadcaster: EventBroadcaster, controller: str) -> None:
        self._broadcaster = broadcaster
        self._controller = checked_controller(controller)
        self._instance = cut(f"{controller}-{socket.gethostname()}", MAX_TEXT_BYTES)

    def event(
        self,
        regarding: Object,
        type_: EventType,
        reason: str,
        action: str,
        note: str,
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
            ValueError: reason or action is empty or too long, or the type is unknown.
        """
        if type_ not in ("Normal", "Warning"):
            raise ValueError(f"the type of an Event is Normal or Warning, not {type_!r}")
        key = Key(
            type=type_,
            reason=checked_text("reason", reason),
            action=checked_text("action", action),
            controller=self._controller,
            instance=self._instance,
            regarding=identity(regarding),
            related=identity(related) if related is not None else None,
            note=cut(note, MAX_NOTE_BYTES),
        )
        self._broadcaster.observe(key, ObjectReference.to(regarding))


class EventBroadcaster:
    """Sends what its recorders record; one per process.

    The first occurrence of an Event creates it, the second one starts a series. Later ones only count: the series is
    brought up to date each half an hour, and once more when nothing was observed for six minutes; then it is forgotten.

    Without an answer a request is repeated, for about two minutes if there is no connection and longer if nobody says a
    word; every answer is final. While the API server is away up to `MAX_QUEUED` Events wait.

    Args:
        client: writes the Events. It must not be fenced: every replica has something to tell.
    """

    def __init__(self, client: Client) -> None:
        self._client = client
        self._queue: deque[Series] = deque()
        self._wake = asyncio.Event()
        self._remembered: OrderedDict[Key, Series] = OrderedDict()
        self._subjects: OrderedDict[Key, _Subject] = OrderedDict()
        self._complaints = _Complaints()
        self._ended = False

    def recorder(self, controller: str) -> EventRecorder:
        """A recorder whose Events carry that name as `reportingController`.

        Raises:
            ValueError: the API server would not take that name.
        """
        return EventRecorder(self, controller)

    async def run(self) -> None:
        """Sends until cancelled; then, for at most two seconds, what is queued and the last counts of series.

        What is recorded afterwards is dropped.
        """
        try:
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(self._send_for_ever(), name="event-sender")
                tasks.create_task(self._sweep_regularly(), name="event-series")
        finally:
            self._ended = True
            await self._flush()

    def observe(self, key: Key, regarding: ObjectReference) -> None:
        """Notes one occurrence and queues what has to be sent for it; called by recorders."""
        if self._ended:
            self._drop("process ended")
            return
        now = _loop_time()
        known = self._remembered.get(key) or self._stand_in(key, now)
        if known is not None:
            self._repeat(key, known, now)
        elif len(self._queue) >= MAX_QUEUED:
            self._drop("queue full")
            self._complaints.warn("queue full", "Events dropped: the queue is full")
        else:
            self._remember(key, Series(event=new_event(key, regarding), seen=now, seen_at=micro_time()), now)

    def _stand_in(self, key: Key, now: float) -> Series | None:
        """The Event that counts this occurrence, too, because there are enough notes about the same thing."""
        subject = self._subjects.get(key._replace(note=""))
        if subject is None or now - subject.since > _NOTES_SECONDS or subject.notes < MAX_NOTES:
            return None
        return self._remembered.get(subject.latest)

    def _repeat(self, key: Key, known: Series, now: float) -> None:
        known.count += 1
        known.seen, known.seen_at = now, micro_time()
        if key in self._remembered:
            self._remembered.move_to_end(key)
        if known.count == 2:
            self._enqueue(known)

    def _remember(self, key: Key, series: Series, now: float) -> None:
        self._remembered[key] = series
        self._enqueue(series)
        if len(self._remembered) > MAX_REMEMBERED:
            _, oldest = self._remembered.popitem(last=False)
            if oldest.count > oldest.told:
                self._enqueue(oldest)
        name = key._replace(note="")
        subject = self._subjects.get(name)
        if subject is None or now - subject.since > _NOTES_SECONDS:
            subject = self._subjects[name] = _Subject(since=now, latest=key)
            if len(self._subjects) > MAX_REMEMBERED:
                self._subjects.popitem(last=False)
        subject.notes += 1
        subject.latest = key

    def _enqueue(self, series: Series) -> None:
        """Has the series sent. Without room, the next sweep tries again; a new one was only made because there is."""
        if not series.queued and len(self._queue) < MAX_QUEUED:
            series.queued = True
            self._queue.append(series)
            self._wake.set()

    async def _send_for_ever(self) -> None:
        try:
            while True:
                await self._send_queued(_TRIES)
                self._wake.clear()
                await self._wake.wait()
        except asyncio.CancelledError:
            task = asyncio.current_task()
            if task is None or task.cancelling() > 0:
                raise
            # A task group would not notice, and Events would pile up until they are dropped.
            raise RuntimeError("sending Events ended by a cancellation that came from inside of it") from None

    async def _send_queued(self, tries: int) -> None:
        """Sends until the queue is empty. A series stays in it until it is settled, so that none is lost on the way."""
        while self._queue:
            series = self._queue[0]
            await self._send(series, tries)
            self._queue.popleft()
            series.queued = False
            if series.told == 1 < series.count:
                self._enqueue(series)  # it became a series while it was being created

    async def _send(self, series: Series, tries: int) -> None:
        for attempt in range(1, tries + 1):
            count = series.count
            try:
                await self._write(series)
            except TransportError as error:
                if attempt < tries:
                    await asyncio.sleep(_RETRY_SECONDS * random.uniform(1, 1.25))
                    continue
                self._drop("API server away")
                self._complaints.warn("away", "Event dropped: the API server is away", error=str(error))
            except ClientError as error:
                self._drop("refused")
                cause = f"{type(error).__name__} {series.event.reporting_controller}"
                problem = error.explain(_VERBS) if isinstance(error, ForbiddenError) else str(error)
                self._complaints.warn(cause, "Event refused by the API server", error=problem)
            series.told, series.told_at = count, _loop_time()
            return

    async def _write(self, series: Series) -> None:
        """Creates the Event, or brings its series up to date."""
        if not series.created and await self._create(series):
            return
        try:
            await self._client.patch(Event, series.event.key, {"series": to_json_value(series.series)})
        except NotFoundError:
            # The API server deletes Events after an hour: this one goes on under a new name.
            assert series.event.regarding is not None
            namespace, name = series.event.metadata.namespace, event_name(series.event.regarding.name)
            metadata = ObjectMeta(namespace=namespace, name=name)
            series.event = msgspec.structs.replace(series.event, metadata=metadata)
            series.created = False
            await self._create(series)

    async def _create(self, series: Series) -> bool:
        """Creates the Event; says whether the API server knows the count now."""
        try:
            await self._client.create(msgspec.structs.replace(series.event, series=series.series))
        except AlreadyExistsError:
            # An earlier attempt was carried out although no answer came: nobody else uses such a name.
            log.debug("Event is there already", event_name=series.event.metadata.name)
            series.created = True
            return series.count == 1  # else it may have repeated since that attempt
        series.created = True
        return True

    async def _sweep_regularly(self) -> None:
        while True:
            await asyncio.sleep(_IDLE_SECONDS)
            self._sweep(_loop_time())

    def _sweep(self, now: float) -> None:
        """Queues series that are due, and forgets Events that have not been observed for a while."""
        for key, series in list(self._remembered.items()):
            idle = now - series.seen > _IDLE_SECONDS
            behind = series.count > series.told
            if behind and (idle or now - series.told_at > _FLUSH_SERIES_SECONDS):
                self._enqueue(series)
            elif idle:
                del self._remembered[key]
        for name, subject in list(self._subjects.items()):
            if now - subject.since > _NOTES_SECONDS:
                del self._subjects[name]

    async def _flush(self) -> None:
        for series in self._remembered.values():
            if series.count > series.told:
                self._enqueue(series)
        try:
            async with asyncio.timeout(_FLUSH_SECONDS):
                await self._send_queued(tries=1)
        except TimeoutError:
            self._drop("process ended", len(self._queue))
            log.warning("Events dropped: they could not be sent before the process ended", number=len(self._queue))

    def _drop(self, reason: str, number: int = 1) -> None:
        EVENTS_DROPPED.labels(reason).inc(number)


@dataclass(slots=True)
class _Subject:
    """What Events that differ in their notes alone are about."""

    since: float
    """Loop time of the first note that counts."""
    latest: Key
    """The Event with the latest note, which stands in for further ones."""
    notes: int = 0


class _Complaints:
    """Warns of each cause at most once in ten minutes, and says then how often it came up in between."""

    def __init__(self) -> None:
        self._next: dict[str, float] = {}
        self._unsaid: dict[str, int] = {}

    def warn(self, cause: str, message: str, **fields: str) -> None:
        now = _loop_time()
        if now < self._next.get(cause, 0.0):
            self._unsaid[cause] = self._unsaid.get(cause, 0) + 1
            return
        self._next[cause] = now + _COMPLAINT_SECONDS
        log.warning(message, **fields, suppressed=self._unsaid.pop(cause, 0))


def _loop_time() -> float:
    return asyncio.get_running_loop().time()
