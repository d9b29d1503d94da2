"""Defaults in schemas: they must be valid themselves, and hold no field that the schema does not know."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from controller_runtime.envtest.apiserver.errors import FieldError
from controller_runtime.envtest.apiserver.schema import CoercionError
from controller_runtime.envtest.apiserver.schema.defaulting import copied
from controller_runtime.envtest.apiserver.schema.embedded import coerce_embedded, embedded_errors
from controller_runtime.envtest.apiserver.schema.field_errors import invalid
from controller_runtime.envtest.apiserver.schema.go_values import same
from controller_runtime.envtest.apiserver.schema.node import Node, Reader
from controller_runtime.envtest.apiserver.schema.pruning import META_FIELDS, prune
from controller_runtime.envtest.apiserver.schema.violations import field_violations


def default_errors(schema: Mapping[str, Any], path: str, *, is_root: bool = False) -> Iterator[FieldError]:
    """What is wrong with the defaults of a structural schema; the root's is that of a whole resource."""
    default = schema.get("default")
    if default is not None:
        if is_root:
            schema = {**schema, "x-kubernetes-embedded-resource": True}
        yield from _errors(Reader(None).read(_unfolded(schema)), default, f"{path}.default")
    if schema.get("items") is not None:
        yield from default_errors(schema["items"], f"{path}.items")
    for name, child in (schema.get("properties") or {}).items():
        yield from default_errors(child, f"{path}.properties[{name}]")


def _unfolded(schema: Mapping[str, Any]) -> dict[str, Any]:
    """Without x-kubernetes-int-or-string, which the real server does not hold against defaults."""
    result = {name: value for name, value in schema.items() if name != "x-kubernetes-int-or-string"}
    if "properties" in schema:
        result["properties"] = {name: _unfolded(child) for name, child in schema["properties"].items()}
    for name in ("items", "additionalProperties"):
        if isinstance(schema.get(name), Mapping):
            result[name] = _unfolded(schema[name])
    return result


def _errors(node: Node, default: Any, path: str) -> Iterator[FieldError]:
    pruned = copied(default)
    prune_unknown(pruned, node)
    if not same(pruned, default):
        yield invalid(path, default, "must not have unknown fields")
    try:
        coerce_embedded(copied(default), node, path)
    except CoercionError as error:
        field, _, detail = str(error).partition(": Invalid value: ")
        yield FieldError("FieldValueInvalid", field, f"Invalid value: {detail}")
        return
    yield from embedded_errors(default, node, path) or field_violations(node, default, path, None)


def prune_unknown(value: Any, node: Node) -> None:
    """Remove unknown fields only: nulls are kept."""
    kept = copied(value)
    prune(value, node, META_FIELDS if node.embedded else ())
    _restore_nulls(value, kept, node)


def _restore_nulls(value: Any, before: Any, node: Node | None) -> None:
    if node is None:
        return
    if isinstance(value, dict):
        for name, item in before.items():
            child = node.properties.get(name) or node.additional
            if item is None and child is not None and name not in value:
                value[name] = None
            elif name in value:
                _restore_nulls(value[name], item, child)
    elif isinstance(value, list):
        for item, old in zip(value, before, strict=True):
            _restore_nulls(item, old, node.items)
