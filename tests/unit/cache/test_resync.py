"""Telling handlers of everything again, from memory."""

from __future__ import annotations

import asyncio
import itertools

import pytest

from controller_runtime.apimachinery import NamespacedName, Object
from controller_runtime.cache import Informer, InformerOptions
from controller_runtime.cache.handlers import SLICE
from controller_runtime.client import Client
from controller_runtime.envtest.in_memory import InMemoryAPI
from controller_runtime.envtest.interceptor import Interceptor
from tests.unit.cache.kinds import Gadget
from tests.unit.cache.observers import ConsistencyProof, Recorder, running, settle

pytestmark = pytest.mark.looptime


class Timed(Recorder):
    """Knows when it was told, too."""

    def __init__(self) -> None:
        super().__init__()
        self.times: list[float] = []

    def on_update(self, old: Object, new: Object) -> None:
        super().on_update(old, new)
        assert old is new
        self.times.append(asyncio.get_running_loop().time())


def informer_with(client: Client, period: float | None) -> Informer[Gadget]:
    return Informer(client, Gadget, InformerOptions(resync_period=period))


async def test_each_period_brings_every_object_as_an_unchanged_update_and_asks_the_server_nothing(
    server: InMemoryAPI, net: Interceptor, client: Client
) -> None:
    informer, handler = informer_with(client, 100), Timed()
    informer.add_handler(handler)
    server.create(Gadget, "a", "lab")
    server.create(Gadget, "b", "prod")
    async with running(informer.run):
        await informer.wait_synced()
        handler.take()
        await asyncio.sleep(1000)
        assert len(net.requested("list")) == 1
    assert set(handler.calls) == {"=a", "=b"}
    assert len(handler.calls) in range(18, 24)
    waits = [later - earlier for earlier, later in itertools.pairwise([0.0, *handler.times[::2]])]
    assert all(89.9 <= wait <= 110.1 for wait in waits)
    assert len(set(waits)) > 1, "the informers of many processes do not stay in step"


async def test_there_is_none_where_none_is_wanted_nor_before_the_first_list(
    server: InMemoryAPI, net: Interceptor, client: Client
) -> None:
    server.create(Gadget, "a", "lab")
    never, handler = informer_with(client, None), Recorder()
    never.add_handler(handler)
    async with running(never.run):
        await asyncio.sleep(100_000)
    assert handler.calls == ["+a initial"]
    rule = net.fail("list", 500)
    often, late = informer_with(client, 1), Recorder()
    often.add_handler(late)
    async with running(often.run):
        await asyncio.sleep(300)
        assert late.calls == []
        rule.remove()
        await often.wait_synced()
        assert late.calls == ["+a initial"]


async def test_what_changes_during_a_resync_is_told_as_it_is_and_what_goes_is_left_out(
    server: InMemoryAPI, client: Client
) -> None:
    informer, proof, told = informer_with(client, 100), ConsistencyProof(), Recorder()
    for number in range(2 * SLICE):
        server.create(Gadget, f"g{number:04}", "lab")
    async with running(informer.run):
        await informer.wait_synced()
        await settle()
        informer.add_handler(proof)
        registration = informer.add_handler(told)
        await registration.wait_synced()
        told.take()
        feed = informer.feed_of(NamespacedName("lab", "g0000"))
        assert feed is not None
        resync = asyncio.ensure_future(feed.resync())
        await asyncio.sleep(0)
        assert len(told.calls) == SLICE, "the loop has its turn"
        feed.delete(NamespacedName("lab", f"g{2 * SLICE - 1:04}"), None)
        await resync
    assert proof.violations == []
    assert told.calls.count(f"=g{2 * SLICE - 1:04}") == 0
    assert len(told.calls) == 2 * SLICE, "all but one, and its deletion"


async def test_a_resync_waits_for_a_list_that_is_being_told(server: InMemoryAPI, client: Client) -> None:
    informer, proof, told = informer_with(client, 100), ConsistencyProof(), Recorder()
    informer.add_handler(proof)
    informer.add_handler(told)
    for number in range(2 * SLICE):
        server.create(Gadget, f"g{number:04}", "lab")
    async with running(informer.run):
        feed = informer.feed_of(NamespacedName("lab", "g0000"))
        assert feed is not None
        while not told.calls:  # noqa: ASYNC110 - the moment between two slices is what this is about
            await asyncio.sleep(0)
        assert len(told.calls) == SLICE
        await feed.resync()
        assert proof.violations == []
        assert [call[0] for call in told.calls] == ["+"] * 2 * SLICE + ["="] * 2 * SLICE
