"""A manager that takes part in an election: what runs while it leads, what goes on without. Virtual time."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator

import pytest

from controller_runtime.api.core_v1 import Secret
from controller_runtime.apimachinery import ObjectMeta
from controller_runtime.client import ApiRequest, ApiResponse, LeadershipLostError
from controller_runtime.leaderelection import LeaderElection, LeaderWorkStuckError
from controller_runtime.leaderelection.elector import STUCK_AFTER_SECONDS
from controller_runtime.manager import Group, Manager
from tests.unit.leaderelection.lease_api import LEASE_NAME, LeaseApi, Line
from tests.unit.manager.test_manager import Part

pytestmark = pytest.mark.looptime


class LeasesAndEvents(LeaseApi):
    """Takes Events, too, and asks the fence, as transports do."""

    def answer(self, request: ApiRequest) -> ApiResponse:
        if request.fence is not None:
            request.fence()
        if "/events" in request.path:
            return ApiResponse(201, {}, request.body or b"")
        return super().answer(request)


@contextlib.asynccontextmanager
async def running(manager: Manager) -> AsyncIterator[None]:
    task = asyncio.create_task(manager.start())
    try:
        yield
    finally:
        task.cancel()
        await asyncio.wait({task})
        assert task.cancelled()


def make_manager(api: LeaseApi) -> Manager:
    return Manager(Line(api), leader_election=LeaderElection(name=LEASE_NAME, namespace="lab", identity="a"))


async def test_a_lost_lease_ends_the_leaders_parts_and_nothing_else() -> None:
    api, notes = LeasesAndEvents(), list[str]()
    manager = make_manager(api)
    manager.add(Part("other", notes), group=Group.OTHERS)
    manager.add(Part("leader", notes, stops_in=2))
    async with running(manager):
        await asyncio.sleep(1)
        assert notes == ["other starts", "leader starts"]
        api.edit(holderIdentity="thief")
        await asyncio.sleep(5)
        assert notes[2:] == ["leader stops"]
        with pytest.raises(LeadershipLostError):
            await manager.client.create(Secret(metadata=ObjectMeta(namespace="lab", name="a")))
        api.edit(holderIdentity="")
        await asyncio.sleep(5)
        assert notes[3:] == ["leader starts"]
        notes.clear()
    assert notes == ["other stops", "leader stops"]
    assert api.holder == ""


async def test_the_lease_is_kept_while_others_drain_and_released_when_the_leaders_parts_have_ended() -> None:
    api, notes = LeasesAndEvents(), list[str]()
    manager = make_manager(api)
    manager.add(Part("other", notes, stops_in=10), group=Group.OTHERS)
    manager.add(Part("leader", notes, stops_in=10))
    holders: list[str] = []

    async def watch() -> None:
        while True:
            holders.append(api.holder)
            await asyncio.sleep(1)

    async with running(manager):
        await asyncio.sleep(1)
        watcher = asyncio.create_task(watch())
    watcher.cancel()
    assert holders == ["a"] * len(holders)
    assert len(holders) > 19
    assert notes[2:] == ["other stops", "leader stops"]
    assert api.holder == ""


@pytest.mark.parametrize("others_need", [pytest.param(20, id="others drain"), pytest.param(0, id="leader drains")])
async def test_leaders_work_that_is_stuck_without_the_lease_ends_the_drain_at_once(others_need: float) -> None:
    api = LeasesAndEvents()
    manager = make_manager(api)
    manager.add(Part("other", [], stops_in=others_need), group=Group.OTHERS)
    manager.add(Part("leader", [], stops_in=100))
    task = asyncio.create_task(manager.start())
    await asyncio.sleep(1)
    task.cancel()
    await asyncio.sleep(1)
    api.edit(holderIdentity="thief")
    lost = asyncio.get_running_loop().time()
    with pytest.raises(LeaderWorkStuckError):
        await task
    assert asyncio.get_running_loop().time() - lost < 2 + STUCK_AFTER_SECONDS + 0.1
    await asyncio.sleep(200)
