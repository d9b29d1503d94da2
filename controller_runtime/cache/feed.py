"""Between a reflector and the store: changes the store, tells the handlers, remembers how the reflector fares."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterator
from typing import Generic, TypeVar

import structlog

from controller_runtime.apimachinery import NamespacedName, Object
from controller_runtime.cache.errors import CacheError, ReflectorError
from controller_runtime.cache.gauges import InformerGauges
from controller_runtime.cache.handlers import SLICE, Added, Deleted, Dispatcher, Notification, Updated
from controller_runtime.cache.options import Scope
from controller_runtime.cache.sightings import Sightings
from controller_runtime.cache.store import Part, Staging, Store
from controller_runtime.client import (
    ApiError,
    ClientError,
    ForbiddenError,
    OwnWrite,
    TooManyRequestsError,
    TransportError,
)

T = TypeVar("T", bound=Object)

_SHOWN_SECONDS = 1.0
"""How exactly the time of the last contact is shown: a metric set with each event would cost more than the event."""

log = structlog.get_logger(__name__)


class Feed(Generic[T]):
    """What one reflector brings to an informer: the objects of the whole cluster, or of one namespace.

    Args:
        store: where the objects go.
        scope: what is read.
        dispatcher: the handlers.
        gauges: show how many objects the store has.
        on_progress: called when one of the attributes below has changed that the informer's own state follows from.
        on_contact: called when `contacted_at` has changed.

    Attributes:
        listed: whether a list was taken and handlers know of it; not while the kind is absent.
        absent: whether the (optional) kind is not served.
        position: the resource version up to which handlers were told everything; empty before the first list and while
            the kind is absent.
        sightings: what waits for this feed's news.
        error: why the objects cannot be read or followed at present.
        last_contact: the loop's time of the last proof of life; of the start before the first.
        contacted_at: Unix time of the last proof of life, to the second; zero before the first.
    """

    def __init__(
        self,
        store: Store[T],
        scope: Scope,
        dispatcher: Dispatcher[T],
        gauges: InformerGauges,
        *,
        on_progress: Callable[[], None],
        on_contact: Callable[[], None],
    ) -> None:
        self.scope = scope
        self.listed = False
        self.absent = False
        self.position = ""
        self.sightings = Sightings()
        self.error: ReflectorError | None = None
        self.last_contact = 0.0
        self.contacted_at = 0.0
        self._shown_until = float("-inf")
        self._store = store
        self._dispatcher = dispatcher
        self._on_progress = on_progress
        self._on_contact = on_contact
        self._failures = _Messages()
        self._gauges = gauges
        self._sequence = asyncio.Lock()
        """Held by what tells handlers of many objects and lets the loop do other things in between."""
        self._log = log.bind(kind=store.kind.__name__, **({"scope": str(scope)} if str(scope) else {}))

    @property
    def settled(self) -> bool:
        """Whether there was a definite answer, "forbidden" among them."""
        forbidden = self.error is not None and isinstance(self.error.cause, ForbiddenError)
        return self.listed or self.absent or forbidden

    def begin(self) -> None:
        """Starts the clock of `last_contact`."""
        self.last_contact = asyncio.get_running_loop().time()

    def has_seen(self, write: OwnWrite) -> bool:
        """Whether handlers were told of a write, or nobody can say when they will be.

        The latter holds before the first list, while the kind cannot be read for a reason that time alone does not
        mend, for versions that are no integers, and for objects that are not cached and that the selector does not
        select for sure.
        """
        if not self.listed or not self.position.isdecimal() or (self.error and not _will_pass(self.error.cause)):
            return True
        if write.unknown:
            return False
        cached = self._store.get(write.key)
        if write.deleted and (cached is None or _is_going(cached, write.uid)):
            return True
        if not write.resource_version.isdecimal():
            return not write.deleted
        if int(write.resource_version) <= int(self.position):
            return True
        return cached is None and not self.scope.surely_holds(write.key, write.labels)

    async def resync(self) -> None:
        """Tells handlers of every object as of an update that changes nothing.

        Never while they are being told of a list; each object as it is at its turn, if it is still there.
        """
        async with self._sequence:
            for number, key in enumerate(self._store.keys(self.scope.name), start=1):
                if (obj := self._store.get(key)) is not None:
                    self._dispatcher.deliver(Updated(obj, obj))
                if number % SLICE == 0:
                    await asyncio.sleep(0)

    # What the reflector reads (see ReflectorTarget)

    def stage(self) -> Staging[T]:
        """Begins to take a list."""
        return self._store.stage(self.scope.name)

    async def replace(self, staged: Staging[T], version: str) -> None:
        """Makes a list visible, then tells handlers what it changed; true in `listed` once they know."""
        async with self._sequence:
            old, new = self._store.replace(self.scope.name, staged)
            self._gauges.objects(len(self._store))
            if self.absent:
                self._log.info("the kind is served now")
                self.absent = False
            await self._dispatcher.deliver_all(_difference(old, new, is_initial=not self.listed))
            self.listed, self.position = True, version
        self._changed()

    def moved(self, version: str, key: NamespacedName | None) -> None:
        """Notes up to where the reflector has told everything, after news of an object or, without a key, of none."""
        self.position = version
        if key is None:
            self.sightings.look_at_all()
        else:
            self.sightings.look(key)

    def put(self, obj: T) -> None:
        """Takes an added or changed object."""
        old = self._store.put(self.scope.name, obj)
        if old is None:
            self._gauges.objects(len(self._store))
            self._dispatcher.deliver(Added(obj, False))
        elif _same_object(old, obj):
            self._dispatcher.deliver(Updated(old, obj))
        else:
            self._dispatcher.deliver(Deleted(old, True))
            self._dispatcher.deliver(Added(obj, False))

    def delete(self, key: NamespacedName, final: T | None) -> None:
        """Takes a deletion; one of an object that was never cached is none."""
        cached = self._store.remove(self.scope.name, key)
        if cached is None:
            return
        self._gauges.objects(len(self._store))
        self._dispatcher.deliver(Deleted(cached, True) if final is None else Deleted(final, False))

    async def clear(self) -> None:
        """Takes it that the optional kind is not served, so that nothing of it exists."""
        if not self.absent:
            self._log.info("the optional kind is not served; install its CustomResourceDefinition if it is wanted")
        self.absent, self.listed, self.error, self.position = True, False, None, ""
        self._failures.forget()
        async with self._sequence:
            old, new = self._store.replace(self.scope.name, self._store.stage(self.scope.name))
            self._gauges.objects(len(self._store))
            await self._dispatcher.deliver_all(_difference(old, new, is_initial=False))
        self._changed()

    def contact(self) -> None:
        """Notes a proof of life."""
        now = asyncio.get_running_loop().time()
        self.last_contact = now
        if now >= self._shown_until:
            self._shown_until = now + _SHOWN_SECONDS
            self.contacted_at = time.time()
            self._on_contact()

    def failed(self, verb: str, error: Exception) -> None:
        """Notes why listing or watching does not work; a message is logged once until it works again."""
        self.error = ReflectorError(verb, self._store.kind.resource, self.scope, error)
        if self._failures.is_new(str(self.error)):
            expected = isinstance(error, ClientError | CacheError)
            self._log.warning("cannot follow the kind", error=str(self.error), exc_info=None if expected else error)
        _forget_frames(error)
        self._changed()

    def recovered(self, verb: str) -> None:
        """Notes that listing or watching works; a list that works says nothing about a watch that does not."""
        if self.error is None or (verb == "list" and self.error.verb == "watch"):
            return
        self.error = None
        self._failures.forget()
        self._log.info("following the kind again")
        self._changed()

    def end(self) -> None:
        """Nothing comes any more, so that nobody need wait."""
        self.listed = False
        self.sightings.look_at_all()

    def _changed(self) -> None:
        self._on_progress()
        self.sightings.look_at_all()


def _is_going(cached: Object, uid: str) -> bool:
    """Whether the cached object is about to go, or is another than the one of that uid."""
    return cached.metadata.deletion_timestamp is not None or (uid != "" and cached.metadata.uid != uid)


def _will_pass(cause: Exception) -> bool:
    """Whether the API server is only away, busy or in trouble: another one may answer at once, and will tell of all."""
    if isinstance(cause, ApiError):
        return isinstance(cause, TooManyRequestsError) or cause.code >= 500
    return isinstance(cause, TransportError)


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
        now = new.like(cached)
        is_gone = now is None or not _same_object(cached, now)
        yield Deleted(cached, True) if is_gone else None
    for obj in new:
        known = old.like(obj)
        if known is None or not _same_object(known, obj):
            yield Added(obj, is_initial)
        else:
            yield Updated(known, obj)


def _same_object(one: Object, other: Object) -> bool:
    """Whether both are states of one object: a name may be used again, a uid may not."""
    return one.metadata.uid == other.metadata.uid
