"""The objects of the cluster in memory: read without waiting, told of every change.

    cache = Cache(client, namespaces=("lab",))
    cache.index(IPXEBootConfig, "systemUUID", lambda config: [config.spec.system_uuid])
    cache.informer(IPXEBootConfig).add_handler(handler)
    ...                                       # `await cache.start()` runs in a task of its own
    await cache.wait_synced()
    cache.by_index(IPXEBootConfig, "systemUUID", "4c4c4544-...")

What it promises:

- Reads are synchronous, cost what they return, and never see a list half replaced. Objects are shared and frozen.
- Reading goes on, unchanged, while the API server is away; nothing is forgotten because of an error. How old the copy
  is, `Cache.oldest_contact` and the metrics say; what is wrong, `Informer.last_error` and one line in the log.
- Handlers hear of each key in order (add, updates, delete), after the store has changed.
- An object that cannot be decoded costs nobody else anything.

What it does not: it is behind the API server by the time an event takes, own writes included; it puts no order between
different keys; and an object may have had states in between that nobody here saw.

A request to the API server starts here alone when an informer lists or watches: see `reflector` for how, `store` for
the data, `handlers` for what handlers may rely on.
"""

from controller_runtime.cache.cache import Cache
from controller_runtime.cache.errors import (
    CacheError,
    IndexConflictError,
    InformerStoppedError,
    NotCachedError,
    ObjectsMutatedError,
    ReflectorError,
    UnknownIndexError,
    VeryShortWatchError,
)
from controller_runtime.cache.handlers import EventHandler, Registration
from controller_runtime.cache.informer import Informer
from controller_runtime.cache.mutation import MutationDetector
from controller_runtime.cache.reflector import Reflector, State
from controller_runtime.cache.store import IndexFunction, Store

__all__ = [
    "Cache",
    "CacheError",
    "EventHandler",
    "IndexConflictError",
    "IndexFunction",
    "Informer",
    "InformerStoppedError",
    "MutationDetector",
    "NotCachedError",
    "ObjectsMutatedError",
    "Reflector",
    "ReflectorError",
    "Registration",
    "State",
    "Store",
    "UnknownIndexError",
    "VeryShortWatchError",
]
