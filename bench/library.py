"""The same work on this library, on Go's controller-runtime and on kopf, on one real kube-apiserver.

Prints a table: operations per second of the work queue; time and CPU from the start of the process to a full cache;
memory with 1,000 and 10,000 objects; status patches per second of a trivial reconciler with 1, 4 and 16 workers, once
for objects that were there before it and once for objects that are created while it runs. Ends with status 1 where an
answer was wrong: a cache with another number of objects, a status that is not right, or one that was patched twice.

What makes it fair: one API server for all, warmed up by all of them before; the contenders take turns within each
round, each in a process of its own, and medians of the rounds are compared; time, CPU and memory are taken from
outside, the patches from a watch of the driver. Objects are typed in Go and here; kopf has dicts alone. No contender
limits its rate of requests. A reconciler reads from the cache and sends a merge patch of the status, in Go and here
with the resourceVersion that it was made from. How kopf is set up: bench/contenders/kopf_contender.py. The server's
share stands in lines of its own: with more workers the API server, on the same cores, is what limits all contenders.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench.contender_process import ContenderError, ContenderProcess, cpu_seconds
from bench.contenders.queue_load import DUPLICATES as QUEUE_DUPLICATES
from bench.contenders.widget import Widget
from bench.figures import GO, KOPF, OURS, Figures, Goal, at_least, at_most
from bench.go_program import go_contender
from bench.widgets import Observer, create_widgets, delete_widgets, faults
from controller_runtime.client import AiohttpTransport, Client, load_config
from controller_runtime.envtest import ControlPlane, ControlPlaneOptions

CRD = Path(__file__).with_name("contenders") / "widget.yaml"
QUEUE_CASES = ("unique", "duplicated", "rate-limited")
SETTLE_SECONDS = 2.0
"""Between a full cache and its memory: garbage of the start may have gone by then."""
PHASE_SECONDS = 180.0
WARM_OBJECTS = 200


@dataclass(frozen=True)
class Plan:
    """How much is measured."""

    few: int
    many: int
    reconciles: int
    keys: int
    workers: tuple[int, ...]
    rounds: int

    def goals(self) -> dict[str, tuple[Goal, ...]]:
        """By label of the table's line."""
        rate = (at_least(0.8, GO), at_least(5, KOPF))
        lines = {_patched_label(case, workers): rate for case in ("existing", "created") for workers in self.workers}
        return {**lines, _synced_label(self.many): (at_most(1.5, GO),), _resident_label(self.many): (at_most(1.0, GO),)}


def _patched_label(case: str, workers: int) -> str:
    return f"{case}, {workers} workers"


def _synced_label(objects: int) -> str:
    return f"start to {objects} synced"


def _resident_label(objects: int) -> str:
    return f"RSS, {objects}"


