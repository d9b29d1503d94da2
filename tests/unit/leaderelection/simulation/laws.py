"""What has to hold whatever happens, judged from outside: by the true time and by what the server has accepted."""

from __future__ import annotations

import math
from collections import deque
from typing import TYPE_CHECKING

from controller_runtime.api.coordination_v1 import Lease
from tests.unit.leaderelection.simulation.api_server import LEASE

if TYPE_CHECKING:
    from tests.unit.leaderelection.simulation.link import Call, Stream
    from tests.unit.leaderelection.simulation.process import Process
    from tests.unit.leaderelection.simulation.world import World

LEASE_DURATION, RENEW_DEADLINE, RETRY_PERIOD, LONGEST_RETRY = 15.0, 10.0, 2.0, 2 * 2.2
TAKE_OVER = LEASE_DURATION + 2 * LONGEST_RETRY
"""Seconds until there is a leader again: one try sees the last renewal late, another one sees late that it expired."""
REQUESTS = 0.2
"""Seconds for the requests of a try, both ways, when nothing is wrong."""
AFTER_RELEASE = 1.0
"""Seconds until there is a leader again if somebody could hear of the release."""
TERMINATION = 40.0
"""Seconds for work that is slow to end, a renewal that hangs, and a release that nobody answers."""
LOCKSTEP_TRIES = 6
LOCKSTEP_SECONDS = 0.02
"""Candidates whose last tries all began within this time of each other are in lockstep."""
_ROUNDING = 1e-6


