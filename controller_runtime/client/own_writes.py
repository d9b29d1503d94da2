"""What a piece of work has written, so that its next run can wait until the cache has seen it.

    with record_writes() as writes:
        await reconciler.reconcile(request)
    for write in writes: ...

The client reads live, but the cache learns of a write a moment later from its watch. Whoever reads the cache in between
finds the state of before and does the same again. The controller therefore records the writes of each run of a request,
and holds the next one back until the cache has caught up.

Promised: each write that the server has confirmed, of every `Client`, made in the block or in a task that was started
in it; and each of which nobody knows what became of it (its answer was lost, or the work was cancelled meanwhile),
unless it named no object (a create whose name the server chooses, `delete_all_of`). Not promised: what a write makes
others do (an eviction, garbage collection).
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Iterator, Mapping
from contextvars import ContextVar
from types import MappingProxyType
from typing import NamedTuple

from controller_runtime.apimachinery import NamespacedName, Object
from controller_runtime.client.errors import (
    AlreadyExistsError,
    ApiError,
    ConnectError,
    InvalidResponseError,
    NotFoundError,
    TransportError,
)

WRITES_PER_KIND = 1000
"""How many writes of a kind a record holds. When there are more, the oldest goes: a watch tells of changes in the order
of their versions, so a cache that has seen the later ones has seen that one too."""


class OwnWrite(NamedTuple):
    """The last write to one object."""

    kind: type[Object]
    """The type by which it was written. A cache may hold the same objects under another type of the same resource."""
    key: NamespacedName
    resource_version: str
    """Version that it led to; empty for a deletion that took place at once, where the server tells none."""
    uid: str
    deleted: bool = False
    """It was a delete. With a version, the object may still be there, waiting for its finalizers or its grace period;
    without one, it has been seen once the cache does not hold an object with this `uid` any more."""
    labels: Mapping[str, str] = MappingProxyType({})
    """Of the object that it led to, which tell a cache that selects by labels whether it will hear of it; none where
    the answer did not have them (deletions, subresources)."""
    unknown: bool = False
    """Nobody knows what the object is now, so the cache has to ask: the answer was lost, or it said that the object is
    there (to a create) or is not (to any other write), which whoever read the cache had not expected."""


@contextlib.contextmanager
def note_doubt(kind: type[Object], key: NamespacedName, *, dry_run: bool) -> Iterator[None]:
    """Record a write as one of unknown outcome if the block, which sends it, ends in an error that leaves doubt."""
    try:
        yield
    except BaseException as error:
        record = current_record()
        if record is not None and key.name and not dry_run and _leaves_doubt(error):
            record.add(OwnWrite(kind, key, "", "", unknown=True))
        raise


def _leaves_doubt(error: BaseException) -> bool:
    match error:
        case ConnectError():
            return False  # nothing was sent
        case asyncio.CancelledError() | TransportError() | InvalidResponseError():
            return True
        case AlreadyExistsError() | NotFoundError():
            return True
        case _:
            return isinstance(error, ApiError) and error.code >= 500


class OwnWrites:
    """A record of writes: the last one to each object, of each kind no more than `WRITES_PER_KIND`."""

    def __init__(self, outer: OwnWrites | None = None) -> None:
        self._outer = outer
        self._writes: dict[type[Object], dict[NamespacedName, OwnWrite]] = {}
        self._open = True

    def add(self, write: OwnWrite) -> None:
        """Note a write; nothing once the block has been left, because a task may go on after it."""
        if self._outer is not None:
            self._outer.add(write)
        if not self._open:
            return
        of_kind = self._writes.setdefault(write.kind, {})
        before = of_kind.pop(write.key, None)
        of_kind[write.key] = write if before is None or not _is_older(write, before) else before
        if len(of_kind) > WRITES_PER_KIND:
            del of_kind[next(iter(of_kind))]

    def close(self) -> None:
        """Note nothing more."""
        self._open = False

    def __iter__(self) -> Iterator[OwnWrite]:
        """The writes, by kind and in the order in which they were made."""
        for of_kind in self._writes.values():
            yield from of_kind.values()

    def __len__(self) -> int:
        """How many objects were written; false as a condition if none was."""
        return sum(map(len, self._writes.values()))


_recorder: ContextVar[OwnWrites | None] = ContextVar("own_writes", default=None)


@contextlib.contextmanager
def record_writes() -> Iterator[OwnWrites]:
    """Record the writes of this block and of the tasks that are started in it; blocks may be nested.

    Dry runs are no writes. One that changed nothing, so that the server answered with the old version, is a write like
    any other: the cache has seen it already.
    """
    writes = OwnWrites(_recorder.get())
    token = _recorder.set(writes)
    try:
        yield writes
    finally:
        _recorder.reset(token)
        writes.close()


def current_record() -> OwnWrites | None:
    """The record that writes made here go to; None if nobody records."""
    return _recorder.get()


def _is_older(write: OwnWrite, before: OwnWrite) -> bool:
    """Whether the answer to the earlier one of two writes came last, as it may when several tasks write.

    Versions that are integers are ordered (KEP-5504); of others, and of deletions without one, the last answer counts.
    """
    versions = (write.resource_version, before.resource_version)
    return all(map(str.isdecimal, versions)) and int(versions[0]) < int(versions[1])
