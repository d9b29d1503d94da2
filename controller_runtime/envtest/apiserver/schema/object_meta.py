"""ObjectMeta, the same for every kind: its Go struct, for decoding, and its schema, for publishing and field ownership.

Whether names, labels and the like are acceptable is said in `validation.object_meta`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from controller_runtime.envtest.apiserver.schema.go_structs import (
    NO_PLACE,
    Anything,
    CoercionError,
    Decoding,
    Flag,
    Integer,
    Items,
    Place,
    Struct,
    Text,
    Texts,
    Time,
)

_KEPT: Final = Text(keep_empty=True)
_OWNER_REFERENCE: Final = Struct(
    "v1.OwnerReference",
    {
        "apiVersion": _KEPT,
        "kind": _KEPT,
        "name": _KEPT,
        "uid": Text("types.UID", keep_empty=True),
        "controller": Flag(),
        "blockOwnerDeletion": Flag(),
    },
    always=frozenset({"apiVersion", "kind", "name", "uid"}),
)
_MANAGED_FIELDS_ENTRY: Final = Struct(
    "v1.ManagedFieldsEntry",
    {
        "manager": Text(),
        "operation": Text("v1.ManagedFieldsOperationType"),
        "apiVersion": Text(),
        "time": Time(),
        "fieldsType": Text(),
        "fieldsV1": Anything(),
        "subresource": Text(),
    },
)
_OBJECT_META: Final = Struct(
    "v1.ObjectMeta",
    {
        "name": Text(),
        "generateName": Text(),
        "namespace": Text(),
        "selfLink": Text(),
        "uid": Text("types.UID"),
        "resourceVersion": Text(),
        "generation": Integer(),
        "creationTimestamp": Time(),
        "deletionTimestamp": Time(),
        "deletionGracePeriodSeconds": Integer(pointer=True),
        "labels": Texts(),
        "annotations": Texts(),
        "ownerReferences": Items(_OWNER_REFERENCE),
        "finalizers": Items(_KEPT),
        "managedFields": Items(_MANAGED_FIELDS_ENTRY),
    },
)


def coerce_object_meta(metadata: Any, place: Place = NO_PLACE) -> tuple[dict[str, Any], list[str]]:
    """The metadata as the API server keeps it, and the paths of fields that it does not know.

    Args:
        metadata: not changed.
        place: where it stands, for messages; by default it is decoded on its own, as that of custom resources is.

    Raises:
        CoercionError: something is of a wrong type; the text is Go's.
    """
    if _OBJECT_META.canonical(metadata):
        return metadata, []
    decoding = Decoding()
    decoded = _OBJECT_META.decode(metadata, place, decoding)
    if decoding.error:
        raise CoercionError(decoding.error)
    return decoded, decoding.unknown


def salvage_object_meta(metadata: Mapping[str, Any]) -> dict[str, Any]:
    """The metadata without the fields that cannot be decoded."""
    salvaged: dict[str, Any] = {}
    for name, value in metadata.items():
        try:
            salvaged |= coerce_object_meta({name: value})[0]
        except CoercionError:
            continue
    return salvaged


_STRING: Final = {"type": "string"}
_TIME: Final = {"type": "string", "format": "date-time"}
_MAP_OF_STRINGS: Final = {"type": "object", "additionalProperties": {"type": "string", "default": ""}}


def _described(description: str, schema: Mapping[str, Any]) -> dict[str, Any]:
    return {"description": description, **schema}


OWNER_REFERENCE_OPENAPI: Final[dict[str, Any]] = {
    "description": "Names the object that owns this one.",
    "type": "object",
    "required": ["apiVersion", "kind", "name", "uid"],
    "properties": {
        "apiVersion": _described("Group and version of the owner.", {**_STRING, "default": ""}),
        "kind": _described("Kind of the owner.", {**_STRING, "default": ""}),
        "name": _described("Name of the owner.", {**_STRING, "default": ""}),
        "uid": _described("UID of the owner.", {**_STRING, "default": ""}),
        "controller": _described("Whether the owner is the one controller of this object.", {"type": "boolean"}),
        "blockOwnerDeletion": _described(
            "Whether the owner stays, when it is deleted in the foreground, until this object is gone.",
            {"type": "boolean"},
        ),
    },
    "x-kubernetes-map-type": "atomic",
}
MANAGED_FIELDS_ENTRY_OPENAPI: Final[dict[str, Any]] = {
    "description": "Says which fields somebody has set.",
    "type": "object",
    "properties": {
        "manager": _described("Who has set the fields.", _STRING),
        "operation": _described("How: Apply or Update.", _STRING),
        "apiVersion": _described("Version of the object in which the fields are named.", _STRING),
        "time": _described("When the set of fields changed last.", _TIME),
        "fieldsType": _described("Format of fieldsV1: FieldsV1.", _STRING),
        "fieldsV1": _described("The fields, as keys of nested maps.", {"type": "object"}),
        "subresource": _described("Subresource through which the fields were set, empty for none.", _STRING),
    },
}
OBJECT_META_OPENAPI: Final[dict[str, Any]] = {
    "description": "What every object has: its name, its version, who owns it and what is attached to it.",
    "type": "object",
    "properties": {
        "annotations": _described("Values for tools and libraries, which nothing selects by.", _MAP_OF_STRINGS),
        "creationTimestamp": _described("When the object was created. Set by the server.", _TIME),
        "deletionGracePeriodSeconds": _described(
            "Seconds that the object may take to end once its deletion is asked for. Set by the server.",
            {"type": "integer", "format": "int64"},
        ),
        "deletionTimestamp": _described("When the object will be deleted. Set by the server.", _TIME),
        "finalizers": _described(
            "What has to be done before the object may go; the list is emptied by whoever does it.",
            {
                "type": "array",
                "items": {"type": "string", "default": ""},
                "x-kubernetes-list-type": "set",
                "x-kubernetes-patch-strategy": "merge",
            },
        ),
        "generateName": _described("Beginning of a name that the server completes, if there is no name.", _STRING),
        "generation": _described(
            "Counts the changes of what is desired. Set by the server.", {"type": "integer", "format": "int64"}
        ),
        "labels": _described("Values that objects are selected by.", _MAP_OF_STRINGS),
        "managedFields": _described(
            "Who has set which fields. Kept by the server.",
            {"type": "array", "items": MANAGED_FIELDS_ENTRY_OPENAPI, "x-kubernetes-list-type": "atomic"},
        ),
        "name": _described("Name of the object, unique among those of its kind in its namespace.", _STRING),
        "namespace": _described("Namespace in which the name is unique; empty for objects outside of any.", _STRING),
        "ownerReferences": _described(
            "Objects that this one depends on; when they are all gone, it is deleted.",
            {
                "type": "array",
                "items": OWNER_REFERENCE_OPENAPI,
                "x-kubernetes-list-type": "map",
                "x-kubernetes-list-map-keys": ["uid"],
                "x-kubernetes-patch-merge-key": "uid",
                "x-kubernetes-patch-strategy": "merge",
            },
        ),
        "resourceVersion": _described("Version of the object, for comparison only. Set by the server.", _STRING),
        "selfLink": _described("No longer set.", _STRING),
        "uid": _described("Identity of the object in space and time. Set by the server.", _STRING),
    },
}
"""Schema of ObjectMeta, as it is published."""
