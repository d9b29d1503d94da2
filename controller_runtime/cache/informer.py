"""One kind, kept in memory: reflectors fill a store, handlers are told of what changed."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Sequence
from typing import Generic, TypeVar

import structlog

from controller_runtime.apimachinery import NamespacedName, Object
from controller_runtime.cache.errors import InformerStoppedError, NotCachedError, ReflectorError
from controller_runtime.cache.feed import Feed
from controller_runtime.cache.gauges import InformerGauges
from controller_runtime.cache.handlers import Dispatcher, EventHandler, Registration
from controller_runtime.cache.mutation import MutationDetector
from controller_runtime.cache.options import NO_OPTIONS, InformerOptions, Selector, Unset, settings
from controller_runtime.cache.reader import StreamingLists
from controller_runtime.cache.reflector import Reflector
from controller_runtime.cache.store import Store
from controller_runtime.client import Client

T = TypeVar("T", bound=Object)

log = structlog.get_logger(__name__)


class Informer(Generic[T]):
    """Keeps the objects of one kind in memory and tells handlers of changes; made by `Cache.informer`.

    Guarantees:

    - The store is changed before handlers are called, and a list replaces what was known at once for readers; handlers
      then hear of the difference: deletes, then updates and adds. See `handlers` for what each handler may rely on.
    - No error of the API server takes anything out of the store. A required kind whose CRD is removed keeps its last
      state (`last_error` says why); an optional kind that is not served has no objects.
    - An object deleted and made again under its name while nobody watched is a delete and an add, not an update.

    Args:
        client: the way to the API server.
        kind: class of the objects.
        options: what to read and how.
        defaults: of what the options leave open.
        selector: which objects, in place of what the options say.
        streaming: whether the API server streams lists; shared by the informers of a client.
        detector: finds objects that are changed in place (tests).

    Attributes:
        name: kind and selector, for messages.
    """

    def __init__(
        self,
        client: Client,
        kind: type[T],
        options: InformerOptions = NO_OPTIONS,
        *,
        defaults: InformerOptions = NO_OPTIONS,
        selector: Selector | None = None,
        streaming: StreamingLists | None = None,
        detector: MutationDetector | None = None,
    ) -> None:
        self.kind = kind
        self.settings = settings(kind, options, defaults, selector)
        self.selector = selector
        self.name = " with ".join(filter(None, (kind.__name__, str(selector or ""))))
        self.store: Store[T] = Store(kind, tuple(scope.name for scope in self.settings.scopes), detector=detector)
        self._client = client
        self._streaming = streaming or StreamingLists()
        self._declared = {one for one in (options.optional, defaults.optional) if not isinstance(one, Unset)}
        self._dispatcher: Dispatcher[T] = Dispatcher()
        self._gauges = InformerGauges(kind, str(selector or ""))
        self._feeds = {
            scope.name: Feed(
                self.store,
                scope,
                self._dispatcher,
                self._gauges,
                on_progress=self._review,
                on_contact=self._show_contact,
            )
            for scope in self.settings.scopes
        }
        self._reflectors: dict[str, Reflector[T]] = {}
        self._tasks: asyncio.TaskGroup | None = None
        self._stopped = False

    async def run(self) -> None:
        """Reads and follows the kind until cancelled.

        Raises:
            RuntimeError: it has run before.
        """
        if self._tasks is not None:
            raise RuntimeError(f"the informer of {self.name} has been started before")
        self._gauges.synced(False)
        try:
            async with asyncio.TaskGroup() as tasks:
                self._tasks = tasks
                for feed in self._feeds.values():
                    feed.begin()
                    reflector = self._reflectors[feed.scope.name] = self._reflector(feed)
                    tasks.create_task(reflector.run(), name=f"reflector/{self.name}/{feed.scope.name}")
                if self.settings.resync_period is not None:
                    tasks.create_task(self._resync(self.settings.resync_period), name=f"resync/{self.name}")
        finally:
            self._stopped = True
            for feed in self._feeds.values():
                feed.end()

    def _reflector(self, feed: Feed[T]) -> Reflector[T]:
        return Reflector(
            self._client,
            self.kind,
            feed,
            scope=feed.scope,
            transform=self.settings.transform,
            optional=self.optional,
            bookmarks=self.settings.bookmarks,
            streaming=self._streaming if self.settings.streaming_list else None,
        )

    async def _resync(self, period: float) -> None:
        while True:
            await asyncio.sleep(period * random.uniform(0.9, 1.1))
            for feed in self._feeds.values():
                await feed.resync()

    def discard(self) -> None:
        """Prepares the end: takes no handler any more, tells whoever waits, leaves the metrics.

        Raises:
            RuntimeError: handlers are registered; the message names them.
        """
        if names := sorted({type(handler).__qualname__ for handler in self._dispatcher.handlers}):
            raise RuntimeError(f"the informer of {self.name} tells {', '.join(names)}: remove these handlers first")
        self._stopped = True
        for milestone in (self._dispatcher.synced, self._dispatcher.settled):
            milestone.give_up(f"the informer of {self.name} has been removed")
        self._gauges.remove()

    # State

    @property
    def optional(self) -> bool:
        """Whether the API server may not serve the kind."""
        return True in self._declared and False not in self._declared

    def declare(self, *, optional: bool) -> None:
        """Says whether somebody can do without the kind; if anybody cannot it is required, whatever others say."""
        self._declared.add(optional)
        for reflector in self._reflectors.values():
            reflector.optional = self.optional
        if not self.optional and not self.has_synced:
            self._dispatcher.settled.take_back()  # "forbidden" was enough as long as nobody needed it
        self._review()

    @property
    def has_synced(self) -> bool:
        """Whether the store holds all that existed once, and all handlers were told; it stays true from then on."""
        return self._dispatcher.synced.reached

    async def wait_synced(self) -> None:
        """Returns once `has_synced`.

        Raises:
            InformerStoppedError: the informer was removed.
        """
        await self._dispatcher.synced.wait()

    @property
    def has_settled(self) -> bool:
        """Whether the API server has given an answer that is good enough to start with.

        That is `has_synced`; for an optional kind also "forbidden", which waiting would not change. `last_error` tells
        the two apart.
        """
        return self._dispatcher.settled.reached

    async def wait_settled(self) -> None:
        """Returns once `has_settled`.

        Raises:
            InformerStoppedError: the informer was removed.
        """
        await self._dispatcher.settled.wait()

    @property
    def absent(self) -> bool:
        """Whether the API server does not serve the (optional) kind at present."""
        return all(feed.absent for feed in self._feeds.values())

    @property
    def last_error(self) -> ReflectorError | None:
        """Why the copy cannot be read or followed at present; None while it can."""
        return next((feed.error for feed in self._feeds.values() if feed.error is not None), None)

    @property
    def last_contact(self) -> float:
        """The loop's time of the last proof that the copy is current; of the start before the first.

        A page of a list, a watch that opened, an event or a bookmark. With several namespaces, of the one that has
        waited longest.
        """
        return min(feed.last_contact for feed in self._feeds.values())

    def feed_of(self, key: NamespacedName) -> Feed[T] | None:
        """What brings the object of that key; None if its namespace is not read."""
        try:
            return self._feeds[self.store.scope_of(key.namespace if self.kind.resource.namespaced else "")]
        except NotCachedError:
            return None

    def relist(self) -> Sequence[asyncio.Future[None]]:
        """Asks for a list of all that was listed before; see `Reflector.relist`."""
        return [self._reflectors[name].relist() for name, feed in self._feeds.items() if feed.listed]

    # Handlers

    def add_handler(self, handler: EventHandler[T]) -> Registration[T]:
        """Has a handler told of changes.

        One that is added late is first told of each cached object, as of an initial add, in a task of the informer:
        not before this call returns. `Registration.wait_settled` waits for that.

        Raises:
            InformerStoppedError: the informer has ended.
        """
        if self._stopped:
            raise InformerStoppedError(f"the informer of {self.name} has ended and tells no handler anything")
        registration = self._dispatcher.add(handler)
        if self._tasks is not None and len(self.store):
            registration.begin_catching_up(self.store.list())
            self._tasks.create_task(registration.catch_up(), name=f"catch-up/{self.name}")
        return registration

    def remove_handler(self, registration: Registration[T]) -> None:
        """Ends a registration: its handler is not called any more, from this moment on."""
        self._dispatcher.remove(registration)

    def _show_contact(self) -> None:
        """Shows the contact of the namespace that has waited longest: the others must not hide one that is cut off."""
        self._gauges.contact(min(feed.contacted_at for feed in self._feeds.values()))

    def _review(self) -> None:
        """Draws what holds for the informer from what holds for its feeds."""
        feeds = self._feeds.values()
        if not self.has_synced and all(feed.listed or feed.absent for feed in feeds):
            self._dispatcher.synced.reach()
            self._gauges.synced(True)
            log.info("informer synced", informer=self.name, objects=len(self.store))
        if self.has_synced or (self.optional and all(feed.settled for feed in feeds)):
            self._dispatcher.settled.reach()
