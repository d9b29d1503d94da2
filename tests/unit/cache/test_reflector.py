"""Where each success and each failure leads a reflector, and when it asks again."""

from __future__ import annotations

import asyncio
import dataclasses
import itertools
import json
import weakref
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from typing import Any

import pytest

from controller_runtime.apimachinery import NamespacedName, metadata_of
from controller_runtime.cache import Informer, VeryShortWatchError
from controller_runtime.cache.store import Staging
from controller_runtime.client import (
    ApiRequest,
    ApiResponse,
    ApiStream,
    Client,
    ConnectionLostError,
    InvalidResponseError,
)
from controller_runtime.envtest.calls import Call
from controller_runtime.envtest.faults import Failure
from controller_runtime.envtest.in_memory import InMemoryAPI
from controller_runtime.envtest.interceptor import Interceptor
from controller_runtime.metrics import REGISTRY
from tests.unit.cache.faults import plan, send_failure
from tests.unit.cache.kinds import Gadget, Planet, size_spec
from tests.unit.cache.observers import Recorder, running, settle

pytestmark = pytest.mark.looptime

BACK_OFF = 1.6
"""Longest first wait, in seconds."""

OVERLOADED = Failure(429, "TooManyRequests", "too many requests, please try again later")
BROKEN = Failure(500, "InternalError", "etcdserver: request timed out")
EXPIRED = Failure(410, "Expired", "too old resource version: 1 (2)")
LAGS_BEHIND = Failure(504, "Timeout", "Too large resource version: 300, current: 200", cause="ResourceVersionTooLarge")
LACKS_RIGHTS = Failure(403, "Forbidden", "gadgets is forbidden")


Send = Callable[[ApiRequest], Awaitable[ApiResponse]]
Hook = Callable[[Call, Send], Awaitable[ApiResponse]]


def is_continued(call: Call) -> bool:
    return "continue" in call.request.query


def loop_time() -> float:
    return asyncio.get_running_loop().time()


def queries(net: Interceptor, verb: str) -> list[dict[str, str]]:
    return [dict(call.request.query) for call in net.requested(verb)]


def sizes(informer: Informer[Gadget]) -> dict[str, int]:
    return {obj.metadata.name: obj.spec.size for obj in informer.store.list()}


def cause(informer: Informer[Gadget]) -> type[Exception] | None:
    return type(informer.last_error.cause) if informer.last_error else None


def undecodable() -> float:
    return REGISTRY.get_sample_value("controller_runtime_undecodable_objects_total", {"kind": "Gadget"}) or 0


# Lists


async def test_a_list_is_a_consistent_read_in_pages_and_the_watch_starts_at_the_first_pages_version(
    server: InMemoryAPI, net: Interceptor, informer: Informer[Gadget]
) -> None:
    async def busy(call: Call, proceed: Send) -> ApiResponse:
        """It changes with each page, so that pages and versions differ."""
        response = await proceed(call.request)
        server.create(Gadget, f"later-{server.revision}", "lab")
        return response

    for number in range(1001):
        server.create(Gadget, f"g{number}", "lab")
    version = server.revision
    net.on("list", busy)
    async with running(informer.run):
        await informer.wait_synced()
        await settle()
    assert [query.pop("continue", None) is not None for query in queries(net, "list")] == [False, True, True]
    assert [{key: query[key] for key in query if key != "continue"} for query in queries(net, "list")] == [
        {"limit": "500"}
    ] * 3
    assert queries(net, "watch")[0]["resourceVersion"] == str(version)
    assert len(informer.store) == 1004, "1001 of the list, 3 of the watch"


async def test_an_expired_page_token_leads_to_one_list_of_everything(
    server: InMemoryAPI, net: Interceptor, informer: Informer[Gadget]
) -> None:
    for number in range(700):
        server.create(Gadget, f"g{number}", "lab")
    net.on("list", forgetting(server), times=1)
    async with running(informer.run):
        await informer.wait_synced()
        await settle()
        assert loop_time() < 0.1, "there is nothing to wait for"
    assert ["limit" in query for query in queries(net, "list")] == [True, True, False]
    assert len(informer.store) == 699
    assert informer.last_error is None


