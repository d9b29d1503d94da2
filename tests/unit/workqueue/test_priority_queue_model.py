"""Random operations against a model that is as simple as the rules: a plain list, searched from end to end."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field

from hypothesis import Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule
from prometheus_client.metrics import MetricWrapperBase

from controller_runtime import metrics
from controller_runtime.workqueue import ItemExponentialFailureRateLimiter, PriorityQueue, QueueSnapshot, ShutDownError

NAME = "model"
LEVELS = (-100, 0, 5)
ITEMS = st.sampled_from("abcdef")
PRIORITIES = st.sampled_from((-100, 0, 0, 0, 5))
DELAYS = st.sampled_from((0, 0, 0, -1, 0.25, 1, 2.5))
BASE, MAXIMUM = 0.5, 4.0


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
    ready_since: float


@dataclass
class Model:
    """The rules of the package, with no thought for speed."""

    now: float = 0.0
    counter: int = 0
    pending: list[Pending] = field(default_factory=list)
    processing: dict[str, float] = field(default_factory=dict)
    """Items that were handed out, and since when."""
    held: set[str] = field(default_factory=set)
    """Items on which the work has ended, but not the lock."""
    failures: Counter[str] = field(default_factory=Counter)
    is_shut_down: bool = False
    added: int = 0
    """Items that became ready by an add."""
    requeued: int = 0
    """Items that became ready because their time came."""
    taken: int = 0
    dropped: int = 0
    retries: int = 0
    waited: float = 0.0
    done_count: int = 0
    worked: float = 0.0

    def next_counter(self) -> int:
        self.counter += 1
        return self.counter

    def add(self, item: str, after: float, priority: int, *, rate_limited: bool = False) -> None:
        if self.is_shut_down:
            return
        if rate_limited:
            limit = min(BASE * 2 ** self.failures[item], MAXIMUM)
            self.failures[item] += 1
            after = min(limit, after) if after > 0 else limit
        self.retries += after > 0
        ready_at = self.now + after if after > 0 else None
        known = next((entry for entry in self.pending if entry.item == item), None)
        if known is None:
            self.pending.append(Pending(item, priority, self.next_counter(), ready_at, self.now))
            self.added += ready_at is None
            return
        if priority > known.priority:
            known.priority, known.counter = priority, self.next_counter()
        if known.ready_at is not None:
            self.added += ready_at is None
            known.ready_at = None if ready_at is None else min(ready_at, known.ready_at)
            known.ready_since = self.now

    def advance(self, seconds: float) -> None:
        self.now += seconds
        due = [entry for entry in self.pending if entry.ready_at is not None and entry.ready_at <= self.now]
        for entry in sorted(due, key=lambda entry: (entry.ready_at, -entry.priority, entry.counter)):
            entry.ready_at, entry.counter, entry.ready_since = None, self.next_counter(), self.now
            self.requeued += 1

    def locked(self) -> list[str]:
        return sorted(self.held | self.processing.keys())

    def ready(self) -> list[Pending]:
        return [entry for entry in self.pending if entry.ready_at is None]

    def take(self) -> tuple[str, int] | None:
        free = [entry for entry in self.ready() if entry.item not in self.locked()]
        if not free:
            return None
        best = min(free, key=lambda entry: (-entry.priority, entry.counter))
        self.pending.remove(best)
        self.processing[best.item] = self.now
        self.taken += 1
        self.waited += self.now - best.ready_since
        return best.item, best.priority

    def hold(self, item: str) -> None:
        self.worked += self.now - self.processing.pop(item)
        self.done_count += 1
        self.held.add(item)

    def done(self, item: str) -> None:
        if item not in self.held:
            self.hold(item)
        self.held.remove(item)

    def shut_down(self) -> None:
        self.is_shut_down = True
        self.dropped += len(self.ready())
        self.pending.clear()

    def series(self) -> dict[str, float]:
        """What the metrics have to say."""
        ages = [self.now - since for since in self.processing.values()]
        depths = Counter(entry.priority for entry in self.ready())
        return {
            **{f"depth {level}": depths[level] for level in LEVELS},
            "adds": self.added + self.requeued,
            "retries": self.retries,
            "queue_duration count": self.taken,
            "queue_duration sum": self.waited,
            "work_duration count": self.done_count,
            "work_duration sum": self.worked,
            "unfinished": sum(ages),
            "longest": max(ages, default=0),
        }


_GAUGES = {"unfinished": metrics.WORKQUEUE_UNFINISHED, "longest": metrics.WORKQUEUE_LONGEST_RUNNING}
_COUNTERS = {"adds": metrics.WORKQUEUE_ADDS, "retries": metrics.WORKQUEUE_RETRIES}
_HISTOGRAMS = {
    "queue_duration": metrics.WORKQUEUE_QUEUE_DURATION,
    "work_duration": metrics.WORKQUEUE_WORK_DURATION,
}


def read_series() -> dict[str, float]:
    """The metrics of all queues of that name so far, read as Prometheus does."""
    found = {}
    for level in LEVELS:
        found[f"depth {level}"] = samples(metrics.WORKQUEUE_DEPTH.labels(NAME, NAME, str(level)))[""]
    for name, metric in {**_GAUGES, **_COUNTERS}.items():
        found[name] = samples(metric.labels(NAME, NAME))["_total" if name in _COUNTERS else ""]
    for name, histogram in _HISTOGRAMS.items():
        read = samples(histogram.labels(NAME, NAME))
        found[f"{name} count"], found[f"{name} sum"] = read["_count"], read["_sum"]
    return found


def samples(series: MetricWrapperBase) -> dict[str, float]:
    """Its samples by the suffix of their names; of a histogram's buckets, one."""
    (metric,) = series.collect()
    return {sample.name.removeprefix(metric.name): sample.value for sample in metric.samples}


