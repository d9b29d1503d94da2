"""What is stored, in revisions: the part that etcd and the watch cache play for the real server.

A write gives its object the next revision, which is its `resourceVersion`; one counter serves all resources. The last
`HISTORY` writes are kept, so that lists of an earlier revision and watches from one can be answered; what is older is
compacted, and asking for it is `CompactedError`.

Everything is synchronous: within one event loop a write is one step that nobody sees half done. It is on disk (if there
is a disk) before `put` or `remove` return, and watchers hear of it after that.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Final, Literal, NamedTuple, Protocol, TypeAlias

import msgspec

HISTORY: Final = 10_000
"""Writes that are remembered; the real server remembers those of five minutes."""
BACKLOG: Final = 10_000
"""Events that a watcher may be behind; one that reads more slowly is ended, and its client lists again."""

EventType: TypeAlias = Literal["ADDED", "MODIFIED", "DELETED"]


class Key(NamedTuple):
    """Where an object is; the order of lists is that of their keys."""

    namespace: str
    """Empty for cluster-scoped kinds."""
    name: str


class Record:
    """One object as one revision left it; never changed.

    Attributes:
        key: where it is.
        revision: the write that made it so.
        raw: its JSON in the form that is stored, `metadata.resourceVersion` included.
        uid: its own.
        labels: for selectors; not to be changed.
        owners: uids of its owners.
        is_marked: whether it is marked for deletion.
    """

    __slots__ = ("is_marked", "key", "labels", "owners", "raw", "revision", "uid")

    def __init__(
        self,
        key: Key,
        revision: int,
        raw: bytes,
        *,
        uid: str,
        labels: Mapping[str, str],
        owners: tuple[str, ...],
        is_marked: bool,
    ) -> None:
        self.is_marked = is_marked
        self.key = key
        self.revision = revision
        self.raw = raw
        self.uid = uid
        self.labels = labels
        self.owners = owners


class Event(NamedTuple):
    """One write."""

    revision: int
    type: EventType
    resource: str
    record: Record
    """The object after it; of a deletion its last state, with the deletion's revision."""
    previous: Record | None
    """The object before it; None where there was none."""


class CompactedError(LookupError):
    """A revision is asked for that is not remembered any more.

    Attributes:
        asked: that revision.
        oldest: the oldest that there is.
    """

    def __init__(self, asked: int, oldest: int) -> None:
        super().__init__(f"revision {asked} has been compacted, the oldest is {oldest}")
        self.asked = asked
        self.oldest = oldest


class Disk(Protocol):
    """Keeps records across restarts."""

    def load(self) -> Iterator[tuple[str, Key, int, bytes]]:
        """All that is kept: resource, key, revision, JSON."""

    def last_revision(self) -> int:
        """The revision of the last write, deletions included; 0 for none."""

    def put(self, resource: str, record: Record) -> None:
        """Keeps a record in place of the one under its key; on return it survives the end of the process."""

    def remove(self, resource: str, key: Key, revision: int) -> None:
        """Lets go of one, likewise."""


class _Owner(msgspec.Struct):
    uid: str = ""


class _Metadata(msgspec.Struct):
    uid: str = ""
    labels: dict[str, str] | None = None
    deleted: str | None = msgspec.field(default=None, name="deletionTimestamp")
    owners: list[_Owner] | None = msgspec.field(default=None, name="ownerReferences")


class _Envelope(msgspec.Struct):
    metadata: _Metadata


_decoder = msgspec.json.Decoder(_Envelope)


def record_of(key: Key, revision: int, raw: bytes) -> Record:
    """The record of JSON that is known to be an object."""
    metadata = _decoder.decode(raw).metadata
    owners = tuple(owner.uid for owner in metadata.owners or ())
    return Record(
        key,
        revision,
        raw,
        uid=metadata.uid,
        labels=metadata.labels or {},
        owners=owners,
        is_marked=metadata.deleted is not None,
    )


