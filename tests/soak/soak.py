"""One soak from its beginning to its verdict."""

from __future__ import annotations

import asyncio
import functools
import random
import weakref
from collections import Counter
from collections.abc import Awaitable, Mapping
from dataclasses import dataclass
from typing import Any

from controller_runtime import metrics
from controller_runtime.apimachinery import Object, ObjectMeta, Resource
from controller_runtime.client import AiohttpTransport, Client, RestConfig, load_config
from controller_runtime.envtest import ControlPlane
from controller_runtime.envtest.fault_proxy import FaultProxy
from tests.soak.figures import Holdings, Memory, table
from tests.soak.kinds import ALL_NAMESPACES
from tests.soak.operator import Replica, Watchman
from tests.soak.shadow import Problems
from tests.soak.verdict import Verdict
from tests.soak.weather import Weather
from tests.soak.workload import Plan, Workload

SECONDS = 600.0
OBJECTS = 10_000
OPERATIONS = 100_000
_PATIENCE = 1.5
"""The workload may take that many times as long as planned."""
_ALL_OF_THEM = SECONDS
"""From that many seconds on every operation has to be done."""
_GROWTH = 50.0
"""Megabytes by which the process may grow in the last half. Half of that comes from lists that happen to overlap; 100
bytes for each event of a full run would be more."""
_RESET_WHILE_WRITING = "Fatal error on SSL protocol"
"""What uvloop reports, with a RuntimeError, where a connection is reset while its TLS still writes to it
(MagicStack/uvloop#506, #685); asyncio's own loop says nothing then."""
_BLOCKS = 50_000
"""Blocks of Python's memory that may be left when all replicas have ended; one for each operation would be more."""


class Namespace(Object, frozen=True, kw_only=True, gc=False):
    """A namespace."""

    resource = Resource("", "v1", "Namespace", "namespaces", namespaced=False)


@dataclass(frozen=True)
class Outcome:
    """What came of a soak."""

    tables: str
    problems: Problems


def plan_for(seconds: float) -> Plan:
    """The whole of it, scaled by the time there is."""
    part = seconds / SECONDS
    return Plan(objects=round(OBJECTS * part), operations=round(OPERATIONS * part), seconds=seconds)


async def soak(plane: ControlPlane, plan: Plan, seed: int) -> Outcome:
    """Runs it.

    Args:
        plane: an API server that knows Widgets, and nothing else yet.
        plan: how much.
        seed: of writes and faults.
    """
    problems = Problems()
    asyncio.get_running_loop().set_exception_handler(functools.partial(_note_exception, problems))
    config = await load_config(str(plane.kubeconfig))
    await _create_namespaces(config)
    with FaultProxy(plane.kubeconfig, chance=random.Random(seed), history=1000) as proxy:
        transport = AiohttpTransport(config)
        run = _Run(Client(transport, field_owner="workload"), proxy, plan, seed, problems)
        before = Holdings.now()
        try:
            await run.whole()
        finally:
            await transport.close()
        await run.check_left_over(before)
        return Outcome(run.tables(), problems)


async def _create_namespaces(config: RestConfig) -> None:
    """Before anything is measured: the loop's first connection leaves descriptors behind that it keeps."""
    transport = AiohttpTransport(config)
    try:
        for name in ALL_NAMESPACES:
            await Client(transport).create(Namespace(metadata=ObjectMeta(name=name)))
    finally:
        await transport.close()


