"""Leadership in a manager: waiting for it, warming up before it, handing it over, and not giving it up too early."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator

import pytest
from structlog.testing import capture_logs

from controller_runtime.api.coordination_v1 import Lease
from controller_runtime.apimachinery import NamespacedName
from controller_runtime.builder import ControllerBuilder
from controller_runtime.client import Client
from controller_runtime.controller import ControllerOptions, Request
from controller_runtime.envtest.in_memory import InMemoryAPI
from controller_runtime.envtest.interceptor import Interceptor
from controller_runtime.leaderelection import LeaderElection
from controller_runtime.manager import Group, Manager
from tests.unit.cache.kinds import Gadget
from tests.unit.controller.fakes import Recording, succeed
from tests.unit.manager.test_manager import Part

pytestmark = pytest.mark.looptime

LOCK = NamespacedName("lab", "lock")


@pytest.fixture
def api() -> InMemoryAPI:
    return InMemoryAPI(Gadget, namespaces=["lab"])


class OpenInterceptor(Interceptor):
    """Stays open, so that what is done after the end of a manager is seen."""

    async def close(self) -> None:
        """Does nothing."""


def manager_of(api: InMemoryAPI, identity: str, *, grace: float = 30) -> Manager:
    return Manager(
        OpenInterceptor(api.transport(), retries=False),
        leader_election=LeaderElection(name=LOCK.name, namespace=LOCK.namespace, identity=identity),
        graceful_shutdown_timeout=grace,
    )


@contextlib.asynccontextmanager
async def running(manager: Manager) -> AsyncIterator[asyncio.Task[None]]:
    task = asyncio.create_task(manager.start())
    try:
        yield task
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task


async def holder(api: InMemoryAPI) -> str:
    lease = await Client(api.transport()).get(Lease, LOCK)
    return lease.spec.holder_identity


async def test_waiting_for_the_election_ends_when_it_is_won_each_time_anew(api: InMemoryAPI) -> None:
    client = Client(api.transport())
    manager = manager_of(api, "a")
    assert manager.elector is not None
    manager.add(Part("slow", [], stops_in=3))
    early = asyncio.create_task(manager.wait_elected())
    async with running(manager):
        await asyncio.sleep(1)
        assert early.done()
        await manager.wait_elected()
        await client.patch(Lease, LOCK, {"spec": {"holderIdentity": "b"}})
        await asyncio.sleep(2.5)
        assert not manager.elector.is_leader
        while_work_ends = asyncio.create_task(manager.wait_elected())
        await asyncio.sleep(5)
        late = asyncio.create_task(manager.wait_elected())
        await asyncio.sleep(5)
        assert not while_work_ends.done()
        assert not late.done()
        await client.patch(Lease, LOCK, {"spec": {"holderIdentity": ""}})
        await late
        await while_work_ends


async def test_without_an_election_nobody_waits_for_one(api: InMemoryAPI) -> None:
    await Manager(api.transport()).wait_elected()


async def test_a_manager_that_ends_tells_those_who_wait_for_its_election(api: InMemoryAPI) -> None:
    first, second = manager_of(api, "a"), manager_of(api, "b")
    async with running(first):
        await first.wait_elected()
        async with running(second):
            waiting = asyncio.create_task(second.wait_elected())
            await asyncio.sleep(10)
        with pytest.raises(RuntimeError, match="will not lead any more"):
            await waiting
        with pytest.raises(RuntimeError, match="will not lead any more"):
            await second.wait_elected()


class Warmable(Part):
    """A part with a warm-up."""

    async def warmup(self) -> None:
        self._notes.append(f"{self.name} warms up")
        try:
            await asyncio.get_running_loop().create_future()
        finally:
            self._notes.append(f"{self.name} cools down")


async def test_leaders_parts_are_warmed_up_after_the_others_on_each_replica(api: InMemoryAPI) -> None:
    leader, standby = manager_of(api, "a"), manager_of(api, "b")
    notes: list[str] = []
    async with running(leader):
        await leader.wait_elected()
        standby.add(Part("other", notes), group=Group.OTHERS)
        standby.add(Warmable("part", notes))
        async with running(standby):
            await asyncio.sleep(10)
            assert notes == ["other starts", "part warms up"]
            standby.add(Warmable("late", notes))
            await asyncio.sleep(10)
            assert notes[2:] == ["late warms up"]
            notes.clear()
    assert notes[0] == "other stops"
    assert sorted(notes[1:]) == ["late cools down", "part cools down"]


async def test_without_an_election_there_is_nothing_to_warm_up_for(api: InMemoryAPI) -> None:
    notes: list[str] = []
    manager = Manager(api.transport())
    manager.add(Warmable("part", notes))
    async with running(manager):
        await asyncio.sleep(10)
        assert notes == ["part starts"]


async def test_the_warm_up_ends_beside_the_leaders_parts_and_before_the_caches(api: InMemoryAPI) -> None:
    notes: list[str] = []
    manager = manager_of(api, "a")
    manager.add(Part("cache", notes), group=Group.CACHES)
    manager.add(Warmable("part", notes, stops_in=5))
    async with running(manager):
        await asyncio.sleep(10)
        notes.clear()
    assert notes == ["part cools down", "part stops", "cache stops"]


class CancelledInside(Part):
    async def warmup(self) -> None:
        shared = asyncio.get_running_loop().create_future()
        shared.cancel()
        await shared


async def test_a_warm_up_that_is_cancelled_from_inside_is_logged_and_no_failure(api: InMemoryAPI) -> None:
    manager = manager_of(api, "a")
    manager.add(CancelledInside("part", []))
    with capture_logs() as lines:
        async with running(manager) as task:
            await asyncio.sleep(100)
            assert not task.done()
    (line,) = [line for line in lines if "warm-up" in line["event"]]
    assert (line["log_level"], line["part"]) == ("warning", "part")


async def test_a_standby_that_is_warm_reconciles_everything_as_soon_as_it_leads(api: InMemoryAPI) -> None:
    leader, standby = manager_of(api, "a"), manager_of(api, "b")
    reconciler = Recording(succeed)
    builder = ControllerBuilder(standby).for_(Gadget).with_options(ControllerOptions(enable_warmup=True))
    controller = builder.complete(reconciler)
    for name in ("a", "b"):
        api.create(Gadget, name, "lab")
    leading = asyncio.create_task(leader.start())
    await leader.wait_elected()
    async with running(standby):
        await asyncio.sleep(100)
        assert reconciler.runs == []
        assert sum(controller.queue_snapshot().depth.values()) == 2
        leading.cancel()
        await asyncio.wait({leading})
        await standby.wait_elected()
        await asyncio.sleep(3)
    assert sorted(request.name for request in reconciler.requests()) == ["a", "b"]


@pytest.mark.parametrize(
    ("grace", "stops_in", "left"),
    [
        pytest.param(30, 10, "", id="work that ends in time: released"),
        pytest.param(5, 10, "a", id="work that ends late: kept"),
        pytest.param(0, 0, "a", id="nothing is waited for: kept"),
    ],
)
async def test_the_lease_is_released_only_after_work_that_was_waited_for(
    api: InMemoryAPI, grace: float, stops_in: float, left: str
) -> None:
    manager = manager_of(api, "a", grace=grace)
    manager.add(Part("work", [], stops_in=stops_in))
    task = asyncio.create_task(manager.start())
    await manager.wait_elected()
    await asyncio.sleep(1)
    task.cancel()
    await asyncio.wait({task})
    await asyncio.sleep(3)
    assert await holder(api) == left
    await asyncio.sleep(3 * stops_in)
    assert await holder(api) == left


async def test_work_goes_from_one_replica_to_the_next_without_overlap(api: InMemoryAPI) -> None:
    active: list[str] = []
    most = 0

    class Exclusive(Recording):
        def __init__(self, name: str) -> None:
            super().__init__(self._act)
            self.name = name

        async def _act(self, request: Request) -> None:
            nonlocal most
            active.append(self.name)
            most = max(most, len(set(active)))
            try:
                await asyncio.sleep(1)
            finally:
                active.remove(self.name)

    replicas = {name: manager_of(api, name) for name in ("a", "b")}
    reconcilers = {name: Exclusive(name) for name in replicas}
    for name, manager in replicas.items():
        options = ControllerOptions(enable_warmup=True, max_concurrent_reconciles=2)
        ControllerBuilder(manager).for_(Gadget).with_options(options).complete(reconcilers[name])
    for number in range(10):
        api.create(Gadget, f"g{number}", "lab")
    leading = asyncio.create_task(replicas["a"].start())
    await replicas["a"].wait_elected()
    async with running(replicas["b"]):
        await asyncio.sleep(2.5)
        leading.cancel()
        await asyncio.wait({leading})
        await asyncio.sleep(60)
    assert most == 1
    assert all(reconciler.runs for reconciler in reconcilers.values())
    done = {request.name for reconciler in reconcilers.values() for request in reconciler.requests()}
    assert done == {f"g{number}" for number in range(10)}
