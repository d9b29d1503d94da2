"""Order, merging, locks, delays and shutdown of the priority queue, on virtual time where time matters."""

from __future__ import annotations

import asyncio
import gc
import weakref
from typing import Any

import pytest

from controller_runtime.workqueue import (
    LOW_PRIORITY,
    ItemExponentialFailureRateLimiter,
    PriorityQueue,
    ShutDownError,
)


def make_queue() -> PriorityQueue[str]:
    return PriorityQueue("queue-under-test")


async def drain(queue: PriorityQueue[str]) -> list[str]:
    """Takes every ready item, in order; each is done at once."""
    taken = []
    while len(queue):
        item, _ = await queue.get()
        queue.done(item)
        taken.append(item)
    return taken


async def settle() -> None:
    """Lets tasks run until they wait."""
    for _ in range(5):
        await asyncio.sleep(0)


def elapsed() -> float:
    return asyncio.get_running_loop().time()


async def test_items_of_one_priority_come_first_in_first_out() -> None:
    queue = make_queue()
    for item in "cab":
        queue.add(item)
    assert await drain(queue) == ["c", "a", "b"]


async def test_higher_priority_goes_first() -> None:
    queue = make_queue()
    queue.add("resync", priority=LOW_PRIORITY)
    queue.add("event")
    queue.add("urgent", priority=7)
    assert [await queue.get() for _ in range(3)] == [("urgent", 7), ("event", 0), ("resync", LOW_PRIORITY)]


async def test_a_pending_item_is_there_once() -> None:
    queue = make_queue()
    queue.add("a")
    queue.add("a")
    assert len(queue) == 1
    assert await drain(queue) == ["a"]


@pytest.mark.parametrize(
    ("readds_of_b", "order"),
    [
        pytest.param((0,), ["x", "a", "b", "c"], id="equal keeps its turn"),
        pytest.param((-5,), ["x", "a", "b", "c"], id="lower changes nothing"),
        pytest.param((5,), ["x", "b", "a", "c"], id="higher goes to the end of the new priority"),
        pytest.param((9, 5), ["b", "x", "a", "c"], id="the highest of all counts"),
    ],
)
async def test_readding_a_ready_item_keeps_the_highest_priority(readds_of_b: tuple[int, ...], order: list[str]) -> None:
    queue = make_queue()
    for item in "abc":
        queue.add(item)
    queue.add("x", priority=5)
    for priority in readds_of_b:
        queue.add("b", priority=priority)
    assert await drain(queue) == order


async def test_an_item_is_not_handed_out_again_before_done() -> None:
    queue = make_queue()
    queue.add("a")
    assert await queue.get() == ("a", 0)
    queue.add("a", priority=3)
    second = asyncio.create_task(queue.get())
    await settle()
    assert not second.done()
    assert len(queue) == 1
    queue.done("a")
    assert await second == ("a", 3)


async def test_a_locked_item_does_not_hold_up_others_and_keeps_its_turn() -> None:
    queue = make_queue()
    queue.add("a")
    await queue.get()
    queue.add("a")
    queue.add("b")
    queue.add("c")
    assert await queue.get() == ("b", 0)
    queue.done("a")
    assert [(await queue.get())[0] for _ in range(2)] == ["a", "c"]


async def test_a_raised_locked_item_comes_with_the_raised_priority() -> None:
    queue = make_queue()
    queue.add("a")
    await queue.get()
    queue.add("a")
    queue.add("b", priority=4)
    queue.add("a", priority=5)
    queue.done("a")
    assert [await queue.get() for _ in range(2)] == [("a", 5), ("b", 4)]


async def test_done_without_get_is_an_error() -> None:
    queue = make_queue()
    queue.add("a")
    with pytest.raises(ValueError, match=r"queue-under-test: done\('a'\) without a get"):
        queue.done("a")


@pytest.mark.parametrize("after", [float("nan"), float("inf"), float("-inf")])
async def test_a_delay_that_is_no_number_is_refused(after: float) -> None:
    queue = make_queue()
    with pytest.raises(ValueError, match="cannot add 'a' after"):
        queue.add("a", after=after)


