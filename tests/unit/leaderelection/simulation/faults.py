"""What goes wrong, and for how long."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tests.unit.leaderelection.simulation.process import Process
    from tests.unit.leaderelection.simulation.world import World

Undo = Callable[[], None]
_LONG = 12.0
"""Seconds that a fault lasts on average; some last much longer than a lease."""


class Faults:
    """Draws faults from the world's random numbers and undoes them later.

    Args:
        world: where they happen.
        until: true time by which all of them are over.
    """

    def __init__(self, world: World, until: float) -> None:
        self._world = world
        self._until = until
        links = (self._partition, self._lost_requests, self._lost_answers, self._flaky, self._slow)
        machines = (self._stop, self._suspend, self._stop_in_flight, self._suspend_in_flight)
        servers = (self._refuse, self._mute, self._refuse_writes, self._fail_writes_late, self._refuse_watches)
        moments = (
            self._kill,
            self._kill,
            self._terminate,
            self._terminate,
            self._jump,
            self._edit,
            self._break_watch,
            self._kill_watch,
        )
        self._kinds = (*links, *links, *machines, *machines, *servers, *moments, self._kill_watches_and_one)

    def inject(self) -> None:
        """One fault, and the appointment for the next."""
        world, rng = self._world, self._world.rng
        if world.now >= self._until:
            return
        world.at(world.now + rng.expovariate(1 / 6), self.inject)
        if not world.processes:
            return
        process, fault = rng.choice(world.processes), rng.choice(self._kinds)
        world.note(process.name, "FAULT", fault.__name__.strip("_"))
        if (undo := fault(process)) is not None:
            world.at(self._end(), self._undo, process, fault.__name__, undo)

    def _end(self) -> float:
        return min(self._world.now + self._world.rng.expovariate(1 / _LONG), self._until)

    def _undo(self, process: Process, name: str, undo: Undo) -> None:
        self._world.note(process.name, "fault ends:", name.strip("_"))
        undo()

    def _on_link(self, process: Process, undo: Undo) -> Undo:
        process.link.faults += 1
        process.link.watch_troubled = True

        def end() -> None:
            undo()
            process.link.faults -= 1
            process.link.dirty_until = max(process.link.dirty_until, self._world.now)

        return end

    def _partition(self, process: Process) -> Undo:
        process.link.requests_lost = process.link.answers_lost = True
        return self._on_link(process, process.link.heal)

    def _lost_requests(self, process: Process) -> Undo:
        process.link.requests_lost = True
        return self._on_link(process, process.link.heal)

    def _lost_answers(self, process: Process) -> Undo:
        process.link.answers_lost = True
        return self._on_link(process, process.link.heal)

    def _flaky(self, process: Process) -> Undo:
        process.link.loss = 0.3
        return self._on_link(process, lambda: setattr(process.link, "loss", 0.0))

    def _slow(self, process: Process) -> Undo:
        link, normal = process.link, (0.001, 0.02)
        link.delays = self._world.rng.choice(((0.05, 0.5), (0.5, 2.0), (0.1, 6.0)))
        return self._on_link(process, lambda: setattr(link, "delays", normal))

    def _stop(self, process: Process) -> Undo:
        process.halt(suspend=False)
        return process.resume

    def _suspend(self, process: Process) -> Undo:
        process.halt(suspend=True)
        return process.resume

    def _stop_in_flight(self, process: Process) -> None:
        process.link.halted_after_write = lambda: self._halt_for_a_term(process, suspend=False)

    def _suspend_in_flight(self, process: Process) -> None:
        process.link.halted_after_write = lambda: self._halt_for_a_term(process, suspend=True)

    def _halt_for_a_term(self, process: Process, *, suspend: bool) -> None:
        """Just after a renewal has left, for about as long as the one before it was good for."""
        world = self._world
        if world.now < self._until:
            world.note(process.name, "is halted", f"{suspend=}")
            process.halt(suspend=suspend)
            world.at(min(world.now + world.rng.uniform(6.0, 12.0), self._until), process.resume)

    def _on_server(self, undo: Undo) -> Undo:
        world = self._world
        world.api_faults += 1

        def end() -> None:
            undo()
            world.api_faults -= 1
            world.api_well_since = world.now

        return end

    def _refuse(self, process: Process) -> Undo:
        api = self._world.api
        api.state = "refusing"
        for stream in tuple(api.streams):
            stream.break_off()
        return self._on_server(lambda: setattr(api, "state", "up"))

    def _mute(self, process: Process) -> Undo:
        api = self._world.api
        api.state = "mute"
        return self._on_server(lambda: setattr(api, "state", "up"))

    def _refuse_writes(self, process: Process) -> Undo:
        api = self._world.api
        api.refusal, api.refuses_late = self._world.rng.choice((403, 500)), False
        return self._on_server(lambda: setattr(api, "refusal", 0))

    def _fail_writes_late(self, process: Process) -> Undo:
        api = self._world.api
        api.refusal, api.refuses_late = 500, True
        return self._on_server(lambda: setattr(api, "refusal", 0))

    def _refuse_watches(self, process: Process) -> Undo:
        api = self._world.api
        api.watch_refusal = self._world.rng.choice((403, 405, 500))
        self._world.watches_well_since = math.inf
        for stream in tuple(api.streams):
            stream.break_off()

        def end() -> None:
            api.watch_refusal = 0
            self._world.watches_well_since = self._world.now

        return end

    def _kill(self, process: Process) -> None:
        self._world.kill(process)

    def _terminate(self, process: Process) -> None:
        self._world.terminate(process)

    def _jump(self, process: Process) -> None:
        process.wall_offset += self._world.rng.choice((-3600, -20, 20, 3600)) * self._world.rng.uniform(0.9, 1.1)

    def _edit(self, process: Process) -> None:
        self._world.api.edit()
        self._world.laws.lease_edited()

    def _break_watch(self, process: Process) -> None:
        process.link.watch_troubled = True
        for stream in process.link.streams:
            stream.break_off()

    def _kill_watch(self, process: Process) -> None:
        process.link.watch_troubled = True
        for stream in process.link.streams:
            stream.dead = True

    def _kill_watches_and_one(self, process: Process) -> None:
        """Nobody is told of anything any more, and a process, perhaps the leader's, dies soon."""
        for other in self._world.processes:
            self._kill_watch(other)
        self._world.at(self._world.now + self._world.rng.uniform(0.0, 14.0), self._world.kill, process)
