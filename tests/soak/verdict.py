"""What has to hold in the end: the replicas know what the API server says, and there is nothing left to do."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Awaitable, Callable, Iterable, Sequence
from typing import Any

from controller_runtime import metrics
from controller_runtime.apimachinery import NamespacedName, Object, ObjectMeta
from controller_runtime.cache import Informer
from controller_runtime.cache.feed import Feed
from controller_runtime.client import Client, OwnWrite, OwnWrites, record_writes
from controller_runtime.envtest.calls import Call
from controller_runtime.envtest.fault_proxy import FaultProxy
from tests.soak.figures import tasks_by_name
from tests.soak.kinds import ALL_NAMESPACES, GOLD, OURS, PROBE, Child, Widget, WidgetSpec, is_child_of, result_of
from tests.soak.operator import Replica
from tests.soak.shadow import Identity, Problems, identity

SETTLES_WITHIN = 240.0
"""Seconds that everything may take to come to rest once the weather is fine and nobody writes."""
_REST = 2.0
_LOOK_AGAIN = 0.2
_TRANSIENT = frozenset({"look-up", "catch-up", "sync"})
"""Tasks of the library that wait for something."""
_LABEL, _, _VALUE = GOLD.partition("=")


class Verdict:
    """Compares replicas with the API server.

    Args:
        client: reads live, past the faults.
        proxy: knows what is watched; it is healed.
        replicas: all of them; they run.
        problems: is told of what is wrong.
    """

    def __init__(self, client: Client, proxy: FaultProxy, replicas: Sequence[Replica], problems: Problems) -> None:
        self._client = client
        self._proxy = proxy
        self._replicas = replicas
        self._problems = problems
        self._behind: list[str] = []
        self._lists: dict[tuple[Any, ...], dict[NamespacedName, Any]] = {}

    async def reach(self) -> None:
        """Waits until there is rest, and compares everything."""
        try:
            async with asyncio.timeout(SETTLES_WITHIN):
                await self._settle()
        except TimeoutError:
            busy = f"{await self._watches()} watches; {self._busy()}"
            self._problems.add(f"no rest within {SETTLES_WITHIN:.0f} s: {busy}")
        self._check_results(await self._live(Widget), await self._live(Child, label_selector="app=soak"))
        for replica in self._replicas:
            for informer in replica.shadows:
                await self._check_informer(replica, informer)
            self._check_left_over(replica)
        if transient := {name: count for name, count in tasks_by_name().items() if name in _TRANSIENT}:
            self._problems.add(f"tasks that should have ended: {transient}")
        for leader in self._leaders():
            self._check_liveness(leader)
        await self._check_rest()

    def _leaders(self) -> list[Replica]:
        return [replica for replica in self._replicas if replica.leads]

    def _busy(self) -> str:
        return f"behind: {self._behind}; " + "; ".join(
            f"{one.name} leads: {one.leads}, queue: {one.controller.queue_snapshot()}, "
            f"errors: {[informer.last_error for informer in one.shadows if informer.last_error]}"
            for one in self._replicas
        )

    # Rest

    async def _settle(self) -> None:
        """Until the queue is empty, and has been since every feed told of a write that came after all others.

        And until each feed has its watch, and no other one is left over.
        """
        await self._create_markers()
        await _until(self._is_idle)
        probes = await self._probe()
        for replica in self._replicas:
            await self._wait_seen(replica, probes)
        await _until(self._is_watching)
        await _until(self._is_idle)

    async def _is_watching(self) -> bool:
        """Each feed, no more, and all for long enough to be in order."""
        errors = [informer.last_error for replica in self._replicas for informer in replica.shadows]
        return not any(errors) and await self._watches() == sum(replica.feeds for replica in self._replicas)

    async def _watches(self) -> int:
        """How many collections of our kinds are watched."""
        return len(await asyncio.to_thread(self._proxy.open_watches, where=_is_ours))

    async def _is_idle(self) -> bool:
        leaders = self._leaders()
        return len(leaders) == 1 and leaders[0].is_idle and await self._markers_done()

    async def _create_markers(self) -> None:
        """A Widget in each namespace, which every informer has, and so has its child."""
        for namespace in ALL_NAMESPACES:
            metadata = ObjectMeta(namespace=namespace, name="marker", labels={_LABEL: _VALUE})
            spec = WidgetSpec(size=1, colour="red", child=True)
            await self._client.create(Widget(metadata=metadata, spec=spec))

    async def _markers_done(self) -> bool:
        markers = [await self._client.get(Widget, NamespacedName(place, "marker")) for place in ALL_NAMESPACES]
        return all(marker.status.seen == result_of(marker.spec) for marker in markers)

    async def _probe(self) -> OwnWrites:
        """Changes markers and their children: whoever has heard of that has heard of all that was before."""
        with record_writes() as writes:
            for namespace in ALL_NAMESPACES:
                for kind in (Widget, Child):
                    patch = {"metadata": {"annotations": {PROBE: "probe"}}}
                    await self._client.patch(kind, NamespacedName(namespace, "marker"), patch)
        return writes

    async def _wait_seen(self, replica: Replica, probes: Iterable[OwnWrite]) -> None:
        """By what the cache offers, and by the positions themselves: it waits for nothing where it cannot know."""

        async def has_seen() -> bool:
            seen = await replica.manager.cache.wait_seen(probes, timeout=_REST)
            self._behind = _behind(replica, probes)
            return seen and not self._behind

        await _until(has_seen)

    # Stores

    async def _live(self, kind: type[Any], **options: Any) -> dict[NamespacedName, Any]:
        """A list of this moment, read once."""
        place = (kind, *sorted(options.items()))
        if place not in self._lists:
            found = await self._client.list(kind, **options)
            self._lists[place] = {obj.key: obj for obj in found.items}
        return self._lists[place]

    async def _check_informer(self, replica: Replica, informer: Informer[Any]) -> None:
        name = f"{replica.name}: {informer.name}"
        wanted: dict[NamespacedName, Object] = {}
        for feed in informer._feeds.values():
            wanted |= await self._wanted(informer, feed)
        stored = {obj.key: obj for obj in informer.store.list()}
        self._compare(f"{name}: the store", stored, wanted)
        told, states = replica.shadows[informer].objects, {key: identity(obj) for key, obj in wanted.items()}
        self._compare(f"{name}: what handlers were told", told, states)
        self._check_indexes(name, informer, wanted)

    async def _wanted(self, informer: Informer[Any], feed: Feed[Any]) -> dict[NamespacedName, Object]:
        """What a feed has to hold: what a list with its selector says, transformed."""
        scope, transform = feed.scope, informer.settings.transform
        live = await self._live(
            informer.kind,
            namespace=scope.namespace,
            label_selector=scope.selector.labels,
            field_selector=scope.selector.fields,
        )
        return {key: transform(obj) if transform else obj for key, obj in live.items()}

    def _compare(self, name: str, found: dict[NamespacedName, Any], wanted: dict[NamespacedName, Any]) -> None:
        for key in found.keys() | wanted.keys():
            if found.get(key) != wanted.get(key):
                self._problems.add(f"{name} differs at {key}: {_short(found.get(key))}, not {_short(wanted.get(key))}")

    def _check_indexes(self, name: str, informer: Informer[Any], wanted: dict[NamespacedName, Any]) -> None:
        for index, function in informer.store._functions.items():
            expected: dict[str, set[NamespacedName]] = defaultdict(set)
            for key, obj in wanted.items():
                for value in function(obj):
                    expected[value].add(key)
            indexed = {value for part in informer.store._parts.values() for value in part._indexes[index]._hits}
            for value in indexed | expected.keys():
                hits = {obj.key for obj in informer.store.by_index(index, value)}
                if hits != expected[value] or value not in indexed:
                    self._problems.add(
                        f"{name}: the index {index} differs at {value!r} by {sorted(hits ^ expected[value])[:5]}"
                    )

    # What the operator did

    def _check_results(self, widgets: dict[NamespacedName, Widget], children: dict[NamespacedName, Child]) -> None:
        for key, widget in widgets.items():
            child = children.get(key)
            if widget.metadata.deletion_timestamp is not None:
                self._problems.add(f"Widget {key} still waits for its deletion: {widget.metadata.finalizers}")
            elif widget.status.seen != result_of(widget.spec):
                self._problems.add(f"Widget {key}: its status is {widget.status}, and its spec {widget.spec}")
            elif (child is not None) != widget.spec.child:
                self._problems.add(f"Widget {key}: its child is {_short(child)}, and its spec {widget.spec}")
            elif child is not None and (not is_child_of(child, widget) or child.metadata.labels != OURS):
                self._problems.add(f"Widget {key}: its child is {child}, and its spec {widget.spec}")
        for key in children.keys() - widgets.keys():
            self._problems.add(f"ConfigMap {key} is there, and its Widget is not")

    def _check_liveness(self, leader: Replica) -> None:
        """Level-based: the last reconciliation of each object began after its last event."""
        for key, heard in leader.heard.items():
            exists = leader.manager.cache.get(Widget, key) is not None
            if heard.tick > leader.began.get(key, 0) and (heard.tick > leader.term_began or exists):
                self._problems.add(
                    f"{leader.name}: {key} was last reconciled at {leader.began.get(key)}, before its last event, "
                    f"{heard} (the term began at {leader.term_began}, the Widget is there: {exists})"
                )

    async def _check_rest(self) -> None:
        """Nothing happens when nothing happens."""
        before = [replica.watchman.reconciles.total() for replica in self._replicas]
        await asyncio.sleep(_REST)
        after = [replica.watchman.reconciles.total() for replica in self._replicas]
        if before != after:
            self._problems.add(f"{after[0] - before[0]} reconciliations within {_REST:.0f} s without a reason")

    # What is left over

    def _check_left_over(self, replica: Replica) -> None:
        for informer in replica.shadows:
            name, handlers = f"{replica.name}: {informer.name}", len(informer._dispatcher.handlers)
            self._check_waits(name, informer)
            if handlers != replica.handlers_of(informer):
                self._problems.add(f"{name}: {handlers} handlers are registered, not {replica.handlers_of(informer)}")
        if replica.leads and replica.limiter._failures:
            self._problems.add(f"{replica.name}: the rate limiter still counts failures: {replica.limiter._failures}")
        self._check_queue(replica)

    def _check_waits(self, name: str, informer: Informer[Any]) -> None:
        if informer.last_error is not None or not informer.has_synced:
            self._problems.add(f"{name}: is not in order: {informer.last_error}")
        for feed in informer._feeds.values():
            if len(feed.sightings):
                self._problems.add(f"{name}: {len(feed.sightings)} still wait for writes to be seen")
        registrations = informer._dispatcher._registrations
        if any(registration._backlog is not None for registration in registrations):
            self._problems.add(f"{name}: a handler still catches up")
        if asked := sum(len(reflector._asked) for reflector in informer._reflectors.values()):
            self._problems.add(f"{name}: {asked} still wait for a list")

    def _check_queue(self, replica: Replica) -> None:
        """Empty, by its own account and by its metrics: what became ready was taken or dropped."""
        depth = _sample("workqueue_depth", name=replica.name)
        running = _sample("controller_runtime_active_workers", controller=replica.name)
        ready = sum(replica.controller.queue_snapshot().depth.values())
        if depth != ready or running:
            self._problems.add(f"{replica.name}: the metrics say {depth} are ready ({ready} are) and {running} run")
        if panics := _sample("controller_runtime_reconcile_panics_total", controller=replica.name):
            self._problems.add(f"{replica.name}: {panics:.0f} panics")


async def _until(is_so: Callable[[], Awaitable[bool]]) -> None:
    while True:
        if await is_so():
            return
        await asyncio.sleep(_LOOK_AGAIN)


def _is_ours(call: Call) -> bool:
    return call.plural in (Widget.resource.plural, Child.resource.plural)


def _behind(replica: Replica, probes: Iterable[OwnWrite]) -> list[str]:
    """Feeds that have not come to the probe of their namespace."""
    behind = []
    for probe in probes:
        for informer in replica.shadows:
            feed = informer.feed_of(probe.key) if informer.kind.resource == probe.kind.resource else None
            if feed and not (feed.position.isdecimal() and int(feed.position) >= int(probe.resource_version)):
                behind.append(
                    f"{informer.name} {feed.scope} at {feed.position!r}: {probe.key} {probe.resource_version}"
                )
    return behind


def _sample(series: str, **labels: str) -> float:
    """The sum of a metric's series with these labels."""
    return sum(
        sample.value
        for metric in metrics.REGISTRY.collect()
        for sample in metric.samples
        if sample.name == series and labels.items() <= sample.labels.items()
    )


def _short(found: object) -> str:
    if isinstance(found, Identity) or found is None:
        return str(found)
    text = repr(found)
    return text if len(text) < 400 else f"{text[:400]}..."
