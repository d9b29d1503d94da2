"""The manager: what starts when, what stops when, and what a failure does. On virtual time, with an API in memory."""

from __future__ import annotations

import asyncio
import contextlib
import functools
from collections.abc import AsyncIterator
from typing import Any

import pytest
from pytest_mock import MockerFixture
from structlog.testing import capture_logs

from controller_runtime.cache import InformerOptions
from controller_runtime.envtest import InMemoryAPI, Interceptor
from controller_runtime.leaderelection import LeaderWorkStuckError
from controller_runtime.manager import CheckFailedError, GracefulShutdownError, Group, Manager
from tests.unit.cache.kinds import Gadget

pytestmark = pytest.mark.looptime


class Part:
    """Notes when it starts and stops, in a list shared with others."""

    def __init__(self, name: str, notes: list[str], *, stops_in: float = 0, fails_after: float | None = None) -> None:
        self.name = name
        self._notes = notes
        self._stops_in = stops_in
        self._fails_after = fails_after

    async def start(self) -> None:
        self._notes.append(f"{self.name} starts")
        try:
            await asyncio.sleep(1e9 if self._fails_after is None else self._fails_after)
            raise ValueError(f"{self.name} is broken")
        finally:
            await asyncio.sleep(self._stops_in)
            self._notes.append(f"{self.name} stops")


class Transport(Interceptor):
    """To an API server in memory; notes that it was closed, and never retries."""

    closed = False

    def __init__(self) -> None:
        super().__init__(InMemoryAPI(Gadget).transport(), retries=False)

    async def close(self) -> None:
        await super().close()
        self.closed = True


@pytest.fixture
def api() -> Transport:
    return Transport()


@contextlib.asynccontextmanager
async def running(manager: Manager) -> AsyncIterator[asyncio.Task[None]]:
    task = asyncio.create_task(manager.start())
    try:
        yield task
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task


def readiness(manager: Manager) -> str:
    """What keeps it from being ready; empty if it is."""
    try:
        for check in manager._readyz.values():
            check()
    except CheckFailedError as error:
        return str(error)
    return ""


async def test_parts_start_and_stop_group_by_group(api: Transport) -> None:
    notes: list[str] = []
    manager = Manager(api)
    for group in (Group.LEADER, Group.OTHERS, Group.SERVING, Group.SERVERS):
        manager.add(Part(group.value, notes), group=group)
    async with running(manager):
        await asyncio.sleep(1)
        assert notes == ["servers starts", "serving starts", "others starts", "leader starts"]
        notes.clear()
    assert notes == ["serving stops", "others stops", "leader stops", "servers stops"]
    assert api.closed


async def test_frontends_run_before_the_caches_have_synced_and_all_else_waits(api: Transport) -> None:
    notes: list[str] = []
    manager = Manager(api)
    manager.cache.informer(Gadget)
    manager.add(Part("serving", notes), group=Group.SERVING)
    manager.add(Part("leader", notes))
    outage = api.outage()
    async with running(manager):
        await asyncio.sleep(100)
        assert notes == ["serving starts"]
        assert readiness(manager).startswith("not synced: Gadget: cannot list gadgets.example.com")
        outage.remove()
        await asyncio.sleep(100)
        assert notes == ["serving starts", "leader starts"]
        assert readiness(manager) == ""


async def test_a_failing_part_stops_all_others_and_is_raised(api: Transport) -> None:
    notes: list[str] = []
    manager = Manager(api)
    manager.add(Part("good", notes), group=Group.OTHERS)
    manager.add(Part("bad", notes, fails_after=5))
    with pytest.raises(ValueError, match="bad is broken"):
        await manager.start()
    assert "good stops" in notes
    assert api.closed


async def test_a_part_that_fails_before_the_sync_is_not_waited_past(api: Transport) -> None:
    manager = Manager(api)
    manager.cache.informer(Gadget)
    api.outage()
    manager.add(Part("bad", [], fails_after=5), group=Group.SERVING)
    with pytest.raises(ValueError, match="bad is broken"):
        await manager.start()


async def test_what_has_not_ended_after_the_grace_period_is_named(api: Transport) -> None:
    manager = Manager(api, graceful_shutdown_timeout=30)
    slow = Part("slow", [], stops_in=100)
    manager.add(slow, group=Group.OTHERS)
    task = asyncio.create_task(manager.start())
    await asyncio.sleep(1)
    task.cancel()
    begin = asyncio.get_running_loop().time()
    with pytest.raises(GracefulShutdownError, match=r"after the grace period of 30 s: runnable/Part"):
        await task
    assert asyncio.get_running_loop().time() - begin == pytest.approx(30, abs=1)
    await asyncio.sleep(100)


async def test_it_says_that_it_is_not_ready_while_it_ends(api: Transport) -> None:
    manager = Manager(api)
    manager.add(Part("slow", [], stops_in=5), group=Group.SERVING)
    async with running(manager) as task:
        await asyncio.sleep(1)
        assert readiness(manager) == ""
        task.cancel()
        await asyncio.sleep(1)
        assert readiness(manager) == "the process is shutting down"


