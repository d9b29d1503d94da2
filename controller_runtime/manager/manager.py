"""The manager itself: what belongs to it, and the order of start and stop."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

import structlog
from tornado.httputil import HTTPServerRequest

from controller_runtime import metrics
from controller_runtime.cache import Cache
from controller_runtime.client import Client, Transport
from controller_runtime.controller import Controller
from controller_runtime.leaderelection import LeaderElection, LeaderElector, LeaderWorkStuckError
from controller_runtime.manager.endpoints import Answer, Endpoint, exposition, probes
from controller_runtime.manager.healthz import Check, CheckFailedError, ping
from controller_runtime.manager.runnable import Group, Runnable, RunningGroup, group_of, run_all
from controller_runtime.recorder import EventBroadcaster, EventRecorder

log = structlog.get_logger(__name__)

_EVENTS_FLUSH_SECONDS = 3.0


class GracefulShutdownError(TimeoutError):
    """Parts of the process had not ended when the grace period was over; the message names them."""


class Manager:
    """Owns the client, the cache, the recorders and the election of one process, and runs what is added to it.

    Attributes:
        client: reads live, writes as the leader: with leader election its writes are refused on a replica that does
            not lead.
        replica_client: the same without that guard, for what every replica may write.
        cache: the informers; read from it synchronously.
        elector: the election, or None.
    """

    def __init__(
        self,
        transport: Transport,
        *,
        leader_election: LeaderElection | None = None,
        namespaces: Sequence[str] = (),
        metrics_bind_address: str = "0",
        health_probe_bind_address: str = "0",
        graceful_shutdown_timeout: float = 30,
        max_staleness: float | None = None,
    ) -> None:
        """Prepares a manager; the addresses are bound at once, nothing runs before `start`.

        Args:
            transport: the way to the API server; closed when the manager ends.
            leader_election: None runs leader's work at once, for a process that is alone.
            namespaces: what the cache is limited to; empty means the whole cluster.
            metrics_bind_address: where `/metrics` is served; "" or "0" means nowhere.
            health_probe_bind_address: where `/healthz` and `/readyz` are served; "" or "0" means nowhere.
            graceful_shutdown_timeout: seconds that everything together may take to end; `math.inf` for no limit.
            max_staleness: seconds without proof of life from the API server after which this replica says that it is
                not ready; None never.

        Raises:
            ListenError: an address is taken or malformed.
        """
        self.replica_client = Client(transport)
        self.cache = Cache(self.replica_client, namespaces=namespaces)
        self._broadcaster = EventBroadcaster(self.replica_client)
        self.elector = self._make_elector(leader_election)
        self.client = Client(transport, fence=self.elector.fence) if self.elector else self.replica_client
        self._transport = transport
        self._grace = graceful_shutdown_timeout
        self._max_staleness = max_staleness
        self._runnables: dict[Group, list[Runnable]] = {group: [] for group in Group}
        self._running: dict[Group, RunningGroup] = {}
        self._controllers: set[str] = set()
        self._started = False
        self._draining = False
        self._failure: asyncio.Future[None] | None = None
        self._stuck: asyncio.Future[LeaderWorkStuckError] | None = None
        self._healthz: dict[str, Check] = {"ping": ping}
        self._readyz: dict[str, Check] = {"running": self._check_running, "informers": self._check_informers}
        self.add(self.cache, group=Group.CACHES)
        with contextlib.ExitStack() as cleanup:
            answer = probes(self._healthz, self._readyz)
            self.probe_port = self._serve(
                health_probe_bind_address, "the probes (--health-probe-bind-address)", answer, cleanup
            )
            answer = exposition(metrics.REGISTRY)
            self.metrics_port = self._serve(
                metrics_bind_address, "the metrics (--metrics-bind-address)", answer, cleanup
            )
            cleanup.pop_all()

    def _make_elector(self, options: LeaderElection | None) -> LeaderElector | None:
        return (
            LeaderElector(self.replica_client, options, recorder=self.recorder("leader-election")) if options else None
        )

    def _serve(
        self,
        address: str,
        purpose: str,
        answer: Callable[[HTTPServerRequest], Answer],
        cleanup: contextlib.ExitStack,
    ) -> int | None:
        if address in ("", "0"):
            return None
        endpoint = Endpoint(address, purpose, answer)
        cleanup.callback(endpoint.close)
        self.add(endpoint, group=Group.SERVERS)
        return endpoint.port

    def recorder(self, controller: str) -> EventRecorder:
        """Records Events under that controller's name."""
        return self._broadcaster.recorder(controller)

    def add(self, runnable: Runnable, *, group: Group | None = None) -> None:
        """Adds a part to the process.

        Args:
            runnable: what to run.
            group: when it starts and stops; by default `LEADER`, or `OTHERS` for a runnable whose attribute
                `needs_leader_election` is False.

        Raises:
            RuntimeError: the manager has been started.
            ValueError: it is a controller whose name another one has.
        """
        if self._started:
            raise RuntimeError("add runnables before Manager.start()")
        if isinstance(runnable, Controller):
            if runnable.name in self._controllers:
                raise ValueError(f"there is a controller named {runnable.name} already; their metrics would mix")
            self._controllers.add(runnable.name)
        self._runnables[group or group_of(runnable)].append(runnable)

    def add_healthz_check(self, name: str, check: Check) -> None:
        """Adds a check to `/healthz`: its failure means that the process should be restarted."""
        self._healthz[name] = check

    def add_readyz_check(self, name: str, check: Check) -> None:
        """Adds a check to `/readyz`: its failure takes this replica out of the Services."""
        self._readyz[name] = check

    async def start(self) -> None:
        """Runs everything until cancelled or until a part fails.

        Raises:
            RuntimeError: started a second time.
            GracefulShutdownError: parts had not ended when the grace period was over. They still run: a program should
                then end without waiting for them (`os._exit`).
            LeaderWorkStuckError: likewise, for leader's work that goes on without the lease.
            Exception: what the failed part raised.
        """
        if self._started:
            raise RuntimeError("a Manager can be started once")
        self._started = True
        self._failure = asyncio.get_running_loop().create_future()
        self._stuck = asyncio.get_running_loop().create_future()
        broadcaster = asyncio.create_task(self._broadcaster.run(), name="event-broadcaster")
        broadcaster.add_done_callback(self._events_ended)
        try:
            for group in (Group.SERVERS, Group.SERVING, Group.CACHES):
                self._launch(group, self._runnables[group])
            await self._unless_failed(self.cache.wait_synced())
            self._launch(Group.OTHERS, self._runnables[Group.OTHERS])
            self._launch(Group.LEADER, [_Leadership(self.elector, self._runnables[Group.LEADER])])
            await self._failure
        finally:
            await self._wind_up(broadcaster)

    async def _wind_up(self, broadcaster: asyncio.Task[None]) -> None:
        """Stops everything, also if it is cancelled meanwhile, and raises a failure that nobody has been told of."""
        stopping = asyncio.ensure_future(self._stop(broadcaster))
        while not stopping.done():
            with contextlib.suppress(asyncio.CancelledError):
                await asyncio.wait({stopping})
        failure, unfinished = self._failed_with(), stopping.exception()
        if self._stuck is not None and self._stuck.done():
            raise self._stuck.result()  # whenever that was found, and whatever else has failed or not ended
        if unfinished is not None:
            if failure is not None:
                log.error("a part failed", exc_info=failure)
            raise unfinished from failure
        if failure is not None:
            raise failure

    def _launch(self, group: Group, runnables: Sequence[Runnable]) -> None:
        self._running[group] = RunningGroup(runnables, self._fail)

    def _events_ended(self, broadcaster: asyncio.Task[None]) -> None:
        """A broadcaster that fails has a bug, which must not pass for a quiet cluster."""
        if not broadcaster.cancelled() and (error := broadcaster.exception()) is not None:
            self._fail(error)

    def _fail(self, error: BaseException) -> None:
        if isinstance(error, LeaderWorkStuckError) and self._stuck is not None:
            self._stuck.set_result(error)
        if self._failure is None or self._failure.done() or self._draining:
            text = str(error) or type(error).__name__
            log.error("a part failed while the process was ending", error=text, exc_info=error)
        else:
            self._failure.set_exception(error)

    async def _unless_failed(self, awaitable: Awaitable[None]) -> None:
        """Waits for something, or raises the failure of a part if that comes first."""
        assert self._failure is not None
        task = asyncio.ensure_future(awaitable)
        try:
            await asyncio.wait({task, self._failure}, return_when=asyncio.FIRST_COMPLETED)
            if self._failure.done():
                self._failure.result()
            task.result()
        finally:
            if not task.done():
                task.cancel()
                with contextlib.suppress(asyncio.CancelledError):
                    await task

    async def _stop(self, broadcaster: asyncio.Task[None]) -> None:
        """Frontends first, so that nothing they hand on is lost; probes and metrics last."""
        self._draining = True
        assert self._stuck is not None
        # With leader's work that goes on without the lease every second counts: another replica may lead by now.
        hurry = self._stuck
        until = asyncio.get_running_loop().time() + self._grace
        late: list[str] = []
        for group in (Group.SERVING, Group.OTHERS, Group.LEADER, Group.CACHES):
            if group in self._running:
                late += await self._running[group].stop(until, hurry)
        broadcaster.cancel()
        flushed: set[asyncio.Future[Any]] = {broadcaster, hurry}
        await asyncio.wait(flushed, timeout=_EVENTS_FLUSH_SECONDS, return_when=asyncio.FIRST_COMPLETED)
        if Group.SERVERS in self._running:
            late += await self._running[Group.SERVERS].stop(until, hurry)
        await self._transport.close()
        if late:
            raise GracefulShutdownError(
                f"these parts had not ended after the grace period of {self._grace:g} s: {', '.join(late)}"
            )

    def _failed_with(self) -> BaseException | None:
        """What a part raised; cancelling `start` cancels the future too, and is no failure."""
        failure = self._failure
        return failure.exception() if failure is not None and failure.done() and not failure.cancelled() else None

    def _check_running(self) -> None:
        if self._draining:
            raise CheckFailedError("the process is shutting down")

    def _check_informers(self) -> None:
        unsynced = self.cache.unsynced()
        if unsynced:
            reasons = (f"{kind.__name__}: {error or 'first list under way'}" for kind, error in unsynced)
            raise CheckFailedError("not synced: " + "; ".join(reasons))
        if self._max_staleness is not None and (age := self.cache.oldest_contact()) > self._max_staleness:
            raise CheckFailedError(
                f"no proof of life from the API server for {age:.0f} s (--max-staleness is {self._max_staleness:g} s)"
            )


class _Leadership:
    """The leader's runnables as one runnable: they run while this replica leads."""

    def __init__(self, elector: LeaderElector | None, runnables: Sequence[Runnable]) -> None:
        self._elector = elector
        self._runnables = tuple(runnables)

    async def start(self) -> None:
        """Runs them at once without an election, else each time the election is won."""
        if self._elector is None:
            await run_all(self._runnables)
        else:
            await self._elector.run(lambda: run_all(self._runnables))
