"""Values before and after an update, side by side: what has not changed may stay as wrong as it was.

Errors of the schema itself are forgiven, at the innermost value that is unchanged (apiextensions-apiserver,
pkg/apiserver/validation/ratcheting.go; apiserver, pkg/cel/common/equality.go). Items of lists are compared only where
they have keys (x-kubernetes-list-type: map), and what the schema does not know counts as changed.
"""

from __future__ import annotations

from typing import Any

from controller_runtime.envtest.apiserver.schema.go_values import same
from controller_runtime.envtest.apiserver.schema.node import Node


class Correlation:
    """A value and what it was.

    Args:
        node: schema of both.
        new: after the update.
        old: before it.
    """

    __slots__ = ("_children", "_keyed", "_new", "_node", "_old", "_unchanged")

    def __init__(self, node: Node, new: Any, old: Any) -> None:
        self._node = node
        self._new = new
        self._old = old
        self._children: dict[str | int, Correlation | None] = {}
        self._keyed: dict[tuple[Any, ...], Any] | None = None
        self._unchanged: bool | None = None

    def key(self, name: str) -> Correlation | None:
        """The same of a field; None if it was not there, or the schema does not know it."""
        if name not in self._children:
            self._children[name] = self._make_key(name)
        return self._children[name]

    def _make_key(self, name: str) -> Correlation | None:
        old, new, node = self._old, self._new, self._node
        if not isinstance(old, dict) or not isinstance(new, dict) or name not in old or name not in new:
            return None
        child = node.properties.get(name) or node.additional
        return None if child is None else Correlation(child, new[name], old[name])

    def index(self, position: int) -> Correlation | None:
        """The same of an item; None if there was none with its keys."""
        if position not in self._children:
            self._children[position] = self._make_index(position)
        return self._children[position]

    def _make_index(self, position: int) -> Correlation | None:
        node, old = self._node, self._old
        if node.list_type != "map" or node.items is None or not isinstance(old, list):
            return None
        if self._keyed is None:
            self._keyed = {}
            for item in old:
                if (keys := self._keys(item)) is not None:
                    self._keyed.setdefault(keys, item)
        found = self._keyed.get(self._keys(self._new[position]) or ())
        return None if found is None else Correlation(node.items, self._new[position], found)

    def _keys(self, item: Any) -> tuple[Any, ...] | None:
        if not isinstance(item, dict) or any(name not in item for name in self._node.map_keys):
            return None
        values = [item[name] for name in self._node.map_keys]
        if any(isinstance(value, dict | list) for value in values):
            return None
        return tuple((type(value), value) for value in values)

    def unchanged(self) -> bool:
        """Whether nothing has changed."""
        if self._unchanged is None:
            self._unchanged = self._compare()
        return self._unchanged

    def _compare(self) -> bool:
        old, new = self._old, self._new
        if type(old) is not type(new):
            return False
        if isinstance(new, dict):
            return len(old) == len(new) and all(_unchanged(self.key(name)) for name in new)
        if not isinstance(new, list):
            return same(old, new)
        if len(old) != len(new):
            return False
        if self._node.list_type != "map":
            return same(old, new)
        return all(_unchanged(self.index(position)) for position in range(len(new)))


def _unchanged(correlation: Correlation | None) -> bool:
    return correlation is not None and correlation.unchanged()
