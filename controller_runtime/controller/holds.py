"""Reading one's own writes: an object is not reconciled again before the cache shows what its last run wrote.

The client reads live and writes, the cache follows a moment later. A run that begins in between reads the state from
before its own write and does the same again: a second child, a status that goes back. The original has no answer to
that (kubernetes-sigs/controller-runtime#1464, #1622, #3320).
"""

from __future__ import annotations

import asyncio
import functools

from structlog.typing import FilteringBoundLogger

from controller_runtime import metrics
from controller_runtime.cache import Cache
from controller_runtime.client import OwnWrites
from controller_runtime.controller.reconcile import Request
from controller_runtime.workqueue import PriorityQueue


class Holds:
    """Keeps requests locked in the queue until the cache has seen what their runs wrote, for a limited time.

    No worker waits for that: it takes the next request meanwhile.

    Args:
        queue: whose requests.
        cache: what has to see the writes.
        limit: seconds; then the request goes on with what the cache has, which is counted and logged.
        logger: the controller's.
    """

    def __init__(self, queue: PriorityQueue[Request], cache: Cache, limit: float, logger: FilteringBoundLogger) -> None:
        self._queue = queue
        self._cache = cache
        self._limit = limit
        self._log = logger
        self._held: set[asyncio.Future[None]] = set()
        self._unseen = metrics.OWN_WRITES_UNSEEN.labels(queue.name)

    def done(self, request: Request, writes: OwnWrites) -> None:
        """Ends the work on a request: at once, or when its writes have been seen."""
        seen = self._cache.when_seen(writes)
        if seen.done():
            self._queue.done(request)
            return
        self._queue.hold(request)
        self._held.add(seen)
        timer = asyncio.get_running_loop().call_later(self._limit, self._give_up, request, writes, seen)
        seen.add_done_callback(functools.partial(self._end, request, timer))

    def _end(self, request: Request, timer: asyncio.TimerHandle, seen: asyncio.Future[None]) -> None:
        timer.cancel()
        self._held.discard(seen)
        self._queue.done(request)

    def _give_up(self, request: Request, writes: OwnWrites, seen: asyncio.Future[None]) -> None:
        if not seen.cancel():
            return  # it was seen in the very moment
        self._unseen.inc()
        self._log.warning(
            "the cache has not seen what a run wrote, so the next one may read what was before",
            namespace=request.namespace,
            name=request.name,
            writes=[f"{write.kind.__name__} {write.key}" for write in self._cache.unseen(writes)],
            seconds=self._limit,
        )

    def end(self) -> None:
        """Waits for nothing any more; the queue is shut down."""
        for seen in tuple(self._held):
            seen.cancel()
