"""Field management: who has set which field of an object, and server-side apply.

`update_manager` gives the managedFields of an object that was created, updated or patched. `apply` merges an applied
configuration into an object, or says who owns what it would change. Both are pure: they change no argument, and
results share parts with arguments.

What is one field follows from the schema (`SchemaSource`): lists and maps with their x-kubernetes-list-type,
-list-map-keys and -map-type; metadata has the same schema for all kinds.

Where they belong in a request: after decoding, pruning and defaults (empty metadata fields have been dropped), before
the strategy drops or sets anything. `apply` takes the configuration as it was sent; its result still has to be pruned
and given defaults. `keep_times` comes last, when the object is as it will be stored.

Entries are in the API server's order, and so are the fields within them.

Not here: whether objects are valid, the fields of PatchOptions, conversion between versions (given as a function).
"""

from controller_runtime.envtest.apiserver.managedfields.applying import apply
from controller_runtime.envtest.apiserver.managedfields.atoms import SchemaSource
from controller_runtime.envtest.apiserver.managedfields.updating import keep_times, update_manager

__all__ = ["SchemaSource", "apply", "keep_times", "update_manager"]
