"""Several replicas under random partitions, slow and lost answers, refusals, edits, restarts and suspends.

The law: work of two replicas never overlaps, and no two fences are up at the same time. When the faults are over, one
replica leads soon.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable

import pytest

from tests.unit.leaderelection.lease_api import LeaseApi
from tests.unit.leaderelection.replica import Replica

pytestmark = pytest.mark.looptime

FAULTY_SECONDS = 500.0
SOON = 15 + 2 * 4.4 + 1  # a lease duration, two tries and some requests


class Lab:
    """The replicas, their faults, and the watch over the law."""

    def __init__(self, api: LeaseApi, make: Callable[..., Replica], rng: random.Random) -> None:
        self.api = api
        self.rng = rng
        self.make = make
        self.suspended: dict[str, float] = {}
        self.working: list[str] = []
        self.terms = 0
        self.replicas = [self.start_replica(name) for name in ("a", "b", "c")]

    def start_replica(self, name: str) -> Replica:
        loop, rate = asyncio.get_running_loop(), self.rng.choice((1.0, 1.1, 0.95))
        self.suspended[name] = self.rng.uniform(-1e6, 1e6)
        replica = self.make(name, clock=lambda: loop.time() * rate + self.suspended[name])
        replica.line.delay = self.delay
        replica.start(self.work_of(replica))
        return replica

    def delay(self) -> float:
        return self.rng.choice((0.01, 0.01, 0.05, 0.3, 1.5, 4.0))

    def work_of(self, replica: Replica) -> Callable[[], Awaitable[None]]:
        name = replica.options.identity

        async def work() -> None:
            self.working.append(name)
            self.terms += 1
            try:
                assert self.working == [name], f"{self.working} work at the same time"
                assert replica.elector.is_leader
                await asyncio.sleep(self.rng.expovariate(1 / 100))
                if self.rng.random() < 0.5:
                    return  # the replica goes on leading without
                await asyncio.get_running_loop().create_future()
            finally:
                self.working.remove(name)

        return work

    def check(self) -> None:
        fences = [replica.options.identity for replica in self.replicas if replica.elector.is_leader]
        assert len(fences) <= 1, f"the fences of {fences} are up at the same time"
        for replica in self.replicas:
            assert replica.task is not None
            if replica.task.done():
                replica.task.result()

    async def inject_fault(self) -> None:
        index = self.rng.randrange(len(self.replicas))
        replica = self.replicas[index]
        line = replica.line
        match self.rng.choice(("cut", "refuse", "lose", "fail", "edit", "clear", "suspend", "stop", "crash")):
            case "cut":
                line.cut = not line.cut
            case "refuse":
                line.refused = not line.refused
            case "lose":
                line.lose_answers = not line.lose_answers
            case "fail":
                line.failure = None if line.failure else self.rng.choice(((500, "InternalError"), (403, "Forbidden")))
            case "edit":
                if self.api.document:
                    self.api.label("edited", str(self.rng.random()))
            case "clear":
                line.cut = line.refused = line.lose_answers = False
                line.failure = None
            case "suspend":
                # Only of a leader: the clock of a candidate that jumps ahead of everybody else's breaks the assumption
                # that clocks run at about the same speed.
                if replica.elector.is_leader:
                    self.suspended[replica.options.identity] += self.rng.uniform(0, 30)
            case "stop":
                await replica.stop()
                self.replicas[index] = self.start_replica(replica.options.identity)
            case _:
                await replica.kill()
                self.replicas[index] = self.start_replica(f"{replica.options.identity}'")

    async def run(self) -> None:
        loop = asyncio.get_running_loop()
        until = loop.time() + FAULTY_SECONDS
        next_fault = loop.time()
        while loop.time() < until:
            if loop.time() >= next_fault:
                await self.inject_fault()
                next_fault = loop.time() + self.rng.expovariate(1 / 8)
            self.check()
            await asyncio.sleep(0.25)


@pytest.mark.parametrize("seed", range(8))
async def test_at_most_one_replica_leads_whatever_happens(
    api: LeaseApi, replica: Callable[..., Replica], seed: int
) -> None:
    random.seed(seed)
    lab = Lab(api, replica, random.Random(seed))
    await lab.run()
    for one in lab.replicas:
        one.line.cut = one.line.refused = one.line.lose_answers = False
        one.line.failure, one.line.delay = None, lambda: 0.01
    await asyncio.sleep(SOON)
    lab.check()
    assert sum(one.elector.is_leader for one in lab.replicas) == 1
    assert lab.terms > 3
