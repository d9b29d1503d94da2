"""The controller: sources fill a queue, workers take requests from it and call the reconciler."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import structlog

from controller_runtime import metrics
from controller_runtime.apimachinery import Resource
from controller_runtime.controller.reconcile import Reconciler, Request, Result, TerminalError
from controller_runtime.controller.source import Source
from controller_runtime.workqueue import PriorityQueue, ShutDownError

log = structlog.get_logger(__name__)

_BUGS = (ArithmeticError, AssertionError, AttributeError, LookupError, NameError, TypeError)
"""Exceptions that stand for a mistake in the code: what a panic is in Go. Counted apart, retried like any error."""

_RESULTS = ("success", "error", "requeue", "requeue_after")
"""Values of the label `result`; `requeue` stays 0, as nothing asks for that here, but dashboards know it."""


class CacheSyncError(TimeoutError):
    """A source did not deliver its first state in time; the message says which one and what the last error was."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ControllerOptions:
    """How a controller runs; the defaults are controller-runtime's."""

    max_concurrent_reconciles: int = 1
    """Workers. One object is never reconciled twice at once, however many there are."""
    cache_sync_timeout: float | None = 120
    """Seconds that the sources may take to deliver their first state before `CacheSyncError` ends the controller; None
    waits for ever, for operators that would rather be unready than restart."""
    reconciliation_timeout: float | None = None
    """Seconds that one run may take; it is cancelled then and retried as an error. None: no limit."""
    recover_panics: bool = True
    """Retry after an exception that is a bug; False ends the controller with it."""


