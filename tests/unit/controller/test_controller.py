"""The controller: what follows from a reconciliation, and that no object is reconciled twice at once."""

from __future__ import annotations

import asyncio
import contextlib

import pytest
import structlog
from structlog.testing import capture_logs

from controller_runtime import metrics
from controller_runtime.apimachinery import NamespacedName, Resource
from controller_runtime.controller import (
    CacheSyncError,
    Controller,
    ControllerOptions,
    Request,
    Result,
    RetryError,
    TerminalError,
    reconcile_id,
)
from controller_runtime.workqueue import LOW_PRIORITY
from tests.unit.controller.fakes import A, B, ListSource, Recording, count, run_for, succeed


@pytest.mark.looptime
async def test_a_success_is_not_repeated() -> None:
    reconciler = Recording(succeed)
    await run_for(10_000, Controller("once", reconciler, sources=[ListSource(A, B)]))
    assert [request for _, request in reconciler.runs] == [A, B]
    assert count("once", "controller_runtime_reconcile_total", result="success") == 2


@pytest.mark.looptime
async def test_an_error_is_retried_with_doubling_delays() -> None:
    async def fail(request: Request) -> None:
        raise ConnectionError("no route")

    reconciler = Recording(fail)
    await run_for(0.1, Controller("failing", reconciler, sources=[ListSource(A)]))
    assert reconciler.times() == [0, 0.005, 0.015, 0.035, 0.075]
    assert count("failing", "controller_runtime_reconcile_errors_total") == 5
    assert count("failing", "controller_runtime_reconcile_panics_total") == 0


@pytest.mark.looptime
async def test_a_success_resets_the_delay() -> None:
    outcomes = iter([ValueError("1"), ValueError("2"), None, ValueError("3")])
    source = ListSource(A)

    async def act(request: Request) -> Result | None:
        outcome = next(outcomes, None)
        if outcome is not None:
            raise outcome
        return Result(requeue_after=1) if len(reconciler.runs) == 3 else None

    reconciler = Recording(act)
    await run_for(10, Controller("recovering", reconciler, sources=[source]))
    assert reconciler.times() == [0, 0.005, 0.015, 1.015, 1.02]


@pytest.mark.looptime
async def test_a_terminal_error_is_not_retried() -> None:
    async def give_up(request: Request) -> None:
        raise TerminalError("the spec makes no sense")

    reconciler = Recording(give_up)
    await run_for(10_000, Controller("terminal", reconciler, sources=[ListSource(A)]))
    assert len(reconciler.runs) == 1
    assert count("terminal", "controller_runtime_terminal_reconcile_errors_total") == 1
    assert count("terminal", "controller_runtime_reconcile_errors_total") == 1


@pytest.mark.looptime
async def test_a_bug_is_counted_as_a_panic_and_retried() -> None:
    async def stumble(request: Request) -> None:
        if len(reconciler.runs) == 1:
            raise KeyError("x")

    reconciler = Recording(stumble)
    with capture_logs() as lines:
        await run_for(10, Controller("stumbling", reconciler, sources=[ListSource(A)]))
    assert len(reconciler.runs) == 2
    assert count("stumbling", "controller_runtime_reconcile_panics_total") == 1
    assert [line["error"] for line in lines if line["log_level"] == "error"] == ["panic: 'x' [recovered]"]


@pytest.mark.looptime
async def test_a_bug_ends_the_controller_where_panics_are_not_recovered() -> None:
    async def stumble(request: Request) -> None:
        raise KeyError("x")

    options = ControllerOptions(recover_panics=False)
    source = ListSource(A)
    with pytest.raises(ExceptionGroup) as error:
        await Controller("fragile", Recording(stumble), sources=[source], options=options).start()
    assert error.group_contains(KeyError)
    assert source.stopped == 1


@pytest.mark.looptime
async def test_requeue_after_is_obeyed() -> None:
    async def again(request: Request) -> Result:
        return Result(requeue_after=60)

    reconciler = Recording(again)
    await run_for(200, Controller("again", reconciler, sources=[ListSource(A)]))
    assert reconciler.times() == [0, 60, 120, 180]
    assert count("again", "controller_runtime_reconcile_total", result="requeue_after") == 4


@pytest.mark.looptime
async def test_one_object_is_never_reconciled_twice_at_once_and_no_change_is_lost() -> None:
    source = ListSource(A, B)

    async def act(request: Request) -> None:
        assert source.queue is not None
        if len(reconciler.runs) <= 2:
            source.queue.add(request)
        await asyncio.sleep(5)

    reconciler = Recording(act)
    options = ControllerOptions(max_concurrent_reconciles=4)
    await run_for(100, Controller("many", reconciler, sources=[source], options=options))
    assert reconciler.most_at_once == 2
    assert sorted(request for _, request in reconciler.runs) == [A, A, B, B]


