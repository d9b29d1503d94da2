"""All informers together: declaring, reading, readiness."""

from __future__ import annotations

import asyncio

import pytest

from controller_runtime.apimachinery import NamespacedName, metadata_of
from controller_runtime.cache import Cache, IndexConflictError, InformerStoppedError, NotCachedError, UnknownIndexError
from controller_runtime.client import Client
from controller_runtime.envtest.faults import Failure
from controller_runtime.envtest.in_memory import InMemoryAPI
from controller_runtime.envtest.interceptor import Interceptor
from tests.unit.cache.faults import FORBIDDEN, NOT_SERVED, plan
from tests.unit.cache.kinds import Gadget, Planet, size_spec
from tests.unit.cache.observers import running, settle

pytestmark = pytest.mark.looptime


def size_of(obj: Gadget) -> list[str]:
    return [str(obj.spec.size)]


async def test_reads_answer_from_memory_with_the_shared_objects(
    server: InMemoryAPI, net: Interceptor, cache: Cache
) -> None:
    cache.index(Gadget, "size", size_of)
    server.create(Gadget, "a", "lab", spec=size_spec(1))
    server.create(Gadget, "b", "prod", spec=size_spec(1))
    async with running(cache.start):
        await cache.wait_synced()
        requests = len(net.calls)
        found = cache.get(Gadget, NamespacedName("lab", "a"))
        assert found is not None
        assert cache.list(Gadget, namespace="lab") == (found,)
        assert cache.list(Gadget, namespace="lab")[0] is found
        assert len(cache.list(Gadget)) == 2
        assert len(cache.by_index(Gadget, "size", "1")) == 2
        assert cache.get(Gadget, NamespacedName("lab", "b")) is None
        assert len(net.calls) == requests


async def test_reads_go_on_while_the_server_is_away_and_after_the_end(
    server: InMemoryAPI, net: Interceptor, cache: Cache
) -> None:
    cache.index(Gadget, "size", size_of)
    server.create(Gadget, "a", "lab", spec=size_spec(1))
    async with running(cache.start):
        await cache.wait_synced()
        net.outage()
        await asyncio.sleep(3600)
        assert len(cache.by_index(Gadget, "size", "1")) == 1
        assert cache.has_synced
    assert len(cache.list(Gadget)) == 1


async def test_reading_a_kind_that_was_not_declared_is_an_error_and_starts_nothing(
    net: Interceptor, cache: Cache
) -> None:
    async with running(cache.start):
        with pytest.raises(NotCachedError, match=r"Gadget is not cached: declare it with Cache\.informer"):
            cache.get(Gadget, NamespacedName("lab", "a"))
        with pytest.raises(NotCachedError):
            cache.list(Gadget)
        with pytest.raises(NotCachedError):
            cache.by_index(Gadget, "size", "1")
        await settle()
    assert net.calls == []


async def test_metadata_alone_is_another_kind(cache: Cache) -> None:
    cache.informer(metadata_of(Gadget))
    with pytest.raises(NotCachedError, match=r"Gadget is not cached.*; only its metadata is: metadata_of\(Gadget\)"):
        cache.list(Gadget)
    assert cache.list(metadata_of(Gadget)) == ()


async def test_one_kind_has_one_informer(cache: Cache) -> None:
    assert cache.informer(Gadget) is cache.informer(Gadget)
    cache.index(Planet, "name", lambda planet: [planet.metadata.name])
    assert cache.informer(Planet).kind is Planet


async def test_an_informer_declared_later_starts_at_once(server: InMemoryAPI, cache: Cache) -> None:
    server.create(Gadget, "a", "lab", spec=size_spec(4))
    async with running(cache.start):
        await settle()
        cache.informer(Gadget)
        assert not cache.has_synced
        await cache.wait_synced()
        cache.index(Gadget, "size", size_of)
        assert len(cache.by_index(Gadget, "size", "4")) == 1


async def test_waiting_includes_what_is_declared_meanwhile(net: Interceptor, cache: Cache) -> None:
    cache.informer(Gadget)
    async with running(cache.start):
        waiting = asyncio.ensure_future(cache.wait_synced())
        await asyncio.sleep(0)
        cache.informer(Planet)
        plan(net, "list", Failure(500, "InternalError", "not yet"), Failure(500, "InternalError", "not yet"))
        await waiting
        assert cache.informer(Planet).has_synced


async def test_a_cache_without_kinds_is_synced_and_goes_on(cache: Cache) -> None:
    async with running(cache.start):
        await cache.wait_synced()
        assert cache.has_synced
        assert cache.oldest_contact() == 0


async def test_a_cache_starts_once(cache: Cache) -> None:
    async with running(cache.start):
        await settle()
        with pytest.raises(RuntimeError, match="started before"):
            await cache.start()


