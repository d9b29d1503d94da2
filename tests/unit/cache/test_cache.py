"""All informers together: declaring, reading, readiness."""

from __future__ import annotations

import asyncio

import pytest

from controller_runtime.apimachinery import NamespacedName, metadata_of
from controller_runtime.cache import Cache, IndexConflictError, InformerStoppedError, NotCachedError, UnknownIndexError
from controller_runtime.client import Client
from tests.unit.cache.kinds import Gadget, Planet
from tests.unit.cache.memory_api import Answer, MemoryApi, size_spec
from tests.unit.cache.observers import running, settle

pytestmark = pytest.mark.looptime


def size_of(obj: Gadget) -> list[str]:
    return [str(obj.spec.size)]


async def test_reads_answer_from_memory_with_the_shared_objects(api: MemoryApi, cache: Cache) -> None:
    cache.index(Gadget, "size", size_of)
    api.create(Gadget, "a", "lab", spec=size_spec(1))
    api.create(Gadget, "b", "prod", spec=size_spec(1))
    async with running(cache.start):
        await cache.wait_synced()
        requests = len(api.requests)
        found = cache.get(Gadget, NamespacedName("lab", "a"))
        assert found is not None
        assert cache.list(Gadget, namespace="lab") == (found,)
        assert cache.list(Gadget, namespace="lab")[0] is found
        assert len(cache.list(Gadget)) == 2
        assert len(cache.by_index(Gadget, "size", "1")) == 2
        assert cache.get(Gadget, NamespacedName("lab", "b")) is None
        assert len(api.requests) == requests


async def test_reads_go_on_while_the_server_is_away_and_after_the_end(api: MemoryApi, cache: Cache) -> None:
    cache.index(Gadget, "size", size_of)
    api.create(Gadget, "a", "lab", spec=size_spec(1))
    async with running(cache.start):
        await cache.wait_synced()
        api.go_down()
        await asyncio.sleep(3600)
        assert len(cache.by_index(Gadget, "size", "1")) == 1
        assert cache.has_synced
    assert len(cache.list(Gadget)) == 1


async def test_reading_a_kind_that_was_not_declared_is_an_error_and_starts_nothing(
    api: MemoryApi, cache: Cache
) -> None:
    async with running(cache.start):
        with pytest.raises(NotCachedError, match=r"Gadget is not cached: declare it with Cache\.informer"):
            cache.get(Gadget, NamespacedName("lab", "a"))
        with pytest.raises(NotCachedError):
            cache.list(Gadget)
        with pytest.raises(NotCachedError):
            cache.by_index(Gadget, "size", "1")
        await settle()
    assert api.requests == []


async def test_metadata_alone_is_another_kind(cache: Cache) -> None:
    cache.informer(metadata_of(Gadget))
    with pytest.raises(NotCachedError, match="Gadget is not cached"):
        cache.list(Gadget)
    assert cache.list(metadata_of(Gadget)) == ()


async def test_one_kind_has_one_informer(cache: Cache) -> None:
    assert cache.informer(Gadget) is cache.informer(Gadget)
    cache.index(Planet, "name", lambda planet: [planet.metadata.name])
    assert cache.informer(Planet).kind is Planet


async def test_an_informer_declared_later_starts_at_once(api: MemoryApi, cache: Cache) -> None:
    api.create(Gadget, "a", "lab", spec=size_spec(4))
    async with running(cache.start):
        await settle()
        cache.informer(Gadget)
        assert not cache.has_synced
        await cache.wait_synced()
        cache.index(Gadget, "size", size_of)
        assert len(cache.by_index(Gadget, "size", "4")) == 1


async def test_waiting_includes_what_is_declared_meanwhile(api: MemoryApi, cache: Cache) -> None:
    cache.informer(Gadget)
    async with running(cache.start):
        waiting = asyncio.ensure_future(cache.wait_synced())
        await asyncio.sleep(0)
        cache.informer(Planet)
        api.answer_next("list", Answer(500, "InternalError", "not yet"), Answer(500, "InternalError", "not yet"))
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


async def test_unsynced_kinds_are_told_with_their_last_error(api: MemoryApi, cache: Cache) -> None:
    cache.informer(Gadget)
    cache.informer(Planet)
    assert [(kind, error) for kind, error in cache.unsynced()] == [(Gadget, None), (Planet, None)]
    api.forbidden.add(("list", "planets"))
    async with running(cache.start):
        await settle()
        ((kind, error),) = cache.unsynced()
        assert kind is Planet
        assert "planets is forbidden" in str(error)
        assert not cache.has_synced
        api.forbidden.clear()
        await cache.wait_synced()
        assert list(cache.unsynced()) == []


async def test_optional_kinds_hold_nobody_up(api: MemoryApi, cache: Cache) -> None:
    cache.informer(Gadget, optional=True)
    cache.informer(Planet, optional=True)
    api.unserved.add("gadgets")
    api.forbidden.add(("list", "planets"))
    async with running(cache.start):
        await cache.wait_synced()
        assert list(cache.unsynced()) == []
        assert cache.list(Gadget) == ()


async def test_a_kind_cannot_be_both_optional_and_required(cache: Cache) -> None:
    cache.informer(Gadget, optional=True)
    assert cache.informer(Gadget).optional
    with pytest.raises(ValueError, match="Gadget is optional already"):
        cache.informer(Gadget, optional=False)
    cache.informer(Planet)
    with pytest.raises(ValueError, match="Planet is required already"):
        cache.informer(Planet, optional=True)


async def test_the_oldest_contact_is_that_of_the_worst_kind_that_was_ever_listed(api: MemoryApi, cache: Cache) -> None:
    cache.informer(Gadget)
    cache.informer(Planet)
    api.forbidden.add(("list", "planets"))
    async with running(cache.start):
        await asyncio.sleep(59)
        assert cache.oldest_contact() == pytest.approx(59, abs=0.1), "no bookmark yet; planets do not count"
        await asyncio.sleep(2)
        assert cache.oldest_contact() == pytest.approx(1, abs=0.1)
        api.go_down()
        await asyncio.sleep(700)
        assert cache.oldest_contact() == pytest.approx(701, abs=0.1)


async def test_the_caches_namespaces_limit_namespaced_kinds(api: MemoryApi, client: Client) -> None:
    cache = Cache(client, namespaces=["lab", "lab"])
    cache.informer(Gadget)
    cache.informer(Planet)
    api.create(Gadget, "a", "lab")
    api.create(Gadget, "a", "prod")
    api.create(Planet, "earth")
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