@pytest.mark.looptime
async def test_a_delayed_item_comes_at_its_time_and_not_before() -> None:
    queue = make_queue()
    queue.add("late", after=20)
    queue.add("soon", after=10)
    assert len(queue) == 0
    assert await queue.get() == ("soon", 0)
    assert elapsed() == 10
    assert await queue.get() == ("late", 0)
    assert elapsed() == 20


@pytest.mark.looptime
async def test_delayed_items_line_up_by_the_time_they_became_ready() -> None:
    queue = make_queue()
    queue.add("second", after=2)
    queue.add("first", after=1)
    queue.add("urgent", after=3, priority=1)
    await asyncio.sleep(2.5)
    queue.add("third")
    await asyncio.sleep(1)
    assert await drain(queue) == ["urgent", "first", "second", "third"]


@pytest.mark.looptime
async def test_items_due_at_the_same_moment_line_up_by_priority() -> None:
    queue = make_queue()
    queue.add("low", after=1, priority=-1)
    queue.add("normal", after=1)
    await asyncio.sleep(1)
    assert await drain(queue) == ["normal", "low"]


@pytest.mark.looptime
async def test_a_raised_waiting_item_lines_up_with_its_new_priority() -> None:
    queue = make_queue()
    queue.add("a", after=1)
    queue.add("raised", after=1, priority=-1)
    queue.add("raised", after=9)
    queue.add("b", after=1)
    await asyncio.sleep(1)
    assert await drain(queue) == ["a", "raised", "b"]


@pytest.mark.looptime
@pytest.mark.parametrize(
    ("adds", "ready_at"),
    [
        pytest.param([{"after": 10}, {"after": 5}], 5, id="a shorter delay wins"),
        pytest.param([{"after": 5}, {"after": 10}], 5, id="a longer delay changes nothing"),
        pytest.param([{"after": 5}, {"after": 10, "priority": 3}], 5, id="nor does it with a higher priority"),
        pytest.param([{"after": 10}, {}], 0, id="an immediate add makes it ready"),
        pytest.param([{}, {"after": 10}], 0, id="a delay does not hold back what is ready"),
        pytest.param([{"after": -1}], 0, id="a negative delay is none"),
        pytest.param([{"after": 10, "rate_limited": True}], 2, id="limiter below the delay"),
        pytest.param([{"after": 1, "rate_limited": True}], 1, id="limiter above the delay"),
        pytest.param([{"rate_limited": True}], 2, id="limiter alone"),
        pytest.param([{"after": 9}, {"rate_limited": True}], 2, id="limiter when merging"),
    ],
)
async def test_ready_time_is_the_earliest_of_all_adds(adds: list[dict[str, Any]], ready_at: float) -> None:
    queue = PriorityQueue[str]("ready-time", rate_limiter=ItemExponentialFailureRateLimiter(base=2))
    for options in adds:
        queue.add("a", **options)
    await queue.get()
    assert elapsed() == ready_at
    assert len(queue) == 0


@pytest.mark.looptime
async def test_an_event_swallows_a_pending_requeue() -> None:
    queue = make_queue()
    queue.add("a", after=10)
    queue.add("a")
    queue.done((await queue.get())[0])
    waiting = asyncio.create_task(queue.get())
    await asyncio.sleep(100)
    assert not waiting.done()
    queue.add("b")
    assert await waiting == ("b", 0)


@pytest.mark.looptime
async def test_a_waiting_item_that_becomes_ready_at_once_keeps_its_old_turn() -> None:
    queue = make_queue()
    queue.add("a", after=10)
    queue.add("b")
    queue.add("a")
    assert await drain(queue) == ["a", "b"]


@pytest.mark.looptime
async def test_the_delay_of_a_locked_item_runs_while_it_is_locked() -> None:
    queue = make_queue()
    queue.add("a")
    await queue.get()
    queue.add("a", after=5)
    await asyncio.sleep(8)
    assert len(queue) == 1
    queue.done("a")
    await queue.get()
    assert elapsed() == 8