def forgetting(server: InMemoryAPI) -> Hook:
    """Answers, and then forgets the history that further pages need."""

    async def hook(call: Call, proceed: Send) -> ApiResponse:
        response = await proceed(call.request)
        server.delete(Gadget, "g1", "lab")
        server.compact()
        return response

    return hook


async def test_a_server_that_pages_even_the_whole_list_is_read_to_the_end(
    server: InMemoryAPI, net: Interceptor, informer: Informer[Gadget]
) -> None:
    async def limited(call: Call, proceed: Send) -> ApiResponse:
        return await proceed(dataclasses.replace(call.request, query={"limit": "400"} | dict(call.request.query)))

    for number in range(900):
        server.create(Gadget, f"g{number}", "lab")
    net.on("list", forgetting(server), times=1)
    net.on("list", limited)
    async with running(informer.run):
        await informer.wait_synced()
        assert len(informer.store) == 899
    asked = [("limit" in query, "continue" in query) for query in queries(net, "list")]
    assert asked == [(True, False), (True, True), (False, False), (False, True), (False, True)]


@pytest.mark.parametrize(
    "answer",
    [
        pytest.param(OVERLOADED, id="429"),
        pytest.param(BROKEN, id="500"),
        pytest.param(EXPIRED, id="410 without a token"),
        pytest.param(LACKS_RIGHTS, id="403"),
        pytest.param(Failure(404, "NotFound", "the server could not find the requested resource"), id="404"),
        pytest.param(Failure(401, "Unauthorized", "Unauthorized"), id="401"),
    ],
)
async def test_a_list_that_fails_is_tried_again_after_the_back_off(
    server: InMemoryAPI, net: Interceptor, informer: Informer[Gadget], answer: Failure
) -> None:
    server.create(Gadget, "a", "lab")
    net.fail("list", answer, times=1)
    async with running(informer.run):
        await settle()
        assert not informer.has_synced
        assert cause(informer) is not None
        await informer.wait_synced()
        assert 0.8 <= loop_time() < BACK_OFF
        assert informer.last_error is None


async def test_a_page_that_fails_in_the_middle_leaves_nothing_of_its_list(
    server: InMemoryAPI, net: Interceptor, informer: Informer[Gadget]
) -> None:
    for number in range(600):
        server.create(Gadget, f"g{number}", "lab")
    net.fail("list", BROKEN, where=is_continued, times=1)
    async with running(informer.run):
        await settle()
        server.delete(Gadget, "g0", "lab")
        assert len(informer.store) == 0
        await informer.wait_synced()
    assert len(informer.store) == 599
    assert informer.store.get(NamespacedName("lab", "g0")) is None