@pytest.mark.looptime
async def test_a_run_beyond_the_time_limit_is_cancelled_counted_and_retried() -> None:
    async def hang(request: Request) -> None:
        if len(reconciler.runs) == 1:
            await asyncio.sleep(1_000)

    reconciler = Recording(hang)
    options = ControllerOptions(reconciliation_timeout=3)
    await run_for(10, Controller("hanging", reconciler, sources=[ListSource(A)], options=options))
    assert reconciler.times() == [0, 3.005]
    assert count("hanging", "controller_runtime_reconcile_timeouts_total") == 1


@pytest.mark.looptime
async def test_a_source_that_does_not_sync_is_named_with_its_reason() -> None:
    controller = Controller("waiting", Recording(succeed), sources=[ListSource(A, synced=False)])
    with pytest.raises(
        CacheSyncError, match="waiting: caches did not sync within 120 s: list source: the cable is out"
    ):
        await controller.start()


@pytest.mark.looptime
async def test_without_a_sync_limit_it_waits_and_then_works() -> None:
    source = ListSource(A, synced=False)
    reconciler = Recording(succeed)
    options = ControllerOptions(cache_sync_timeout=None)
    asyncio.get_running_loop().call_later(5_000, source.synced.set)
    await run_for(6_000, Controller("patient", reconciler, sources=[source], options=options))
    assert len(reconciler.runs) == 1


@pytest.mark.looptime
async def test_nothing_is_reconciled_before_all_sources_have_synced() -> None:
    late = ListSource(synced=False)
    reconciler = Recording(succeed)
    asyncio.get_running_loop().call_later(50, late.synced.set)
    begin = asyncio.get_running_loop().time()
    await run_for(100, Controller("ordered", reconciler, sources=[ListSource(A), late]))
    assert reconciler.runs[0][0] - begin == pytest.approx(50)


@pytest.mark.looptime
async def test_it_can_be_started_again_as_after_a_lost_leadership() -> None:
    source = ListSource(A)
    reconciler = Recording(succeed)
    controller = Controller("twice", reconciler, sources=[source])
    await run_for(10, controller)
    await run_for(10, controller)
    assert [request for _, request in reconciler.runs] == [A, A]
    assert source.stopped == 2


@pytest.mark.looptime
async def test_the_end_cancels_running_reconciliations_and_waits_for_them() -> None:
    ended = asyncio.Event()

    async def slow(request: Request) -> None:
        try:
            await asyncio.sleep(1_000)
        finally:
            await asyncio.sleep(2)
            ended.set()

    await run_for(10, Controller("ending", Recording(slow), sources=[ListSource(A)]))
    assert ended.is_set()
    assert count("ending", "controller_runtime_active_workers") == 0


@pytest.mark.looptime
async def test_a_cancellation_from_inside_a_reconciler_is_an_error_and_does_not_end_the_worker() -> None:
    async def await_what_others_cancelled(request: Request) -> None:
        if len(reconciler.runs) == 1:
            shared = asyncio.get_running_loop().create_future()
            shared.cancel()
            await shared

    reconciler = Recording(await_what_others_cancelled)
    await run_for(10, Controller("cancelled-inside", reconciler, sources=[ListSource(A)]))
    assert len(reconciler.runs) == 2
    assert count("cancelled-inside", "controller_runtime_reconcile_errors_total") == 1


@pytest.mark.looptime
async def test_a_terminal_error_counts_wherever_it_stands_in_the_chain() -> None:
    async def give_up(request: Request) -> None:
        raise ValueError("wrapped") from TerminalError("the spec makes no sense")

    reconciler = Recording(give_up)
    await run_for(1_000, Controller("terminal-cause", reconciler, sources=[ListSource(A)]))
    assert len(reconciler.runs) == 1


@pytest.mark.looptime
async def test_a_result_that_is_no_time_costs_one_run_and_not_the_controller() -> None:
    async def never(request: Request) -> Result | None:
        return Result(requeue_after=float("inf")) if len(reconciler.runs) == 1 else None

    reconciler = Recording(never)
    await run_for(10, Controller("never", reconciler, sources=[ListSource(A)]))
    assert len(reconciler.runs) == 2