class Benchmark:
    """One run.

    Args:
        plan: how much is measured.
        commands: program and first arguments of each contender, by its name.
        plane: the control plane.
        client: the driver's own.
        directory: takes the contenders' logs.

    Attributes:
        figures: what was measured.
        faults: what was wrong.
    """

    def __init__(
        self,
        plan: Plan,
        commands: Mapping[str, Sequence[str | Path]],
        plane: ControlPlane,
        client: Client,
        directory: Path,
    ) -> None:
        self.plan = plan
        self.figures = Figures(plan.goals())
        self.faults: list[str] = []
        self._commands = commands
        self._plane = plane
        self._client = client
        self._directory = directory

    async def run(self) -> None:
        """Measures everything, the quick things first."""
        await self._warm_up()
        await self._in_turns(self._measure_queue, self.plan.workers)
        await self._in_turns(self._measure_reconciles, self.plan.workers)
        await create_widgets(self._client, range(1, self.plan.few + 1))
        await self._in_turns(self._measure_sync, (self.plan.few,))
        await create_widgets(self._client, range(self.plan.few + 1, self.plan.many + 1))
        await self._in_turns(self._measure_sync, (self.plan.many,))

    async def _warm_up(self) -> None:
        """Each contender does a little of everything once, and nobody looks at the clock."""
        figures, self.figures = self.figures, Figures({})
        for name in self._commands:
            await self._measure_queue(name, 1)
            await self._patch(name, 4, WARM_OBJECTS)
            await delete_widgets(self._client)
        self.figures = figures

    async def _in_turns(self, measure: Callable[[str, int], Awaitable[None]], sizes: Sequence[int]) -> None:
        names = list(self._commands)
        for number in range(self.plan.rounds):
            shift = number % len(names)
            for size in sizes:
                for name in names[shift:] + names[:shift]:
                    await self._take_turn(measure, name, size, f"round {number + 1}: {measure.__name__} {size}, {name}")

    async def _take_turn(self, measure: Callable[[str, int], Awaitable[None]], name: str, size: int, what: str) -> None:
        """One measurement; one that fails is a fault, and the others go on without it."""
        say(what)
        try:
            await measure(name, size)
        except (ContenderError, TimeoutError) as error:
            self.faults.append(f"{what}: {str(error) or 'it took too long'}")

    def _contender(self, name: str, mode: str, objects: int, workers: int = 1) -> ContenderProcess:
        flags = (
            f"--mode={mode}",
            f"--objects={objects}",
            f"--workers={workers}",
            f"--kubeconfig={self._plane.kubeconfig}",
        )
        return ContenderProcess([*self._commands[name], *flags], self._directory / f"{name}-{mode}.log")

    def _server_cpu(self) -> float:
        return sum(cpu_seconds(program.pid) for program in self._plane.programs)

    # The queue

    async def _measure_queue(self, name: str, workers: int) -> None:
        if name == KOPF:
            return  # it has none
        async with self._contender(name, "queue", self.plan.keys, workers) as contender:
            for case in QUEUE_CASES:
                facts = (await contender.phase(case, PHASE_SECONDS)).facts
                line = self.figures[f"queue, {case} keys, {workers} workers", "operations/s"]
                line.note(name, facts["operations"] / facts["seconds"])
                self._check_queue(name, case, facts)

    def _check_queue(self, name: str, case: str, facts: Mapping[str, Any]) -> None:
        most = QUEUE_DUPLICATES if case == "duplicated" else 1
        if not self.plan.keys <= facts["gets"] <= self.plan.keys * most or not 1 <= facts["most"] <= most:
            self.faults.append(f"{name}: queue, {case} keys: {self.plan.keys} keys were handed out as in {facts}")

    # The cache

    async def _measure_sync(self, name: str, objects: int) -> None:
        server = self._server_cpu()
        async with self._contender(name, "sync", objects) as contender:
            synced = await contender.phase("synced", PHASE_SECONDS)
            self.figures[_synced_label(objects), "s"].note(name, synced.at - contender.started_at)
            self.figures[f"CPU until then, {objects}", "s"].note(name, contender.cpu())
            self.figures[f"server's CPU until then, {objects}", "s"].note(name, self._server_cpu() - server)
            if synced.facts["objects"] != objects:
                self.faults.append(f"{name}: {synced.facts['objects']} objects are cached, not {objects}")
            await asyncio.sleep(SETTLE_SECONDS)
            memory = contender.memory()
            self.figures[_resident_label(objects), "MB"].note(name, memory.resident)
            self.figures[f"PSS, {objects}", "MB"].note(name, memory.proportional)

    # The reconciler

    async def _measure_reconciles(self, name: str, workers: int) -> None:
        try:
            await self._patch(name, workers, self.plan.reconciles)
        finally:
            await delete_widgets(self._client)

    async def _patch(self, name: str, workers: int, objects: int) -> None:
        """Objects that exist when the contender starts, then as many that are created while it runs."""
        await create_widgets(self._client, range(1, objects + 1))
        async with (
            Observer(self._client) as observer,
            self._contender(name, "reconcile", objects, workers) as contender,
        ):
            existing = await contender.unless_ended(observer.wait_right(objects, PHASE_SECONDS))
            self._note_rate(name, "existing", workers, objects - 1, existing[-1] - existing[0])
            cpu, server, begin = contender.cpu(), self._server_cpu(), time.monotonic()
            await create_widgets(self._client, range(objects + 1, 2 * objects + 1))
            created = await contender.unless_ended(observer.wait_right(2 * objects, PHASE_SECONDS))
            self._note_rate(name, "created", workers, objects, created[-1] - begin)
            share = 1000 / objects
            self._note_cpu(name, workers, share * (contender.cpu() - cpu), share * (self._server_cpu() - server))
            await self._check_widgets(name, observer, 2 * objects)

    def _note_rate(self, name: str, case: str, workers: int, objects: int, seconds: float) -> None:
        self.figures[_patched_label(case, workers), "patches/s"].note(name, objects / seconds)

    def _note_cpu(self, name: str, workers: int, contender: float, server: float) -> None:
        self.figures[f"CPU per 1,000 created, {workers} workers", "s"].note(name, contender)
        self.figures[f"server's CPU meanwhile, {workers} workers", "s"].note(name, server)

    async def _check_widgets(self, name: str, observer: Observer, expected: int) -> None:
        listed = (await self._client.list(Widget)).items
        await observer.wait_current(listed)
        self.faults += [f"{name}: {fault}" for fault in faults(listed, observer.modified, expected)]


