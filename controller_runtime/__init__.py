"""Kubernetes controllers in one asyncio process: a small port of client-go and controller-runtime to Python.

    transport = AiohttpTransport(await load_config())
    manager = Manager(transport, leader_election=LeaderElection(name="example", namespace="default"))
    ControllerBuilder(manager).for_(Widget).complete(WidgetReconciler(manager.client, manager.cache))
    await run_until_signal(manager.start())

The flow: a reflector fills a store, the informer tells handlers what changed, handlers put requests into a work queue,
workers take them out and call the reconciler, and the reconciler writes through the client.

The words, from the bottom up; each package's docstring says what it promises:

- **kind**: a type of object, as a class (`Object`, in `apimachinery`); its `Resource` names group, version and plural.
- **key**: namespace and name (`NamespacedName`): which object of its kind.
- **resource version**: the API server's mark of a state of an object or a list; to be compared for equality alone.
- **transport**: the seam that carries requests, over HTTP or in memory (`client`).
- **client**: reads live and makes all writes, in terms of kinds (`client`).
- **server-side apply**: a write that says which fields its owner wants, and leaves those of others alone.
- **fence**: asked for each of the leader's writes, at the last moment, how long this process may still write.
- **reflector**: lists a collection, then watches it from there, for ever (`cache`).
- **store**: the objects of a kind in memory; an **index** finds them by what a function makes of them.
- **informer**: a reflector and its store, with handlers that are told of each change.
- **cache**: all informers of a process; it is read without waiting.
- **event handler**: what an informer calls. Not to be confused with an **Event**, a message about an object that
  `kubectl describe` shows (`recorder`).
- **request**: the key of an object that should be reconciled; it says nothing about why.
- **work queue**: each request at most once, the urgent ones first, failures spaced out (`workqueue`).
- **lease**: the object in the cluster that names the leader; the **elector** competes for it (`leaderelection`).
- **leader**: the one replica that may reconcile. The other replicas only read, and serve.
- **source**: where a controller's requests come from: a kind to watch, and a function from its objects to requests.
- **reconciler**: yours. It is given a request and makes the world what the object says. It is level-based: it looks at
  what is, not at what happened, so one call too many does no harm (`controller`).
- **controller**: sources, a work queue, and workers that call one reconciler.
- **runnable**: anything that runs as long as the process does; its **group** says when it starts and stops (`manager`).
- **manager**: owns cache, clients, elector and controllers, and serves probes and metrics.
- **builder**: puts a controller together in one expression.

Beside these: `metrics` and `log`; `api`, the kinds of Kubernetes itself that are used here; `controllergen`, CRDs and
RBAC from Python types; `envtest`, an API server for tests.

The names below are what a program's `main` and its reconcilers need; all others are imported from their packages:
predicates and `ChannelSource` from `controller`, errors such as `NotFoundError` from `client`. Each is loaded at its
first use: whoever wants the types alone (`controllergen`, a command-line tool) does not pay for an HTTP client and a
web server.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from controller_runtime.apimachinery import (
        APIStruct,
        Condition,
        NamespacedName,
        Object,
        ObjectMeta,
        Resource,
        metadata_of,
        set_condition,
    )
    from controller_runtime.builder import ControllerBuilder
    from controller_runtime.cache import Cache, InformerOptions, Selector
    from controller_runtime.client import AiohttpTransport, Client, RestConfig, load_config, patch_status
    from controller_runtime.controller import (
        ControllerOptions,
        Reconciler,
        Request,
        Result,
        TerminalError,
        add_finalizer,
        as_reconciler,
        remove_finalizer,
        set_controller_reference,
    )
    from controller_runtime.leaderelection import LeaderElection
    from controller_runtime.manager import Group, Manager, MetricsServerOptions, Runnable, run_until_signal
    from controller_runtime.recorder import EventRecorder

__all__ = [
    "APIStruct",
    "AiohttpTransport",
    "Cache",
    "Client",
    "Condition",
    "ControllerBuilder",
    "ControllerOptions",
    "EventRecorder",
    "Group",
    "InformerOptions",
    "LeaderElection",
    "Manager",
    "MetricsServerOptions",
    "NamespacedName",
    "Object",
    "ObjectMeta",
    "Reconciler",
    "Request",
    "Resource",
    "RestConfig",
    "Result",
    "Runnable",
    "Selector",
    "TerminalError",
    "add_finalizer",
    "as_reconciler",
    "load_config",
    "metadata_of",
    "patch_status",
    "remove_finalizer",
    "run_until_signal",
    "set_condition",
    "set_controller_reference",
]

_NAMES_OF = {
    "apimachinery": (
        "APIStruct",
        "Condition",
        "NamespacedName",
        "Object",
        "ObjectMeta",
        "Resource",
        "metadata_of",
        "set_condition",
    ),
    "builder": ("ControllerBuilder",),
    "cache": ("Cache", "InformerOptions", "Selector"),
    "client": ("AiohttpTransport", "Client", "RestConfig", "load_config", "patch_status"),
    "controller": (
        "ControllerOptions",
        "Reconciler",
        "Request",
        "Result",
        "TerminalError",
        "add_finalizer",
        "as_reconciler",
        "remove_finalizer",
        "set_controller_reference",
    ),
    "leaderelection": ("LeaderElection",),
    "manager": ("Group", "Manager", "MetricsServerOptions", "Runnable", "run_until_signal"),
    "recorder": ("EventRecorder",),
}
_HOMES = {name: f"controller_runtime.{package}" for package, names in _NAMES_OF.items() for name in names}


def __getattr__(name: str) -> Any:
    """Loads an exported name at its first use (PEP 562)."""
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = globals()[name] = getattr(importlib.import_module(_HOMES[name]), name)
    return value


def __dir__() -> list[str]:
    """The exported names, whether they have been used or not."""
    return sorted({*globals(), *__all__})
