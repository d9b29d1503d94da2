"""Sources on a cache: what they put into the queue, at which priority, and when they count as synced."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator

import pytest
from structlog.testing import capture_logs

from controller_runtime.apimachinery import NamespacedName, ObjectMeta, OwnerReference, metadata_of
from controller_runtime.cache import Cache, Selector
from controller_runtime.controller import (
    FuncSource,
    InformerSource,
    KindSource,
    LabelSelectorPredicate,
    Predicate,
    Request,
    ResourceVersionChangedPredicate,
    RunningSource,
    Source,
    owner_requests,
    predicate_for,
    request_for,
)
from controller_runtime.envtest.faults import NOT_SERVED
from controller_runtime.envtest.in_memory import InMemoryAPI
from controller_runtime.envtest.interceptor import Interceptor
from controller_runtime.workqueue import LOW_PRIORITY, PriorityQueue
from tests.unit.cache.kinds import Gadget, Planet
from tests.unit.controller.fakes import A, count

pytestmark = pytest.mark.looptime

TINY = 0.001
"""Seconds in which everything that is under way on the loop has happened, and no timer that matters."""


class Taken:
    """A queue whose items are taken at once: name and priority of each."""

    def __init__(self, name: str = "taken") -> None:
        self.queue: PriorityQueue[Request] = PriorityQueue(name)

    async def drain(self) -> list[tuple[str, int]]:
        await asyncio.sleep(TINY)
        found = []
        while len(self.queue):
            request, priority = await self.queue.get()
            self.queue.done(request)
            found.append((request.name, priority))
        return found


async def started(source: Source, taken: Taken) -> RunningSource:
    running = source.start(taken.queue)
    await running.wait_synced()
    return running


async def test_what_exists_comes_with_low_priority_and_what_happens_without(api: InMemoryAPI, cache: Cache) -> None:
    taken = Taken()
    api.create(Gadget, "a", "ns")
    running = await started(KindSource(cache, Gadget, request_for), taken)
    assert await taken.drain() == [("a", LOW_PRIORITY)]
    api.create(Gadget, "b", "ns")
    api.update(Gadget, "a", "ns", spec={"size": 2})
    assert await taken.drain() == [("b", 0), ("a", 0)]
    api.delete(Gadget, "a", "ns")
    assert await taken.drain() == [("a", 0)]
    running.stop()
    api.delete(Gadget, "b", "ns")
    assert await taken.drain() == []


async def test_a_relist_comes_with_low_priority(api: InMemoryAPI, cache: Cache) -> None:
    taken = Taken()
    api.create(Gadget, "a", "ns")
    await started(KindSource(cache, Gadget, request_for), taken)
    await taken.drain()
    assert await cache.catch_up([Gadget], timeout=60)
    assert await taken.drain() == [("a", LOW_PRIORITY)]


async def test_what_tells_no_news_may_wait_in_line_with_the_others(api: InMemoryAPI, cache: Cache) -> None:
    taken, late = Taken(), Taken("late")
    api.create(Gadget, "a", "ns")
    await started(KindSource(cache, Gadget, request_for, low_priority=0), taken)
    assert await taken.drain() == [("a", 0)]
    assert await cache.catch_up([Gadget], timeout=60)
    assert await taken.drain() == [("a", 0)]
    await started(InformerSource(cache.informer(Gadget), request_for, low_priority=-1), late)
    assert await late.drain() == [("a", -1)]


async def test_both_states_of_an_update_are_mapped_and_no_request_is_made_twice(api: InMemoryAPI, cache: Cache) -> None:
    def tags(gadget: Gadget) -> Iterator[Request]:
        return (NamespacedName("", tag) for tag in gadget.spec.tags)

    taken = Taken()
    api.create(Gadget, "a", "ns", spec={"tags": ["x", "y", "x"]})
    await started(KindSource(cache, Gadget, tags), taken)
    assert [name for name, _ in await taken.drain()] == ["x", "y"]
    api.update(Gadget, "a", "ns", spec={"tags": ["z", "y"]})
    assert [name for name, _ in await taken.drain()] == ["x", "y", "z"]


async def test_predicates_are_asked_about_each_event_and_spare_the_map_function(api: InMemoryAPI, cache: Cache) -> None:
    mapped: list[str] = []

    def note(gadget: Gadget) -> tuple[Request]:
        mapped.append(gadget.metadata.name)
        return request_for(gadget)

    taken = Taken()
    predicates: list[Predicate] = [LabelSelectorPredicate("wanted"), ResourceVersionChangedPredicate()]
    await started(KindSource(cache, Gadget, note, predicates=predicates), taken)
    api.create(Gadget, "refused", "ns")
    api.update(Gadget, "refused", "ns", spec={"size": 2})
    api.delete(Gadget, "refused", "ns")
    assert await taken.drain() == []
    assert mapped == []
    api.create(Gadget, "a", "ns", labels={"wanted": ""})
    assert await taken.drain() == [("a", 0)]
    assert await cache.catch_up([Gadget], timeout=60)
    assert await taken.drain() == []
    api.update(Gadget, "a", "ns", spec={"size": 2})
    assert await taken.drain() == [("a", 0)]
    api.delete(Gadget, "a", "ns")
    assert await taken.drain() == [("a", 0)]


async def test_a_failing_predicate_passes_and_is_a_panic_of_the_controller(api: InMemoryAPI, cache: Cache) -> None:
    def fail(gadget: Gadget) -> bool:
        raise KeyError("x")

    taken = Taken("bad-predicate")
    predicates = [predicate_for(fail), predicate_for(lambda gadget: gadget.metadata.name != "b")]
    await started(KindSource(cache, Gadget, request_for, predicates=predicates), taken)
    with capture_logs() as lines:
        api.create(Gadget, "a", "ns")
        api.create(Gadget, "b", "ns")
        assert await taken.drain() == [("a", 0)]
    assert count("bad-predicate", "controller_runtime_reconcile_panics_total") == 2
    line = next(line for line in lines if line["log_level"] == "error")
    assert (line["controller"], line["kind"], line["namespace"], line["name"]) == ("bad-predicate", "Gadget", "ns", "a")
    assert isinstance(line["exc_info"], KeyError)


async def test_a_failing_map_function_costs_no_request_that_was_made_and_no_other_object(
    api: InMemoryAPI, cache: Cache
) -> None:
    def fail_in_the_middle(gadget: Gadget) -> Iterator[Request]:
        yield gadget.key
        if gadget.spec.size == 1:
            raise TypeError("size")
        yield NamespacedName("", f"size-{gadget.spec.size}")

    taken = Taken("bad-map")
    await started(KindSource(cache, Gadget, fail_in_the_middle), taken)
    with capture_logs() as lines:
        api.create(Gadget, "a", "ns", spec={"size": 1})
        api.update(Gadget, "a", "ns", spec={"size": 2})
        assert [name for name, _ in await taken.drain()] == ["a", "size-2"]
    assert count("bad-map", "controller_runtime_reconcile_panics_total") == 2
    (line, _) = [line for line in lines if line["log_level"] == "error"]
    assert line["function"].endswith("fail_in_the_middle")


async def test_a_selector_gives_an_informer_of_its_own(api: InMemoryAPI, cache: Cache) -> None:
    taken = Taken()
    api.create(Gadget, "a", "ns", labels={"team": "x"})
    api.create(Gadget, "b", "ns", labels={"team": "y"})
    cache.informer(Gadget)
    running = await started(KindSource(cache, Gadget, request_for, selector=Selector(labels="team=y")), taken)
    assert [name for name, _ in await taken.drain()] == ["b"]
    assert "team=y" in running.describe()


async def test_an_optional_kind_that_is_not_served_is_synced_and_its_objects_come_with_it(
    api: InMemoryAPI, cache: Cache, net: Interceptor
) -> None:
    taken = Taken()
    api.create(Gadget, "a", "ns")
    absence = net.fail("*", NOT_SERVED, kind="gadgets")
    await started(KindSource(cache, Gadget, request_for, optional=True), taken)
    assert await taken.drain() == []
    absence.remove()
    await asyncio.sleep(15)
    assert [name for name, _ in await taken.drain()] == ["a"]


async def test_an_optional_kind_that_may_not_be_read_is_not_waited_for(
    api: InMemoryAPI, cache: Cache, net: Interceptor
) -> None:
    taken = Taken()
    api.create(Gadget, "a", "ns")
    refusal = net.fail("*", 403, kind="gadgets")
    running = await started(KindSource(cache, Gadget, request_for, optional=True), taken)
    assert "cannot list gadgets.example.com" in running.describe()
    refusal.remove()
    await asyncio.sleep(60)
    assert [name for name, _ in await taken.drain()] == ["a"]


async def test_a_required_kind_that_may_not_be_read_is_waited_for_and_says_why(cache: Cache, net: Interceptor) -> None:
    refusal = net.fail("*", 403, kind="gadgets")
    running = KindSource(cache, Gadget, request_for).start(Taken().queue)
    sync = asyncio.create_task(running.wait_synced())
    await asyncio.sleep(1_000)
    assert not sync.done()
    assert running.describe().startswith("kind source: Gadget: cannot list gadgets.example.com")
    refusal.remove()
    await sync


async def test_each_start_looks_the_informer_up_anew(api: InMemoryAPI, cache: Cache) -> None:
    taken = Taken()
    source = KindSource(cache, Gadget, request_for)
    api.create(Gadget, "a", "ns")
    (await started(source, taken)).stop()
    await taken.drain()
    await cache.remove_informer(Gadget)
    await started(source, taken)
    assert await taken.drain() == [("a", LOW_PRIORITY)]


async def test_a_source_of_metadata_is_told_of_metadata(api: InMemoryAPI, cache: Cache) -> None:
    taken = Taken()
    api.create(Gadget, "a", "ns", spec={"size": "not a number"})
    await started(KindSource(cache, metadata_of(Gadget), request_for), taken)
    assert await taken.drain() == [("a", LOW_PRIORITY)]


async def test_an_informer_source_delivers_and_is_not_waited_for(
    api: InMemoryAPI, cache: Cache, net: Interceptor
) -> None:
    taken = Taken()
    refusal = net.fail("*", 403, kind="gadgets")
    api.create(Gadget, "a", "ns")
    source = InformerSource(cache.informer(Gadget), request_for, predicates=[LabelSelectorPredicate("!hidden")])
    running = await started(source, taken)
    refusal.remove()
    await asyncio.sleep(60)
    assert await taken.drain() == [("a", LOW_PRIORITY)]
    api.create(Gadget, "b", "ns", labels={"hidden": ""})
    assert await taken.drain() == []
    running.stop()
    api.delete(Gadget, "a", "ns")
    assert await taken.drain() == []
    assert source.describe() == "informer source: Gadget"


async def test_a_function_is_a_source_that_ends_with_what_it_returned() -> None:
    taken = Taken()
    ends: list[str] = []

    def begin(queue: PriorityQueue[Request]) -> Callable[[], None]:
        queue.add(A)
        return lambda: ends.append(queue.name)

    source = FuncSource(begin, name="mine")
    running = await started(source, taken)
    assert await taken.drain() == [("a", 0)]
    assert running.describe() == source.describe() == "func source: mine"
    running.stop()
    assert ends == ["taken"]


def owned(namespace: str, *owners: OwnerReference) -> Gadget:
    return Gadget(metadata=ObjectMeta(name="child", namespace=namespace, owner_references=owners))


@pytest.mark.parametrize(
    ("owner", "controller_only", "expected"),
    [
        pytest.param(Gadget, True, [NamespacedName("ns", "controls")], id="the controller, of any version"),
        pytest.param(
            Gadget,
            False,
            [NamespacedName("ns", "controls"), NamespacedName("ns", "owns")],
            id="every owner",
        ),
        pytest.param(Planet, False, [NamespacedName("", "earth")], id="cluster-scoped"),
    ],
)
async def test_owners_count_by_group_and_kind(
    owner: type[Gadget | Planet], controller_only: bool, expected: list[Request]
) -> None:
    child = owned(
        "ns",
        OwnerReference(api_version="example.com/v2", kind="Gadget", name="controls", controller=True),
        OwnerReference(api_version="example.com/v1", kind="Gadget", name="owns"),
        OwnerReference(api_version="other.com/v1", kind="Gadget", name="other-group", controller=True),
        OwnerReference(api_version="v1", kind="Gadget", name="core", controller=True),
        OwnerReference(api_version="a/b/c", kind="Gadget", name="malformed", controller=True),
        OwnerReference(api_version="example.com/v1", kind="Planet", name="earth"),
    )
    assert list(owner_requests(owner.resource, controller_only=controller_only)(child)) == expected
