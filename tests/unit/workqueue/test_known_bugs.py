"""What went wrong once in controller-runtime's priority queue, or in client-go's queues, and does not here.

Each test is named after the invariant that was broken; its docstring names the issue or the pull request that mended
it. Bugs of rate limiters are in test_rate_limiter.py.
"""

from __future__ import annotations

import asyncio
import contextvars
import gc
import random
import uuid
import weakref
from collections.abc import Callable
from typing import Any, TypeVarTuple, Unpack

import pytest

from controller_runtime.metrics import REGISTRY
from controller_runtime.workqueue import (
    LOW_PRIORITY,
    ItemExponentialFailureRateLimiter,
    PriorityQueue,
    ShutDownError,
)

Args = TypeVarTuple("Args")


@pytest.fixture
def queue() -> PriorityQueue[str]:
    return PriorityQueue(f"known-bugs-{uuid.uuid4()}")


def sample(queue: PriorityQueue[Any], name: str, **labels: str) -> float | None:
    return REGISTRY.get_sample_value(f"workqueue_{name}", {"name": queue.name, "controller": queue.name, **labels})


def depth(queue: PriorityQueue[Any], priority: object = 0) -> float | None:
    return sample(queue, "depth", priority=str(priority))


@pytest.mark.looptime
async def test_metrics_count_an_item_from_when_it_is_ready(queue: PriorityQueue[str]) -> None:
    """controller-runtime#3060: items that waited for their time were counted in depth and adds."""
    queue.add("a", after=10)
    assert (depth(queue), sample(queue, "adds_total")) == (None, 0)
    await asyncio.sleep(10)
    assert (depth(queue), sample(queue, "adds_total")) == (1, 1)


async def test_depth_is_never_negative_when_a_waiting_item_is_added_without_delay(queue: PriorityQueue[str]) -> None:
    """controller-runtime#3066: it was not counted when it became ready, and depth fell to -1 when it was taken."""
    queue.add("a", after=10)
    queue.add("a")
    assert depth(queue) == 1
    await queue.get()
    assert (depth(queue), sample(queue, "adds_total")) == (0, 1)


@pytest.mark.looptime
async def test_depth_counts_an_item_once_that_is_added_again_after_its_time_came(queue: PriorityQueue[str]) -> None:
    """controller-runtime#3085: it was counted when its time came, and again by the add."""
    queue.add("a", after=10)
    await asyncio.sleep(20)
    queue.add("a")
    assert (depth(queue), sample(queue, "adds_total")) == (1, 1)
    await queue.get()
    assert depth(queue) == 0


async def test_depth_moves_with_an_item_that_becomes_ready_and_urgent_at_once(queue: PriorityQueue[str]) -> None:
    """controller-runtime#3066 with priorities: depth was taken from one under which nothing had been counted."""
    queue.add("a", after=10, priority=LOW_PRIORITY)
    queue.add("a", priority=5)
    await queue.get()
    assert (depth(queue, LOW_PRIORITY), depth(queue, 5)) == (None, 0)


async def test_priorities_without_end_leave_25_series_of_depth(queue: PriorityQueue[str]) -> None:
    """controller-runtime#3396: each priority left a series, 810,000 in the end, and scrapes timed out."""
    for priority in range(1000):
        queue.add("a", priority=priority)
        queue.done((await queue.get())[0])
    series = [line for metric in REGISTRY.collect() for line in metric.samples if line.name == "workqueue_depth"]
    assert len([line for line in series if line.labels["name"] == queue.name]) == 26
    assert (depth(queue, 24), depth(queue, 25), depth(queue, "exceeded_cardinality_limit")) == (0, None, 0)


async def test_depth_is_taken_from_the_series_in_which_it_was_counted(queue: PriorityQueue[str]) -> None:
    """What is left of controller-runtime#3396: the shared series is negative and old ones never fall.

    There every priority goes by the shared series once there are more than 25, those too that were counted before.
    """
    for priority in range(30):
        queue.add(f"item-{priority}", priority=priority)
    for _ in range(30):
        await queue.get()
    assert {depth(queue, priority) for priority in range(25)} == {0}
    assert depth(queue, "exceeded_cardinality_limit") == 0


async def test_ages_of_running_work_go_on_after_shut_down() -> None:
    """In the original they are set twice a second until shut-down; then a stuck worker looks as young as it was."""
    times = iter(range(100))
    queue = PriorityQueue[str](f"known-bugs-{uuid.uuid4()}", clock=lambda: next(times))
    queue.add("stuck")
    await queue.get()
    queue.shut_down()
    ages = [sample(queue, "longest_running_processor_seconds") or 0 for _ in range(2)]
    assert ages[1] > ages[0] > 0
    queue.done("stuck")
    assert sample(queue, "longest_running_processor_seconds") == 0


