"""A manager that takes part in an election: what runs while it leads, what goes on without. Virtual time."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from typing import Any

import pytest

from controller_runtime.api.coordination_v1 import Lease
from controller_runtime.api.core_v1 import Secret
from controller_runtime.apimachinery import ObjectMeta
from controller_runtime.client import LeadershipLostError
from controller_runtime.envtest import InMemoryAPI
from controller_runtime.leaderelection import LeaderElection, LeaderWorkStuckError
from controller_runtime.leaderelection.elector import STUCK_AFTER_SECONDS
from controller_runtime.manager import Group, Manager
from tests.unit.manager.test_manager import Part

pytestmark = pytest.mark.looptime


class ElectionApi(InMemoryAPI):
    """An API server with the one Lease, which others may write, too."""

    def __init__(self) -> None:
        super().__init__(namespaces=["lab"])

    @property
    def spec(self) -> dict[str, Any]:
        """Of the Lease."""
        (lease,) = self.list(Lease, "lab")
        found: dict[str, Any] = lease["spec"]
        return found

    @property
    def holder(self) -> str:
        """Identity of the holder; empty for none."""
        return str(self.spec.get("holderIdentity", ""))

    def hand_over(self, holder: str) -> None:
        """Makes another one the holder behind the elector's back; empty for nobody."""
        self.update(Lease, "lock", "lab", spec=self.spec | {"holderIdentity": holder})


@contextlib.asynccontextmanager
async def running(manager: Manager) -> AsyncIterator[None]:
    task = asyncio.create_task(manager.start())
    try:
        yield
    finally:
        task.cancel()
        await asyncio.wait({task})
        assert task.cancelled()


def make_manager(api: ElectionApi, identity: str = "a") -> Manager:
    clock = asyncio.get_running_loop().time
    election = LeaderElection(name="lock", namespace="lab", identity=identity, clock=clock)
    return Manager(api.transport(), leader_election=election)


async def test_a_lease_that_nobody_renews_expires_by_the_clock_of_the_election() -> None:
    api, notes = ElectionApi(), list[str]()
    api.create(Lease, "lock", "lab", spec={"holderIdentity": "gone", "leaseDurationSeconds": 15})
    manager = make_manager(api)
    manager.add(Part("leader", notes))
    async with running(manager):
        await asyncio.sleep(14)
        assert (notes, api.holder) == ([], "gone")
        await asyncio.sleep(6)
        assert (notes, api.holder) == (["leader starts"], "a")


async def test_a_lost_lease_ends_the_leaders_parts_and_nothing_else() -> None:
    api, notes = ElectionApi(), list[str]()
    manager = make_manager(api)
    manager.add(Part("other", notes), group=Group.OTHERS)
    manager.add(Part("leader", notes, stops_in=2))
    async with running(manager):
        await asyncio.sleep(1)
        assert notes == ["other starts", "leader starts"]
        api.hand_over("thief")
        await asyncio.sleep(5)
        assert notes[2:] == ["leader stops"]
        with pytest.raises(LeadershipLostError):
            await manager.client.create(Secret(metadata=ObjectMeta(namespace="lab", name="a")))
        api.hand_over("")
        await asyncio.sleep(5)
        assert notes[3:] == ["leader starts"]
        notes.clear()
    assert notes == ["other stops", "leader stops"]
    assert api.holder == ""


async def test_the_lease_is_kept_while_others_drain_and_released_when_the_leaders_parts_have_ended() -> None:
    api, notes = ElectionApi(), list[str]()
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
    api = ElectionApi()
    manager = make_manager(api)
    manager.add(Part("other", [], stops_in=others_need), group=Group.OTHERS)
    manager.add(Part("leader", [], stops_in=100))
    task = asyncio.create_task(manager.start())
    await asyncio.sleep(1)
    task.cancel()
    await asyncio.sleep(1)
    api.hand_over("thief")
    lost = asyncio.get_running_loop().time()
    with pytest.raises(LeaderWorkStuckError):
        await task
    assert asyncio.get_running_loop().time() - lost < 2 + STUCK_AFTER_SECONDS + 0.1
    await asyncio.sleep(200)
