"""The one true time, everything that is going to happen, and one run from its seed."""

from __future__ import annotations

import asyncio
import contextlib
import heapq
import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from unittest import mock

import structlog

from controller_runtime.apimachinery import format_micro_time
from controller_runtime.leaderelection import lease_lock
from tests.unit.leaderelection.simulation.api_server import ApiServer
from tests.unit.leaderelection.simulation.faults import Faults
from tests.unit.leaderelection.simulation.laws import TERMINATION, Laws
from tests.unit.leaderelection.simulation.process import Process
from tests.unit.leaderelection.simulation.process_loop import ProcessLoop

FAULTY_SECONDS = 60.0
CALM_SECONDS = 32.0
"""Long enough for a take-over by a replica whose clock is slow."""
_TRACE_LINES = 400
_RATES = ((0.9999, 1.0001), (0.9999, 1.0001), (0.95, 1.05), (0.83, 1.2))
"""Ranges of the clocks' rates; what is promised ends where the rates of two differ by half."""


class LawBrokenError(AssertionError):
    """A law does not hold; the message has the seed and what led to it."""


@dataclass
class Report:
    """What happened in a run, or in many."""

    seconds: float = 0.0
    terms: int = 0
    leader_writes: int = 0
    lease_writes: int = 0
    releases: int = 0

    def add(self, other: Report) -> None:
        """Adds another run."""
        for name in vars(self):
            setattr(self, name, getattr(self, name) + getattr(other, name))


class World:
    """One run.

    Attributes:
        now: the true time, in seconds.
        api_faults: how many faults work on the API server at the moment.
        api_well_since: when the last one ended.
        watches_well_since: when the server refused a watch for the last time.
        trace: time, who, and what happened, as it is written for people.
    """

    def __init__(self, seed: int) -> None:
        self.seed = seed
        self.rng = random.Random(seed)
        self.now = 0.0
        self.trace: list[tuple[float, str, tuple[Any, ...]]] = []
        self.report = Report()
        self.laws = Laws(self)
        self.api = ApiServer(self.laws.lease_accepted)
        self.api_faults = 0
        self.api_well_since = 0.0
        self.watches_well_since = 0.0
        self.processes: list[Process] = []
        self.dead: list[Process] = []
        self._agenda: list[tuple[float, int, Callable[..., None], tuple[Any, ...]]] = []
        self._count = 0
        self._rates = self.rng.choice(_RATES)
        self._restarts = True

    def at(self, when: float, callback: Callable[..., None], *args: Any) -> None:
        """Makes an appointment; of two at the same time, the one made first is kept first."""
        self._count += 1
        heapq.heappush(self._agenda, (when, self._count, callback, args))

    def note(self, who: str, *what: Any) -> None:
        """Writes a line of the trace."""
        self.trace.append((self.now, who, what))

    def run(self) -> Report:
        """Runs it all.

        Raises:
            LawBrokenError: a law does not hold.
        """
        with self._patched():
            try:
                self._begin()
                self._run_until(FAULTY_SECONDS + CALM_SECONDS)
                self._end()
            finally:
                for process in self.dead + self.processes:
                    process.bury()
        self.report.seconds = self.now
        return self.report

    def start(self, name: str) -> None:
        """Starts a replica's process, or its next one."""
        if not self._restarts:
            return
        name, _, count = name.partition("-")
        process = Process(self, f"{name}-{int(count or 0) + 1}", self.rng.uniform(*self._rates))
        self.processes.append(process)
        self.note(process.name, "starts")
        process.step()

    def kill(self, process: Process) -> None:
        """SIGKILL, and a new process a little later."""
        if process.alive:
            process.kill()
            self.laws.process_died(process)
            self._replace(process)

    def terminate(self, process: Process) -> None:
        """SIGTERM."""
        if process.runs and not process.terminating:
            self.laws.process_terminates(process)
            process.terminate()
            self.at(self.now + TERMINATION, self.laws.check_termination, process, self.now)

    def process_ended(self, process: Process, *, in_good_order: bool) -> None:
        """An elector's run has come to its end."""
        self.note(process.name, "has ended")
        process.alive = False
        if in_good_order:
            self.laws.check_release(process)
        self.laws.process_died(process)
        self._replace(process)

    def connection_wait(self) -> float:
        """Seconds until a leader's write has a connection."""
        return self.rng.uniform(0.0, 14.0) if self.rng.random() < 0.15 else 0.0

    def story(self) -> str:
        """The end of the trace, for people."""
        lines = [f"{now:9.3f}  {who:5} {' '.join(map(str, what))}" for now, who, what in self.trace[-_TRACE_LINES:]]
        return "\n".join(lines)

    def _replace(self, process: Process) -> None:
        self.processes.remove(process)
        self.dead.append(process)
        self.at(self.now + self.rng.choice((0.0, 1.0, 5.0, 30.0)), self.start, process.name)

    def _begin(self) -> None:
        together = self.rng.random() < 0.5
        for name in "abc"[: self.rng.choice((2, 3, 3))]:
            self.at(0.0 if together else self.rng.uniform(0, 10), self.start, name)
        self.at(self.rng.uniform(3, 10), Faults(self, FAULTY_SECONDS).inject)
        self.at(1.0, self._check_liveness)

    def _end(self) -> None:
        self._restarts = False
        for process in tuple(self.processes):
            self.terminate(process)
        self._run_until(self.now + TERMINATION + 1)

    def _run_until(self, until: float) -> None:
        agenda, laws = self._agenda, self.laws
        while agenda and agenda[0][0] <= until:
            self.now, _, callback, args = heapq.heappop(agenda)
            callback(*args)
            if laws.broken:
                raise LawBrokenError(f"seed {self.seed}, {self.now:.3f} s: {laws.broken}\n{self.story()}")
        self.now = until

    def _check_liveness(self) -> None:
        self.laws.check_liveness()
        if self._restarts:
            self.at(self.now + 1.0, self._check_liveness)

    @contextlib.contextmanager
    def _patched(self) -> Iterator[None]:
        """What the code under test takes from its surroundings: random numbers, the wall clock, a place for its log."""
        state, processors = random.getstate(), structlog.get_config()["processors"]
        before = processors.copy()
        random.seed(self.seed)
        processors[:] = [self._take_log_line]
        try:
            with mock.patch.object(lease_lock, "_now", _wall_time):
                yield
        finally:
            random.setstate(state)
            processors[:] = before

    def _take_log_line(self, logger: object, level: str, line: dict[str, Any]) -> str:
        self.note(line.pop("identity", "-"), f"{level}:", line.pop("event"), line.get("error", ""))
        raise structlog.DropEvent


def _wall_time() -> str:
    loop = asyncio.get_running_loop()
    assert isinstance(loop, ProcessLoop)
    return format_micro_time(datetime.fromtimestamp(loop.wall_clock(), UTC))


def simulate(seed: int) -> Report:
    """Runs one seed.

    Raises:
        LawBrokenError: a law does not hold.
    """
    return World(seed).run()
