"""Holding: an item stays locked after its work has ended, and the worker is free."""

from __future__ import annotations

import asyncio

import pytest

from controller_runtime import metrics
from controller_runtime.workqueue import PriorityQueue

pytestmark = pytest.mark.looptime


async def test_a_held_item_is_not_handed_out_again_before_it_is_done() -> None:
    queue: PriorityQueue[str] = PriorityQueue("hold-lock")
    queue.add("a")
    assert await queue.get() == ("a", 0)
    queue.hold("a")
    queue.add("a", priority=5)
    queue.add("a", priority=7)
    queue.add("b")
    assert await queue.get() == ("b", 0)
    getter = asyncio.create_task(queue.get())
    await asyncio.sleep(1)
    assert not getter.done()
    queue.done("a")
    assert await getter == ("a", 7)


async def test_the_work_ends_with_the_hold_and_is_counted_once() -> None:
    now = [0.0]
    queue: PriorityQueue[str] = PriorityQueue("hold-time", clock=lambda: now[0])
    queue.add("a")
    await queue.get()
    now[0] = 2.0
    queue.hold("a")
    now[0] = 9.0
    labels = {"name": "hold-time", "controller": "hold-time"}
    assert metrics.REGISTRY.get_sample_value("workqueue_unfinished_work_seconds", labels) == 0
    queue.done("a")
    assert metrics.REGISTRY.get_sample_value("workqueue_work_duration_seconds_sum", labels) == 2
    assert metrics.REGISTRY.get_sample_value("workqueue_work_duration_seconds_count", labels) == 1


async def test_only_what_is_worked_on_can_be_held_and_only_what_is_locked_can_be_done() -> None:
    queue: PriorityQueue[str] = PriorityQueue("hold-twice")
    with pytest.raises(ValueError, match="hold"):
        queue.hold("a")
    queue.add("a")
    await queue.get()
    queue.hold("a")
    with pytest.raises(ValueError, match="hold"):
        queue.hold("a")
    queue.done("a")
    with pytest.raises(ValueError, match="done"):
        queue.done("a")