@pytest.mark.looptime
async def test_done_does_not_cut_a_delay_short() -> None:
    queue = make_queue()
    queue.add("a")
    await queue.get()
    queue.add("a", after=5)
    queue.done("a")
    assert (len(queue), await queue.get()) == (0, ("a", 0))
    assert elapsed() == 5


@pytest.mark.looptime
async def test_rate_limited_adds_back_off_until_forget() -> None:
    queue = PriorityQueue[str]("back-off", rate_limiter=ItemExponentialFailureRateLimiter(base=1, maximum=100))
    times = []
    for _ in range(3):
        queue.add("a", rate_limited=True)
        queue.done((await queue.get())[0])
        times.append(elapsed())
    assert times == [1, 3, 7]
    assert queue.num_requeues("a") == 3
    queue.forget("a")
    assert queue.num_requeues("a") == 0


async def test_every_waiting_worker_gets_one_item() -> None:
    queue = make_queue()
    workers = [asyncio.create_task(queue.get()) for _ in range(3)]
    await settle()
    for item in "abc":
        queue.add(item)
    assert [item for item, _ in await asyncio.gather(*workers)] == ["a", "b", "c"]


@pytest.mark.parametrize("cancelled_first", [False, True], ids=["add first", "cancel first"])
async def test_a_worker_cancelled_in_its_turn_hands_the_item_to_the_next(cancelled_first: bool) -> None:
    queue = make_queue()
    first, second = asyncio.create_task(queue.get()), asyncio.create_task(queue.get())
    await settle()
    if cancelled_first:
        first.cancel()
    queue.add("a")
    first.cancel()
    assert await second == ("a", 0)
    with pytest.raises(asyncio.CancelledError):
        await first


async def test_a_worker_cancelled_while_waiting_takes_nothing() -> None:
    queue = make_queue()
    worker = asyncio.create_task(queue.get())
    await settle()
    worker.cancel()
    await asyncio.wait([worker])
    queue.add("a")
    assert await queue.get() == ("a", 0)


async def test_shut_down_ends_waiting_workers_and_drops_what_is_pending() -> None:
    queue = make_queue()
    waiting = asyncio.create_task(queue.get())
    await settle()
    queue.shut_down()
    with pytest.raises(ShutDownError, match="queue-under-test is shut down"):
        await waiting
    queue.add("a")
    assert queue.is_shut_down
    assert len(queue) == 0
    with pytest.raises(ShutDownError):
        await queue.get()


@pytest.mark.looptime
async def test_shut_down_may_be_repeated_and_lets_running_items_finish() -> None:
    queue = make_queue()
    queue.add("running")
    await queue.get()
    queue.add("running")
    queue.add("ready")
    queue.add("delayed", after=1)
    queue.shut_down()
    queue.shut_down()
    queue.done("running")
    await asyncio.sleep(2)
    assert len(queue) == 0


async def test_a_queue_that_was_shut_down_is_not_kept_alive_by_what_was_delayed() -> None:
    queue = make_queue()
    queue.add("a", after=3600)
    queue.shut_down()
    alive = weakref.ref(queue)
    del queue
    gc.collect()
    assert alive() is None


async def test_memory_stays_in_proportion_to_the_items() -> None:
    queue = make_queue()
    for round_ in range(5000):
        queue.add("a", after=36_000)
        queue.add("a")
        queue.add("b", priority=round_ - 10_000)
        queue.done((await queue.get())[0])
    assert len(queue._waiting._places) < 100
    assert len(queue._ready._places) < 100
    queue.shut_down()


async def test_items_that_stop_waiting_leave_nothing_behind() -> None:
    queue = make_queue()
    queue.add("soon", after=10)
    for number in range(1000):
        queue.add(f"item-{number}", after=36_000)
    for number in range(1000):
        queue.add(f"item-{number}")
    assert len(queue._waiting._places) < 100
    queue.shut_down()
