"""Where each success and each failure leads a reflector, and when it asks again."""

from __future__ import annotations

import asyncio
import dataclasses
import itertools
import weakref
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
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
from controller_runtime.metrics import REGISTRY
from tests.unit.cache.kinds import Gadget, Planet
from tests.unit.cache.memory_api import Answer, MemoryApi, size_spec, status
from tests.unit.cache.observers import Recorder, running, settle

pytestmark = pytest.mark.looptime

BACK_OFF = 1.6
"""Longest first wait, in seconds."""

OVERLOADED = Answer(429, "TooManyRequests", "too many requests, please try again later")
BROKEN = Answer(500, "InternalError", "etcdserver: request timed out")
EXPIRED = Answer(410, "Expired", "too old resource version: 1 (2)")
LAGS_BEHIND = Answer(504, "Timeout", "Too large resource version: 300, current: 200", cause="ResourceVersionTooLarge")
LACKS_RIGHTS = Answer(403, "Forbidden", "gadgets is forbidden")


def loop_time() -> float:
    return asyncio.get_running_loop().time()


def queries(api: MemoryApi, verb: str) -> list[dict[str, str]]:
    return [dict(request.query) for _, request in api.requested(verb)]


def sizes(informer: Informer[Gadget]) -> dict[str, int]:
    return {obj.metadata.name: obj.spec.size for obj in informer.store.list()}


def cause(informer: Informer[Gadget]) -> type[Exception] | None:
    return type(informer.last_error.cause) if informer.last_error else None


def undecodable() -> float:
    return REGISTRY.get_sample_value("controller_runtime_undecodable_objects_total", {"kind": "Gadget"}) or 0


# Lists


async def test_a_list_is_a_consistent_read_in_pages_and_the_watch_starts_at_the_first_pages_version() -> None:
    class Busy(MemoryApi):
        """Changes with each page, so that pages and versions differ."""

        async def send(self, request: ApiRequest) -> ApiResponse:
            response = await super().send(request)
            self.create(Gadget, f"later-{self.revision}", "lab")
            return response

    api = Busy(Gadget)
    for number in range(1001):
        api.create(Gadget, f"g{number}", "lab")
    version = api.revision
    informer = Informer(Client(api), Gadget)
    async with running(informer.run):
        await informer.wait_synced()
        await settle()
    assert [query.pop("continue", None) is not None for query in queries(api, "list")] == [False, True, True]
    assert [{key: query[key] for key in query if key != "continue"} for query in queries(api, "list")] == [
        {"limit": "500"}
    ] * 3
    assert queries(api, "watch")[0]["resourceVersion"] == str(version)
    assert len(informer.store) == 1004, "1001 of the list, 3 of the watch"


async def test_an_expired_page_token_leads_to_one_list_of_everything() -> None:
    class Forgetful(MemoryApi):
        async def send(self, request: ApiRequest) -> ApiResponse:
            response = await super().send(request)
            if len(self.requested("list")) == 1:
                self.delete(Gadget, "g1", "lab")
                self.compact()
            return response

    api = Forgetful(Gadget)
    for number in range(700):
        api.create(Gadget, f"g{number}", "lab")
    informer = Informer(Client(api), Gadget)
    async with running(informer.run):
        await informer.wait_synced()
        await settle()
        assert loop_time() < 0.1, "there is nothing to wait for"
    assert ["limit" in query for query in queries(api, "list")] == [True, True, False]
    assert len(informer.store) == 699
    assert informer.last_error is None


async def test_a_server_that_pages_even_the_whole_list_is_read_to_the_end() -> None:
    class Forgetful(MemoryApi):
        async def send(self, request: ApiRequest) -> ApiResponse:
            if len(self.requested("list")) == 1:
                self.delete(Gadget, "g1", "lab")
                self.compact()
            limited = {"limit": "400"} | dict(request.query)
            return await super().send(dataclasses.replace(request, query=limited))

    api = Forgetful(Gadget)
    for number in range(900):
        api.create(Gadget, f"g{number}", "lab")
    informer = Informer(Client(api), Gadget)
    async with running(informer.run):
        await informer.wait_synced()
        assert len(informer.store) == 899
    assert [query["limit"] for query in queries(api, "list")] == ["500", "500", "400", "400", "400"]


