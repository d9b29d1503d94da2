"""Terms: a queue and its sources from the warm-up to the end of a leadership, and sources that come at any time."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator

import pytest
from structlog.testing import capture_logs

from controller_runtime.controller import CacheSyncError, Controller, ControllerOptions, FuncSource, Request
from controller_runtime.workqueue import PriorityQueue
from tests.unit.controller.fakes import A, B, ListSource, Recording, run_for, succeed

pytestmark = pytest.mark.looptime

WARM = ControllerOptions(enable_warmup=True)


@contextlib.asynccontextmanager
async def warm(controller: Controller) -> AsyncIterator[asyncio.Task[None]]:
    """Warms the controller up for the length of the block."""
    task = asyncio.create_task(controller.warmup())
    await asyncio.sleep(0)
    try:
        yield task
    finally:
        task.cancel()
        await asyncio.wait({task})


def depth(controller: Controller) -> int:
    """How many requests are ready."""
    return sum(controller.queue_snapshot().depth.values())


async def test_a_warm_up_fills_the_queue_and_reconciles_nothing() -> None:
    source, reconciler = ListSource(A, B), Recording(succeed)
    controller = Controller("warm", reconciler, sources=[source], options=WARM)
    async with warm(controller):
        await asyncio.sleep(1_000)
        assert depth(controller) == 2
        assert reconciler.runs == []
    assert (source.started, source.stopped) == (1, 1)
    assert depth(controller) == 0


async def test_a_leader_takes_over_what_was_warmed_up_and_starts_no_source_again() -> None:
    source, reconciler = ListSource(A), Recording(succeed)
    controller = Controller("adopted", reconciler, sources=[source], options=WARM)
    async with warm(controller):
        await asyncio.sleep(10)
        assert source.queue is not None
        source.queue.add(B)
        await run_for(10, controller)
        assert reconciler.requests() == [A, B]
        assert source.stopped == 1


async def test_it_is_warm_again_right_after_each_term_with_a_queue_of_its_own() -> None:
    source, reconciler = ListSource(A), Recording(succeed)
    controller = Controller("again", reconciler, sources=[source], options=WARM)
    async with warm(controller):
        for terms in (1, 2, 3):
            await run_for(10, controller)
            assert (source.started, source.stopped) == (terms + 1, terms)
            assert depth(controller) == 1
            assert len(reconciler.runs) == terms
    assert (source.started, source.stopped) == (4, 4)


@pytest.mark.parametrize(
    "options", [ControllerOptions(), ControllerOptions(enable_warmup=True, needs_leader_election=False)]
)
async def test_without_the_option_or_the_election_there_is_no_warm_up(options: ControllerOptions) -> None:
    source = ListSource(A)
    await Controller("cold", Recording(succeed), sources=[source], options=options).warmup()
    assert source.started == 0


async def test_the_end_of_the_warm_up_leaves_a_leader_its_sources() -> None:
    source, reconciler = ListSource(A), Recording(succeed)
    controller = Controller("drained", reconciler, sources=[source], options=WARM)
    async with warm(controller):
        task = asyncio.create_task(controller.start())
        await asyncio.sleep(0.5)
    await asyncio.sleep(0)
    assert source.queue is not None
    source.queue.add(B)
    await asyncio.sleep(10)
    assert reconciler.requests() == [A, B]
    task.cancel()
    await asyncio.wait({task})
    assert (source.started, source.stopped) == (1, 1)


async def test_the_time_to_sync_counts_from_the_leadership() -> None:
    source, reconciler = ListSource(A, synced=False), Recording(succeed)
    controller = Controller("late", reconciler, sources=[source], options=WARM)
    async with warm(controller):
        await asyncio.sleep(1_000)
        begin = asyncio.get_running_loop().time()
        with pytest.raises(CacheSyncError, match="within 120 s: list source"):
            await controller.start()
        assert asyncio.get_running_loop().time() - begin == pytest.approx(120)


async def test_a_source_that_fails_on_a_standby_is_logged_and_started_anew_by_the_leader() -> None:
    source, reconciler = ListSource(A, failure=ConnectionError("the cable is out")), Recording(succeed)
    controller = Controller("failing-warm", reconciler, sources=[source], options=WARM)
    with capture_logs() as lines:
        async with warm(controller) as warming:
            await asyncio.sleep(1_000)
            assert not warming.done()
            assert [line["error"] for line in lines if line["log_level"] == "error"] == ["the cable is out"]
            source.failure = None
            await run_for(10, controller)
            assert reconciler.requests() == [A]
            source.failure = ConnectionError("the cable is out again")
            with pytest.raises(ConnectionError, match="out again"):
                await controller.start()
    assert source.started == source.stopped


async def test_a_source_that_cannot_be_started_is_no_end_of_a_standby_and_leaves_no_other_running() -> None:
    broken = True

    def begin(queue: PriorityQueue[Request]) -> None:
        if broken:
            raise ConnectionError("no port left")

    first, reconciler = ListSource(A), Recording(succeed)
    controller = Controller("unstartable", reconciler, sources=[first, FuncSource(begin)], options=WARM)
    with capture_logs() as lines:
        async with warm(controller):
            await asyncio.sleep(1)
            assert [line["error"] for line in lines if line["log_level"] == "error"] == ["no port left"]
            assert (first.started, first.stopped) == (1, 1)
            with pytest.raises(ConnectionError, match="no port left"):
                await controller.start()
            broken = False
            await run_for(10, controller)
    assert reconciler.requests() == [A]


async def test_a_source_that_is_added_before_the_start_is_like_the_others() -> None:
    reconciler = Recording(succeed)
    controller = Controller("early-watch", reconciler, sources=[ListSource(A)])
    controller.watch(late := ListSource(B))
    await run_for(10, controller)
    await run_for(10, controller)
    assert reconciler.requests() == [A, B, A, B]
    assert (late.started, late.stopped) == (2, 2)


async def test_a_source_that_is_added_while_others_are_awaited_is_awaited_too() -> None:
    reconciler, slow, added = Recording(succeed), ListSource(A, synced=False), ListSource(B, synced=False)
    controller = Controller("syncing-watch", reconciler, sources=[slow])
    task = asyncio.create_task(controller.start())
    await asyncio.sleep(1)
    controller.watch(added)
    slow.synced.set()
    await asyncio.sleep(10)
    assert reconciler.runs == []
    added.synced.set()
    await asyncio.sleep(10)
    assert reconciler.requests() == [A, B]
    task.cancel()
    await asyncio.wait({task})


async def test_a_source_that_is_added_while_workers_run_is_started_at_once_and_not_awaited() -> None:
    reconciler = Recording(succeed)
    controller = Controller("running-watch", reconciler, sources=[ListSource(A)])
    task = asyncio.create_task(controller.start())
    await asyncio.sleep(5)
    controller.watch(late := ListSource(B, synced=False))
    with capture_logs() as lines:
        controller.watch(broken := ListSource(failure=ConnectionError("the cable is out")))
        await asyncio.sleep(5)
    assert reconciler.requests() == [A, B]
    assert [line["error"] for line in lines if line["log_level"] == "error"] == ["the cable is out"]
    task.cancel()
    await asyncio.wait({task})
    assert (late.stopped, broken.stopped) == (1, 1)


async def test_a_source_that_is_added_while_a_term_ends_waits_for_the_next() -> None:
    late = ListSource(B)

    async def slow_to_end(request: Request) -> None:
        try:
            await asyncio.sleep(1_000)
        finally:
            controller.watch(late)

    controller = Controller("ending-watch", Recording(slow_to_end), sources=[ListSource(A)])
    await run_for(10, controller)
    assert late.started == 0
    controller._reconciler = reconciler = Recording(succeed)
    await run_for(10, controller)
    assert reconciler.requests() == [A, B]


async def test_a_source_that_cannot_be_started_is_not_added() -> None:
    def fail(queue: PriorityQueue[Request]) -> None:
        raise ConnectionError("no port left")

    reconciler = Recording(succeed)
    controller = Controller("refused-watch", reconciler, sources=[ListSource(A)])
    task = asyncio.create_task(controller.start())
    await asyncio.sleep(5)
    with pytest.raises(ConnectionError, match="no port left"):
        controller.watch(FuncSource(fail))
    task.cancel()
    await asyncio.wait({task})
    await run_for(10, controller)
    assert reconciler.requests() == [A, A]


async def test_a_source_that_cannot_be_stopped_costs_the_others_nothing() -> None:
    def stop() -> None:
        raise ConnectionError("cannot hang up")

    other = ListSource(A)
    controller = Controller("unstoppable", Recording(succeed), sources=[FuncSource(lambda queue: stop), other])
    with capture_logs() as lines:
        await run_for(10, controller)
    assert other.stopped == 1
    (line,) = [line for line in lines if line["log_level"] == "error"]
    assert (line["event"], line["controller"]) == ("a source cannot be stopped", "unstoppable")


async def test_a_first_state_that_is_cancelled_from_inside_is_a_failure() -> None:
    class Cancelled(ListSource):
        async def wait_synced(self) -> None:
            raise asyncio.CancelledError

    with pytest.raises(CacheSyncError, match="cancelled the sync of list source"):
        await Controller("cancelled-sync", Recording(succeed), sources=[Cancelled(A)]).start()


async def test_failures_are_forgotten_with_the_term() -> None:
    async def fail(request: Request) -> None:
        raise ConnectionError("no route")

    reconciler = Recording(fail)
    controller = Controller("fresh", reconciler, sources=[ListSource(A)])
    await run_for(1, controller)
    runs = len(reconciler.runs)
    await run_for(0.1, controller)
    times = [time - reconciler.runs[runs][0] for time, _ in reconciler.runs[runs:]]
    assert times == pytest.approx([0, 0.005, 0.015, 0.035, 0.075])


async def test_a_limit_that_the_clock_cannot_tell_from_now_is_over() -> None:
    await asyncio.sleep(2.077137)  # rounded to microseconds by the loop; this plus 5 is a bit more
    options = ControllerOptions(cache_sync_timeout=5)
    controller = Controller("rounded", Recording(succeed), sources=[ListSource(A, synced=False)], options=options)
    with pytest.raises(CacheSyncError, match="within 5 s"):
        await controller.start()
