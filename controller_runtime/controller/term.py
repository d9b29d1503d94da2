"""One term of a controller: a queue, and the sources that fill it."""

from __future__ import annotations

import asyncio

import structlog

from controller_runtime.controller.reconcile import Request
from controller_runtime.controller.source import FollowingSource, RunningSource, Source
from controller_runtime.workqueue import PriorityQueue, RateLimiter

log = structlog.get_logger(__name__)

_INSTANT_SECONDS = 0.001
"""Less than that is no time to wait for: timers may be rounded, and would fire too early again and again."""


class CacheSyncError(TimeoutError):
    """A source did not deliver its first state in time; the message says which one and what the last error was."""


class Term:
    """A queue and the sources that fill it, from the warm-up, if there is one, to the end of the leadership.

    A new leadership gets a new term, so that nothing of the last one is left in it.

    Attributes:
        queue: what the sources fill.
    """

    def __init__(self, controller: str, rate_limiter: RateLimiter[Request]) -> None:
        self.queue: PriorityQueue[Request] = PriorityQueue(controller, rate_limiter=rate_limiter)
        self._running: list[RunningSource] = []
        self._followers: list[FollowingSource] = []
        self._syncs: dict[asyncio.Task[None], RunningSource] = {}

    def start(self, source: Source) -> None:
        """Starts a source, for whose first state `wait_synced` waits, if it is called."""
        running = source.start(self.queue)
        self._running.append(running)
        if isinstance(running, FollowingSource):
            self._followers.append(running)
        sync = asyncio.create_task(running.wait_synced(), name=f"sync/{self.queue.name}")
        self._syncs[sync] = running
        sync.add_done_callback(self._sync_ended)

    def _sync_ended(self, sync: asyncio.Task[None]) -> None:
        """Logs a failure at once: nobody waits on a standby, nor for a source that comes while workers run."""
        if not sync.cancelled() and (error := sync.exception()) is not None:
            log.error(
                "Could not wait for Cache to sync",
                controller=self.queue.name,
                source=self._syncs[sync].describe(),
                error=str(error) or type(error).__name__,
            )

    @property
    def has_failed(self) -> bool:
        """Whether a source cannot deliver its first state."""
        return any(sync.done() and (sync.cancelled() or sync.exception() is not None) for sync in self._syncs)

    async def wait_synced(self, limit: float | None) -> None:
        """Returns once all sources have delivered their first state, those included that are started meanwhile.

        Args:
            limit: seconds that this may take from now on; None for ever.

        Raises:
            CacheSyncError: it took longer.
            Exception: what a source failed with.
        """
        loop = asyncio.get_running_loop()
        until = None if limit is None else loop.time() + limit
        while not self.has_failed and (pending := [sync for sync in self._syncs if not sync.done()]):
            left = None if until is None else until - loop.time()
            if left is not None and left < _INSTANT_SECONDS:
                late = "; ".join(self._syncs[sync].describe() for sync in pending)
                raise CacheSyncError(f"controller {self.queue.name}: caches did not sync within {limit} s: {late}")
            await asyncio.wait(pending, timeout=left, return_when=asyncio.FIRST_COMPLETED)
        for sync, source in self._syncs.items():
            if sync.cancelled():
                raise CacheSyncError(
                    f"controller {self.queue.name}: somebody cancelled the sync of {source.describe()}"
                )
            if sync.done():
                sync.result()

    def taken(self, request: Request) -> None:
        """Tells the sources that a run begins."""
        for follower in self._followers:
            follower.taken(request)

    def settled(self, request: Request) -> None:
        """Tells the sources that a run left nothing to do."""
        for follower in self._followers:
            follower.settled(request)

    async def end(self) -> None:
        """Stops the sources and shuts the queue down; harmless when repeated."""
        self.queue.shut_down()
        while self._running:
            source = self._running.pop()
            try:
                source.stop()
            except Exception as error:
                log.error("a source cannot be stopped", controller=self.queue.name, exc_info=error)
        for sync in self._syncs:
            sync.cancel()
        await asyncio.gather(*self._syncs, return_exceptions=True)
