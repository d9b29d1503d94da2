"""The objects of one kind in memory, with indexes.

Readers get the shared, frozen objects themselves. Everything is synchronous: whoever runs on the loop sees the store
between two changes, never within one.

A store consists of parts, one for each reflector that fills it: one for the whole cluster, or one for each namespace
that the cache is limited to. A list is staged beside the part it replaces, page by page, and becomes visible by a
single assignment, however many objects it has.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from itertools import chain
from typing import Generic, TypeAlias, TypeVar

import structlog

from controller_runtime.apimachinery import NamespacedName, Object
from controller_runtime.cache.errors import IndexConflictError, NotCachedError, UnknownIndexError
from controller_runtime.cache.mutation import MutationDetector
from controller_runtime.cache.sharing import share_strings

T = TypeVar("T", bound=Object)
IndexFunction: TypeAlias = Callable[[T], Iterable[str]]
"""The values under which an object is found; none, one or many.

It must depend on the object alone and give the same values each time: they are computed again to take an object out of
the index. One that raises is logged as an error of that object, which is then found under nothing.
"""

log = structlog.get_logger(__name__)


class _Index(Generic[T]):
    """One index over one part.

    Most values belong to one object, so a value leads to the object itself and to a dict of objects only where several
    share it: that saves about 230 bytes for each object and index.
    """

    def __init__(self, name: str, function: IndexFunction[T]) -> None:
        self._name = name
        self._function = function
        self._hits: dict[str, T | dict[tuple[str, str], T]] = {}

    def change(self, old: T | None, new: T | None) -> None:
        """Puts `new` in the place of `old`; None stands for an object that is not there."""
        new_values = self._values(new, log_failure=True) if new is not None else ()
        if old is not None:
            for value in self._values(old, log_failure=False):  # a failure was logged when the object came in
                if value not in new_values:
                    self._remove(value, old.key)
        if new is not None:
            for value in new_values:
                self._add(value, new)

    def _values(self, obj: T, *, log_failure: bool) -> Collection[str]:
        """The distinct values of the object; none if the function fails."""
        try:
            return dict.fromkeys(self._function(obj))
        except Exception:  # the application's code, and its failure must cost no other object
            if log_failure:
                log.exception(
                    "index function failed; the object is not indexed",
                    index=self._name,
                    kind=type(obj).resource.kind,
                    namespace=obj.metadata.namespace,
                    name=obj.metadata.name,
                )
            return ()

    def _add(self, value: str, obj: T) -> None:
        found = self._hits.get(value)
        if found is None:
            self._hits[value] = obj
        elif isinstance(found, dict):
            found[_plain_key(obj)] = obj
        elif _plain_key(found) == _plain_key(obj):
            self._hits[value] = obj
        else:
            self._hits[value] = {_plain_key(found): found, _plain_key(obj): obj}

    def _remove(self, value: str, key: NamespacedName) -> None:
        found = self._hits.get(value)
        if isinstance(found, dict):
            found.pop(key, None)
            if not found:
                del self._hits[value]
        elif found is not None and found.key == key:
            del self._hits[value]

    def hits(self, value: str) -> Collection[T]:
        """The objects with that value, in no particular order."""
        found = self._hits.get(value)
        if found is None:
            return ()
        return found.values() if isinstance(found, dict) else (found,)


def _plain_key(obj: Object) -> tuple[str, str]:
    """Equal to the object's key, but of a type that the garbage collector does not visit for as long as it lives."""
    return obj.metadata.namespace, obj.metadata.name


