"""How a term ends: leader's work, draining, release, and the errors that come out of `run`. Virtual time."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from typing import Any

import pytest
from structlog.testing import capture_logs

from controller_runtime.apimachinery import Object
from controller_runtime.client import ApiRequest, LeadershipLostError
from controller_runtime.leaderelection import LeaderWorkStuckError
from tests.unit.leaderelection.lease_api import LeaseApi
from tests.unit.leaderelection.replica import Replica

pytestmark = pytest.mark.looptime

Make = Callable[..., Replica]


def now() -> float:
    return asyncio.get_running_loop().time()


async def leading(replica: Replica) -> asyncio.Task[None]:
    task = replica.start()
    await replica.leads()
    return task


async def test_work_that_returns_early_leaves_the_leadership_alone(api: LeaseApi, replica: Make) -> None:
    a = replica("a")
    await leading(a)
    a.work.fail.set()
    await asyncio.sleep(100)
    assert (len(a.work.started), len(a.work.ended)) == (1, 1)
    assert a.elector.is_leader
    await a.stop()
    assert api.holder == ""


async def test_the_lease_is_renewed_while_work_drains_and_released_afterwards(api: LeaseApi, replica: Make) -> None:
    a, b = replica("a"), replica("b")
    a.work.cleanup = 60
    task = await leading(a)
    b.start()
    await asyncio.sleep(5)
    task.cancel()
    await asyncio.sleep(59)
    assert a.elector.fence() > 7
    assert b.work.started == []
    await b.leads()
    assert task.cancelled()
    assert a.work.ended[0] < b.work.started[0] < a.work.ended[0] + 5


async def test_nothing_is_released_while_work_still_runs(api: LeaseApi, replica: Make) -> None:
    a = replica("a")
    a.work.cleanup = 60
    task = await leading(a)
    task.cancel()
    await asyncio.sleep(1)
    task.cancel()
    await asyncio.wait({task})
    assert task.cancelled()
    assert api.holder == "a"
    assert not a.elector.is_leader
    a.work.cleanup = 0


async def test_work_that_ignores_the_loss_of_the_lease_ends_the_process(api: LeaseApi, replica: Make) -> None:
    a = replica("a")
    a.work.cleanup = 6
    task = await leading(a)
    a.line.cut = True
    with pytest.raises(LeaderWorkStuckError, match=r"5 s after lease lab/lock was lost"):
        await task
    assert now() == pytest.approx(a.work.cancelled[0] + 5)
    assert not a.elector.is_leader


async def test_work_that_ends_in_time_after_a_loss_lets_the_elector_compete_again(api: LeaseApi, replica: Make) -> None:
    a = replica("a")
    a.work.cleanup = 4.5
    await leading(a)
    a.line.cut = True
    await asyncio.sleep(20)
    a.line.cut = False
    await a.leads()
    assert len(a.work.started) == 2


async def test_the_fence_is_down_before_work_hears_of_the_loss(api: LeaseApi, replica: Make) -> None:
    a = replica("a")
    fence_at_cancellation: list[bool] = []

    async def work() -> None:
        try:
            await asyncio.sleep(1000)
        finally:
            fence_at_cancellation.append(a.elector.is_leader)

    a.start(work)
    await asyncio.sleep(5)
    api.edit(holderIdentity="thief")
    await asyncio.sleep(5)
    assert fence_at_cancellation == [False]


async def test_a_cancellation_after_a_loss_waits_for_the_work(api: LeaseApi, replica: Make) -> None:
    a = replica("a")
    a.work.cleanup = 3
    task = await leading(a)
    a.line.cut = True
    await asyncio.sleep(10.5)
    assert len(a.work.cancelled) == 1
    a.line.cut = False
    task.cancel()
    await asyncio.sleep(1)
    assert not task.done()
    await asyncio.wait({task})
    assert task.cancelled()
    assert now() == pytest.approx(a.work.ended[0], abs=0.1)


async def test_a_lost_lease_that_nobody_has_taken_is_released_at_the_end(api: LeaseApi, replica: Make) -> None:
    a = replica("a")
    a.work.cleanup = 3
    task = await leading(a)
    a.line.cut = True
    await asyncio.sleep(10.5)
    a.line.cut = False
    task.cancel()
    await asyncio.wait({task})
    assert api.holder == ""


async def test_the_release_after_a_fence_is_repeated_by_an_end_that_interrupts_it(api: LeaseApi, replica: Make) -> None:
    a = replica("a")
    a.work.failure = LeadershipLostError("fenced")
    task = await leading(a)
    a.line.cut = True
    a.work.fail.set()
    await asyncio.sleep(1)
    a.line.cut = False
    task.cancel()
    await asyncio.wait({task})
    assert task.cancelled()
    assert api.holder == ""


async def test_a_cancellation_after_a_loss_does_not_hide_that_work_is_stuck(api: LeaseApi, replica: Make) -> None:
    a = replica("a")
    a.work.cleanup = 30
    task = await leading(a)
    a.line.cut = True
    await asyncio.sleep(10.5)
    task.cancel()
    with pytest.raises(LeaderWorkStuckError):
        await task
    assert now() == pytest.approx(a.work.cancelled[0] + 5)


async def test_a_lease_lost_while_draining_is_not_released(api: LeaseApi, replica: Make) -> None:
    a = replica("a")
    a.work.cleanup = 3
    task = await leading(a)
    task.cancel()
    await asyncio.sleep(0.5)
    api.edit(holderIdentity="thief")
    await asyncio.wait({task})
    assert task.cancelled()
    assert api.holder == "thief"


async def test_work_stuck_while_draining_ends_the_process_once_the_lease_is_lost(api: LeaseApi, replica: Make) -> None:
    a = replica("a")
    a.work.cleanup = 100
    task = await leading(a)
    task.cancel()
    await asyncio.sleep(0.5)
    a.line.cut = True
    with pytest.raises(LeaderWorkStuckError):
        await task
    assert now() < 20


async def test_failed_work_is_raised_after_the_lease_was_released(api: LeaseApi, replica: Make) -> None:
    a = replica("a")
    a.work.failure = RuntimeError("broken work")
    task = await leading(a)
    a.work.fail.set()
    with pytest.raises(RuntimeError, match="broken work"):
        await task
    assert api.holder == ""
    assert not a.elector.is_leader


@pytest.mark.parametrize(
    "failure",
    [
        pytest.param(LeadershipLostError("fenced"), id="alone"),
        pytest.param(ExceptionGroup("work", [LeadershipLostError("fenced")]), id="in a group"),
    ],
)
async def test_work_that_ran_into_the_fence_is_started_in_a_new_term(
    api: LeaseApi, replica: Make, failure: Exception
) -> None:
    a = replica("a")
    a.work.failure = failure
    await leading(a)
    a.work.fail.set()
    await asyncio.sleep(5)
    assert len(a.work.started) == 2
    assert a.elector.is_leader


async def test_of_a_group_the_other_errors_are_raised(api: LeaseApi, replica: Make) -> None:
    a = replica("a")
    a.work.failure = ExceptionGroup("work", [LeadershipLostError("fenced"), RuntimeError("broken work")])
    task = await leading(a)
    a.work.fail.set()
    with pytest.raises(ExceptionGroup) as caught:
        await task
    assert [str(error) for error in caught.value.exceptions] == ["broken work"]


async def test_work_that_fails_while_it_ends_after_a_loss_is_logged_and_not_raised(
    api: LeaseApi, replica: Make
) -> None:
    a = replica("a")
    a.work.failure = RuntimeError("cannot clean up")
    task = await leading(a)
    with capture_logs() as lines:
        a.line.cut = True
        await asyncio.sleep(15)
    assert [line["exc_info"] for line in lines if line["log_level"] == "error"] == [a.work.failure]
    assert not task.done()
    a.work.failure = None
    a.line.cut = False
    await a.leads()


async def test_work_that_fails_while_draining_is_logged_and_the_cancellation_goes_on(
    api: LeaseApi, replica: Make
) -> None:
    a = replica("a")
    a.work.failure = RuntimeError("cannot clean up")
    task = await leading(a)
    with capture_logs() as lines:
        await a.stop()
    assert [line["exc_info"] for line in lines if line["log_level"] == "error"] == [a.work.failure]
    assert task.cancelled()
    assert api.holder == ""


async def test_a_release_that_conflicts_is_repeated(api: LeaseApi, replica: Make) -> None:
    a = replica("a")
    await leading(a)
    edits = iter(range(3))

    def edit_before_release(request: ApiRequest) -> None:
        if request.method == "PUT" and next(edits, None) is not None:
            api.label("edited", "yes")

    a.line.before = edit_before_release
    await a.stop()
    assert api.holder == ""
    assert api.lease.metadata.labels == {"edited": "yes"}


async def test_a_release_that_conflicts_for_ever_is_given_up_after_the_renew_deadline(
    api: LeaseApi, replica: Make
) -> None:
    a = replica("a")
    await leading(a)
    a.line.before = lambda request: api.label("edited", str(api.version))
    stopped = now()
    await a.stop()
    assert now() - stopped == pytest.approx(10)


async def test_a_release_is_a_single_request(api: LeaseApi, replica: Make) -> None:
    a = replica("a")
    await leading(a)
    a.line.exchanges.clear()
    await a.stop()
    assert a.line.methods == ["PUT"]


async def test_a_release_does_not_touch_the_lease_of_somebody_else(api: LeaseApi, replica: Make) -> None:
    a = replica("a")
    await leading(a)
    api.edit(holderIdentity="thief")
    await a.stop()
    assert api.holder == "thief"


async def test_a_release_gives_up_when_the_api_server_is_away(api: LeaseApi, replica: Make) -> None:
    a = replica("a")
    await leading(a)
    a.line.refused = True
    stopped = now()
    with capture_logs() as lines:
        await a.stop()
    assert now() - stopped < 1
    assert [line["error"] for line in lines if line["log_level"] == "warning"] == ["connection refused"]


async def test_a_release_is_bounded_when_nobody_answers(api: LeaseApi, replica: Make) -> None:
    a = replica("a")
    await leading(a)
    a.line.cut = True
    stopped = now()
    await a.stop()
    assert now() - stopped <= 10


async def test_a_renewal_under_way_at_the_end_does_not_prevent_the_release(api: LeaseApi, replica: Make) -> None:
    a = replica("a")
    a.line.delay = lambda: 0.5
    await leading(a)
    await asyncio.sleep(1.7)
    assert a.line.exchanges[-1].ended is None
    await a.stop()
    assert api.holder == ""


async def test_a_candidate_that_ends_while_its_claim_is_under_way_leaves_no_lease_behind(
    api: LeaseApi, replica: Make
) -> None:
    a = replica("a")
    a.line.delay = lambda: 0.5
    a.start()
    await asyncio.sleep(1.7)
    assert a.line.methods == ["GET", "POST"]
    assert api.holder == "a"
    await a.stop()
    assert api.holder == ""
    assert a.work.started == []


async def test_a_standby_ends_at_once(api: LeaseApi, replica: Make) -> None:
    a, b = replica("a"), replica("b")
    await leading(a)
    task = b.start()
    await asyncio.sleep(10)
    stopped, requests = now(), len(b.line.exchanges)
    await b.stop()
    assert now() == stopped
    assert len(b.line.exchanges) == requests
    assert task.cancelled()


async def test_a_claim_that_failed_in_doubt_is_released_at_the_end(api: LeaseApi, replica: Make) -> None:
    a = replica("a")
    a.line.failure, a.line.failing = (504, "Timeout"), frozenset({"POST"})
    a.line.before = lambda request: None if request.method != "POST" else api.store(json.loads(request.body or b""))
    a.start()
    await asyncio.sleep(1)
    assert api.holder == "a"
    assert not a.elector.is_leader
    await a.stop()
    assert api.holder == ""


async def test_a_claim_that_was_refused_leaves_nothing_to_release(api: LeaseApi, replica: Make) -> None:
    a = replica("a")
    a.line.failure, a.line.failing = (403, "Forbidden"), frozenset({"POST"})
    a.start()
    await asyncio.sleep(1)
    await a.stop()
    assert a.line.methods == ["GET", "POST"]


class Events:
    """The recorder's one method."""

    def __init__(self) -> None:
        self.recorded: list[tuple[Any, ...]] = []

    def event(self, regarding: Object, type_: str, reason: str, action: str, note: str) -> None:
        self.recorded.append((type(regarding).__name__, regarding.key, type_, reason, action, note))


