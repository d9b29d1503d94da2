"""The controller: sources fill a queue, workers take requests from it and call the reconciler."""

from __future__ import annotations

import asyncio
import contextlib
import uuid
from collections.abc import Iterator, Sequence

import structlog

from controller_runtime import metrics
from controller_runtime.apimachinery import NamespacedName, Resource
from controller_runtime.cache import Cache
from controller_runtime.client import OwnWrites, record_writes
from controller_runtime.controller.failures import is_bug, is_terminal, retry_priority
from controller_runtime.controller.holds import Holds
from controller_runtime.controller.options import ControllerOptions
from controller_runtime.controller.reconcile import (
    Reconciler,
    Request,
    Result,
    reconcile_id,
    require_awaitable,
    require_reconciler,
    result_of,
)
from controller_runtime.controller.source import AttachedSource, KindSource, Source
from controller_runtime.controller.term import CacheSyncError, Term
from controller_runtime.workqueue import QueueSnapshot, ShutDownError

log = structlog.get_logger(__name__)

_RESULTS = ("success", "error", "requeue", "requeue_after")
"""Values of the label `result`; `requeue` stays 0, as nothing asks for that here, but dashboards know it."""
_CATCH_UP_SECONDS = 60.0
"""How long one attempt to read the caches anew takes where the time for that is not limited."""


