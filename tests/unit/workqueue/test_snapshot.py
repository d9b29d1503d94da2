"""What a queue tells about itself: nothing is left out, nothing is counted twice, and looking changes nothing."""

from __future__ import annotations

import asyncio

import pytest

from controller_runtime.workqueue import LOW_PRIORITY, PriorityQueue, ProcessingItem, WaitingItem

pytestmark = pytest.mark.looptime


def make_queue() -> PriorityQueue[str]:
    """Its ages go by the test's clock."""
    return PriorityQueue("queue-under-test", clock=asyncio.get_running_loop().time)


async def test_an_empty_queue_holds_nothing() -> None:
    found = make_queue().snapshot()
    assert (found.depth, found.waiting, found.processing) == ({}, (), ())


async def test_ready_items_are_counted_by_priority_highest_first() -> None:
    queue = make_queue()
    for item, priority in {"a": LOW_PRIORITY, "b": 0, "c": 7, "d": 0}.items():
        queue.add(item, priority=priority)
    assert list(queue.snapshot().depth.items()) == [(7, 1), (0, 2), (LOW_PRIORITY, 1)]


async def test_waiting_items_come_with_the_time_left_soonest_first() -> None:
    queue = make_queue()
    queue.add("late", after=60, priority=3)
    queue.add("soon", after=20)
    await asyncio.sleep(15)
    found = queue.snapshot()
    assert found.waiting == (WaitingItem("soon", 5.0, 0), WaitingItem("late", 45.0, 3))
    assert found.depth == {}
    queue.shut_down()


async def test_items_that_workers_have_come_with_their_age_longest_first() -> None:
    queue = make_queue()
    queue.add("first")
    await queue.get()
    await asyncio.sleep(4)
    queue.add("second")
    await queue.get()
    await asyncio.sleep(1)
    assert queue.snapshot().processing == (ProcessingItem("first", 5.0), ProcessingItem("second", 1.0))


async def test_an_item_that_was_added_while_a_worker_has_it_is_ready_and_processing() -> None:
    queue = make_queue()
    queue.add("a")
    await queue.get()
    queue.add("a")
    found = queue.snapshot()
    assert found.depth == {0: len(queue)} == {0: 1}
    assert [item for item, _ in found.processing] == ["a"]


async def test_an_item_that_is_held_is_no_longer_processing() -> None:
    queue = make_queue()
    queue.add("a")
    await queue.get()
    queue.hold("a")
    found = queue.snapshot()
    assert (found.processing, found.held) == ((), ("a",))


async def test_a_snapshot_takes_nothing_and_does_not_follow_the_queue() -> None:
    queue = make_queue()
    queue.add("a")
    before = queue.snapshot()
    assert await queue.get() == ("a", 0)
    queue.done("a")
    assert before.depth == {0: 1}
    assert queue.snapshot().depth == {}
