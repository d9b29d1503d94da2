"""Sources of requests: they watch something and fill a controller's queue.

What controller-runtime calls event handlers is one function here, from an object to the requests it concerns. It is
applied to the old and to the new state of an object, so that a reference that moved wakes both ends.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, Generic, Protocol, TypeAlias, TypeVar

from controller_runtime.apimachinery import NamespacedName, Object, Resource
from controller_runtime.cache import Cache, Informer, Registration
from controller_runtime.controller.reconcile import Request
from controller_runtime.workqueue import LOW_PRIORITY, PriorityQueue

ObjectT = TypeVar("ObjectT", bound=Object)
MapFunc: TypeAlias = Callable[[ObjectT], Iterable[Request]]
"""The requests that a change of this object asks for; called with cached objects, which it must not change."""


def request_for(obj: Object) -> tuple[Request]:
    """The request for the object itself."""
    return (obj.key,)


def owner_requests(owner: Resource, *, controller_only: bool = True) -> MapFunc[Any]:
    """Requests for the owners of an object that are of the given kind.

    Group and kind must match, the version may differ. With `controller_only` just the owner reference marked as the
    controller counts.
    """

    def requests(obj: Object) -> list[Request]:
        namespace = obj.metadata.namespace if owner.namespaced else ""
        return [
            NamespacedName(namespace, ref.name)
            for ref in obj.metadata.owner_references
            if ref.kind == owner.kind and ref.group == owner.group and (ref.controller or not controller_only)
        ]

    return requests


class Source(Protocol):
    """Something that a controller listens to."""

    def start(self, queue: PriorityQueue[Request]) -> None:
        """Begins to fill the queue; the first state is delivered too."""
        ...

    async def wait_synced(self) -> None:
        """Returns once everything that exists now has been handed to the queue."""
        ...

    def stop(self) -> None:
        """Ends it; the queue is not touched afterwards."""
        ...

    def describe(self) -> str:
        """Names the source and, where it is not synced, why."""
        ...


class KindSource(Generic[ObjectT]):
    """Watches one kind through the cache's informer.

    Objects of the first list and updates that changed nothing (a relist) go in with low priority, so that what happens
    now is not kept waiting by a full pass over everything.
    """

    def __init__(self, cache: Cache, kind: type[ObjectT], map_func: MapFunc[ObjectT]) -> None:
        self._informer: Informer[ObjectT] = cache.informer(kind)
        self._map = map_func
        self._queue: PriorityQueue[Request] | None = None
        self._registration: Registration[ObjectT] | None = None

    def start(self, queue: PriorityQueue[Request]) -> None:
        """Registers with the informer; objects that are already cached arrive at once."""
        self._queue = queue
        self._registration = self._informer.add_handler(self)

    async def wait_synced(self) -> None:
        """Waits until the queue has been told of every object there is."""
        if self._registration is not None:
            await self._registration.wait_synced()

    def stop(self) -> None:
        """Unregisters from the informer."""
        self._queue = None
        if self._registration is not None:
            self._informer.remove_handler(self._registration)
            self._registration = None

    def describe(self) -> str:
        """`kind source: <kind>`, with the informer's last error where there is one."""
        error = self._informer.last_error
        return f"kind source: {self._informer.kind.__name__}" + (f": {error}" if error else "")

    def on_add(self, obj: ObjectT, is_initial: bool) -> None:
        """An object appeared, or existed before."""
        self._enqueue((obj,), LOW_PRIORITY if is_initial else 0)

    def on_update(self, old: ObjectT, new: ObjectT) -> None:
        """An object changed, or a relist brought it again."""
        unchanged = old.metadata.resource_version == new.metadata.resource_version
        self._enqueue((old, new), LOW_PRIORITY if unchanged else 0)

    def on_delete(self, obj: ObjectT, final_state_unknown: bool) -> None:  # noqa: ARG002 - the handler's contract
        """An object is gone; `obj` is its last known state."""
        self._enqueue((obj,), 0)

    def _enqueue(self, objects: Iterable[ObjectT], priority: int) -> None:
        if self._queue is None:
            return
        for request in dict.fromkeys(request for obj in objects for request in self._map(obj)):
            self._queue.add(request, priority=priority)