async def test_depth_is_zero_after_shut_down(queue: PriorityQueue[str]) -> None:
    """In the original the dropped items stay in the gauge for as long as the process runs."""
    queue.add("a")
    queue.add("b", priority=LOW_PRIORITY)
    queue.shut_down()
    assert (depth(queue), depth(queue, LOW_PRIORITY)) == (0, 0)


@pytest.mark.looptime
async def test_the_delay_of_an_item_is_its_own() -> None:
    """controller-runtime#3103: the rate limiter's delay for one item became the longest one for the next."""
    queue = PriorityQueue[str]("own-delays", rate_limiter=ItemExponentialFailureRateLimiter(base=1))
    queue.add("a", rate_limited=True)
    for _ in range(3):
        queue.add("b", after=50, rate_limited=True)
        queue.add("c", after=3, rate_limited=True)
    times = {}
    for _ in range(3):
        item, _priority = await queue.get()
        times[item] = asyncio.get_running_loop().time()
    assert times == {"a": 1, "b": 1, "c": 1}
    for item in times:
        queue.done(item)
    queue.add("b", rate_limited=True)
    queue.add("a", rate_limited=True)
    assert [(await queue.get())[0] for _ in range(2)] == ["a", "b"]
    assert asyncio.get_running_loop().time() == 9


@pytest.mark.looptime
async def test_an_urgent_item_that_was_delayed_goes_before_ready_ones(queue: PriorityQueue[str]) -> None:
    """controller-runtime#3330: items were sorted by ready time first, so requeued ones came after all ready ones."""
    queue.add("urgent", after=1)
    for item in "abc":
        queue.add(item, priority=LOW_PRIORITY)
    await asyncio.sleep(2)
    assert await queue.get() == ("urgent", 0)


async def test_a_worker_gets_the_most_urgent_item_of_those_that_are_there(queue: PriorityQueue[str]) -> None:
    """controller-runtime#3363: a worker that came while items were added or walked through got a lower one."""
    worker = asyncio.create_task(queue.get())
    await asyncio.sleep(0)
    queue.add("low", priority=LOW_PRIORITY)
    queue.add("normal")
    queue.add("urgent", priority=1)
    assert await worker == ("urgent", 1)
    assert await queue.get() == ("normal", 0)


async def test_a_raised_item_comes_after_those_that_had_the_priority_before(queue: PriorityQueue[str]) -> None:
    """controller-runtime#3408: it kept its old turn, and so overtook them."""
    queue.add("a", priority=LOW_PRIORITY)
    queue.add("b")
    queue.add("c", priority=LOW_PRIORITY)
    queue.add("d")
    queue.add("c")
    queue.add("a")
    assert [(await queue.get())[0] for _ in range(4)] == ["b", "d", "c", "a"]


async def test_an_event_lifts_an_item_of_the_first_list_over_those_that_starve_it(queue: PriorityQueue[str]) -> None:
    """controller-runtime#3496: under steady load nothing of low priority is ever taken.

    So it is here. An event helps, and so does `Result.priority`, by which a controller makes its own load low as well;
    `ControllerBuilder.with_low_priority` makes the first list as urgent as the load.
    """
    queue.add("starving", priority=LOW_PRIORITY)
    queue.add("load")
    for _ in range(100):
        item, _priority = await queue.get()
        assert item == "load"
        queue.add(item)
        queue.done(item)
    queue.add("starving")
    assert [(await queue.get())[0] for _ in range(2)] == ["load", "starving"]


async def test_get_after_shut_down_never_waits(queue: PriorityQueue[str]) -> None:
    """controller-runtime#3239, #3250: the first get brought an item that was left, and the second hung."""
    queue.add("a")
    queue.shut_down()
    queue.add("b")
    for _ in range(3):
        with pytest.raises(ShutDownError):
            await asyncio.wait_for(queue.get(), timeout=1)


async def test_a_waiting_get_ends_when_the_queue_is_shut_down(queue: PriorityQueue[str]) -> None:
    """controller-runtime#3337: it waited on, and the manager could not stop."""
    workers = [asyncio.create_task(queue.get()) for _ in range(3)]
    await asyncio.sleep(0)
    queue.shut_down()
    ends = await asyncio.gather(*workers, return_exceptions=True)
    assert [type(end) for end in ends] == [ShutDownError] * 3


