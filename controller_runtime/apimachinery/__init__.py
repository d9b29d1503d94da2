"""What every Kubernetes object has in common: metadata, conditions, owner references, identity of kinds, JSON.

Objects are frozen `msgspec` Structs decoded straight from bytes. They are shared between the cache, handlers and
reconcilers, so nobody may change one: make a copy with `msgspec.structs.replace`. Frozen is shallow: lists are tuples,
but maps (`labels`, `Secret.data`) are plain dicts and must be left alone.

A class stands for one kind and knows its REST resource (`Object.resource`), so no discovery round trip is needed and no
scheme has to be filled. `apiVersion` and `kind` are therefore not fields: the codec reads and writes them.
"""

from controller_runtime.apimachinery.codec import DecodeError, decode, decode_items, encode, to_json_value
from controller_runtime.apimachinery.conditions import (
    find_condition,
    is_condition_true,
    remove_condition,
    set_condition,
)
from controller_runtime.apimachinery.meta import (
    APIStruct,
    Condition,
    NamespacedName,
    Object,
    ObjectMeta,
    OwnerReference,
    PartialObjectMetadata,
    Resource,
    metadata_of,
)
from controller_runtime.apimachinery.selectors import (
    FieldSelector,
    LabelSelector,
    SelectorError,
    parse_fields,
    parse_labels,
)
from controller_runtime.apimachinery.times import format_micro_time, now, parse_time

__all__ = [
    "APIStruct",
    "Condition",
    "DecodeError",
    "FieldSelector",
    "LabelSelector",
    "NamespacedName",
    "Object",
    "ObjectMeta",
    "OwnerReference",
    "PartialObjectMetadata",
    "Resource",
    "SelectorError",
    "decode",
    "decode_items",
    "encode",
    "find_condition",
    "format_micro_time",
    "is_condition_true",
    "metadata_of",
    "now",
    "parse_fields",
    "parse_labels",
    "parse_time",
    "remove_condition",
    "set_condition",
    "to_json_value",
]