class Part(Generic[T]):
    """What one reflector has read: objects by namespace and name, and their indexes."""

    def __init__(self, functions: dict[str, IndexFunction[T]]) -> None:
        self._namespaces: dict[str, dict[str, T]] = {}
        self._indexes: dict[str, _Index[T]] = {}
        self._size = 0
        self._latest: T | None = None
        for name, function in functions.items():
            self.add_index(name, function)

    def __len__(self) -> int:
        return self._size

    def __iter__(self) -> Iterator[T]:
        return chain.from_iterable(objects.values() for objects in self._namespaces.values())

    def get(self, key: NamespacedName) -> T | None:
        """The object of that key."""
        objects = self._namespaces.get(key.namespace)
        return objects.get(key.name) if objects else None

    def like(self, obj: T) -> T | None:
        """The object of the same key; spares making the key, which counts where every object of a list is looked up."""
        metadata = obj.metadata
        objects = self._namespaces.get(metadata.namespace)
        return objects.get(metadata.name) if objects else None

    def namespace(self, namespace: str) -> Collection[T]:
        """The objects of one namespace."""
        objects = self._namespaces.get(namespace)
        return objects.values() if objects else ()

    def hits(self, index: str, value: str) -> Collection[T]:
        """The objects with that value of the index, which must exist."""
        return self._indexes[index].hits(value)

    def take(self, obj: T, known: T | None) -> T | None:
        """Puts an object that nobody has seen yet; it shares strings with its `known` state, or else with another."""
        similar = known if known is not None else self._latest
        if similar is not None:
            share_strings(similar, obj)
        self._latest = obj
        return self.put(obj)

    def put(self, obj: T) -> T | None:
        """Adds or replaces an object and returns the one it replaced."""
        metadata = obj.metadata
        objects = self._namespaces.setdefault(metadata.namespace, {})
        old = objects.get(metadata.name)
        objects[metadata.name] = obj
        self._size += old is None
        for index in self._indexes.values():
            index.change(old, obj)
        return old

    def remove(self, key: NamespacedName) -> T | None:
        """Removes an object and returns it."""
        objects = self._namespaces.get(key.namespace)
        old = objects.pop(key.name, None) if objects else None
        if old is None:
            return None
        if not objects:
            del self._namespaces[key.namespace]
        self._size -= 1
        for index in self._indexes.values():
            index.change(old, None)
        return old

    def add_index(self, name: str, function: IndexFunction[T]) -> None:
        """Adds an index over what is there, unless the part has it already."""
        if name in self._indexes:
            return
        index = self._indexes[name] = _Index(name, function)
        for obj in self:
            index.change(None, obj)


class Staging(Generic[T]):
    """A list under way, invisible to readers until `Store.replace`.

    An object that has not changed since it was cached keeps its identity: a relist then costs no memory for the
    objects twice, and what others derived from the cached object stays valid.
    """

    def __init__(self, live: Part[T], part: Part[T]) -> None:
        self._live = live
        self.part = part

    def __len__(self) -> int:
        return len(self.part)

    def reuse(self, obj: T) -> bool:
        """Takes the cached copy of an object that has the state which was read; False if there is none."""
        known = self._live.like(obj)
        if known is None or not _same_state(known, obj):
            return False
        self.part.put(known)
        return True

    def put(self, obj: T) -> None:
        """Takes an object that nobody has seen yet, in place of what was staged of its key."""
        self.part.take(obj, self._live.like(obj))

    def keep(self, key: NamespacedName, uid: str) -> None:
        """Takes it that there is an object of which nothing more can be read: the last copy that is known stays.

        That is the one that is staged, or else the cached one; a copy with another uid is of an object that was deleted
        since.
        """
        staged, known = self.part.get(key), self._live.get(key)
        if staged is not None and staged.metadata.uid == uid:
            return
        if known is not None and known.metadata.uid == uid:
            self.part.put(known)
        else:
            self.part.remove(key)

    def remove(self, key: NamespacedName) -> None:
        """Takes it that the object is gone."""
        self.part.remove(key)


def _same_state(known: T, read: T) -> bool:
    ours, theirs = known.metadata, read.metadata
    return ours.resource_version == theirs.resource_version != "" and ours.uid == theirs.uid


