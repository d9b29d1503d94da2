"""What the election promises, under the faults of 2,000 seeds; and that breaking the code does not go unnoticed.

The laws are in `simulation.laws`; `make simulate-election` runs more seeds.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest

from controller_runtime.apimachinery import parse_time
from controller_runtime.client import ConflictError, NotFoundError
from controller_runtime.leaderelection import LeaderElector, elector, lease_watch
from controller_runtime.leaderelection.lease_lock import LeaseLock
from controller_runtime.leaderelection.lease_watch import LeaseWatch
from tests.unit.leaderelection.simulation import LawBrokenError, World, simulate
from tests.unit.leaderelection.simulation.link import Link
from tests.unit.leaderelection.simulation.process import Process
from tests.unit.leaderelection.simulation.process_loop import ProcessLoop

SEEDS = 2000
CHUNK = 100

Break = Callable[[pytest.MonkeyPatch], None]


@pytest.mark.parametrize("first", range(0, SEEDS, CHUNK))
def test_no_law_is_broken(first: int) -> None:
    for seed in range(first, first + CHUNK):
        simulate(seed)


def test_the_same_seed_gives_the_same_run() -> None:
    first, second, other = World(7), World(7), World(8)
    for world in (first, second, other):
        world.run()
    assert len(first.trace) > 100
    assert first.story() == second.story() != other.story()


async def _nothing(*_: object) -> None:
    """Takes the place of what is left out."""


def no_jitter(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(elector, "JITTER", 0.0)
    monkeypatch.setattr(lease_watch, "SPREAD_SECONDS", 0.0)


def wall_clock(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Process, "leader_clock", Process.wall_clock)


def clock_that_stops_in_suspend(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Process, "leader_clock", Process.loop_clock)


def no_fence_at_sending(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Link, "ask_fence", lambda link, request, limit: None)


def deadline_from_the_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    claim = LeaseLock.claim

    async def claim_and_look_at_the_clock(lock: LeaseLock, limit: float) -> float:
        await claim(lock, limit)
        return lock._clock()

    monkeypatch.setattr(LeaseLock, "claim", claim_and_look_at_the_clock)


def no_release(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(LeaderElector, "_release", _nothing)


def late_renewal_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    async def renew(elector: LeaderElector) -> bool:
        try:
            sent = await elector._lock.claim(elector._limit_while_leading())
        except (ConflictError, NotFoundError):
            await elector._lock.read(elector._limit_while_leading())
            if not elector._lock.is_mine:
                return False
            sent = await elector._lock.claim(elector._limit_while_leading())
        elector._deadline = sent + elector._options.renew_deadline
        return True

    monkeypatch.setattr(LeaderElector, "_renew", renew)


def trust_in_the_times_in_the_lease(monkeypatch: pytest.MonkeyPatch) -> None:
    def is_free(lock: LeaseLock) -> bool:
        loop = asyncio.get_running_loop()
        assert isinstance(loop, ProcessLoop)
        expires = parse_time(lock.lease.spec.renew_time).timestamp() + lock.duration if lock.holder else 0.0
        return lock.is_mine or loop.wall_clock() >= expires

    monkeypatch.setattr(LeaseLock, "is_free", property(is_free))


def takes_over_too_early(monkeypatch: pytest.MonkeyPatch) -> None:
    def is_free(lock: LeaseLock) -> bool:
        return lock.is_mine or not lock.holder or lock._clock() >= lock._changed_at + 6

    monkeypatch.setattr(LeaseLock, "is_free", property(is_free))


def no_watch(monkeypatch: pytest.MonkeyPatch) -> None:
    async def wait(watch: LeaseWatch, seconds: float) -> None:
        await asyncio.sleep(seconds)

    monkeypatch.setattr(LeaseWatch, "wait", wait)


def no_polls_beside_the_watch(monkeypatch: pytest.MonkeyPatch) -> None:
    wait = LeaseWatch.wait

    async def wait_until_it_expires(watch: LeaseWatch, seconds: float) -> None:
        await wait(watch, seconds if watch._lock.is_free else watch._lock.duration + seconds)

    monkeypatch.setattr(LeaseWatch, "wait", wait_until_it_expires)


def watch_is_left_behind(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(LeaseWatch, "__aexit__", _nothing)


@pytest.mark.parametrize(
    ("break_it", "law"),
    [
        pytest.param(no_jitter, "in lockstep", id="no jitter"),
        pytest.param(wall_clock, "has its fence up", id="wall clock"),
        pytest.param(clock_that_stops_in_suspend, "has its fence up", id="clock that stops in suspend"),
        pytest.param(no_fence_at_sending, "lets a leader's write leave", id="no fence at sending"),
        pytest.param(deadline_from_the_answer, "after its last renewal", id="deadline from the answer"),
        pytest.param(no_release, "the Lease still names it", id="no release"),
        pytest.param(late_renewal_counts, "again within one term", id="a late renewal counts"),
        pytest.param(trust_in_the_times_in_the_lease, "and so has", id="trust in the times in the Lease"),
        pytest.param(takes_over_too_early, "and so has", id="takes over too early"),
        pytest.param(no_watch, "s after a release", id="no watch"),
        pytest.param(no_polls_beside_the_watch, "nobody leads after", id="no polls beside the watch"),
        pytest.param(watch_is_left_behind, "left tasks", id="watch is left behind"),
    ],
)
def test_broken_code_breaks_a_law(monkeypatch: pytest.MonkeyPatch, break_it: Break, law: str) -> None:
    break_it(monkeypatch)
    with pytest.raises(LawBrokenError) as caught:
        run_all(SEEDS)
    assert law in str(caught.value).splitlines()[0]


def run_all(seeds: int) -> None:
    for seed in range(seeds):
        simulate(seed)