def _note_exception(problems: Problems, loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
    message, error = context.get("message"), context.get("exception")
    if message != _RESET_WHILE_WRITING or not isinstance(error, RuntimeError):
        problems.add(f"the event loop reports: {message}: {error!r}")


class _Run:
    def __init__(self, client: Client, proxy: FaultProxy, plan: Plan, seed: int, problems: Problems) -> None:
        self._proxy = proxy
        self._plan = plan
        self._problems = problems
        self._config: RestConfig = proxy.config
        self._watchman = Watchman(problems)
        self._counts: Counter[str] = Counter()
        self._replicas: list[Replica] = []
        self._gone: list[weakref.ref[Any]] = []
        self._started = 0
        self._client = client
        self._workload = Workload(client, plan, random.Random(seed + 1))
        self._weather = Weather(
            proxy,
            random.Random(seed + 2),
            self._restart_leader,
            pause=max(3.0, plan.seconds / 60),
            of_watches=min(0.03, 6 / plan.seconds),
        )
        self._memory = Memory()
        self._blocks = 0
        self._durations: dict[str, float] = {}

    async def whole(self) -> None:
        """From an empty server to the verdict, and to the end of everything."""
        for number in range(2):
            await self._start_replica(warm=bool(number)).wait_synced()
        async with asyncio.TaskGroup() as tasks:
            measuring = tasks.create_task(self._memory.follow(), name="memory")
            await self._timed("writes", self._storm())
            measuring.cancel()  # the verdict's own lists are no memory of the operator's
        verdict = Verdict(self._client, self._proxy, self._replicas, self._problems)
        await self._timed("rest and verdict", verdict.reach())
        self._check_weather()
        while self._replicas:
            await self._stop(self._replicas.pop())

    async def _timed(self, what: str, work: Awaitable[None]) -> None:
        loop = asyncio.get_running_loop()
        began = loop.time()
        await work
        self._durations[what] = loop.time() - began

    async def _storm(self) -> None:
        self._weather.begin()
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._weather.run(), name="weather")
            await self._workload.run(self._plan.seconds * _PATIENCE)
            self._weather.end()
        await asyncio.to_thread(self._weather.heal)
        done = self._workload.done.total()
        if done < self._plan.operations and self._plan.seconds >= _ALL_OF_THEM:
            self._problems.add(f"only {done} operations of {self._plan.operations} were done in time")

    # Replicas

    def _start_replica(self, *, warm: bool) -> Replica:
        self._started += 1
        name = f"replica-{'ab'[warm]}"
        replica = Replica(name, self._config, self._counts, self._watchman, self._problems, warm=warm)
        self._replicas.append(replica)
        replica.start()
        return replica

    async def _restart_leader(self) -> bool:
        """Ends the leader in good order, and starts another one in its place."""
        for number, replica in enumerate(self._replicas):
            if replica.leads:
                await self._stop(self._replicas.pop(number))
                self._start_replica(warm=replica.warm)
                return True
        return False

    async def _stop(self, replica: Replica) -> None:
        await replica.stop()
        self._gone += map(weakref.ref, (replica.manager, replica.manager.cache, replica.controller))

    # Last checks

    def _check_weather(self) -> None:
        for sort, count in self._weather.faults.items():
            if not count:
                self._problems.add(f"the weather had no {sort}: the run was too short, or its rule meets nothing")

    async def check_left_over(self, before: Holdings) -> None:
        """When all has ended: what is there that was not there before it began."""
        await asyncio.sleep(0.5)  # for what others close: the proxy's side of connections
        after = Holdings.now()
        self._blocks = after.blocks - before.blocks
        if self._blocks > _BLOCKS:
            self._problems.add(f"{self._blocks} blocks of memory are left over, more than {_BLOCKS}")
        for difference in after.differences(before):
            self._problems.add(f"left over when both replicas had ended: {difference}")
        if alive := [ref() for ref in self._gone if ref() is not None]:
            self._problems.add(f"of {len(self._gone)} parts of replicas that ended, {len(alive)} are still in memory")
        if (growth := self._memory.growth()) > _GROWTH:
            self._problems.add(f"memory grew by {growth:.1f} MB in the last half, more than {_GROWTH:.0f}")

    # Tables

    def tables(self) -> str:
        """Everything that was counted."""
        done, missed = self._workload.done, self._workload.missed
        operations = {sort: f"{count} ({missed[sort]} came too late)" for sort, count in sorted(done.items())}
        parts: dict[str, Mapping[str, object]] = {
            f"operations: {done.total()} of {self._plan.operations}": operations,
            "faults": self._weather.faults,
            "requests of the operator": {
                sort: count for sort, count in sorted(self._counts.items()) if sort != "elections won"
            },
            "the operator": self._figures(),
        }
        return "\n".join(f"{title}\n{table(rows)}" for title, rows in parts.items())

    def _figures(self) -> dict[str, object]:
        memory = self._memory
        return {
            "reconciliations": dict(self._watchman.reconciles),
            "errors": sum(_values("controller_runtime_reconcile_errors_total")),
            "timeouts": sum(_values("controller_runtime_reconcile_timeouts_total")),
            "own writes not seen in time": sum(_values("controller_runtime_own_writes_unseen_total")),
            "replicas started": self._started,
            "elections won": self._counts["elections won"],
            "MB at start, half, end": ", ".join(f"{memory.at(part):.0f}" for part in (0, 0.5, 1)),
            "MB grown in the last half": f"{memory.growth():.1f}",
            "blocks of memory left over": self._blocks,
            "seconds": {what: round(seconds, 1) for what, seconds in self._durations.items()},
        }


def _values(name: str) -> list[float]:
    return [sample.value for metric in metrics.REGISTRY.collect() for sample in metric.samples if sample.name == name]
