"""The elector: competes, leads, steps down, and starts over."""

from __future__ import annotations

import asyncio
import math
import random
from collections.abc import Awaitable, Callable

import structlog

from controller_runtime.client import (
    AlreadyExistsError,
    Client,
    ClientError,
    ConflictError,
    LeadershipLostError,
    NotFoundError,
)
from controller_runtime.leaderelection.clock import leader_clock
from controller_runtime.leaderelection.lease_lock import LeaseLock
from controller_runtime.leaderelection.options import JITTER, LeaderElection
from controller_runtime.metrics import LEADER_STATUS
from controller_runtime.recorder import EventRecorder

log = structlog.get_logger(__name__)

STUCK_AFTER_SECONDS = 5.0
"""How long leader's work may take to end once the lease is lost. With the default times that is just when another
replica may take the lease."""
_LEAST_SECONDS = 0.001
"""Time left in which nothing can be done any more: no request is that fast, and no timer much finer."""


class LeaderWorkStuckError(RuntimeError):
    """Leader's work goes on although the lease is lost; the process has to exit so that nobody works twice."""


class LeaderElector:
    """Competes for a Lease and runs the leader's work while it holds it.

    States, and what leads where:

        competing   reads the Lease each `retry_period` and a bit; takes it when it is free -> leading;
                    cancelled -> ends (a claim whose outcome is unknown is released)
        leading     work runs, the Lease is renewed each `retry_period`
                    not renewed for `renew_deadline`, or the Lease names somebody else or is gone -> lost
                    work fails -> draining, then the failure is raised
                    work returns -> still leading
                    work ran into a fence -> the Lease is released -> competing, after a try's wait
                    cancelled -> draining
        lost        fence down; work is cancelled; it ends -> competing; not within 5 s -> LeaderWorkStuckError
        draining    work is cancelled and awaited WHILE the Lease is renewed; then the Lease is released -> ends

    Errors of the API only mean "not this time". Each request may take `renew_deadline / 2` (1 s at least) and, while
    leading, no longer than is left.

    Args:
        client: for the Lease; its fence, if it has one, is not applied.
        options: which Lease, and the times.
        recorder: records on the Lease who became leader and who stopped leading.
        clock: seconds; decides how long a leader leads and when a Lease has expired.
    """

    def __init__(
        self,
        client: Client,
        options: LeaderElection,
        *,
        recorder: EventRecorder | None = None,
        clock: Callable[[], float] = leader_clock,
    ) -> None:
        self._options = options
        self._recorder = recorder
        self._clock = clock
        self._request_limit = min(max(options.renew_deadline / 2, 1.0), options.renew_deadline)
        self._lock = LeaseLock(Client(client.transport, timeout=self._request_limit), options, clock)
        self._deadline = -math.inf
        self._leading = False
        self._last_problem = ""
        self._status = LEADER_STATUS.labels(options.name)
        self._log = log.bind(lease=str(self._lock.key), identity=options.identity)

    @property
    def is_leader(self) -> bool:
        """Whether this process may act as the leader at this moment."""
        return self._time_left() > 0

    @property
    def leader_identity(self) -> str:
        """Who held the Lease when it was last seen; empty for nobody."""
        return self._lock.holder

    def fence(self) -> float:
        """Seconds for which this process may still write as the leader.

        Raises:
            LeadershipLostError: it may not write at all.
        """
        left = self._time_left()
        if left <= 0:
            holder = self.leader_identity or "nobody"
            raise LeadershipLostError(
                f"{self._options.identity} may not write: it does not lead (lease {self._lock.key}, last seen holder "
                f"{holder})"
            )
        return left

    async def run(self, on_started_leading: Callable[[], Awaitable[None]]) -> None:
        """Takes part in the election until cancelled.

        When it is cancelled, or the work fails, it ends only after the work has ended and the Lease is released.

        Args:
            on_started_leading: the leader's work; called each time the election is won, cancelled and awaited when the
                lease is lost. It may return early.

        Raises:
            LeaderWorkStuckError: the work went on after the lease was lost.
            RuntimeError: the work was cancelled from inside.
            Exception: what the work raised while leading.
        """
        while True:
            await self._acquire()
            await self._lead(on_started_leading)

    async def _acquire(self) -> None:
        self._log.info("competing for the leader lease")
        try:
            while not await self._attempt(self._try_to_acquire):
                await self._until_next_try()
        except asyncio.CancelledError:
            if self._options.release_on_cancel:
                await self._release()  # the last claim may have been carried out without an answer
            raise

    async def _until_next_try(self) -> None:
        await asyncio.sleep(self._options.retry_period * (1 + random.random() * JITTER))

    async def _try_to_acquire(self) -> bool:
        await self._lock.read(self._request_limit)
        if not self._lock.is_free:
            return False
        try:
            sent = await self._lock.claim(self._request_limit)
        except (ConflictError, AlreadyExistsError):
            return False  # another candidate was faster
        self._deadline = sent + self._options.renew_deadline
        return self.is_leader

    async def _lead(self, on_started_leading: Callable[[], Awaitable[None]]) -> None:
        self._become_leader()
        work = asyncio.create_task(_run(on_started_leading), name="leader-work")
        keeper = asyncio.create_task(self._keep_lease(), name="leader-lease")
        try:
            try:
                await _until_over(work, keeper)
            finally:
                lost = await self._end_term(work, keeper)
        except BaseException:
            self._log_failure(work)
            raise
        if lost:
            self._log_failure(work)
        elif (failure := _failure_of(work)) is not None:
            raise failure
        else:
            await self._until_next_try()  # the work ran into a fence: not at once into the same again

    async def _end_term(self, work: asyncio.Task[None], keeper: asyncio.Task[None]) -> bool:
        """Ends the work, then the lease; says whether the lease was lost before the work had ended.

        A cancellation while the lease is held gives up waiting for the work, and then nothing is released.
        """
        work.cancel()
        try:
            if not keeper.done():
                await asyncio.wait({work, keeper}, return_when=asyncio.FIRST_COMPLETED)
            if not work.done():
                await self._end_lost_work(work)
        finally:
            lost = keeper.done()
            keeper.cancel()
            await asyncio.wait({keeper})
            self._step_down()
        if lost:
            keeper.result()
        if not lost and self._options.release_on_cancel:
            await self._release()
        return lost

    async def _end_lost_work(self, work: asyncio.Task[None]) -> None:
        """Waits a bounded time, even if cancelled: nobody else would tell whether the work has ended."""
        loop = asyncio.get_running_loop()
        until = loop.time() + STUCK_AFTER_SECONDS
        cancelled = False
        while not work.done() and (left := until - loop.time()) > 0:
            try:
                await asyncio.wait({work}, timeout=left)
            except asyncio.CancelledError:
                cancelled = True
        if not work.done():
            raise LeaderWorkStuckError(
                f"leader's work goes on {STUCK_AFTER_SECONDS:g} s after lease {self._lock.key} was lost and the work "
                "was cancelled; this process has to exit"
            )
        if cancelled:
            raise asyncio.CancelledError

    async def _keep_lease(self) -> None:
        """Renews the lease until it is lost; by then the fence is down."""
        loop = asyncio.get_running_loop()
        wait = self._options.retry_period
        try:
            while self._lock.is_mine and (left := self._time_left()) > _LEAST_SECONDS:
                await asyncio.sleep(min(wait, left))
                started = loop.time()
                await self._attempt(self._renew)
                wait = max(0.0, self._options.retry_period - (loop.time() - started))
            self._log.warning("lost the leader lease", holder=self.leader_identity or "nobody")
        finally:
            self._step_down()

    async def _renew(self) -> bool:
        try:
            sent = await self._lock.claim(self._limit_while_leading())
        except (ConflictError, NotFoundError):
            # Somebody changed or deleted the Lease, or an earlier renewal was carried out although no answer came.
            await self._lock.read(self._limit_while_leading())
            if not self._lock.is_mine:
                return False
            sent = await self._lock.claim(self._limit_while_leading())
        if not self.is_leader:
            return False  # the answer came too late: a fence that has been down must not come up within one term
        self._deadline = sent + self._options.renew_deadline
        return True

    def _limit_while_leading(self) -> float:
        left = self._time_left()
        if left <= _LEAST_SECONDS:
            raise TimeoutError("the renew deadline has passed")
        return min(self._request_limit, left)

    async def _release(self) -> None:
        try:
            async with asyncio.timeout(self._options.renew_deadline):
                if self._lock.in_doubt:
                    await self._lock.read(self._request_limit)
                while self._lock.is_mine:
                    try:
                        await self._lock.release(self._request_limit)
                    except ConflictError:
                        await self._lock.read(self._request_limit)
        except (ClientError, TimeoutError) as error:
            self._log.warning("cannot release the leader lease, so others wait until it expires", error=_text(error))

    async def _attempt(self, step: Callable[[], Awaitable[bool]]) -> bool:
        try:
            done = await step()
        except (ClientError, TimeoutError) as error:
            self._report(_text(error))
            return False
        self._last_problem = ""
        return done

    def _report(self, problem: str) -> None:
        """Warns once of a problem that comes back with every try."""
        log_line = self._log.debug if problem == self._last_problem else self._log.warning
        self._last_problem = problem
        log_line("leader election: cannot read or write the lease, trying again", error=problem)

    def _time_left(self) -> float:
        return self._deadline - self._clock()

    def _become_leader(self) -> None:
        self._leading = True
        self._status.set(1)
        self._log.info("became leader")
        self._record("BecomeLeader", f"{self._options.identity} became leader")

    def _step_down(self) -> None:
        self._deadline = -math.inf
        if self._leading:
            self._leading = False
            self._status.set(0)
            self._log.info("stopped leading")
            self._record("StopLeading", f"{self._options.identity} stopped leading")

    def _record(self, action: str, note: str) -> None:
        if self._recorder is not None:
            self._recorder.event(self._lock.lease, "Normal", "LeaderElection", action, note)

    def _log_failure(self, work: asyncio.Task[None]) -> None:
        if (failure := _failure_of(work)) is not None:
            self._log.error("leader's work failed while it was being ended", exc_info=failure)


async def _run(work: Callable[[], Awaitable[None]]) -> None:
    try:
        await work()
    except asyncio.CancelledError:
        task = asyncio.current_task()
        if task is None or task.cancelling() > 0:
            raise
        # Not a loss of the lease: without this, one term would follow upon the other for ever.
        raise RuntimeError("leader's work ended by a cancellation that came from inside of it") from None


async def _until_over(work: asyncio.Task[None], keeper: asyncio.Task[None]) -> None:
    """Returns when the lease is lost or the work did not simply return."""
    await asyncio.wait({work, keeper}, return_when=asyncio.FIRST_COMPLETED)
    if work.done() and not work.cancelled() and work.exception() is None:
        await asyncio.wait({keeper})


def _failure_of(work: asyncio.Task[None]) -> BaseException | None:
    """What the work failed with, unless it just ran into the fence."""
    if not work.done() or work.cancelled():
        return None
    error = work.exception()
    if isinstance(error, BaseExceptionGroup):
        return error.split(LeadershipLostError)[1]
    return None if isinstance(error, LeadershipLostError) else error


def _text(error: Exception) -> str:
    return str(error) or "no answer in time"
