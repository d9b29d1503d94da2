"""Defaults filled in, in place (apiextensions-apiserver, pkg/apiserver/schema/defaulting/algorithm.go)."""

from __future__ import annotations

from typing import Any

from controller_runtime.envtest.apiserver.schema.node import MISSING, Node


def copied(value: Any) -> Any:
    """A JSON value of its own."""
    if isinstance(value, dict):
        return {key: copied(item) for key, item in value.items()}
    if isinstance(value, list):
        return [copied(item) for item in value]
    return value


def fill_defaults(value: Any, node: Node) -> None:
    """Add what is missing and has a default; null counts as missing unless the schema allows it."""
    if type(value) is dict:
        _fill_fields(value, node)
    elif type(value) is list and node.items is not None:
        _fill_items(value, node.items)


def _fill_fields(value: dict[str, Any], node: Node) -> None:
    properties = node.properties
    for name, default in node.own_defaults:
        if value.get(name) is None and (name not in value or not properties[name].nullable):
            value[name] = copied(default)
    for name, child in node.nested_defaults:
        if (item := value.get(name)) is not None:
            fill_defaults(item, child)
    extra = node.additional
    if extra is not None and (extra.has_defaults or extra.default is not MISSING):
        for name, item in value.items():
            if name not in properties:
                value[name] = _filled(item, extra)


def _fill_items(value: list[Any], node: Node) -> None:
    for index, item in enumerate(value):
        value[index] = _filled(item, node)


def _filled(item: Any, node: Node) -> Any:
    if item is None and not node.nullable:
        item = None if node.default is MISSING else copied(node.default)
    if node.has_defaults:
        fill_defaults(item, node)
    return item
