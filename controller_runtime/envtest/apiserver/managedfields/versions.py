"""The versions of a kind: objects and the ownership of their fields are compared in the version that an owner used."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeAlias

from controller_runtime.envtest.apiserver.managedfields import sets
from controller_runtime.envtest.apiserver.managedfields.atoms import Atom, SchemaSource, compiled
from controller_runtime.envtest.apiserver.managedfields.sets import FieldSet

Paths: TypeAlias = Sequence[tuple[str, ...]]
"""Paths of fields, as `("spec", "replicas")`."""

Convert: TypeAlias = Callable[[dict[str, Any], str], dict[str, Any]]
"""Makes of an object one with another `apiVersion`."""


class Versions:
    """How objects of one kind look in each version.

    Args:
        api_version: Of the request, and of the objects it is about.
        schema: In that version.
        others: Schemas of the other versions that exist; None means that all versions look alike.
        convert: Between versions; None only changes `apiVersion`.
        reset_fields: Paths that the endpoint does not take from clients, in every version or of each.
    """

    def __init__(
        self,
        api_version: str,
        schema: SchemaSource,
        others: Mapping[str, SchemaSource] | None,
        convert: Convert | None,
        reset_fields: Paths | Mapping[str, Paths],
    ) -> None:
        self.api_version = api_version
        self.atom = compiled(schema)
        self._others = others
        self._convert = convert or _rename
        self._reset_fields = reset_fields

    def atom_of(self, api_version: str) -> Atom | None:
        """The type in a version, None if that does not exist (any more)."""
        if api_version == self.api_version or self._others is None:
            return self.atom
        return compiled(self._others[api_version]) if api_version in self._others else None

    def convert(self, obj: dict[str, Any], api_version: str) -> dict[str, Any]:
        """The object in a version that exists."""
        return obj if obj.get("apiVersion") == api_version else self._convert(obj, api_version)

    def reset(self, api_version: str) -> FieldSet:
        """What the endpoint resets in a version."""
        paths = self._reset_fields
        if isinstance(paths, Mapping):
            paths = paths.get(api_version, ())
        return sets.from_paths(paths) if paths else {}


def _rename(obj: dict[str, Any], api_version: str) -> dict[str, Any]:
    return {**obj, "apiVersion": api_version}