@pytest.mark.parametrize("seed", range(20))
async def test_shut_down_under_load_ends_every_worker(seed: int) -> None:
    """controller-runtime#3538, #3540: an item was handed to a worker that had just left, under a lock, for ever."""
    queue, choose = PriorityQueue[int]("shut-down-under-load"), random.Random(seed)

    async def work() -> None:
        while True:
            queue.add(choose.randrange(1000), priority=choose.randrange(1000), after=choose.choice((0, 0, 1e-6)))
            item, _ = await queue.get()
            await asyncio.sleep(0)
            queue.done(item)

    workers = [asyncio.create_task(work()) for _ in range(20)]
    for _ in range(choose.randrange(50)):
        await asyncio.sleep(0)
    queue.shut_down()
    ends = await asyncio.wait_for(asyncio.gather(*workers, return_exceptions=True), timeout=5)
    assert {type(end) for end in ends} == {ShutDownError}


async def test_shut_down_may_be_called_twice(queue: PriorityQueue[str]) -> None:
    """kubernetes#77170, and controller-runtime to this day: a closed channel is closed again, which is a panic."""
    queue.shut_down()
    queue.shut_down()
    assert queue.is_shut_down


def test_a_queue_that_nobody_uses_starts_nothing() -> None:
    """controller-runtime#649: a queue that was made and never shut down leaked its goroutines."""
    queue = PriorityQueue[str]("unused")
    alive = weakref.ref(queue)
    del queue
    gc.collect()
    assert alive() is None


class CountingLoop(asyncio.SelectorEventLoop):
    """Remembers the timers that were set."""

    def __init__(self) -> None:
        super().__init__()
        self.timers: list[asyncio.TimerHandle] = []

    def call_at(
        self,
        when: float,
        callback: Callable[[Unpack[Args]], object],
        *args: *Args,
        context: contextvars.Context | None = None,
    ) -> asyncio.TimerHandle:
        self.timers.append(super().call_at(when, callback, *args, context=context))
        return self.timers[-1]


def test_one_timer_serves_all_that_wait() -> None:
    """kubernetes#83895: timers for a far future piled up, one for each time that the queue looked."""
    loop = CountingLoop()

    async def add_sooner_and_sooner() -> None:
        queue = PriorityQueue[int]("one-timer")
        for number in range(1000):
            queue.add(number, after=10_000 - number)
        for number in range(1000, 2000):
            queue.add(number, after=20_000 + number)
        assert sum(not timer.cancelled() for timer in loop.timers) == 1
        queue.shut_down()
        assert all(timer.cancelled() for timer in loop.timers)

    loop.run_until_complete(add_sooner_and_sooner())
    loop.close()


class Key:
    """A key that can be looked for after it was used."""


@pytest.mark.looptime
async def test_an_item_that_is_done_is_not_kept_in_memory() -> None:
    """kubernetes#104991, #105031: the array under the queue went on holding what had been taken from it."""
    queue = PriorityQueue[Key]("keys")
    alive = []
    for number in range(10):
        key = Key()
        alive.append(weakref.ref(key))
        queue.add(key, after=number % 3)
        queue.add(key, after=number % 2, priority=number)
    del key
    for _ in range(10):
        queue.done((await queue.get())[0])
    waiting = asyncio.create_task(queue.get())
    await asyncio.sleep(10)
    assert [one() for one in alive] == [None] * 10
    queue.shut_down()
    await asyncio.wait([waiting])
    assert isinstance(waiting.exception(), ShutDownError)


async def test_done_for_an_item_that_is_not_being_worked_on_changes_nothing(queue: PriorityQueue[str]) -> None:
    """kubernetes#141079: it put an item that was added again into the queue a second time."""
    queue.add("a")
    queue.done((await queue.get())[0])
    queue.add("a")
    with pytest.raises(ValueError, match="without a get"):
        queue.done("a")
    assert (len(queue), await queue.get()) == (1, ("a", 0))
    assert len(queue) == 0


@pytest.mark.looptime
async def test_a_mass_of_items_that_is_due_at_once_leaves_the_event_loop_to_others(queue: PriorityQueue[str]) -> None:
    """controller-runtime#3415: whoever adds had to wait until all ready items had been looked at, 10 ms and more."""
    for number in range(3500):
        queue.add(f"item-{number}", after=1)
    await asyncio.sleep(1)
    sizes = [len(queue)]
    while len(queue) < 3500:
        await asyncio.sleep(0)
        sizes.append(len(queue))
    assert max(after - before for before, after in zip([0, *sizes], sizes, strict=False)) <= 1000
    assert asyncio.get_running_loop().time() == 1
    assert [(await queue.get())[0] for _ in range(3500)] == [f"item-{number}" for number in range(3500)]
