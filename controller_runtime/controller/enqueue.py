"""From an event of an object to requests in a queue: predicates, then the map function.

What controller-runtime calls event handlers is one function here, from an object to the requests it concerns. It is
applied to the old and to the new state of an object, so that a reference that moved wakes both ends.

Both kinds of functions are a program's own and may have bugs. Such a bug must not cost an event of another object: a
predicate that fails counts as one that passes, and of a map function that fails the requests made so far count. Either
is logged with the controller's name and counted among its panics.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, Generic, TypeAlias, TypeVar

import structlog

from controller_runtime import metrics
from controller_runtime.apimachinery import NamespacedName, Object, Resource
from controller_runtime.controller.predicates import Predicate
from controller_runtime.controller.reconcile import Request
from controller_runtime.workqueue import LOW_PRIORITY, PriorityQueue

ObjectT = TypeVar("ObjectT", bound=Object)
MapFunc: TypeAlias = Callable[[ObjectT], Iterable[Request]]
"""The requests that a change of this object asks for; called with cached objects, which it must not change."""

log = structlog.get_logger(__name__)


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


class Mapper(Generic[ObjectT]):
    """Predicates and a map function, neither of which can fail any more.

    Args:
        controller: who is told of bugs.
        map_func: from an object to requests.
        predicates: all have to pass, in their order.
    """

    def __init__(self, controller: str, map_func: MapFunc[ObjectT], predicates: Sequence[Predicate] = ()) -> None:
        self._controller = controller
        self._map = map_func
        self._predicates = tuple(predicates)

    def passes(self, event: str, *objects: ObjectT) -> bool:
        """Whether the event (`create`, `update`, `delete` or `generic`) passes all predicates."""
        for predicate in self._predicates:
            try:
                if not getattr(predicate, event)(*objects):
                    return False
            except Exception as error:  # noqa: BLE001 - logged; the event counts
                self._report(error, "predicate failed, so the event passes it", type(predicate), objects[-1])
        return True

    def requests(self, *objects: ObjectT) -> Iterable[Request]:
        """The requests that the objects ask for, each once, in the order of their first mention."""
        found: dict[Request, None] = {}
        for obj in objects:
            try:
                for request in _checked(self._map(obj), obj):
                    found[request] = None
            except Exception as error:  # noqa: BLE001 - logged; the other objects count
                self._report(error, "map function failed, so requests may be missing", self._map, obj)
        return found

    def _report(self, error: Exception, message: str, function: object, obj: ObjectT) -> None:
        metrics.RECONCILE_PANICS.labels(self._controller).inc()
        log.error(
            message,
            controller=self._controller,
            function=getattr(function, "__qualname__", type(function).__qualname__),
            kind=type(obj).__name__,
            namespace=obj.metadata.namespace,
            name=obj.metadata.name,
            exc_info=error,
        )


def _checked(returned: object, obj: Object) -> Iterator[Request]:
    """What a map function returned, which is a mistake that types cannot always find: a key iterates over its parts."""
    for request in returned if isinstance(returned, Iterable) else (returned,):
        if not isinstance(request, NamespacedName):
            raise TypeError(
                f"the map function of {type(obj).__name__} returned {request!r}, not a Request; "
                "return a list of Requests"
            )
        yield request


class EnqueueRequests(Generic[ObjectT]):
    """Fills a queue from what an informer tells; an `EventHandler`.

    Objects of the first list and updates that changed nothing (a relist, a resync) go in with low priority, so that
    what happens now is not kept waiting by a full pass over everything.

    Args:
        queue: what is filled.
        map_func: from an object to requests.
        predicates: all have to pass.
        low_priority: what counts as low; 0 makes them wait in line with everything else.
    """

    def __init__(
        self,
        queue: PriorityQueue[Request],
        map_func: MapFunc[ObjectT],
        predicates: Sequence[Predicate] = (),
        *,
        low_priority: int = LOW_PRIORITY,
    ) -> None:
        self._queue = queue
        self._low = low_priority
        self._mapper = Mapper(queue.name, map_func, predicates)

    def on_add(self, obj: ObjectT, is_initial: bool) -> None:
        """An object appeared, or existed before."""
        if self._mapper.passes("create", obj):
            self._enqueue(self._low if is_initial else 0, obj)

    def on_update(self, old: ObjectT, new: ObjectT) -> None:
        """An object changed, or a relist brought it again."""
        unchanged = old.metadata.resource_version == new.metadata.resource_version
        if self._mapper.passes("update", old, new):
            self._enqueue(self._low if unchanged else 0, old, new)

    def on_delete(self, obj: ObjectT, final_state_unknown: bool) -> None:  # noqa: ARG002 - the handler's contract
        """An object is gone; `obj` is its last known state."""
        if self._mapper.passes("delete", obj):
            self._enqueue(0, obj)

    def _enqueue(self, priority: int, *objects: ObjectT) -> None:
        for request in self._mapper.requests(*objects):
            self._queue.add(request, priority=priority)
