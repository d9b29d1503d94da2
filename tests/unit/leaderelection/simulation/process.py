"""A replica's process: its clocks, its loop, its elector, and the leader's work."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from controller_runtime.api.core_v1 import Secret
from controller_runtime.apimachinery import NamespacedName, Object
from controller_runtime.client import Client, ClientError, LeadershipLostError
from controller_runtime.leaderelection import LeaderElection, LeaderElector, LeaderWorkStuckError
from controller_runtime.leaderelection.elector import STUCK_AFTER_SECONDS
from tests.unit.leaderelection.simulation.api_server import LEASE_NAME
from tests.unit.leaderelection.simulation.link import Link
from tests.unit.leaderelection.simulation.process_loop import WAKE_UP, ProcessLoop

if TYPE_CHECKING:
    from tests.unit.leaderelection.simulation.world import World

_WRITTEN = NamespacedName("lab", "written-by-the-leader")


class Process:
    """One incarnation of a replica, from its start to its end.

    Args:
        world: where it lives.
        name: also its identity in the Lease.
        rate: seconds on its clocks per true second.

    Attributes:
        alive: not killed and not ended.
        halted: how often it was stopped or suspended and not yet let go.
        ready_since: true time since when nothing but the network keeps it from competing.
        resumed_at: true time at which it was let go for the last time.
        terms: how often its work was started.
        fence_until: true time at which its fence falls, or has fallen.
    """

    def __init__(self, world: World, name: str, rate: float) -> None:
        self.name = name
        self.rate = rate
        self.alive = True
        self.halted = 0
        self.terminating = False
        self.working = False
        self.ready_since = self.resumed_at = world.now
        self.terms = 0
        self.fence_until = world.now
        self.last_renewal_sent = float("-inf")
        self.wall_offset = world.rng.uniform(-100, 100)
        self.recorded: list[str] = []
        self._world = world
        self._suspended_at: float | None = None
        self._suspended_for = 0.0
        self._boot_offset = world.rng.uniform(0, 10_000)
        self._backlog: list[tuple[Callable[..., None], tuple[Any, ...]]] = []
        self._wakes_at = float("inf")
        self._burial_time: float | None = None
        self._cleanup = 0.0
        self.loop = ProcessLoop(self.loop_clock, self.wall_clock)
        self.link = Link(world, self)
        options = LeaderElection(name=LEASE_NAME, namespace="lab", identity=name, clock=self.leader_clock)
        self.elector = LeaderElector(Client(self.link), options, recorder=self)  # type: ignore[arg-type]
        self._client = Client(self.link, fence=self.elector.fence)
        self._task = self.loop.create_task(self.elector.run(self._work))
        self._task.add_done_callback(self._ended)

    def boot_clock(self) -> float:
        """Goes on whatever happens to the process and its machine."""
        return self._boot_offset + self._world.now * self.rate

    def loop_clock(self) -> float:
        """Stands still while the machine is suspended."""
        if self._burial_time is not None:
            return self._burial_time
        now = self._world.now if self._suspended_at is None else self._suspended_at
        return (now - self._suspended_for) * self.rate

    def wall_clock(self) -> float:
        """Is set by hand now and then."""
        return 1.8e9 + self._world.now * self.rate + self.wall_offset

    def leader_clock(self) -> float:
        """The clock that the elector goes by."""
        return self.boot_clock()

    @property
    def runs(self) -> bool:
        """Whether its loop may run."""
        return self.alive and not self.halted

    def step(self) -> None:
        """Runs what is due, now."""
        if not self.runs:
            return
        self._world.laws.before_step(self)
        self.loop.run_due()
        self._world.laws.after_step(self)
        self._schedule_wake()

    def deliver(self, callback: Callable[..., None], *args: Any) -> None:
        """Something arrives from outside; a process that does not run gets it later."""
        if self.runs:
            callback(*args)
            self.step()
        elif self.alive:
            self._backlog.append((callback, args))

    def halt(self, *, suspend: bool) -> None:
        """Stops the process, or suspends its machine."""
        self.halted += 1
        if suspend and self._suspended_at is None:
            self._suspended_at = self._world.now

    def resume(self) -> None:
        """Lets it go on; what has arrived meanwhile is there at once."""
        self.halted -= 1
        if self.halted or not self.alive:
            return
        if self._suspended_at is not None:
            self._suspended_for += self._world.now - self._suspended_at
            self._suspended_at = None
        self.ready_since = self.resumed_at = self._world.now
        self._world.laws.before_step(self)
        backlog, self._backlog = self._backlog, []
        for callback, args in backlog:
            callback(*args)
        self.step()

    def terminate(self) -> None:
        """SIGTERM."""
        self.terminating = True
        self._task.cancel()
        self.step()

    def kill(self) -> None:
        """SIGKILL."""
        self.alive = False
        self.fence_until = min(self.fence_until, self._world.now)
        for stream in self.link.streams:
            stream.end()

    def bury(self) -> None:
        """Unwinds the coroutines of a process that is dead, outside of all time."""
        self.alive, self._burial_time = False, self.loop_clock()
        for task in self._tasks():
            task.cancel()
        self.loop.run_due()
        while self._tasks() and (due := self.loop.next_timer()) is not None:
            self._burial_time = due + WAKE_UP
            self.loop.run_due()

    def event(self, regarding: Object, type_: str, reason: str, action: str, note: str) -> None:
        """Takes the place of the recorder."""
        self.recorded.append(action)
        self._world.note(self.name, action)

    def _tasks(self) -> list[asyncio.Task[Any]]:
        return sorted(asyncio.all_tasks(self.loop), key=asyncio.Task.get_name)

    def _schedule_wake(self) -> None:
        due = self.loop.next_timer()
        if due is None or not self.alive:
            return
        when = max(due / self.rate + self._suspended_for, self._world.now) + WAKE_UP
        if when < self._wakes_at:
            self._wakes_at = when
            self._world.at(when, self._wake, when)

    def _wake(self, when: float) -> None:
        if when == self._wakes_at:
            self._wakes_at = float("inf")
            self.step()

    async def _work(self) -> None:
        rng = self._world.rng
        self.terms += 1
        self.working = True
        self._cleanup = rng.choice((0.0, 0.0, 0.0, 0.5, 4.5)) if rng.random() < 0.95 else 8.0
        returns_at = self.loop.time() + rng.expovariate(1 / 60)
        ends_at_the_fence = rng.random() < 0.5
        try:
            while self.loop.time() < returns_at:
                await asyncio.sleep(rng.expovariate(1.0))
                await self._write(ends_at_the_fence)
        except asyncio.CancelledError:
            await asyncio.sleep(self._cleanup)
            raise
        finally:
            self.working = False
            self.ready_since = self._world.now

    async def _write(self, ends_at_the_fence: bool) -> None:
        try:
            await self._client.delete(Secret, _WRITTEN)
        except LeadershipLostError:
            if ends_at_the_fence:
                raise
        except ClientError:
            pass  # the next one may succeed

    def _ended(self, task: asyncio.Task[None]) -> None:
        if not self.alive:
            if not task.cancelled():
                task.exception()
            return
        stuck = self._cleanup > STUCK_AFTER_SECONDS
        error = None if task.cancelled() else task.exception()
        laws = self._world.laws
        if isinstance(error, LeaderWorkStuckError):
            laws.require(stuck, self.name, "ended although its work was not stuck")
        else:
            laws.require(error is None and self.terminating, self.name, f"ended by itself: {error!r}")
            left = [other.get_name() for other in self._tasks() if other is not task]
            laws.require(not left, self.name, f"ended and left tasks: {left}")
            laws.require(not self.link.streams, self.name, "ended and left a watch")
        self._world.process_ended(self, in_good_order=error is None)
