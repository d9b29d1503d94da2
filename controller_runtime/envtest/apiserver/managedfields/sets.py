"""Sets of field paths, as the tries that FieldsV1 is.

A set is a dict of path elements. The value of an element is a *node*:

| node | the element itself is in the set | paths below it |
|---|---|---|
| `{}` | yes | none |
| `{".": {}, "f:a": {}}` | yes | `.a` |
| `{"f:a": {}}` | no | `.a` |

`{}` as a whole set is the empty set. Nothing here changes its arguments, and results share parts with them.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, Final, TypeAlias

from controller_runtime.envtest.apiserver.managedfields.elements import canonical, display, in_order
from controller_runtime.envtest.apiserver.managedfields.errors import UndecodableError

FieldSet: TypeAlias = dict[str, Any]

SELF: Final = "."


def is_member(node: FieldSet) -> bool:
    """Whether the element that has this node is in the set."""
    return not node or SELF in node


def has_children(node: FieldSet) -> bool:
    """Whether there are paths below the element that has this node."""
    return len(node) > (SELF in node)


def union(left: FieldSet, right: FieldSet) -> FieldSet:
    """What is in one of two sets."""
    if not left or not right:
        return left or right
    result = dict(left)
    for element, node in right.items():
        other = result.get(element)
        result[element] = node if other is None else _union(other, node)
    return result


def intersection(left: FieldSet, right: FieldSet) -> FieldSet:
    """What is in both sets."""
    result = {}
    for element, node in left.items():
        other = right.get(element)
        if other is not None:
            common = _intersection(node, other)
            if common is not None:
                result[element] = common
    return result


def difference(left: FieldSet, right: FieldSet) -> FieldSet:
    """What is in the left set only; a path that is in the right one says nothing about the paths below it."""
    result = {}
    for element, node in left.items():
        other = right.get(element)
        rest = node if other is None else _difference(node, other)
        if rest is not None:
            result[element] = rest
    return result


def without(left: FieldSet, right: FieldSet) -> FieldSet:
    """What is in the left set and neither in the right one nor below a member of it."""
    result = {}
    for element, node in left.items():
        other = right.get(element)
        if other is None:
            result[element] = node
        elif not is_member(other) and node:
            rest = without({name: child for name, child in node.items() if name != SELF}, other)
            if SELF in node:
                result[element] = {SELF: {}, **rest} if rest else {}
            elif rest:
                result[element] = rest
        elif not is_member(other):
            result[element] = node
    return result


def from_paths(names: Iterable[Iterable[str]]) -> FieldSet:
    """The set of some paths of fields, as `("metadata", "labels")`."""
    result: FieldSet = {}
    for path in names:
        node: FieldSet = {}
        for name in reversed(tuple(path)):
            node = {f"f:{name}": node}
        result = union(result, node)
    return result


def paths(fields: FieldSet, prefix: str = "") -> Iterator[str]:
    """The paths in a set, as people read them; those of one level before those below."""
    order = [element for element in in_order(fields) if element != SELF]
    for element in order:
        if is_member(fields[element]):
            yield prefix + display(element)
    for element in order:
        if fields[element]:
            yield from paths(fields[element], prefix + display(element))


def ordered(fields: FieldSet) -> FieldSet:
    """The same set, its elements in the API server's order."""
    return {element: ordered(node) if (node := fields[element]) else node for element in in_order(fields)}


def decode(fields: Any) -> FieldSet:
    """A set that a client sent, in canonical form; the same object if it had that form.

    Raises:
        UndecodableError: it cannot be read.
    """
    if fields is None:
        return {}
    result = _decode(fields)
    return {element: node for element, node in result.items() if element != SELF} if SELF in result else result


def _union(left: FieldSet, right: FieldSet) -> FieldSet:
    if left is right:
        return left
    if not left:
        return right if is_member(right) else {SELF: {}, **right}
    if not right:
        return left if SELF in left else {SELF: {}, **left}
    return union(left, right)


def _intersection(left: FieldSet, right: FieldSet) -> FieldSet | None:
    both = is_member(left) and is_member(right)
    if not left or not right:
        return {} if both else None
    result = intersection(left, right)
    if both and len(result) == 1:
        return {}
    return result or None


def _difference(left: FieldSet, right: FieldSet) -> FieldSet | None:
    keep = is_member(left) and not is_member(right)
    result = {}
    for element, node in left.items():
        if element == SELF:
            continue
        other = right.get(element)
        rest = node if other is None else _difference(node, other)
        if rest is not None:
            result[element] = rest
    if keep:
        return {SELF: {}, **result} if result else {}
    return result or None


def _decode(fields: Any) -> FieldSet:
    if not isinstance(fields, dict):
        raise UndecodableError(f"expected an object, got {fields!r}")
    result: FieldSet = {}
    same = True
    for element, node in fields.items():
        name = element if element == SELF or element.startswith("f:") else canonical(element)
        if name is None:
            same = False
            continue
        child = _decode_node(name, node)
        same = same and child is node and name == element
        result[name] = child
    if len(result) == 1 and SELF in result:
        return {}
    return fields if same else result


def _decode_node(element: str, node: Any) -> FieldSet:
    """What stands at an element; there can be nothing below `.`."""
    if node == {} and isinstance(node, dict):
        return node
    return {} if element == SELF or node is None else _decode(node)
