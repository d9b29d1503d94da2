"""Who is told of changes, and in which order.

Guarantees to each handler:

- The store was changed before it is called; it is called on the event loop, one call after the other.
- For one key: add before update before delete, nothing twice. Between keys there is no order.
- A handler that is added late first gets an add for everything cached, then what happened since.
- An exception of a handler is logged with its name and costs nobody else a call.

Handlers are called inline, so they must be quick: they put keys into queues and leave the work to whoever takes them.
Long runs of calls (a first list, a relist, a late handler) let the loop do other things after each slice.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Iterable, Sequence
from typing import Any, Generic, NamedTuple, Protocol, TypeVar

import structlog

from controller_runtime.apimachinery import Object
from controller_runtime.cache.milestone import Milestone

T = TypeVar("T", bound=Object)
T_contra = TypeVar("T_contra", bound=Object, contravariant=True)

SLICE = 500
"""Handler calls in a row before the loop gets a turn: a few milliseconds with handlers that fill queues."""

log = structlog.get_logger(__name__)


class EventHandler(Protocol[T_contra]):
    """What an informer tells of changes. Objects are shared with the store and must not be changed."""

    def on_add(self, obj: T_contra, is_initial: bool) -> None:
        """An object appeared; `is_initial` if it existed before the informer or the handler began."""

    def on_update(self, old: T_contra, new: T_contra) -> None:
        """An object changed, or a relist brought it again: then the resource versions are equal."""

    def on_delete(self, obj: T_contra, final_state_unknown: bool) -> None:
        """An object is gone; `final_state_unknown` if `obj` is the last cached and perhaps not the last state."""


class Added(NamedTuple):
    """The call of `on_add`."""

    obj: Any
    is_initial: bool

    def tell(self, handler: EventHandler[Any]) -> None:
        """Makes the call."""
        handler.on_add(self.obj, self.is_initial)


class Updated(NamedTuple):
    """The call of `on_update`."""

    old: Any
    obj: Any

    def tell(self, handler: EventHandler[Any]) -> None:
        """Makes the call."""
        handler.on_update(self.old, self.obj)


class Deleted(NamedTuple):
    """The call of `on_delete`."""

    obj: Any
    final_state_unknown: bool

    def tell(self, handler: EventHandler[Any]) -> None:
        """Makes the call."""
        handler.on_delete(self.obj, self.final_state_unknown)


Notification = Added | Updated | Deleted


class Registration(Generic[T]):
    """A handler's place at an informer; made by `Informer.add_handler`, ended by `Informer.remove_handler`.

    Attributes:
        handler: what is called.
        active: False once it has been removed; it is not called any more then.
    """

    def __init__(self, handler: EventHandler[T], synced: Milestone, settled: Milestone) -> None:
        self.handler = handler
        self.active = True
        self._synced = synced
        self._settled = settled
        self._caught_up = asyncio.Event()
        self._caught_up.set()
        self._backlog: deque[Notification] | None = None
        """What happened while the handler is still being told of the objects that were there; None when it is not."""

    @property
    def has_synced(self) -> bool:
        """Whether the handler has been told of everything in the informer's first list."""
        return self._synced.reached and self._caught_up.is_set()

    async def wait_synced(self) -> None:
        """Returns once `has_synced`.

        Raises:
            InformerStoppedError: the informer was removed.
        """
        await self._synced.wait()
        await self._caught_up.wait()

    @property
    def has_settled(self) -> bool:
        """Whether the handler has been told of everything that there is to be told (see `Informer.has_settled`).

        That is what a source waits for: an optional kind that the API server forbids to read never syncs.
        """
        return self._settled.reached and self._caught_up.is_set()

    async def wait_settled(self) -> None:
        """Returns once `has_settled`.

        Raises:
            InformerStoppedError: the informer was removed.
        """
        await self._settled.wait()
        await self._caught_up.wait()

    def deliver(self, notification: Notification) -> None:
        """Calls the handler, or remembers the call until it has caught up."""
        if self._backlog is not None:
            self._backlog.append(notification)
        elif self.active:
            self._call(notification)

    def begin_catching_up(self, existing: Sequence[T]) -> None:
        """Puts an add for each existing object before whatever happens from now on."""
        self._caught_up.clear()
        self._backlog = deque(Added(obj, True) for obj in existing)

    async def catch_up(self) -> None:
        """Delivers the backlog, slice by slice, until there is none."""
        while self._backlog:
            for _ in range(min(SLICE, len(self._backlog))):
                notification = self._backlog.popleft()
                if self.active:
                    self._call(notification)
            await asyncio.sleep(0)
        self._backlog = None
        self._caught_up.set()

    def _call(self, notification: Notification) -> None:
        try:
            notification.tell(self.handler)
        except Exception:  # a handler's failure must cost neither the others nor the informer
            metadata = notification.obj.metadata
            log.exception(
                "event handler failed",
                handler=type(self.handler).__qualname__,
                call=type(notification).__name__.lower(),
                kind=type(notification.obj).resource.kind,
                namespace=metadata.namespace,
                name=metadata.name,
            )


class Dispatcher(Generic[T]):
    """The handlers of one informer.

    Attributes:
        synced: the informer's first list was read, and handlers were told.
        settled: see `Informer.has_settled`.
    """

    def __init__(self) -> None:
        self.synced = Milestone()
        self.settled = Milestone()
        self._registrations: tuple[Registration[T], ...] = ()

    @property
    def handlers(self) -> tuple[EventHandler[T], ...]:
        """Those that are told of changes at present."""
        return tuple(registration.handler for registration in self._registrations)

    def add(self, handler: EventHandler[T]) -> Registration[T]:
        """Registers a handler, which is told of everything from now on."""
        registration = Registration(handler, self.synced, self.settled)
        self._registrations = (*self._registrations, registration)
        return registration

    def remove(self, registration: Registration[T]) -> None:
        """Ends a registration; nothing happens if it has ended already."""
        registration.active = False
        self._registrations = tuple(kept for kept in self._registrations if kept is not registration)

    def deliver(self, notification: Notification) -> None:
        """Tells every handler."""
        for registration in self._registrations:
            registration.deliver(notification)

    async def deliver_all(self, notifications: Iterable[Notification | None]) -> None:
        """Tells those who are registered now, slice by slice; who comes in between knows from the store already.

        None counts towards a slice like a notification: making it took time.
        """
        registrations = self._registrations
        for number, notification in enumerate(notifications, start=1):
            if notification is not None:
                for registration in registrations:
                    registration.deliver(notification)
            if number % SLICE == 0:
                await asyncio.sleep(0)
