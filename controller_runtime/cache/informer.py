"""One kind, kept in memory: reflectors fill a store, handlers are told of what changed."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Generic, TypeVar

import structlog

from controller_runtime import metrics
from controller_runtime.apimachinery import Object
from controller_runtime.cache.errors import InformerStoppedError, ReflectorError
from controller_runtime.cache.feed import Feed
from controller_runtime.cache.handlers import Dispatcher, EventHandler, Registration
from controller_runtime.cache.mutation import MutationDetector
from controller_runtime.cache.reflector import Reflector
from controller_runtime.cache.store import Store
from controller_runtime.client import Client

T = TypeVar("T", bound=Object)

log = structlog.get_logger(__name__)


class Informer(Generic[T]):
    """Keeps the objects of one kind in memory and tells handlers of changes.

    Guarantees:

    - The store is changed before handlers are called, and a list replaces what was known at once for readers; handlers
      then hear of the difference: deletes, then updates and adds. See `handlers` for what each handler may rely on.
    - No error of the API server takes anything out of the store. A required kind whose CRD is removed keeps its last
      state (`last_error` says why); an optional kind that is not served has no objects.
    - An object deleted and made again under its name while nobody watched is a delete and an add, not an update.

    Args:
        client: the way to the API server.
        kind: class of the objects.
        namespaces: what to read; empty for the whole cluster, and meaningless for cluster-scoped kinds.
        optional: whether the API server may not serve the kind. It then counts as present without objects, until it
            appears (looked for each 10 s).
        detector: finds objects that are changed in place (tests).
    """

    def __init__(
        self,
        client: Client,
        kind: type[T],
        *,
        namespaces: Sequence[str] = (),
        optional: bool = False,
        detector: MutationDetector | None = None,
    ) -> None:
        scopes = tuple(dict.fromkeys(namespaces)) if namespaces and kind.resource.namespaced else ("",)
        self.kind = kind
        self.optional = optional
        self.store: Store[T] = Store(kind, scopes, detector=detector)
        self._client = client
        self._synced = asyncio.Event()
        self._settled = asyncio.Event()
        self._dispatcher: Dispatcher[T] = Dispatcher(self._synced)
        self._feeds = tuple(
            Feed(self.store, scope, self._dispatcher, on_progress=self._review, on_contact=self._show_contact)
            for scope in scopes
        )
        self._tasks: asyncio.TaskGroup | None = None
        self._stopped = False
        self._synced_gauge = metrics.INFORMER_SYNCED.labels(kind.__name__)
        self._contact_gauge = metrics.INFORMER_LAST_CONTACT.labels(kind.__name__)

    async def run(self) -> None:
        """Reads and follows the kind until cancelled.

        Raises:
            RuntimeError: it has run before.
        """
        if self._tasks is not None:
            raise RuntimeError(f"the informer of {self.kind.__name__} has been started before")
        self._synced_gauge.set(0)
        try:
            async with asyncio.TaskGroup() as tasks:
                self._tasks = tasks
                for feed in self._feeds:
                    feed.begin()
                    reflector = Reflector(self._client, self.kind, feed, namespace=feed.scope, optional=self.optional)
                    tasks.create_task(reflector.run(), name=f"reflector/{self.kind.__name__}/{feed.scope}")
        finally:
            self._stopped = True

    # State

    @property
    def has_synced(self) -> bool:
        """Whether the store holds all that existed once, and all handlers were told; it stays true from then on."""
        return self._synced.is_set()

    async def wait_synced(self) -> None:
        """Returns once `has_synced`."""
        await self._synced.wait()

    @property
    def has_settled(self) -> bool:
        """Whether the API server has given an answer that is good enough to start with.

        That is `has_synced`; for an optional kind also "forbidden", which waiting would not change. `last_error` tells
        the two apart.
        """
        return self._settled.is_set()

    async def wait_settled(self) -> None:
        """Returns once `has_settled`."""
        await self._settled.wait()

    @property
    def absent(self) -> bool:
        """Whether the API server does not serve the (optional) kind at present."""
        return all(feed.absent for feed in self._feeds)

    @property
    def last_error(self) -> ReflectorError | None:
        """Why the copy cannot be read or followed at present; None while it can."""
        return next((feed.error for feed in self._feeds if feed.error is not None), None)

    @property
    def last_contact(self) -> float:
        """The loop's time of the last proof that the copy is current; of the start before the first.

        A page of a list, a watch that opened, an event or a bookmark. With several namespaces, of the one that has
        waited longest.
        """
        return min(feed.last_contact for feed in self._feeds)

    # Handlers

    def add_handler(self, handler: EventHandler[T]) -> Registration[T]:
        """Has a handler told of changes.

        One that is added late is first told of each cached object, as of an initial add, in a task of the informer:
        not before this call returns. `Registration.wait_synced` waits for that.

        Raises:
            InformerStoppedError: the informer has ended.
        """
        if self._stopped:
            raise InformerStoppedError(f"the informer of {self.kind.__name__} has ended and tells no handler anything")
        registration = self._dispatcher.add(handler)
        if self._tasks is not None and len(self.store):
            registration.begin_catching_up(self.store.list())
            self._tasks.create_task(registration.catch_up(), name=f"catch-up/{self.kind.__name__}")
        return registration

    def remove_handler(self, registration: Registration[T]) -> None:
        """Ends a registration: its handler is not called any more, from this moment on."""
        self._dispatcher.remove(registration)

    def _show_contact(self) -> None:
        """Shows the contact of the namespace that has waited longest: the others must not hide one that is cut off."""
        self._contact_gauge.set(min(feed.contacted_at for feed in self._feeds))

    def _review(self) -> None:
        """Draws what holds for the informer from what holds for its feeds."""
        if not self._synced.is_set() and all(feed.listed or feed.absent for feed in self._feeds):
            self._synced.set()
            self._synced_gauge.set(1)
            log.info("informer synced", kind=self.kind.__name__, objects=len(self.store))
        if self._synced.is_set() or (self.optional and all(feed.settled for feed in self._feeds)):
            self._settled.set()
