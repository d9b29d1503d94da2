"""What server-side apply does to objects: add a configuration, take fields away, list the fields of a configuration."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from typing import Any

from controller_runtime.envtest.apiserver.managedfields.atoms import Atom, List, Map
from controller_runtime.envtest.apiserver.managedfields.sets import SELF, FieldSet, has_children, is_member


def merge(atom: Atom, live: Any, applied: Any) -> Any:
    """The live value with what is applied; nothing is removed, items keep their order or take the applied one.

    The applied value must match the schema and hold no item twice.
    """
    form = atom.form(applied)
    if isinstance(form, Map) and not form.atomic:
        left, right = (value if isinstance(value, dict) else {} for value in (live, applied))
        if left or right:
            return _merge_maps(form, left, right)
    elif isinstance(form, List) and form.associative:
        items, new = (value if isinstance(value, list) else [] for value in (live, applied))
        if items or new:
            return _merge_lists(form, items, new)
    return applied


def _merge_maps(form: Map, live: dict[str, Any], applied: dict[str, Any]) -> dict[str, Any]:
    result = dict(live)
    for key, value in applied.items():
        result[key] = merge(form.child(key), live[key], value) if key in live else value
    return result


def _merge_lists(form: List, live: list[Any], applied: list[Any]) -> list[Any]:
    """Items of both lists: the applied ones in their order, the others between them about where they were."""
    left = [form.path_element(item) for item in live]
    right = [form.path_element(item) for item in applied]
    merged = _merge_items(form.element, zip(left, live, strict=True), zip(right, applied, strict=True))
    common = set(left)
    shared = deque(element for element in right if element in common)
    done: set[str] = set()
    result: list[Any] = []
    i = j = 0
    while i < len(left) or j < len(right):
        element = left[i] if i < len(left) else ""
        following = right[j] if j < len(right) else ""
        if element and element not in merged:
            result.append(live[i])
            i += 1
            continue
        if element and following and element != following and shared and shared[0] != element:
            i += 1  # its turn comes in the applied order
            continue
        i += element == following or element in done
        if following:
            result.append(merged[following])
            done.add(following)
            j += 1
            if shared and shared[0] == following:
                shared.popleft()
    return result


def _merge_items(atom: Atom, live: Iterable[tuple[str, Any]], applied: Iterable[tuple[str, Any]]) -> dict[str, Any]:
    """The applied items, with what the live ones have; those that the live list holds twice are not looked at."""
    items: dict[str, Any] = {}
    for element, item in live:
        items[element] = None if element in items else item
    return {element: merge(atom, items[element], item) if element in items else item for element, item in applied}


def remove(atom: Atom, value: Any, fields: FieldSet) -> Any:
    """The value without some of its fields and items; what becomes empty that way becomes null."""
    form = atom.form(value)
    if isinstance(form, Map):
        return None if form.atomic or not isinstance(value, dict) else _remove_from_map(form, value, fields)
    if isinstance(form, List):
        return None if not form.associative or not isinstance(value, list) else _remove_from_list(form, value, fields)
    return value


def _remove_from_map(form: Map, value: dict[str, Any], fields: FieldSet) -> dict[str, Any] | None:
    result = {}
    for key, child in value.items():
        node = fields.get("f:" + key)
        if node is None:
            result[key] = child
        elif not is_member(node):
            result[key] = remove(form.child(key), child, node)
    return result or None


def _remove_from_list(form: List, value: list[Any], fields: FieldSet) -> list[Any] | None:
    result = []
    for item in value:
        node = fields.get(form.path_element(item))
        if node is None:
            result.append(item)
        elif not is_member(node):
            result.append(remove(form.element, item, node))
    return result or None


def field_set(atom: Atom, value: dict[str, Any]) -> FieldSet:
    """The fields that a configuration consists of: leaves, items, keys of maps; not the structs on the way."""
    return _without_self(_fields(atom, value, member=False) or {})


def _without_self(node: FieldSet) -> FieldSet:
    return {element: child for element, child in node.items() if element != SELF}


def _fields(atom: Atom, value: Any, *, member: bool) -> FieldSet | None:
    """The node of a value; None if neither it nor anything below is in the set."""
    form = atom.form(value)
    if isinstance(form, Map) and not form.atomic:
        children = _map_fields(form, value) if isinstance(value, dict) else {}
    elif isinstance(form, List) and form.associative:
        children = _item_fields(form, value) if isinstance(value, list) else {}
    else:
        return {}
    if not member:
        return children or None
    return {SELF: {}, **children} if children else {}


def _map_fields(form: Map, value: dict[str, Any]) -> FieldSet:
    result = {}
    for key, child in value.items():
        member = child is None or child == {} or key not in form.fields
        node = _fields(form.child(key), child, member=member)
        if node is not None:
            result["f:" + key] = node
    return result


def _item_fields(form: List, value: list[Any]) -> FieldSet:
    """An item that occurs more than once is one field."""
    result: FieldSet = {}
    for item in value:
        element = form.path_element(item)
        result[element] = {} if element in result else _fields(form.element, item, member=True)
    return result


def with_structs(atom: Atom | None, fields: FieldSet) -> FieldSet:
    """The same set with the named fields on the way to its members."""
    result: FieldSet = {}
    for element, node in fields.items():
        if not has_children(node):
            result[element] = node
            continue
        child, named = _child(atom, element)
        inner = with_structs(child, node)
        result[element] = {SELF: {}, **inner} if named else inner
    return result


def _child(atom: Atom | None, element: str) -> tuple[Atom | None, bool]:
    """The type of an element, and whether it is a property that the schema names."""
    if atom is None:
        return None, False
    if element[0] == "f" and atom.map is not None:
        name = element[2:]
        return atom.map.fields.get(name, atom.map.element), name in atom.map.fields
    if element[0] == "k" and atom.list is not None:
        return atom.list.element, False
    return None, False
