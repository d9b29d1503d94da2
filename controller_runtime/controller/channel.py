"""A source for what happens outside of the cluster: whoever hears of it sends the object that it concerns."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Generic, TypeVar

from controller_runtime.apimachinery import Object
from controller_runtime.controller.enqueue import MapFunc, Mapper, request_for
from controller_runtime.controller.predicates import Predicate
from controller_runtime.controller.reconcile import Request
from controller_runtime.workqueue import PriorityQueue

ObjectT = TypeVar("ObjectT", bound=Object)


class ChannelFullError(RuntimeError):
    """A controller was sent more than it takes."""


class ChannelSource(Generic[ObjectT]):
    """Turns objects that are sent to it into requests.

    Promised: what was sent is reconciled by each controller that has this source, in this term of leadership or a later
    one of this replica, as often as it takes to succeed. Not promised: one run for each send, since a request that is
    already waiting is not added again; and anything beyond the end of the process.

    A replica that does not lead keeps what it is sent until it leads. Where each replica hears of the same things, give
    `keep=False`; where they do not, let only the leader hear of them, or write down in an object what happened.

    Args:
        map_func: from what is sent to requests; by default the request for the object itself.
        predicates: asked as `generic`; all have to pass.
        buffer_size: requests that a controller may leave waiting before the sender has to wait too.
        keep: whether what comes while a controller does not run is kept for its next term.
        name: for log lines.

    Raises:
        ValueError: there is no room for anything.
    """

    def __init__(
        self,
        map_func: MapFunc[ObjectT] = request_for,
        *,
        predicates: Sequence[Predicate] = (),
        buffer_size: int = 1024,
        keep: bool = True,
        name: str = "",
    ) -> None:
        if buffer_size < 1:
            raise ValueError(f"a channel source needs a buffer for one request at least, not {buffer_size}")
        self._map = map_func
        self._predicates = tuple(predicates)
        self._size = buffer_size
        self._keep = keep
        self._name = name
        self._buffers: dict[str, _Buffer[ObjectT]] = {}
        self._room = asyncio.Event()

    def try_send(self, obj: ObjectT) -> bool:
        """Sends an object if there is room; says whether it did. On the event loop, like everything here.

        Raises:
            RuntimeError: no controller has this source.
        """
        wanted = [(buffer, buffer.requests(obj)) for buffer in self._listeners()]
        if not all(buffer.has_room(requests) for buffer, requests in wanted):
            return False
        for buffer, requests in wanted:
            for request in requests:
                buffer.put(request)
        return True

    async def send(self, obj: ObjectT, *, timeout: float | None = 10) -> None:
        """Sends an object, and waits for room where there is none.

        Args:
            obj: what something happened to.
            timeout: seconds that it may wait; None for as long as it takes, which on a replica that does not lead may
                be for ever.

        Raises:
            ChannelFullError: there was no room in time.
            RuntimeError: no controller has this source.
        """
        try:
            async with asyncio.timeout(timeout):
                for buffer in self._listeners():
                    for request in buffer.requests(obj):
                        await self._put(buffer, request)
        except TimeoutError:
            raise ChannelFullError(
                f"{self.describe()}: a controller has left {self._size} requests waiting for {timeout} s; it is too "
                "slow, or this replica does not lead"
            ) from None

    async def _put(self, buffer: _Buffer[ObjectT], request: Request) -> None:
        while not buffer.has_room((request,)):
            self._room.clear()
            await self._room.wait()
        buffer.put(request)

    def _listeners(self) -> tuple[_Buffer[ObjectT], ...]:
        if not self._buffers:
            raise RuntimeError(f"{self.describe()}: no controller has this source, so nobody would get what is sent")
        return tuple(self._buffers.values())

    def attach(self, controller: str) -> None:
        """Makes a buffer for a controller, which calls this when it is given the source."""
        if controller not in self._buffers:
            mapper = Mapper(controller, self._map, self._predicates)
            self._buffers[controller] = _Buffer(self.describe(), mapper, self._size, self._room, keep=self._keep)

    def start(self, queue: PriorityQueue[Request]) -> _Buffer[ObjectT]:
        """Hands what was kept to the queue, and what comes from now on."""
        self.attach(queue.name)
        buffer = self._buffers[queue.name]
        buffer.start(queue)
        return buffer

    def describe(self) -> str:
        """`channel source: <name>`."""
        return f"channel source: {self._name or id(self)}"


class _Buffer(Generic[ObjectT]):
    """What one controller was sent and has not finished with."""

    def __init__(
        self, description: str, mapper: Mapper[ObjectT], size: int, room: asyncio.Event, *, keep: bool
    ) -> None:
        self._description = description
        self._mapper = mapper
        self._size = size
        self._room = room
        self._keep = keep
        self._queue: PriorityQueue[Request] | None = None
        self._waiting: dict[Request, None] = {}
        self._taken: dict[Request, None] = {}

    def requests(self, obj: ObjectT) -> Sequence[Request]:
        """What an object asks for, as far as that is wanted at present."""
        if (self._queue is None and not self._keep) or not self._mapper.passes("generic", obj):
            return ()
        return tuple(self._mapper.requests(obj))

    def has_room(self, requests: Sequence[Request]) -> bool:
        """Whether these may come in; one that is waiting already takes no room."""
        return len(self._waiting) + sum(request not in self._waiting for request in requests) <= self._size

    def put(self, request: Request) -> None:
        """Takes a request in."""
        self._waiting[request] = None
        if self._queue is not None:
            self._queue.add(request)

    def start(self, queue: PriorityQueue[Request]) -> None:
        """Begins a term with what is left of the last one."""
        self._queue = queue
        for request in self._waiting:
            queue.add(request)

    async def wait_synced(self) -> None:
        """Waits for nothing."""

    def taken(self, request: Request) -> None:
        """A worker has begun with a request, which may be another source's."""
        if request in self._waiting:
            del self._waiting[request]
            self._taken[request] = None
            self._room.set()

    def settled(self, request: Request) -> None:
        """The run left nothing to do: no retry and no planned one."""
        self._taken.pop(request, None)

    def stop(self) -> None:
        """Ends the term; what was not finished is kept for the next one."""
        self._queue = None
        if self._keep:
            self._waiting = self._taken | self._waiting
        else:
            self._waiting = {}
            self._room.set()
        self._taken = {}

    def describe(self) -> str:
        """That of the source."""
        return self._description