@pytest.mark.parametrize(
    "answer",
    [
        pytest.param(OVERLOADED, id="429"),
        pytest.param(BROKEN, id="500"),
        pytest.param(EXPIRED, id="410 without a token"),
        pytest.param(LACKS_RIGHTS, id="403"),
        pytest.param(Answer(404, "NotFound", "the server could not find the requested resource"), id="404"),
        pytest.param(Answer(401, "Unauthorized", "Unauthorized"), id="401"),
    ],
)
async def test_a_list_that_fails_is_tried_again_after_the_back_off(
    api: MemoryApi, informer: Informer[Gadget], answer: Answer
) -> None:
    api.create(Gadget, "a", "lab")
    api.answer_next("list", answer)
    async with running(informer.run):
        await settle()
        assert not informer.has_synced
        assert cause(informer) is not None
        await informer.wait_synced()
        assert 0.8 <= loop_time() < BACK_OFF
        assert informer.last_error is None


async def test_a_page_that_fails_in_the_middle_leaves_nothing_of_its_list() -> None:
    class FailsOnce(MemoryApi):
        async def send(self, request: ApiRequest) -> ApiResponse:
            if "continue" in request.query and len(self.requested("list")) == 1:
                self.answer_next("list", BROKEN)
                self.delete(Gadget, "g0", "lab")
            return await super().send(request)

    api = FailsOnce(Gadget)
    for number in range(600):
        api.create(Gadget, f"g{number}", "lab")
    informer = Informer(Client(api), Gadget)
    async with running(informer.run):
        await settle()
        assert len(informer.store) == 0
        await informer.wait_synced()
    assert len(informer.store) == 599
    assert informer.store.get(NamespacedName("lab", "g0")) is None


async def test_a_failure_that_is_remembered_keeps_no_half_of_a_list_in_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    class Failing(MemoryApi):
        async def send(self, request: ApiRequest) -> ApiResponse:
            if "continue" in request.query:
                self.answer_next("list", BROKEN)
            return await super().send(request)

    api = Failing(Gadget)
    for number in range(700):
        api.create(Gadget, f"g{number}", "lab")
    informer = Informer(Client(api), Gadget)
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


async def test_the_servers_retry_after_is_respected_up_to_a_minute(api: MemoryApi, informer: Informer[Gadget]) -> None:
    api.answer_next("list", OVERLOADED._replace(retry_after=17), OVERLOADED._replace(retry_after=86400))
    async with running(informer.run):
        await informer.wait_synced()
    times = [time for time, _ in api.requested("list")]
    assert [round(later - earlier) for earlier, later in itertools.pairwise(times)] == [17, 60]


async def test_waits_grow_while_the_server_is_away_and_the_informer_syncs_once_it_is_back(
    api: MemoryApi, informer: Informer[Gadget]
) -> None:
    api.create(Gadget, "a", "lab")
    api.down = True
    async with running(informer.run):
        await asyncio.sleep(3600)
        times = [time for time, _ in api.requested("list")]
        waits = [later - earlier for earlier, later in itertools.pairwise(times)]
        assert all(base <= wait < 2 * base for base, wait in zip([0.8, 1.6, 3.2, 6.4, 12.8, 25.6], waits, strict=False))
        assert all(30 <= wait < 60 for wait in waits[6:])
        api.down = False
        await asyncio.sleep(60)
        assert sizes(informer) == {"a": 0}


async def test_an_answer_that_is_no_list_empties_no_store() -> None:
    class Confused(MemoryApi):
        confused = False

        async def send(self, request: ApiRequest) -> ApiResponse:
            response = await super().send(request)
            return ApiResponse(status=200, headers={}, body=b"{}") if self.confused else response

    api = Confused(Gadget)
    api.create(Gadget, "a", "lab")
    informer = Informer(Client(api), Gadget)
    async with running(informer.run):
        await asyncio.sleep(5)
        api.confused = True
        api.send_all("ERROR", status(EXPIRED))
        await asyncio.sleep(10)
        assert sizes(informer) == {"a": 0}
        assert cause(informer) is InvalidResponseError