def say(text: str) -> None:
    """Tells the terminal how far the run is."""
    print(text, file=sys.stderr, flush=True)


def contenders(names: Sequence[str]) -> dict[str, list[str | Path]]:
    """The commands of these contenders; Go's is left out, with a word, where there is no Go."""
    python: list[str | Path] = [sys.executable, "-m"]
    commands: dict[str, list[str | Path]] = {}
    for name in names:
        if name != GO:
            commands[name] = [*python, {OURS: "bench.contenders.ours", KOPF: "bench.contenders.kopf_contender"}[name]]
        elif program := go_contender():
            commands[name] = [program]
        else:
            say("there is no go command on PATH: the column of controller-runtime is left out")
    return commands


async def measure(plan: Plan, names: Sequence[str], plane: ControlPlane, directory: Path) -> list[str]:
    """Runs and prints everything; returns what was wrong."""
    commands = contenders(names)
    transport = AiohttpTransport(await load_config(str(plane.kubeconfig)))
    benchmark = Benchmark(plan, commands, plane, Client(transport), directory)
    load = os.getloadavg()[0]
    try:
        await benchmark.run()
    finally:
        await transport.close()
    print(f"{os.cpu_count()} cores, load before the run {load:.1f}; medians (from-to) of {plan.rounds} rounds")
    print(benchmark.figures.table(list(commands)))
    return benchmark.faults


def parse(arguments: Sequence[str] | None = None) -> tuple[Plan, list[str]]:
    """The plan and the contenders that the command line asks for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--few", type=int, default=1000, help="objects of the small cache")
    parser.add_argument("--many", type=int, default=10_000, help="objects of the large cache")
    parser.add_argument("--reconciles", type=int, default=1000, help="objects to be patched")
    parser.add_argument("--keys", type=int, default=20_000, help="keys of the queue")
    parser.add_argument("--workers", type=int, nargs="+", default=[1, 4, 16])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--contenders", nargs="+", choices=(OURS, GO, KOPF), default=[OURS, GO, KOPF])
    given = parser.parse_args(arguments)
    workers = tuple(given.workers)
    return Plan(given.few, given.many, given.reconciles, given.keys, workers, given.rounds), given.contenders


def main() -> int:
    """Returns 1 where an answer was wrong."""
    plan, names = parse()
    options = ControlPlaneOptions(server="kubernetes")
    with tempfile.TemporaryDirectory(prefix="library-") as directory, ControlPlane(options) as plane:
        plane.install_crds([CRD])
        found = asyncio.run(measure(plan, names, plane, Path(directory)))
    for fault in found:
        print(f"FAULT: {fault}", file=sys.stderr)
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
