"""The elector: competes, leads, steps down, and starts over."""

from __future__ import annotations

import asyncio
import math
import random
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any

import structlog

from controller_runtime.client import (
    AlreadyExistsError,
    Client,
    ClientError,
    ConflictError,
    LeadershipLostError,
    NotFoundError,
)
from controller_runtime.leaderelection.lease_lock import LeaseLock, problem_of
from controller_runtime.leaderelection.lease_watch import LeaseWatch
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

        competing   watches the Lease, and reads it each `retry_period` and a bit and when it was released; takes it
                    when it is free -> leading; cancelled -> ends (a claim whose outcome is unknown is released)
        leading     work runs, the Lease is renewed each `retry_period`
                    not renewed for `renew_deadline`, or the Lease names somebody else or is gone -> lost
                    work fails -> draining, then the failure is raised
                    work returns -> still leading
                    work ran into a fence -> the Lease is released -> competing, after a try's wait
                    cancelled -> draining
        lost        fence down; work is cancelled; it ends -> competing; not within 5 s -> LeaderWorkStuckError;
                    cancelled, and the work ends -> the Lease is released if it still names this replica -> ends
        draining    work is cancelled and awaited WHILE the Lease is renewed; then the Lease is released -> ends

    Errors of the API only mean "not this time". Each request may take `renew_deadline / 2` (1 s at least) and, while
    leading, no longer than is left.

    Args:
        client: for the Lease; its fence, if it has one, is not applied.
        options: which Lease, the times and the clock.
        recorder: records on the Lease who became leader and who stopped leading.
    """

    def __init__(
        self,
        client: Client,
        options: LeaderElection,
        *,
        recorder: EventRecorder | None = None,
    ) -> None:
        self._options = options
        self._recorder = recorder
        self._clock = options.clock
        self._request_limit = min(max(options.renew_deadline / 2, 1.0), options.renew_deadline)
        self._client = Client(
            client.transport, timeout=self._request_limit, express=True, user_agent_suffix="leader-election"
        )
        self._lock = LeaseLock(self._client, options)
        self._deadline = -math.inf
        self._leading = False
        self._work: asyncio.Task[None] | None = None
        self._may_release = options.release_on_cancel
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

    def forbid_release(self) -> None:
        """Leaves the Lease to expire when this is cancelled, if work runs at this moment.

        For a process that cancels it and does not wait for the work, which may then outlast the leadership.
        """
        if self._work is not None and not self._work.done():
            self._may_release = False

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
        try:
            while True:
                await self._acquire()
                await self._lead(on_started_leading)
        except BaseException as reason:
            await self._end(reason)
            raise

    async def _end(self, reason: BaseException) -> None:
        """Gives the Lease up, unless work still runs.

        It may name this replica also when that does not lead: a claim was carried out without an answer, or the lease
        was lost and nobody else has taken it yet.
        """
        self._step_down()
        if self._work is not None and not self._work.done():
            return
        try:
            await self._release()
        except asyncio.CancelledError:
            if not isinstance(reason, asyncio.CancelledError):
                self._log.error("the elector failed, and was cancelled while it released the lease", exc_info=reason)
            raise

    async def _acquire(self) -> None:
        self._log.info("competing for the leader lease")
        async with LeaseWatch(self._client, self._lock, self._options.retry_period) as watch:
            while not await self._attempt(self._try_to_acquire):
                await watch.wait(self._wait_between_tries())

    def _wait_between_tries(self) -> float:
        return self._options.retry_period * (1 + random.random() * JITTER)

    async def _try_to_acquire(self) -> bool:
        await self._lock.read(self._request_limit)
        return self._lock.is_free and await _to_its_end(self._take())

    async def _take(self) -> bool:
        """Claims the Lease if it is still free by what is known in the moment in which the claim is written."""
        if not self._lock.is_free:
            return False  # the watch has told of a change meanwhile
        try:
            sent = await self._lock.claim(self._request_limit)
        except (ConflictError, AlreadyExistsError):
            return False  # another candidate was faster
        self._deadline = sent + self._options.renew_deadline
        return self.is_leader

    async def _lead(self, on_started_leading: Callable[[], Awaitable[None]]) -> None:
        self._become_leader()
        work = self._work = asyncio.create_task(_run(on_started_leading), name="leader-work")
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
            await self._release()
            await asyncio.sleep(self._wait_between_tries())  # the work ran into a fence: not at once into it again

    async def _end_term(self, work: asyncio.Task[None], keeper: asyncio.Task[None]) -> bool:
        """Ends the work, then the term; says whether the lease was lost before the work had ended.

        A cancellation while the lease is held gives up waiting for the work.
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
        return lost

    async def _end_lost_work(self, work: asyncio.Task[None]) -> None:
        """Waits a bounded time, even if cancelled: nobody else would tell whether the work has ended."""
        loop = asyncio.get_running_loop()
        until = loop.time() + STUCK_AFTER_SECONDS
        cancelled = False
        while not work.done() and (left := until - loop.time()) > _LEAST_SECONDS:
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
        age = self._options.renew_deadline - self._time_left()  # of the claim, whose answer may have been slow
        wait = max(0.0, self._options.retry_period - age)
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
        if not self._may_release:
            return
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
            self._log.warning(
                "cannot release the leader lease, so others wait until it expires", error=problem_of(error)
            )

    async def _attempt(self, step: Callable[[], Awaitable[bool]]) -> bool:
        try:
            done = await step()
        except (ClientError, TimeoutError) as error:
            self._report(problem_of(error))
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


async def _to_its_end(claim: Coroutine[Any, Any, bool]) -> bool:
    """Waits for a claim also when cancelled: given up, it may be carried out later, when nobody would release it."""
    task = asyncio.create_task(claim, name="leader-lease-claim")
    try:
        return await asyncio.shield(task)
    except asyncio.CancelledError:
        await asyncio.wait({task})
        if not task.cancelled():
            task.exception()  # whoever ends does not care
        raise


def _failure_of(work: asyncio.Task[None]) -> BaseException | None:
    """What the work failed with, unless it just ran into the fence."""
    if not work.done() or work.cancelled():
        return None
    error = work.exception()
    if isinstance(error, BaseExceptionGroup):
        return error.split(LeadershipLostError)[1]
    return None if isinstance(error, LeadershipLostError) else error