class PriorityQueueMachine(RuleBasedStateMachine):
    """What the queue hands out must be what the model hands out, as soon as there is a worker for it."""

    @initialize()
    def start(self) -> None:
        self.loop = SteppedLoop()
        self.counted_before = {name: value for name, value in read_series().items() if name not in _GAUGES}
        self.queue: PriorityQueue[str] = PriorityQueue(
            NAME,
            rate_limiter=ItemExponentialFailureRateLimiter(base=BASE, maximum=MAXIMUM),
            clock=self.loop.time,
        )
        self.model = Model()
        self.workers: list[asyncio.Task[tuple[str, int]]] = []

    def step(self, function: Callable[[], object]) -> None:
        """Does something to the queue; afterwards the workers that are free have got what the model says."""
        self.loop.call(function)
        taken = [worker.result() for worker in self.workers if worker.done() and worker.exception() is None]
        expected: list[tuple[str, int]] = []
        while len(expected) < len(self.workers) and (best := self.model.take()) is not None:
            expected.append(best)
        assert sorted(taken) == sorted(expected)
        assert all(worker.done() for worker in self.workers) or not self.model.is_shut_down, "a worker hangs"
        failed = [worker.exception() for worker in self.workers if worker.done() and worker.exception() is not None]
        assert not failed or self.model.is_shut_down
        assert all(isinstance(error, ShutDownError) for error in failed)
        self.workers = [worker for worker in self.workers if not worker.done()]

    def start_get(self) -> None:
        self.workers.append(self.loop.create_task(self.queue.get()))

    @rule(item=ITEMS, after=DELAYS, priority=PRIORITIES, rate_limited=st.booleans())
    def add(self, item: str, after: float, priority: int, rate_limited: bool) -> None:
        self.model.add(item, after, priority, rate_limited=rate_limited)
        self.step(lambda: self.queue.add(item, after=after, priority=priority, rate_limited=rate_limited))

    @precondition(lambda self: len(self.workers) < 3)  # with more of them there would hardly ever be a queue
    @rule(adds=st.lists(st.tuples(ITEMS, DELAYS, PRIORITIES), max_size=6), workers=st.integers(0, 2))
    def add_many_while_workers_come(self, adds: list[tuple[str, float, int]], workers: int) -> None:
        for item, after, priority in adds:
            self.model.add(item, after, priority)

        def all_at_once() -> None:
            for _ in range(workers):
                self.start_get()
            for item, after, priority in adds:
                self.queue.add(item, after=after, priority=priority)

        self.step(all_at_once)

    @precondition(lambda self: len(self.workers) < 3)
    @rule()
    def start_worker(self) -> None:
        self.step(self.start_get)

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

    @precondition(lambda self: self.model.processing)
    @rule(data=st.data())
    def hold(self, data: st.DataObject) -> None:
        item = data.draw(st.sampled_from(sorted(self.model.processing)))
        self.model.hold(item)
        self.step(lambda: self.queue.hold(item))

    @precondition(lambda self: self.model.locked())
    @rule(data=st.data())
    def done(self, data: st.DataObject) -> None:
        item = data.draw(st.sampled_from(self.model.locked()))
        self.model.done(item)
        self.step(lambda: self.queue.done(item))

    @precondition(lambda self: self.model.locked() and self.workers)
    @rule(data=st.data())
    def done_and_cancel_at_once(self, data: st.DataObject) -> None:
        item = data.draw(st.sampled_from(self.model.locked()))
        worker = self.workers.pop(0)
        self.model.done(item)

        def both() -> None:
            self.queue.done(item)
            worker.cancel()

        self.step(both)
        assert worker.cancelled()

    @rule(item=ITEMS)
    def forget(self, item: str) -> None:
        del self.model.failures[item]
        self.step(lambda: self.queue.forget(item))

    @rule(seconds=st.sampled_from((0.25, 1, 5)))
    def advance(self, seconds: float) -> None:
        self.model.advance(seconds)
        self.loop.now += seconds
        self.step(lambda: None)

    @precondition(lambda self: self.model.counter > 10)
    @rule(adds=st.lists(ITEMS, max_size=2))
    def shut_down_between_adds(self, adds: list[str]) -> None:
        def all_at_once() -> None:
            for item in adds:
                self.queue.add(item)
            self.queue.shut_down()
            self.queue.add("f")

        for item in adds:
            self.model.add(item, 0, 0)
        self.model.shut_down()
        self.step(all_at_once)

    @invariant()
    def nothing_is_lost_and_nothing_made_up(self) -> None:
        model = self.model
        assert len(self.queue) == model.added - model.taken + model.requeued - model.dropped == len(model.ready())

    @invariant()
    def a_snapshot_shows_what_there_is(self) -> None:
        async def look() -> QueueSnapshot[str]:
            return self.queue.snapshot()

        found, model = self.loop.run_until_complete(look()), self.model
        assert found.depth == Counter(entry.priority for entry in model.ready())
        waiting = [(entry.ready_at - model.now, entry.item) for entry in model.pending if entry.ready_at is not None]
        assert sorted((left, item) for item, left, _ in found.waiting) == sorted(waiting)
        assert dict(found.processing) == {item: model.now - since for item, since in model.processing.items()}
        assert sorted(found.held) == sorted(model.held)

    @invariant()
    def metrics_tell_the_same(self) -> None:
        now = {name: value - self.counted_before.get(name, 0) for name, value in read_series().items()}
        assert now == self.model.series()

    @invariant()
    def failures_count_until_they_are_forgotten(self) -> None:
        assert {item: self.queue.num_requeues(item) for item in "abcdef"} == {
            item: self.model.failures[item] for item in "abcdef"
        }

    def teardown(self) -> None:
        if not hasattr(self, "loop"):
            return
        self.loop.call(lambda: [worker.cancel() for worker in self.workers])
        self.queue.shut_down()
        self.loop.close()


TestPriorityQueueModel = PriorityQueueMachine.TestCase
TestPriorityQueueModel.settings = settings(
    max_examples=100,
    stateful_step_count=60,
    deadline=None,
    database=None,
    phases=(Phase.generate, Phase.shrink),  # to explain a failure would take longer than the time limit of a test
)
