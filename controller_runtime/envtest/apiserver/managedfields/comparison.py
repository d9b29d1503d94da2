"""Which fields differ between two objects."""

from __future__ import annotations

from typing import Any, NamedTuple

from controller_runtime.envtest.apiserver.managedfields.atoms import Atom, List, Map
from controller_runtime.envtest.apiserver.managedfields.sets import SELF, FieldSet, without


class Comparison(NamedTuple):
    """What a change does; no field is in two of the sets."""

    added: FieldSet
    modified: FieldSet
    removed: FieldSet

    def without(self, fields: FieldSet) -> Comparison:
        """The same but for some fields and what is below them."""
        return Comparison(*(without(part, fields) for part in self)) if fields else self


def compare(atom: Atom, old: dict[str, Any], new: dict[str, Any]) -> Comparison:
    """Compare two objects of a type.

    Raises:
        SchemaMismatchError: one of them has a field that the schema does not know, or an item that nothing identifies.
    """
    comparison = Comparison({}, {}, {})
    if atom.map is not None:
        _compare_maps(atom.map, old, new, comparison)
    return comparison


def equal(left: Any, right: Any) -> bool:
    """Whether two JSON values are the same; `True` is not 1, and 1 is 1.0."""
    if isinstance(left, dict):
        return (
            isinstance(right, dict)
            and len(left) == len(right)
            and all(key in right and equal(value, right[key]) for key, value in left.items())
        )
    if isinstance(left, list):
        return isinstance(right, list) and len(left) == len(right) and all(map(equal, left, right))
    return bool(left == right) and isinstance(left, bool) == isinstance(right, bool)


def _compare(atom: Atom, old: Any, new: Any, element: str, result: Comparison) -> None:
    """Compare two values, both of which exist; each form that one of them has is looked at."""
    form = atom.form(new)
    _compare_as(form, old, new, element, result)
    other = atom.form(old)
    if other is not form:
        _compare_as(other, old, new, element, result)


def _compare_as(form: Map | List | str, old: Any, new: Any, element: str, result: Comparison) -> None:
    inner = Comparison({}, {}, {})
    if isinstance(form, Map) and not form.atomic:
        before, after = (value if isinstance(value, dict) else {} for value in (old, new))
        if before or after:
            _compare_maps(form, before, after, inner)
            _attach(inner, element, result)
            return
    elif isinstance(form, List) and form.associative:
        items_before, items_after = (value if isinstance(value, list) else [] for value in (old, new))
        if items_before or items_after:
            _compare_lists(form, items_before, items_after, inner)
            _attach(inner, element, result)
            return
    if not equal(old, new):
        result.modified[element] = {}


def _attach(inner: Comparison, element: str, result: Comparison) -> None:
    for part, fields in zip(result, inner, strict=True):
        if fields:
            part[element] = fields


def _compare_maps(form: Map, old: dict[str, Any], new: dict[str, Any], result: Comparison) -> None:
    fields, rest = form.fields, form.element
    for key, after in new.items():
        atom = fields.get(key, rest) or form.child(key)
        if key not in old:
            result.added["f:" + key] = whole(atom, after)
            continue
        before = old[key]
        if before is not after and not (atom.exact and before == after):
            _compare(atom, before, after, "f:" + key, result)
    for key, before in old.items():
        if key not in new:
            result.removed["f:" + key] = whole(form.child(key), before)


def _compare_lists(form: List, old: list[Any], new: list[Any], result: Comparison) -> None:
    """Items that occur once are compared; those that occur more often are one field together."""
    before, after = _by_element(form, old), _by_element(form, new)
    for element, left in before.items():
        right = after.get(element, [])
        if len(left) == 1 and len(right) == 1:
            _compare(form.element, left[0], right[0], element, result)
        elif len(left) > 1 and len(right) > 1:
            if not equal(left, right):
                result.modified[element] = {}
        else:
            _replace_item(form.element, left, right, element, result)
    for element, right in after.items():
        if element not in before:
            _replace_item(form.element, [], right, element, result)


def _replace_item(atom: Atom, left: list[Any], right: list[Any], element: str, result: Comparison) -> None:
    if left:
        result.removed[element] = whole(atom, left[0]) if len(left) == 1 else {}
    if right:
        result.added[element] = whole(atom, right[0]) if len(right) == 1 else {}


def _by_element(form: List, items: list[Any]) -> dict[str, list[Any]]:
    result: dict[str, list[Any]] = {}
    for item in items:
        result.setdefault(form.path_element(item), []).append(item)
    return result


def whole(atom: Atom, value: Any) -> FieldSet:
    """The node of a value that came into being, or went: it, and everything in it."""
    if not value:
        return {}
    if isinstance(value, dict):
        form = atom.map
        if form is None or form.atomic:
            return {}
        fields, rest = form.fields, form.element
        node: FieldSet = {SELF: {}}
        for key, child in value.items():
            node["f:" + key] = whole(fields.get(key, rest) or form.child(key), child)
        return node
    if isinstance(value, list) and atom.list is not None and atom.list.associative:
        return {SELF: {}, **_whole_items(atom.list, value)}
    return {}


def _whole_items(form: List, items: list[Any]) -> FieldSet:
    node: FieldSet = {}
    for item in items:
        element = form.path_element(item)
        node[element] = {} if element in node else whole(form.element, item)
    return node