async def test_events_on_the_lease_tell_who_leads(api: LeaseApi, replica: Make) -> None:
    events = Events()
    a = replica("a", recorder=events)
    await leading(a)
    lease = ("Lease", ("lab", "lock"), "Normal", "LeaderElection")
    assert events.recorded == [(*lease, "BecomeLeader", "a became leader")]
    await a.stop()
    assert events.recorded[1:] == [(*lease, "StopLeading", "a stopped leading")]


async def test_an_unexpected_error_about_the_lease_comes_out_of_run(api: LeaseApi, replica: Make) -> None:
    class BrokenEvents(Events):
        def event(self, regarding: Object, type_: str, reason: str, action: str, note: str) -> None:
            if action == "StopLeading":
                raise ValueError("broken recorder")

    a = replica("a", recorder=BrokenEvents())
    task = await leading(a)
    a.line.cut = True
    with pytest.raises(ValueError, match="broken recorder"):
        await task
    assert len(a.work.ended) == 1


async def test_a_cancellation_in_the_moment_of_a_loss_waits_for_the_work(api: LeaseApi, replica: Make) -> None:
    class Notice(Events):
        """Wakes whoever waits for the end of a term."""

        def event(self, regarding: Object, type_: str, reason: str, action: str, note: str) -> None:
            if action == "StopLeading":
                lost.set()

    for turns in range(5):
        lost = asyncio.Event()
        a = replica("a", recorder=Notice())
        a.work.cleanup = 3
        task = await leading(a)
        api.edit(holderIdentity="thief")
        await lost.wait()
        for _ in range(turns):
            await asyncio.sleep(0)
        task.cancel()
        await asyncio.wait({task})
        assert task.cancelled()
        assert len(a.work.ended) == 1, f"the work goes on after a cancellation {turns} turns after the loss"
        api.delete()


