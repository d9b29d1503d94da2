"""Runnables and the groups in which a manager starts and stops them."""

from __future__ import annotations

import asyncio
import contextlib
import enum
from collections.abc import Callable, Iterable
from typing import Any, Protocol

import structlog

log = structlog.get_logger(__name__)

_PATIENCE_SECONDS = 3.0  # less than leader's work may take to end once the lease is lost


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
    LEADER = "leader"
    """Runs only while this replica leads."""


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


class RunningGroup:
    """The tasks of one group."""

    def __init__(self, runnables: Iterable[Runnable], on_failure: Callable[[BaseException], None]) -> None:
        """Starts a task per runnable; `on_failure` is called with the exception of each one that fails."""
        self._on_failure = on_failure
        self._stopping = False
        self._tasks: set[asyncio.Task[None]] = set()
        for runnable in runnables:
            task = _start(runnable)
            self._tasks.add(task)
            task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[None]) -> None:
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
            if left == 0 or (hurry is not None and hurry.done()):
                break
        return sorted(task.get_name() for task in pending)


async def run_all(runnables: Iterable[Runnable]) -> None:
    """Runs runnables side by side until cancelled, or until one fails, whose exception it raises.

    Either way all of them have ended when it returns, however often it is cancelled: the elector goes by that when it
    gives the lease up. What the others raise at their end is logged, and so is which of them take long to end.

    Raises:
        CancelledInsideError: one was cancelled by itself.
        Exception: what the first one that failed raised.
    """
    tasks = [_start(runnable) for runnable in runnables]
    failed: asyncio.Task[None] | None = None
    try:
        running = set(tasks)
        while running:
            done, running = await asyncio.wait(running, return_when=asyncio.FIRST_COMPLETED)
            failed = next((task for task in done if task.cancelled() or task.exception() is not None), None)
            if failed is not None:
                break
        else:
            await asyncio.get_running_loop().create_future()
    finally:
        for task in tasks:
            task.cancel()
        late = asyncio.get_running_loop().call_later(_PATIENCE_SECONDS, _name_unfinished, tasks)
        await _all_ended(tasks)
        late.cancel()
        for task in tasks:
            if task is not failed and not task.cancelled() and (error := task.exception()) is not None:
                text = str(error) or type(error).__name__
                log.error("a part failed at its end", part=task.get_name(), error=text, exc_info=error)
    assert failed is not None
    if failed.cancelled():
        raise CancelledInsideError(failed.get_name())
    failed.result()


async def _all_ended(tasks: Iterable[asyncio.Task[None]]) -> None:
    while pending := [task for task in tasks if not task.done()]:
        with contextlib.suppress(asyncio.CancelledError):
            await asyncio.wait(pending)


def _name_unfinished(tasks: Iterable[asyncio.Task[None]]) -> None:
    unfinished = sorted(task.get_name() for task in tasks if not task.done())
    if unfinished:
        log.warning("parts were cancelled and take long to end", parts=unfinished)
