"""Unknown fields and nulls, removed in place (apiextensions-apiserver, pkg/apiserver/schema/{pruning,defaulting}).

Functions return the paths of what was unknown, relative to their value and each with a dot or bracket in front;
nothing is built where nothing is unknown.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Any, Final

from controller_runtime.envtest.apiserver.schema.node import Node

META_FIELDS: Final = frozenset({"apiVersion", "kind", "metadata"})
_NO_FIELDS: Final[frozenset[str]] = frozenset()


def prune(value: Any, node: Node | None, keep: Collection[str] = _NO_FIELDS) -> list[str]:
    """Remove what the schema does not know, and nulls where null means absence.

    Args:
        value: changed in place.
        node: its schema; None knows no field.
        keep: fields that stay as they are, as those of the metadata of a resource.
    """
    if node is not None and node.opaque:
        return []
    if type(value) is dict:
        return _all_fields(value) if node is None else _fields(value, node, META_FIELDS if node.embedded else keep)
    if type(value) is list:
        return _items(value, node)
    return []


def _all_fields(value: dict[str, Any]) -> list[str]:
    paths = [f".{name}" for name in value]
    value.clear()
    return paths


def _items(value: list[Any], node: Node | None) -> list[str]:
    items = None if node is None else node.items
    # Inside what is preserved, items are preserved as well.
    walk = _preserved if node is not None and node.preserve else prune
    paths: list[str] = []
    for index, item in enumerate(value):
        if (type(item) is dict or type(item) is list) and (found := walk(item, items)):
            paths += [f"[{index}]{path}" for path in found]
    return paths


def _preserved(value: Any, node: Node | None) -> list[str]:
    if node is None:
        return []
    if type(value) is dict:
        return _fields(value, node, META_FIELDS if node.embedded else _NO_FIELDS, preserve=True)
    paths: list[str] = []
    for index, item in enumerate(value):
        if type(item) is dict or type(item) is list:
            paths += [f"[{index}]{path}" for path in _preserved(item, node.items)]
    return paths


def _fields(value: dict[str, Any], node: Node, keep: Collection[str], *, preserve: bool = False) -> list[str]:
    paths: list[str] = []
    unknown: list[str] = []
    nulls: list[str] = []
    properties = node.properties
    for name, item in value.items():
        child = properties.get(name)
        if child is None:
            if name in keep:
                continue
            if not node.has_additional:
                if not (preserve or node.preserve):
                    unknown.append(name)
                continue
            child = node.additional
        if type(item) is dict or type(item) is list:
            if name not in keep and (found := prune(item, child)):
                paths += [f".{name}{path}" for path in found]
        elif item is None and child is not None and child.drops_null:
            nulls.append(name)
    for name in nulls:
        del value[name]
    for name in unknown:
        del value[name]
        paths.append(f".{name}")
    return paths