@pytest.mark.looptime
async def test_a_source_that_fails_is_noticed_while_another_is_still_syncing() -> None:
    options = ControllerOptions(cache_sync_timeout=None)
    sources = [ListSource(synced=False), ListSource(failure=ConnectionError("the cable is out"))]
    with pytest.raises(ConnectionError, match="the cable is out"):
        await Controller("broken", Recording(succeed), sources=sources, options=options).start()


@pytest.mark.looptime
async def test_a_reconciler_that_swallows_its_cancellation_does_not_keep_the_controller_running() -> None:
    async def deaf(request: Request) -> None:
        with contextlib.suppress(asyncio.CancelledError):
            await asyncio.sleep(1_000)

    reconciler = Recording(deaf)
    begin = asyncio.get_running_loop().time()
    await run_for(10, Controller("deaf", reconciler, sources=[ListSource(A, B)]))
    assert asyncio.get_running_loop().time() - begin == pytest.approx(10)
    assert [request for _, request in reconciler.runs] == [A]


@pytest.mark.looptime
async def test_an_error_at_the_end_is_not_retried() -> None:
    async def refuse_to_end(request: Request) -> None:
        try:
            await asyncio.sleep(1_000)
        except asyncio.CancelledError:
            raise ConnectionError("cut off") from None

    reconciler = Recording(refuse_to_end)
    await run_for(10, Controller("cut-off", reconciler, sources=[ListSource(A)]))
    await asyncio.sleep(1)
    assert len(reconciler.runs) == 1


@pytest.mark.looptime
async def test_an_error_in_a_group_counts_as_what_it_is_and_is_logged_in_full() -> None:
    async def fail_twice(request: Request) -> None:
        raise ExceptionGroup("checks", [TerminalError("the spec makes no sense"), KeyError("x")])

    reconciler = Recording(fail_twice)
    with capture_logs() as lines:
        await run_for(1_000, Controller("group", reconciler, sources=[ListSource(A)]))
    assert len(reconciler.runs) == 1
    assert count("group", "controller_runtime_terminal_reconcile_errors_total") == 1
    assert count("group", "controller_runtime_reconcile_panics_total") == 1
    (line,) = [line for line in lines if line["log_level"] == "error"]
    assert isinstance(line["exc_info"], ExceptionGroup)


def test_the_results_are_there_before_the_first_reconciliation() -> None:
    Controller("not-started", Recording(succeed), sources=[ListSource(A)])
    for result in ("success", "error", "requeue", "requeue_after"):
        labels = {"controller": "not-started", "result": result}
        assert metrics.REGISTRY.get_sample_value("controller_runtime_reconcile_total", labels) == 0


@pytest.mark.looptime
@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        pytest.param(
            Resource(group="example.com", version="v1", kind="Widget", plural="widgets"),
            {"controllerGroup": "example.com", "controllerKind": "Widget", "Widget": {"namespace": "ns", "name": "a"}},
            id="of a kind",
        ),
        pytest.param(None, {"object": {"namespace": "ns", "name": "a"}}, id="of no kind"),
    ],
)
async def test_log_lines_of_a_run_name_the_controller_the_object_and_the_run(
    kind: Resource | None, expected: dict[str, object]
) -> None:
    seen: list[str] = []

    async def fail(request: Request) -> None:
        structlog.get_logger().info("mine")
        seen.append(reconcile_id.get())
        raise ConnectionError("no route")

    with capture_logs(processors=[structlog.contextvars.merge_contextvars]) as lines:
        await run_for(0.001, Controller("logged", Recording(fail), sources=[ListSource(A)], kind=kind))
    (error,) = [line for line in lines if line["log_level"] == "error"]
    (mine,) = [line for line in lines if line["event"] == "mine"]
    assert (error["event"], error["error"]) == ("Reconciler error", "no route")
    for line in (error, mine):
        common = {key: value for key, value in line.items() if key not in ("event", "error", "log_level", "exc_info")}
        about = {"controller": "logged", "namespace": "ns", "name": "a", "reconcileID": seen[0]}
        assert common == about | expected
    assert len(seen[0]) == 36
    assert reconcile_id.get() == ""


@pytest.mark.looptime
async def test_each_run_has_an_id_of_its_own_which_tasks_of_the_reconciler_see() -> None:
    seen: list[tuple[str, str]] = []

    async def look(request: Request) -> None:
        async def inside() -> str:
            return reconcile_id.get()

        seen.append((reconcile_id.get(), await asyncio.create_task(inside())))

    await run_for(10, Controller("ids", Recording(look), sources=[ListSource(A, B)]))
    assert len(set(seen)) == 2
    assert all(own == task for own, task in seen)


