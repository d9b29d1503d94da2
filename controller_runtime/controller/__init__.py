"""Controllers: they turn changes of objects into requests and requests into calls of a reconciler.

Promised: one object is never reconciled twice at once by one controller; changes that come while it is being reconciled
lead to one more run afterwards; an error is retried with back-off. Not promised: one run per change, or an order among
objects. A reconciler is level-based: a request names an object and says nothing about what happened to it.
"""

from controller_runtime.controller.controller import CacheSyncError, Controller, ControllerOptions
from controller_runtime.controller.reconcile import Reconciler, Request, Result, TerminalError
from controller_runtime.controller.source import KindSource, MapFunc, Source, owner_requests, request_for

__all__ = [
    "CacheSyncError",
    "Controller",
    "ControllerOptions",
    "KindSource",
    "MapFunc",
    "Reconciler",
    "Request",
    "Result",
    "Source",
    "TerminalError",
    "owner_requests",
    "request_for",
]
