"""What each handler of an informer is told, and in which order."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from controller_runtime.apimachinery import NamespacedName, Object
from controller_runtime.cache import Cache, Informer, InformerStoppedError, ObjectsMutatedError
from controller_runtime.cache.handlers import SLICE
from controller_runtime.client import ApiRequest, ApiResponse
from controller_runtime.envtest.calls import Call
from controller_runtime.envtest.in_memory import InMemoryAPI
from controller_runtime.envtest.interceptor import Interceptor
from tests.unit.cache.kinds import Gadget, size_spec
from tests.unit.cache.observers import Recorder, running, settle

pytestmark = pytest.mark.looptime


@pytest.fixture
def recorder(informer: Informer[Gadget]) -> Recorder:
    made = Recorder()
    informer.add_handler(made)
    return made


async def test_a_handler_hears_of_the_first_list_and_then_of_each_change(
    server: InMemoryAPI, informer: Informer[Gadget], recorder: Recorder
) -> None:
    server.create(Gadget, "a", "lab")
    async with running(informer.run):
        await informer.wait_synced()
        assert recorder.take() == ["+a initial"]
        server.create(Gadget, "b", "lab")
        server.update(Gadget, "a", "lab", spec=size_spec(2))
        server.delete(Gadget, "b", "lab")
        await settle()
        assert recorder.take() == ["+b", "~a", "-b"]


async def test_the_store_has_changed_before_a_handler_is_called(
    server: InMemoryAPI, informer: Informer[Gadget]
) -> None:
    seen: list[bool] = []

    class Reader(Recorder):
        def on_add(self, obj: Object, is_initial: bool) -> None:
            seen.append(informer.store.get(obj.key) is obj)

        def on_update(self, old: Object, new: Object) -> None:
            seen.append(informer.store.get(new.key) is new)

        def on_delete(self, obj: Object, final_state_unknown: bool) -> None:
            seen.append(informer.store.get(obj.key) is None)

    informer.add_handler(Reader())
    server.create(Gadget, "a", "lab")
    async with running(informer.run):
        await informer.wait_synced()
        server.update(Gadget, "a", "lab", spec=size_spec(2))
        server.delete(Gadget, "a", "lab")
        await settle()
    assert seen == [True, True, True]


async def test_a_delete_carries_the_final_state(
    server: InMemoryAPI, informer: Informer[Gadget], recorder: Recorder
) -> None:
    server.create(Gadget, "a", "lab")
    async with running(informer.run):
        await informer.wait_synced()
        server.delete(Gadget, "a", "lab")
        await settle()
    assert recorder.calls[-1] == "-a"
    assert recorder.objects[-1].metadata.resource_version == str(server.revision)


async def test_a_delete_of_what_was_never_cached_is_no_event(
    net: Interceptor, informer: Informer[Gadget], recorder: Recorder
) -> None:
    async with running(informer.run):
        await informer.wait_synced()
        await settle()
        net.send_event("DELETED", {"metadata": {"name": "stranger", "namespace": "lab", "resourceVersion": "101"}})
        await settle()
    assert recorder.calls == []


async def test_a_relist_tells_deletes_first_and_updates_even_of_what_has_not_changed(
    server: InMemoryAPI, net: Interceptor, informer: Informer[Gadget], recorder: Recorder
) -> None:
    for name in "abc":
        server.create(Gadget, name, "lab")
    async with running(informer.run):
        await informer.wait_synced()
        await settle()
        cached_c = informer.store.get(NamespacedName("lab", "c"))
        recorder.take()
        outage = net.outage()
        await settle()
        server.update(Gadget, "b", "lab", spec=size_spec(5))
        server.delete(Gadget, "c", "lab")
        server.create(Gadget, "d", "lab")
        server.compact()
        outage.remove()
        await asyncio.sleep(10)
        assert recorder.take() == ["-c unknown", "=a", "~b", "+d"]
        assert recorder.objects[3] is cached_c


async def test_an_object_made_anew_under_its_name_is_a_delete_and_an_add(
    server: InMemoryAPI, net: Interceptor, informer: Informer[Gadget], recorder: Recorder
) -> None:
    server.create(Gadget, "a", "lab")
    async with running(informer.run):
        await informer.wait_synced()
        await settle()
        recorder.take()
        outage = net.outage()
        await settle()
        server.delete(Gadget, "a", "lab")
        server.create(Gadget, "a", "lab")
        server.compact()
        outage.remove()
        await asyncio.sleep(10)
        assert recorder.take() == ["-a unknown", "+a"]


async def test_an_added_event_with_another_uid_is_a_delete_and_an_add(
    server: InMemoryAPI, net: Interceptor, informer: Informer[Gadget], recorder: Recorder
) -> None:
    server.create(Gadget, "a", "lab")
    async with running(informer.run):
        await informer.wait_synced()
        await settle()
        recorder.take()
        metadata = {"name": "a", "namespace": "lab", "uid": "another", "resourceVersion": str(server.revision + 1)}
        net.send_event("ADDED", {"metadata": metadata})
        await settle()
        assert recorder.take() == ["-a unknown", "+a"]


async def test_a_late_handler_hears_of_everything_cached_and_then_of_what_happened_since(
    server: InMemoryAPI, informer: Informer[Gadget]
) -> None:
    server.create(Gadget, "a", "lab")
    server.create(Gadget, "b", "lab")
    async with running(informer.run):
        await informer.wait_synced()
        await settle()
        late = Recorder()
        registration = informer.add_handler(late)
        assert not registration.has_synced
        server.update(Gadget, "a", "lab", spec=size_spec(2))
        assert late.calls == []
        await registration.wait_synced()
        await settle()
        assert late.calls == ["+a initial", "+b initial", "~a"]
        assert registration.has_synced


async def test_what_happens_while_a_late_handler_catches_up_comes_after_that_and_the_loop_gets_its_turns(
    server: InMemoryAPI, informer: Informer[Gadget]
) -> None:
    for number in range(2 * SLICE):
        server.create(Gadget, f"g{number:04}", "lab")
    async with running(informer.run):
        await informer.wait_synced()
        await settle()
        late = Recorder()
        registration = informer.add_handler(late)
        server.update(Gadget, "g0999", "lab", spec=size_spec(2))
        server.delete(Gadget, "g0000", "lab")
        seen = [0]
        while not registration.has_synced:
            await asyncio.sleep(0)
            seen.append(len(late.calls))
        await settle()
    assert max(later - earlier for earlier, later in itertools.pairwise(seen)) <= SLICE
    assert late.calls[: 2 * SLICE] == [f"+g{number:04} initial" for number in range(2 * SLICE)]
    assert late.calls[2 * SLICE :] == ["~g0999", "-g0000"]


async def test_a_handler_that_comes_during_the_first_list_hears_of_each_object_once(
    server: InMemoryAPI, informer: Informer[Gadget]
) -> None:
    count = 2 * SLICE + 10
    for number in range(count):
        server.create(Gadget, f"g{number}", "lab")
    late = Recorder()

    class AddsAnother(Recorder):
        def on_add(self, obj: Object, is_initial: bool) -> None:
            super().on_add(obj, is_initial)
            if len(self.calls) == SLICE + 1:
                informer.add_handler(late)

    first = AddsAnother()
    informer.add_handler(first)
    async with running(informer.run):
        await informer.wait_synced()
        await settle()
    assert len(first.calls) == len(set(first.calls)) == count
    assert sorted(late.calls) == sorted(first.calls)


async def test_a_handler_added_before_the_first_list_is_synced_with_the_informer(
    server: InMemoryAPI, informer: Informer[Gadget]
) -> None:
    server.create(Gadget, "a", "lab")
    told: list[bool] = []

    class Looks(Recorder):
        def on_add(self, obj: Object, is_initial: bool) -> None:
            told.append(informer.has_synced or registration.has_synced)

    registration = informer.add_handler(Looks())
    async with running(informer.run):
        await registration.wait_synced()
        assert informer.has_synced
    assert told == [False]


async def test_a_failing_handler_is_named_in_the_log_and_costs_the_others_nothing(
    server: InMemoryAPI, informer: Informer[Gadget], logs: list[dict[str, Any]]
) -> None:
    class Broken(Recorder):
        def on_add(self, obj: Object, is_initial: bool) -> None:
            raise ValueError("of no use")

    informer.add_handler(Broken())
    other = Recorder()
    informer.add_handler(other)
    server.create(Gadget, "a", "lab")
    async with running(informer.run):
        await informer.wait_synced()
        server.create(Gadget, "b", "lab")
        await settle()
    assert other.calls == ["+a initial", "+b"]
    failures = [line for line in logs if line["event"] == "event handler failed"]
    assert [(line["call"], line["namespace"], line["name"]) for line in failures] == [
        ("added", "lab", "a"),
        ("added", "lab", "b"),
    ]
    assert all("Broken" in line["handler"] for line in failures)


async def test_a_removed_handler_is_not_called_any_more(server: InMemoryAPI, informer: Informer[Gadget]) -> None:
    recorder = Recorder()
    registration = informer.add_handler(recorder)
    async with running(informer.run):
        await informer.wait_synced()
        informer.remove_handler(registration)
        informer.remove_handler(registration)
        server.create(Gadget, "a", "lab")
        await settle()
    assert recorder.calls == []


async def test_a_handler_removed_while_it_catches_up_is_not_called_any_more(
    server: InMemoryAPI, informer: Informer[Gadget]
) -> None:
    server.create(Gadget, "a", "lab")
    async with running(informer.run):
        await informer.wait_synced()
        recorder = Recorder()
        informer.remove_handler(informer.add_handler(recorder))
        await settle()
    assert recorder.calls == []


async def test_a_handler_that_removes_itself_gets_no_further_call_of_the_list(
    server: InMemoryAPI, informer: Informer[Gadget]
) -> None:
    server.create(Gadget, "a", "lab")
    server.create(Gadget, "b", "lab")

    class Once(Recorder):
        def on_add(self, obj: Object, is_initial: bool) -> None:
            super().on_add(obj, is_initial)
            informer.remove_handler(registration)

    once = Once()
    registration = informer.add_handler(once)
    async with running(informer.run):
        await informer.wait_synced()
    assert once.calls == ["+a initial"]


async def test_an_ended_informer_takes_no_handler(informer: Informer[Gadget]) -> None:
    async with running(informer.run):
        await informer.wait_synced()
    with pytest.raises(InformerStoppedError, match="the informer of Gadget has ended"):
        informer.add_handler(Recorder())


async def test_the_loop_gets_its_turn_within_a_long_list(
    server: InMemoryAPI, net: Interceptor, informer: Informer[Gadget]
) -> None:
    count = 4 * SLICE
    for number in range(count):
        server.create(Gadget, f"g{number}", "lab")
    recorder = Recorder()
    informer.add_handler(recorder)
    seen: list[int] = []
    pages: set[int] = set()

    async def look() -> None:
        while not informer.has_synced:
            seen.append(len(recorder.calls))
            pages.add(len(net.requested("list")))
            await asyncio.sleep(0)

    async with running(informer.run):
        await look()
    assert {1, 2, 3, 4} <= pages, "pages were read in one go"
    assert {0, SLICE, 2 * SLICE, 3 * SLICE} <= set(seen), "handlers were called in one go"
    assert max(later - earlier for earlier, later in itertools.pairwise(seen)) <= SLICE


async def test_a_reader_never_sees_a_half_replaced_store(
    server: InMemoryAPI, net: Interceptor, informer: Informer[Gadget]
) -> None:
    """All objects have one size at any time in the cluster, so nobody may ever find two sizes, or fewer objects."""
    views: list[tuple[set[int], int, int]] = []

    def look() -> None:
        store = informer.store
        sizes = {obj.spec.size for obj in store.list()}
        views.append((sizes, len(store.by_index("size", "1")), len(store.by_index("size", "2"))))

    async def spied(call: Call, proceed: Callable[[ApiRequest], Awaitable[ApiResponse]]) -> ApiResponse:
        look()
        return await proceed(call.request)

    class Looks(Recorder):
        def on_update(self, old: Object, new: Object) -> None:
            super().on_update(old, new)
            if len(self.calls) % 100 == 1:
                look()

    informer.store.add_index("size", lambda obj: [str(obj.spec.size)])
    names = [f"g{number}" for number in range(3 * SLICE)]
    for name in names:
        server.create(Gadget, name, "lab", spec=size_spec(1))
    async with running(informer.run):
        await informer.wait_synced()
        await settle()
        informer.add_handler(Looks())
        outage = net.outage()
        await settle()
        net.on("list", spied)
        for name in names:
            server.update(Gadget, name, "lab", spec=size_spec(2))
        server.compact()
        outage.remove()
        await asyncio.sleep(10)
    before, after = ({1}, len(names), 0), ({2}, 0, len(names))
    assert views == [before] * 3 + [after] * 15, "3 pages are staged, then 1500 calls are made"


async def test_a_handler_that_changes_an_object_is_found_out(server: InMemoryAPI, cache: Cache) -> None:
    class Vandal(Recorder):
        def on_add(self, obj: Object, is_initial: bool) -> None:
            obj.metadata.labels["seen"] = "yes"

    informer = cache.informer(Gadget)
    informer.add_handler(Vandal())
    server.create(Gadget, "a", "lab")
    async with running(cache.start):
        await cache.wait_synced()
        with pytest.raises(ObjectsMutatedError, match="changed in place: Gadget lab/a"):
            cache.check_mutations()


async def test_a_changed_object_that_has_left_the_cache_since_is_found_out_too(
    server: InMemoryAPI, cache: Cache
) -> None:
    informer = cache.informer(Gadget)
    server.create(Gadget, "a", "lab")
    server.create(Gadget, "b", "lab")
    async with running(cache.start):
        await cache.wait_synced()
        await settle()
        for obj in informer.store.list():
            obj.metadata.labels["seen"] = "yes"
        server.delete(Gadget, "a", "lab")
        server.update(Gadget, "b", "lab", spec=size_spec(2))
        await settle()
        with pytest.raises(ObjectsMutatedError, match="changed in place: Gadget lab/a, Gadget lab/b;"):
            cache.check_mutations()


async def test_handlers_that_leave_objects_alone_are_not_accused(server: InMemoryAPI, cache: Cache) -> None:
    cache.informer(Gadget).add_handler(Recorder())
    server.create(Gadget, "a", "lab", labels={"app": "x"})
    async with running(cache.start):
        await cache.wait_synced()
        server.update(Gadget, "a", "lab", spec=size_spec(3))
        server.create(Gadget, "b", "lab")
        server.delete(Gadget, "b", "lab")
        await settle()
        cache.check_mutations()
