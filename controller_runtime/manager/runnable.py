"""Runnables and the groups in which a manager starts and stops them."""

from __future__ import annotations

import asyncio
import contextlib
import enum
from collections.abc import Callable, Iterable, Sequence
from typing import Any, Protocol, runtime_checkable

import structlog

log = structlog.get_logger(__name__)

_PATIENCE_SECONDS = 3.0  # less than leader's work may take to end once the lease is lost
_INSTANT_SECONDS = 0.001
"""Less than that is no time to wait for: timers may be rounded, and would fire too early again and again."""


class Runnable(Protocol):
    """A part of the process that runs for as long as the process does.

    `needs_leader_election = False` as an attribute lets it run on every replica; without it a runnable belongs to the
    leader, as in controller-runtime.
    """

    async def start(self) -> None:
        """Runs until cancelled. Returning early is allowed; an exception stops the manager."""
        ...


class Group(enum.Enum):
    """When a runnable starts and stops. Listed in the order of the start."""

    SERVERS = "servers"
    """Probes and metrics: first to start, last to stop."""
    SERVING = "serving"
    """Frontends that answer clients even before the caches have synced; the first to stop, so that what they hand to
    other runnables while draining is not lost."""
    CACHES = "caches"
    """Informers. What follows waits until they have synced."""
    OTHERS = "others"
    """Everything else that runs on each replica."""
    WARMUP = "warmup"
    """What the leader's runnables do on each replica before they lead, where they have a `warmup`; the manager puts it
    here. Begins before the election and stops together with the leader's runnables; nothing waits for it."""
    LEADER = "leader"
    """Runs only while this replica leads."""


@runtime_checkable
class WarmupRunnable(Protocol):
    """A leader's runnable that prepares on every replica while there is an election."""

    async def warmup(self) -> None:
        """Runs until cancelled, beside `start`, which comes and goes with the leadership."""
        ...


@runtime_checkable
class SyncedRunnable(Protocol):
    """A runnable of `Group.CACHES` that others wait for."""

    async def wait_synced(self) -> None:
        """Returns once it can be read."""
        ...


def require_runnable(part: object) -> None:
    """Refuses what cannot be run.

    Raises:
        TypeError: it is a class, or has no `start`.
    """
    if isinstance(part, type):
        raise TypeError(f"a manager runs objects, not the class {part.__qualname__}: make an instance of it")
    if not callable(getattr(part, "start", None)):
        raise TypeError(f"a manager runs objects with `async def start(self)`, which {part!r} does not have")


def group_of(runnable: Runnable) -> Group:
    """The group of a runnable that was added without naming one."""
    return Group.LEADER if getattr(runnable, "needs_leader_election", True) else Group.OTHERS


def _start(runnable: Runnable) -> asyncio.Task[None]:
    """A task that is named after the runnable and, where it has one, its name."""
    name = getattr(runnable, "name", "")
    kind = type(runnable).__name__
    return asyncio.create_task(runnable.start(), name=f"runnable/{kind}/{name}" if name else f"runnable/{kind}")


class CancelledInsideError(RuntimeError):
    """A runnable ended because something that it awaited was cancelled, although nobody stopped it: a bug in it."""

    def __init__(self, name: str) -> None:
        super().__init__(f"{name} ended by a cancellation that came from inside of it")


class Warmup:
    """The warm-up of a runnable as a runnable."""

    def __init__(self, runnable: WarmupRunnable) -> None:
        self.name = str(getattr(runnable, "name", type(runnable).__name__))
        self._runnable = runnable

    async def start(self) -> None:
        """Warms up; that it ends from inside is no failure, as the leader can do without."""
        try:
            await self._runnable.warmup()
        except asyncio.CancelledError:
            task = asyncio.current_task()
            if task is None or task.cancelling() > 0:
                raise
            log.warning("a warm-up ended by a cancellation that came from inside of it", part=self.name)


class AfterCaches:
    """A runnable that starts when some caches have synced."""

    def __init__(self, runnable: Runnable, caches: Sequence[SyncedRunnable]) -> None:
        self.name = str(getattr(runnable, "name", type(runnable).__name__))
        self._runnable = runnable
        self._caches = tuple(caches)

    async def start(self) -> None:
        """Waits, then runs."""
        for cache in self._caches:
            await cache.wait_synced()
        await self._runnable.start()