class Controller:
    """Runs one reconciler on the elected leader."""

    needs_leader_election = True

    def __init__(
        self,
        name: str,
        reconciler: Reconciler,
        *,
        sources: Sequence[Source],
        kind: Resource | None = None,
        options: ControllerOptions | None = None,
    ) -> None:
        """Prepares the controller; nothing runs before `start`.

        Args:
            name: label of its metrics and of its log lines, unique in the process.
            reconciler: what is called for each request.
            sources: what fills the queue.
            kind: the kind that requests name, for log lines.
            options: see `ControllerOptions`.

        Raises:
            ValueError: there is nothing to watch, or no worker.
        """
        self._options = options or ControllerOptions()
        if not sources:
            raise ValueError(f"controller {name} needs a source to watch")
        if self._options.max_concurrent_reconciles < 1:
            raise ValueError(f"controller {name} needs at least one worker (max_concurrent_reconciles)")
        self.name = name
        self._reconciler = reconciler
        self._sources = tuple(sources)
        self._kind = kind
        self._queue: PriorityQueue[Request] = PriorityQueue(name)
        self._log = log.bind(controller=name)
        if kind is not None:
            self._log = self._log.bind(controllerGroup=kind.group, controllerKind=kind.kind)
        metrics.RECONCILE_MAX_CONCURRENT.labels(name).set(self._options.max_concurrent_reconciles)
        for result in _RESULTS:
            metrics.RECONCILE_TOTAL.labels(name, result)
        for counter in (metrics.RECONCILE_ERRORS, metrics.RECONCILE_TERMINAL_ERRORS, metrics.RECONCILE_PANICS):
            counter.labels(name)
        metrics.RECONCILE_TIMEOUTS.labels(name)
        self._active = metrics.RECONCILE_ACTIVE.labels(name)
        self._time = metrics.RECONCILE_TIME.labels(name)

    async def start(self) -> None:
        """Runs until cancelled; may be started again afterwards, as after a lost and regained leadership.

        Raises:
            CacheSyncError: a source did not deliver its first state within `cache_sync_timeout`.
        """
        self._queue = PriorityQueue(self.name)
        self._log.info("Starting Controller")
        try:
            for source in self._sources:
                source.start(self._queue)
            await self._wait_for_sources()
            self._log.info("Starting workers", workers=self._options.max_concurrent_reconciles)
            async with asyncio.TaskGroup() as workers:
                for number in range(self._options.max_concurrent_reconciles):
                    workers.create_task(self._work(), name=f"controller/{self.name}/{number}")
                try:
                    await asyncio.get_running_loop().create_future()
                finally:
                    # Before the workers are cancelled: one whose reconciler swallows that must find nothing more to do.
                    self._queue.shut_down()
        finally:
            for source in self._sources:
                source.stop()
            self._queue.shut_down()
            self._log.info("All workers finished")

    async def _wait_for_sources(self) -> None:
        waits = [asyncio.ensure_future(source.wait_synced()) for source in self._sources]
        limit = self._options.cache_sync_timeout
        try:
            done, pending = await asyncio.wait(waits, timeout=limit, return_when=asyncio.FIRST_EXCEPTION)
            for wait in done:
                wait.result()
            if pending:
                late = [source.describe() for source, wait in zip(self._sources, waits, strict=True) if not wait.done()]
                raise CacheSyncError(
                    f"controller {self.name}: caches did not sync within {limit} s: " + "; ".join(late)
                )
        finally:
            for wait in waits:
                wait.cancel()
            await asyncio.gather(*waits, return_exceptions=True)

    async def _work(self) -> None:
        while True:
            try:
                request, priority = await self._queue.get()
            except ShutDownError:
                return
            self._active.inc()
            try:
                with self._time.time():
                    await self._reconcile(request, priority)
            finally:
                self._active.dec()
                self._queue.done(request)

    async def _reconcile(self, request: Request, priority: int) -> None:
        """One run and what follows from it: forget, add again later, or add again with back-off."""
        fields = {"namespace": request.namespace, "name": request.name, "reconcileID": str(uuid.uuid4())}
        with structlog.contextvars.bound_contextvars(controller=self.name, **fields):
            try:
                result = await self._run(request)
                self._succeeded(request, result or Result(), priority)
            except asyncio.CancelledError as error:
                if _is_being_cancelled():
                    raise
                # Something that the reconciler awaited was cancelled; this worker was not.
                self._failed(error)
                self._queue.add(request, rate_limited=True, priority=priority)
            except Exception as error:
                self._failed(error)
                if _is_terminal(error):
                    metrics.RECONCILE_TERMINAL_ERRORS.labels(self.name).inc()
                    return
                if _is_bug(error) and not self._options.recover_panics:
                    raise
                self._queue.add(request, rate_limited=True, priority=priority)

    async def _run(self, request: Request) -> Result | None:
        limit = asyncio.timeout(self._options.reconciliation_timeout)
        try:
            async with limit:
                return await self._reconciler.reconcile(request)
        finally:
            if limit.expired():
                metrics.RECONCILE_TIMEOUTS.labels(self.name).inc()

    def _failed(self, error: BaseException) -> None:
        metrics.RECONCILE_TOTAL.labels(self.name, "error").inc()
        metrics.RECONCILE_ERRORS.labels(self.name).inc()
        is_bug = _is_bug(error)
        if is_bug:
            metrics.RECONCILE_PANICS.labels(self.name).inc()
        text = str(error) or type(error).__name__
        # The text of a group says how many errors it has, but not which.
        in_full = is_bug or isinstance(error, BaseExceptionGroup)
        self._log.error("Reconciler error", error=text, exc_info=error if in_full else None)

    def _succeeded(self, request: Request, result: Result, priority: int) -> None:
        self._queue.forget(request)
        if result.requeue_after > 0:
            next_priority = priority if result.priority is None else result.priority
            self._queue.add(request, after=result.requeue_after, priority=next_priority)
            metrics.RECONCILE_TOTAL.labels(self.name, "requeue_after").inc()
        else:
            metrics.RECONCILE_TOTAL.labels(self.name, "success").inc()


def _is_being_cancelled() -> bool:
    """Whether somebody wants the running task to end, as opposed to something that it awaited."""
    task = asyncio.current_task()
    return task is None or task.cancelling() > 0


def _is_bug(error: BaseException) -> bool:
    """Whether the error, or one of those that it groups, is a mistake in the code."""
    if isinstance(error, BaseExceptionGroup):
        return error.subgroup(_BUGS) is not None
    return isinstance(error, _BUGS)


def _is_terminal(error: BaseException) -> bool:
    """Whether a `TerminalError` stands anywhere among the error, its causes, and the errors that it groups."""
    return any(isinstance(one, TerminalError) for one in _chain(error))


def _chain(error: BaseException) -> Iterator[BaseException]:
    """The error with all that it wraps and joins, as Go's `errors.As` walks it."""
    pending = [error]
    while pending:
        one = pending.pop()
        yield one
        if isinstance(one, BaseExceptionGroup):
            pending += one.exceptions
        if one.__cause__ is not None:
            pending.append(one.__cause__)
