"""A source that a test commands, a reconciler that notes its runs, and other parts that tests of controllers share."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable

import pytest

from controller_runtime import metrics
from controller_runtime.apimachinery import NamespacedName
from controller_runtime.controller import Controller, Request, Result
from controller_runtime.workqueue import PriorityQueue

A, B = NamespacedName("ns", "a"), NamespacedName("ns", "b")


class ListSource:
    """Hands fixed requests to the queue and lets a test add more.

    Attributes:
        synced: whether the first state is there.
        queue: of the present term; None between terms.
        started: how many terms it has seen.
        stopped: how many of them have ended.
        failure: what waiting for the first state raises.
    """

    def __init__(self, *requests: Request, synced: bool = True, failure: Exception | None = None) -> None:
        self._requests = requests
        self.synced = asyncio.Event()
        if synced:
            self.synced.set()
        self.queue: PriorityQueue[Request] | None = None
        self.started = 0
        self.stopped = 0
        self.failure = failure

    def start(self, queue: PriorityQueue[Request]) -> ListSource:
        assert self.queue is None, "started twice in one term"
        self.started += 1
        self.queue = queue
        for request in self._requests:
            queue.add(request)
        return self

    async def wait_synced(self) -> None:
        if self.failure is not None:
            raise self.failure
        await self.synced.wait()

    def stop(self) -> None:
        self.queue = None
        self.stopped += 1

    def describe(self) -> str:
        return "list source: the cable is out"


class Recording:
    """A reconciler that notes when it was called with what, and that two runs of one object never overlap."""

    def __init__(self, act: Callable[[Request], Awaitable[Result | None]]) -> None:
        self._act = act
        self.runs: list[tuple[float, Request]] = []
        self.active: Counter[Request] = Counter()
        self.most_at_once = 0

    async def reconcile(self, request: Request) -> Result | None:
        self.runs.append((asyncio.get_running_loop().time(), request))
        self.active[request] += 1
        assert self.active[request] == 1, "the same object is reconciled twice at once"
        self.most_at_once = max(self.most_at_once, self.active.total())
        try:
            return await self._act(request)
        finally:
            self.active[request] -= 1

    def requests(self) -> list[Request]:
        return [request for _, request in self.runs]

    def times(self) -> list[float]:
        return [round(time - self.runs[0][0], 3) for time, _ in self.runs]


async def succeed(request: Request) -> None:
    await asyncio.sleep(1)


async def run_for(seconds: float, controller: Controller) -> None:
    """Runs the controller for so long and ends it."""
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(seconds):
            await controller.start()


def count(name: str, counter: str, **labels: str) -> float:
    """A metric of the controller."""
    return metrics.REGISTRY.get_sample_value(counter, {"controller": name, **labels}) or 0.0
