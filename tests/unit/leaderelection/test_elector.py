"""One elector, or two, against Leases: who leads when, and what the Lease says about it. Virtual time."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from typing import Any

import pytest
from structlog.testing import capture_logs

from controller_runtime.api.coordination_v1 import Lease
from controller_runtime.client import LeadershipLostError, Operation
from controller_runtime.client.errors import error_from_response
from controller_runtime.leaderelection import LeaderElector
from controller_runtime.leaderelection.lease_lock import problem_of
from controller_runtime.metrics import REGISTRY
from tests.unit.leaderelection.lease_api import LEASE_NAME, LeaseApi
from tests.unit.leaderelection.replica import Replica

pytestmark = pytest.mark.looptime

Make = Callable[..., Replica]

LEASE_DURATION, RENEW_DEADLINE, RETRY_PERIOD = 15.0, 10.0, 2.0
LONGEST_RETRY = RETRY_PERIOD * 2.2
ROUND_TRIPS = 0.1  # what a handful of requests takes on a line that works


def now() -> float:
    return asyncio.get_running_loop().time()


def election_warnings(lines: list[Any]) -> list[Any]:
    return [line for line in lines if line["log_level"] == "warning" and not line["event"].startswith("cannot watch")]


def status() -> float | None:
    return REGISTRY.get_sample_value("leader_election_master_status", {"name": LEASE_NAME})


async def test_the_first_candidate_creates_the_lease_and_leads(api: LeaseApi, replica: Make) -> None:
    a = replica("a")
    a.start()
    await a.leads()
    spec = api.lease.spec
    assert (spec.holder_identity, spec.lease_duration_seconds, spec.lease_transitions) == ("a", 15, 0)
    assert spec.acquire_time == spec.renew_time
    assert len(spec.renew_time) == len("2026-01-02T03:04:05.678901Z")
    assert a.elector.is_leader
    assert a.elector.leader_identity == "a"


async def test_a_leader_renews_each_retry_period_with_a_single_request(api: LeaseApi, replica: Make) -> None:
    a = replica("a")
    a.start()
    await a.leads()
    first = api.lease.spec
    a.line.exchanges.clear()
    await asyncio.sleep(20.5)
    assert a.line.methods == ["PUT"] * 10
    assert [
        second.sent - first.sent for first, second in zip(a.line.exchanges, a.line.exchanges[1:], strict=False)
    ] == [pytest.approx(RETRY_PERIOD)] * 9
    assert api.lease.spec.renew_time > first.renew_time
    assert api.lease.spec.acquire_time == first.acquire_time
    assert api.lease.spec.lease_transitions == 0


async def test_a_valid_lease_is_respected(api: LeaseApi, replica: Make) -> None:
    a, b = replica("a"), replica("b")
    a.start()
    await a.leads()
    b.start()
    await asyncio.sleep(300)
    assert b.work.started == []
    assert not b.elector.is_leader
    assert b.elector.leader_identity == "a"
    assert set(b.line.methods) == {"GET"}
    gaps = [second.sent - first.sent for first, second in zip(b.line.exchanges, b.line.exchanges[1:], strict=False)]
    assert RETRY_PERIOD < min(gaps) < 2.3
    assert 4.1 < max(gaps) < LONGEST_RETRY + ROUND_TRIPS


async def test_the_lease_of_a_crashed_leader_is_taken_over_soon_after_it_has_expired(
    api: LeaseApi, replica: Make
) -> None:
    a, b = replica("a"), replica("b")
    a.start()
    await a.leads()
    b.start()
    await asyncio.sleep(30)
    a.crash()
    crashed = now()
    await b.leads()
    assert LEASE_DURATION - RETRY_PERIOD <= now() - crashed <= LEASE_DURATION + 2 * LONGEST_RETRY + ROUND_TRIPS
    assert api.lease.spec.lease_transitions == 1
    assert api.lease.spec.acquire_time == api.lease.spec.renew_time
    assert a.work.ended[0] < b.work.started[0]


async def test_a_leader_that_ends_releases_the_lease_for_the_next(api: LeaseApi, replica: Make) -> None:
    a, b = replica("a"), replica("b")
    a.start()
    await a.leads()
    b.start()
    await asyncio.sleep(30)
    await a.stop()
    released = api.lease.spec
    assert (released.holder_identity, released.lease_duration_seconds) == ("", 1)
    assert not a.elector.is_leader
    stopped = now()
    await b.leads()
    assert now() - stopped <= LONGEST_RETRY + ROUND_TRIPS
    assert api.lease.spec.lease_transitions == 1


async def test_without_release_the_next_waits_until_the_lease_has_expired(api: LeaseApi, replica: Make) -> None:
    a, b = replica("a", release_on_cancel=False), replica("b")
    a.start()
    await a.leads()
    b.start()
    await asyncio.sleep(30)
    await a.stop()
    assert api.holder == "a"
    stopped = now()
    await b.leads()
    assert now() - stopped >= LEASE_DURATION - RETRY_PERIOD


@pytest.mark.parametrize("renew_time", ["1999-01-01T00:00:00.000000Z", "2999-01-01T00:00:00.000000Z"])
async def test_expiry_is_judged_by_our_clock_and_not_by_the_times_in_the_lease(
    api: LeaseApi, replica: Make, renew_time: str
) -> None:
    api.edit(holderIdentity="other", leaseDurationSeconds=20, renewTime=renew_time, leaseTransitions=4)
    a = replica("a")
    a.start()
    await a.leads()
    assert 20 <= now() <= 20 + LONGEST_RETRY + ROUND_TRIPS
    assert api.lease.spec.lease_transitions == 5


async def test_any_change_of_the_record_extends_it(api: LeaseApi, replica: Make) -> None:
    api.edit(holderIdentity="other", leaseDurationSeconds=15)
    a = replica("a")
    a.start()
    for second in range(10):
        await asyncio.sleep(10)
        api.edit(renewTime=f"2026-01-01T00:00:{second:02}.000000Z")
    changed = now()
    await a.leads()
    assert now() - changed >= LEASE_DURATION


async def test_a_change_of_metadata_does_not_extend_it(api: LeaseApi, replica: Make) -> None:
    api.edit(holderIdentity="other", leaseDurationSeconds=15)
    a = replica("a")
    a.start()
    await asyncio.sleep(10)
    api.label("touched", "yes")
    await a.leads()
    assert now() <= LEASE_DURATION + LONGEST_RETRY + ROUND_TRIPS
    assert api.lease.metadata.labels == {"touched": "yes"}


async def test_an_empty_holder_means_that_the_lease_is_free(api: LeaseApi, replica: Make) -> None:
    api.edit(holderIdentity="", leaseDurationSeconds=3600)
    a = replica("a")
    a.start()
    await a.leads()
    assert now() < ROUND_TRIPS


async def test_a_lease_that_names_the_candidate_itself_is_its_own(api: LeaseApi, replica: Make) -> None:
    acquired = "2026-01-01T00:00:00.000000Z"
    api.edit(holderIdentity="a", leaseDurationSeconds=3600, acquireTime=acquired, leaseTransitions=4)
    a = replica("a")
    a.start()
    await a.leads()
    assert now() < ROUND_TRIPS
    assert (api.lease.spec.lease_transitions, api.lease.spec.acquire_time) == (4, acquired)


async def test_of_two_candidates_at_once_one_leads_and_nobody_complains(api: LeaseApi, replica: Make) -> None:
    a, b = replica("a"), replica("b")
    with capture_logs() as lines:
        a.start()
        b.start()
        await asyncio.sleep(60)
    assert len(a.work.started) + len(b.work.started) == 1
    assert [line for line in lines if line["log_level"] == "warning"] == []


async def test_the_fence_counts_from_the_sending_of_the_last_renewal(api: LeaseApi, replica: Make) -> None:
    a = replica("a")
    a.line.delay = lambda: 1.0
    a.start()
    await a.leads()
    assert [exchange.method for exchange in a.line.exchanges] == ["GET", "POST"]
    sent = a.line.exchanges[-1].sent
    assert a.elector.fence() == sent + RENEW_DEADLINE - now() == 8
    await asyncio.sleep(1)
    assert a.elector.fence() == 7


async def test_the_fence_refuses_whoever_does_not_lead(api: LeaseApi, replica: Make) -> None:
    a, b = replica("a"), replica("b")
    a.start()
    await a.leads()
    b.start()
    await asyncio.sleep(5)
    with pytest.raises(LeadershipLostError, match=r"b may not write.*lab/lock, last seen holder a"):
        b.elector.fence()


async def test_a_partitioned_leader_ends_its_work_at_the_deadline_and_competes_again(
    api: LeaseApi, replica: Make
) -> None:
    a = replica("a")
    a.start()
    await a.leads()
    await asyncio.sleep(20)
    renewed = a.line.exchanges[-1].sent
    a.line.cut = True
    await asyncio.sleep(RENEW_DEADLINE - 2.1)
    assert a.elector.is_leader
    await asyncio.sleep(30)
    assert a.work.cancelled == [pytest.approx(renewed + RENEW_DEADLINE)]
    assert a.work.ended == a.work.cancelled
    with pytest.raises(LeadershipLostError):
        a.elector.fence()
    a.line.cut = False
    await a.leads()
    assert len(a.work.started) == 2


@pytest.mark.parametrize("retry_period", [2.0, 3.0])
async def test_a_leader_that_is_refused_ends_its_work_at_the_deadline(
    api: LeaseApi, replica: Make, retry_period: float
) -> None:
    a = replica("a", retry_period=retry_period)
    a.start()
    await a.leads()
    claimed = a.line.exchanges[-1].sent
    a.line.refused = True
    await asyncio.sleep(20)
    assert a.work.cancelled == [pytest.approx(claimed + RENEW_DEADLINE, abs=0.002)]


async def test_no_request_outlasts_its_limit_or_the_deadline(api: LeaseApi, replica: Make) -> None:
    a = replica("a")
    a.start()
    await a.leads()
    await asyncio.sleep(5)
    renewed = a.line.exchanges[-1].sent
    a.line.exchanges.clear()
    a.line.cut = True
    await asyncio.sleep(RENEW_DEADLINE)
    ends = [exchange.ended for exchange in a.line.exchanges if exchange.sent < renewed + RENEW_DEADLINE]
    assert ends == [pytest.approx(renewed + 7), pytest.approx(renewed + RENEW_DEADLINE)]


async def test_renewals_without_an_answer_do_not_count(api: LeaseApi, replica: Make) -> None:
    a = replica("a")
    a.start()
    await a.leads()
    await asyncio.sleep(5)
    renewed = a.line.exchanges[-1].sent
    a.line.lose_answers = True
    await asyncio.sleep(20)
    assert a.work.cancelled == [pytest.approx(renewed + RENEW_DEADLINE)]
    assert api.writes[-1][0] > renewed


async def test_a_renewal_that_was_carried_out_unanswered_does_not_end_the_leadership(
    api: LeaseApi, replica: Make
) -> None:
    a = replica("a")
    a.start()
    await a.leads()
    a.line.lose_answers = True
    await asyncio.sleep(6.5)
    a.line.lose_answers = False
    await asyncio.sleep(60)
    assert a.work.cancelled == []
    assert a.elector.is_leader


async def test_an_edit_by_somebody_else_does_not_end_the_leadership(api: LeaseApi, replica: Make) -> None:
    a = replica("a")
    a.start()
    await a.leads()
    for number in range(20):
        await asyncio.sleep(1)
        api.label("number", str(number))
    await asyncio.sleep(5)
    assert a.work.cancelled == []
    assert api.lease.metadata.labels == {"number": "19"}


async def test_a_lease_that_names_somebody_else_ends_the_leadership_at_once(api: LeaseApi, replica: Make) -> None:
    a = replica("a")
    a.start()
    await a.leads()
    await asyncio.sleep(5)
    taken = now()
    api.edit(holderIdentity="thief")
    await asyncio.sleep(RETRY_PERIOD + ROUND_TRIPS)
    assert a.work.cancelled[0] - taken <= RETRY_PERIOD
    assert not a.elector.is_leader
    await a.leads()
    assert a.work.started[1] - taken >= LEASE_DURATION


async def test_a_deleted_lease_ends_the_leadership_and_is_created_anew(api: LeaseApi, replica: Make) -> None:
    a = replica("a")
    a.start()
    await a.leads()
    api.delete()
    await asyncio.sleep(2 * RETRY_PERIOD)
    assert len(a.work.cancelled) == 1
    assert len(a.work.started) == 2
    assert api.holder == "a"


async def test_a_clock_that_jumped_over_the_deadline_ends_the_leadership(api: LeaseApi, replica: Make) -> None:
    suspended = 0.0
    a = replica("a", clock=lambda: now() + suspended)
    a.start()
    await a.leads()
    await asyncio.sleep(5)
    suspended = 3600.0
    assert not a.elector.is_leader
    with pytest.raises(LeadershipLostError):
        a.elector.fence()
    woke = now()
    await asyncio.sleep(RETRY_PERIOD + ROUND_TRIPS)
    assert a.work.cancelled[0] - woke <= RETRY_PERIOD
    assert len(a.work.started) == 2


async def test_an_answer_that_comes_after_the_deadline_does_not_bring_the_term_back(
    api: LeaseApi, replica: Make
) -> None:
    suspended = 0.0
    a = replica("a", clock=lambda: now() + suspended)
    a.start()
    await a.leads()
    a.line.delay = lambda: 1.0
    await asyncio.sleep(RETRY_PERIOD + 1.5)
    suspended = RENEW_DEADLINE - 3  # past the deadline, but not past the one that the answer under way would give
    assert not a.elector.is_leader
    await asyncio.sleep(1)
    assert len(api.writes) == 2
    assert len(a.work.cancelled) == 1


async def test_a_claim_that_was_answered_too_late_starts_no_work(api: LeaseApi, replica: Make) -> None:
    suspended = 0.0
    a = replica("a", clock=lambda: now() + suspended)
    a.line.delay = lambda: 1.0
    a.start()
    await asyncio.sleep(3.5)
    suspended = RENEW_DEADLINE
    await asyncio.sleep(1)
    assert api.holder == "a"
    assert a.work.started == []
    await a.leads()
    assert a.elector.fence() > 7


async def test_a_claim_that_was_answered_late_is_renewed_at_once(api: LeaseApi, replica: Make) -> None:
    suspended = 0.0
    a = replica("a", clock=lambda: now() + suspended)
    a.line.delay = lambda: 1.0
    a.start()
    await asyncio.sleep(3.5)
    a.line.delay = lambda: 0.01
    suspended = RENEW_DEADLINE - 2.5
    await asyncio.sleep(1)
    assert a.work.cancelled == []
    assert a.elector.fence() > 9


async def test_clocks_that_show_different_times_and_run_unevenly_do_not_matter(api: LeaseApi, replica: Make) -> None:
    a = replica("a", clock=lambda: 1.2 * now() + 1e6)
    b = replica("b", clock=lambda: now() / 1.2 - 1e6)
    a.start()
    await a.leads()
    b.start()
    await asyncio.sleep(60)
    a.crash()
    await b.leads()
    assert a.work.ended[0] < b.work.started[0]


async def test_the_metric_says_who_leads(api: LeaseApi, replica: Make) -> None:
    a = replica("a")
    a.start()
    await asyncio.sleep(0)
    assert status() == 0
    await a.leads()
    assert status() == 1
    a.line.cut = True
    await asyncio.sleep(RENEW_DEADLINE)
    assert status() == 0
    a.line.cut = False
    await a.leads()
    assert status() == 1
    await a.stop()
    assert status() == 0


async def test_a_problem_that_lasts_is_told_once(api: LeaseApi, replica: Make) -> None:
    a = replica("a")
    a.line.failure, a.line.failing = (403, "Forbidden"), frozenset({"GET"})
    with capture_logs() as lines:
        a.start()
        await asyncio.sleep(60)
        a.line.failure = None
        await a.leads()
        a.line.cut = True
        await asyncio.sleep(60)
    warnings = election_warnings(lines)
    assert [line["event"].partition(":")[0] for line in warnings] == [
        "leader election",
        "leader election",
        "lost the leader lease",
    ]
    assert "leases.coordination.k8s.io" in warnings[0]["error"]
    assert warnings[1]["error"] == "no answer in time"


def test_a_missing_right_is_told_with_all_that_an_election_needs() -> None:
    text = 'leases is forbidden: User "x" cannot get resource "leases"'
    body = json.dumps({"kind": "Status", "code": 403, "reason": "Forbidden", "message": text}).encode()
    operation = Operation("get", Lease.resource, "lab", "lock")
    rule = '{apiGroups: ["coordination.k8s.io"], resources: ["leases"], verbs: [create, get, update, watch]}'
    assert problem_of(error_from_response(operation, 403, {}, body)).endswith(rule)


async def test_a_problem_that_comes_back_is_told_again(api: LeaseApi, replica: Make) -> None:
    a = replica("a")
    a.line.failing = frozenset({"GET"})
    with capture_logs() as lines:
        a.start()
        api.edit(holderIdentity="other", leaseDurationSeconds=3600)
        for failure in ((403, "Forbidden"), None, (403, "Forbidden"), None):
            a.line.failure = failure
            await asyncio.sleep(20)
    assert len(election_warnings(lines)) == 2


async def test_before_the_election_the_fence_refuses_and_nobody_is_known_to_lead(api: LeaseApi, replica: Make) -> None:
    a = replica("a")
    elector = LeaderElector(a.line.client, a.options)
    assert not elector.is_leader
    assert elector.leader_identity == ""
    with pytest.raises(LeadershipLostError, match="last seen holder nobody"):
        elector.fence()


@pytest.mark.parametrize("duration", [None, 1])
async def test_a_shorter_duration_written_by_hand_makes_no_second_leader(
    api: LeaseApi, replica: Make, duration: int | None
) -> None:
    a, b = replica("a"), replica("b")
    a.start()
    await a.leads()
    b.start()
    await asyncio.sleep(1)
    a.line.delay = lambda: 1.5  # a is slow to put its own duration back
    api.edit(leaseDurationSeconds=duration)
    for _ in range(100):
        await asyncio.sleep(0.1)
        assert not b.elector.is_leader


async def test_a_lease_deleted_by_hand_makes_no_second_leader(api: LeaseApi, replica: Make) -> None:
    a, b = replica("a"), replica("b")
    a.start()
    await a.leads()
    b.start()
    await asyncio.sleep(10)
    a.line.cut = True  # a cannot learn of it
    api.delete()
    while not b.elector.is_leader:
        await asyncio.sleep(0.1)
        assert not (a.elector.is_leader and b.elector.is_leader)
    assert now() < 10 + LEASE_DURATION + 2 * LONGEST_RETRY + 1


async def test_after_a_deletion_the_leader_is_the_first_to_come_back(api: LeaseApi, replica: Make) -> None:
    a, b = replica("a"), replica("b")
    a.start()
    await a.leads()
    b.start()
    await asyncio.sleep(10)
    api.delete()
    await asyncio.sleep(60)
    assert (len(a.work.started), len(b.work.started)) == (2, 0)
    await a.stop()
    stopped = now()
    await b.leads()
    assert now() - stopped <= LONGEST_RETRY + ROUND_TRIPS
