"""A list that is the beginning of a watch: what it brings, what bounds it, and where its failures lead."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from typing import Any

import pytest

from controller_runtime.apimachinery import NamespacedName
from controller_runtime.cache import Cache, Informer, InformerOptions
from controller_runtime.client import ApiRequest, ApiStream, Client
from controller_runtime.envtest.calls import Call
from controller_runtime.envtest.faults import NOT_SERVED
from controller_runtime.envtest.in_memory import InMemoryAPI
from controller_runtime.envtest.interceptor import Interceptor
from tests.unit.cache.kinds import Gadget, Planet
from tests.unit.cache.observers import Recorder, running, settle

pytestmark = pytest.mark.looptime

STREAMING = InformerOptions(streaming_list=True)
Step = tuple[float, str, dict[str, Any]]
"""Seconds to wait, type of an event, its object."""


@pytest.fixture
def informer(client: Client) -> Informer[Gadget]:
    return Informer(client, Gadget, STREAMING)


def loop_time() -> float:
    return asyncio.get_running_loop().time()


def gadget(name: str, version: int, *, uid: str = "", size: object = 0) -> dict[str, Any]:
    metadata = {"name": name, "namespace": "lab", "uid": uid or f"uid-{name}", "resourceVersion": str(version)}
    return {"apiVersion": "example.com/v1", "kind": "Gadget", "metadata": metadata, "spec": {"size": size}}


def bookmark(version: int, *, ends: bool = True) -> dict[str, Any]:
    annotations = {"k8s.io/initial-events-end": "true"} if ends else {}
    return {"kind": "Gadget", "metadata": {"resourceVersion": str(version), "annotations": annotations}}


class Scripted:
    """A watch that sends what it was told to, and then nothing more, or ends."""

    status = 200
    headers: Mapping[str, str] = {}

    def __init__(self, steps: list[Step], *, ends: bool) -> None:
        self._steps = steps
        self._ends = ends

    async def __aiter__(self) -> AsyncIterator[bytes]:
        for seconds, type_, obj in self._steps:
            await asyncio.sleep(seconds)
            yield json.dumps({"type": type_, "object": obj}).encode() + b"\n"
        if not self._ends:
            await asyncio.Event().wait()


BROKEN = {"kind": "Status", "apiVersion": "v1", "status": "Failure", "code": 500, "reason": "InternalError"}


def script(net: Interceptor, *steps: Step, ends: bool = False) -> None:
    """Has the next streaming list answered like that."""

    async def hook(call: Call, proceed: Callable[[ApiRequest], Awaitable[ApiStream]]) -> ApiStream:
        return Scripted(list(steps), ends=ends)

    net.on_watch(hook, where=streams, times=1)


def streams(call: Call) -> bool:
    return call.request.query.get("sendInitialEvents") == "true"


def paths(net: Interceptor) -> list[str]:
    """What was asked for, in order: `stream`, `list`, `watch`."""
    return ["stream" if streams(call) else call.verb for call in net.calls]


def fails(informer: Informer[Gadget]) -> bool:
    return informer.last_error is not None


def sizes(informer: Informer[Gadget]) -> dict[str, int]:
    return {obj.metadata.name: obj.spec.size for obj in informer.store.list()}


async def test_one_watch_brings_the_list_and_then_the_changes(
    server: InMemoryAPI, net: Interceptor, informer: Informer[Gadget]
) -> None:
    recorder = Recorder()
    informer.add_handler(recorder)
    for name in ("a", "b"):
        server.create(Gadget, name, "lab", spec={"size": 1})
    server.create(Planet, "earth")
    async with running(informer.run):
        await informer.wait_synced()
        assert recorder.take() == ["+a initial", "+b initial"]
        feed = informer.feed_of(NamespacedName("lab", "a"))
        assert feed is not None
        assert feed.position == str(server.revision), "the bookmark's"
        server.update(Gadget, "a", "lab", spec={"size": 2})
        server.delete(Gadget, "b", "lab")
        await settle()
        assert recorder.take() == ["~a", "-b"]
        assert sizes(informer) == {"a": 2}
    (call,) = net.calls
    query = dict(call.request.query)
    assert 300 <= int(query.pop("timeoutSeconds")) < 600
    assert query == {
        "watch": "true",
        "sendInitialEvents": "true",
        "resourceVersionMatch": "NotOlderThan",
        "allowWatchBookmarks": "true",
    }, "no version: the newest state"


async def test_nothing_is_visible_before_the_end_of_the_list_and_changes_may_come_before_it(
    net: Interceptor, informer: Informer[Gadget]
) -> None:
    recorder = Recorder()
    informer.add_handler(recorder)
    script(
        net,
        (0, "ADDED", gadget("kept", 1, size=1)),
        (0, "ADDED", gadget("changed", 2, size=1)),
        (0, "ADDED", gadget("deleted", 3)),
        (0, "ADDED", gadget("garbled", 4, size=1)),
        (0, "ADDED", gadget("replaced", 5, size=1)),
        (0, "MODIFIED", gadget("changed", 11, size=2)),
        (0, "DELETED", gadget("deleted", 12)),
        (0, "MODIFIED", gadget("garbled", 13, size="large")),
        (0, "MODIFIED", gadget("replaced", 14, uid="another", size="large")),
        (0, "ADDED", gadget("new", 15, size=3)),
        (5, "BOOKMARK", bookmark(20)),
    )
    async with running(informer.run):
        await asyncio.sleep(4)
        assert sizes(informer) == {}
        feed = informer.feed_of(NamespacedName("lab", "new"))
        assert feed is not None
        assert feed.position == "", "versions of initial events are no position"
        await informer.wait_synced()
        assert sizes(informer) == {"kept": 1, "changed": 2, "garbled": 1, "new": 3}
        assert feed.position == "20"
    assert all(call.endswith("initial") for call in recorder.calls)


async def test_a_streamed_relist_keeps_unchanged_objects_and_deletes_what_is_gone(
    server: InMemoryAPI, net: Interceptor, informer: Informer[Gadget]
) -> None:
    for name in ("same", "gone", "changed", "garbled"):
        server.create(Gadget, name, "lab", spec={"size": 1})
    recorder = Recorder()
    informer.add_handler(recorder)
    async with running(informer.run):
        await informer.wait_synced()
        recorder.take()
        same = informer.store.get(NamespacedName("lab", "same"))
        await asyncio.sleep(5)
        net.break_watches()
        server.delete(Gadget, "gone", "lab")
        server.update(Gadget, "changed", "lab", spec={"size": 2})
        server.update(Gadget, "garbled", "lab", spec={"size": "large"})
        server.compact()
        await asyncio.sleep(5)
        assert informer.store.get(NamespacedName("lab", "same")) is same
        assert sizes(informer) == {"same": 1, "changed": 2, "garbled": 1}
        assert sorted(recorder.calls) == ["-gone unknown", "=garbled", "=same", "~changed"]
    assert paths(net) == ["stream", "watch", "stream"]


@pytest.mark.parametrize(
    ("steps", "ends", "seconds"),
    [
        pytest.param([(0, "ADDED", gadget("x", 1))], True, 0, id="ended before the end of the list"),
        pytest.param([(0, "BOOKMARK", bookmark(9, ends=False))], False, 0, id="a bookmark that does not end the list"),
        pytest.param([(0, "ADDED", gadget("x", 1))], False, 15, id="silent for 15 s"),
        pytest.param([(9, "ADDED", gadget(f"x{n}", n)) for n in (1, 2)], False, 33, id="silent later"),
        pytest.param([(10, "ADDED", gadget(f"x{n}", n)) for n in range(50)], False, 60, id="a trickle for a minute"),
        pytest.param([(0, "ERROR", BROKEN)], True, 0, id="an ERROR event"),
    ],
)
async def test_a_list_that_does_not_stream_is_read_in_pages_at_once(
    server: InMemoryAPI, net: Interceptor, informer: Informer[Gadget], steps: list[Step], ends: bool, seconds: float
) -> None:
    server.create(Gadget, "a", "lab", spec={"size": 1})
    script(net, *steps, ends=ends)
    async with running(informer.run):
        await informer.wait_synced()
        assert loop_time() == pytest.approx(seconds, abs=1.1)
        assert sizes(informer) == {"a": 1}
        assert informer.last_error is None
        await settle()
    assert paths(net) == ["stream", "list", "watch"]


async def test_a_connection_that_breaks_before_the_end_leads_to_pages(
    server: InMemoryAPI, net: Interceptor, informer: Informer[Gadget]
) -> None:
    script(net, (0, "ADDED", gadget("x", 1)))
    async with running(informer.run):
        await settle()
        net.break_watches()
        await informer.wait_synced()
        assert sizes(informer) == {}
    assert paths(net)[:2] == ["stream", "list"]


async def test_a_silent_server_is_not_asked_by_this_reflector_again(
    server: InMemoryAPI, net: Interceptor, informer: Informer[Gadget]
) -> None:
    script(net)
    async with running(informer.run):
        await informer.wait_synced()
        await asyncio.sleep(5)
        net.expire_watches()
        await asyncio.sleep(5)
    assert paths(net) == ["stream", "list", "watch", "list", "watch"]


@pytest.mark.parametrize("code", [pytest.param(422, id="Invalid"), pytest.param(400, id="BadRequest")])
async def test_a_server_that_refuses_to_stream_is_asked_once_by_all_informers_of_the_cache(
    server: InMemoryAPI, net: Interceptor, client: Client, code: int
) -> None:
    net.fail("watch", code, where=streams)
    cache = Cache(client, defaults=STREAMING)
    cache.informer(Gadget)
    async with running(cache.start):
        await cache.wait_synced()
        cache.informer(Planet)
        await cache.wait_synced()
        await asyncio.sleep(5)
        net.expire_watches()
        await asyncio.sleep(5)
    assert paths(net).count("stream") == 1


@pytest.mark.parametrize("failure", [pytest.param(429, id="429"), pytest.param(None, id="unreachable")])
async def test_a_server_that_is_away_or_busy_is_asked_again_after_the_back_off(
    server: InMemoryAPI, net: Interceptor, informer: Informer[Gadget], failure: int | None
) -> None:
    rule = net.fail("*", failure) if failure else net.outage()
    async with running(informer.run):
        await settle()
        assert fails(informer)
        rule.remove()
        await informer.wait_synced()
        assert 0.8 <= loop_time() < 1.7
        assert not fails(informer)
    assert paths(net) == ["stream", "stream"]


async def test_an_optional_kind_is_streamed_when_it_appears(net: Interceptor, client: Client) -> None:
    absence = net.fail("*", NOT_SERVED)
    informer = Informer(client, Gadget, InformerOptions(streaming_list=True, optional=True))
    async with running(informer.run):
        await informer.wait_synced()
        assert [informer.absent] == [True]
        absence.remove()
        await asyncio.sleep(11)
        assert [informer.absent] == [False]
    assert paths(net) == ["stream", "stream"]


@pytest.mark.parametrize("ends", [pytest.param(True, id="ended in order"), pytest.param(False, id="broken off")])
async def test_what_follows_the_list_is_a_watch_like_any_other(
    server: InMemoryAPI, net: Interceptor, informer: Informer[Gadget], ends: bool
) -> None:
    server.create(Gadget, "a", "lab")
    async with running(informer.run):
        await asyncio.sleep(5)
        if ends:
            net.end_watches()
        else:
            net.break_watches()
        version = server.revision
        await settle()
        assert informer.last_error is None
        server.create(Gadget, "b", "lab")
        await settle()
        assert len(informer.store) == 2
    assert paths(net) == ["stream", "watch"]
    assert net.calls[1].request.query["resourceVersion"] == str(version)


async def test_a_stream_that_ends_with_its_list_is_a_very_short_watch(
    net: Interceptor, informer: Informer[Gadget]
) -> None:
    script(net, (0, "BOOKMARK", bookmark(20)), ends=True)
    async with running(informer.run):
        await settle()
        assert informer.has_synced
        assert "at once and without news" in str(informer.last_error)
        await asyncio.sleep(5)
        assert informer.last_error is None


async def test_catching_up_streams_too(server: InMemoryAPI, net: Interceptor, client: Client) -> None:
    cache = Cache(client, defaults=STREAMING)
    cache.informer(Gadget)
    async with running(cache.start):
        await cache.wait_synced()
        await asyncio.sleep(5)
        net.mute_watches()
        server.create(Gadget, "a", "lab")
        assert await cache.catch_up([Gadget], timeout=5)
        assert len(cache.list(Gadget)) == 1
    assert paths(net) == ["stream", "stream"]


async def test_a_streaming_list_needs_bookmarks(client: Client, net: Interceptor) -> None:
    with pytest.raises(ValueError, match="a streaming list ends with a bookmark"):
        InformerOptions(streaming_list=True, bookmarks=False)
    with pytest.raises(ValueError, match="a streaming list ends with a bookmark"):
        Cache(client, kinds={Gadget: STREAMING}, defaults=InformerOptions(bookmarks=False))
    cache = Cache(client, kinds={Gadget: InformerOptions(bookmarks=False)}, defaults=STREAMING)
    cache.informer(Gadget)
    async with running(cache.start):
        await cache.wait_synced()
        await settle()
    assert paths(net) == ["list", "watch"]
    assert "allowWatchBookmarks" not in net.calls[1].request.query
