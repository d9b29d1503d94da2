"""Puts a controller together: what it reconciles, what else it watches, how it runs."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Self

from controller_runtime.apimachinery import Object, metadata_of
from controller_runtime.cache import Selector
from controller_runtime.controller import (
    Controller,
    ControllerOptions,
    KindSource,
    MapFunc,
    Predicate,
    Reconciler,
    Source,
    owner_requests,
    request_for,
)
from controller_runtime.controller.predicates import require_predicate
from controller_runtime.manager import Manager
from controller_runtime.workqueue import LOW_PRIORITY


@dataclass(frozen=True, kw_only=True)
class _Watch:
    """How a kind is watched; see `ControllerBuilder.watches`."""

    kind: type[Object]
    predicates: Sequence[Predicate]
    metadata_only: bool
    selector: Selector | None
    optional: bool | None

    def __post_init__(self) -> None:
        given: object = self.predicates
        if not isinstance(given, Iterable):
            raise TypeError(f"predicates are given as a list, not as {given!r}")
        for predicate in given:
            require_predicate(predicate)

    def source(
        self, manager: Manager, map_func: MapFunc[Any], event_filters: Sequence[Predicate], low_priority: int
    ) -> KindSource[Object]:
        """What watches it."""
        return KindSource(
            manager.cache,
            metadata_of(self.kind) if self.metadata_only else self.kind,
            map_func,
            predicates=(*event_filters, *self.predicates),
            selector=self.selector,
            optional=self.optional,
            low_priority=low_priority,
        )


class ControllerBuilder:
    """Declares a controller and adds it to a manager.

        ControllerBuilder(manager).for_(Config).watches(Secret, configs_of, metadata_only=True).complete(reconciler)

    The name is the reconciled kind in lower case unless `named` gives another. A controller may be completed while the
    manager runs.

    Each kind that is watched becomes an informer of the manager's cache, which needs the RBAC verbs list and watch on
    it. The controller runs while this process leads; it begins when all that it watches has been read once, and then
    reconciles every object there is.

    `for_`, `owns` and `watches` have these arguments in common:

        predicates      which events count; asked after the event filters, in their order; all have to pass
        metadata_only   read and keep the objects' metadata alone: what is told apart from the kind by `metadata_of`
        selector        watch only what it selects, by an informer of its own; None for the kind's own selector
        optional        whether the API server may not serve the kind: the controller starts without it, and its objects
                        come when the kind does; None leaves that to whoever else declares the kind
    """

    def __init__(self, manager: Manager) -> None:
        self._manager = manager
        self._name = ""
        self._for: _Watch | None = None
        self._owned: list[tuple[_Watch, bool]] = []
        self._watched: list[tuple[_Watch, MapFunc[Any]]] = []
        self._raw: list[Source] = []
        self._event_filters: list[Predicate] = []
        self._low_priority = LOW_PRIORITY
        self._options = ControllerOptions()

    def named(self, name: str) -> Self:
        """Names the controller in metrics and logs."""
        self._name = name
        return self

    def for_(
        self,
        kind: type[Object],
        *,
        predicates: Sequence[Predicate] = (),
        metadata_only: bool = False,
        selector: Selector | None = None,
        optional: bool | None = None,
    ) -> Self:
        """The kind that requests name; each of its objects is reconciled when it changes or is deleted. Given once.

        Raises:
            ValueError: given a second time.
            TypeError: something in `predicates` is none, as in `owns` and `watches`.
        """
        if self._for is not None:
            raise ValueError(f"for_() was already given {self._for.kind.__name__}; a controller reconciles one kind")
        self._for = _Watch(
            kind=kind, predicates=predicates, metadata_only=metadata_only, selector=selector, optional=optional
        )
        return self

    def owns(
        self,
        kind: type[Object],
        *,
        controller_only: bool = True,
        predicates: Sequence[Predicate] = (),
        metadata_only: bool = False,
        selector: Selector | None = None,
        optional: bool | None = None,
    ) -> Self:
        """Reconciles the owner, of the kind of `for_`, when an object of this kind changes that belongs to it.

        With `controller_only` just the owner counts that is marked as the controller.
        """
        watch = _Watch(
            kind=kind, predicates=predicates, metadata_only=metadata_only, selector=selector, optional=optional
        )
        self._owned.append((watch, controller_only))
        return self

    def watches(
        self,
        kind: type[Object],
        map_func: MapFunc[Any],
        *,
        predicates: Sequence[Predicate] = (),
        metadata_only: bool = False,
        selector: Selector | None = None,
        optional: bool | None = None,
    ) -> Self:
        """Reconciles what `map_func` names when an object of this kind changes.

        `map_func` goes from an object to requests, and is called with its old and its new state; with its metadata, if
        that is all that is read.
        """
        watch = _Watch(
            kind=kind, predicates=predicates, metadata_only=metadata_only, selector=selector, optional=optional
        )
        self._watched.append((watch, map_func))
        return self

    def watches_raw_source(self, source: Source) -> Self:
        """Takes requests from a source of one's own, whose events no event filter sees."""
        self._raw.append(source)
        return self

    def with_event_filter(self, predicate: Predicate) -> Self:
        """Asks a predicate about the events of all kinds that are watched, before those of each.

        Raises:
            TypeError: it is no predicate.
        """
        require_predicate(predicate)
        self._event_filters.append(predicate)
        return self

    def with_low_priority(self, priority: int) -> Self:
        """The priority of what tells no news: the objects of the first list, relists and resyncs; -100 by default.

        With less than 0, the priority of everything else, they are reconciled only when nothing else is ready. If
        planned runs (`Result.requeue_after`) or changes keep all workers busy for good, that is never
        (kubernetes-sigs/controller-runtime#3496). 0 makes them wait in line with the others. So does planning runs with
        `Result.priority` as low as this.
        """
        self._low_priority = priority
        return self

    def with_options(self, options: ControllerOptions) -> Self:
        """How the controller runs; what is not given there, the manager says."""
        self._options = options
        return self

    def complete(self, reconciler: Reconciler) -> Controller:
        """Makes the controller and adds it to the manager.

        Raises:
            ValueError: it has no name or nothing to watch, it owns something but has no `for_`, or another controller
                of the manager has its name. Or the reconciler is none: a class, a function, an object whose
                `reconcile` is synchronous.
            RuntimeError: the manager is ending.
        """
        kind = self._for.kind.resource if self._for else None
        name = self._name or (kind.kind.lower() if kind else "")
        if self._owned and self._for is None:
            raise ValueError(f"owns({self._owned[0][0].kind.__name__}) needs for_(), to know which owners count")
        if not name:
            raise ValueError("a controller without for_() needs a name: call named()")
        sources = [*self._sources(), *self._raw]
        if not sources:
            raise ValueError("a controller needs something to watch: call for_(), watches() or watches_raw_source()")
        controller = Controller(
            name,
            reconciler,
            sources=sources,
            kind=kind,
            options=self._manager.controller_options(self._options, kind),
            cache=self._manager.cache,
            catch_up=self._manager.elector is not None,
        )
        self._manager.add(controller)
        return controller

    def _sources(self) -> Iterator[Source]:
        for watch, map_func in self._watches():
            yield watch.source(self._manager, map_func, self._event_filters, self._low_priority)

    def _watches(self) -> Iterator[tuple[_Watch, MapFunc[Any]]]:
        if self._for is not None:
            yield self._for, request_for
            for watch, controller_only in self._owned:
                yield watch, owner_requests(self._for.kind.resource, controller_only=controller_only)
        yield from self._watched
