"""The manager itself: what belongs to it, and the order of start and stop."""

from __future__ import annotations

import asyncio
import contextlib
import math
from collections.abc import Awaitable, Callable, Mapping, Sequence
from types import MappingProxyType
from typing import Any

import structlog

from controller_runtime.apimachinery import Object, Resource
from controller_runtime.cache import Cache, InformerOptions
from controller_runtime.cache.options import NO_OPTIONS, Namespaces
from controller_runtime.client import Client, Transport
from controller_runtime.controller import Controller, ControllerOptions
from controller_runtime.leaderelection import LeaderElection, LeaderElector, LeaderWorkStuckError
from controller_runtime.manager.debug import debug_pages
from controller_runtime.manager.endpoints import Endpoint, probes
from controller_runtime.manager.healthz import Check, CheckFailedError, ping
from controller_runtime.manager.metrics_server import MetricsServer, MetricsServerOptions
from controller_runtime.manager.runnable import (
    AfterCaches,
    Group,
    Roster,
    Runnable,
    RunningGroup,
    SyncedRunnable,
    Warmup,
    WarmupRunnable,
    group_of,
    require_runnable,
)
from controller_runtime.recorder import EventBroadcaster, EventRecorder

log = structlog.get_logger(__name__)

_EVENTS_FLUSH_SECONDS = 3.0
_AFTER_CACHES = (Group.OTHERS, Group.WARMUP, Group.LEADER)
_STOPPED = ((Group.SERVING,), (Group.OTHERS,), (Group.LEADER, Group.WARMUP), (Group.CACHES,))
"""The groups in the order of the stop, some side by side; the servers follow when Events have been sent."""
_PROBES = "the probes (health_probe_bind_address)"
_DEBUG = "the debug pages (debug_bind_address)"


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
        namespaces: Namespaces = (),
        kinds: Mapping[type[Object], InformerOptions] = MappingProxyType({}),
        informer_defaults: InformerOptions = NO_OPTIONS,
        metrics_server: MetricsServerOptions | None = None,
        health_probe_bind_address: str = "0",
        debug_bind_address: str = "0",
        graceful_shutdown_timeout: float = 30,
        max_staleness: float | None = None,
        controller_defaults: ControllerOptions | None = None,
        group_kind_concurrency: Mapping[str, int] | None = None,
    ) -> None:
        """Prepares a manager; the addresses are bound at once, nothing runs before `start`.

        Args:
            transport: the way to the API server; closed when the manager ends.
            leader_election: None runs leader's work at once, for a process that is alone.
            namespaces: what the cache is limited to; empty means the whole cluster.
            kinds: options of the cache's informers, by kind.
            informer_defaults: their options where those of the kind say nothing.
            metrics_server: where and how `/metrics` is served; None means nowhere.
            health_probe_bind_address: where `/healthz` and `/readyz` are served; "" or "0" means nowhere.
            debug_bind_address: where the pages of `debug` are served, to everybody who can reach it; "" or "0" means
                nowhere.
            graceful_shutdown_timeout: seconds that everything together may take to end; negative or `math.inf` for no
                limit; 0 cancels everything and waits for nothing, which is no error then.
            max_staleness: seconds without proof of life from the API server after which this replica says that it is
                not ready; None never.
            controller_defaults: options of controllers that are not given one themselves.
            group_kind_concurrency: workers by the kind that a controller reconciles, named `Widget.example.com`, or
                `Secret` for a kind of the core group; for controllers that are not given `max_concurrent_reconciles`
                themselves, before `controller_defaults`.

        Raises:
            ListenError: an address is taken or malformed.
            CertificateError: the metrics server's certificate cannot be read or used.
        """
        self.replica_client = Client(transport)
        self.cache = Cache(self.replica_client, namespaces=namespaces, kinds=kinds, defaults=informer_defaults)
        self._broadcaster = EventBroadcaster(self.replica_client)
        self.elector = self._make_elector(leader_election)
        self.client = Client(transport, fence=self.elector.fence) if self.elector else self.replica_client
        self._transport = transport
        self._grace = math.inf if graceful_shutdown_timeout < 0 else graceful_shutdown_timeout
        self._max_staleness = max_staleness
        self._runnables: dict[Group, list[Runnable]] = {group: [] for group in Group}
        self._running: dict[Group, RunningGroup] = {}
        self._leadership = _Leadership(self.elector)
        self._late_caches: list[SyncedRunnable] = []
        self._controllers: set[str] = set()
        self._controller_defaults = controller_defaults or ControllerOptions()
        self._concurrency = dict(group_kind_concurrency or {})
        self._unused_concurrency = set(self._concurrency)
        self._started = False
        self._draining = False
        self._failure: asyncio.Future[None] | None = None
        self._stuck: asyncio.Future[LeaderWorkStuckError] | None = None
        self._healthz: dict[str, Check] = {"ping": ping}
        self._readyz: dict[str, Check] = {"running": self._check_running, "informers": self._check_informers}
        self.add(self.cache, group=Group.CACHES)
        options = metrics_server or MetricsServerOptions()
        with contextlib.ExitStack() as cleanup:
            self.probe_port = self._serve(
                health_probe_bind_address,
                lambda address: Endpoint(address, _PROBES, probes(self._healthz, self._readyz)),
                cleanup,
            )
            self.metrics_port = self._serve(
                options.bind_address, lambda _: MetricsServer(options, self.replica_client), cleanup
            )
            self.debug_port = self._serve(
                debug_bind_address,
                lambda address: Endpoint(address, _DEBUG, debug_pages(self._all_controllers)),
                cleanup,
            )
            cleanup.pop_all()

    def _make_elector(self, options: LeaderElection | None) -> LeaderElector | None:
        return (
            LeaderElector(self.replica_client, options, recorder=self.recorder("leader-election")) if options else None
        )

    def _serve(
        self, address: str, make: Callable[[str], Endpoint | MetricsServer], cleanup: contextlib.ExitStack
    ) -> int | None:
        if address in ("", "0"):
            return None
        server = make(address)
        cleanup.callback(server.close)
        self.add(server, group=Group.SERVERS)
        return server.port

    def _all_controllers(self) -> list[Controller]:
        return [one for group in self._runnables.values() for one in group if isinstance(one, Controller)]

    def recorder(self, controller: str) -> EventRecorder:
        """Records Events under that controller's name."""
        return self._broadcaster.recorder(controller)

    def controller_options(self, given: ControllerOptions, kind: Resource | None) -> ControllerOptions:
        """The options of a controller of a kind: what it is given, else what this manager says, else the defaults."""
        name = "" if kind is None else f"{kind.kind}.{kind.group}" if kind.group else kind.kind
        self._unused_concurrency.discard(name)
        defaults = self._controller_defaults
        if name in self._concurrency:
            defaults = ControllerOptions(max_concurrent_reconciles=self._concurrency[name]).over(defaults)
        return given.over(defaults)

    def add(self, runnable: Runnable, *, group: Group | None = None) -> None:
        """Adds a part to the process, which is started with its group; at once if that has been started.

        What is added after caches that were added late starts when these have synced (`SyncedRunnable`).

        Args:
            runnable: what to run.
            group: when it starts and stops; by default `LEADER`, or `OTHERS` for a runnable whose attribute
                `needs_leader_election` is False. One of `LEADER` that has a `warmup` is warmed up before it leads.

        Raises:
            RuntimeError: the manager is ending, or has ended.
            ValueError: it is a controller whose name another one has.
            TypeError: it has no `start`, or is a class.
        """
        require_runnable(runnable)
        if self._draining:
            raise RuntimeError(f"the manager is ending and takes no part any more: {type(runnable).__name__}")
        if isinstance(runnable, Controller) and runnable.name in self._controllers:
            raise ValueError(f"there is a controller named {runnable.name} already; their metrics would mix")
        self._place(runnable, group or group_of(runnable))
        if isinstance(runnable, Controller):
            self._controllers.add(runnable.name)

    def _place(self, runnable: Runnable, group: Group) -> None:
        if group in self._running:
            self._place_late(runnable, group)
        self._runnables[group].append(runnable)
        if group is Group.LEADER and self.elector is not None and isinstance(runnable, WarmupRunnable):
            self._place(Warmup(runnable), Group.WARMUP)

    def _place_late(self, runnable: Runnable, group: Group) -> None:
        """Starts a part of a group that has been started."""
        if group in _AFTER_CACHES and self._late_caches:
            runnable = AfterCaches(runnable, self._late_caches)
        if group is Group.LEADER:
            self._leadership.roster.add(runnable)
        else:
            self._running[group].add(runnable)
        if group is Group.CACHES and isinstance(runnable, SyncedRunnable):
            self._late_caches.append(runnable)

    def add_healthz_check(self, name: str, check: Check) -> None:
        """Adds a check to `/healthz`: its failure means that the process should be restarted."""
        self._healthz[name] = check

    def add_readyz_check(self, name: str, check: Check) -> None:
        """Adds a check to `/readyz`: its failure takes this replica out of the Services."""
        self._readyz[name] = check

    async def start(self) -> None:
        """Runs everything until cancelled or until a part fails.

        The groups are started in their order. Those after the caches wait until these have synced; the leader's work
        begins whenever this replica wins the election, at once without one.

        Raises:
            RuntimeError: started a second time.
            ValueError: `group_kind_concurrency` names a kind that no controller reconciles.
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
            self._check_concurrency()
            for group in (Group.SERVERS, Group.SERVING, Group.CACHES):
                self._launch(group, self._runnables[group])
            await self._unless_failed(self._caches_synced())
            for group in (Group.OTHERS, Group.WARMUP):
                self._launch(group, self._runnables[group])
            for runnable in self._runnables[Group.LEADER]:
                self._leadership.roster.add(runnable)
            self._launch(Group.LEADER, [self._leadership])
            await self._failure
        finally:
            await self._wind_up(broadcaster)

    def _check_concurrency(self) -> None:
        if self._unused_concurrency:
            names = ", ".join(sorted(self._unused_concurrency))
            raise ValueError(
                f"group_kind_concurrency names what no controller reconciles: {names}; keys look like "
                "Widget.example.com, or Secret in the core group"
            )

    async def _caches_synced(self) -> None:
        """Waits for all caches, those included that are added meanwhile."""
        for cache in self._runnables[Group.CACHES]:
            if isinstance(cache, SyncedRunnable):
                await cache.wait_synced()
        self._late_caches.clear()

    async def wait_elected(self) -> None:
        """Returns once this replica leads, at once if there is no election.

        It leads no longer than until the next election; whoever must know at each moment asks `elector`.

        Raises:
            RuntimeError: the manager is ending, or has ended.
        """
        if self.elector is None:
            return
        while not self._draining:
            if self._leadership.is_leading:
                return
            await self._leadership.news()
        raise RuntimeError("the manager is ending, so this replica will not lead any more")

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
        self._leadership.tell()
        assert self._stuck is not None
        # With leader's work that goes on without the lease every second counts: another replica may lead by now.
        hurry = self._stuck
        until = asyncio.get_running_loop().time() + self._grace
        late: list[str] = []
        for groups in _STOPPED:
            running = [self._running[group] for group in groups if group in self._running]
            for names in await asyncio.gather(*(group.stop(until, hurry) for group in running)):
                late += names
            if late and self.elector is not None:
                self.elector.forbid_release()
        broadcaster.cancel()
        flushed: set[asyncio.Future[Any]] = {broadcaster, hurry}
        patience = _EVENTS_FLUSH_SECONDS if self._grace > 0 else 0
        await asyncio.wait(flushed, timeout=patience, return_when=asyncio.FIRST_COMPLETED)
        if Group.SERVERS in self._running:
            late += await self._running[Group.SERVERS].stop(until, hurry)
        await self._transport.close()
        if late and self._grace > 0:
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
            reasons = (f"{one.name}: {one.last_error or 'first list under way'}" for one in unsynced)
            raise CheckFailedError("not synced: " + "; ".join(reasons))
        if self._max_staleness is not None and (age := self.cache.oldest_contact()) > self._max_staleness:
            raise CheckFailedError(
                f"no proof of life from the API server for {age:.0f} s (max_staleness is {self._max_staleness:g} s)"
            )


class _Leadership:
    """The leader's runnables as one runnable: they run while this replica leads."""

    def __init__(self, elector: LeaderElector | None) -> None:
        self.roster = Roster()
        self._elector = elector
        self._leads = False
        self._listeners: set[asyncio.Future[None]] = set()

    @property
    def is_leading(self) -> bool:
        """Whether the leader's runnables run, and may write."""
        return self._leads and (self._elector is None or self._elector.is_leader)

    async def start(self) -> None:
        """Runs them at once without an election, else each time the election is won."""
        if self._elector is None:
            await self._lead()
        else:
            await self._elector.run(self._lead)

    async def _lead(self) -> None:
        self._leads = True
        self.tell()
        try:
            await self.roster.run()
        finally:
            self._leads = False

    async def news(self) -> None:
        """Returns when the election is won the next time, or the manager begins to end."""
        listener = asyncio.get_running_loop().create_future()
        self._listeners.add(listener)
        try:
            await listener
        finally:
            self._listeners.discard(listener)

    def tell(self) -> None:
        """Wakes those who wait for news."""
        for listener in self._listeners:
            if not listener.done():
                listener.set_result(None)
