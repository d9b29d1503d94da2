"""Controllers: they turn changes of objects into requests and requests into calls of a reconciler.

Promised: one object is never reconciled twice at once by one controller; changes that come while it is being reconciled
lead to one more run afterwards; an error is retried with back-off; a run begins when the cache shows what the last run
of the same object wrote, or after 5 s (`await_own_writes`). Not promised: one run per change, or an order among
objects. A reconciler is level-based: a request names an object and says nothing about what happened to it.

The way of an event: a source hears of it, its predicates let it pass, its map function makes requests of it, and these
go into the queue, from which workers take them.
"""

from controller_runtime.controller.channel import ChannelFullError, ChannelSource
from controller_runtime.controller.controller import Controller
from controller_runtime.controller.controllerutil import (
    AlreadyOwnedError,
    Mutate,
    OperationResult,
    add_finalizer,
    contains_finalizer,
    create_or_patch,
    create_or_update,
    has_controller_reference,
    has_owner_reference,
    remove_controller_reference,
    remove_finalizer,
    remove_owner_reference,
    set_controller_reference,
    set_owner_reference,
)
from controller_runtime.controller.enqueue import MapFunc, owner_requests, request_for
from controller_runtime.controller.finalizers import (
    Finalized,
    Finalizer,
    FinalizerError,
    Finalizers,
    FinalizersFailedError,
)
from controller_runtime.controller.options import ControllerOptions
from controller_runtime.controller.predicates import (
    And,
    AnnotationChangedPredicate,
    Funcs,
    GenerationChangedPredicate,
    LabelChangedPredicate,
    LabelSelectorPredicate,
    Not,
    Or,
    Predicate,
    ResourceVersionChangedPredicate,
    predicate_for,
)
from controller_runtime.controller.reconcile import (
    Reconciler,
    Request,
    Result,
    RetryError,
    TerminalError,
    as_reconciler,
    reconcile_id,
)
from controller_runtime.controller.source import FuncSource, InformerSource, KindSource, RunningSource, Source
from controller_runtime.controller.term import CacheSyncError

__all__ = [
    "AlreadyOwnedError",
    "And",
    "AnnotationChangedPredicate",
    "CacheSyncError",
    "ChannelFullError",
    "ChannelSource",
    "Controller",
    "ControllerOptions",
    "Finalized",
    "Finalizer",
    "FinalizerError",
    "Finalizers",
    "FinalizersFailedError",
    "FuncSource",
    "Funcs",
    "GenerationChangedPredicate",
    "InformerSource",
    "KindSource",
    "LabelChangedPredicate",
    "LabelSelectorPredicate",
    "MapFunc",
    "Mutate",
    "Not",
    "OperationResult",
    "Or",
    "Predicate",
    "Reconciler",
    "Request",
    "ResourceVersionChangedPredicate",
    "Result",
    "RetryError",
    "RunningSource",
    "Source",
    "TerminalError",
    "add_finalizer",
    "as_reconciler",
    "contains_finalizer",
    "create_or_patch",
    "create_or_update",
    "has_controller_reference",
    "has_owner_reference",
    "owner_requests",
    "predicate_for",
    "reconcile_id",
    "remove_controller_reference",
    "remove_finalizer",
    "remove_owner_reference",
    "request_for",
    "set_controller_reference",
    "set_owner_reference",
]