async def test_work_that_failed_is_logged_if_the_release_is_cancelled(api: LeaseApi, replica: Make) -> None:
    a = replica("a")
    a.work.failure = RuntimeError("broken work")
    task = await leading(a)
    a.line.cut = True
    with capture_logs() as lines:
        a.work.fail.set()
        await asyncio.sleep(1)
        task.cancel()
        await asyncio.wait({task})
    assert task.cancelled()
    assert [line["exc_info"] for line in lines if line["log_level"] == "error"] == [a.work.failure]


async def test_work_that_ends_by_a_cancellation_from_inside_has_failed(api: LeaseApi, replica: Make) -> None:
    async def await_what_others_cancelled() -> None:
        shared = asyncio.get_running_loop().create_future()
        shared.cancel()
        await shared

    task = replica("a").start(await_what_others_cancelled)
    with pytest.raises(RuntimeError, match="cancellation that came from inside"):
        await task
    assert api.holder == ""


async def test_work_that_runs_into_a_fence_again_and_again_is_not_started_in_a_tight_loop(
    api: LeaseApi, replica: Make
) -> None:
    started: list[float] = []

    async def fenced_by_another_lease() -> None:
        started.append(now())
        raise LeadershipLostError("fenced")

    replica("a").start(fenced_by_another_lease)
    await asyncio.sleep(60)
    assert 60 / 4.6 < len(started) <= 60 / 2
