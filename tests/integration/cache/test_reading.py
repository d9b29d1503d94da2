"""Streaming lists, selectors, own writes and catching up, on a real API server."""

from __future__ import annotations

import asyncio

import pytest

from controller_runtime.apimachinery import ObjectMeta
from controller_runtime.cache import Cache, InformerOptions, Selector
from controller_runtime.client import Client, OwnWrite, record_writes
from tests.integration.cache.conftest import (
    DEADLINE,
    Gadget,
    GadgetSpec,
    Recorder,
    RecordingTransport,
    create_many,
    gadget,
    key,
    running,
)

pytestmark = pytest.mark.integration

STREAMING = InformerOptions(streaming_list=True)


def labelled(namespace: str, name: str, app: str) -> Gadget:
    return Gadget(metadata=ObjectMeta(namespace=namespace, name=name, labels={"app": app}), spec=GadgetSpec(size=1))


async def test_a_streamed_list_is_complete_and_its_stream_goes_on(
    client: Client, transport: RecordingTransport, kube_namespace: str
) -> None:
    await create_many(client, kube_namespace, 600)
    cache = Cache(Client(transport), namespaces=[kube_namespace], defaults=STREAMING)
    recorder = Recorder()
    cache.informer(Gadget).add_handler(recorder)
    async with running(cache):
        await asyncio.wait_for(cache.wait_synced(), DEADLINE)
        assert {obj.spec.size for obj in cache.list(Gadget)} == set(range(600))
        assert len(recorder.calls) == 600
        await client.patch(Gadget, key(kube_namespace, "g0000"), {"spec": {"size": 1000}})
        await recorder.until(lambda: recorder.calls[-1] == "~g0000")
    (request,) = transport.requests
    assert request.query["sendInitialEvents"] == "true"


@pytest.mark.parametrize(
    "options", [pytest.param(InformerOptions(), id="paged"), pytest.param(STREAMING, id="streamed")]
)
async def test_a_selector_is_kept_to_and_what_leaves_it_is_deleted(
    client: Client, transport: RecordingTransport, kube_namespace: str, options: InformerOptions
) -> None:
    await client.create(labelled(kube_namespace, "a", "x"))
    await client.create(labelled(kube_namespace, "b", "y"))
    cache = Cache(Client(transport), namespaces=[kube_namespace], defaults=options)
    informer = cache.informer(Gadget, selector=Selector(labels="app=x", fields="metadata.name!=c"))
    recorder = Recorder()
    informer.add_handler(recorder)
    async with running(cache):
        await asyncio.wait_for(cache.wait_synced(), DEADLINE)
        assert recorder.calls == ["+a initial"]
        await client.create(labelled(kube_namespace, "c", "x"))
        for name, app in (("b", "x"), ("a", "y")):
            with record_writes() as writes:
                await client.patch(Gadget, key(kube_namespace, name), {"metadata": {"labels": {"app": app}}})
            assert await cache.wait_seen(writes, timeout=DEADLINE)
        await recorder.until(lambda: len(recorder.calls) == 3)
    assert recorder.calls == ["+a initial", "+b", "-a"]


async def test_all_other_namespaces_are_read_without_the_named(
    client: Client, transport: RecordingTransport, kube_namespace: str
) -> None:
    await client.create(labelled(kube_namespace, "a", "x"))
    await client.create(labelled(kube_namespace, "b", "y"))
    await client.create(labelled("default", kube_namespace, "y"))
    cache = Cache(Client(transport), namespaces={kube_namespace: Selector(labels="app=x"), "": Selector()})
    cache.informer(Gadget)
    async with running(cache):
        await asyncio.wait_for(cache.wait_synced(), DEADLINE)
        assert [obj.metadata.name for obj in cache.list(Gadget, namespace=kube_namespace)] == ["a"]
        assert cache.get(Gadget, key("default", kube_namespace)) is not None
        assert cache.get(Gadget, key(kube_namespace, "b")) is None
    await client.delete(Gadget, key("default", kube_namespace))


async def test_every_own_write_is_seen_before_the_next_step(
    client: Client, transport: RecordingTransport, kube_namespace: str
) -> None:
    cache = Cache(Client(transport), namespaces=[kube_namespace])
    cache.informer(Gadget)
    async with running(cache):
        await asyncio.wait_for(cache.wait_synced(), DEADLINE)
        for number in range(20):
            name = key(kube_namespace, f"g{number}")
            with record_writes() as writes:
                await client.create(gadget(kube_namespace, name.name, number))
            assert await cache.wait_seen(writes, timeout=DEADLINE)
            assert cache.get(Gadget, name) is not None
            with record_writes() as writes:
                await client.delete(Gadget, name)
            assert await cache.wait_seen(writes, timeout=DEADLINE)
            assert cache.get(Gadget, name) is None
        assert await cache.wait_seen([OwnWrite(Gadget, name, "", "", unknown=True)], timeout=DEADLINE)


async def test_after_catching_up_the_cache_has_all_that_was_written_before(
    client: Client, transport: RecordingTransport, kube_namespace: str
) -> None:
    cache = Cache(Client(transport), namespaces=[kube_namespace])
    cache.informer(Gadget)
    async with running(cache):
        await asyncio.wait_for(cache.wait_synced(), DEADLINE)
        for number in range(5):
            await client.create(gadget(kube_namespace, f"g{number}", number))
            assert await cache.catch_up([Gadget], timeout=DEADLINE)
            assert cache.get(Gadget, key(kube_namespace, f"g{number}")) is not None
    assert len(transport.lists()) == 6
