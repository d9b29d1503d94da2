"""The operator under test: its reconciler, and one replica of it with everything that a replica has."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import itertools
from collections import Counter
from collections.abc import Iterator
from typing import Any, NamedTuple

from msgspec.structs import replace

from controller_runtime.apimachinery import NamespacedName, Object, metadata_of
from controller_runtime.builder import ControllerBuilder
from controller_runtime.cache import Informer, InformerOptions, Selector
from controller_runtime.client import AiohttpTransport, NotFoundError, RestConfig, patch_status
from controller_runtime.controller import ControllerOptions, FuncSource, Request, ResourceVersionChangedPredicate
from controller_runtime.controller.controller import Controller
from controller_runtime.leaderelection import LeaderElection
from controller_runtime.manager import Manager
from controller_runtime.workqueue import ItemExponentialFailureRateLimiter, PriorityQueue
from tests.soak.kinds import (
    ALL_NAMESPACES,
    GOLD,
    GUARD,
    NAMESPACES,
    Child,
    Digest,
    Widget,
    WidgetStatus,
    child_of,
    colours_of,
    is_child_of,
    result_of,
    sizes_of,
    without_annotations,
    without_padding,
)
from tests.soak.shadow import Problems, Shadow
from tests.soak.traffic import CountingTransport

FIELD_OWNER = "soak"
WORKERS = 8
RUN_SECONDS = 3.0
"""How long a reconciliation may take: what hangs ends then, and not only when the fence of its writes does (4 s)."""
GOLD_ONLY = Selector(labels=GOLD)


class Heard(NamedTuple):
    """An event."""

    tick: int
    what: str


class Watchman:
    """Sees to it that no object is reconciled twice at once, and orders events and reconciliations.

    Attributes:
        reconciles: how many began, by replica.
    """

    def __init__(self, problems: Problems) -> None:
        self.reconciles: Counter[str] = Counter()
        self._problems = problems
        self._ticks = itertools.count(1)
        self._running: dict[NamespacedName, str] = {}

    def tick(self) -> int:
        """A number above all that were given before."""
        return next(self._ticks)

    @contextlib.contextmanager
    def reconciling(self, request: Request, replica: str) -> Iterator[None]:
        """One reconciliation."""
        if request in self._running:
            self._problems.add(f"{request} was reconciled by {replica} while {self._running[request]} was at it")
        self._running[request] = replica
        self.reconciles[replica] += 1
        try:
            yield
        finally:
            self._running.pop(request, None)


class WidgetReconciler:
    """Gives a Widget its child and its status, and takes the child away."""

    def __init__(self, replica: Replica) -> None:
        self._replica = replica
        self._client = replica.manager.client
        self._cache = replica.manager.cache

    async def reconcile(self, request: Request) -> None:
        """One run."""
        self._replica.began[request] = self._replica.watchman.tick()
        with self._replica.watchman.reconciling(request, self._replica.name):
            widget, child = self._cache.get(Widget, request), self._cache.get(Child, request)
            if widget is None or widget.metadata.deletion_timestamp is not None:
                await self._end(widget, child)
            else:
                await self._bring_about(widget, child)

    async def _end(self, widget: Widget | None, child: Child | None) -> None:
        if child is not None:
            await self._delete(child)
        if widget is not None and GUARD in widget.metadata.finalizers:
            left = [name for name in widget.metadata.finalizers if name != GUARD]
            metadata = {"finalizers": left, "resourceVersion": widget.metadata.resource_version}
            with contextlib.suppress(NotFoundError):
                await self._client.patch(Widget, widget.key, {"metadata": metadata})

    async def _delete(self, child: Child) -> None:
        with contextlib.suppress(NotFoundError):
            await self._client.delete(child, uid=child.metadata.uid)

    async def _bring_about(self, widget: Widget, child: Child | None) -> None:
        if child is not None and not widget.spec.child:
            await self._delete(child)
        if widget.spec.child and (child is None or not is_child_of(child, widget)):
            await self._client.apply(Child, widget.key, child_of(widget), field_owner=FIELD_OWNER, force=True)
        await self._tell(widget)

    async def _tell(self, widget: Widget) -> None:
        """Both ways to write a status: over whatever is there, and only over what was read."""
        if widget.status.seen == result_of(widget.spec):
            return
        if widget.spec.size % 2:
            await self._client.status.patch(Widget, widget.key, {"status": {"seen": result_of(widget.spec)}})
        else:
            await patch_status(self._client, widget, _with_result)


def _with_result(widget: Widget) -> Widget:
    return replace(widget, status=WidgetStatus(seen=result_of(widget.spec)))


class Replica:
    """A manager with its controller and informers, from its start to its end.

    Args:
        name: also of its controller, whose metrics must not mix with the other replica's.
        config: leads through the fault proxy.
        counts: what all replicas do is counted here.
        watchman: shared by all replicas.
        problems: likewise.
        warm: whether the controller is warmed up.

    Attributes:
        began: the tick of the last reconciliation of each object.
        heard: the last event of each object that asks for a reconciliation.
        term_began: the tick at which the present term began to fill its queue.
        limiter: that of the present term, or else of the last one.
    """

    def __init__(
        self,
        name: str,
        config: RestConfig,
        counts: Counter[str],
        watchman: Watchman,
        problems: Problems,
        *,
        warm: bool,
    ) -> None:
        self.name = name
        self.watchman = watchman
        self.problems = problems
        self.began: dict[NamespacedName, int] = {}
        self.heard: dict[NamespacedName, Heard] = {}
        self.warm = warm
        self.term_began = 0
        self.limiter = ItemExponentialFailureRateLimiter[Request]()
        self.manager = Manager(
            CountingTransport(AiohttpTransport(config), counts),
            leader_election=LeaderElection(
                name="soak", namespace="default", identity=name, lease_duration=6, renew_deadline=4, retry_period=1
            ),
            kinds={
                Widget: InformerOptions(namespaces={NAMESPACES[0]: None, "": None}),
                metadata_of(Widget): InformerOptions(streaming_list=True),
                Digest: InformerOptions(transform=without_annotations, resync_period=45),
                Child: InformerOptions(
                    namespaces=ALL_NAMESPACES, selector=Selector(labels="app=soak"), transform=without_padding
                ),
            },
        )
        self.shadows = self._shadows()
        self.controller = self._controller(warm=warm)
        self.manager.add(_Reign(counts))
        self._task: asyncio.Task[None] | None = None

    def _shadows(self) -> dict[Informer[Any], Shadow]:
        cache = self.manager.cache
        cache.index(Widget, "colour", colours_of)
        cache.index(Widget, "size", sizes_of)
        cache.index(Widget, "colour", colours_of, selector=GOLD_ONLY)
        informers: list[Informer[Any]] = [
            cache.informer(Widget),
            cache.informer(metadata_of(Widget)),
            cache.informer(Widget, selector=GOLD_ONLY),
            cache.informer(Digest),
            cache.informer(Child),
        ]
        shadows = {}
        for informer in informers:
            is_watched = informer.kind in (Widget, Child) and informer.selector is None
            heard = self._note_event if is_watched else _ignore
            shadows[informer] = Shadow(f"{self.name}: {informer.name}", self.problems, heard)
            informer.add_handler(shadows[informer])
        return shadows

    def _note_event(self, obj: Object, what: str) -> None:
        if isinstance(obj, Child) and what == "listed":
            return  # this one the controller's predicate keeps away
        text = f"{type(obj).__name__} {what}, {obj.metadata.resource_version}"
        self.heard[obj.key] = Heard(self.watchman.tick(), text)

    def _controller(self, *, warm: bool) -> Controller:
        options = ControllerOptions(
            max_concurrent_reconciles=WORKERS,
            reconciliation_timeout=RUN_SECONDS,
            enable_warmup=warm,
            rate_limiter=self._make_limiter,
        )
        return (
            ControllerBuilder(self.manager)
            .named(self.name)
            .for_(Widget)
            .owns(Child, predicates=[ResourceVersionChangedPredicate()])
            .watches_raw_source(FuncSource(self._begin_term))
            .with_options(options)
            .complete(WidgetReconciler(self))
        )

    def _make_limiter(self) -> ItemExponentialFailureRateLimiter[Request]:
        self.limiter = ItemExponentialFailureRateLimiter[Request](maximum=8)
        return self.limiter

    def _begin_term(self, queue: PriorityQueue[Request]) -> None:
        self.term_began = self.watchman.tick()

    @property
    def feeds(self) -> int:
        """How many collections it follows."""
        return sum(len(informer._feeds) for informer in self.shadows)

    def handlers_of(self, informer: Informer[Any]) -> int:
        """How many handlers an informer should have: its shadow, and during a term those of the controller."""
        is_watched = informer.kind in (Widget, Child) and informer.selector is None
        return 1 + (is_watched and self.controller._term is not None)

    @property
    def leads(self) -> bool:
        """Whether it reconciles."""
        return self.manager.elector is not None and self.manager.elector.is_leader

    @property
    def is_idle(self) -> bool:
        """Whether its queue is empty and nobody works."""
        snapshot = self.controller.queue_snapshot()
        return not (any(snapshot.depth.values()) or snapshot.waiting or snapshot.processing or snapshot.held)

    def start(self) -> None:
        """Runs it in a task of its own."""
        self._task = asyncio.create_task(self.manager.start(), name=f"replica/{self.name}")
        self._task.add_done_callback(functools.partial(_ended, self.problems, self.name))

    async def wait_synced(self) -> None:
        """Returns when its caches have synced."""
        await self.manager.cache.wait_synced()

    async def stop(self) -> None:
        """Ends it as SIGTERM would."""
        assert self._task is not None
        self._task.cancel()
        await asyncio.wait({self._task})


class _Reign:
    """Leader's work that counts how often it begins."""

    def __init__(self, counts: Counter[str]) -> None:
        self._counts = counts

    async def start(self) -> None:
        """Runs as long as its replica leads."""
        self._counts["elections won"] += 1
        await asyncio.get_running_loop().create_future()


def _ignore(_: Object, __: str) -> None:
    pass


def _ended(problems: Problems, name: str, task: asyncio.Task[None]) -> None:
    if task.cancelled():
        return
    problems.add(f"replica {name} ended by itself: {task.exception()!r}")
