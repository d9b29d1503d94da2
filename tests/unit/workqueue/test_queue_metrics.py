"""The series of a queue, read back from the registry as Prometheus would."""

from __future__ import annotations

import asyncio
import gc
import uuid
import weakref

import pytest

from controller_runtime.metrics import REGISTRY
from controller_runtime.workqueue import LOW_PRIORITY, PriorityQueue


class ManualClock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def queue(clock: ManualClock) -> PriorityQueue[str]:
    return PriorityQueue(f"metrics-{uuid.uuid4()}", clock=clock)


def sample(queue: PriorityQueue[str], name: str, **labels: str) -> float | None:
    return REGISTRY.get_sample_value(f"workqueue_{name}", {"name": queue.name, "controller": queue.name, **labels})


async def test_depth_counts_ready_items_by_priority(queue: PriorityQueue[str]) -> None:
    queue.add("a")
    queue.add("b", priority=LOW_PRIORITY)
    queue.add("c", priority=LOW_PRIORITY)
    queue.add("d", after=100)
    assert sample(queue, "depth", priority="0") == 1
    assert sample(queue, "depth", priority="-100") == 2
    queue.add("b")
    assert sample(queue, "depth", priority="0") == 2
    assert sample(queue, "depth", priority="-100") == 1
    await queue.get()
    assert sample(queue, "depth", priority="0") == 1
    queue.shut_down()
    assert sample(queue, "depth", priority="0") == 0
    assert sample(queue, "depth", priority="-100") == 0


async def test_depth_follows_an_item_that_was_raised_while_it_waited(queue: PriorityQueue[str]) -> None:
    queue.add("a", after=100)
    queue.add("a", after=100, priority=5)
    queue.add("a")
    assert sample(queue, "depth", priority="0") is None
    assert sample(queue, "depth", priority="5") == 1


async def test_depth_of_priorities_beyond_the_limit_shares_one_series(queue: PriorityQueue[str]) -> None:
    for priority in range(40):
        queue.add(f"item-{priority}", priority=priority)
    assert sample(queue, "depth", priority="24") == 1
    assert sample(queue, "depth", priority="25") is None
    assert sample(queue, "depth", priority="exceeded_cardinality_limit") == 15
    for _ in range(40):
        await queue.get()
    assert sample(queue, "depth", priority="24") == 0
    assert sample(queue, "depth", priority="exceeded_cardinality_limit") == 0


@pytest.mark.looptime
async def test_adds_count_when_an_item_becomes_ready_and_retries_when_it_is_delayed(queue: PriorityQueue[str]) -> None:
    queue.add("a")
    queue.add("a")
    queue.add("b", after=5)
    assert (sample(queue, "adds_total"), sample(queue, "retries_total")) == (1, 1)
    await asyncio.sleep(5)
    assert (sample(queue, "adds_total"), sample(queue, "retries_total")) == (2, 1)
    queue.add("c", rate_limited=True)
    queue.add("c")
    assert (sample(queue, "adds_total"), sample(queue, "retries_total")) == (3, 2)


@pytest.mark.looptime
async def test_durations_are_measured_from_ready_to_taken_to_done(
    queue: PriorityQueue[str], clock: ManualClock
) -> None:
    queue.add("a", after=5)
    clock.now += 50
    await asyncio.sleep(5)
    clock.now += 2
    await queue.get()
    clock.now += 7
    queue.done("a")
    assert sample(queue, "queue_duration_seconds_sum") == 2
    assert sample(queue, "queue_duration_seconds_count") == 1
    assert sample(queue, "work_duration_seconds_sum") == 7
    assert sample(queue, "work_duration_seconds_bucket", le="10.0") == 1
    assert sample(queue, "work_duration_seconds_bucket", le="1.0") == 0


async def test_ages_of_running_work_are_those_at_the_time_of_the_scrape(
    queue: PriorityQueue[str], clock: ManualClock
) -> None:
    queue.add("a")
    queue.add("b")
    await queue.get()
    clock.now += 10
    await queue.get()
    clock.now += 5
    assert sample(queue, "unfinished_work_seconds") == 20
    assert sample(queue, "longest_running_processor_seconds") == 15
    queue.shut_down()
    queue.done("a")
    assert sample(queue, "unfinished_work_seconds") == 5
    queue.done("b")
    assert sample(queue, "unfinished_work_seconds") == 0
    assert sample(queue, "longest_running_processor_seconds") == 0


async def test_the_registry_does_not_keep_a_queue_alive() -> None:
    queue = PriorityQueue[str](f"metrics-{uuid.uuid4()}")
    queue.add("a")
    await queue.get()
    name, alive = queue.name, weakref.ref(queue)
    del queue
    gc.collect()
    assert alive() is None
    labels = {"name": name, "controller": name}
    assert REGISTRY.get_sample_value("workqueue_unfinished_work_seconds", labels) == 0
    assert REGISTRY.get_sample_value("workqueue_longest_running_processor_seconds", labels) == 0


async def test_a_later_queue_of_the_same_name_takes_over_the_series(
    queue: PriorityQueue[str], clock: ManualClock
) -> None:
    queue.add("a")
    queue.shut_down()
    successor = PriorityQueue[str](queue.name, clock=clock)
    successor.add("b")
    await successor.get()
    clock.now += 3
    assert sample(successor, "adds_total") == 2
    assert sample(successor, "depth", priority="0") == 0
    assert sample(successor, "unfinished_work_seconds") == 3


async def test_queues_of_the_same_name_share_the_limit_of_priorities(queue: PriorityQueue[str]) -> None:
    for priority in range(20):
        queue.add(f"item-{priority}", priority=priority)
    queue.shut_down()
    successor = PriorityQueue[str](queue.name)
    for priority in range(100, 120):
        successor.add(f"item-{priority}", priority=priority)
    assert sample(successor, "depth", priority="104") == 1
    assert sample(successor, "depth", priority="105") is None
    assert sample(successor, "depth", priority="exceeded_cardinality_limit") == 15