class Laws:
    """Collects what was broken; the world stops at the first.

    - A leader's write leaves no later than `renew_deadline` after its sender's last renewal that the server has
      accepted, on the sender's CLOCK_BOOTTIME, and only while the Lease names the sender.
    - No two fences are up at the same time, and none is up longer than that. One that was down stays down for the term.
    - There is a leader again after TAKE_OVER, counted from when a candidate has had a good way to the server and
      nobody else has written to the Lease, or from when all have a good way. Clocks that are slow get longer.
    - There is a leader again within AFTER_RELEASE if a candidate has a watch that works, or nothing could keep it from
      having one.
    - A lease is released after the work has ended, and always by a process that ends in good order and can reach the
      server. Nothing is left of its elector: no task, no watch.
    - A process ends when it is told to, or because its work is stuck; never because it lost the lease.
    - A take-over counts one transition and sets a new acquireTime; a renewal changes neither.
    - Candidates do not try in lockstep.
    """

    def __init__(self, world: World) -> None:
        self.broken = ""
        self._world = world
        self._up: dict[str, int] = {}
        """Names of the processes whose fence was up after their last step, with the number of the term."""
        self._fallen: dict[str, int] = {}
        """Terms in which the fence was seen down."""
        self._last_up = 0.0
        self._last_foreign_write = 0.0
        self._last_death = 0.0
        self._tries: dict[str, deque[float]] = {}
        self._must_release: dict[str, float] = {}

    def require(self, holds: bool, who: str, otherwise: str) -> None:
        """Notes the first law that does not hold."""
        if not holds and not self.broken:
            self.broken = f"{who} {otherwise}"
            self._world.note(who, "BREAKS A LAW:", otherwise)

    def before_step(self, process: Process) -> None:
        """A process is about to run; its fence may have fallen by itself."""
        if not process.elector.is_leader:
            self._fell(process)

    def after_step(self, process: Process) -> None:
        """A process has run."""
        if not process.elector.is_leader:
            self._fell(process)
            return
        now, name = self._world.now, process.name
        if name not in self._up:
            self._rose(process)
        self._up[name] = process.terms
        process.fence_until = now + process.elector.fence() / process.rate
        self._check_deadline(process, "has its fence up")

    def leader_write_leaves(self, process: Process) -> None:
        """The first byte of a write that was fenced."""
        self._world.report.leader_writes += 1
        self._world.note(process.name, "leader's write leaves")
        self._check_deadline(process, "lets a leader's write leave")
        holder = self._world.api.holder
        self.require(
            holder == process.name, process.name, f"lets a leader's write leave, but the Lease names {holder!r}"
        )

    def request_leaves(self, call: Call) -> None:
        """Any request; those of candidates who look at the Lease are their tries."""
        process, now = call.process, self._world.now
        if call.request.method != "GET" or call.request.path != LEASE:
            return
        tries = self._tries.setdefault(process.name, deque(maxlen=LOCKSTEP_TRIES))
        tries.append(now)
        for other in self._world.processes:
            if other is not process and other.runs:
                self._check_lockstep(process, other, tries)

    def lease_accepted(self, call: Call, before: Lease | None, after: Lease) -> None:
        """The server has carried out a write to the Lease."""
        process, spec = call.process, after.spec
        self._world.report.lease_writes += 1
        self._check_transitions(process, before, after)
        if not process.alive:
            self._last_death = self._world.now
        if not process.alive or not process.elector.is_leader:
            self._last_foreign_write = self._world.now
        if spec.holder_identity == process.name:
            process.last_renewal_sent = max(process.last_renewal_sent, call.sent)
        elif not spec.holder_identity:
            self.require(not process.working, process.name, "releases the Lease while its work goes on")
            self._await_leader_after_release(process)

    def lease_edited(self) -> None:
        """Another client has written to the Lease: claims that are under way will fail."""
        self._last_death = self._last_foreign_write = self._world.now

    def process_died(self, process: Process) -> None:
        """A process was killed, or has ended."""
        self._last_death = self._world.now
        self._fell(process)
        process.fence_until = min(process.fence_until, self._world.now)
        self._last_up = max(self._last_up, process.fence_until)

    def process_terminates(self, process: Process) -> None:
        """A process is about to be told to end."""
        if self.clean_since(process) <= self._world.now:
            self._must_release[process.name] = self._world.now

    def check_liveness(self) -> None:
        """Whether somebody should lead by now and nobody does."""
        world = self._world
        if self.has_leader():
            return
        alive = [process for process in world.processes if process.alive]
        clean = {process.name: self.clean_since(process) for process in alive}
        for process in alive:
            since = max(clean[process.name], self._last_up, self._last_foreign_write)
            self._check_take_over(since, process.rate, f"{process.name} could have led")
        if alive:
            since = max(*clean.values(), self._last_up, self._last_death)
            self._check_take_over(since, min(process.rate for process in alive), "all are well")

    def has_leader(self) -> bool:
        """Whether a fence is up."""
        now = self._world.now
        last = max((min(now, process.fence_until) for process in self._world.processes), default=0.0)
        self._last_up = max(self._last_up, last)
        return any(process.alive and process.fence_until > now for process in self._world.processes)

    def clean_since(self, process: Process) -> float:
        """Since when the process could compete and reach the server; infinite if it cannot."""
        held_up = process.working and process.fence_until <= self._world.now
        if not process.runs or process.terminating or held_up:
            return math.inf
        return max(process.ready_since, self._reaches_since(process))

    def check_termination(self, process: Process, told: float) -> None:
        """A process that was told to end has ended by now, or was halted meanwhile."""
        if not process.runs:
            return
        runs_for = self._world.now - max(told, process.resumed_at)
        if runs_for < TERMINATION:
            self._world.at(self._world.now + TERMINATION - runs_for, self.check_termination, process, told)
        else:
            self.require(False, process.name, f"has not ended {runs_for:.1f} s after SIGTERM")

    def check_release(self, process: Process) -> None:
        """A process has ended in good order; if nothing was wrong since it was told to, it has released the Lease."""
        told = self._must_release.pop(process.name, -1.0)
        if self._reaches_since(process) <= told:
            holder = self._world.api.holder
            self.require(holder != process.name, process.name, "has ended and the Lease still names it")

    def _reaches_since(self, process: Process) -> float:
        world, link = self._world, process.link
        if link.faults or world.api_faults:
            return math.inf
        return max(link.dirty_until, world.api_well_since)

    def _fell(self, process: Process) -> None:
        term = self._up.pop(process.name, None)
        if term is not None:
            self._fallen[process.name] = term
            process.fence_until = min(process.fence_until, self._world.now)

    def _rose(self, process: Process) -> None:
        world, name = self._world, process.name
        world.report.terms += 1
        world.note(name, "fence goes up")
        again = self._fallen.get(name) == process.terms
        self.require(not again, name, "has its fence up again within one term")
        for other in world.processes:
            both = other is not process and other.alive and other.elector.is_leader
            self.require(not both, name, f"has its fence up, and so has {other.name}")
        self.check_liveness()

    def _check_deadline(self, process: Process, what: str) -> None:
        age = process.boot_clock() - process.last_renewal_sent
        late = f"{what} {age:.3f} s after its last renewal that was accepted was sent"
        self.require(age <= RENEW_DEADLINE + _ROUNDING, process.name, late)

    def _check_lockstep(self, process: Process, other: Process, tries: deque[float]) -> None:
        others = self._tries.get(other.name, ())
        if len(tries) == len(others) == LOCKSTEP_TRIES:
            pairs = zip(tries, others, strict=True)
            together = all(abs(one - another) < LOCKSTEP_SECONDS for one, another in pairs)
            self.require(not together, process.name, f"and {other.name} try in lockstep")

    def _check_transitions(self, process: Process, before: Lease | None, after: Lease) -> None:
        old, new = before.spec if before else None, after.spec
        if old is None or not new.holder_identity:
            expected = old.lease_transitions if old else 0
        else:
            expected = old.lease_transitions + (old.holder_identity != new.holder_identity)
        counted = new.lease_transitions == expected
        self.require(counted, process.name, f"counts {new.lease_transitions} transitions instead of {expected}")
        renewal = old is not None and old.holder_identity == new.holder_identity
        same = old is not None and old.acquire_time == new.acquire_time
        self.require(not renewal or same, process.name, "changes acquireTime with a renewal")

    def _await_leader_after_release(self, releaser: Process) -> None:
        world, now = self._world, self._world.now
        listening = {
            process.name: process.link.watch
            for process in world.processes
            if process is not releaser and self._hears_releases(process) and self.clean_since(process) <= now
        }
        if listening:
            world.at(now + AFTER_RELEASE, self._check_release_was_heard, now, world.report.terms, listening)

    def _check_release_was_heard(self, released: float, terms: int, listening: dict[str, Stream | None]) -> None:
        world = self._world
        if world.report.terms > terms:
            world.report.releases += 1
            return
        if self._last_foreign_write > released:
            return
        for process in world.processes:
            listens = process.name in listening and self._hears_releases(process)
            same = process.link.watch is listening.get(process.name)
            heard = listens and same and self.clean_since(process) <= released
            self.require(not heard, process.name, f"does not lead {AFTER_RELEASE:g} s after a release it could hear of")

    def _hears_releases(self, process: Process) -> bool:
        """Whether a watch works, or the process has competed for long enough to have one and nothing was ever wrong."""
        if process.link.watch:
            return True
        since = process.ready_since
        never_troubled = not process.link.watch_troubled and self.clean_since(process) == since
        return never_troubled and self._world.watches_well_since <= since <= self._world.now - LONGEST_RETRY - REQUESTS

    def _check_take_over(self, since: float, rate: float, why: str) -> None:
        bound = TAKE_OVER / min(rate, 1.0) + REQUESTS
        waited = self._world.now - since
        self.require(waited <= bound, "nobody", f"leads after {waited:.1f} s, more than {bound:.1f} s, although {why}")
