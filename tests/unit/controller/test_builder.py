"""The builder: what becomes of declarations, and which of them are refused."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator

import pytest

from controller_runtime.apimachinery import NamespacedName, metadata_of
from controller_runtime.builder import ControllerBuilder
from controller_runtime.cache import NotCachedError, Selector
from controller_runtime.controller import (
    ChannelSource,
    Controller,
    ControllerOptions,
    LabelSelectorPredicate,
    Predicate,
    Request,
    Result,
    as_reconciler,
    predicate_for,
)
from controller_runtime.envtest.faults import NOT_SERVED
from controller_runtime.envtest.in_memory import InMemoryAPI
from controller_runtime.envtest.interceptor import Interceptor
from controller_runtime.leaderelection import LeaderElection
from controller_runtime.manager import Group, Manager
from tests.unit.cache.kinds import Gadget, Planet
from tests.unit.controller.fakes import Recording, succeed

pytestmark = pytest.mark.looptime

EARTH = NamespacedName("", "earth")


@contextlib.asynccontextmanager
async def running(manager: Manager) -> AsyncIterator[None]:
    task = asyncio.create_task(manager.start())
    try:
        await asyncio.sleep(1)
        yield
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task


@pytest.fixture
def manager(net: Interceptor) -> Manager:
    return Manager(net)


@pytest.fixture
def reconciler() -> Recording:
    return Recording(succeed)


async def test_what_is_declared_is_watched(api: InMemoryAPI, manager: Manager, reconciler: Recording) -> None:
    def to_earth(gadget: Gadget) -> tuple[Request]:
        return (EARTH,)

    (
        ControllerBuilder(manager)
        .for_(Planet)
        .owns(Gadget)
        .watches(Gadget, to_earth, predicates=[LabelSelectorPredicate("of=earth")])
        .complete(reconciler)
    )
    owner = {"apiVersion": "example.com/v1", "kind": "Planet", "name": "mars", "uid": "u", "controller": True}
    async with running(manager):
        api.create(Planet, "venus")
        await asyncio.sleep(5)
        rover = {"metadata": {"name": "rover", "ownerReferences": [owner]}}
        api.request("POST", Gadget.resource.path("ns"), {"apiVersion": "example.com/v1", "kind": "Gadget", **rover})
        await asyncio.sleep(5)
        api.create(Gadget, "station", "ns", labels={"of": "earth"})
        await asyncio.sleep(5)
    assert [request.name for request in reconciler.requests()] == ["venus", "mars", "earth"]


async def test_the_first_list_may_wait_in_line_with_planned_runs(api: InMemoryAPI, manager: Manager) -> None:
    async def always_busy(request: Request) -> Result:
        await asyncio.sleep(1)
        return Result(requeue_after=0.1, priority=0)

    reconciler = Recording(always_busy)
    ControllerBuilder(manager).for_(Planet).owns(Gadget).with_low_priority(0).complete(reconciler)
    for name in ("venus", "earth", "mars"):
        api.create(Planet, name)
    async with running(manager):
        await asyncio.sleep(10)
    assert {request.name for request in reconciler.requests()} == {"venus", "earth", "mars"}


async def test_event_filters_come_first_and_raw_sources_are_exempt(
    api: InMemoryAPI, manager: Manager, reconciler: Recording
) -> None:
    asked: list[str] = []

    def ask(name: str, verdict: bool) -> Predicate:
        def judge(obj: object) -> bool:
            asked.append(name)
            return verdict

        return predicate_for(judge)

    channel: ChannelSource[Gadget] = ChannelSource()
    (
        ControllerBuilder(manager)
        .for_(Gadget, predicates=[ask("own", False)])
        .watches_raw_source(channel)
        .with_event_filter(ask("first", True))
        .with_event_filter(ask("second", True))
        .complete(reconciler)
    )
    async with running(manager):
        api.create(Gadget, "a", "ns")
        await asyncio.sleep(5)
        assert asked == ["first", "second", "own"]
        await channel.send(manager.cache.list(Gadget)[0])
        await asyncio.sleep(5)
        assert asked == ["first", "second", "own"]
    assert reconciler.requests() == [NamespacedName("ns", "a")]


async def test_only_metadata_and_only_what_is_selected_are_cached_where_that_is_asked_for(
    api: InMemoryAPI, manager: Manager, reconciler: Recording
) -> None:
    selector = Selector(labels="mine")
    (
        ControllerBuilder(manager)
        .for_(Planet, metadata_only=True)
        .owns(Gadget, metadata_only=True, selector=selector)
        .complete(reconciler)
    )
    api.create(Planet, "earth", spec="malformed")
    for name, labels in (("a", {"mine": ""}), ("b", {})):
        api.create(Gadget, name, "ns", labels=labels)
    async with running(manager):
        assert [one.metadata.name for one in manager.cache.list(metadata_of(Planet))] == ["earth"]
        informer = manager.cache.informer(metadata_of(Gadget), selector=selector)
        assert [one.metadata.name for one in informer.store.list("")] == ["a"]
        with pytest.raises(NotCachedError):
            manager.cache.list(Planet)
    assert reconciler.requests() == [EARTH]


async def test_an_optional_kind_does_not_keep_the_controller_from_starting(
    api: InMemoryAPI, manager: Manager, net: Interceptor, reconciler: Recording
) -> None:
    absence = net.fail("*", NOT_SERVED, kind="gadgets")
    api.create(Gadget, "a", "ns")
    api.create(Planet, "earth")
    ControllerBuilder(manager).for_(Planet).watches(Gadget, lambda gadget: [gadget.key], optional=True).complete(
        reconciler
    )
    async with running(manager):
        assert reconciler.requests() == [EARTH]
        absence.remove()
        await asyncio.sleep(15)
        assert reconciler.requests() == [EARTH, NamespacedName("ns", "a")]


async def test_a_controller_may_be_added_while_the_manager_runs(
    api: InMemoryAPI, manager: Manager, reconciler: Recording
) -> None:
    api.create(Gadget, "a", "ns")
    async with running(manager):
        ControllerBuilder(manager).for_(Gadget).complete(reconciler)
        await asyncio.sleep(5)
        assert reconciler.requests() == [NamespacedName("ns", "a")]


async def test_an_object_reconciler_is_given_the_object_and_not_called_without(
    api: InMemoryAPI, manager: Manager
) -> None:
    sizes: list[int] = []

    async def note(gadget: Gadget) -> Result | None:
        sizes.append(gadget.spec.size)
        return None

    controller = ControllerBuilder(manager).for_(Gadget).complete(as_reconciler(manager.cache, Gadget, note))
    async with running(manager):
        api.create(Gadget, "a", "ns", spec={"size": 7})
        await asyncio.sleep(5)
        api.delete(Gadget, "a", "ns")
        await asyncio.sleep(5)
    assert sizes == [7]
    assert controller.name == "gadget"


def complete(builder: ControllerBuilder) -> Controller:
    return builder.complete(Recording(succeed))


def test_options_come_from_the_controller_then_from_its_kind_then_from_the_manager(net: Interceptor) -> None:
    manager = Manager(
        net,
        controller_defaults=ControllerOptions(max_concurrent_reconciles=2, reconciliation_timeout=9),
        group_kind_concurrency={"Gadget.example.com": 4},
    )
    given = ControllerOptions(max_concurrent_reconciles=1)
    gadgets = complete(ControllerBuilder(manager).for_(Gadget))
    planets = complete(ControllerBuilder(manager).for_(Planet))
    own = complete(ControllerBuilder(manager).for_(Gadget).named("own").with_options(given))
    workers = [one.options.max_concurrent_reconciles for one in (gadgets, planets, own)]
    assert workers == [4, 2, 1]
    assert {one.options.reconciliation_timeout for one in (gadgets, planets, own)} == {9}


async def test_a_concurrency_of_what_no_controller_reconciles_is_refused_at_the_start(net: Interceptor) -> None:
    manager = Manager(net, group_kind_concurrency={"Gadget.example.com": 4, "Gadgets.example.com": 2, "Secret": 3})
    complete(ControllerBuilder(manager).for_(Gadget))
    with pytest.raises(ValueError, match=r"no controller reconciles: Gadgets\.example\.com, Secret"):
        await manager.start()


def test_a_controller_that_needs_no_election_runs_on_every_replica(net: Interceptor) -> None:
    manager = Manager(net, leader_election=LeaderElection(name="lock", namespace="ns"))
    controller = complete(
        ControllerBuilder(manager).for_(Gadget).with_options(ControllerOptions(needs_leader_election=False))
    )
    assert controller in manager._runnables[Group.OTHERS]


@pytest.mark.parametrize(
    ("declare", "words"),
    [
        pytest.param(lambda one: one.for_(Gadget).for_(Planet), "already given Gadget", id="two kinds"),
        pytest.param(lambda one: one.owns(Gadget), "needs for_", id="an owned kind alone"),
        pytest.param(lambda one: one, "needs a name", id="nothing"),
        pytest.param(lambda one: one.named("x"), "needs something to watch", id="nothing to watch"),
        pytest.param(lambda one: one.watches(Gadget, lambda gadget: []), "needs a name", id="no name"),
        pytest.param(lambda one: one.for_(Gadget).named("taken"), "named taken already", id="a name that is taken"),
    ],
)
def test_what_makes_no_controller_is_refused(manager: Manager, declare: object, words: str) -> None:
    complete(ControllerBuilder(manager).for_(Planet).named("taken"))
    with pytest.raises(ValueError, match=words):
        complete(declare(ControllerBuilder(manager)))  # type: ignore[operator]
