"""Predicates: which events of an object are worth a request.

    ControllerBuilder(manager).for_(Widget, predicates=[Or(GenerationChangedPredicate(), LabelChangedPredicate())])

A predicate is asked with the objects of an event before the map function is; what it refuses leads to no request. It
saves work and nothing else: an object that is refused is cached all the same (see the cache's selectors for that), and
is reconciled whenever another event names it. Predicates are called on the event loop and must be quick.

The names and the rules are those of controller-runtime's `pkg/predicate`, with two differences.
`LabelSelectorPredicate` passes an update if the old or the new state matches, so that an object which leaves the
selection is reconciled once more; the original looks at the new state alone. `Not` of a predicate that judges only
updates inverts its verdict on updates; the original then refuses every create, delete and generic event.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from controller_runtime.apimachinery import Object, parse_labels


class Predicate(Protocol):
    """Says of each event whether it passes. Objects are shared with the cache and must not be changed."""

    def create(self, obj: Any) -> bool:
        """An object appeared, or existed before."""
        ...

    def update(self, old: Any, new: Any) -> bool:
        """An object changed, or was brought again by a relist or a resync: then the resource versions are equal."""
        ...

    def delete(self, obj: Any) -> bool:
        """An object is gone; `obj` is its last known state."""
        ...

    def generic(self, obj: Any) -> bool:
        """Something happened outside of the cluster (`ChannelSource`)."""
        ...


_EVENTS = ("create", "update", "delete", "generic")


def require_predicate(predicate: object) -> None:
    """Refuses what is no predicate, which would fail on each event, and then let it pass.

    Raises:
        TypeError: it is a class or a function, or has no method for one of the events.
    """
    if isinstance(predicate, type):
        raise TypeError(f"a predicate is needed, not the class {predicate.__qualname__}: make an instance of it")
    missing = [event for event in _EVENTS if not callable(getattr(predicate, event, None))]
    if missing:
        hint = ": use predicate_for() to make one of a function" if callable(predicate) else ""
        raise TypeError(f"a predicate is needed, not {predicate!r}, which has no {', '.join(missing)}{hint}")


def _always(*objects: Any) -> bool:  # noqa: ARG001 - a predicate that looks at nothing
    return True


@dataclass(frozen=True, kw_only=True)
class Funcs:
    """A predicate of functions; those that are not given let everything pass."""

    create: Callable[[Any], bool] = _always
    update: Callable[[Any, Any], bool] = _always
    delete: Callable[[Any], bool] = _always
    generic: Callable[[Any], bool] = _always


def predicate_for(function: Callable[[Any], bool]) -> Funcs:
    """A predicate that applies one function to the object of each event; to the new state of an update."""
    return Funcs(create=function, update=lambda old, new: function(new), delete=function, generic=function)  # noqa: ARG005


class _UpdatePredicate:
    """Judges updates and lets all else pass."""

    only_updates = True

    def create(self, obj: Object) -> bool:  # noqa: ARG002 - the contract's
        """Passes."""
        return True

    def delete(self, obj: Object) -> bool:  # noqa: ARG002 - the contract's
        """Passes."""
        return True

    def generic(self, obj: Object) -> bool:  # noqa: ARG002 - the contract's
        """Passes."""
        return True


class ResourceVersionChangedPredicate(_UpdatePredicate):
    """Drops updates that changed nothing: resyncs and relists."""

    def update(self, old: Object, new: Object) -> bool:
        """Whether the resource versions differ."""
        return old.metadata.resource_version != new.metadata.resource_version


class GenerationChangedPredicate(_UpdatePredicate):
    """Drops updates of metadata and status alone.

    The API server counts `metadata.generation` up when the spec of a custom resource changes, and when its deletion
    begins; if the kind has no status subresource, also with its status. Built-in kinds have rules of their own. A
    status that somebody else overwrites goes unnoticed.
    """

    def update(self, old: Object, new: Object) -> bool:
        """Whether the generations differ."""
        return old.metadata.generation != new.metadata.generation


class AnnotationChangedPredicate(_UpdatePredicate):
    """Drops updates that left the annotations alone."""

    def update(self, old: Object, new: Object) -> bool:
        """Whether the annotations differ."""
        return old.metadata.annotations != new.metadata.annotations


class LabelChangedPredicate(_UpdatePredicate):
    """Drops updates that left the labels alone."""

    def update(self, old: Object, new: Object) -> bool:
        """Whether the labels differ."""
        return old.metadata.labels != new.metadata.labels


class LabelSelectorPredicate:
    """Lets objects pass whose labels match; of an update, the old or the new state has to.

    Args:
        selector: as kubectl writes it: `a=b,c!=d,e in (f,g),!h`.

    Raises:
        SelectorError: the selector is malformed.
    """

    def __init__(self, selector: str) -> None:
        self._selector = parse_labels(selector)

    def _matches(self, obj: Object) -> bool:
        return self._selector.matches(obj.metadata.labels)

    def create(self, obj: Object) -> bool:
        """Whether it matches."""
        return self._matches(obj)

    def update(self, old: Object, new: Object) -> bool:
        """Whether it matches or did so before."""
        return self._matches(new) or self._matches(old)

    def delete(self, obj: Object) -> bool:
        """Whether its last state matched."""
        return self._matches(obj)

    def generic(self, obj: Object) -> bool:
        """Whether it matches."""
        return self._matches(obj)


class _Joined:
    """Asks predicates one after the other, for as long as that can change the answer."""

    def __init__(self, join: Callable[[Iterable[bool]], bool], predicates: Sequence[Predicate]) -> None:
        self._join = join
        self._predicates = predicates
        self.only_updates = bool(predicates) and all(map(_judges_only_updates, predicates))

    def create(self, obj: Any) -> bool:
        """What they say together."""
        return self._join(one.create(obj) for one in self._predicates)

    def update(self, old: Any, new: Any) -> bool:
        """What they say together."""
        return self._join(one.update(old, new) for one in self._predicates)

    def delete(self, obj: Any) -> bool:
        """What they say together."""
        return self._join(one.delete(obj) for one in self._predicates)

    def generic(self, obj: Any) -> bool:
        """What they say together."""
        return self._join(one.generic(obj) for one in self._predicates)


class And(_Joined):
    """Lets pass what all of them let pass; everything without any. Those after the first refusal are not asked."""

    def __init__(self, *predicates: Predicate) -> None:
        super().__init__(all, predicates)


class Or(_Joined):
    """Lets pass what one of them lets pass; nothing without any. Those after the first that does are not asked."""

    def __init__(self, *predicates: Predicate) -> None:
        super().__init__(any, predicates)


class Not:
    """Lets pass what the other refuses; of one that judges only updates, it inverts the verdict on those alone.

    Which predicates judge only updates their attribute `only_updates` says; without it they judge everything.
    """

    def __init__(self, predicate: Predicate) -> None:
        self._predicate = predicate
        self.only_updates = _judges_only_updates(predicate)

    def create(self, obj: Any) -> bool:
        """Whether the other refuses it."""
        return self.only_updates or not self._predicate.create(obj)

    def update(self, old: Any, new: Any) -> bool:
        """Whether the other refuses it."""
        return not self._predicate.update(old, new)

    def delete(self, obj: Any) -> bool:
        """Whether the other refuses it."""
        return self.only_updates or not self._predicate.delete(obj)

    def generic(self, obj: Any) -> bool:
        """Whether the other refuses it."""
        return self.only_updates or not self._predicate.generic(obj)


def _judges_only_updates(predicate: Predicate) -> bool:
    return bool(getattr(predicate, "only_updates", False))
