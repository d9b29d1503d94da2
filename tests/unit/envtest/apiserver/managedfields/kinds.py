"""A kind with a field of every form, and requests about its objects."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from controller_runtime.envtest.apiserver.managedfields import apply, update_manager
from controller_runtime.envtest.apiserver.schema import compile_schema

STRING = {"type": "string"}
INTEGER = {"type": "integer"}
STRINGS = {"type": "object", "additionalProperties": STRING}
SET = {"type": "array", "items": STRING, "x-kubernetes-list-type": "set"}
PORTS = {
    "type": "array",
    "x-kubernetes-list-type": "map",
    "x-kubernetes-list-map-keys": ["port", "protocol"],
    "items": {
        "type": "object",
        "properties": {"port": INTEGER, "protocol": {"type": "string", "default": "TCP"}, "note": STRING},
    },
}
STRUCT = {"type": "object", "properties": {"a": STRING, "b": INTEGER}}
SPEC: dict[str, Any] = {
    "text": STRING,
    "other": STRING,
    "number": {"type": "number"},
    "flag": {"type": "boolean"},
    "port": {"x-kubernetes-int-or-string": True},
    "nullable": {"type": "string", "nullable": True},
    "map": STRINGS,
    "atomicMap": {**STRINGS, "x-kubernetes-map-type": "atomic"},
    "struct": STRUCT,
    "atomicStruct": {**STRUCT, "x-kubernetes-map-type": "atomic"},
    "structs": {"type": "object", "additionalProperties": STRUCT},
    "list": {"type": "array", "items": STRING},
    "set": SET,
    "numbers": {"type": "array", "items": INTEGER, "x-kubernetes-list-type": "set"},
    "named": {
        "type": "array",
        "x-kubernetes-list-type": "map",
        "x-kubernetes-list-map-keys": ["name"],
        "items": {"type": "object", "properties": {"name": STRING, "value": INTEGER, "tags": SET}},
    },
    "ports": PORTS,
    "free": {"type": "object", "x-kubernetes-preserve-unknown-fields": True},
    "anything": {"x-kubernetes-preserve-unknown-fields": True},
    "embedded": {
        "type": "object",
        "x-kubernetes-embedded-resource": True,
        "x-kubernetes-preserve-unknown-fields": True,
    },
}
OPENAPI: dict[str, Any] = {
    "type": "object",
    "properties": {
        "spec": {"type": "object", "properties": SPEC},
        "status": {"type": "object", "properties": {"phase": STRING, "count": INTEGER}},
    },
}
SCHEMA = compile_schema(OPENAPI)

VERSION = "example.com/v1"
LONG_AGO = "2020-01-01T00:00:00Z"
NOW = "2024-01-01T00:00:00Z"
STATUS: dict[str, Any] = {"subresource": "status", "reset_fields": [("metadata",), ("spec",)]}


def thing(spec: Mapping[str, Any] | None = None, **fields: Any) -> dict[str, Any]:
    """An object; `metadata` is merged into its name and uid."""
    metadata = {"name": "x", "namespace": "default", **fields.pop("metadata", {})}
    spec_field = {} if spec is None else {"spec": dict(spec)}
    return {"apiVersion": VERSION, "kind": "Thing", "metadata": metadata, **spec_field, **fields}


def stored(obj: Mapping[str, Any], entries: list[dict[str, Any]]) -> dict[str, Any]:
    """The object as the server keeps it."""
    return {**obj, "metadata": {**obj["metadata"], "uid": "1", "managedFields": entries}}


def updated(live: Any, new: Any, manager: str = "alice", time: str = NOW, **more: Any) -> list[dict[str, Any]]:
    """`update_manager` of the main endpoint, unless `more` says otherwise."""
    options = {"schema": SCHEMA, "api_version": VERSION, "reset_fields": [("status",)], **more}
    return update_manager(live, new, manager=manager, time=time, **options)


def created(obj: Mapping[str, Any], manager: str = "alice", time: str = LONG_AGO) -> dict[str, Any]:
    """An object that somebody has created."""
    return stored(obj, updated(None, obj, manager, time))


def applied(
    live: Any, configuration: Any, manager: str = "alice", time: str = NOW, *, force: bool = False, **more: Any
) -> dict[str, Any]:
    """`apply` to the main endpoint, unless `more` says otherwise."""
    options = {"schema": SCHEMA, "api_version": VERSION, "reset_fields": [("status",)], **more}
    result = apply(live, configuration, manager=manager, kind="Thing", time=time, force=force, **options)
    return {**result, "metadata": {**result["metadata"], "uid": "1"}}


def fields(obj: Mapping[str, Any]) -> dict[str, Any]:
    """The fields of each manager; appliers are marked by `!`."""
    return {
        entry["manager"] + ("!" if entry["operation"] == "Apply" else ""): entry["fieldsV1"]
        for entry in obj["metadata"].get("managedFields", [])
    }


def times(obj: Mapping[str, Any]) -> dict[str, str | None]:
    """The time of each manager; appliers are marked by `!`."""
    return {
        entry["manager"] + ("!" if entry["operation"] == "Apply" else ""): entry.get("time")
        for entry in obj["metadata"].get("managedFields", [])
    }


def spec_fields(obj: Mapping[str, Any], manager: str) -> Any:
    """What a manager owns below spec."""
    return fields(obj).get(manager, {}).get("f:spec", {})
