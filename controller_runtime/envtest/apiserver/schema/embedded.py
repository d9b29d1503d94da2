"""Resources inside resources, x-kubernetes-embedded-resource (apiextensions-apiserver, schema/objectmeta)."""

from __future__ import annotations

from typing import Any

from controller_runtime.envtest.apiserver.errors import FieldError
from controller_runtime.envtest.apiserver.schema.field_errors import invalid, required
from controller_runtime.envtest.apiserver.schema.go_structs import CoercionError
from controller_runtime.envtest.apiserver.schema.labels import dns1035_label
from controller_runtime.envtest.apiserver.schema.node import Node
from controller_runtime.envtest.apiserver.schema.object_meta import coerce_object_meta
from controller_runtime.envtest.apiserver.validation.names import path_segment
from controller_runtime.envtest.apiserver.validation.object_meta import validate_object_meta


def coerce_embedded(value: Any, node: Node, path: str = "") -> list[str]:
    """Bring the metadata of embedded resources into the form that is stored, in place.

    Returns:
        Paths of fields that ObjectMeta does not have.

    Raises:
        CoercionError: metadata, apiVersion or kind is of a wrong type.
    """
    unknown: list[str] = []
    if isinstance(value, dict):
        if node.embedded:
            unknown += _coerce_resource(value, path)
        for name, item in value.items():
            child = node.properties.get(name)
            if child is not None and child.has_embedded:
                unknown += coerce_embedded(item, child, f"{path}.{name}" if path else name)
            elif child is None and node.additional is not None and node.additional.has_embedded:
                unknown += coerce_embedded(item, node.additional, f"{path}[{name}]")
    elif isinstance(value, list) and node.items is not None and node.items.has_embedded:
        for index, item in enumerate(value):
            unknown += coerce_embedded(item, node.items, f"{path}[{index}]")
    return unknown


def _coerce_resource(value: dict[str, Any], path: str) -> list[str]:
    for name in ("apiVersion", "kind"):
        if name in value and not isinstance(value[name], str):
            raise CoercionError(str(invalid(f"{path}.{name}", value[name], "must be a string")))
    if "metadata" not in value:
        return []
    try:
        value["metadata"], unknown = coerce_object_meta(value["metadata"])
    except CoercionError as error:
        raise CoercionError(str(invalid(f"{path}.metadata", value["metadata"], str(error)))) from error
    return [f"{path}.metadata.{name}" for name in unknown]


def embedded_errors(value: Any, node: Node, path: str = "") -> list[FieldError]:
    """What is wrong with the type and the metadata of embedded resources."""
    errors: list[FieldError] = []
    if isinstance(value, dict):
        if node.embedded:
            errors += _resource_errors(value, path)
        for name, item in value.items():
            child = node.properties.get(name)
            if child is not None and child.has_embedded:
                errors += embedded_errors(item, child, f"{path}.{name}" if path else name)
            elif child is None and node.additional is not None and node.additional.has_embedded:
                errors += embedded_errors(item, node.additional, f"{path}[{name}]")
    elif isinstance(value, list) and node.items is not None and node.items.has_embedded:
        for index, item in enumerate(value):
            errors += embedded_errors(item, node.items, f"{path}[{index}]")
    return errors


def _resource_errors(value: dict[str, Any], path: str) -> list[FieldError]:
    errors = [required(f"{path}.{name}") for name in ("apiVersion", "kind") if name not in value]
    if "apiVersion" in value:
        errors += _api_version_errors(value["apiVersion"], f"{path}.apiVersion")
    if "kind" in value:
        errors += _kind_errors(value["kind"], f"{path}.kind")
    if "metadata" in value:
        errors += _metadata_errors(value["metadata"], path)
    return errors


def _api_version_errors(api_version: Any, path: str) -> list[FieldError]:
    if not isinstance(api_version, str):
        return [invalid(path, api_version, "must be a string")]
    if not api_version:
        return [invalid(path, api_version, "must not be empty")]
    if api_version.count("/") > 1:
        return [invalid(path, api_version, f"unexpected GroupVersion string: {api_version}")]
    return []


def _kind_errors(kind: Any, path: str) -> list[FieldError]:
    if not isinstance(kind, str):
        return [invalid(path, kind, "must be a string")]
    if not kind:
        return [invalid(path, kind, "must not be empty")]
    if problems := dns1035_label(kind.lower()):
        detail = f"may have mixed case, but should otherwise match: {','.join(problems)}"
        return [invalid(path, kind, detail)]
    return []


def _metadata_errors(metadata: Any, path: str) -> list[FieldError]:
    try:
        meta, _ = coerce_object_meta(metadata)
    except CoercionError as error:
        return [invalid(f"{path}.metadata", metadata, str(error))]
    # An embedded object needs no name.
    named = meta if meta.get("name") else {**meta, "name": "fakename"}
    errors = validate_object_meta(named, namespaced=bool(meta.get("namespace")), name_rule=path_segment)
    return [error._replace(field=f"{path}.{error.field}") for error in errors]