class Controller:
    """Runs one reconciler, on the elected leader unless its options say otherwise.

    States, and what leads where:

        idle       no term                          enable_warmup, and `warmup` runs -> warming; `start` -> syncing
        warming    sources fill the queue           `start` -> syncing, with the same term; cancelled -> idle
        syncing    waits for the first states, and  done -> working; not in time, or a source fails -> raises, -> idle
                   reads the caches anew
        working    workers reconcile                cancelled, or a bug that is not recovered -> ending
        ending     waits for running reconciles     ended -> warming or idle

    Args:
        name: label of its metrics and of its log lines, unique in the process.
        reconciler: what is called for each request.
        sources: what fills the queue; `watch` adds more.
        kind: the kind that requests name, for log lines.
        options: see `ControllerOptions`.
        cache: what has to see the reconciler's writes before the same object is reconciled again. None: no such wait.
        catch_up: another replica may have led before. Then what is watched is read anew, after the election is won and
            before anything is reconciled: the watches may be behind, and the reconciler would not see what the last
            leader did. Needs `cache`.

    Raises:
        ValueError: the reconciler certainly is none: a class, a function, an object whose `reconcile` is synchronous.
    """

    def __init__(
        self,
        name: str,
        reconciler: Reconciler,
        *,
        sources: Sequence[Source] = (),
        kind: Resource | None = None,
        options: ControllerOptions | None = None,
        cache: Cache | None = None,
        catch_up: bool = False,
    ) -> None:
        require_reconciler(reconciler, name)
        self.name = name
        self.options = options or ControllerOptions()
        self.needs_leader_election = self.options.needs_leader_election
        self._reconciler = reconciler
        self._sources: list[Source] = []
        self._cache = cache
        self._catches_up = catch_up and self.needs_leader_election
        self._term: Term | None = None
        self._started = False
        self._warm = False
        self._kind = kind
        self._fields = {"controller": name}
        if kind is not None:
            self._fields |= {"controllerGroup": kind.group, "controllerKind": kind.kind}
        self._log = log.bind(**self._fields)
        self._prepare_metrics()
        for source in sources:
            self.watch(source)

    def _prepare_metrics(self) -> None:
        metrics.RECONCILE_MAX_CONCURRENT.labels(self.name).set(self.options.max_concurrent_reconciles)
        self._totals = {result: metrics.RECONCILE_TOTAL.labels(self.name, result) for result in _RESULTS}
        self._errors = metrics.RECONCILE_ERRORS.labels(self.name)
        self._terminal_errors = metrics.RECONCILE_TERMINAL_ERRORS.labels(self.name)
        self._panics = metrics.RECONCILE_PANICS.labels(self.name)
        self._timeouts = metrics.RECONCILE_TIMEOUTS.labels(self.name)
        self._active = metrics.RECONCILE_ACTIVE.labels(self.name)
        self._time = metrics.RECONCILE_TIME.labels(self.name)
        metrics.OWN_WRITES_UNSEEN.labels(self.name)

    # Sources

    def watch(self, source: Source) -> None:
        """Adds a source, at any time.

        Before `start` it is started with the others. While their first states are awaited, its own is too. While
        workers run, it is started at once and not waited for. In each further term it is one like the others.

        Raises:
            Exception: the source cannot be started; it is not added then.
        """
        if isinstance(source, AttachedSource):
            source.attach(self.name)
        if self._term is not None and not self._term.queue.is_shut_down:
            self._log.info("Starting EventSource", source=source.describe())
            self._term.start(source)
        self._sources.append(source)

    async def _begin(self) -> Term:
        term = Term(self.name, self.options.rate_limiter())
        try:
            for source in self._sources:
                self._log.info("Starting EventSource", source=source.describe())
                term.start(source)
        except BaseException:
            await term.end()
            raise
        return term

    def queue_snapshot(self) -> QueueSnapshot[Request]:
        """What the queue holds now; nothing while the controller neither runs nor warms up."""
        if self._term is None:
            return QueueSnapshot(depth={}, waiting=(), processing=())
        return self._term.queue.snapshot()

    # Terms

    async def warmup(self) -> None:
        """Keeps the sources started while this replica does not lead; runs until cancelled.

        Returns at once without `enable_warmup`. A source that fails on a standby is logged, and started anew by
        `start`, which raises what it then fails with.
        """
        if not (self.options.enable_warmup and self.needs_leader_election):
            return
        self._warm = True
        try:
            await self._warm_up()
            await asyncio.get_running_loop().create_future()
        finally:
            self._warm = False
            if not self._started:
                await self._end_term()

    async def _warm_up(self) -> None:
        if not self._warm or self._term is not None:
            return
        try:
            self._term = await self._begin()
        except Exception as error:  # noqa: BLE001 - a standby goes on; `start` tries again and raises
            self._log.error("cannot start the sources yet", error=str(error) or type(error).__name__)

    async def start(self) -> None:
        """Runs until cancelled; may be started again afterwards, as after a lost and regained leadership.

        Raises:
            CacheSyncError: a source did not deliver its first state within `cache_sync_timeout`, or the caches could
                not be read anew in that time.
            RuntimeError: it is running already.
            Exception: what a source failed with.
            ExceptionGroup: bugs of the reconciler, without `recover_panics`.
        """
        if self._started:
            raise RuntimeError(f"controller {self.name} is running already; it was probably added to a manager twice")
        self._started = True
        self._log.info("Starting Controller")
        try:
            term = await self._adopt()
            await term.wait_synced(self.options.cache_sync_timeout)
            await self._catch_up()
            await self._work_in(term)
        finally:
            self._started = False
            await self._end_term()
            self._log.info("All workers finished")
            await self._warm_up()

    async def _adopt(self) -> Term:
        """The term that was warmed up, or a new one."""
        if self._term is not None and self._term.has_failed:
            await self._end_term()
        if self._term is None:
            self._term = await self._begin()
        return self._term

    async def _end_term(self) -> None:
        term, self._term = self._term, None
        if term is not None:
            await term.end()

    async def _catch_up(self) -> None:
        kinds = [one.kind for one in self._sources if isinstance(one, KindSource) and one.cache is self._cache]
        if self._cache is None or not self._catches_up:
            return
        limit = self.options.cache_sync_timeout
        while not await self._cache.catch_up(kinds, timeout=limit or _CATCH_UP_SECONDS):
            if limit is not None:
                raise CacheSyncError(f"controller {self.name}: the caches could not be read anew within {limit} s")
            self._log.warning("the caches cannot be read anew, so nothing is reconciled yet")

    # Work

    async def _work_in(self, term: Term) -> None:
        holds = self._holds(term)
        self._log.info("Starting workers", workers=self.options.max_concurrent_reconciles)
        async with asyncio.TaskGroup() as workers:
            for number in range(self.options.max_concurrent_reconciles):
                workers.create_task(self._work(term, holds), name=f"controller/{self.name}/{number}")
            try:
                await asyncio.get_running_loop().create_future()
            finally:
                # Before the workers are cancelled: one whose reconciler swallows that must find nothing more to do.
                term.queue.shut_down()
                self._log.info("Shutdown signal received, waiting for all workers to finish")
                if holds is not None:
                    holds.end()

    def _holds(self, term: Term) -> Holds | None:
        if self._cache is None or self.options.await_own_writes == 0:
            return None
        return Holds(term.queue, self._cache, self.options.await_own_writes, self._log)

    async def _work(self, term: Term, holds: Holds | None) -> None:
        structlog.contextvars.bind_contextvars(**self._fields)  # ends with the task, whose context it is
        while True:
            try:
                request, priority = await term.queue.get()
            except ShutDownError:
                return
            self._active.inc()
            term.taken(request)
            writes = None
            try:
                with self._time.time(), record_writes() as writes:
                    await self._reconcile(term, request, priority)
            finally:
                self._active.dec()
                self._end_run(term, holds, request, writes)
            # Neither a reconciler that reads the cache alone nor a queue that is not empty gives the loop a turn.
            await asyncio.sleep(0)

    def _end_run(self, term: Term, holds: Holds | None, request: Request, writes: OwnWrites | None) -> None:
        if holds is None or not writes or term.queue.is_shut_down:
            term.queue.done(request)
        else:
            holds.done(request, writes)

    async def _reconcile(self, term: Term, request: Request, priority: int) -> None:
        """One run and what follows from it: forget, add again later, or add again with back-off."""
        if not self._is_request(request):
            return
        with self._named(request):
            try:
                result = result_of(await self._run(request))
                self._succeeded(term, request, result, priority)
            except asyncio.CancelledError as error:
                if _is_being_cancelled():
                    raise
                # Something that the reconciler awaited was cancelled; this worker was not.
                self._failed(error)
                term.queue.add(request, rate_limited=True, priority=priority)
            except Exception as error:
                self._failed(error)
                if is_terminal(error):
                    self._terminal_errors.inc()
                    term.settled(request)
                    return
                if is_bug(error) and not self.options.recover_panics:
                    raise
                term.queue.add(request, rate_limited=True, priority=retry_priority(error, priority))

    def _is_request(self, item: object) -> bool:
        """Whether the queue holds what it should; a mistake of a source costs its own item and not the controller."""
        if isinstance(item, NamespacedName):
            return True
        self._failed(TypeError(f"a source put {item!r} into the queue, which is no Request (a NamespacedName)"))
        return False

    @contextlib.contextmanager
    def _named(self, request: Request) -> Iterator[None]:
        """Names the run in log lines, with the keys that controller-runtime uses, and in `reconcile_id`."""
        run = str(uuid.uuid4())
        names = {"namespace": request.namespace, "name": request.name}
        about = {"object" if self._kind is None else self._kind.kind: names}
        token = reconcile_id.set(run)
        try:
            with structlog.contextvars.bound_contextvars(**about, **names, reconcileID=run):
                yield
        finally:
            reconcile_id.reset(token)

    async def _run(self, request: Request) -> Result | None:
        if self.options.reconciliation_timeout is None:
            return await self._reconcile_once(request)
        limit = asyncio.timeout(self.options.reconciliation_timeout)
        try:
            async with limit:
                return await self._reconcile_once(request)
        except TimeoutError as error:
            if not limit.expired() or str(error):
                raise
            seconds = self.options.reconciliation_timeout
            raise TimeoutError(f"the run took longer than reconciliation_timeout ({seconds:g} s)") from error
        finally:
            if limit.expired():
                self._timeouts.inc()

    async def _reconcile_once(self, request: Request) -> Result | None:
        run = self._reconciler.reconcile(request)
        require_awaitable(run)
        return await run

    def _failed(self, error: BaseException) -> None:
        self._totals["error"].inc()
        self._errors.inc()
        bug = is_bug(error)
        if bug:
            self._panics.inc()
        text = str(error) or type(error).__name__
        if bug and self.options.recover_panics:
            text = f"panic: {text} [recovered]"
        # The text of a group says how many errors it has, but not which.
        in_full = bug or isinstance(error, BaseExceptionGroup)
        self._log.error("Reconciler error", error=text, exc_info=error if in_full else None)

    def _succeeded(self, term: Term, request: Request, result: Result, priority: int) -> None:
        term.queue.forget(request)
        if result.requeue_after > 0:
            next_priority = priority if result.priority is None else result.priority
            term.queue.add(request, after=result.requeue_after, priority=next_priority)
            self._totals["requeue_after"].inc()
        else:
            term.settled(request)
            self._totals["success"].inc()


def _is_being_cancelled() -> bool:
    """Whether somebody wants the running task to end, as opposed to something that it awaited."""
    task = asyncio.current_task()
    return task is None or task.cancelling() > 0