async def test_a_failure_that_is_remembered_keeps_no_half_of_a_list_in_memory(
    server: InMemoryAPI, net: Interceptor, informer: Informer[Gadget], monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(700):
        server.create(Gadget, f"g{number}", "lab")
    net.fail("list", BROKEN, where=is_continued)
    staged: weakref.WeakSet[Staging[Gadget]] = weakref.WeakSet()
    stage = informer.store.stage

    def observed(scope: str) -> Staging[Gadget]:
        made = stage(scope)
        staged.add(made)
        return made

    monkeypatch.setattr(informer.store, "stage", observed)
    async with running(informer.run):
        await settle()
        assert informer.last_error is not None
        assert not staged


async def test_the_servers_retry_after_is_respected_up_to_a_minute(
    net: Interceptor, informer: Informer[Gadget]
) -> None:
    plan(
        net, "list", dataclasses.replace(OVERLOADED, retry_after=17), dataclasses.replace(OVERLOADED, retry_after=86400)
    )
    async with running(informer.run):
        await informer.wait_synced()
    times = [call.time for call in net.requested("list")]
    assert [round(later - earlier) for earlier, later in itertools.pairwise(times)] == [17, 60]


async def test_waits_grow_while_the_server_is_away_and_the_informer_syncs_once_it_is_back(
    server: InMemoryAPI, net: Interceptor, informer: Informer[Gadget]
) -> None:
    server.create(Gadget, "a", "lab")
    outage = net.outage()
    async with running(informer.run):
        await asyncio.sleep(3600)
        times = [call.time for call in net.requested("list")]
        waits = [later - earlier for earlier, later in itertools.pairwise(times)]
        assert all(base <= wait < 2 * base for base, wait in zip([0.8, 1.6, 3.2, 6.4, 12.8, 25.6], waits, strict=False))
        assert all(30 <= wait < 60 for wait in waits[6:])
        outage.remove()
        await asyncio.sleep(60)
        assert sizes(informer) == {"a": 0}


async def test_an_answer_that_is_no_list_empties_no_store(
    server: InMemoryAPI, net: Interceptor, informer: Informer[Gadget]
) -> None:
    server.create(Gadget, "a", "lab")
    async with running(informer.run):
        await asyncio.sleep(5)
        net.garble("list", b"{}")
        send_failure(net, EXPIRED)
        await asyncio.sleep(10)
        assert sizes(informer) == {"a": 0}
        assert cause(informer) is InvalidResponseError


# Watches


async def test_a_watch_asks_for_bookmarks_a_random_length_and_a_limit_on_silence(
    net: Interceptor, informer: Informer[Gadget]
) -> None:
    async with running(informer.run):
        await asyncio.sleep(6000)
    lengths = [int(query["timeoutSeconds"]) for query in queries(net, "watch")]
    assert all(300 <= length < 600 for length in lengths)
    assert len(set(lengths)) > 1
    assert all(query["allowWatchBookmarks"] == "true" for query in queries(net, "watch"))
    assert {call.request.read_timeout for call in net.requested("watch")} == {90}


@pytest.mark.parametrize(
    "end", [pytest.param("end_watches", id="ended in order"), pytest.param("break_watches", id="broken off")]
)
async def test_a_watch_that_worked_is_followed_by_the_next_at_once_from_where_it_was(
    server: InMemoryAPI, net: Interceptor, informer: Informer[Gadget], end: str
) -> None:
    recorder = Recorder()
    informer.add_handler(recorder)
    async with running(informer.run):
        await asyncio.sleep(5)
        server.create(Gadget, "a", "lab")
        seen = server.revision
        await settle()
        ended = loop_time()
        getattr(net, end)()
        server.create(Gadget, "b", "lab")
        await settle()
        assert recorder.calls == ["+a", "+b"]
        assert len(net.requested("list")) == 1
        assert informer.last_error is None
    again = net.requested("watch")[1]
    assert again.time - ended < 0.01
    assert again.request.query["resourceVersion"] == str(seen)


@pytest.mark.parametrize(
    "end", [pytest.param("end_watches", id="ended in order"), pytest.param("break_watches", id="broken off")]
)
async def test_a_short_watch_that_brought_an_event_has_worked(
    server: InMemoryAPI, net: Interceptor, informer: Informer[Gadget], end: str
) -> None:
    async with running(informer.run):
        await settle()
        server.create(Gadget, "a", "lab")
        await settle()
        getattr(net, end)()
        await settle()
        assert informer.last_error is None
    assert len(net.requested("watch")) == 2
    assert len(net.requested("list")) == 1


@pytest.mark.parametrize(
    ("type_", "document"),
    [
        pytest.param(
            "BOOKMARK", {"metadata": {"resourceVersion": "REVISION"}}, id="a bookmark of the version it began at"
        ),
        pytest.param("RENAMED", {"metadata": {"resourceVersion": "101"}}, id="an event of an unknown type"),
        pytest.param("ADDED", {"metadata": {"name": "a", "namespace": "lab"}}, id="an object without a version"),
        pytest.param("MODIFIED", {"metadata": 5}, id="an object that cannot be decoded"),
    ],
)
async def test_a_watch_that_always_ends_where_it_began_backs_off_whatever_it_brings(
    server: InMemoryAPI, net: Interceptor, informer: Informer[Gadget], type_: str, document: dict[str, Any]
) -> None:
    repeated = json.dumps({"type": type_, "object": document}).replace("REVISION", str(server.revision))

    async def hook(call: Call, proceed: Callable[[ApiRequest], Awaitable[ApiStream]]) -> ApiStream:
        return OneEvent(repeated)

    net.on_watch(hook)
    async with running(informer.run):
        await asyncio.sleep(60)
        assert cause(informer) is VeryShortWatchError
    assert len(net.requested("watch")) < 10


class OneEvent:
    """A watch that brings one event and ends."""

    status = 200
    headers: Mapping[str, str] = {}

    def __init__(self, event: str) -> None:
        self._event = event

    async def __aiter__(self) -> AsyncIterator[bytes]:
        yield self._event.encode() + b"\n"


async def test_an_event_ends_a_failure_at_once(
    server: InMemoryAPI, net: Interceptor, informer: Informer[Gadget]
) -> None:
    async with running(informer.run):
        await asyncio.sleep(5)
        net.fail("watch", OVERLOADED, times=1)
        net.break_watches()
        await settle()
        assert informer.last_error is not None
        server.create(Gadget, "a", "lab")
        while not len(informer.store):
            await settle()
        assert informer.last_error is None


async def test_a_watch_that_did_not_hold_is_no_recovery(
    net: Interceptor, informer: Informer[Gadget], logs: list[dict[str, Any]]
) -> None:
    async with running(informer.run):
        await settle()
        net.outage()
        await asyncio.sleep(60)
        assert informer.last_error is not None
    assert "following the kind again" not in [line["event"] for line in logs]


async def test_a_bookmark_moves_the_version_so_that_compaction_does_not_force_a_list(
    server: InMemoryAPI, net: Interceptor, informer: Informer[Gadget]
) -> None:
    async with running(informer.run):
        await informer.wait_synced()
        for number in range(10):
            server.create(Planet, f"p{number}")
        await asyncio.sleep(61)
        server.compact()
        net.break_watches()
        server.create(Gadget, "a", "lab")
        await asyncio.sleep(5)
        assert sizes(informer) == {"a": 0}
    assert len(net.requested("list")) == 1


@pytest.mark.parametrize("in_stream", [pytest.param(True, id="ERROR event"), pytest.param(False, id="HTTP 410")])
async def test_a_watch_from_a_forgotten_version_leads_to_a_list_and_is_no_failure(
    server: InMemoryAPI, net: Interceptor, informer: Informer[Gadget], logs: list[dict[str, Any]], in_stream: bool
) -> None:
    async with running(informer.run):
        await asyncio.sleep(5)
        net.break_watches()
        if not in_stream:
            net.fail("watch", EXPIRED, times=1)
        server.create(Gadget, "a", "lab")
        server.create(Gadget, "b", "lab")
        server.delete(Gadget, "b", "lab")
        server.compact()
        broken = loop_time()
        await asyncio.sleep(5)
        assert sizes(informer) == {"a": 0}
        assert informer.last_error is None
    assert not any(line["log_level"] == "warning" for line in logs)
    assert 0.8 <= net.requested("list")[1].time - broken < BACK_OFF + 0.01


@pytest.mark.parametrize(
    ("answer", "lists"),
    [
        pytest.param(OVERLOADED, 1, id="429: watch again"),
        pytest.param(BROKEN, 2, id="500: list"),
        pytest.param(EXPIRED, 2, id="410: list"),
        pytest.param(LAGS_BEHIND, 2, id="too large resource version: list"),
        pytest.param(LACKS_RIGHTS, 2, id="403: list"),
    ],
)
@pytest.mark.parametrize("in_stream", [pytest.param(False, id="refused"), pytest.param(True, id="ERROR event")])
async def test_after_a_failed_watch_comes_the_back_off_and_then_what_the_failure_calls_for(
    server: InMemoryAPI, net: Interceptor, informer: Informer[Gadget], answer: Failure, lists: int, in_stream: bool
) -> None:
    async with running(informer.run):
        await asyncio.sleep(5)
        failed = loop_time()
        if in_stream:
            send_failure(net, answer)
        else:
            net.fail("watch", answer, times=1)
            net.end_watches()
        await settle()
        server.create(Gadget, "a", "lab")
        await asyncio.sleep(5)
        assert sizes(informer) == {"a": 0}
        assert informer.last_error is None
    assert len(net.requested("list")) == lists
    assert 0.8 <= net.calls[-2 if lists == 2 else -1].time - failed < BACK_OFF + 0.01
    assert all("resourceVersion" not in query for query in queries(net, "list")), "no list asks for a version"


async def test_while_the_server_is_away_the_watch_is_tried_again_without_a_list_and_reads_go_on(
    server: InMemoryAPI, net: Interceptor, informer: Informer[Gadget]
) -> None:
    server.create(Gadget, "a", "lab")
    async with running(informer.run):
        await asyncio.sleep(5)
        outage = net.outage()
        await asyncio.sleep(600)
        assert sizes(informer) == {"a": 0}
        assert informer.has_synced
        assert "connection refused" in str(informer.last_error)
        outage.remove()
        server.create(Gadget, "b", "lab")
        await asyncio.sleep(62)
        assert sizes(informer) == {"a": 0, "b": 0}
        assert informer.last_error is None
    assert len(net.requested("list")) == 1


@pytest.mark.parametrize(
    ("end", "failure", "lists"),
    [
        pytest.param("end_watches", VeryShortWatchError, 2, id="ended in order: list"),
        pytest.param("break_watches", ConnectionLostError, 1, id="broken off: watch again"),
    ],
)
async def test_a_very_short_watch_is_a_failure_and_backs_off(
    server: InMemoryAPI, net: Interceptor, informer: Informer[Gadget], end: str, failure: type[Exception], lists: int
) -> None:
    async with running(informer.run):
        await settle()
        getattr(net, end)()
        await settle()
        assert cause(informer) is failure
        server.create(Gadget, "a", "lab")
        await asyncio.sleep(5)
        assert informer.last_error is None
        assert sizes(informer) == {"a": 0}
    assert 0.8 <= net.requested("watch")[1].time < BACK_OFF + 0.01
    assert len(net.requested("list")) == lists


async def test_a_silent_watch_is_given_up_after_90_seconds_and_nothing_is_missed(
    server: InMemoryAPI, net: Interceptor, informer: Informer[Gadget]
) -> None:
    async with running(informer.run):
        await asyncio.sleep(70)  # a bookmark came after 60 s
        net.mute_watches()
        server.create(Gadget, "a", "lab")
        await asyncio.sleep(79)
        assert sizes(informer) == {}
        await asyncio.sleep(2)
        assert sizes(informer) == {"a": 0}
        assert informer.last_error is None
    assert [round(call.time) for call in net.requested("watch")] == [0, 150]
    assert len(net.requested("list")) == 1


async def test_a_server_without_bookmarks_costs_a_new_watch_each_90_seconds_and_no_list(
    net: Interceptor, informer: Informer[Gadget]
) -> None:
    async def unmarked(call: Call, proceed: Callable[[ApiRequest], Awaitable[ApiStream]]) -> ApiStream:
        query = {name: value for name, value in call.request.query.items() if name != "allowWatchBookmarks"}
        return await proceed(dataclasses.replace(call.request, query=query))

    net.on_watch(unmarked)
    async with running(informer.run):
        await asyncio.sleep(300)
        assert informer.last_error is None
    assert [round(call.time) for call in net.requested("watch")] == [0, 90, 180, 270]
    assert len(net.requested("list")) == 1


async def test_an_event_of_an_unknown_type_is_skipped_and_the_watch_goes_on(
    server: InMemoryAPI, net: Interceptor, informer: Informer[Gadget], logs: list[dict[str, Any]]
) -> None:
    async with running(informer.run):
        await informer.wait_synced()
        await settle()
        net.send_event("RENAMED", {"metadata": {"name": "a", "namespace": "lab"}})
        server.create(Gadget, "b", "lab")
        await settle()
        assert sizes(informer) == {"b": 0}
    assert [line["type"] for line in logs if "unknown type" in line["event"]] == ["RENAMED"]
    assert len(net.requested("watch")) == 1


async def test_a_burst_of_events_leaves_the_loop_its_turns(server: InMemoryAPI, informer: Informer[Gadget]) -> None:
    turns: list[int] = []

    async def look() -> None:
        while len(informer.store) < 1000:
            turns.append(len(informer.store))
            await asyncio.sleep(0)

    async with running(informer.run):
        await informer.wait_synced()
        await settle()
        for number in range(1000):
            server.create(Gadget, f"g{number}", "lab")
        await look()
    assert max(later - earlier for earlier, later in itertools.pairwise(turns)) <= 100


async def test_a_defect_in_the_client_is_logged_with_its_traceback_and_survived(
    net: Interceptor, informer: Informer[Gadget], logs: list[dict[str, Any]]
) -> None:
    net.fail("list", ZeroDivisionError("a defect"), times=1)
    async with running(informer.run):
        await informer.wait_synced()
    (line,) = [line for line in logs if line["event"] == "cannot follow the kind"]
    assert isinstance(line["exc_info"], ZeroDivisionError)


async def test_cancelling_closes_the_watch(net: Interceptor, informer: Informer[Gadget]) -> None:
    async with running(informer.run):
        await informer.wait_synced()
        await settle()
        assert len(net.open_watches()) == 1
    assert len(net.open_watches()) == 0


# Objects that cannot be decoded


async def test_an_object_that_cannot_be_decoded_is_skipped_counted_and_logged(
    server: InMemoryAPI, net: Interceptor, informer: Informer[Gadget], logs: list[dict[str, Any]]
) -> None:
    before = undecodable()
    server.create(Gadget, "a", "lab", spec={"size": "large"})
    server.create(Gadget, "b", "lab", spec=size_spec(1))
    async with running(informer.run):
        await informer.wait_synced()
        await settle()
        server.create(Gadget, "c", "lab", spec={"size": "huge"})
        server.create(Gadget, "d", "lab", spec=size_spec(2))
        await settle()
        assert sizes(informer) == {"b": 1, "d": 2}
    assert undecodable() == before + 2
    skipped = [line for line in logs if line["event"].startswith("skipped an object")]
    assert [(line["object"], "size" in line["error"]) for line in skipped] == [("lab/a", True), ("lab/c", True)]
    assert len(net.requested("watch")) == 1, "it does not end the watch"


async def test_the_last_copy_that_could_be_decoded_stays_until_the_object_is_mended(
    server: InMemoryAPI, informer: Informer[Gadget]
) -> None:
    recorder = Recorder()
    informer.add_handler(recorder)
    server.create(Gadget, "a", "lab", spec=size_spec(1))
    async with running(informer.run):
        await asyncio.sleep(5)
        server.update(Gadget, "a", "lab", spec={"size": "large"})
        await settle()
        assert sizes(informer) == {"a": 1}
        server.update(Gadget, "a", "lab", spec=size_spec(3))
        await settle()
        assert sizes(informer) == {"a": 3}
    assert recorder.calls == ["+a initial", "~a"]


async def test_the_last_copy_survives_a_list(server: InMemoryAPI, net: Interceptor, informer: Informer[Gadget]) -> None:
    recorder = Recorder()
    informer.add_handler(recorder)
    server.create(Gadget, "a", "lab", spec=size_spec(1))
    async with running(informer.run):
        await asyncio.sleep(5)
        server.update(Gadget, "a", "lab", spec={"size": "large"})
        send_failure(net, BROKEN)
        await asyncio.sleep(5)
        assert len(net.requested("list")) == 2
        assert sizes(informer) == {"a": 1}
    assert recorder.calls == ["+a initial", "=a"]


async def test_the_last_copy_does_not_survive_its_object_when_another_of_its_name_cannot_be_decoded(
    server: InMemoryAPI, net: Interceptor, informer: Informer[Gadget]
) -> None:
    recorder = Recorder()
    informer.add_handler(recorder)
    server.create(Gadget, "a", "lab", spec=size_spec(1))
    async with running(informer.run):
        await asyncio.sleep(5)
        net.break_watches()
        server.delete(Gadget, "a", "lab")
        server.create(Gadget, "a", "lab", spec={"size": "large"})
        server.compact()
        await asyncio.sleep(5)
        assert len(net.requested("list")) == 2
        assert sizes(informer) == {}
    assert recorder.calls == ["+a initial", "-a unknown"]


async def test_the_deletion_of_an_object_that_cannot_be_decoded_removes_the_last_copy(
    server: InMemoryAPI, informer: Informer[Gadget]
) -> None:
    recorder = Recorder()
    informer.add_handler(recorder)
    server.create(Gadget, "a", "lab", spec=size_spec(1))
    async with running(informer.run):
        await informer.wait_synced()
        await settle()
        server.update(Gadget, "a", "lab", spec={"size": "large"})
        server.delete(Gadget, "a", "lab")
        await settle()
        assert sizes(informer) == {}
    assert recorder.calls == ["+a initial", "-a unknown"]


async def test_objects_that_cannot_be_decoded_move_the_version_too(
    server: InMemoryAPI, net: Interceptor, informer: Informer[Gadget]
) -> None:
    async with running(informer.run):
        await asyncio.sleep(5)
        server.create(Gadget, "a", "lab", spec={"size": "large"})
        await settle()
        net.break_watches()
        await settle()
    assert queries(net, "watch")[1]["resourceVersion"] == str(server.revision)


async def test_an_object_without_a_name_is_none(net: Interceptor, informer: Informer[Gadget]) -> None:
    async with running(informer.run):
        await informer.wait_synced()
        await settle()
        net.send_event("ADDED", {"kind": "Table", "apiVersion": "meta.k8s.io/v1", "rows": []})
        await settle()
        assert len(informer.store) == 0
    assert len(net.requested("watch")) == 1


async def test_a_malformed_event_leads_to_a_list(
    server: InMemoryAPI, net: Interceptor, informer: Informer[Gadget]
) -> None:
    async with running(informer.run):
        await asyncio.sleep(5)
        net.send_bytes(b"<html>Bad Gateway</html>\n")
        await settle()
        assert cause(informer) is InvalidResponseError
        server.create(Gadget, "a", "lab")
        await asyncio.sleep(5)
        assert sizes(informer) == {"a": 0}
    assert len(net.requested("list")) == 2


async def test_an_event_that_is_cut_off_is_one_that_the_next_watch_brings(
    server: InMemoryAPI, net: Interceptor, informer: Informer[Gadget]
) -> None:
    cut = net.truncate("watch", 40)
    async with running(informer.run):
        await asyncio.sleep(5)
        cut.remove()
        server.create(Gadget, "a", "lab")
        await settle()
        assert informer.last_error is None
        assert sizes(informer) == {"a": 0}
    assert len(net.requested("list")) == 1
    assert len(net.requested("watch")) == 2


async def test_metadata_alone_is_asked_for_and_kept(server: InMemoryAPI, net: Interceptor, client: Client) -> None:
    server.create(Gadget, "a", "lab", labels={"app": "x"}, spec=size_spec(1))
    informer = Informer(client, metadata_of(Gadget))
    async with running(informer.run):
        await informer.wait_synced()
        await settle()
        server.create(Gadget, "b", "lab", labels={"app": "y"})
        await settle()
        assert {obj.metadata.name: obj.metadata.labels["app"] for obj in informer.store.list()} == {"a": "x", "b": "y"}
    assert all("as=PartialObjectMetadata" in call.request.accept for call in net.calls)
