"""Waiting until the cache has seen what was written: read-your-writes.

The API server answers a write before the watch tells of it. A feed knows up to which version it has told its handlers
everything, and a write with a version up to that one has been seen (versions are comparable integers: KEP-5504). Nobody
polls: what waits for an object is looked at when news of that object comes, and everything is when a list, a bookmark
or an error moves the feed as a whole.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from functools import partial
from typing import NamedTuple, Protocol

import structlog

from controller_runtime.apimachinery import NamespacedName, metadata_of
from controller_runtime.client import Client, ClientError, NotFoundError, OwnWrite

log = structlog.get_logger(__name__)


class Witness(Protocol):
    """Sees writes sooner or later; a feed."""

    @property
    def sightings(self) -> Sightings:
        """Who waits for it."""

    def has_seen(self, write: OwnWrite) -> bool:
        """Whether handlers were told of the write, or never will be."""


class _Wait(NamedTuple):
    is_over: Callable[[], bool]
    end: Callable[[], None]


class Sightings:
    """What waits for one feed."""

    def __init__(self) -> None:
        self._waiting: dict[NamespacedName, list[_Wait]] = {}

    def __len__(self) -> int:
        return sum(map(len, self._waiting.values()))

    def wait(self, key: NamespacedName, is_over: Callable[[], bool], end: Callable[[], None]) -> Callable[[], None]:
        """Has `end` called once `is_over`, looked at with each news of that object.

        Returns:
            What ends the wait without that call; it may be called at any time.
        """
        wait = _Wait(is_over, end)
        self._waiting.setdefault(key, []).append(wait)
        return partial(self._forget, key, wait)

    def look(self, key: NamespacedName) -> None:
        """There is news of one object."""
        if key in self._waiting:
            for wait in [one for one in self._waiting[key] if one.is_over()]:
                self._forget(key, wait)
                wait.end()

    def look_at_all(self) -> None:
        """There is news that may concern every object."""
        for key in tuple(self._waiting):
            self.look(key)

    def _forget(self, key: NamespacedName, wait: _Wait) -> None:
        waiting = self._waiting.get(key, [])
        if wait in waiting:
            waiting.remove(wait)
        if not waiting:
            self._waiting.pop(key, None)


class LookUp:
    """The witness of a write of unknown outcome: asks what the object is now, and waits until the cache has that.

    Args:
        client: reads live.
        when_seen: done once the cache has seen a write.
        write: what it is about.
        tasks: where the task runs that asks.

    Attributes:
        task: asks and waits.
    """

    def __init__(
        self,
        client: Client,
        when_seen: Callable[[Sequence[OwnWrite]], asyncio.Future[None]],
        write: OwnWrite,
        tasks: asyncio.TaskGroup,
    ) -> None:
        self.sightings = Sightings()
        self._client = client
        self._when_seen = when_seen
        self._write = write
        self.task = tasks.create_task(self._run(), name=f"look-up/{write.key}")
        self.task.add_done_callback(lambda _: self.sightings.look(write.key))

    def has_seen(self, write: OwnWrite) -> bool:  # noqa: ARG002 - there is but one
        """Whether the cache has it, or nobody can say."""
        return self.task.done()

    async def _run(self) -> None:
        """What cannot be read is not waited for."""
        try:
            await self._when_seen((await self._outcome(),))
        except ClientError as error:
            log.info("cannot find out what became of a write", object=str(self._write.key), error=str(error))

    async def _outcome(self) -> OwnWrite:
        write = self._write
        try:
            metadata = (await self._client.get(metadata_of(write.kind), write.key)).metadata
        except NotFoundError:
            return OwnWrite(write.kind, write.key, "", "", deleted=True)
        return OwnWrite(write.kind, write.key, metadata.resource_version, metadata.uid, labels=metadata.labels)


def when_all_seen(pending: Sequence[tuple[Witness, OwnWrite]]) -> asyncio.Future[None]:
    """Done once each witness has seen its write; cancelling it frees what it holds."""
    future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
    left = len(pending)

    def seen() -> None:
        nonlocal left
        left -= 1
        if not left and not future.done():
            future.set_result(None)

    if not pending:
        future.set_result(None)
        return future
    ends = [witness.sightings.wait(write.key, partial(witness.has_seen, write), seen) for witness, write in pending]
    future.add_done_callback(lambda _: [end() for end in ends])
    return future
