"""The manager: starts and stops everything of a process in the right order; serves probes, metrics and debug pages.

Promised: controllers run on the elected leader alone; what needs no leadership starts after the caches have synced;
frontends (`Group.SERVING`) are up before that and are the first to stop; a failure of any part stops all and is raised
by `Manager.start`; cancelling `start` drains within `graceful_shutdown_timeout`.
"""

from controller_runtime.manager.endpoints import Answer, Handler
from controller_runtime.manager.healthz import Check, CheckFailedError, ping
from controller_runtime.manager.listen import ListenError, announce, bind
from controller_runtime.manager.manager import GracefulShutdownError, Manager
from controller_runtime.manager.metrics_server import MetricsServerOptions
from controller_runtime.manager.runnable import Group, Runnable
from controller_runtime.manager.signals import run_until_signal

__all__ = [
    "Answer",
    "Check",
    "CheckFailedError",
    "GracefulShutdownError",
    "Group",
    "Handler",
    "ListenError",
    "Manager",
    "MetricsServerOptions",
    "Runnable",
    "announce",
    "bind",
    "ping",
    "run_until_signal",
]
