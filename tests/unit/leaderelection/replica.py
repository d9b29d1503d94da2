"""A replica under test: an elector on its own line, with work that notes when it ran."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

from controller_runtime.leaderelection import LeaderElection, LeaderElector
from tests.unit.leaderelection.lease_api import LEASE_NAME, LeaseApi, Line


@dataclass
class Work:
    """Leader's work that runs until it is cancelled and then takes its time to end."""

    cleanup: float = 0.0
    """Seconds from the cancellation to the end."""
    failure: Exception | None = None
    """Raised at the end of the clean-up, or at once with `fail`."""
    started: list[float] = field(default_factory=list)
    cancelled: list[float] = field(default_factory=list)
    ended: list[float] = field(default_factory=list)
    running: asyncio.Event = field(default_factory=asyncio.Event)
    fail: asyncio.Event = field(default_factory=asyncio.Event)
    """Set to make the work end by itself."""

    async def __call__(self) -> None:
        """Runs."""
        self.started.append(_now())
        self.running.set()
        try:
            await self.fail.wait()
            self.fail.clear()
            if self.failure:
                raise self.failure
        except asyncio.CancelledError:
            self.cancelled.append(_now())
            await asyncio.sleep(self.cleanup)
            if self.failure:
                raise self.failure from None
            raise
        finally:
            self.running.clear()
            self.ended.append(_now())


class Replica:
    """An elector that runs as a task."""

    def __init__(self, api: LeaseApi, identity: str, clock: Callable[[], float] | None = None, **options: Any) -> None:
        recorder = options.pop("recorder", None)
        self.line = Line(api)
        self.work = Work()
        clock = clock or asyncio.get_running_loop().time
        self.options = LeaderElection(name=LEASE_NAME, namespace="lab", identity=identity, clock=clock, **options)
        self.elector = LeaderElector(self.line.client, self.options, recorder=recorder)
        self.task: asyncio.Task[None] | None = None

    def start(self, work: Callable[[], Awaitable[None]] | None = None) -> asyncio.Task[None]:
        """Takes part from now on."""
        self.task = asyncio.create_task(self.elector.run(work or self.work))
        return self.task

    async def leads(self) -> None:
        """Waits until the work runs."""
        await self.work.running.wait()

    def crash(self) -> None:
        """The process is gone as far as others can tell: nothing it sends arrives any more."""
        self.line.cut = True

    async def kill(self) -> None:
        """Ends the task without waiting for anything: fixtures are torn down in real time."""
        self.line.delay, self.line.refused = lambda: 0, True
        self.work.cleanup = 0
        if self.task is not None and not self.task.done():
            await self.stop()

    async def stop(self) -> None:
        """Cancels the elector and waits for its end."""
        assert self.task is not None
        self.task.cancel()
        await asyncio.wait({self.task})


def _now() -> float:
    return asyncio.get_running_loop().time()
