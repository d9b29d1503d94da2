"""The few shapes of which the OpenAPI of Kubernetes' own kinds consists.

Kubernetes publishes a `default` for each field that is written even if nobody set it (Go's zero value), and none for
those that are left out when empty; the functions that are named `..._or_zero` give it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final, TypeAlias

Schema: TypeAlias = dict[str, Any]

META: Final = "io.k8s.apimachinery.pkg.apis.meta.v1"
API_VERSION: Final = "Group and version of the kind, as `apps/v1` or `v1`."
KIND: Final = "Name of the kind, in CamelCase."


def reference(name: str) -> Schema:
    """A schema that stands elsewhere."""
    return {"$ref": f"#/components/schemas/{name}"}


def text(description: str, *names: str) -> Schema:
    """A string that is left out when empty; `names` are the values that mean something."""
    return {"type": "string", "description": description, **({"enum": list(names)} if names else {})}


def text_or_zero(description: str, *names: str) -> Schema:
    """A string that is always written."""
    return {**text(description, *names), "default": ""}


def integer(description: str, width: int = 32) -> Schema:
    """An integer of 32 or 64 bits."""
    return {"type": "integer", "format": f"int{width}", "description": description}


def integer_or_zero(description: str, width: int = 32) -> Schema:
    """An integer that is always written."""
    return {**integer(description, width), "default": 0}


def number(description: str) -> Schema:
    """A floating point number."""
    return {"type": "number", "format": "double", "description": description}


def boolean(description: str) -> Schema:
    """True or false."""
    return {"type": "boolean", "description": description}


def boolean_or_zero(description: str) -> Schema:
    """A boolean that is always written."""
    return {**boolean(description), "default": False}


def octets(description: str) -> Schema:
    """Bytes, in base64."""
    return {"type": "string", "format": "byte", "description": description}


def optional(name: str, description: str) -> Schema:
    """A value of another schema that may be absent."""
    return {"allOf": [reference(name)], "description": description}


def embedded(name: str, description: str) -> Schema:
    """A value of another schema that is always written."""
    return {**optional(name, description), "default": {}}


def time(description: str) -> Schema:
    """A point in time, to the second."""
    return optional(f"{META}.Time", description)


def micro_time(description: str) -> Schema:
    """A point in time, to the microsecond."""
    return optional(f"{META}.MicroTime", description)


def texts(description: str, *, list_type: str | None = "atomic", patch_strategy: str | None = None) -> Schema:
    """A list of strings."""
    return {
        "type": "array",
        "items": {"type": "string", "default": ""},
        "description": description,
        **_list_rules(list_type, (), patch_strategy, None),
    }


def items(
    name: str,
    description: str,
    *,
    keys: Sequence[str] = (),
    merge_key: str | None = None,
    list_type: str | None = "atomic",
) -> Schema:
    """A list of values of another schema; one with `keys` is a map in the guise of a list."""
    return {
        "type": "array",
        "items": {"allOf": [reference(name)], "default": {}},
        "description": description,
        **_list_rules("map" if keys else list_type, keys, "merge" if merge_key else None, merge_key),
    }


def text_map(description: str) -> Schema:
    """Strings by name."""
    return {"type": "object", "additionalProperties": {"type": "string", "default": ""}, "description": description}


def octets_map(description: str) -> Schema:
    """Bytes by name, in base64."""
    return {
        "type": "object",
        "additionalProperties": {"type": "string", "format": "byte"},
        "description": description,
    }


def texts_map(description: str) -> Schema:
    """Lists of strings by name."""
    return {
        "type": "object",
        "additionalProperties": {"type": "array", "items": {"type": "string", "default": ""}},
        "description": description,
    }


def value_map(name: str, description: str) -> Schema:
    """Values of another schema by name."""
    return {
        "type": "object",
        "additionalProperties": {"allOf": [reference(name)], "default": {}},
        "description": description,
    }


def struct(
    description: str, properties: Mapping[str, Schema], *, required: Sequence[str] = (), atomic: bool = False
) -> Schema:
    """An object with these fields; `atomic` ones are owned and replaced as a whole."""
    schema: Schema = {"type": "object", "description": description, "properties": dict(properties)}
    if required:
        schema["required"] = list(required)
    if atomic:
        schema["x-kubernetes-map-type"] = "atomic"
    return schema


def kind(
    group: str,
    version: str,
    name: str,
    description: str,
    properties: Mapping[str, Schema],
    *,
    required: Sequence[str] = (),
) -> Schema:
    """A kind of object."""
    head = {
        "apiVersion": text(API_VERSION),
        "kind": text(KIND),
        "metadata": embedded(f"{META}.ObjectMeta", "Name, labels and what else all objects have."),
    }
    return {
        **struct(description, {**head, **properties}, required=required),
        "x-kubernetes-group-version-kind": [{"group": group, "kind": name, "version": version}],
    }


def kind_list(group: str, version: str, name: str, item: str) -> Schema:
    """The list of a kind."""
    properties = {
        "apiVersion": text(API_VERSION),
        "kind": text(KIND),
        "metadata": embedded(f"{META}.ListMeta", "Revision of the list, and how it goes on."),
        "items": items(item, "The objects.", list_type=None),
    }
    return {
        **struct(f"Several objects of kind {name}.", properties, required=("items",)),
        "x-kubernetes-group-version-kind": [{"group": group, "kind": f"{name}List", "version": version}],
    }


def _list_rules(
    list_type: str | None, keys: Sequence[str], patch_strategy: str | None, merge_key: str | None
) -> Schema:
    rules: Schema = {}
    if list_type:
        rules["x-kubernetes-list-type"] = list_type
    if keys:
        rules["x-kubernetes-list-map-keys"] = list(keys)
    if patch_strategy:
        rules["x-kubernetes-patch-strategy"] = patch_strategy
    if merge_key:
        rules["x-kubernetes-patch-merge-key"] = merge_key
    return rules