# Watches


async def test_a_watch_asks_for_bookmarks_a_random_length_and_a_limit_on_silence(
    api: MemoryApi, informer: Informer[Gadget]
) -> None:
    async with running(informer.run):
        await asyncio.sleep(6000)
    lengths = [int(query["timeoutSeconds"]) for query in queries(api, "watch")]
    assert all(300 <= length < 600 for length in lengths)
    assert len(set(lengths)) > 1
    assert all(query["allowWatchBookmarks"] == "true" for query in queries(api, "watch"))
    assert {request.read_timeout for _, request in api.requested("watch")} == {90}


@pytest.mark.parametrize(
    "end", [pytest.param("end_watches", id="ended in order"), pytest.param("break_watches", id="broken off")]
)
async def test_a_watch_that_worked_is_followed_by_the_next_at_once_from_where_it_was(
    api: MemoryApi, informer: Informer[Gadget], end: str
) -> None:
    recorder = Recorder()
    informer.add_handler(recorder)
    async with running(informer.run):
        await asyncio.sleep(5)
        api.create(Gadget, "a", "lab")
        seen = api.revision
        await settle()
        ended = loop_time()
        getattr(api, end)()
        api.create(Gadget, "b", "lab")
        await settle()
        assert recorder.calls == ["+a", "+b"]
        assert len(api.requested("list")) == 1
        assert informer.last_error is None
    time, request = api.requested("watch")[1]
    assert time - ended < 0.01
    assert request.query["resourceVersion"] == str(seen)


@pytest.mark.parametrize(
    "end", [pytest.param("end_watches", id="ended in order"), pytest.param("break_watches", id="broken off")]
)
async def test_a_short_watch_that_brought_an_event_has_worked(
    api: MemoryApi, informer: Informer[Gadget], end: str
) -> None:
    async with running(informer.run):
        await settle()
        api.create(Gadget, "a", "lab")
        getattr(api, end)()
        await settle()
        assert informer.last_error is None
    assert len(api.requested("watch")) == 2
    assert len(api.requested("list")) == 1


@pytest.mark.parametrize(
    ("type_", "document"),
    [
        pytest.param("BOOKMARK", {"metadata": {"resourceVersion": "100"}}, id="a bookmark of the version it began at"),
        pytest.param("RENAMED", {"metadata": {"resourceVersion": "101"}}, id="an event of an unknown type"),
        pytest.param("ADDED", {"metadata": {"name": "a", "namespace": "lab"}}, id="an object without a version"),
        pytest.param("MODIFIED", {"metadata": 5}, id="an object that cannot be decoded"),
    ],
)
async def test_a_watch_that_always_ends_where_it_began_backs_off_whatever_it_brings(
    type_: str, document: dict[str, Any]
) -> None:
    class Repeating(MemoryApi):
        @asynccontextmanager
        async def stream(self, request: ApiRequest) -> AsyncIterator[ApiStream]:
            async with super().stream(request) as stream:
                self.send_all(type_, document)
                if len(self.requested("watch")) < 100:
                    self.end_watches()
                yield stream

    api = Repeating(Gadget)
    informer = Informer(Client(api), Gadget)
    async with running(informer.run):
        await asyncio.sleep(60)
        assert cause(informer) is VeryShortWatchError
    assert len(api.requested("watch")) < 10


async def test_an_event_ends_a_failure_at_once(api: MemoryApi, informer: Informer[Gadget]) -> None:
    async with running(informer.run):
        await asyncio.sleep(5)
        api.answer_next("watch", OVERLOADED)
        api.break_watches()
        await settle()
        assert informer.last_error is not None
        api.create(Gadget, "a", "lab")
        while not len(informer.store):
            await settle()
        assert informer.last_error is None


async def test_a_watch_that_did_not_hold_is_no_recovery(
    api: MemoryApi, informer: Informer[Gadget], logs: list[dict[str, Any]]
) -> None:
    async with running(informer.run):
        await settle()
        api.go_down()
        await asyncio.sleep(60)
        assert informer.last_error is not None
    assert "following the kind again" not in [line["event"] for line in logs]


