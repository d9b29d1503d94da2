"""Random operations against a model that is as simple as the rules: a plain list, searched from end to end."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from controller_runtime.workqueue import PriorityQueue, ShutDownError

ITEMS = st.sampled_from("abcdef")
PRIORITIES = st.sampled_from((-100, 0, 0, 0, 5))
DELAYS = st.sampled_from((0, 0, 0, 0.25, 1, 2.5))


class SteppedLoop(asyncio.SelectorEventLoop):
    """An event loop whose clock moves only when the test says so."""

    now = 0.0

    def time(self) -> float:
        return self.now

    def call(self, function: Callable[[], object]) -> None:
        async def call_and_settle() -> None:
            function()
            for _ in range(4):
                await asyncio.sleep(0)

        self.run_until_complete(call_and_settle())


@dataclass
class Pending:
    item: str
    priority: int
    counter: int
    ready_at: float | None


@dataclass
class Model:
    """The rules of section "work queue", with no thought for speed."""

    now: float = 0.0
    counter: int = 0
    pending: list[Pending] = field(default_factory=list)
    locked: set[str] = field(default_factory=set)
    became_ready: int = 0

    def next_counter(self) -> int:
        self.counter += 1
        return self.counter

    def add(self, item: str, after: float, priority: int) -> None:
        ready_at = self.now + after if after > 0 else None
        known = next((entry for entry in self.pending if entry.item == item), None)
        if known is None:
            self.pending.append(Pending(item, priority, self.next_counter(), ready_at))
            self.became_ready += ready_at is None
            return
        if priority > known.priority:
            known.priority, known.counter = priority, self.next_counter()
        if known.ready_at is not None:
            self.became_ready += ready_at is None
            known.ready_at = None if ready_at is None else min(ready_at, known.ready_at)

    def advance(self, seconds: float) -> None:
        self.now += seconds
        due = [entry for entry in self.pending if entry.ready_at is not None and entry.ready_at <= self.now]
        for entry in sorted(due, key=lambda entry: (entry.ready_at, -entry.priority, entry.counter)):
            entry.ready_at, entry.counter = None, self.next_counter()
            self.became_ready += 1

    def ready(self) -> list[Pending]:
        return [entry for entry in self.pending if entry.ready_at is None]

    def take(self) -> tuple[str, int] | None:
        free = [entry for entry in self.ready() if entry.item not in self.locked]
        if not free:
            return None
        best = min(free, key=lambda entry: (-entry.priority, entry.counter))
        self.pending.remove(best)
        self.locked.add(best.item)
        return best.item, best.priority


class PriorityQueueMachine(RuleBasedStateMachine):
    """What the queue hands out must be what the model hands out, to the worker that has waited longest."""

    @initialize()
    def start(self) -> None:
        self.loop = SteppedLoop()
        self.queue: PriorityQueue[str] = PriorityQueue("model")
        self.model = Model()
        self.workers: list[asyncio.Task[tuple[str, int]]] = []
        self.taken = 0

    def step(self, function: Callable[[], object]) -> None:
        """Does something to the queue; afterwards the waiting workers hold what the model says, in their order."""
        self.loop.call(function)
        while self.workers and (expected := self.model.take()) is not None:
            worker = self.workers.pop(0)
            assert worker.done(), f"the queue withholds {expected}"
            assert worker.result() == expected
            self.taken += 1
        assert not any(worker.done() for worker in self.workers), "the queue handed out what is not free"

    @rule(item=ITEMS, after=DELAYS, priority=PRIORITIES)
    def add(self, item: str, after: float, priority: int) -> None:
        self.model.add(item, after, priority)
        self.step(lambda: self.queue.add(item, after=after, priority=priority))

    @rule()
    def start_worker(self) -> None:
        worker = self.loop.create_task(self.queue.get())
        self.workers.append(worker)
        self.step(lambda: None)

    @precondition(lambda self: self.workers)
    @rule(data=st.data())
    def cancel_worker(self, data: st.DataObject) -> None:
        worker = self.workers.pop(data.draw(st.integers(0, len(self.workers) - 1)))
        self.step(worker.cancel)
        assert worker.cancelled()

    @precondition(lambda self: self.workers)
    @rule(item=ITEMS, priority=PRIORITIES, cancel_first=st.booleans())
    def add_and_cancel_at_once(self, item: str, priority: int, cancel_first: bool) -> None:
        worker = self.workers.pop(0)

        def both() -> None:
            if cancel_first:
                worker.cancel()
            self.queue.add(item, priority=priority)
            worker.cancel()

        self.model.add(item, 0, priority)
        self.step(both)
        assert worker.cancelled()

    @precondition(lambda self: self.model.locked)
    @rule(data=st.data())
    def done(self, data: st.DataObject) -> None:
        item = data.draw(st.sampled_from(sorted(self.model.locked)))
        self.model.locked.remove(item)
        self.step(lambda: self.queue.done(item))

    @rule(seconds=st.sampled_from((0.25, 1, 5)))
    def advance(self, seconds: float) -> None:
        self.model.advance(seconds)
        self.loop.now += seconds
        self.step(lambda: None)

    @invariant()
    def nothing_is_lost_and_nothing_made_up(self) -> None:
        assert len(self.queue) == len(self.model.ready()) == self.model.became_ready - self.taken

    def teardown(self) -> None:
        if not hasattr(self, "loop"):
            return
        self.loop.call(self.queue.shut_down)
        ends = [worker.exception() if worker.done() else None for worker in self.workers]
        self.loop.close()
        assert all(isinstance(end, ShutDownError) for end in ends)


TestPriorityQueueModel = PriorityQueueMachine.TestCase
TestPriorityQueueModel.settings = settings(max_examples=200, stateful_step_count=60, deadline=None, database=None)
