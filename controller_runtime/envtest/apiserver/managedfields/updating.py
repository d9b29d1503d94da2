"""Field management of creates, updates and patches other than apply."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

from controller_runtime.envtest.apiserver.managedfields import entries, sets
from controller_runtime.envtest.apiserver.managedfields.atoms import SchemaSource
from controller_runtime.envtest.apiserver.managedfields.comparison import Comparison, compare, equal
from controller_runtime.envtest.apiserver.managedfields.entries import UPDATE, Entry, Identity, Managed
from controller_runtime.envtest.apiserver.managedfields.errors import SchemaMismatchError, UndecodableError
from controller_runtime.envtest.apiserver.managedfields.reconciliation import reconcile
from controller_runtime.envtest.apiserver.managedfields.sets import FieldSet
from controller_runtime.envtest.apiserver.managedfields.validation import validate
from controller_runtime.envtest.apiserver.managedfields.versions import Convert, Paths, Versions

_NEVER_MANAGED: Final = sets.union(
    sets.from_paths([("apiVersion",), ("kind",), ("metadata",)]),
    sets.from_paths(
        ("metadata", name)
        for name in (
            "clusterName",
            "creationTimestamp",
            "generation",
            "managedFields",
            "name",
            "namespace",
            "resourceVersion",
            "selfLink",
            "uid",
        )
    ),
)
"""What belongs to the system, or names the object."""


def update_manager(
    live: Mapping[str, Any] | None,
    new: Mapping[str, Any],
    *,
    schema: SchemaSource,
    manager: str,
    api_version: str,
    time: str,
    subresource: str = "",
    reset_fields: Paths | Mapping[str, Paths] = (),
    empty: Mapping[str, Any] | None = None,
    others: Mapping[str, SchemaSource] | None = None,
    convert: Convert | None = None,
) -> list[dict[str, Any]]:
    """The managedFields of an object that a client has created, updated or patched.

    Args:
        live: the stored object in the version of the request, None if it is created.
        new: what the client makes of it, decoded, pruned and with defaults, but before anything else is set or dropped
            (generated values, fields that the endpoint resets). Its own managedFields are what the client sent.
        schema: of the kind in this version.
        manager: name of who makes the request.
        api_version: of the request.
        time: now, RFC 3339, UTC, whole seconds.
        subresource: whose endpoint it is; managedFields sent to it are ignored.
        reset_fields: paths that this endpoint does not take from clients, in every version. A mapping gives them by
            version; those of a custom resource's main endpoint hold in its own version only, of status in all.
        empty: what an object consists of before anything is set. For built-in kinds that is what decoding `{}` gives:
            Service has `{"spec": {}, "status": {"loadBalancer": {}}}`.
        others: schemas of the kind's other versions; None means that all versions look alike.
        convert: between versions; None only changes `apiVersion`.

    Returns:
        Entries for `metadata.managedFields`; empty if there is to be none, as when a client reset them.
    """
    versions = Versions(api_version, schema, others, convert, reset_fields)
    before = dict(live) if live is not None else bare(new, empty)
    managed = _managed(before, new, subresource)
    if not managed and (before.get("metadata") or {}).get("uid"):
        return []
    updated = update(
        before,
        new,
        managed,
        versions=versions,
        who=entries.identity(manager, UPDATE, api_version, subresource),
        time=time,
    )
    return entries.encode(updated)


def update(
    live: Mapping[str, Any],
    new: Mapping[str, Any],
    managed: Managed,
    *,
    versions: Versions,
    who: Identity,
    time: str,
) -> Managed:
    """Managers after a change by an updater: it gets what it changed, the others lose that.

    What does not match the schema is refused by validation later on; until then it has no managers.
    """
    old, now = entries.with_entries(live, []), entries.with_entries(new, [])
    try:
        changes = Changes(old, now, versions)
        result = hand_over(reconciled(managed, versions), changes.of, except_for=None)
        mine = changes.of(versions.api_version)
    except SchemaMismatchError:
        return {}
    fields = strip(sets.union(mine.added, mine.modified))
    if fields:
        previous = result.get(who)
        fields = sets.ordered(sets.union(fields, previous.fields) if previous else fields)
        result[who] = Entry(versions.api_version, fields, time)
    return entries.cap_updaters(result)


class Changes:
    """What differs between two objects, in each version that is asked for."""

    def __init__(self, old: dict[str, Any], new: dict[str, Any], versions: Versions) -> None:
        self._old = old
        self._new = new
        self._versions = versions
        self._known: dict[str, Comparison] = {}

    def of(self, api_version: str) -> Comparison:
        """The differences in a version that exists; without what the endpoint resets.

        Raises:
            SchemaMismatchError: an object is not valid in that version.
        """
        if api_version not in self._known:
            atom = self._versions.atom_of(api_version) or self._versions.atom
            old = self._convert(self._old, api_version)
            try:
                new = self._convert(self._new, api_version)
            except SchemaMismatchError as error:
                raise SchemaMismatchError([f"failed to convert new object: {error}"]) from error
            self._known[api_version] = compare(atom, old, new).without(self._versions.reset(api_version))
        return self._known[api_version]

    def _convert(self, obj: dict[str, Any], api_version: str) -> dict[str, Any]:
        if api_version == self._versions.api_version:
            return obj
        converted = self._versions.convert(obj, api_version)
        validate(self._versions.atom_of(api_version) or self._versions.atom, converted)
        return converted


def reconciled(managed: Managed, versions: Versions) -> Managed:
    """The managers whose versions exist, with what they own under the present schema."""
    result: Managed = {}
    for key, entry in managed.items():
        atom = versions.atom_of(entry.api_version)
        if atom is not None:
            fields = reconcile(atom, entry.fields)
            result[key] = entry if fields is entry.fields else entry._replace(fields=sets.ordered(fields))
    return result


def conflicts(
    managed: Managed, changes: Callable[[str], Comparison], *, except_for: Identity | None
) -> dict[Identity, FieldSet]:
    """What other managers own of the changed fields."""
    result = {}
    for key, entry in managed.items():
        if key != except_for:
            change = changes(entry.api_version)
            common = sets.intersection(entry.fields, sets.union(change.added, change.modified))
            if common:
                result[key] = common
    return result


def hand_over(managed: Managed, changes: Callable[[str], Comparison], *, except_for: Identity | None) -> Managed:
    """The managers without what somebody else has changed or removed; without those that have nothing left."""
    result: Managed = {}
    for key, entry in managed.items():
        fields = entry.fields
        if key != except_for:
            for change in changes(entry.api_version):
                fields = sets.difference(fields, change) if change else fields
        if fields:
            result[key] = entry if fields is entry.fields else entry._replace(fields=fields)
    return result


def strip(fields: FieldSet) -> FieldSet:
    """The set without what nobody manages."""
    return sets.difference(fields, _NEVER_MANAGED)


def bare(obj: Mapping[str, Any], empty: Mapping[str, Any] | None) -> dict[str, Any]:
    """An object of the same kind in which nothing is set."""
    return {**(empty or {}), **{name: obj[name] for name in ("apiVersion", "kind") if name in obj}}


def _managed(live: Mapping[str, Any], new: Mapping[str, Any], subresource: str) -> Managed:
    """The managers that a client sent if it may and did, else those of the live object."""
    sent = entries.entries_of(new)
    if not subresource and sent is not None:
        if entries.is_reset(sent):
            return {}
        managed = _decode(sent)
        if managed:
            return managed if sent == entries.entries_of(live) else _ordered(managed)
    return _decode(entries.entries_of(live))


def _ordered(managed: Managed) -> Managed:
    return {key: entry._replace(fields=sets.ordered(entry.fields)) for key, entry in managed.items()}


def _decode(sent: Any) -> Managed:
    try:
        return entries.decode(sent)
    except UndecodableError:
        return {}


def keep_times(old: Mapping[str, Any], new: dict[str, Any]) -> dict[str, Any]:
    """The new object, with the old times if nothing but times of managers differs, so that nothing need be stored."""
    before, after = entries.entries_of(old) or [], entries.entries_of(new) or []
    if before == after or len(before) != len(after):
        return new
    if not all(equal({**one, "time": None}, {**other, "time": None}) for one, other in zip(before, after, strict=True)):
        return new
    same = equal(entries.with_entries(old, []), entries.with_entries(new, []))
    return entries.with_entries(new, before) if same else new