async def test_a_bookmark_moves_the_version_so_that_compaction_does_not_force_a_list(
    api: MemoryApi, informer: Informer[Gadget]
) -> None:
    async with running(informer.run):
        await informer.wait_synced()
        for number in range(10):
            api.create(Planet, f"p{number}")
        await asyncio.sleep(61)
        api.compact()
        api.break_watches()
        api.create(Gadget, "a", "lab")
        await asyncio.sleep(5)
        assert sizes(informer) == {"a": 0}
    assert len(api.requested("list")) == 1


@pytest.mark.parametrize("in_stream", [pytest.param(True, id="ERROR event"), pytest.param(False, id="HTTP 410")])
async def test_a_watch_from_a_forgotten_version_leads_to_a_list_and_is_no_failure(
    api: MemoryApi, informer: Informer[Gadget], logs: list[dict[str, Any]], in_stream: bool
) -> None:
    api.gone_in_stream = in_stream
    async with running(informer.run):
        await asyncio.sleep(5)
        api.break_watches()
        api.create(Gadget, "a", "lab")
        api.create(Gadget, "b", "lab")
        api.delete(Gadget, "b", "lab")
        api.compact()
        broken = loop_time()
        await asyncio.sleep(5)
        assert sizes(informer) == {"a": 0}
        assert informer.last_error is None
    assert not any(line["log_level"] == "warning" for line in logs)
    assert 0.8 <= api.requested("list")[1][0] - broken < BACK_OFF + 0.01


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
    api: MemoryApi, informer: Informer[Gadget], answer: Answer, lists: int, in_stream: bool
) -> None:
    async with running(informer.run):
        await asyncio.sleep(5)
        failed = loop_time()
        if in_stream:
            api.send_all("ERROR", status(answer))
        else:
            api.answer_next("watch", answer)
            api.end_watches()
        await settle()
        api.create(Gadget, "a", "lab")
        await asyncio.sleep(5)
        assert sizes(informer) == {"a": 0}
        assert informer.last_error is None
    assert len(api.requested("list")) == lists
    assert 0.8 <= api.requests[-2 if lists == 2 else -1][0] - failed < BACK_OFF + 0.01
    assert all("resourceVersion" not in query for query in queries(api, "list")), "no list asks for a version"


async def test_while_the_server_is_away_the_watch_is_tried_again_without_a_list_and_reads_go_on(
    api: MemoryApi, informer: Informer[Gadget]
) -> None:
    api.create(Gadget, "a", "lab")
    async with running(informer.run):
        await asyncio.sleep(5)
        api.go_down()
        await asyncio.sleep(600)
        assert sizes(informer) == {"a": 0}
        assert informer.has_synced
        assert "connection refused" in str(informer.last_error)
        api.down = False
        api.create(Gadget, "b", "lab")
        await asyncio.sleep(62)
        assert sizes(informer) == {"a": 0, "b": 0}
        assert informer.last_error is None
    assert len(api.requested("list")) == 1


@pytest.mark.parametrize(
    ("end", "failure", "lists"),
    [
        pytest.param("end_watches", VeryShortWatchError, 2, id="ended in order: list"),
        pytest.param("break_watches", ConnectionLostError, 1, id="broken off: watch again"),
    ],
)
async def test_a_very_short_watch_is_a_failure_and_backs_off(
    api: MemoryApi, informer: Informer[Gadget], end: str, failure: type[Exception], lists: int
) -> None:
    async with running(informer.run):
        await settle()
        getattr(api, end)()
        await settle()
        assert cause(informer) is failure
        api.create(Gadget, "a", "lab")
        await asyncio.sleep(5)
        assert informer.last_error is None
        assert sizes(informer) == {"a": 0}
    assert 0.8 <= api.requested("watch")[1][0] < BACK_OFF + 0.01
    assert len(api.requested("list")) == lists


async def test_a_silent_watch_is_given_up_after_90_seconds_and_nothing_is_missed(
    api: MemoryApi, informer: Informer[Gadget]
) -> None:
    async with running(informer.run):
        await asyncio.sleep(70)  # a bookmark came after 60 s
        api.mute_watches()
        api.create(Gadget, "a", "lab")
        await asyncio.sleep(79)
        assert sizes(informer) == {}
        await asyncio.sleep(2)
        assert sizes(informer) == {"a": 0}
        assert informer.last_error is None
    assert [round(time) for time, _ in api.requested("watch")] == [0, 150]
    assert len(api.requested("list")) == 1