@pytest.mark.looptime
async def test_a_retry_has_the_priority_of_its_run_unless_the_error_names_another() -> None:
    source = ListSource()

    async def fail(request: Request) -> None:
        if request == A:
            raise ValueError("wrapped") from RetryError("again, some time", priority=LOW_PRIORITY)
        raise ConnectionError("no route")

    controller = Controller("priorities", Recording(fail), sources=[source])
    task = asyncio.create_task(controller.start())
    await asyncio.sleep(1)
    assert source.queue is not None
    for request in (A, B):
        source.queue.add(request, priority=7)
    await asyncio.sleep(0.001)
    priorities = [(one.item.name, one.priority) for one in controller.queue_snapshot().waiting]
    task.cancel()
    await asyncio.wait({task})
    assert sorted(priorities) == [("a", LOW_PRIORITY), ("b", 7)]


@pytest.mark.looptime
async def test_a_planned_run_has_the_priority_of_the_last_one_unless_the_result_names_another() -> None:
    source = ListSource()

    async def again(request: Request) -> Result:
        return Result(requeue_after=60, priority=3 if request == A else None)

    controller = Controller("planned", Recording(again), sources=[source])
    task = asyncio.create_task(controller.start())
    await asyncio.sleep(1)
    assert source.queue is not None
    for request in (A, B):
        source.queue.add(request, priority=7)
    await asyncio.sleep(1)
    planned = [(one.item.name, one.priority) for one in controller.queue_snapshot().waiting]
    task.cancel()
    await asyncio.wait({task})
    assert sorted(planned) == [("a", 3), ("b", 7)]
    assert controller.queue_snapshot().waiting == ()


@pytest.mark.looptime
async def test_causes_that_go_round_in_a_circle_are_an_error_like_any_other() -> None:
    async def fail(request: Request) -> None:
        first, second = ValueError("1"), ValueError("2")
        first.__cause__, second.__cause__ = second, first
        raise first

    await run_for(0.001, Controller("circle", Recording(fail), sources=[ListSource(A)]))
    assert count("circle", "controller_runtime_reconcile_errors_total") == 1


@pytest.mark.looptime
async def test_a_reconciler_that_never_waits_leaves_the_loop_its_turns() -> None:
    turns: list[int] = []
    all_done = asyncio.Event()

    async def count_turns() -> None:
        for turn in range(1_000):
            turns.append(turn)
            await asyncio.sleep(0)

    async def look_and_return(request: Request) -> None:
        if len(reconciler.runs) == 100:
            all_done.set()

    requests = [NamespacedName("ns", str(number)) for number in range(100)]
    reconciler = Recording(look_and_return)
    task = asyncio.create_task(Controller("busy", reconciler, sources=[ListSource(*requests)]).start())
    counting = asyncio.create_task(count_turns())
    await all_done.wait()
    assert len(turns) >= 100
    for one in (task, counting):
        one.cancel()
    await asyncio.wait({task, counting})


@pytest.mark.looptime
async def test_it_cannot_run_twice_at_once() -> None:
    controller = Controller("once-only", Recording(succeed), sources=[ListSource(A)])
    task = asyncio.create_task(controller.start())
    await asyncio.sleep(1)
    with pytest.raises(RuntimeError, match="once-only is running already"):
        await controller.start()
    assert not task.done()
    task.cancel()
    await asyncio.wait({task})


@pytest.mark.looptime
async def test_the_metrics_have_the_names_of_controller_runtime() -> None:
    controller = Controller("named", Recording(succeed), sources=[ListSource(A)])
    labels = {"controller": "named"}
    for name in (
        "controller_runtime_reconcile_errors_total",
        "controller_runtime_terminal_reconcile_errors_total",
        "controller_runtime_reconcile_panics_total",
        "controller_runtime_reconcile_timeouts_total",
        "controller_runtime_own_writes_unseen_total",
        "controller_runtime_max_concurrent_reconciles",
        "controller_runtime_active_workers",
        "controller_runtime_reconcile_time_seconds_count",
    ):
        assert metrics.REGISTRY.get_sample_value(name, labels) is not None, name
    await run_for(1, controller)
    for name in (
        "workqueue_adds_total",
        "workqueue_retries_total",
        "workqueue_queue_duration_seconds_count",
        "workqueue_work_duration_seconds_count",
        "workqueue_unfinished_work_seconds",
        "workqueue_longest_running_processor_seconds",
    ):
        assert metrics.REGISTRY.get_sample_value(name, {"name": "named", **labels}) is not None, name