async def test_it_is_not_ready_after_too_long_without_proof_of_life(api: Transport) -> None:
    manager = Manager(api, max_staleness=600)
    manager.cache.informer(Gadget)
    async with running(manager):
        await asyncio.sleep(1_000)
        assert readiness(manager) == ""
        outage = api.outage()
        await asyncio.sleep(500)
        assert readiness(manager) == ""
        await asyncio.sleep(300)
        assert "no proof of life from the API server" in readiness(manager)
        assert "(max_staleness is 600 s)" in readiness(manager)
        outage.remove()
        await asyncio.sleep(100)
        assert readiness(manager) == ""


@pytest.mark.parametrize(
    ("part", "message"),
    [
        pytest.param(object(), r"objects with `async def start\(self\)`", id="no-start"),
        pytest.param(Part, "not the class Part: make an instance", id="class"),
    ],
)
async def test_what_cannot_be_run_is_refused_at_once(api: Transport, part: Any, message: str) -> None:
    with pytest.raises(TypeError, match=message):
        Manager(api).add(part)


async def test_it_can_be_started_once(api: Transport) -> None:
    manager = Manager(api)
    async with running(manager):
        await asyncio.sleep(1)
        with pytest.raises(RuntimeError, match="started once"):
            await manager.start()


@pytest.mark.parametrize(
    ("grace", "seconds"),
    [
        pytest.param(-1, 102, id="negative: no limit"),
        pytest.param(float("inf"), 102, id="no limit"),
        pytest.param(0, 0, id="none: nothing is waited for, which is no error"),
    ],
)
async def test_the_grace_period_may_be_endless_or_none_at_all(
    api: Transport, mocker: MockerFixture, grace: float, seconds: float
) -> None:
    notes: list[str] = []
    manager = Manager(api, graceful_shutdown_timeout=grace)
    mocker.patch.object(manager._broadcaster, "_flush", side_effect=functools.partial(asyncio.sleep, 2))
    for group in (Group.LEADER, Group.OTHERS):
        manager.add(Part(group.value, notes, stops_in=50), group=group)
    task = asyncio.create_task(manager.start())
    await asyncio.sleep(1)
    begin = asyncio.get_running_loop().time()
    task.cancel()
    await asyncio.wait({task})
    assert task.cancelled()
    assert asyncio.get_running_loop().time() - begin == pytest.approx(seconds, abs=0.01)
    assert api.closed
    await asyncio.sleep(100)
    assert sorted(notes[2:]) == ["leader stops", "others stops"]


async def test_a_broadcaster_that_fails_ends_it(api: Transport, mocker: MockerFixture) -> None:
    manager = Manager(api)
    mocker.patch.object(manager._broadcaster, "run", side_effect=ValueError("a bug"))
    with pytest.raises(ValueError, match="a bug"):
        await manager.start()


async def test_a_second_cancellation_does_not_leave_parts_behind(api: Transport) -> None:
    notes: list[str] = []
    manager = Manager(api)
    manager.add(Part("slow", notes, stops_in=10), group=Group.OTHERS)
    task = asyncio.create_task(manager.start())
    await asyncio.sleep(1)
    task.cancel()
    await asyncio.sleep(1)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert notes == ["slow starts", "slow stops"]
    assert api.closed


class Stuck:
    """Work that does not end, or not soon, and an election that has noticed."""

    def __init__(self, failure: Exception) -> None:
        self._failure = failure

    async def start(self) -> None:
        await asyncio.sleep(1)
        raise self._failure


async def test_leaders_work_that_is_stuck_is_raised_at_once_as_what_it_is(
    api: Transport, mocker: MockerFixture
) -> None:
    manager = Manager(api)
    mocker.patch.object(manager._broadcaster, "_flush", side_effect=functools.partial(asyncio.sleep, 2))
    slow = Part("slow", [], stops_in=100)
    manager.add(slow, group=Group.OTHERS)
    manager.add(Stuck(LeaderWorkStuckError("work goes on")))
    begin = asyncio.get_running_loop().time()
    with pytest.raises(LeaderWorkStuckError, match="work goes on"):
        await manager.start()
    assert asyncio.get_running_loop().time() - begin == pytest.approx(1)
    await asyncio.sleep(200)


async def test_a_failure_is_not_hidden_by_parts_that_are_late(api: Transport) -> None:
    manager = Manager(api, graceful_shutdown_timeout=5)
    manager.add(Part("slow", [], stops_in=100), group=Group.OTHERS)
    failure = ValueError("broken")
    manager.add(Stuck(failure))
    with capture_logs() as lines, pytest.raises(GracefulShutdownError) as error:
        await manager.start()
    assert error.value.__cause__ is failure
    assert [line["exc_info"] for line in lines if line["log_level"] == "error"] == [failure]
    await asyncio.sleep(200)


def test_informers_have_the_options_that_the_manager_was_given(api: Transport) -> None:
    manager = Manager(api, kinds={Gadget: InformerOptions(optional=True)}, informer_defaults=InformerOptions())
    assert manager.cache.informer(Gadget).optional
