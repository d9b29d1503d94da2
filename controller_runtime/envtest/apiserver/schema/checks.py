"""Whether a value is valid at all, asked of each node in the quickest way.

A check is a closure that knows the keywords of its node and decides the ordinary cases: values of the expected type,
held against simple limits. All others go to `violations`, which is the authority; a check may be slower than it
needs to be, never of another opinion.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeAlias

from controller_runtime.envtest.apiserver.schema.node import Node
from controller_runtime.envtest.apiserver.schema.violations import examine

Check: TypeAlias = Callable[[Any], bool]


def compile_check(node: Node) -> Check:
    """The check of a node, whose children may get theirs later."""
    if node.all_of or node.any_of or node.one_of or node.negated is not None:
        return _thorough(node)
    match node.types:
        case ("string",):
            return _string(node)
        case ("integer",):
            return _integer(node)
        case ("boolean",) if not node.enum:
            return _boolean(node)
        case ("object",) if not node.enum:
            return _object(node)
        case ("array",) if not node.enum and not node.unique:
            return _list(node)
        case () if _is_free(node):
            return _anything
        case _:
            return _thorough(node)


def _anything(value: Any) -> bool:  # noqa: ARG001
    return True


def _is_free(node: Node) -> bool:
    limits = (node.minimum, node.maximum, node.multiple_of, node.min_length, node.max_length)
    sizes = (node.min_items, node.max_items, node.min_properties, node.max_properties)
    inner = (node.pattern, node.format, node.enum, node.required, node.properties, node.items, node.unique)
    return all(limit is None for limit in (*limits, *sizes)) and not any(inner) and not node.has_additional


def _thorough(node: Node) -> Check:
    def check(value: Any) -> bool:
        return not examine(node, value, "", None).violations

    return check


def _string(node: Node) -> Check:
    thorough = _thorough(node)
    if node.enum:
        members = frozenset(member for member in node.enum if isinstance(member, str))
        plain = _is_plain(node)

        def check_enum(value: Any) -> bool:
            return (plain and type(value) is str and value in members) or thorough(value)

        return check_enum
    if _is_plain(node):

        def check_type(value: Any) -> bool:
            return type(value) is str or thorough(value)

        return check_type

    low = node.min_length or 0
    high = node.max_length if node.max_length is not None else float("inf")
    search, format_check = node.pattern_search, node.format_check

    def check(value: Any) -> bool:
        if type(value) is not str:
            return thorough(value)
        return (
            low <= len(value) <= high
            and (search is None or search(value) is not None)
            and (format_check is None or bool(format_check(value)))
        )

    return check


def _is_plain(node: Node) -> bool:
    """Whether a string of any kind will do."""
    return node.min_length is None and node.max_length is None and node.pattern_search is None and not node.format_check


def _integer(node: Node) -> Check:
    thorough = _thorough(node)
    size = 2**31 if node.format == "int32" else 2**63
    low, high = -size, size - 1
    exact = all(limit is None or limit == int(limit) for limit in (node.minimum, node.maximum))
    if node.enum or node.multiple_of is not None or not exact:
        return thorough
    for limit in (node.minimum, node.maximum):
        if limit is not None and not -size <= limit < size:
            return thorough
    if node.minimum is not None:
        low = max(low, int(node.minimum) + node.exclusive_minimum)
    if node.maximum is not None:
        high = min(high, int(node.maximum) - node.exclusive_maximum)

    def check(value: Any) -> bool:
        return low <= value <= high if type(value) is int else thorough(value)

    return check


def _boolean(node: Node) -> Check:
    thorough = _thorough(node)

    def check(value: Any) -> bool:
        return value is True or value is False or thorough(value)

    return check


def _object(node: Node) -> Check:
    thorough = _thorough(node)
    required = frozenset(node.required)
    low = node.min_properties or 0
    high = node.max_properties if node.max_properties is not None else float("inf")
    children, extra = node.properties, node.additional
    has_additional, forbidden = node.has_additional, node.additional_forbidden

    def check(value: Any) -> bool:
        if type(value) is not dict:
            return thorough(value)
        if not (required <= value.keys() and low <= len(value) <= high):
            return False
        for key, item in value.items():
            child = children.get(key)
            if child is not None:
                if not child.check(item):
                    return False
            elif has_additional and (forbidden or (extra is not None and not extra.check(item))):
                return False
        return True

    return check


def _list(node: Node) -> Check:
    thorough = _thorough(node)
    low = node.min_items or 0
    high = node.max_items if node.max_items is not None else float("inf")
    items = node.items

    def check(value: Any) -> bool:
        if type(value) is not list:
            return thorough(value)
        if not low <= len(value) <= high:
            return False
        return items is None or all(map(items.check, value))

    return check
