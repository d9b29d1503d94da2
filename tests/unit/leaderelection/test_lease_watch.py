"""A candidate's watch on the Lease: what it notices, and what it must never harm. Virtual time."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from typing import Any

import pytest
from structlog.testing import capture_logs

from controller_runtime.client import ApiRequest
from controller_runtime.leaderelection.lease_watch import SPREAD_SECONDS
from tests.unit.leaderelection.lease_api import LEASE_NAME, LeaseApi, Watch
from tests.unit.leaderelection.replica import Replica

pytestmark = pytest.mark.looptime

Make = Callable[..., Replica]

RARELY = {"lease_duration": 3600, "renew_deadline": 1800, "retry_period": 600}
"""Times with which polling alone notices nothing within a test."""
SOON = SPREAD_SECONDS + 0.1


def now() -> float:
    return asyncio.get_running_loop().time()


async def competing(api: LeaseApi, replica: Make, **options: Any) -> Replica:
    """A standby beside a leader of whom nothing more is heard."""
    api.edit(holderIdentity="other", leaseDurationSeconds=3600)
    b = replica("b", **options)
    b.start()
    await asyncio.sleep(5)
    return b


def watch_lines(lines: Any) -> list[Any]:
    return [line for line in lines if line["event"].startswith("cannot watch")]


async def test_whoever_gets_the_lease_at_once_does_not_watch(api: LeaseApi, replica: Make) -> None:
    a = replica("a")
    a.start()
    await a.leads()
    assert a.line.watches == []


async def test_a_release_is_answered_within_a_second(api: LeaseApi, replica: Make) -> None:
    b = await competing(api, replica, **RARELY)
    released = now()
    api.edit(holderIdentity="")
    await b.leads()
    assert now() - released <= SOON
    assert b.line.methods == ["GET", "GET", "PUT"]


async def test_candidates_do_not_answer_a_release_at_the_same_moment(api: LeaseApi, replica: Make) -> None:
    replicas = [await competing(api, replica, **RARELY)]
    for name in "cdefgh":
        replicas.append(replica(name, **RARELY))
        replicas[-1].start()
    await asyncio.sleep(5)
    api.edit(holderIdentity="")
    await asyncio.sleep(1)
    tries = sorted(one.line.exchanges[1].sent for one in replicas)
    assert len(set(tries)) == len(replicas)
    assert tries[-1] - tries[0] > SPREAD_SECONDS / 4
    assert sum(one.elector.is_leader for one in replicas) == 1


async def test_a_deletion_is_looked_into_at_once(api: LeaseApi, replica: Make) -> None:
    b = await competing(api, replica, **RARELY)
    api.delete()
    await asyncio.sleep(1)
    assert b.line.methods == ["GET", "GET"]
    assert not b.elector.is_leader


async def test_renewals_that_are_watched_keep_the_lease_from_expiring(api: LeaseApi, replica: Make) -> None:
    b = await competing(api, replica)
    b.line.failure, b.line.failing = (500, "InternalError"), frozenset({"GET"})
    for second in range(100):
        await asyncio.sleep(2)
        api.edit(renewTime=f"2026-01-01T00:00:{second % 60:02}.000000Z", leaseDurationSeconds=15)
    b.line.failure = None
    changed = now()
    await b.leads()
    assert 15 <= now() - changed <= 15 + 4.4 + 0.1


async def test_a_renewal_that_is_told_just_before_a_claim_prevents_it(api: LeaseApi, replica: Make) -> None:
    api.edit(holderIdentity="other", leaseDurationSeconds=15)
    b = replica("b")
    b.start()
    await asyncio.sleep(14.9)

    def renew_once(request: ApiRequest) -> None:
        if now() > 15.01:
            b.line.after = lambda request: None
            api.edit(renewTime="2026-01-01T00:00:00.000000Z")

    b.line.after = renew_once
    await asyncio.sleep(5)
    assert api.holder == "other"
    assert "PUT" not in b.line.methods


async def test_the_watch_ends_with_the_competition(api: LeaseApi, replica: Make) -> None:
    b = await competing(api, replica, **RARELY)
    assert len(api.watches) == 1
    api.edit(holderIdentity="")
    await b.leads()
    assert api.watches == []
    assert not [task for task in asyncio.all_tasks() if task.get_name() == "leader-lease-watch"]


@pytest.mark.parametrize("broken", [pytest.param(False, id="watching"), pytest.param(True, id="opening")])
async def test_the_watch_does_not_delay_the_end(api: LeaseApi, replica: Make, broken: bool) -> None:
    api.edit(holderIdentity="other", leaseDurationSeconds=3600)
    b = replica("b", **RARELY)
    b.start()
    await asyncio.sleep(0.025)
    b.line.cut = broken
    await asyncio.sleep(5)
    assert len(b.line.watches) == 1
    stopped = now()
    await b.stop()
    assert now() == stopped
    assert api.watches == []
    assert [exchange.ended for exchange in b.line.watches] == ([None] if broken else [stopped])


@pytest.mark.parametrize(
    "failure",
    [
        pytest.param((403, "Forbidden"), id="no right to watch"),
        pytest.param((405, "MethodNotAllowed"), id="not supported"),
        pytest.param((500, "InternalError"), id="error"),
    ],
)
async def test_a_refused_watch_is_told_once_and_tried_again_ever_more_rarely(
    api: LeaseApi, replica: Make, failure: tuple[int, str]
) -> None:
    with capture_logs() as lines:
        b = replica("b")
        b.line.failure, b.line.failing = failure, frozenset({"WATCH"})
        api.edit(holderIdentity="other", leaseDurationSeconds=3600)
        b.start()
        await asyncio.sleep(1000)
    assert [line["log_level"] for line in watch_lines(lines) if line["log_level"] != "debug"] == ["warning"]
    tries = [exchange.sent for exchange in b.line.watches]
    assert tries[1] - tries[0] < 2 * 2 * 2.2 + 0.1
    assert 8 <= len(tries) <= 22
    assert b.line.methods.count("GET") > 1000 / 4.5


async def test_a_watch_works_again_when_it_is_allowed_again(api: LeaseApi, replica: Make) -> None:
    api.edit(holderIdentity="other", leaseDurationSeconds=3600)
    b = replica("b")
    b.line.failure, b.line.failing = (403, "Forbidden"), frozenset({"WATCH"})
    b.start()
    await asyncio.sleep(600)
    b.line.failure = None
    await asyncio.sleep(133)
    assert len(api.watches) == 1


async def test_a_watch_that_the_server_ends_is_opened_again_at_once(api: LeaseApi, replica: Make) -> None:
    b = await competing(api, replica, **RARELY)
    api.watches[0].end()
    await asyncio.sleep(0.1)
    assert len(b.line.watches) == 2
    assert len(api.watches) == 1


async def test_watches_that_end_at_once_are_not_opened_in_a_tight_loop(api: LeaseApi, replica: Make) -> None:
    b = await competing(api, replica)
    for _ in range(600):
        await asyncio.sleep(0.1)
        for watch in api.watches:
            watch.end()
    assert 60 / 4.6 <= len(b.line.watches) <= 60 / 2 + 1


async def test_a_silent_watch_is_replaced(api: LeaseApi, replica: Make) -> None:
    b = await competing(api, replica)
    (silent,) = api.watches
    silent.silent = True
    await asyncio.sleep(3600 + 4.4 - 10)
    assert api.watches == [silent]
    api.edit(renewTime="2026-01-01T00:00:00.000000Z")
    await asyncio.sleep(20)
    assert len(api.watches) == 1
    assert api.watches != [silent]
    api.edit(holderIdentity="")
    await b.leads()


async def test_a_silent_watch_does_not_delay_a_take_over(api: LeaseApi, replica: Make) -> None:
    a, b = replica("a"), replica("b")
    a.start()
    await a.leads()
    b.start()
    await asyncio.sleep(30)
    (watch,) = api.watches
    watch.silent = True
    await asyncio.sleep(14)
    a.crash()
    crashed = now()
    await b.leads()
    assert now() - crashed <= 15 + 2 * 4.4 + 0.1


async def test_an_error_event_ends_the_watch_and_another_one_follows(api: LeaseApi, replica: Make) -> None:
    b = await competing(api, replica)
    status = {"kind": "Status", "code": 410, "reason": "Expired", "message": "too old"}
    with capture_logs() as lines:
        api.watches[0].tell(json.dumps({"type": "ERROR", "object": status}).encode() + b"\n")
        await asyncio.sleep(10)
    assert "too old" in watch_lines(lines)[0]["error"]
    assert len(b.line.watches) == 2


async def test_a_lease_that_does_not_fit_its_type_is_a_broken_watch_and_nothing_worse(
    api: LeaseApi, replica: Make
) -> None:
    b = await competing(api, replica)
    with capture_logs() as lines:
        api.watches[0].tell(b'{"type":"MODIFIED","object":{"metadata":{"name":7}}}\n')
        await asyncio.sleep(10)
    assert len(watch_lines(lines)) == 1
    assert len(b.line.watches) == 2


def event_of(api: LeaseApi, kind: str, **metadata: Any) -> bytes:
    assert api.document is not None
    document = {"metadata": {**api.document["metadata"], **metadata}, "spec": {"holderIdentity": ""}}
    return json.dumps({"type": kind, "object": document}).encode() + b"\n"


@pytest.mark.parametrize("kind", ["ADDED", "MODIFIED", "DELETED"])
@pytest.mark.parametrize(
    "metadata",
    [
        pytest.param({"name": "another"}, id="of another Lease"),
        pytest.param({"resourceVersion": "1"}, id="known"),
        pytest.param({"resourceVersion": "0"}, id="older than what is known"),
        pytest.param({"resourceVersion": "abc"}, id="of unknown age"),
    ],
)
async def test_events_that_are_no_news_change_nothing(
    api: LeaseApi, replica: Make, kind: str, metadata: dict[str, str]
) -> None:
    b = await competing(api, replica, **RARELY)
    assert api.document is not None
    assert (api.document["metadata"]["name"], api.version) == (LEASE_NAME, 1)
    api.watches[0].tell(event_of(api, kind, **metadata))
    await asyncio.sleep(1)
    assert b.line.methods == ["GET"]
    assert b.elector.leader_identity == "other"


async def test_a_release_that_a_watch_tells_late_does_not_hide_a_deletion(api: LeaseApi, replica: Make) -> None:
    b = await competing(api, replica)
    (watch,) = api.watches
    watch.silent = True  # the release, a new holder and the deletion are on their way
    late = event_of(api, "MODIFIED", resourceVersion="2")
    api.edit(holderIdentity="")
    api.edit(holderIdentity="third")
    api.delete()
    await asyncio.sleep(5)
    watch.silent = False
    watch.tell(late)
    deleted = now() - 5
    await b.leads()
    assert now() - deleted >= 15


async def test_what_nobody_foresaw_comes_out_of_run(
    api: LeaseApi, replica: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(watch: Watch, event: bytes) -> None:
        watch._chunks.put_nowait(7)  # type: ignore[arg-type]

    b = await competing(api, replica, **RARELY)
    assert b.task is not None
    monkeypatch.setattr(Watch, "tell", broken)
    api.label("touched", "yes")
    with pytest.raises(AttributeError):
        await b.task
    assert not b.elector.is_leader
