"""All informers of a process under one roof: declare kinds and indexes, run them, read from memory."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from types import MappingProxyType
from typing import Any, TypeVar

from controller_runtime.apimachinery import NamespacedName, Object, metadata_of
from controller_runtime.apimachinery.selectors import parse_labels
from controller_runtime.cache.errors import InformerStoppedError, NotCachedError
from controller_runtime.cache.feed import Feed
from controller_runtime.cache.informer import Informer
from controller_runtime.cache.mutation import MutationDetector
from controller_runtime.cache.options import (
    BUILT_IN,
    NO_OPTIONS,
    UNSET,
    InformerOptions,
    Namespaces,
    Scope,
    Selector,
    Settings,
    settings,
)
from controller_runtime.cache.reader import StreamingLists
from controller_runtime.cache.sightings import LookUp, Witness, when_all_seen
from controller_runtime.cache.store import IndexFunction
from controller_runtime.client import Client, OwnWrite

T = TypeVar("T", bound=Object)


class Cache:
    """The informers of one process; a Runnable.

    Reads are synchronous and answer from what has been seen so far, which is nothing before the first list: whoever
    cannot tell "not there" from "not yet known" by `has_synced` waits for `wait_synced` first. Reading never starts an
    informer; kinds are declared by `informer` or `index`, before or after the start.

    Args:
        client: the way to the API server.
        namespaces: what namespaced kinds are limited to; empty for the whole cluster. Cluster-scoped kinds are read
            whole in any case. Short for `namespaces` of `defaults`.
        kinds: options of single kinds. `metadata_of(Kind)` is a kind of its own, which has none of the options of Kind.
        defaults: what holds where the options of a kind say nothing.
        detect_mutations: remembers how every object looked, for `check_mutations`; for tests, it is slow.

    Raises:
        ValueError: a namespace is empty, namespaces are given twice or for a cluster-scoped kind, or options contradict
            each other.
    """

    needs_leader_election = False

    def __init__(
        self,
        client: Client,
        *,
        namespaces: Namespaces = (),
        kinds: Mapping[type[Object], InformerOptions] = MappingProxyType({}),
        defaults: InformerOptions = NO_OPTIONS,
        detect_mutations: bool = False,
    ) -> None:
        if namespaces and defaults.namespaces is not UNSET:
            raise ValueError("the cache's namespaces are given twice: in `defaults`, and beside them")
        self._client = client
        self._kinds = dict(kinds)
        self._defaults = (replace(defaults, namespaces=namespaces) if namespaces else defaults).over(BUILT_IN)
        self._detector = MutationDetector() if detect_mutations else None
        self._streaming = StreamingLists()
        self._informers: dict[tuple[type[Object], tuple[Scope, ...]], Informer[Any]] = {}
        self._default_informers: dict[type[Object], Informer[Any]] = {}
        self._running: dict[Informer[Any], asyncio.Task[None]] = {}
        self._tasks: asyncio.TaskGroup | None = None
        self._ended = False
        for kind in self._kinds:
            self._settings(kind, None)  # finds contradictions now and not at the first use

    # Declaring

    def informer(self, kind: type[T], *, selector: Selector | None = None, optional: bool | None = None) -> Informer[T]:
        """The informer of a kind, made by the first call and started with the cache (at once if that runs).

        What is read is shared: two calls that come to the same objects get the same informer. Metadata alone,
        `metadata_of(Kind)`, is a kind of its own here.

        Args:
            kind: class of the objects.
            selector: which objects, in place of what the kind's options say; None for those, the default informer.
            optional: whether the caller can do without the kind, should the API server not serve it; None to leave that
                to others. Required wins, and is what holds if nobody says anything.

        Raises:
            SelectorError: the selector is malformed.
            InformerStoppedError: there is no such informer, and the cache has ended.
        """
        informer = self._find(kind, selector) or self._add(kind, selector)
        if optional is not None:
            informer.declare(optional=optional)
        return informer

    def _find(self, kind: type[T], selector: Selector | None) -> Informer[T] | None:
        if selector is None:
            return self._default_informers.get(kind)
        return self._informers.get((kind, self._settings(kind, selector).scopes))

    def _add(self, kind: type[T], selector: Selector | None) -> Informer[T]:
        place = (kind, self._settings(kind, selector).scopes)
        informer = self._informers.get(place)
        if informer is None:
            informer = self._informers[place] = self._make(kind, selector)
        if selector is None:
            self._default_informers[kind] = informer
        return informer

    def _make(self, kind: type[T], selector: Selector | None) -> Informer[T]:
        if self._ended:
            raise InformerStoppedError(f"the cache has ended: declare {kind.__name__} while it runs, or before")
        informer = Informer(
            self._client,
            kind,
            self._options(kind),
            defaults=self._defaults,
            selector=selector,
            streaming=self._streaming,
            detector=self._detector,
        )
        if self._tasks is not None:
            self._launch(self._tasks, informer)
        return informer

    def _options(self, kind: type[Object]) -> InformerOptions:
        return self._kinds.get(kind, NO_OPTIONS)

    def _settings(self, kind: type[Object], selector: Selector | None) -> Settings:
        return settings(kind, self._options(kind), self._defaults, selector)

    async def remove_informer(self, kind: type[Object], *, selector: Selector | None = None) -> None:
        """Ends an informer and forgets what it has; a later declaration makes a new one. Without one nothing happens.

        Who waits for it to sync gets an InformerStoppedError; reading the kind is a NotCachedError from now on.

        Raises:
            RuntimeError: handlers are registered; the message names them.
        """
        informer = self._find(kind, selector)
        if informer is None:
            return
        informer.discard()
        self._informers = {place: one for place, one in self._informers.items() if one is not informer}
        self._default_informers = {kind: one for kind, one in self._default_informers.items() if one is not informer}
        if (task := self._running.pop(informer, None)) is not None:
            task.cancel()
            await asyncio.wait((task,))
        informer.store.release()

    def index(self, kind: type[T], name: str, function: IndexFunction[T], *, selector: Selector | None = None) -> None:
        """Declares an index of an informer, and with it the informer.

        `by_index` reads the one of the default informer; others are read by `store.by_index` of their informer.

        Raises:
            IndexConflictError: the informer has an index of that name.
        """
        self.informer(kind, selector=selector).store.add_index(name, function)

    # Reading: the default informer of the kind

    def get(self, kind: type[T], key: NamespacedName) -> T | None:
        """The cached object, shared and frozen; None if it does not exist.

        Raises:
            NotCachedError: the kind has no informer, or the namespace is not one of the cache's.
            TypeError: the key is no NamespacedName.
        """
        return self._declared(kind).store.get(key)

    def list(self, kind: type[T], *, namespace: str = "", label_selector: str = "") -> tuple[T, ...]:
        """The cached objects of a namespace, or all; shared and frozen, in no particular order.

        Args:
            kind: class of the objects.
            namespace: empty for all.
            label_selector: as kubectl writes it (`app=x,tier!=y`); looks at each of the objects.

        Raises:
            NotCachedError: the kind has no informer, or the namespace is not one of the cache's.
            SelectorError: the selector is malformed.
        """
        objects = self._declared(kind).store.list(namespace)
        if not label_selector:
            return objects
        wanted = parse_labels(label_selector)
        return tuple(obj for obj in objects if wanted.matches(obj.metadata.labels))

    def by_index(self, kind: type[T], index: str, value: str) -> tuple[T, ...]:
        """The cached objects that an index has under a value; costs what the hits cost.

        Raises:
            NotCachedError: the kind has no informer.
            UnknownIndexError: the kind has no such index.
        """
        return self._declared(kind).store.by_index(index, value)

    def _declared(self, kind: type[T]) -> Informer[T]:
        informer = self._default_informers.get(kind)
        if informer is None:
            raise NotCachedError(
                f"{kind.__name__} is not cached: declare it with Cache.informer before reading it, or read it live "
                f"with the client{self._metadata_hint(kind)}"
            )
        return informer

    def _metadata_hint(self, kind: type[Object]) -> str:
        if metadata_of(kind) in self._default_informers:
            return f"; only its metadata is: metadata_of({kind.__name__})"
        return ""

    # Waiting for what was written

    def has_seen(self, write: OwnWrite) -> bool:
        """Whether the cache's handlers were told of a write, by every informer that has such objects.

        Writes that the cache will not, or cannot, tell of count as seen: see `Feed.has_seen`.
        """
        return all(feed.has_seen(write) for feed in self._feeds_of(write))

    def unseen(self, writes: Iterable[OwnWrite]) -> tuple[OwnWrite, ...]:
        """The writes that have not been seen yet."""
        return tuple(write for write in writes if not self.has_seen(write))

    def when_seen(self, writes: Iterable[OwnWrite]) -> asyncio.Future[None]:
        """Done once all these writes have been seen, perhaps already; it never fails.

        It has no limit of time. Cancelling it gives up waiting and frees what it holds. Of a write whose outcome is
        unknown the object's metadata is read live, and the cache then has to see that state.
        """
        pending: list[tuple[Witness, OwnWrite]] = []
        look_ups: list[asyncio.Task[None]] = []
        for write in writes:
            feeds = [feed for feed in self._feeds_of(write) if not feed.has_seen(write)]
            if write.unknown and feeds and self._tasks is not None and not self._ended:
                look_up = LookUp(self._client, self.when_seen, write, self._tasks)
                look_ups.append(look_up.task)
                pending.append((look_up, write))
            else:
                pending += ((feed, write) for feed in feeds)
        seen = when_all_seen(pending)
        seen.add_done_callback(lambda _: [task.cancel() for task in look_ups])
        return seen

    async def wait_seen(self, writes: Iterable[OwnWrite], *, timeout: float) -> bool:
        """Waits until these writes have been seen, so that reads answer with them or with what came later.

            with record_writes() as writes:
                await client.create(secret)
            await cache.wait_seen(writes, timeout=5)

        Args:
            writes: what to wait for.
            timeout: seconds.

        Returns:
            False if the time ran out.
        """
        seen = self.when_seen(writes)
        try:
            await asyncio.wait((seen,), timeout=timeout)
            return seen.done()
        finally:
            seen.cancel()

    def _feeds_of(self, write: OwnWrite) -> Iterator[Feed[Any]]:
        wanted = _identity(write.kind)
        for informer in self._informers.values():
            if _identity(informer.kind) == wanted and (feed := informer.feed_of(write.key)) is not None:
                yield feed

    async def catch_up(self, kinds: Iterable[type[Object]], *, timeout: float) -> bool:
        """Reads all objects of these kinds anew, so that nothing is older than this call and handlers know of it.

        For the moment when this process becomes the leader: its predecessor's last writes may be on a watch that has
        been dead for up to 90 s without anybody knowing. Asking the API server for its version and waiting for that
        would not do: the watch of a quiet kind tells of new versions once a minute. Kinds that were never read, and
        those that are not served, are left out.

        Args:
            kinds: typed or metadata alone makes no difference here; every informer of the kinds' resources reads.
            timeout: seconds.

        Returns:
            False if the time ran out. Informers that end meanwhile are not waited for.
        """
        wanted = set(map(_identity, kinds))
        lists = [
            asked
            for informer in self._informers.values()
            if _identity(informer.kind) in wanted
            for asked in informer.relist()
        ]
        _, late = await asyncio.wait(lists, timeout=timeout) if lists else ((), ())
        for asked in late:
            asked.cancel()
        return not late

    # Running

    async def start(self) -> None:
        """Runs all informers until cancelled.

        Raises:
            RuntimeError: it was started before.
        """
        if self._tasks is not None:
            raise RuntimeError("the cache has been started before; make a new one")
        async with asyncio.TaskGroup() as tasks:
            self._tasks = tasks
            for informer in self._informers.values():
                self._launch(tasks, informer)
            try:
                await asyncio.Event().wait()  # informers may still come, so that having none is no reason to end
            finally:
                self._ended = True  # a task group that is being left starts nothing any more

    def _launch(self, tasks: asyncio.TaskGroup, informer: Informer[Any]) -> None:
        self._running[informer] = tasks.create_task(informer.run(), name=f"informer/{informer.name}")

    # State

    @property
    def has_synced(self) -> bool:
        """Whether every informer has settled: the API server has listed its kind (see `Informer.has_settled`)."""
        return not self.unsynced()

    async def wait_synced(self) -> None:
        """Returns once `has_synced`, informers that are declared meanwhile included."""
        while unsynced := self.unsynced():
            try:
                await unsynced[0].wait_settled()
            except InformerStoppedError:
                if unsynced[0] in self._informers.values():
                    raise

    def unsynced(self) -> Sequence[Informer[Any]]:
        """The informers that keep `has_synced` from being true; `last_error` of each says why."""
        return [informer for informer in self._informers.values() if not informer.has_settled]

    def oldest_contact(self) -> float:
        """Seconds since the API server last proved that a copy is current, for the informer where that is longest.

        Informers that were never listed do not count (`unsynced` has those); 0 without any other. Called on the loop.
        """
        now = asyncio.get_running_loop().time()
        return max((now - one.last_contact for one in self._informers.values() if one.has_synced), default=0.0)

    def check_mutations(self) -> None:
        """Looks for objects that somebody changed in place.

        Raises:
            ObjectsMutatedError: there are some; the message names them.
            RuntimeError: the cache was made without `detect_mutations`.
        """
        if self._detector is None:
            raise RuntimeError("mutations are not detected: make the cache with detect_mutations=True")
        self._detector.check()


def _identity(kind: type[Object]) -> tuple[str, str]:
    """Group and plural: what a kind's objects are, in whatever version or form they are read."""
    return kind.resource.group, kind.resource.plural
