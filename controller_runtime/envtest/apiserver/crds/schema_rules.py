"""Rules for each schema of a CustomResourceDefinition that are not about its structure.

Expressions in CEL are not compiled: of x-kubernetes-validations, only the form is looked at.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any, Final

from controller_runtime.envtest.apiserver.crds.paths import schema_at
from controller_runtime.envtest.apiserver.errors import FieldError
from controller_runtime.envtest.apiserver.schema.field_errors import forbidden, invalid, not_supported, required

_TYPES: Final = ("array", "boolean", "integer", "number", "object", "string")
_REASONS: Final = ("FieldValueDuplicate", "FieldValueForbidden", "FieldValueInvalid", "FieldValueRequired")
_META_FIELDS: Final = frozenset({"metadata", "kind", "apiVersion"})
_PRESERVE: Final = "x-kubernetes-preserve-unknown-fields"
_LIST_TYPE: Final = "x-kubernetes-list-type"
_MAP_TYPE: Final = "x-kubernetes-map-type"
_MAP_KEYS: Final = "x-kubernetes-list-map-keys"


@dataclass(frozen=True, slots=True)
class _Context:
    """Where a schema stands.

    Attributes:
        no_defaults: why there may be no default; empty if there may.
        in_metadata: whether it describes the metadata of a resource, or a part of that.
    """

    no_defaults: str = ""
    in_metadata: bool = False


def schema_errors(schema: Mapping[str, Any], path: str) -> list[FieldError]:
    """Of a whole schema."""
    return list(_errors(schema, path, _Context(), is_root=True))


def _errors(schema: Mapping[str, Any], path: str, context: _Context, *, is_root: bool = False) -> Iterator[FieldError]:
    yield from _keywords(schema, path, context)
    if schema.get("uniqueItems"):
        detail = "uniqueItems cannot be set to true since the runtime complexity becomes quadratic"
        yield forbidden(f"{path}.uniqueItems", detail)
    yield from _children(schema, path, context, is_root=is_root)
    if schema.get(_PRESERVE) is False:
        yield invalid(f"{path}.{_PRESERVE}", False, "must be true or undefined")
    yield from _map_type(schema, path)
    yield from _list_type(schema, path)
    yield from _map_keys(schema, path)
    yield from _identity(schema, path)
    for index, rule in enumerate(schema.get("x-kubernetes-validations") or ()):
        yield from _rule(rule, schema, f"{path}.x-kubernetes-validations[{index}]")


def _keywords(schema: Mapping[str, Any], path: str, context: _Context) -> Iterator[FieldError]:
    type_ = schema.get("type") or ""
    if type_ and type_ not in _TYPES:
        yield not_supported(f"{path}.type", type_, _TYPES)
    if schema.get("default") is not None and context.no_defaults:
        yield forbidden(f"{path}.default", f"must not be set {context.no_defaults}")
    for name in ("id", "additionalItems", "patternProperties", "definitions", "dependencies", "$ref"):
        if schema.get(name) not in (None, "", {}):
            yield forbidden(f"{path}.{name}", f"{name} is not supported")
    if type_ == "null":
        yield forbidden(f"{path}.type", "type cannot be set to null, use nullable as an alternative")
    if isinstance(schema.get("items"), list):
        yield forbidden(f"{path}.items", "items must be a schema object and not an array")
    if context.in_metadata and schema.get("x-kubernetes-embedded-resource"):
        yield forbidden(f"{path}.x-kubernetes-embedded-resource", "must not be used inside of resource meta")


def _children(schema: Mapping[str, Any], path: str, context: _Context, *, is_root: bool) -> Iterator[FieldError]:
    additional = schema.get("additionalProperties")
    if additional is not None and additional is not True and schema.get("properties"):
        yield forbidden(f"{path}.additionalProperties", "additionalProperties and properties are mutual exclusive")
    if isinstance(additional, Mapping):
        reason = "inside additionalProperties applying to object metadata" if context.in_metadata else ""
        inner = replace(context, no_defaults=reason or context.no_defaults)
        yield from _errors(additional, f"{path}.additionalProperties", inner)
    is_resource = is_root or bool(schema.get("x-kubernetes-embedded-resource"))
    for name, child in (schema.get("properties") or {}).items():
        inner = context
        if is_resource and name in _META_FIELDS:
            inner = _Context(f"in top-level {name}" if is_root else context.no_defaults, in_metadata=True)
        yield from _errors(child, f"{path}.properties[{name}]", inner)
    if schema.get("not") is not None:
        yield from _errors(schema["not"], f"{path}.not", context)
    for junctor in ("allOf", "oneOf", "anyOf"):
        for index, child in enumerate(schema.get(junctor) or ()):
            yield from _errors(child, f"{path}.{junctor}[{index}]", context)
    if isinstance(schema.get("items"), Mapping):
        yield from _errors(schema["items"], f"{path}.items", context)


def _map_type(schema: Mapping[str, Any], path: str) -> Iterator[FieldError]:
    map_type = schema.get(_MAP_TYPE)
    if map_type is None:
        return
    yield from _needs_type(schema, path, "object", _MAP_TYPE)
    if map_type not in {"atomic", "granular"}:
        yield not_supported(f"{path}.{_MAP_TYPE}", map_type, ("atomic", "granular"))


def _needs_type(schema: Mapping[str, Any], path: str, wanted: str, because: str) -> Iterator[FieldError]:
    type_, detail = schema.get("type") or "", f"must be {wanted} if {because} is specified"
    if type_ != wanted:
        yield invalid(f"{path}.type", type_, detail) if type_ else required(f"{path}.type", detail)


def _list_type(schema: Mapping[str, Any], path: str) -> Iterator[FieldError]:
    list_type = schema.get(_LIST_TYPE)
    if list_type is None:
        return
    if schema.get("type") != "array":
        yield from _needs_type(schema, path, "array", _LIST_TYPE)
    elif list_type == "set" and isinstance(schema.get("items"), Mapping):
        yield from _set_items(schema["items"], f"{path}.items")
    if list_type not in {"atomic", "set", "map"}:
        yield not_supported(f"{path}.{_LIST_TYPE}", list_type, ("atomic", "set", "map"))


def _set_items(items: Mapping[str, Any], path: str) -> Iterator[FieldError]:
    detail = f"must be atomic as item of a list with {_LIST_TYPE}=set"
    list_type = items.get(_LIST_TYPE)
    if items.get("type") == "array" and list_type not in {None, "atomic"}:
        yield invalid(f"{path}.{_LIST_TYPE}", list_type, detail)
    elif items.get("type") == "object" and items.get(_MAP_TYPE) != "atomic":
        # The real server shows the type of the list here, too.
        yield invalid(f"{path}.{_MAP_TYPE}", list_type, detail)


def _map_keys(schema: Mapping[str, Any], path: str) -> Iterator[FieldError]:
    keys, list_type = schema.get(_MAP_KEYS) or [], schema.get(_LIST_TYPE)
    if keys and list_type != "map":
        detail = f"must be map if {_MAP_KEYS} is non-empty"
        place = f"{path}.{_LIST_TYPE}"
        yield required(place, detail) if list_type is None else invalid(place, list_type, detail)
    if list_type != "map":
        return
    if not keys:
        yield required(f"{path}.{_MAP_KEYS}", f"must not be empty if {_LIST_TYPE} is map")
    items = schema.get("items")
    if items is None:
        yield required(f"{path}.items", f"must have a schema if {_LIST_TYPE} is map")
    elif items.get("type") != "object":
        detail = f"must be object if parent array's {_LIST_TYPE} is map"
        yield invalid(f"{path}.items.type", items.get("type") or "", detail)
    else:
        yield from _key_properties(keys, items, path)


def _key_properties(keys: list[str], items: Mapping[str, Any], path: str) -> Iterator[FieldError]:
    properties = items.get("properties") or {}
    for index, key in enumerate(keys):
        if key not in properties:
            yield invalid(f"{path}.{_MAP_KEYS}", keys, "entries must all be names of item properties")
        elif properties[key].get("type") in {"array", "object"}:
            detail = f"must be a scalar type if parent array's {_LIST_TYPE} is map"
            yield invalid(f"{path}.items.properties[{key}].type", "object", detail)
        if key in keys[:index]:
            yield invalid(f"{path}.{_MAP_KEYS}", keys, "must not contain duplicate entries")


def _identity(schema: Mapping[str, Any], path: str) -> Iterator[FieldError]:
    """Items of sets and maps are never null, and have all their keys."""
    items, list_type = schema.get("items"), schema.get(_LIST_TYPE)
    if not isinstance(items, Mapping) or list_type not in {"set", "map"}:
        return
    if items.get("nullable"):
        yield forbidden(f"{path}.items.nullable", f"cannot be nullable when {_LIST_TYPE} is {list_type}")
    if list_type != "map":
        return
    for key in schema.get(_MAP_KEYS) or ():
        child, place = (items.get("properties") or {}).get(key), f"{path}.items.properties[{key}]"
        if child is None:
            continue
        because = f"this property is in {_MAP_KEYS}, so it"
        if key not in (items.get("required") or ()) and child.get("default") is None:
            yield required(f"{place}.default", f"{because} must have a default or be a required property")
        if child.get("nullable"):
            yield forbidden(f"{place}.nullable", f"{because} cannot be nullable")


def _rule(rule: Mapping[str, Any], schema: Mapping[str, Any], path: str) -> Iterator[FieldError]:
    text, message = (rule.get("rule") or "").strip(), rule.get("message") or ""
    if not text:
        yield required(f"{path}.rule", "rule is not specified")
    elif message and not message.strip():
        yield invalid(f"{path}.message", message, "must be non-empty if specified")
    elif _has_newline(message.strip()):
        yield invalid(f"{path}.message", message, "must not contain line breaks")
    elif _has_newline(text) and not message.strip():
        yield required(f"{path}.message", "message must be specified if rule contains line breaks")
    expression = rule.get("messageExpression") or ""
    if expression and not expression.strip():
        yield required(f"{path}.messageExpression", "messageExpression must be non-empty if specified")
    if rule.get("reason") is not None and rule["reason"] not in _REASONS:
        yield not_supported(f"{path}.reason", rule["reason"], _REASONS)
    field_path = rule.get("fieldPath") or ""
    if field_path and not field_path.strip():
        yield invalid(f"{path}.fieldPath", field_path, "must be non-empty if specified")
    if _has_newline(field_path):
        yield invalid(f"{path}.fieldPath", field_path, "must not contain line breaks")
    if field_path and schema_at(field_path, schema)[1]:
        yield invalid(f"{path}.fieldPath", field_path, "must be a valid path")


def _has_newline(text: str) -> bool:
    return "\n" in text or "\r" in text
