"""Ownership that was written under an older schema of the kind."""

from __future__ import annotations

from typing import Any

from controller_runtime.envtest.apiserver.managedfields.atoms import Atom, List, Map
from controller_runtime.envtest.apiserver.managedfields.sets import FieldSet


def reconcile(atom: Atom, fields: FieldSet) -> FieldSet:
    """The same set, but whoever owns something within what has become atomic owns all of it.

    What became granular stays as it is: it counts as owned at its root. Returns the argument if nothing changes.
    """
    result: FieldSet | None = None
    for element, node in fields.items():
        if not node:
            continue
        child = _child(atom, element)
        if child is None:
            continue
        new = _reconcile_node(child, node)
        if new is not node:
            result = dict(fields) if result is None else result
            result[element] = new
    return fields if result is None else result


def _reconcile_node(atom: Atom, node: FieldSet) -> FieldSet:
    form: Any = atom.map or atom.scalar or atom.list
    if isinstance(form, Map):
        if form.deduced:
            return node
        return {} if form.atomic else reconcile(atom, node)
    if isinstance(form, List):
        return reconcile(atom, node) if form.associative else {}
    return node


def _child(atom: Atom, element: str) -> Atom | None:
    if atom.map is not None:
        return atom.map.fields.get(element[2:], atom.map.element)
    return atom.list.element if atom.list is not None else None