class Store:
    """All objects of the server, their history, and who watches.

    Args:
        disk: keeps them across restarts; None for memory alone.
        history: see `HISTORY`.
    """

    def __init__(self, disk: Disk | None = None, *, history: int = HISTORY) -> None:
        self._disk = disk
        self._objects: dict[str, dict[Key, Record]] = {}
        self._history: deque[Event] = deque()
        self._limit = history
        self._watchers: dict[str, set[Watcher]] = {}
        self._listeners: list[Callable[[Event], None]] = []
        self.revision = 1
        """The last write's."""
        if disk is not None:
            for resource, key, revision, raw in disk.load():
                self._objects.setdefault(resource, {})[key] = record_of(key, revision, raw)
            self.revision = max(self.revision, disk.last_revision())
        self.oldest = self.revision
        """The oldest revision that can be listed, and watched from."""

    # Reading

    def get(self, resource: str, key: Key) -> Record | None:
        """The object as it is now."""
        return self._objects.get(resource, {}).get(key)

    def count(self, resource: str) -> int:
        """How many objects there are now."""
        return len(self._objects.get(resource, ()))

    def list(self, resource: str, namespace: str = "", *, at: int | None = None) -> list[Record]:
        """The objects of a namespace (all: empty) in the order of their keys.

        Args:
            resource: of which kind.
            namespace: limits the list.
            at: the revision to list; None is now.

        Raises:
            CompactedError: that revision is not remembered.
        """
        objects: Mapping[Key, Record] = self._objects.get(resource, {})
        if at is not None and at != self.revision:
            objects = self._as_of(resource, at, objects)
        return [objects[key] for key in sorted(objects) if not namespace or key.namespace == namespace]

    def _as_of(self, resource: str, at: int, objects: Mapping[Key, Record]) -> Mapping[Key, Record]:
        self._require(at)
        undone = dict(objects)
        for event in reversed(self._history):
            if event.revision <= at:
                break
            if event.resource != resource:
                continue
            if event.previous is None:
                del undone[event.record.key]
            else:
                undone[event.record.key] = event.previous
        return undone

    def _require(self, revision: int) -> None:
        if revision < self.oldest:
            raise CompactedError(revision, self.oldest)

    # Writing

    def put(self, resource: str, key: Key, encode: Callable[[int], bytes]) -> Record:
        """Creates or replaces an object.

        Args:
            resource: of which kind.
            key: where.
            encode: its JSON, given its revision.

        Raises:
            OSError: it could not be kept; then nothing has changed.
        """
        revision = self.revision + 1
        record = record_of(key, revision, encode(revision))
        if self._disk is not None:
            self._disk.put(resource, record)
        objects = self._objects.setdefault(resource, {})
        previous = objects.get(key)
        objects[key] = record
        self._note(Event(revision, "MODIFIED" if previous else "ADDED", resource, record, previous))
        return record

    def remove(self, resource: str, key: Key, encode: Callable[[int], bytes]) -> Record:
        """Removes an object that is there, and returns its last state.

        Args:
            resource: of which kind.
            key: where.
            encode: its last JSON, given the revision of its removal.

        Raises:
            KeyError: it is not there.
            OSError: that could not be kept; then nothing has changed.
        """
        revision = self.revision + 1
        previous = self._objects[resource][key]
        record = record_of(key, revision, encode(revision))
        if self._disk is not None:
            self._disk.remove(resource, key, revision)
        del self._objects[resource][key]
        self._note(Event(revision, "DELETED", resource, record, previous))
        return record

    def _note(self, event: Event) -> None:
        self.revision = event.revision
        self._history.append(event)
        if len(self._history) > self._limit:
            self.oldest = self._history.popleft().revision
        for watcher in self._watchers.get(event.resource, ()):
            watcher.push(event)
        for listener in self._listeners:
            listener(event)

    def compact(self) -> None:
        """Forgets the history: what is now is the oldest that can be asked for."""
        self._history.clear()
        self.oldest = self.revision

    # Watching

    def listen(self, listener: Callable[[Event], None]) -> None:
        """Calls the listener after each write of any kind, within the write's step."""
        self._listeners.append(listener)

    def watch(self, resource: str, since: int) -> Watcher:
        """The writes after a revision; close it when done.

        Raises:
            CompactedError: that revision is not remembered.
        """
        self._require(since)
        watcher = Watcher(self, resource, self._since(resource, since))
        self._watchers.setdefault(resource, set()).add(watcher)
        return watcher

    def _since(self, resource: str, revision: int) -> Iterable[Event]:
        missed: list[Event] = []
        for event in reversed(self._history):
            if event.revision <= revision:
                break
            if event.resource == resource:
                missed.append(event)
        missed.reverse()
        return missed

    def end_watches(self, resource: str) -> None:
        """Ends all watches of a kind, as when it is not served any more."""
        for watcher in list(self._watchers.get(resource, ())):
            watcher.close()

    def forget(self, watcher: Watcher) -> None:
        """Called by a watcher that is closed."""
        watchers = self._watchers.get(watcher.resource)
        if watchers is not None:
            watchers.discard(watcher)
            if not watchers:
                del self._watchers[watcher.resource]


class Watcher:
    """The writes of one kind, in order, for one reader.

    Attributes:
        resource: the kind.
        closed: nothing more will come: closed by the reader, by the store, or because the reader was too slow.
    """

    def __init__(self, store: Store, resource: str, events: Iterable[Event]) -> None:
        self.resource = resource
        self.closed = False
        self._store = store
        self._events: deque[Event] = deque(events)
        self._wake: asyncio.Future[None] | None = None

    def push(self, event: Event) -> None:
        """Takes in one more."""
        if len(self._events) >= BACKLOG:
            self._events.clear()
            self._end()
            return
        self._events.append(event)
        self._rouse()

    async def wait(self, timeout: float | None) -> None:
        """Returns when there is something to take, when it is closed, or after `timeout` seconds."""
        if self._events or self.closed:
            return
        self._wake = asyncio.get_running_loop().create_future()
        try:
            async with asyncio.timeout(timeout):
                await self._wake
        except TimeoutError:
            pass
        finally:
            self._wake = None

    def take(self) -> list[Event]:
        """All that is there, without waiting."""
        events = list(self._events)
        self._events.clear()
        return events

    def close(self) -> None:
        """Ends it; what is there may still be taken."""
        if not self.closed:
            self._store.forget(self)
            self._end()

    def _end(self) -> None:
        self.closed = True
        self._rouse()

    def _rouse(self) -> None:
        if self._wake is not None and not self._wake.done():
            self._wake.set_result(None)
