"""What is wrong with objects of custom kinds, in the real server's order (apiextensions-apiserver, customresource)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from controller_runtime.envtest.apiserver.crds.definition import ServedVersion
from controller_runtime.envtest.apiserver.errors import FieldError
from controller_runtime.envtest.apiserver.schema import Schema
from controller_runtime.envtest.apiserver.schema.field_errors import NO_PATH, invalid
from controller_runtime.envtest.apiserver.schema.go_text import plain
from controller_runtime.envtest.apiserver.validation.fields import quoted
from controller_runtime.envtest.apiserver.validation.names import dns_subdomain, qualified_name
from controller_runtime.envtest.apiserver.validation.object_meta import (
    validate_object_meta,
    validate_object_meta_update,
)

_STANDARD_FINALIZERS: Final = frozenset({"orphan", "foregroundDeletion", "kubernetes"})
_BLOCKING: Final = frozenset(
    {
        "FieldValueNotSupported",
        "FieldValueRequired",
        "FieldValueTooLong",
        "FieldValueTooMany",
        "FieldValueTypeInvalid",
    }
)
_RULES_SKIPPED: Final = (
    "some validation rules were not checked because the object was invalid; correct the existing errors to complete"
    " validation"
)


def custom_object_errors(
    version: ServedVersion, schema: Schema, obj: Mapping[str, Any], old: Mapping[str, Any] | None = None
) -> list[FieldError]:
    """Of a new object, or of an update of `old`."""
    errors = _type_errors(version, obj)
    if not errors:
        errors += _metadata_errors(version, obj, old)
        errors += schema.value_errors(obj, old)
        errors += _scale_spec_errors(version, obj)
        errors += _scale_status_errors(version, obj)
    errors += schema.structure_errors(obj, old)
    return _with_rules_note(schema, errors)


def custom_status_errors(
    version: ServedVersion, schema: Schema, obj: Mapping[str, Any], old: Mapping[str, Any]
) -> list[FieldError]:
    """Of an update of the status of `old`."""
    errors = _type_errors(version, obj)
    if not errors:
        errors += validate_object_meta_update(obj["metadata"], old["metadata"])
        errors += schema.status_errors(obj, old)
        errors += _scale_status_errors(version, obj)
    errors += schema.structure_errors(obj, old, embedded=False)
    return _with_rules_note(schema, errors)


def finalizer_warnings(obj: Mapping[str, Any], old: Mapping[str, Any] | None = None) -> list[str]:
    """What clients should know about finalizers that an object did not have before."""
    before = set() if old is None else set(old["metadata"].get("finalizers") or ())
    warnings = []
    for name in sorted(set(obj["metadata"].get("finalizers") or ()) - before):
        texts = list(qualified_name(name))
        if "/" not in name and name not in _STANDARD_FINALIZERS:
            including = " including a path (/)" if "." in name else ""
            texts.append(
                f"prefer a domain-qualified finalizer name{including} to avoid accidental conflicts with other"
                " finalizer writers"
            )
        warnings += [f"metadata.finalizers: {quoted(name)}: {text}" for text in texts]
    return warnings


def selectable_values(version: ServedVersion, obj: Mapping[str, Any]) -> dict[str, str]:
    """What field selectors find in an object, beside name and namespace."""
    values = {}
    for path in version.selectable_fields:
        value: Any = obj
        for name in path.split("."):
            value = value.get(name) if isinstance(value, Mapping) else None
        values[path] = "" if value is None else value if isinstance(value, str) else plain(value)
    return values


def _with_rules_note(schema: Schema, errors: list[FieldError]) -> list[FieldError]:
    """Rules in CEL are checked only once all else is right; the real server says so."""
    if schema.has_cel and any(error.reason in _BLOCKING for error in errors):
        return [*errors, invalid(NO_PATH, None, _RULES_SKIPPED)]
    return errors


def _type_errors(version: ServedVersion, obj: Mapping[str, Any]) -> list[FieldError]:
    api_version = f"{version.group}/{version.version}"
    expected = (("kind", version.kind), ("apiVersion", api_version))
    return [
        invalid(name, obj.get(name, ""), f"must be {value}") for name, value in expected if obj.get(name, "") != value
    ]


def _metadata_errors(version: ServedVersion, obj: Mapping[str, Any], old: Mapping[str, Any] | None) -> list[FieldError]:
    if old is not None:
        return validate_object_meta_update(obj["metadata"], old["metadata"])
    return validate_object_meta(obj["metadata"], namespaced=version.namespaced, name_rule=dns_subdomain)


def _scale_spec_errors(version: ServedVersion, obj: Mapping[str, Any]) -> list[FieldError]:
    return [] if version.scale is None else _replica_errors(obj, version.scale["specReplicasPath"])


def _scale_status_errors(version: ServedVersion, obj: Mapping[str, Any]) -> list[FieldError]:
    if version.scale is None:
        return []
    errors = _replica_errors(obj, version.scale["statusReplicasPath"])
    if path := version.scale.get("labelSelectorPath"):
        value, problem = _nested(obj, path, str, "string")
        if problem:
            errors.append(invalid(path, value, problem))
    return errors


def _replica_errors(obj: Mapping[str, Any], path: str) -> list[FieldError]:
    replicas, problem = _nested(obj, path, int, "int64")
    if problem:
        return [invalid(path, replicas, problem)]
    if replicas < 0:
        return [invalid(path, replicas, "should be a non-negative integer")]
    if replicas > 2**31 - 1:
        return [invalid(path, replicas, "should be less than or equal to 2147483647")]
    return []


def _nested(obj: Mapping[str, Any], path: str, type_: type, name: str) -> tuple[Any, str]:
    """The value at a path, zero if there is none; and why it cannot be had."""
    value: Any = obj
    names = path.removeprefix(".").split(".")
    for depth, each in enumerate(names):
        if value is None:
            return type_(), ""
        if not isinstance(value, Mapping):
            return type_(), _accessor_error(names[: depth + 1], value, "map[string]interface{}")
        if each not in value:
            return type_(), ""
        value = value[each]
    if type(value) is not type_:
        return type_(), _accessor_error(names, value, name)
    return value, ""


def _accessor_error(names: list[str], value: Any, expected: str) -> str:
    go_types = {type(None): "<nil>", bool: "bool", int: "int64", float: "float64", str: "string"}
    found = go_types.get(type(value), "[]interface {}" if isinstance(value, list) else "map[string]interface {}")
    return f".{'.'.join(names)} accessor error: {plain(value)} is of the type {found}, expected {expected}"
