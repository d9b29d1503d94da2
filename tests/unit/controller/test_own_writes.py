"""Own writes: a run begins when the cache shows what the last run of the object wrote; a leader, with a fresh cache."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable

import pytest
from structlog.testing import capture_logs

from controller_runtime import metrics
from controller_runtime.apimachinery import NamespacedName, ObjectMeta
from controller_runtime.cache import Cache
from controller_runtime.client import Client
from controller_runtime.controller import (
    CacheSyncError,
    Controller,
    ControllerOptions,
    KindSource,
    Request,
    Result,
    Source,
    request_for,
)
from controller_runtime.envtest.in_memory import InMemoryAPI
from controller_runtime.envtest.interceptor import Interceptor
from tests.unit.cache.kinds import Gadget
from tests.unit.controller.fakes import A, B, ListSource, Recording, count, succeed

pytestmark = pytest.mark.looptime

LIMIT = 5.0


def gadget(name: str) -> Gadget:
    return Gadget(metadata=ObjectMeta(namespace="ns", name=name))


class Creating:
    """A reconciler that creates an object in each run and notes what the cache had at its begin."""

    def __init__(
        self, client: Client, cache: Cache, *, then: Callable[[], Awaitable[Result | None]] | None = None
    ) -> None:
        self._client = client
        self._cache = cache
        self._then = then
        self.seen: list[int] = []
        self.runs: list[tuple[float, Request]] = []

    async def reconcile(self, request: Request) -> Result | None:
        self.runs.append((asyncio.get_running_loop().time(), request))
        self.seen.append(len(self._cache.list(Gadget)))
        await self._client.create(gadget(f"made-{len(self.runs)}"))
        return None if self._then is None else await self._then()

    def times(self) -> list[float]:
        return [round(time - self.runs[0][0], 1) for time, _ in self.runs]


@contextlib.asynccontextmanager
async def running(controller: Controller) -> AsyncIterator[None]:
    task = asyncio.create_task(controller.start())
    try:
        yield
    finally:
        task.cancel()
        await asyncio.wait({task})


@pytest.fixture
async def gadgets(cache: Cache) -> Cache:
    """The cache, with all Gadgets in it."""
    await cache.informer(Gadget).wait_synced()
    return cache


@pytest.mark.parametrize("failing", [False, True], ids=["runs that succeed", "runs that fail"])
async def test_a_run_sees_what_the_last_one_wrote(client: Client, gadgets: Cache, failing: bool) -> None:
    async def again() -> Result | None:
        if failing and len(reconciler.runs) < 5:
            raise ConnectionError("no route")
        return Result(requeue_after=1e-9) if len(reconciler.runs) < 10 else None

    reconciler = Creating(client, gadgets, then=again)
    async with running(Controller("seeing", reconciler, sources=[ListSource(A)], cache=gadgets)):
        await asyncio.sleep(1)
    assert reconciler.seen == list(range(10))


async def test_a_write_that_is_not_seen_holds_its_object_back_for_a_limited_time_and_no_other(
    client: Client, gadgets: Cache, net: Interceptor
) -> None:
    source = ListSource(A, B)

    async def plan() -> Result:
        return Result(requeue_after=1)

    reconciler = Creating(client, gadgets, then=plan)
    controller = Controller("holding", reconciler, sources=[source], cache=gadgets)
    net.mute_watches()
    with capture_logs() as lines:
        async with running(controller):
            await asyncio.sleep(LIMIT + 0.5)
    assert [(round(time - reconciler.runs[0][0], 1), request) for time, request in reconciler.runs] == [
        (0, A),
        (0, B),
        (LIMIT, A),
        (LIMIT, B),
    ]
    assert count("holding", "controller_runtime_own_writes_unseen_total") == 2
    first, second = [line for line in lines if line["log_level"] == "warning"]
    assert (first["name"], first["writes"]) == ("a", ["Gadget ns/made-1"])
    assert (second["name"], second["writes"]) == ("b", ["Gadget ns/made-2"])


async def test_what_is_seen_in_the_very_moment_of_the_limit_is_seen(
    client: Client, gadgets: Cache, net: Interceptor
) -> None:
    feed = gadgets.informer(Gadget).feed_of(A)
    assert feed is not None

    async def tell_at_the_limit() -> None:
        asyncio.get_running_loop().call_later(LIMIT, feed.moved, "1000000", None)

    net.mute_watches()
    reconciler = Creating(client, gadgets, then=tell_at_the_limit)
    async with running(Controller("close", reconciler, sources=[ListSource(A)], cache=gadgets)):
        await asyncio.sleep(2 * LIMIT)
    assert count("close", "controller_runtime_own_writes_unseen_total") == 0


async def test_the_time_of_a_run_ends_with_the_run(client: Client, gadgets: Cache, net: Interceptor) -> None:
    reconciler = Creating(client, gadgets)
    net.mute_watches()
    async with running(Controller("timing", reconciler, sources=[ListSource(A)], cache=gadgets)):
        await asyncio.sleep(1)
        labels = {"name": "timing", "controller": "timing"}
        value = metrics.REGISTRY.get_sample_value
        assert value("workqueue_unfinished_work_seconds", labels) == 0
        assert value("workqueue_work_duration_seconds_count", labels) == 1
        assert count("timing", "controller_runtime_active_workers") == 0


@pytest.mark.parametrize(
    ("options", "has_cache"),
    [
        pytest.param(ControllerOptions(await_own_writes=0), True, id="switched off"),
        pytest.param(ControllerOptions(), False, id="no cache"),
    ],
)
async def test_it_can_do_without(
    client: Client, gadgets: Cache, net: Interceptor, options: ControllerOptions, has_cache: bool
) -> None:
    async def plan() -> Result:
        return Result(requeue_after=1)

    reconciler = Creating(client, gadgets, then=plan)
    net.mute_watches()
    cache = gadgets if has_cache else None
    async with running(Controller("hasty", reconciler, sources=[ListSource(A)], cache=cache, options=options)):
        await asyncio.sleep(3.5)
    assert reconciler.times() == [0, 1, 2, 3]
    assert set(reconciler.seen) == {0}


async def test_the_end_of_a_term_ends_the_wait(client: Client, gadgets: Cache, net: Interceptor) -> None:
    reconciler = Creating(client, gadgets)
    controller = Controller("ended", reconciler, sources=[ListSource(A)], cache=gadgets)
    net.mute_watches()
    with capture_logs() as lines:
        async with running(controller):
            await asyncio.sleep(1)
        async with running(controller):
            await asyncio.sleep(1)
        await asyncio.sleep(3 * LIMIT)
    assert reconciler.times() == [0, 1]
    assert [line for line in lines if line["log_level"] == "warning"] == []


async def test_what_a_task_of_a_run_writes_after_it_is_nobodys_own_write(
    client: Client, gadgets: Cache, net: Interceptor
) -> None:
    left: set[asyncio.Task[None]] = set()

    async def write_later() -> None:
        await asyncio.sleep(0.5)
        await client.create(gadget("later"))

    async def leave_a_task(request: Request) -> Result:
        left.add(asyncio.create_task(write_later()))
        return Result(requeue_after=1)

    reconciler = Recording(leave_a_task)
    net.mute_watches()
    async with running(Controller("leaving", reconciler, sources=[ListSource(A)], cache=gadgets)):
        await asyncio.sleep(1.2)
    assert len(reconciler.runs) == 2
    await asyncio.wait(left)
    assert any(task.exception() is None for task in left)


async def test_a_leader_reads_the_caches_anew_before_it_works(
    api: InMemoryAPI, gadgets: Cache, net: Interceptor
) -> None:
    seen: list[int] = []

    async def look(request: Request) -> None:
        seen.append(len(gadgets.list(Gadget)))

    reconciler = Recording(look)
    sources: list[Source] = [ListSource(A), KindSource(gadgets, Gadget, request_for)]
    controller = Controller("catching-up", reconciler, sources=sources, cache=gadgets, catch_up=True)
    net.mute_watches()
    api.create(Gadget, "by-the-last-leader", "ns")
    async with running(controller):
        await asyncio.sleep(1)
    assert seen == [1, 1]
    assert reconciler.requests() == [A, NamespacedName("ns", "by-the-last-leader")]


async def test_without_an_election_nothing_is_read_twice(gadgets: Cache, net: Interceptor) -> None:
    options = ControllerOptions(needs_leader_election=False)
    sources = [KindSource(gadgets, Gadget, request_for)]
    lists = len(net.requested("list"))
    for number, more in enumerate(({"options": options, "catch_up": True}, {"catch_up": False})):
        controller = Controller(f"alone-{number}", Recording(succeed), sources=sources, cache=gadgets, **more)  # type: ignore[arg-type]
        async with running(controller):
            await asyncio.sleep(1)
    assert len(net.requested("list")) == lists


@pytest.mark.parametrize(
    ("limit", "ends"), [pytest.param(10, True, id="within a limit"), pytest.param(None, False, id="without a limit")]
)
async def test_without_the_api_server_a_leader_does_not_begin(
    gadgets: Cache, net: Interceptor, limit: float | None, ends: bool
) -> None:
    reconciler = Recording(succeed)
    options = ControllerOptions(cache_sync_timeout=limit)
    sources: list[Source] = [KindSource(gadgets, Gadget, request_for), ListSource(A)]
    controller = Controller(
        "cut-off-leader", reconciler, sources=sources, cache=gadgets, catch_up=True, options=options
    )
    outage = net.outage()
    task = asyncio.create_task(controller.start())
    await asyncio.sleep(200)
    assert reconciler.runs == []
    if ends:
        with pytest.raises(CacheSyncError, match="could not be read anew within 10 s"):
            await task
        return
    outage.remove()
    await asyncio.sleep(100)
    assert reconciler.requests() == [A]
    task.cancel()
    await asyncio.wait({task})
