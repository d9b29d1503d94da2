"""The watch of a candidate on the Lease, so that it hears of a release at once and not only at its next poll."""

from __future__ import annotations

import asyncio
import random
from types import TracebackType

import structlog

from controller_runtime.api.coordination_v1 import Lease
from controller_runtime.apimachinery import DecodeError, decode
from controller_runtime.client import Client, ClientError, WatchEvent
from controller_runtime.leaderelection.lease_lock import LeaseLock, problem_of
from controller_runtime.leaderelection.options import JITTER

log = structlog.get_logger(__name__)

SPREAD_SECONDS = 0.3
"""Candidates that hear of the same release try at random moments within this time, so that not all of them collide.
It leaves most of a second for the event on its way to them and for their two requests."""
WATCH_SECONDS = (300, 600)
"""A watch lasts a random time between these, so that those of many candidates do not end together."""
_LONGEST_PAUSE = 60.0
"""Seconds between two attempts to watch where that does not work at all: no right to, or not supported."""
_SHORT = 1.0
"""Seconds; a watch that the server ended sooner did not work, and the next one would not either."""


class LeaseWatch:
    """Follows the Lease while a candidate competes; used as a context, which ends it.

    Nothing but speed depends on it, because the candidate goes on polling: a connection that is dead without anybody
    knowing must not delay a take-over. What it says is taken into the LeaseLock if it is news; a Lease that was
    released or deleted wakes the candidate. It needs the verb `watch` alone, also where RBAC names the Lease.

        OPENING    answered -> FOLLOWING; refused, unreachable, silent -> PAUSING
        FOLLOWING  ended by the server after a second or more -> OPENING; ended sooner, broke off, silent for so long
                   that somebody would have taken an expired Lease -> PAUSING
        PAUSING    a try's wait, twice as long after each attempt that brought no event, about a minute or two at most
                   -> OPENING

    Args:
        client: watches.
        lock: the Lease; takes what is seen.
        retry_period: seconds; how long to pause.
    """

    def __init__(self, client: Client, lock: LeaseLock, retry_period: float) -> None:
        self._client = client
        self._lock = lock
        self._retry_period = retry_period
        self._task: asyncio.Task[None] | None = None
        self._wake = asyncio.Event()
        self._seen_events = False
        self._last_problem = ""

    async def __aenter__(self) -> LeaseWatch:
        """Nothing to do: whoever gets the Lease at the first try needs no watch."""
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait({self._task})

    async def wait(self, seconds: float) -> None:
        """Returns after that time, or soon after the Lease was released or deleted.

        Raises:
            Exception: watching failed in a way that no server and no connection explains.
        """
        if self._task is None:
            self._task = asyncio.create_task(self._run(), name="leader-lease-watch")
            self._task.add_done_callback(lambda _: self._wake.set())
        try:
            async with asyncio.timeout(seconds):
                await self._wake.wait()
        except TimeoutError:
            return
        if self._task.done():
            self._task.result()
        self._wake.clear()
        await asyncio.sleep(random.random() * SPREAD_SECONDS)

    async def _run(self) -> None:
        loop = asyncio.get_running_loop()
        failures = 0
        while True:
            began = loop.time()
            self._seen_events = False
            try:
                await self._follow()
            except (ClientError, DecodeError) as error:
                self._report(problem_of(error))
            else:
                if loop.time() - began >= _SHORT:
                    continue
            failures = 0 if self._seen_events else failures + 1
            await asyncio.sleep(self._pause(failures))

    def _pause(self, failures: int) -> float:
        longest = max(_LONGEST_PAUSE, self._retry_period)
        return min(self._retry_period * 2.0 ** min(failures, 10), longest) * (1 + random.random() * JITTER)

    async def _follow(self) -> None:
        """One watch, from the present state on, until the server ends it."""
        key = self._lock.key
        watch = self._client.watch(
            Lease,
            namespace=key.namespace,
            field_selector=f"metadata.name={key.name}",
            timeout_seconds=random.randint(*WATCH_SECONDS),
            allow_bookmarks=False,
            read_timeout=self._lock.duration + self._retry_period * (1 + JITTER),
        )
        async with watch as events:
            async for event in events:
                self._take(event)

    def _take(self, event: WatchEvent) -> None:
        if event.type == "ERROR":
            raise event.error()
        lease = decode(Lease, event.raw)
        self._seen_events = True
        if lease.key != self._lock.key or not self._lock.is_news(lease):
            return
        if event.type == "DELETED":
            self._wake.set()  # the candidate's own look decides: the leader may have made the Lease anew
            return
        self._lock.hear(lease)
        if not lease.spec.holder_identity:
            self._wake.set()

    def _report(self, problem: str) -> None:
        """Warns once of a problem that comes back with every attempt."""
        log_line = log.debug if problem == self._last_problem else log.warning
        self._last_problem = problem
        log_line(
            "cannot watch the leader lease, so a release is noticed at the next poll",
            lease=str(self._lock.key),
            error=problem,
        )
