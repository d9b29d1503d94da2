"""Runnables and the groups in which a manager starts and stops them."""

from __future__ import annotations

import asyncio
import enum
from collections.abc import Callable, Iterable
from typing import Protocol

import structlog

log = structlog.get_logger(__name__)


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
            task = asyncio.create_task(runnable.start(), name=f"runnable/{type(runnable).__name__}")
            self._tasks.add(task)
            task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[None]) -> None:
        if task.cancelled():
            if not self._stopping:
                self._on_failure(CancelledInsideError(task.get_name()))
        elif (error := task.exception()) is not None:
            self._on_failure(error)

    async def stop(self, until: float) -> list[str]:
        """Cancels the tasks and waits for them.

        Args:
            until: loop time after which it waits no longer.

        Returns:
            The names of the tasks that have not ended by then.
        """
        self._stopping = True
        pending = {task for task in self._tasks if not task.done()}
        for task in pending:
            task.cancel()
        if pending:
            left = max(0.0, until - asyncio.get_running_loop().time())
            _, pending = await asyncio.wait(pending, timeout=left)
        return sorted(task.get_name() for task in pending)


async def run_all(runnables: Iterable[Runnable]) -> None:
    """Runs runnables side by side until cancelled, or until one fails, whose exception it raises.

    Either way all of them have ended when it returns; what the others raise at their end is logged.

    Raises:
        CancelledInsideError: one was cancelled by itself.
        Exception: what the first one that failed raised.
    """
    tasks = [asyncio.create_task(r.start(), name=f"runnable/{type(r).__name__}") for r in runnables]
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
        await asyncio.gather(*tasks, return_exceptions=True)
        for task in tasks:
            if task is not failed and not task.cancelled() and (error := task.exception()) is not None:
                log.error("a part failed at its end", part=task.get_name(), error=str(error) or type(error).__name__)
    assert failed is not None
    if failed.cancelled():
        raise CancelledInsideError(failed.get_name())
    failed.result()
