"""Sources of requests: they watch something and fill a controller's queue.

A `Source` is a declaration; `start` gives the `RunningSource` of one term (see `Term`), of which there may be several,
one after the other or for several controllers. The ones here: `KindSource`, `InformerSource`, `FuncSource`; and
`ChannelSource`, for what happens outside of the cluster.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Generic, Protocol, TypeVar, runtime_checkable

from controller_runtime.apimachinery import Object
from controller_runtime.cache import Cache, Informer, Selector
from controller_runtime.controller.enqueue import EnqueueRequests, MapFunc
from controller_runtime.controller.predicates import Predicate
from controller_runtime.controller.reconcile import Request
from controller_runtime.workqueue import LOW_PRIORITY, PriorityQueue

ObjectT = TypeVar("ObjectT", bound=Object)


class RunningSource(Protocol):
    """A source that fills a queue."""

    async def wait_synced(self) -> None:
        """Returns once everything that exists now has been handed to the queue."""
        ...

    def stop(self) -> None:
        """Ends it; the queue is not touched afterwards."""
        ...

    def describe(self) -> str:
        """Names the source and, where it is not synced, why."""
        ...


class Source(Protocol):
    """Something that a controller listens to."""

    def start(self, queue: PriorityQueue[Request]) -> RunningSource:
        """Begins to fill the queue, what exists already included. Does not block.

        The queue has the controller's name, and ignores what comes after the end of the term.
        """
        ...

    def describe(self) -> str:
        """Names the source."""
        ...


@runtime_checkable
class AttachedSource(Protocol):
    """A source that wants to know its controllers before they start."""

    def attach(self, controller: str) -> None:
        """A controller was given the source."""
        ...


@runtime_checkable
class FollowingSource(Protocol):
    """A running source that wants to know what becomes of requests, those of other sources included."""

    def taken(self, request: Request) -> None:
        """A worker has begun with the request."""
        ...

    def settled(self, request: Request) -> None:
        """A run of the request left nothing to do: no retry and no planned run."""
        ...


class KindSource(Generic[ObjectT]):
    """Watches one kind through an informer of the cache, which is declared at once and looked up at each start.

    An optional kind that is not served counts as one without objects, and so does one that may not be read: the
    controller starts without it, and gets its objects when they can be had.

    Args:
        cache: whose informer.
        kind: what to watch; `metadata_of(Kind)` for the metadata alone.
        map_func: from an object to requests; of an update it is called with the old and the new state.
        predicates: which events count; all have to pass.
        selector: watch only these objects, by an informer of their own; None for the kind's own selector.
        optional: whether the API server may not serve the kind; None leaves that to whoever else declares it.
        low_priority: of the first list, relists and resyncs; see `ControllerBuilder.with_low_priority`.
    """

    def __init__(
        self,
        cache: Cache,
        kind: type[ObjectT],
        map_func: MapFunc[ObjectT],
        *,
        predicates: Sequence[Predicate] = (),
        selector: Selector | None = None,
        optional: bool | None = None,
        low_priority: int = LOW_PRIORITY,
    ) -> None:
        self.kind = kind
        self.cache = cache
        self._map = map_func
        self._predicates = tuple(predicates)
        self._selector = selector
        self._optional = optional
        self._low_priority = low_priority
        self._informer()

    def _informer(self) -> Informer[ObjectT]:
        return self.cache.informer(self.kind, selector=self._selector, optional=self._optional)

    def start(self, queue: PriorityQueue[Request]) -> RunningSource:
        """Registers with the informer; objects that are already cached follow at once.

        Raises:
            InformerStoppedError: the cache has ended.
        """
        handler = EnqueueRequests(queue, self._map, self._predicates, low_priority=self._low_priority)
        return _Registered(self._informer(), handler)

    def describe(self) -> str:
        """`kind source: <kind>`."""
        return f"kind source: {self.kind.__name__}"


class _Registered(Generic[ObjectT]):
    """A handler that is registered with an informer."""

    def __init__(self, informer: Informer[ObjectT], handler: EnqueueRequests[ObjectT]) -> None:
        self._informer = informer
        self._registration = informer.add_handler(handler)

    async def wait_synced(self) -> None:
        """Waits until the queue has been told of every object there is."""
        await self._registration.wait_settled()

    def stop(self) -> None:
        """Unregisters from the informer."""
        self._informer.remove_handler(self._registration)

    def describe(self) -> str:
        """`kind source: <informer>`, with the informer's last error where there is one."""
        error = self._informer.last_error
        return f"kind source: {self._informer.name}" + (f": {error}" if error else "")


class InformerSource(Generic[ObjectT]):
    """Takes requests from an informer that somebody else sees to. It is not waited for, as in the original.

    Args:
        informer: whose events.
        map_func: from an object to requests.
        predicates: which events count; all have to pass.
        low_priority: of the first list, relists and resyncs; see `ControllerBuilder.with_low_priority`.
    """

    def __init__(
        self,
        informer: Informer[ObjectT],
        map_func: MapFunc[ObjectT],
        *,
        predicates: Sequence[Predicate] = (),
        low_priority: int = LOW_PRIORITY,
    ) -> None:
        self._informer = informer
        self._map = map_func
        self._predicates = tuple(predicates)
        self._low_priority = low_priority

    def start(self, queue: PriorityQueue[Request]) -> RunningSource:
        """Registers with the informer; objects that are already cached follow at once.

        Raises:
            InformerStoppedError: the informer has ended.
        """
        handler = EnqueueRequests(queue, self._map, self._predicates, low_priority=self._low_priority)
        return _Unawaited(self._informer, handler)

    def describe(self) -> str:
        """`informer source: <informer>`."""
        return f"informer source: {self._informer.name}"


class _Unawaited(_Registered[ObjectT]):
    async def wait_synced(self) -> None:
        """Waits for nothing."""


class FuncSource:
    """Fills the queue by a function of one's own, for what no other source does.

    Args:
        function: called at each start with the queue; must not block. What it returns is called at the end of the
            term, if it is not None.
        name: for log lines; by default that of the function.
    """

    def __init__(self, function: Callable[[PriorityQueue[Request]], Callable[[], Any] | None], name: str = "") -> None:
        self._function = function
        self._name = name or getattr(function, "__qualname__", "function")

    def start(self, queue: PriorityQueue[Request]) -> RunningSource:
        """Calls the function."""
        return _Called(self.describe(), self._function(queue))

    def describe(self) -> str:
        """`func source: <name>`."""
        return f"func source: {self._name}"


class _Called:
    def __init__(self, description: str, stop: Callable[[], Any] | None) -> None:
        self._description = description
        self._stop = stop

    async def wait_synced(self) -> None:
        """Waits for nothing."""

    def stop(self) -> None:
        """Calls what the function returned."""
        if self._stop is not None:
            self._stop()

    def describe(self) -> str:
        """That of the source."""
        return self._description
