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
- An object that cannot be decoded, or transformed, costs nobody else anything.
- Whoever needs it can wait: `Cache.wait_seen` until reads answer with what was written, `Cache.catch_up` until nothing
  is older than the call.

What it does not: it is behind the API server by the time an event takes, own writes included; it puts no order between
different keys; and an object may have had states in between that nobody here saw.

What is read of a kind, and how, is a matter of options (`InformerOptions`): namespaces, selectors, a transform, resync.
Informers are shared by what they read. `get`, `list` and `by_index` ask the default informer of a kind, the one of its
options; `informer(kind, selector=...)` gives others, each with a store of its own.

A request to the API server starts here alone when an informer lists or watches, or when somebody waits for a write of
unknown outcome. See `reflector` for how it reads, `intake` for what becomes of what was read, `store` for the data,
`handlers` for what handlers may rely on, `sightings` for waiting.
"""

from controller_runtime.cache.cache import Cache
from controller_runtime.cache.errors import (
    CacheError,
    IndexConflictError,
    InformerStoppedError,
    NotCachedError,
    ObjectsMutatedError,
    ReflectorError,
    StreamingListError,
    TransformError,
    UnknownIndexError,
    VeryShortWatchError,
)
from controller_runtime.cache.handlers import EventHandler, Registration
from controller_runtime.cache.informer import Informer
from controller_runtime.cache.mutation import MutationDetector
from controller_runtime.cache.options import UNSET, InformerOptions, Scope, Selector, Transform
from controller_runtime.cache.reflector import Reflector, State
from controller_runtime.cache.store import IndexFunction, Store

__all__ = [
    "UNSET",
    "Cache",
    "CacheError",
    "EventHandler",
    "IndexConflictError",
    "IndexFunction",
    "Informer",
    "InformerOptions",
    "InformerStoppedError",
    "MutationDetector",
    "NotCachedError",
    "ObjectsMutatedError",
    "Reflector",
    "ReflectorError",
    "Registration",
    "Scope",
    "Selector",
    "State",
    "Store",
    "StreamingListError",
    "Transform",
    "TransformError",
    "UnknownIndexError",
    "VeryShortWatchError",
]