async def test_a_server_without_bookmarks_costs_a_new_watch_each_90_seconds_and_no_list(
    api: MemoryApi, informer: Informer[Gadget]
) -> None:
    api.bookmarks = False
    async with running(informer.run):
        await asyncio.sleep(300)
        assert informer.last_error is None
    assert [round(time) for time, _ in api.requested("watch")] == [0, 90, 180, 270]
    assert len(api.requested("list")) == 1


async def test_an_event_of_an_unknown_type_is_skipped_and_the_watch_goes_on(
    api: MemoryApi, informer: Informer[Gadget], logs: list[dict[str, Any]]
) -> None:
    async with running(informer.run):
        await informer.wait_synced()
        await settle()
        api.send_all("RENAMED", {"metadata": {"name": "a", "namespace": "lab"}})
        api.create(Gadget, "b", "lab")
        await settle()
        assert sizes(informer) == {"b": 0}
    assert [line["type"] for line in logs if "unknown type" in line["event"]] == ["RENAMED"]
    assert len(api.requested("watch")) == 1


async def test_a_burst_of_events_leaves_the_loop_its_turns(api: MemoryApi, informer: Informer[Gadget]) -> None:
    turns: list[int] = []

    async def look() -> None:
        while len(informer.store) < 1000:
            turns.append(len(informer.store))
            await asyncio.sleep(0)

    async with running(informer.run):
        await informer.wait_synced()
        await settle()
        for number in range(1000):
            api.create(Gadget, f"g{number}", "lab")
        await look()
    assert max(later - earlier for earlier, later in itertools.pairwise(turns)) <= 100


async def test_a_defect_in_the_client_is_logged_with_its_traceback_and_survived(logs: list[dict[str, Any]]) -> None:
    class Defective(MemoryApi):
        async def send(self, request: ApiRequest) -> ApiResponse:
            if not self.requested("list"):
                self.answer_next("list", BROKEN)
                await super().send(request)
                raise ZeroDivisionError("a defect")
            return await super().send(request)

    api = Defective(Gadget)
    informer = Informer(Client(api), Gadget)
    async with running(informer.run):
        await informer.wait_synced()
    (line,) = [line for line in logs if line["event"] == "cannot follow the kind"]
    assert isinstance(line["exc_info"], ZeroDivisionError)


async def test_cancelling_closes_the_watch(api: MemoryApi, informer: Informer[Gadget]) -> None:
    async with running(informer.run):
        await informer.wait_synced()
        await settle()
        assert api.watches == 1
    assert api.watches == 0


# Objects that cannot be decoded


async def test_an_object_that_cannot_be_decoded_is_skipped_counted_and_logged(
    api: MemoryApi, informer: Informer[Gadget], logs: list[dict[str, Any]]
) -> None:
    before = undecodable()
    api.create(Gadget, "a", "lab", spec={"size": "large"})
    api.create(Gadget, "b", "lab", spec=size_spec(1))
    async with running(informer.run):
        await informer.wait_synced()
        await settle()
        api.create(Gadget, "c", "lab", spec={"size": "huge"})
        api.create(Gadget, "d", "lab", spec=size_spec(2))
        await settle()
        assert sizes(informer) == {"b": 1, "d": 2}
    assert undecodable() == before + 2
    skipped = [line for line in logs if line["event"].startswith("skipped an object")]
    assert [(line["object"], "size" in line["error"]) for line in skipped] == [("lab/a", True), ("lab/c", True)]
    assert len(api.requested("watch")) == 1, "it does not end the watch"


async def test_the_last_copy_that_could_be_decoded_stays_until_the_object_is_mended(
    api: MemoryApi, informer: Informer[Gadget]
) -> None:
    recorder = Recorder()
    informer.add_handler(recorder)
    api.create(Gadget, "a", "lab", spec=size_spec(1))
    async with running(informer.run):
        await asyncio.sleep(5)
        api.update(Gadget, "a", "lab", spec={"size": "large"})
        await settle()
        assert sizes(informer) == {"a": 1}
        api.update(Gadget, "a", "lab", spec=size_spec(3))
        await settle()
        assert sizes(informer) == {"a": 3}
    assert recorder.calls == ["+a initial", "~a"]


