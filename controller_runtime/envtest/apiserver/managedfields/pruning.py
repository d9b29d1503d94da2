"""What an applier no longer applies goes, unless somebody else owns it or nobody said it was the applier's."""

from __future__ import annotations

from typing import Any

from controller_runtime.envtest.apiserver.managedfields import sets
from controller_runtime.envtest.apiserver.managedfields.atoms import Atom
from controller_runtime.envtest.apiserver.managedfields.entries import Entry, Managed
from controller_runtime.envtest.apiserver.managedfields.merging import field_set, remove, with_structs
from controller_runtime.envtest.apiserver.managedfields.sets import FieldSet
from controller_runtime.envtest.apiserver.managedfields.versions import Versions


def prune(merged: dict[str, Any], managed: Managed, last: Entry | None, *, versions: Versions) -> dict[str, Any]:
    """The merged object without what the applier had applied last and does not any more.

    Three steps: all that was applied last goes; what is managed, by the applier's new configuration too, comes back;
    and of the rest goes only what was applied last.

    Args:
        merged: the live object with the new configuration.
        managed: all managers; the applier with its new configuration.
        last: what the applier managed so far.
        versions: of the kind; `merged` is in the one of the request.
    """
    atom = versions.atom_of(last.api_version) if last else None
    if last is None or not last.fields or atom is None:
        return merged
    before = versions.convert(merged, last.api_version)
    pruned = _object(atom, before, with_structs(atom, last.fields))
    pruned = versions.convert(_add_back_managed(before, pruned, managed, last.api_version, versions), last.api_version)
    gone = sets.difference(_all_fields(atom, before), _all_fields(atom, pruned))
    result = _object(atom, before, sets.intersection(gone, with_structs(atom, last.fields)))
    return versions.convert(result, versions.api_version)


def _add_back_managed(
    merged: dict[str, Any], pruned: dict[str, Any], managed: Managed, first: str, versions: Versions
) -> dict[str, Any]:
    """Return what has been taken away but is managed, version by version, beginning with the first one."""
    by_version: dict[str, FieldSet] = {}
    for entry in managed.values():
        by_version[entry.api_version] = sets.union(by_version.get(entry.api_version, {}), entry.fields)
    for version in sorted(by_version, key=lambda version: (version != first, version)):
        atom = versions.atom_of(version)
        if atom is None:
            continue
        merged, pruned = versions.convert(merged, version), versions.convert(pruned, version)
        stays = sets.union(_all_fields(atom, pruned), with_structs(atom, by_version[version]))
        pruned = _object(atom, merged, sets.difference(_all_fields(atom, merged), stays))
    return pruned


def _all_fields(atom: Atom, obj: dict[str, Any]) -> FieldSet:
    return with_structs(atom, field_set(atom, obj))


def _object(atom: Atom, obj: dict[str, Any], fields: FieldSet) -> dict[str, Any]:
    result: dict[str, Any] | None = remove(atom, obj, fields)
    return result or {}