async def test_an_ended_cache_takes_no_further_kind(cache: Cache) -> None:
    informer = cache.informer(Gadget)
    async with running(cache.start):
        await settle()
    assert cache.informer(Gadget) is informer
    with pytest.raises(InformerStoppedError, match="the cache has ended: declare Planet"):
        cache.informer(Planet)


async def test_an_index_name_can_be_used_once_for_a_kind(cache: Cache) -> None:
    cache.index(Gadget, "size", size_of)
    cache.index(Planet, "size", lambda planet: [])
    with pytest.raises(IndexConflictError):
        cache.index(Gadget, "size", size_of)
    with pytest.raises(UnknownIndexError):
        cache.by_index(Gadget, "colour", "red")


async def test_unsynced_kinds_are_told_with_their_last_error(net: Interceptor, cache: Cache) -> None:
    cache.informer(Gadget)
    cache.informer(Planet)
    assert [(one.kind, one.last_error) for one in cache.unsynced()] == [(Gadget, None), (Planet, None)]
    refusal = net.fail("list", FORBIDDEN, kind="planets")
    async with running(cache.start):
        await settle()
        (informer,) = cache.unsynced()
        assert informer.kind is Planet
        assert "planets" in str(informer.last_error)
        assert not cache.has_synced
        refusal.remove()
        await cache.wait_synced()
        assert list(cache.unsynced()) == []


async def test_optional_kinds_hold_nobody_up(net: Interceptor, cache: Cache) -> None:
    cache.informer(Gadget, optional=True)
    cache.informer(Planet, optional=True)
    net.fail("*", NOT_SERVED, kind="gadgets")
    net.fail("list", FORBIDDEN, kind="planets")
    async with running(cache.start):
        await cache.wait_synced()
        assert list(cache.unsynced()) == []
        assert cache.list(Gadget) == ()


@pytest.mark.parametrize(
    ("declared", "optional"),
    [
        pytest.param((None,), False, id="nobody says anything"),
        pytest.param((None, True), True, id="whoever says anything can do without it"),
        pytest.param((True, False), False, id="required after optional"),
        pytest.param((False, True), False, id="optional after required"),
    ],
)
async def test_a_kind_is_optional_unless_somebody_requires_it(
    cache: Cache, declared: tuple[bool | None, ...], optional: bool
) -> None:
    for one in declared:
        cache.informer(Gadget, optional=one)
    assert cache.informer(Gadget).optional is optional


async def test_a_kind_that_somebody_requires_later_is_waited_for(net: Interceptor, cache: Cache) -> None:
    refusal = net.fail("list", FORBIDDEN, kind="gadgets")
    async with running(cache.start):
        cache.informer(Gadget, optional=True)
        await cache.wait_synced()
        cache.informer(Gadget, optional=False)
        assert not cache.has_synced
        refusal.remove()
        await cache.wait_synced()
        assert cache.informer(Gadget).has_synced


async def test_the_oldest_contact_is_that_of_the_worst_kind_that_was_ever_listed(
    net: Interceptor, cache: Cache
) -> None:
    cache.informer(Gadget)
    cache.informer(Planet)
    net.fail("list", FORBIDDEN, kind="planets")
    async with running(cache.start):
        await asyncio.sleep(59)
        assert cache.oldest_contact() == pytest.approx(59, abs=0.1), "no bookmark yet; planets do not count"
        await asyncio.sleep(2)
        assert cache.oldest_contact() == pytest.approx(1, abs=0.1)
        net.outage()
        await asyncio.sleep(700)
        assert cache.oldest_contact() == pytest.approx(701, abs=0.1)


async def test_the_caches_namespaces_limit_namespaced_kinds(server: InMemoryAPI, client: Client) -> None:
    cache = Cache(client, namespaces=["lab", "lab"])
    cache.informer(Gadget)
    cache.informer(Planet)
    server.create(Gadget, "a", "lab")
    server.create(Gadget, "a", "prod")
    server.create(Planet, "earth")
    async with running(cache.start):
        await cache.wait_synced()
        assert [str(obj.key) for obj in cache.list(Gadget)] == ["lab/a"]
        assert [str(obj.key) for obj in cache.list(Planet)] == ["earth"]
        with pytest.raises(NotCachedError, match="not cached in namespace 'prod'"):
            cache.get(Gadget, NamespacedName("prod", "a"))


async def test_an_empty_namespace_beside_others_is_refused(client: Client) -> None:
    with pytest.raises(ValueError, match="give none at all for the whole cluster"):
        Cache(client, namespaces=["lab", ""])


async def test_mutations_are_only_checked_where_they_are_detected(client: Client) -> None:
    with pytest.raises(RuntimeError, match="detect_mutations=True"):
        Cache(client).check_mutations()