async def test_the_last_copy_survives_a_list(api: MemoryApi, informer: Informer[Gadget]) -> None:
    recorder = Recorder()
    informer.add_handler(recorder)
    api.create(Gadget, "a", "lab", spec=size_spec(1))
    async with running(informer.run):
        await asyncio.sleep(5)
        api.update(Gadget, "a", "lab", spec={"size": "large"})
        api.send_all("ERROR", status(BROKEN))
        await asyncio.sleep(5)
        assert len(api.requested("list")) == 2
        assert sizes(informer) == {"a": 1}
    assert recorder.calls == ["+a initial", "=a"]


async def test_the_last_copy_does_not_survive_its_object_when_another_of_its_name_cannot_be_decoded(
    api: MemoryApi, informer: Informer[Gadget]
) -> None:
    recorder = Recorder()
    informer.add_handler(recorder)
    api.create(Gadget, "a", "lab", spec=size_spec(1))
    async with running(informer.run):
        await asyncio.sleep(5)
        api.break_watches()
        api.delete(Gadget, "a", "lab")
        api.create(Gadget, "a", "lab", spec={"size": "large"})
        api.compact()
        await asyncio.sleep(5)
        assert len(api.requested("list")) == 2
        assert sizes(informer) == {}
    assert recorder.calls == ["+a initial", "-a unknown"]


async def test_the_deletion_of_an_object_that_cannot_be_decoded_removes_the_last_copy(
    api: MemoryApi, informer: Informer[Gadget]
) -> None:
    recorder = Recorder()
    informer.add_handler(recorder)
    api.create(Gadget, "a", "lab", spec=size_spec(1))
    async with running(informer.run):
        await informer.wait_synced()
        await settle()
        api.update(Gadget, "a", "lab", spec={"size": "large"})
        api.delete(Gadget, "a", "lab")
        await settle()
        assert sizes(informer) == {}
    assert recorder.calls == ["+a initial", "-a unknown"]


async def test_objects_that_cannot_be_decoded_move_the_version_too(api: MemoryApi, informer: Informer[Gadget]) -> None:
    async with running(informer.run):
        await asyncio.sleep(5)
        api.create(Gadget, "a", "lab", spec={"size": "large"})
        await settle()
        api.break_watches()
        await settle()
    assert queries(api, "watch")[1]["resourceVersion"] == str(api.revision)


async def test_an_object_without_a_name_is_none(api: MemoryApi, informer: Informer[Gadget]) -> None:
    async with running(informer.run):
        await informer.wait_synced()
        await settle()
        api.send_all("ADDED", {"kind": "Table", "apiVersion": "meta.k8s.io/v1", "rows": []})
        await settle()
        assert len(informer.store) == 0
    assert len(api.requested("watch")) == 1


async def test_a_malformed_event_leads_to_a_list(api: MemoryApi, informer: Informer[Gadget]) -> None:
    async with running(informer.run):
        await asyncio.sleep(5)
        api.write_all(b"<html>Bad Gateway</html>\n")
        await settle()
        assert cause(informer) is InvalidResponseError
        api.create(Gadget, "a", "lab")
        await asyncio.sleep(5)
        assert sizes(informer) == {"a": 0}
    assert len(api.requested("list")) == 2


async def test_metadata_alone_is_asked_for_and_kept(api: MemoryApi, client: Client) -> None:
    api.create(Gadget, "a", "lab", labels={"app": "x"}, spec=size_spec(1))
    informer = Informer(client, metadata_of(Gadget))
    async with running(informer.run):
        await informer.wait_synced()
        await settle()
        api.create(Gadget, "b", "lab", labels={"app": "y"})
        await settle()
        assert {obj.metadata.name: obj.metadata.labels["app"] for obj in informer.store.list()} == {"a": "x", "b": "y"}
    assert all("as=PartialObjectMetadata" in request.accept for _, _, request in api.requests)
