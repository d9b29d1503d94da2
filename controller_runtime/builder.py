"""Puts a controller together: what it reconciles, what else it watches, how it runs."""

from __future__ import annotations

from typing import Any, Self, TypeVar

from controller_runtime.apimachinery import Object, metadata_of
from controller_runtime.controller import (
    Controller,
    ControllerOptions,
    KindSource,
    MapFunc,
    Reconciler,
    Source,
    owner_requests,
    request_for,
)
from controller_runtime.manager import Manager

ObjectT = TypeVar("ObjectT", bound=Object)


class ControllerBuilder:
    """Declares a controller and adds it to a manager.

        ControllerBuilder(manager).for_(Config).watches(Secret, configs_of, metadata_only=True).complete(reconciler)

    The name is the reconciled kind in lower case unless `named` gives another. Declare all before the manager starts.

    Each kind that is watched becomes an informer of the manager's cache, which needs the RBAC verbs list and watch on
    it. The controller runs while this process leads; it begins when all that it watches has been read once, and then
    reconciles every object there is.
    """

    def __init__(self, manager: Manager) -> None:
        self._manager = manager
        self._name = ""
        self._for: type[Object] | None = None
        self._sources: list[Source] = []
        self._options = ControllerOptions()

    def named(self, name: str) -> Self:
        """Names the controller in metrics and logs."""
        self._name = name
        return self

    def for_(self, kind: type[Object]) -> Self:
        """The kind that requests name; each of its objects is reconciled when it changes or is deleted. Given once.

        Raises:
            ValueError: given a second time.
        """
        if self._for is not None:
            raise ValueError(f"for_() was already given {self._for.__name__}; a controller reconciles one kind")
        self._for = kind
        self._sources.append(KindSource(self._manager.cache, kind, request_for))
        return self

    def owns(self, kind: type[Object], *, controller_only: bool = True) -> Self:
        """Reconciles the owner when an object of this kind changes that belongs to it. Comes after `for_`.

        Raises:
            ValueError: there is no `for_` before it.
        """
        if self._for is None:
            raise ValueError(f"owns({kind.__name__}) needs for_() before it, to know which owners count")
        requests = owner_requests(self._for.resource, controller_only=controller_only)
        self._sources.append(KindSource(self._manager.cache, kind, requests))
        return self

    def watches(self, kind: type[ObjectT], map_func: MapFunc[Any], *, metadata_only: bool = False) -> Self:
        """Reconciles what `map_func` names when an object of this kind changes.

        Args:
            kind: what to watch.
            map_func: from an object to requests; called with its old and its new state.
            metadata_only: read and keep the objects' metadata alone; `map_func` then gets those.
        """
        watched = metadata_of(kind) if metadata_only else kind
        self._sources.append(KindSource(self._manager.cache, watched, map_func))
        return self

    def watches_source(self, source: Source) -> Self:
        """Takes requests from a source of one's own."""
        self._sources.append(source)
        return self

    def with_options(self, options: ControllerOptions) -> Self:
        """How the controller runs, in place of the defaults."""
        self._options = options
        return self

    def complete(self, reconciler: Reconciler) -> Controller:
        """Makes the controller and adds it to the manager.

        Raises:
            ValueError: it has no name or nothing to watch, or another controller of the manager has its name.
            RuntimeError: the manager has been started.
        """
        if not self._sources:
            raise ValueError("a controller needs something to watch: call for_(), watches() or watches_source()")
        name = self._name or (self._for.resource.kind.lower() if self._for else "")
        if not name:
            raise ValueError("a controller without for_() needs a name: call named()")
        kind = self._for.resource if self._for else None
        controller = Controller(name, reconciler, sources=self._sources, kind=kind, options=self._options)
        self._manager.add(controller)
        return controller
