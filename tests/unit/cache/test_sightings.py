"""Waiting until the cache has seen a write, and catching up with everything when a leadership begins."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

import pytest

from controller_runtime.apimachinery import NamespacedName, ObjectMeta, metadata_of
from controller_runtime.cache import Cache, InformerOptions, Selector
from controller_runtime.client import ApiRequest, ApiResponse, Client, ConnectionLostError, OwnWrite, record_writes
from controller_runtime.envtest.calls import Call
from controller_runtime.envtest.faults import NOT_SERVED, Failure
from controller_runtime.envtest.in_memory import InMemoryAPI
from controller_runtime.envtest.interceptor import Interceptor
from tests.unit.cache.kinds import Gadget, Planet
from tests.unit.cache.observers import Recorder, running, settle

pytestmark = pytest.mark.looptime

A = NamespacedName("lab", "a")
FAR = "1000000"
"""A version that nothing reaches."""


def write_of(document: dict[str, Any], *, deleted: bool = False) -> OwnWrite:
    metadata = document["metadata"]
    key = NamespacedName(metadata.get("namespace", ""), metadata["name"])
    version = "" if deleted else metadata["resourceVersion"]
    return OwnWrite(Gadget, key, version, metadata["uid"], deleted, metadata.get("labels", {}))


def waiting(cache: Cache) -> int:
    feed = cache.informer(Gadget).feed_of(A)
    assert feed is not None
    return len(feed.sightings)


async def test_a_write_is_seen_when_the_store_has_it_and_handlers_know(server: InMemoryAPI, cache: Cache) -> None:
    recorder = Recorder()
    cache.informer(Gadget).add_handler(recorder)
    async with running(cache.start):
        await cache.wait_synced()
        await settle()
        write = write_of(server.create(Gadget, "a", "lab"))
        seen = cache.when_seen([write])
        assert not seen.done()
        assert cache.unseen([write]) == (write,)
        await seen
        assert recorder.calls == ["+a"]
        assert cache.get(Gadget, A) is not None
        assert cache.unseen([write]) == ()
        assert cache.when_seen([write]).done()
    assert waiting(cache) == 0


async def test_what_a_client_writes_is_read_back(cache: Cache, client: Client) -> None:
    cache.informer(Gadget)
    async with running(cache.start):
        await cache.wait_synced()
        with record_writes() as writes:
            await client.create(Gadget(metadata=ObjectMeta(name="a", namespace="lab")))
        assert await cache.wait_seen(writes, timeout=5)
        assert cache.get(Gadget, A) is not None
        with record_writes() as writes:
            await client.delete(Gadget, A)
        assert await cache.wait_seen(writes, timeout=5)
        assert cache.get(Gadget, A) is None


async def test_every_informer_of_the_resource_must_have_seen_it(
    server: InMemoryAPI, net: Interceptor, cache: Cache
) -> None:
    cache.informer(Gadget)
    cache.informer(metadata_of(Gadget))
    async with running(cache.start):
        await cache.wait_synced()
        await asyncio.sleep(1)
        net.mute_watches(where=lambda call: "PartialObjectMetadata" in call.request.accept)
        seen = cache.when_seen([write_of(server.create(Gadget, "a", "lab"))])
        await asyncio.sleep(80)
        assert cache.get(Gadget, A) is not None
        assert not seen.done()
        await asyncio.sleep(11)
        assert seen.done(), "the silent watch was opened anew"


async def test_a_bookmark_tells_of_what_gave_no_event(server: InMemoryAPI, cache: Cache) -> None:
    cache.informer(Gadget)
    async with running(cache.start):
        await cache.wait_synced()
        await settle()
        server.create(Planet, "earth")
        seen = cache.when_seen([OwnWrite(Gadget, A, str(server.revision), "")])
        await asyncio.sleep(59)
        assert not seen.done()
        await asyncio.sleep(2)
        assert seen.done()


async def test_an_object_that_cannot_be_decoded_is_seen_all_the_same(server: InMemoryAPI, cache: Cache) -> None:
    cache.informer(Gadget)
    async with running(cache.start):
        await cache.wait_synced()
        await settle()
        seen = cache.when_seen([write_of(server.create(Gadget, "a", "lab", spec={"size": "large"}))])
        await asyncio.wait_for(seen, 1)
        assert cache.get(Gadget, A) is None


async def test_a_list_sets_the_position_whatever_it_was(cache: Cache) -> None:
    informer = cache.informer(Gadget)
    feed = informer.feed_of(A)
    assert feed is not None
    await feed.replace(feed.stage(), "100")
    write = OwnWrite(Gadget, A, "70", "")
    assert cache.has_seen(write)
    await feed.replace(feed.stage(), "5")
    assert not cache.has_seen(write), "the cluster was restored from a backup"


@pytest.mark.parametrize(
    "write",
    [
        pytest.param(OwnWrite(Gadget, A, "opaque", ""), id="a version that is no integer"),
        pytest.param(OwnWrite(Gadget, NamespacedName("prod", "a"), FAR, ""), id="a namespace that is not cached"),
        pytest.param(OwnWrite(Planet, NamespacedName("", "a"), FAR, ""), id="a kind without an informer"),
        pytest.param(OwnWrite(Gadget, A, "", "uid", deleted=True), id="the deletion of what is not cached"),
    ],
)
async def test_what_the_cache_will_never_tell_of_is_not_waited_for(client: Client, write: OwnWrite) -> None:
    cache = Cache(client, namespaces=["lab"])
    cache.informer(Gadget)
    async with running(cache.start):
        await cache.wait_synced()
        assert not cache.has_seen(OwnWrite(Gadget, A, FAR, "")), "others are waited for"
        assert cache.when_seen([write]).done()


async def test_a_kind_that_is_not_read_is_not_waited_for(net: Interceptor, cache: Cache) -> None:
    write = OwnWrite(Gadget, A, FAR, "")
    cache.informer(Gadget, optional=True)
    assert cache.has_seen(write), "not started"
    refusal = net.fail("list", 403)
    async with running(cache.start):
        await cache.wait_synced()
        assert cache.has_seen(write), "forbidden"
        refusal.remove()
        await cache.informer(Gadget).wait_synced()
        assert not cache.has_seen(write)
        seen = cache.when_seen([write])
        net.fail("watch", 403)
        await asyncio.sleep(700)
        assert seen.done(), "in error"
        net.fail("*", NOT_SERVED, kind="gadgets")
        await asyncio.sleep(700)
        assert cache.informer(Gadget).absent
        assert cache.has_seen(write), "absent"


async def test_an_api_server_that_is_away_is_waited_for(server: InMemoryAPI, net: Interceptor, cache: Cache) -> None:
    """One of several may have answered the write and gone, as in each rolling restart; the next one tells of it."""
    cache.informer(Gadget)
    async with running(cache.start):
        await cache.wait_synced()
        await asyncio.sleep(5)
        outage = net.outage()
        seen = cache.when_seen([write_of(server.create(Gadget, "a", "lab"))])
        await asyncio.sleep(2)
        assert cache.informer(Gadget).last_error is not None
        assert not seen.done()
        outage.remove()
        await asyncio.wait_for(seen, 10)
        assert cache.get(Gadget, A) is not None


async def test_a_cache_can_be_asked_at_each_moment_of_its_end(cache: Cache) -> None:
    cache.informer(Gadget)
    ending = asyncio.create_task(cache.start())
    await cache.wait_synced()
    ending.cancel()
    asked = []
    while not ending.done():
        asked.append(cache.when_seen([OwnWrite(Gadget, A, FAR, ""), OwnWrite(Gadget, A, "", "", unknown=True)]))
        await asyncio.sleep(0)
    await settle()
    assert len(asked) > 2
    assert all(seen.done() for seen in asked)


async def test_nobody_waits_for_an_informer_that_has_ended(cache: Cache) -> None:
    cache.informer(Gadget)
    async with running(cache.start):
        await cache.wait_synced()
        seen = cache.when_seen([OwnWrite(Gadget, A, FAR, "")])
    assert seen.done()


@pytest.mark.parametrize(
    ("selector", "labels", "is_waited_for"),
    [
        pytest.param(Selector(labels="app=x"), {"app": "x"}, True, id="labels that match"),
        pytest.param(Selector(labels="app=x"), {"app": "y"}, False, id="labels that do not match"),
        pytest.param(Selector(labels="!gone"), {}, True, id="no labels, none wanted"),
        pytest.param(Selector(fields="metadata.name=a"), {}, True, id="its name"),
        pytest.param(Selector(fields="metadata.name!=a"), {}, False, id="another name"),
        pytest.param(Selector(fields="metadata.namespace=prod"), {}, False, id="another namespace"),
        pytest.param(Selector(fields="spec.size=1"), {}, False, id="a field that only the server knows"),
    ],
)
async def test_an_object_that_is_not_cached_is_waited_for_if_it_is_surely_selected(
    cache: Cache, selector: Selector, labels: dict[str, str], is_waited_for: bool
) -> None:
    feed = cache.informer(Gadget, selector=selector).feed_of(A)
    assert feed is not None
    await feed.replace(feed.stage(), "100")
    assert cache.has_seen(OwnWrite(Gadget, A, "101", "", labels=labels)) is not is_waited_for


async def test_a_write_that_takes_an_object_out_of_a_selector_is_seen_when_it_has_left(
    server: InMemoryAPI, cache: Cache
) -> None:
    informer = cache.informer(Gadget, selector=Selector(labels="app=x"))
    server.create(Gadget, "a", "lab", labels={"app": "x"})
    async with running(cache.start):
        await cache.wait_synced()
        await settle()
        metadata = server.list(Gadget)[0]["metadata"] | {"labels": {"app": "y"}}
        seen = cache.when_seen([write_of(server.update(Gadget, "a", "lab", metadata=metadata))])
        assert not seen.done()
        await asyncio.wait_for(seen, 1)
        assert len(informer.store) == 0


async def test_a_deletion_is_seen_when_the_object_is_gone_going_or_another(server: InMemoryAPI, cache: Cache) -> None:
    cache.informer(Gadget)
    gone = write_of(server.create(Gadget, "a", "lab"), deleted=True)
    going = write_of(server.create(Gadget, "b", "lab", finalizers=["example.com/wait"]), deleted=True)
    again = write_of(server.create(Gadget, "c", "lab"), deleted=True)
    async with running(cache.start):
        await cache.wait_synced()
        await settle()
        for name in ("a", "b", "c"):
            server.delete(Gadget, name, "lab")
        server.create(Gadget, "c", "lab")
        assert cache.unseen([gone, going, again]) == (gone, going, again)
        await asyncio.wait_for(cache.when_seen([gone, going, again]), 1)
        assert {obj.metadata.name for obj in cache.list(Gadget)} == {"b", "c"}


async def test_waiting_has_a_limit_and_giving_up_leaves_nothing_behind(cache: Cache) -> None:
    cache.informer(Gadget)
    never = [OwnWrite(Gadget, A, FAR, ""), OwnWrite(Gadget, NamespacedName("lab", "b"), FAR, "")]
    async with running(cache.start):
        await cache.wait_synced()
        assert not await cache.wait_seen(never, timeout=5)
        assert asyncio.get_running_loop().time() == pytest.approx(5, abs=0.1)
        await settle()
        assert waiting(cache) == 0
        seen = cache.when_seen(never)
        assert waiting(cache) == 2
        seen.cancel()
        await settle()
        assert waiting(cache) == 0


# Writes of unknown outcome


async def test_a_write_whose_answer_was_lost_is_waited_for_as_it_turns_out(
    net: Interceptor, cache: Cache, client: Client
) -> None:
    cache.informer(Gadget)
    async with running(cache.start):
        await cache.wait_synced()
        await settle()
        net.reset("create", carried_out=True)
        with record_writes() as writes, pytest.raises(ConnectionLostError):
            await client.create(Gadget(metadata=ObjectMeta(name="a", namespace="lab")))
        assert cache.unseen(writes) == tuple(writes)
        assert await cache.wait_seen(writes, timeout=5)
        assert cache.get(Gadget, A) is not None
        net.reset("delete", carried_out=True)
        with record_writes() as writes, pytest.raises(ConnectionLostError):
            await client.delete(Gadget, A)
        assert await cache.wait_seen(writes, timeout=5)
        assert cache.get(Gadget, A) is None
    assert [call.name for call in net.requested("get")] == ["a", "a"]
    assert all("PartialObjectMetadata" in call.request.accept for call in net.requested("get"))


@pytest.mark.parametrize("exists", [pytest.param(True, id="a create"), pytest.param(False, id="a delete")])
async def test_a_cache_that_is_behind_such_a_write_is_waited_for(
    server: InMemoryAPI, net: Interceptor, cache: Cache, exists: bool
) -> None:
    cache.informer(Gadget)
    if not exists:
        server.create(Gadget, "a", "lab")
    async with running(cache.start):
        await cache.wait_synced()
        await asyncio.sleep(5)
        net.mute_watches()
        if exists:
            server.create(Gadget, "a", "lab")
        else:
            server.delete(Gadget, "a", "lab")
        seen = cache.when_seen([OwnWrite(Gadget, A, "", "", unknown=True)])
        await asyncio.sleep(80)
        assert not seen.done()
        await asyncio.wait_for(seen, 11)
        assert (cache.get(Gadget, A) is not None) is exists


async def test_an_outcome_that_cannot_be_found_out_is_not_waited_for(
    net: Interceptor, cache: Cache, logs: list[MutableMapping[str, Any]]
) -> None:
    cache.informer(Gadget)
    unknown = OwnWrite(Gadget, A, "", "", unknown=True)
    assert cache.when_seen([unknown]).done(), "nothing is read"
    async with running(cache.start):
        await cache.wait_synced()
        net.fail("get", 403)
        assert await cache.wait_seen([unknown], timeout=5)
    assert [line["object"] for line in logs if "became of a write" in line["event"]] == ["lab/a"]


async def test_giving_up_ends_the_question(net: Interceptor, cache: Cache) -> None:
    cache.informer(Gadget)
    async with running(cache.start):
        await cache.wait_synced()
        net.hang("get")
        assert not await cache.wait_seen([OwnWrite(Gadget, A, "", "", unknown=True)], timeout=5)
        await settle()
        assert not [task for task in asyncio.all_tasks() if task.get_name().startswith("look-up")]


# Catching up


async def test_catching_up_reads_what_a_dead_watch_has_not_told(
    server: InMemoryAPI, net: Interceptor, cache: Cache
) -> None:
    recorder = Recorder()
    cache.informer(Gadget).add_handler(recorder)
    cache.informer(Planet)
    async with running(cache.start):
        await cache.wait_synced()
        await asyncio.sleep(5)
        net.mute_watches()
        server.create(Gadget, "a", "lab")
        server.create(Planet, "earth")
        assert await cache.catch_up([metadata_of(Gadget)], timeout=60)
        assert asyncio.get_running_loop().time() < 5.1
        assert recorder.calls == ["+a"]
        assert cache.list(Planet) == (), "only what was asked for is read"
        server.create(Gadget, "b", "lab")
        await settle()
        assert recorder.calls == ["+a", "+b"], "it goes on following"
        assert cache.informer(Gadget).last_error is None


async def test_a_list_that_was_under_way_is_not_enough(server: InMemoryAPI, net: Interceptor, cache: Cache) -> None:
    cache.informer(Gadget)
    async with running(cache.start):
        await cache.wait_synced()
        await asyncio.sleep(5)
        answered, gate = asyncio.Event(), asyncio.Event()

        async def late(call: Call, proceed: Callable[[ApiRequest], Awaitable[ApiResponse]]) -> ApiResponse:
            response = await proceed(call.request)
            answered.set()
            await gate.wait()
            return response

        net.on("list", late, times=1)
        first = asyncio.ensure_future(cache.catch_up([Gadget], timeout=60))
        await answered.wait()
        server.create(Gadget, "a", "lab")
        second = asyncio.ensure_future(cache.catch_up([Gadget], timeout=60))
        await settle()
        gate.set()
        assert await first
        assert not second.done()
        assert await second
        assert cache.get(Gadget, A) is not None
        assert len(net.requested("list")) == 3


async def test_catching_up_waits_while_the_server_is_away_and_has_a_limit(
    server: InMemoryAPI, net: Interceptor, cache: Cache
) -> None:
    cache.informer(Gadget)
    async with running(cache.start):
        await cache.wait_synced()
        await asyncio.sleep(5)
        outage = net.outage()
        server.create(Gadget, "a", "lab")
        assert not await cache.catch_up([Gadget], timeout=10)
        assert asyncio.get_running_loop().time() == pytest.approx(15, abs=0.1)
        late = asyncio.ensure_future(cache.catch_up([Gadget], timeout=100))
        await settle()
        outage.remove()
        assert await late
        assert cache.get(Gadget, A) is not None


async def test_kinds_that_are_not_read_hold_nobody_up(net: Interceptor, client: Client) -> None:
    cache = Cache(client, kinds={Gadget: InformerOptions(optional=True)})
    assert await cache.catch_up([Gadget], timeout=5), "no informer"
    net.fail("*", NOT_SERVED, kind="gadgets")
    cache.informer(Gadget)
    async with running(cache.start):
        await cache.wait_synced()
        assert cache.informer(Gadget).absent
        assert await cache.catch_up([Gadget], timeout=5), "absent"


async def test_catching_up_waits_for_no_back_off_and_asks_once(
    server: InMemoryAPI, net: Interceptor, cache: Cache
) -> None:
    cache.informer(Gadget)
    async with running(cache.start):
        await cache.wait_synced()
        outage = net.outage()
        await asyncio.sleep(300)
        lists = len(net.requested("list"))
        assert not await cache.catch_up([Gadget], timeout=5), "the waits have grown to half a minute"
        assert len(net.requested("list")) == lists + 1, "the failure leads to a wait like any other"
        outage.remove()
        server.create(Gadget, "a", "lab")
        began = asyncio.get_running_loop().time()
        assert await cache.catch_up([Gadget], timeout=60)
        assert asyncio.get_running_loop().time() - began < 1
        assert cache.get(Gadget, A) is not None


async def test_catching_up_waits_for_no_watch_that_is_not_answered(
    server: InMemoryAPI, net: Interceptor, cache: Cache
) -> None:
    cache.informer(Gadget)
    async with running(cache.start):
        await cache.wait_synced()
        await asyncio.sleep(5)
        net.hang("watch", times=1)
        net.break_watches()
        await settle()
        server.create(Gadget, "a", "lab")
        assert await cache.catch_up([Gadget], timeout=60)
        assert asyncio.get_running_loop().time() < 5.1
        assert cache.get(Gadget, A) is not None
        assert len(net.requested("watch")) == 3, "the first one, the one without an answer, and the one that goes on"


async def test_who_asks_while_the_server_has_asked_for_patience_waits_for_that_alone(
    net: Interceptor, cache: Cache
) -> None:
    cache.informer(Gadget)
    async with running(cache.start):
        await cache.wait_synced()
        with net.outage():
            await asyncio.sleep(300)
        net.fail("list", Failure(504, retry_after=5), times=1)
        first = asyncio.ensure_future(cache.catch_up([Gadget], timeout=100))
        await asyncio.sleep(2)
        assert await cache.catch_up([Gadget], timeout=3.1), "its waits have grown to half a minute"
        assert await first


async def test_an_informer_that_is_removed_holds_nobody_up(net: Interceptor, cache: Cache) -> None:
    selector = Selector(labels="app=x")
    cache.informer(Gadget, selector=selector)
    async with running(cache.start):
        await cache.wait_synced()
        net.hang("list")
        caught_up = asyncio.ensure_future(cache.catch_up([Gadget], timeout=60))
        await asyncio.sleep(1)
        assert not caught_up.done()
        await cache.remove_informer(Gadget, selector=selector)
        assert await asyncio.wait_for(caught_up, 1)


@pytest.mark.parametrize("optional", [True, False])
async def test_who_can_do_without_a_kind_is_not_held_up_when_it_may_not_be_read_any_more(
    net: Interceptor, cache: Cache, optional: bool
) -> None:
    cache.informer(Gadget, optional=optional)
    async with running(cache.start):
        await cache.wait_synced()
        net.fail("list", 403)
        assert await cache.catch_up([Gadget], timeout=30) is optional
