"""Lists whose items must differ: x-kubernetes-list-type set and map (apiextensions-apiserver, schema/listtype)."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from typing import Any

from controller_runtime.envtest.apiserver.errors import FieldError
from controller_runtime.envtest.apiserver.schema.field_errors import duplicate, invalid
from controller_runtime.envtest.apiserver.schema.go_text import encoded
from controller_runtime.envtest.apiserver.schema.node import Node


def list_errors(value: Any, node: Node, path: str = "") -> list[FieldError]:
    """Items that are there twice, or have no keys."""
    errors: list[FieldError] = []
    if isinstance(value, dict):
        for name, item in value.items():
            child = node.properties.get(name)
            if child is not None and child.has_lists:
                errors += list_errors(item, child, f"{path}.{name}" if path else name)
        if node.additional is not None and node.additional.has_lists:
            for name, item in value.items():
                errors += list_errors(item, node.additional, f"{path}[{name}]")
    elif isinstance(value, list):
        if node.list_type == "set":
            errors += [duplicate(f"{path}[{index}]", value[index]) for index in _repeated(value)]
        elif node.list_type == "map":
            errors += _map_errors(value, node, path)
        if node.items is not None and node.items.has_lists:
            for index, item in enumerate(value):
                errors += list_errors(item, node.items, f"{path}[{index}]")
    return errors


def _repeated(values: Sequence[Any]) -> list[int]:
    """Where a value appears for the second time."""
    if len(values) < 2:
        return []
    counts: dict[Hashable, int] = {}
    repeated = []
    for index, value in enumerate(values):
        key = (type(value), encoded(value) if isinstance(value, dict | list) else value)
        counts[key] = counts.get(key, 0) + 1
        if counts[key] == 2:
            repeated.append(index)
    return repeated


def _map_errors(value: list[Any], node: Node, path: str) -> list[FieldError]:
    for index, item in enumerate(value):
        if item is not None and not isinstance(item, dict):
            return [invalid(f"{path}[{index}]", item, "must be an object for an array of list-type map")]
    if len(value) < 2:
        return []
    keys = [{name: item[name] for name in node.map_keys if name in item} if item else {} for item in value]
    return [duplicate(f"{path}[{index}]", keys[index]) for index in _repeated(keys)]
