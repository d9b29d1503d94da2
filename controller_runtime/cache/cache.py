"""All informers of a process under one roof: declare kinds and indexes, run them, read from memory."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any, TypeVar, cast

from controller_runtime.apimachinery import NamespacedName, Object
from controller_runtime.cache.errors import InformerStoppedError, NotCachedError, ReflectorError
from controller_runtime.cache.informer import Informer
from controller_runtime.cache.mutation import MutationDetector
from controller_runtime.cache.store import IndexFunction
from controller_runtime.client import Client

T = TypeVar("T", bound=Object)


class Cache:
    """The informers of one process; a Runnable.

    Reads are synchronous and answer from what has been seen so far, which is nothing before the first list: whoever
    cannot tell "not there" from "not yet known" by `has_synced` waits for `wait_synced` first. Reading never starts an
    informer; kinds are declared by `informer` or `index`, before or after the start.

    Args:
        client: the way to the API server.
        namespaces: what namespaced kinds are limited to; empty for the whole cluster. Cluster-scoped kinds are read
            whole in any case.
        detect_mutations: remembers how every object looked, for `check_mutations`; for tests, it is slow.

    Raises:
        ValueError: a namespace is empty.
    """

    needs_leader_election = False

    def __init__(self, client: Client, *, namespaces: Sequence[str] = (), detect_mutations: bool = False) -> None:
        if not all(namespaces):
            raise ValueError("an empty namespace was given beside others; give none at all for the whole cluster")
        self._client = client
        self._namespaces = tuple(dict.fromkeys(namespaces))
        self._detector = MutationDetector() if detect_mutations else None
        self._informers: dict[type[Object], Informer[Any]] = {}
        self._tasks: asyncio.TaskGroup | None = None
        self._ended = False

    # Declaring

    def informer(self, kind: type[T], *, optional: bool | None = None) -> Informer[T]:
        """The informer of a kind, made by the first call and started with the cache (at once if that runs).

        Metadata alone, `metadata_of(Kind)`, is a kind of its own here.

        Args:
            kind: class of the objects.
            optional: whether the API server may not serve the kind; None leaves that to whoever else declares it, and
                means no at the first call.

        Raises:
            ValueError: the informer was made with another `optional`.
            InformerStoppedError: the kind has no informer, and the cache has ended.
        """
        informer = self._informers.get(kind)
        if informer is None:
            informer = self._make(kind, optional=bool(optional))
        elif optional is not None and informer.optional != optional:
            declared = "optional" if informer.optional else "required"
            raise ValueError(f"{kind.__name__} is {declared} already; declare it the other way at its first use")
        return cast("Informer[T]", informer)

    def _make(self, kind: type[T], *, optional: bool) -> Informer[T]:
        if self._ended:
            raise InformerStoppedError(f"the cache has ended: declare {kind.__name__} while it runs, or before")
        informer = Informer(self._client, kind, namespaces=self._namespaces, optional=optional, detector=self._detector)
        self._informers[kind] = informer
        if self._tasks is not None:
            self._launch(self._tasks, informer)
        return informer

    def index(self, kind: type[T], name: str, function: IndexFunction[T]) -> None:
        """Declares an index of a kind, and with it the kind's informer.

        Raises:
            IndexConflictError: the kind has an index of that name.
        """
        self.informer(kind).store.add_index(name, function)

    # Reading

    def get(self, kind: type[T], key: NamespacedName) -> T | None:
        """The cached object, shared and frozen; None if it does not exist.

        Raises:
            NotCachedError: the kind has no informer, or the namespace is not one of the cache's.
        """
        return self._declared(kind).store.get(key)

    def list(self, kind: type[T], *, namespace: str = "") -> tuple[T, ...]:
        """The cached objects of a namespace, or all; shared and frozen, in no particular order.

        Raises:
            NotCachedError: the kind has no informer, or the namespace is not one of the cache's.
        """
        return self._declared(kind).store.list(namespace)

    def by_index(self, kind: type[T], index: str, value: str) -> tuple[T, ...]:
        """The cached objects that an index has under a value; costs what the hits cost.

        Raises:
            NotCachedError: the kind has no informer.
            UnknownIndexError: the kind has no such index.
        """
        return self._declared(kind).store.by_index(index, value)

    def _declared(self, kind: type[T]) -> Informer[T]:
        informer = self._informers.get(kind)
        if informer is None:
            raise NotCachedError(
                f"{kind.__name__} is not cached: declare it with Cache.informer before reading it, or read it live "
                "with the client"
            )
        return cast("Informer[T]", informer)

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
        tasks.create_task(informer.run(), name=f"informer/{informer.kind.__name__}")

    # State

    @property
    def has_synced(self) -> bool:
        """Whether every informer has settled: the API server has listed its kind (see `Informer.has_settled`)."""
        return all(informer.has_settled for informer in self._informers.values())

    async def wait_synced(self) -> None:
        """Returns once `has_synced`, informers that are declared meanwhile included."""
        while not self.has_synced:
            for informer in tuple(self._informers.values()):
                await informer.wait_settled()

    def unsynced(self) -> Sequence[tuple[type[Object], ReflectorError | None]]:
        """The kinds that keep `has_synced` from being true, each with what went wrong last."""
        return [(kind, informer.last_error) for kind, informer in self._informers.items() if not informer.has_settled]

    def oldest_contact(self) -> float:
        """Seconds since the API server last proved that a copy is current, for the kind where that is longest.

        Kinds that were never listed do not count (`unsynced` has those); 0 without any other. Called on the loop.
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