class Store(Generic[T]):
    """Objects of one kind by key, by namespace and by index; written by its informer alone.

    Args:
        kind: class of the objects.
        scopes: the namespaces that are filled separately; `("",)` for the whole cluster at once.
        detector: remembers what objects looked like, to find whoever changes them.
    """

    def __init__(
        self, kind: type[T], scopes: Sequence[str] = ("",), *, detector: MutationDetector | None = None
    ) -> None:
        self.kind = kind
        self._functions: dict[str, IndexFunction[T]] = {}
        self._parts: dict[str, Part[T]] = {scope: Part({}) for scope in scopes}
        self._detector = detector

    def __len__(self) -> int:
        return sum(map(len, self._parts.values()))

    def get(self, key: NamespacedName) -> T | None:
        """The object, or None if it does not exist. For a cluster-scoped kind the key's namespace is ignored.

        Raises:
            NotCachedError: the cache is limited to namespaces, and this is none of them.
            TypeError: the key is no NamespacedName.
        """
        try:
            if not self.kind.resource.namespaced:
                key = NamespacedName("", key.name)
            return self._part(key.namespace).get(key)
        except AttributeError as error:  # reads are too many for a look at each key before
            raise TypeError(f"the key must be a NamespacedName, not {key!r}") from error

    def list(self, namespace: str = "") -> tuple[T, ...]:
        """The objects of one namespace, or all; in no particular order.

        Raises:
            NotCachedError: the cache is limited to namespaces, and this is none of them.
        """
        if namespace and self.kind.resource.namespaced:
            return tuple(self._part(namespace).namespace(namespace))
        return tuple(chain.from_iterable(self._parts.values()))

    def by_index(self, name: str, value: str) -> tuple[T, ...]:
        """The objects that the index has under that value, in no particular order; the cost is that of the hits.

        Raises:
            UnknownIndexError: no such index was declared.
        """
        if name not in self._functions:
            known = ", ".join(sorted(self._functions)) or "none"
            raise UnknownIndexError(
                f"{self.kind.__name__} has no index {name!r} (declared: {known}); declare it with Cache.index"
            )
        if len(self._parts) == 1:
            (part,) = self._parts.values()
            return tuple(part.hits(name, value))
        return tuple(chain.from_iterable(part.hits(name, value) for part in self._parts.values()))

    def add_index(self, name: str, function: IndexFunction[T]) -> None:
        """Declares an index; what is cached already is indexed at once (about 1 s for a million objects).

        Raises:
            IndexConflictError: the name is taken.
        """
        if name in self._functions:
            raise IndexConflictError(f"{self.kind.__name__} has an index {name!r} already; choose another name")
        self._functions[name] = function
        for part in self._parts.values():
            part.add_index(name, function)

    def _part(self, namespace: str) -> Part[T]:
        return self._parts[self.scope_of(namespace)]

    def scope_of(self, namespace: str) -> str:
        """The scope that a namespace belongs to: its own, or else that of all others.

        Raises:
            NotCachedError: the cache is limited to namespaces, and this is none of them.
        """
        for scope in (namespace, ""):
            if scope in self._parts:
                return scope
        raise NotCachedError(
            f"{self.kind.__name__} is not cached in namespace {namespace!r}: "
            f"the cache is limited to {', '.join(sorted(self._parts))}"
        )

    def keys(self, scope: str) -> tuple[NamespacedName, ...]:
        """The keys of what is in one scope now."""
        return tuple(obj.key for obj in self._parts[scope])

    def stage(self, scope: str) -> Staging[T]:
        """Begins a list that will replace the part of that scope."""
        return Staging(self._parts[scope], Part(dict(self._functions)))

    def replace(self, scope: str, staged: Staging[T]) -> tuple[Part[T], Part[T]]:
        """Makes a list visible, all of it at once.

        Returns:
            The part that was there, and the one that is there now.
        """
        for name, function in self._functions.items():
            staged.part.add_index(name, function)
        old, new = self._parts[scope], staged.part
        self._parts[scope] = new
        if self._detector is not None:
            self._detector.replace(old, new)
        return old, new

    def put(self, scope: str, obj: T) -> T | None:
        """Adds or replaces one object and returns the one it replaced."""
        part = self._parts[scope]
        old = part.take(obj, part.like(obj))
        if self._detector is not None:
            self._detector.replace((old,) if old is not None else (), (obj,))
        return old

    def remove(self, scope: str, key: NamespacedName) -> T | None:
        """Removes one object and returns it; None if there was none."""
        old = self._parts[scope].remove(key)
        if old is not None and self._detector is not None:
            self._detector.replace((old,), ())
        return old

    def release(self) -> None:
        """Takes all objects out of the detector; the store itself goes with its last user."""
        if self._detector is not None:
            self._detector.replace(self.list(), ())
