"""Between a reflector and the store: changes the store, tells the handlers, remembers how the reflector fares."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterator
from typing import Generic, TypeVar

import structlog

from controller_runtime import metrics
from controller_runtime.apimachinery import NamespacedName, Object
from controller_runtime.cache.errors import CacheError, ReflectorError
from controller_runtime.cache.handlers import Added, Deleted, Dispatcher, Notification, Updated
from controller_runtime.cache.store import Part, Staging, Store
from controller_runtime.client import ClientError, ForbiddenError

T = TypeVar("T", bound=Object)

log = structlog.get_logger(__name__)


class Feed(Generic[T]):
    """What one reflector brings to an informer: the objects of the whole cluster, or of one namespace.

    Args:
        store: where the objects go.
        scope: the namespace; empty for the whole cluster.
        dispatcher: the handlers.
        on_progress: called when one of the attributes below has changed that the informer's own state follows from.
        on_contact: called when `contacted_at` has changed.

    Attributes:
        listed: whether a list was taken and handlers know of it; not while the kind is absent.
        absent: whether the (optional) kind is not served.
        error: why the objects cannot be read or followed at present.
        last_contact: the loop's time of the last proof of life; of the start before the first.
        contacted_at: Unix time of the last proof of life; zero before the first.
    """

    def __init__(
        self,
        store: Store[T],
        scope: str,
        dispatcher: Dispatcher[T],
        *,
        on_progress: Callable[[], None],
        on_contact: Callable[[], None],
    ) -> None:
        self.scope = scope
        self.listed = False
        self.absent = False
        self.error: ReflectorError | None = None
        self.last_contact = 0.0
        self.contacted_at = 0.0
        self._store = store
        self._dispatcher = dispatcher
        self._on_progress = on_progress
        self._on_contact = on_contact
        self._failures = _Messages()
        self._log = log.bind(kind=store.kind.__name__, **({"namespace": scope} if scope else {}))
        self._objects_gauge = metrics.CACHED_OBJECTS.labels(store.kind.__name__)

    @property
    def settled(self) -> bool:
        """Whether there was a definite answer, "forbidden" among them."""
        forbidden = self.error is not None and isinstance(self.error.cause, ForbiddenError)
        return self.listed or self.absent or forbidden

    def begin(self) -> None:
        """Starts the clock of `last_contact`."""
        self.last_contact = asyncio.get_running_loop().time()

    # What the reflector reads (see ReflectorTarget)

    def stage(self) -> Staging[T]:
        """Begins to take a list."""
        return self._store.stage(self.scope)

    async def replace(self, staged: Staging[T]) -> None:
        """Makes a list visible, then tells handlers what it changed; true in `listed` once they know."""
        old, new = self._store.replace(self.scope, staged)
        self._objects_gauge.set(len(self._store))
        if self.absent:
            self._log.info("the kind is served now")
            self.absent = False
        await self._dispatcher.deliver_all(_difference(old, new, is_initial=not self.listed))
        self.listed = True
        self._on_progress()

    def put(self, obj: T) -> None:
        """Takes an added or changed object."""
        old = self._store.put(self.scope, obj)
        if old is None:
            self._objects_gauge.set(len(self._store))
            self._dispatcher.deliver(Added(obj, False))
        elif _same_object(old, obj):
            self._dispatcher.deliver(Updated(old, obj))
        else:
            self._dispatcher.deliver(Deleted(old, True))
            self._dispatcher.deliver(Added(obj, False))

    def delete(self, key: NamespacedName, final: T | None) -> None:
        """Takes a deletion; one of an object that was never cached is none."""
        cached = self._store.remove(self.scope, key)
        if cached is None:
            return
        self._objects_gauge.set(len(self._store))
        self._dispatcher.deliver(Deleted(cached, True) if final is None else Deleted(final, False))

    async def clear(self) -> None:
        """Takes it that the optional kind is not served, so that nothing of it exists."""
        if not self.absent:
            self._log.info("the optional kind is not served; install its CustomResourceDefinition if it is wanted")
        self.absent, self.listed, self.error = True, False, None
        self._failures.forget()
        old, new = self._store.replace(self.scope, self._store.stage(self.scope))
        self._objects_gauge.set(len(self._store))
        await self._dispatcher.deliver_all(_difference(old, new, is_initial=False))
        self._on_progress()

    def contact(self) -> None:
        """Notes a proof of life."""
        self.last_contact = asyncio.get_running_loop().time()
        self.contacted_at = time.time()
        self._on_contact()

    def failed(self, verb: str, error: Exception) -> None:
        """Notes why listing or watching does not work; a message is logged once until it works again."""
        self.error = ReflectorError(verb, self._store.kind.resource, self.scope, error)
        if self._failures.is_new(str(self.error)):
            expected = isinstance(error, ClientError | CacheError)
            self._log.warning("cannot follow the kind", error=str(self.error), exc_info=None if expected else error)
        _forget_frames(error)
        self._on_progress()

    def recovered(self, verb: str) -> None:
        """Notes that listing or watching works; a list that works says nothing about a watch that does not."""
        if self.error is None or (verb == "list" and self.error.verb == "watch"):
            return
        self.error = None
        self._failures.forget()
        self._log.info("following the kind again")
        self._on_progress()


def _forget_frames(error: BaseException) -> None:
    """Drops the tracebacks: their frames hold the half of a list that was read, for as long as the error is kept."""
    link: BaseException | None = error
    while link is not None and link.__traceback__ is not None:
        link.__traceback__ = None
        link = link.__cause__ or link.__context__


class _Messages:
    """Tells what has been logged already, so that a retry or an update does not log it again.

    Beyond a hundred distinct messages nothing is new any more: what fails in so many ways need not fill the disk too.
    """

    _LIMIT = 100

    def __init__(self) -> None:
        self._known: set[str] = set()

    def is_new(self, message: str) -> bool:
        """Whether the message should be logged; it is known afterwards."""
        if message in self._known or len(self._known) >= self._LIMIT:
            return False
        self._known.add(message)
        return True

    def forget(self) -> None:
        """Makes every message new again."""
        self._known.clear()


def _difference(old: Part[T], new: Part[T], *, is_initial: bool) -> Iterator[Notification | None]:
    """What handlers must hear when `new` takes the place of `old`, neither of which changes meanwhile.

    None stands for an object with nothing to tell: looking at it has taken time too.
    """
    for cached in old:
        now = new.get(cached.key)
        is_gone = now is None or not _same_object(cached, now)
        yield Deleted(cached, True) if is_gone else None
    for obj in new:
        known = old.get(obj.key)
        if known is None or not _same_object(known, obj):
            yield Added(obj, is_initial)
        else:
            yield Updated(known, obj)


def _same_object(one: Object, other: Object) -> bool:
    """Whether both are states of one object: a name may be used again, a uid may not."""
    return one.metadata.uid == other.metadata.uid