class RunningGroup:
    """The tasks of one group."""

    def __init__(self, runnables: Iterable[Runnable], on_failure: Callable[[BaseException], None]) -> None:
        """Starts a task per runnable; `on_failure` is called with the exception of each one that fails."""
        self._on_failure = on_failure
        self._stopping = False
        self._tasks: set[asyncio.Task[None]] = set()
        for runnable in runnables:
            self.add(runnable)

    def add(self, runnable: Runnable) -> None:
        """Starts one more.

        Raises:
            RuntimeError: the group is being stopped.
        """
        if self._stopping:
            raise RuntimeError(f"{type(runnable).__name__} cannot be added: its group is being stopped")
        task = _start(runnable)
        self._tasks.add(task)
        task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if task.cancelled():
            if not self._stopping:
                self._on_failure(CancelledInsideError(task.get_name()))
        elif (error := task.exception()) is not None:
            self._on_failure(error)

    async def stop(self, until: float, hurry: asyncio.Future[Any] | None = None) -> list[str]:
        """Cancels the tasks and waits for them.

        Args:
            until: loop time after which it waits no longer.
            hurry: once this is done, it does not wait either.

        Returns:
            The names of the tasks that have not ended by then.
        """
        self._stopping = True
        pending = {task for task in self._tasks if not task.done()}
        for task in pending:
            task.cancel()
        ends = set() if hurry is None else {hurry}
        while pending:
            left = max(0.0, until - asyncio.get_running_loop().time())
            await asyncio.wait(pending | ends, timeout=left, return_when=asyncio.FIRST_COMPLETED)
            pending = {task for task in pending if not task.done()}
            if left < _INSTANT_SECONDS or (hurry is not None and hurry.done()):
                break
        return sorted(task.get_name() for task in pending)


class Roster:
    """The leader's runnables: each term runs all of them, and those that are added meanwhile."""

    def __init__(self, runnables: Iterable[Runnable] = ()) -> None:
        self._runnables = list(runnables)
        self._growths: set[asyncio.Future[None]] = set()

    def add(self, runnable: Runnable) -> None:
        """Adds one to the term that runs, if one does, and to each one after it."""
        self._runnables.append(runnable)
        for growth in self._growths:
            if not growth.done():
                growth.set_result(None)

    async def run(self) -> None:
        """Runs them side by side until cancelled, or until one fails, whose exception it raises.

        Either way all of them have ended when it returns, however often it is cancelled: the elector goes by that when
        it gives the lease up. What the others raise at their end is logged, and so is which of them take long to end.

        Raises:
            CancelledInsideError: one was cancelled by itself.
            Exception: what the first one that failed raised.
        """
        tasks: list[asyncio.Task[None]] = []
        failed: asyncio.Task[None] | None = None
        try:
            while failed is None:
                tasks += map(_start, self._runnables[len(tasks) :])
                await self._until_one_ends_or_comes(tasks)
                failed = next((task for task in tasks if _has_failed(task)), None)
        finally:
            await _end(tasks, failed)
        if failed.cancelled():
            raise CancelledInsideError(failed.get_name())
        failed.result()

    async def _until_one_ends_or_comes(self, tasks: list[asyncio.Task[None]]) -> None:
        growth = asyncio.get_running_loop().create_future()
        self._growths.add(growth)
        try:
            running = {task for task in tasks if not task.done()}
            await asyncio.wait({*running, growth}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            self._growths.discard(growth)


async def run_all(runnables: Iterable[Runnable]) -> None:
    """Runs runnables side by side, none of which come later; see `Roster.run`."""
    await Roster(runnables).run()


def _has_failed(task: asyncio.Task[None]) -> bool:
    return task.done() and (task.cancelled() or task.exception() is not None)


async def _end(tasks: Sequence[asyncio.Task[None]], failed: asyncio.Task[None] | None) -> None:
    """Cancels tasks and waits for them; logs what they raise, but for the one whose failure is raised."""
    for task in tasks:
        task.cancel()
    late = asyncio.get_running_loop().call_later(_PATIENCE_SECONDS, _name_unfinished, tasks)
    await _all_ended(tasks)
    late.cancel()
    for task in tasks:
        if task is not failed and not task.cancelled() and (error := task.exception()) is not None:
            text = str(error) or type(error).__name__
            log.error("a part failed at its end", part=task.get_name(), error=text, exc_info=error)


async def _all_ended(tasks: Iterable[asyncio.Task[None]]) -> None:
    while pending := [task for task in tasks if not task.done()]:
        with contextlib.suppress(asyncio.CancelledError):
            await asyncio.wait(pending)


def _name_unfinished(tasks: Iterable[asyncio.Task[None]]) -> None:
    unfinished = sorted(task.get_name() for task in tasks if not task.done())
    if unfinished:
        log.warning("parts were cancelled and take long to end", parts=unfinished)
