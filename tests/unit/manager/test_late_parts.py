"""Parts that are added to a manager while it starts, runs and stops."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator

import pytest

from controller_runtime.controller import Controller
from controller_runtime.envtest.in_memory import InMemoryAPI
from controller_runtime.envtest.interceptor import Interceptor
from controller_runtime.leaderelection import LeaderElection
from controller_runtime.manager import Group, Manager
from tests.unit.cache.kinds import Gadget
from tests.unit.controller.fakes import A, ListSource, Recording, succeed
from tests.unit.manager.test_manager import Part

pytestmark = pytest.mark.looptime

GROUPS = (Group.SERVERS, Group.SERVING, Group.CACHES, Group.OTHERS, Group.WARMUP, Group.LEADER)


@pytest.fixture
def net() -> Interceptor:
    return Interceptor(InMemoryAPI(Gadget, namespaces=["lab"]).transport(), retries=False)


@contextlib.asynccontextmanager
async def running(manager: Manager) -> AsyncIterator[asyncio.Task[None]]:
    task = asyncio.create_task(manager.start())
    try:
        await asyncio.sleep(1)
        yield task
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task


@pytest.mark.parametrize("group", [pytest.param(group, id=group.value) for group in GROUPS])
async def test_a_late_part_starts_at_once_and_stops_with_its_group(net: Interceptor, group: Group) -> None:
    notes: list[str] = []
    manager = Manager(net)
    async with running(manager):
        manager.add(Part("late", notes), group=group)
        await asyncio.sleep(1)
        assert notes == ["late starts"]
    assert notes == ["late starts", "late stops"]


async def test_a_late_part_that_fails_ends_the_manager(net: Interceptor) -> None:
    manager = Manager(net)
    task = asyncio.create_task(manager.start())
    await asyncio.sleep(1)
    manager.add(Part("late", [], fails_after=5))
    with pytest.raises(ValueError, match="late is broken"):
        await task


async def test_what_is_added_before_its_groups_turn_waits_for_it(net: Interceptor) -> None:
    notes: list[str] = []
    manager = Manager(net)
    manager.cache.informer(Gadget)
    with net.outage():
        async with running(manager):
            for group in (Group.LEADER, Group.OTHERS, Group.SERVING):
                manager.add(Part(group.value, notes), group=group)
            await asyncio.sleep(1)
            assert notes == ["serving starts"]
            net.clear()
            await asyncio.sleep(60)
            assert notes == ["serving starts", "others starts", "leader starts"]


class SlowCache:
    """A cache of another kind, which syncs when a test says so."""

    needs_leader_election = False

    def __init__(self) -> None:
        self.synced = asyncio.Event()

    async def start(self) -> None:
        await asyncio.get_running_loop().create_future()

    async def wait_synced(self) -> None:
        await self.synced.wait()


async def test_what_comes_after_late_caches_waits_until_they_have_synced(net: Interceptor) -> None:
    notes: list[str] = []
    manager = Manager(net)
    async with running(manager):
        late = SlowCache()
        manager.add(late, group=Group.CACHES)
        for group in (Group.SERVING, Group.OTHERS, Group.LEADER):
            manager.add(Part(group.value, notes), group=group)
        await asyncio.sleep(10)
        assert notes == ["serving starts"]
        late.synced.set()
        await asyncio.sleep(1)
        assert notes == ["serving starts", "others starts", "leader starts"]


async def test_every_cache_is_waited_for_at_the_start(net: Interceptor) -> None:
    notes: list[str] = []
    manager = Manager(net)
    first, second = SlowCache(), SlowCache()
    manager.add(first, group=Group.CACHES)
    manager.add(Part("other", notes), group=Group.OTHERS)
    async with running(manager):
        manager.add(second, group=Group.CACHES)
        first.synced.set()
        await asyncio.sleep(10)
        assert notes == []
        second.synced.set()
        await asyncio.sleep(1)
        assert notes == ["other starts"]


async def test_a_name_that_was_refused_is_not_taken(net: Interceptor) -> None:
    manager = Manager(net)
    manager.add(Controller("c", Recording(succeed), sources=[ListSource(A)]))
    with pytest.raises(ValueError, match="named c already"):
        manager.add(Controller("c", Recording(succeed), sources=[ListSource(A)]))
    task = asyncio.create_task(manager.start())
    await asyncio.sleep(1)
    task.cancel()
    await asyncio.wait({task})
    with pytest.raises(RuntimeError, match="takes no part any more: Controller"):
        manager.add(Controller("d", Recording(succeed), sources=[ListSource(A)]))
    assert manager._controllers == {"c"}


class Adder:
    """Tries to add a part whenever the loop turns, from the begin of the stop to its end."""

    def __init__(self, manager: Manager, group: Group, notes: list[str]) -> None:
        self.refused = 0
        self._manager = manager
        self._group = group
        self._notes = notes

    async def start(self) -> None:
        try:
            await asyncio.get_running_loop().create_future()
        finally:
            for _ in range(20):
                try:
                    self._manager.add(Part("sneaked in", self._notes), group=self._group)
                except RuntimeError:
                    self.refused += 1
                await asyncio.sleep(0)


@pytest.mark.parametrize("to", [pytest.param(group, id=f"to {group.value}") for group in GROUPS])
@pytest.mark.parametrize("by", [pytest.param(group, id=f"by {group.value}") for group in GROUPS])
async def test_no_part_comes_in_while_the_manager_stops(net: Interceptor, by: Group, to: Group) -> None:
    notes: list[str] = []
    election = LeaderElection(name="lock", namespace="lab")
    manager = Manager(net, leader_election=election)
    adder = Adder(manager, to, notes)
    manager.add(adder, group=by)
    async with running(manager):
        await manager.wait_elected()
        await asyncio.sleep(1)
    assert adder.refused == 20
    assert notes == []
