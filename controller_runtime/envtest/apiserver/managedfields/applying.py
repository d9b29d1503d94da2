"""Server-side apply."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from controller_runtime.envtest.apiserver.errors import FieldError, StatusError, apply_conflict, bad_request
from controller_runtime.envtest.apiserver.managedfields import entries, last_applied, sets
from controller_runtime.envtest.apiserver.managedfields.atoms import SchemaSource
from controller_runtime.envtest.apiserver.managedfields.comparison import equal
from controller_runtime.envtest.apiserver.managedfields.entries import APPLY, UPDATE, Entry, Identity, Managed
from controller_runtime.envtest.apiserver.managedfields.errors import SchemaMismatchError, UndecodableError
from controller_runtime.envtest.apiserver.managedfields.merging import field_set, merge
from controller_runtime.envtest.apiserver.managedfields.pruning import prune
from controller_runtime.envtest.apiserver.managedfields.sets import FieldSet
from controller_runtime.envtest.apiserver.managedfields.updating import (
    Changes,
    bare,
    conflicts,
    hand_over,
    reconciled,
    strip,
    update,
)
from controller_runtime.envtest.apiserver.managedfields.validation import validate
from controller_runtime.envtest.apiserver.managedfields.versions import Convert, Paths, Versions

_BEFORE: Final = "before-first-apply"
"""Manager of what is there when an object that nobody manages is applied to."""


def apply(
    live: Mapping[str, Any] | None,
    applied: Mapping[str, Any],
    *,
    schema: SchemaSource,
    manager: str,
    api_version: str,
    kind: str,
    time: str,
    force: bool,
    subresource: str = "",
    reset_fields: Paths | Mapping[str, Paths] = (),
    empty: Mapping[str, Any] | None = None,
    others: Mapping[str, SchemaSource] | None = None,
    convert: Convert | None = None,
) -> dict[str, Any]:
    """The object that results from an applied configuration, with its managedFields.

    What changes nothing leaves the object and the times of its managers as they are. Maps and lists whose last item
    goes become null; to drop these, to prune and to fill in defaults is the caller's task.

    Args:
        live: the stored object in the version of the request, None if it is created.
        applied: the configuration as it was sent, neither pruned nor with defaults.
        schema: of the kind in this version.
        manager: name of who applies.
        api_version: that the configuration must have.
        kind: that the configuration must have.
        time: now, RFC 3339, UTC, whole seconds.
        force: whether to take fields from other managers.
        subresource: whose endpoint it is.
        reset_fields: as in `update_manager`.
        empty: as in `update_manager`.
        others: as in `update_manager`.
        convert: as in `update_manager`.

    Raises:
        StatusError: 409 if other managers own fields that would change; 400 if the configuration is of another kind or
            has managedFields; 500, as the real server answers, if it does not match the schema.
    """
    if (applied.get("apiVersion"), applied.get("kind")) != (api_version, kind):
        raise bad_request(f"invalid object type: {_kind(applied)}")
    work = _Application(
        dict(live) if live is not None else bare({"apiVersion": api_version, "kind": kind}, empty),
        dict(applied),
        versions=Versions(api_version, schema, others, convert, reset_fields),
        who=entries.identity(manager, APPLY, api_version, subresource),
        time=time,
        empty=empty,
    )
    return work.run(force=force)


class _ConflictsError(Exception):
    """Others own fields that would change.

    Args:
        fields: of each manager.
    """

    def __init__(self, fields: Mapping[Identity, FieldSet]) -> None:
        super().__init__()
        self.fields = fields

    def status(self) -> StatusError:
        found = [(key.display(), path) for key in sorted(self.fields, key=str) for path in sets.paths(self.fields[key])]
        causes = [FieldError("FieldManagerConflict", path, f"conflict with {name}") for name, path in found]
        if len(found) == 1:
            name, path = found[0]
            return apply_conflict(f"Apply failed with 1 conflict: conflict with {name}: {path}", causes)
        lines = []
        for key in sorted(self.fields, key=str):
            lines += [f"conflicts with {key.display()}:", *(f"- {path}" for path in sets.paths(self.fields[key]))]
        return apply_conflict(f"Apply failed with {len(found)} conflicts: " + "\n".join(lines), causes)


class _Application:
    """One request; the arguments are those of `apply`."""

    def __init__(
        self,
        live: dict[str, Any],
        applied: dict[str, Any],
        *,
        versions: Versions,
        who: Identity,
        time: str,
        empty: Mapping[str, Any] | None,
    ) -> None:
        self._live = entries.with_entries(live, [])
        self._applied = applied
        self._versions = versions
        self._who = who
        self._time = time
        self._managed = self._managers(live, empty)

    def run(self, *, force: bool) -> dict[str, Any]:
        self._check()
        obj, managed = self._merge(force=force)
        if self._who.manager == last_applied.MANAGER:
            obj = last_applied.refresh(obj, self._applied)
        return entries.with_entries(obj, entries.encode(managed))

    def _managers(self, live: dict[str, Any], empty: Mapping[str, Any] | None) -> Managed:
        try:
            managed = entries.decode(entries.entries_of(live))
        except UndecodableError as error:
            raise _failure(f"failed to decode managed fields: {error}") from error
        if managed:
            return managed
        who = entries.identity(_BEFORE, UPDATE, self._versions.api_version, self._who.subresource)
        nothing = bare(live, empty)
        return update(nothing, live, {}, versions=self._versions, who=who, time=self._time)

    def _check(self) -> None:
        if entries.entries_of(self._applied) is not None:
            raise bad_request("metadata.managedFields must be nil")
        try:
            validate(self._versions.atom, self._applied)
        except SchemaMismatchError as error:
            meta = self._applied.get("metadata")
            meta = meta if isinstance(meta, dict) else {}
            name = f"{meta.get('namespace') or ''}/{meta.get('name') or ''}"
            raise _failure(f"failed to create typed patch object ({name}; {_kind(self._applied)}): {error}") from error

    def _merge(self, *, force: bool) -> tuple[dict[str, Any], Managed]:
        try:
            return self._attempt(force=force)
        except _ConflictsError as error:
            rest = self._not_allowed(error.fields)
            if rest:
                raise _ConflictsError(rest).status() from error
        except SchemaMismatchError as error:
            raise _failure(str(error)) from error
        return self._attempt(force=True)

    def _not_allowed(self, fields: Mapping[Identity, FieldSet]) -> dict[Identity, FieldSet]:
        """The conflicts that remain once kubectl has taken over what its annotation names."""
        allowed = None
        if self._who.manager == last_applied.MANAGER:
            allowed = last_applied.owned(self._versions.atom, self._live)
        rest = {key: sets.difference(conflict, allowed or {}) for key, conflict in fields.items()}
        return {key: conflict for key, conflict in rest.items() if conflict}

    def _attempt(self, *, force: bool) -> tuple[dict[str, Any], Managed]:
        atom, version = self._versions.atom, self._versions.api_version
        managed = reconciled(self._managed, self._versions)
        last = managed.get(self._who)
        fields = sets.without(field_set(atom, self._applied), self._versions.reset(version))
        managed[self._who] = Entry(version, fields, last.time if last else "")
        merged = merge(atom, self._live, self._applied)
        new = prune(merged, managed, last, versions=self._versions)
        changes = Changes(self._live, new, self._versions)
        found = conflicts(managed, changes.of, except_for=self._who)
        if found and not force:
            raise _ConflictsError(found)
        managed = hand_over(managed, changes.of, except_for=self._who)
        same = equal(self._live, new)
        self._finish(managed, same=same)
        return (self._live if same else new), managed

    def _finish(self, managed: Managed, *, same: bool) -> None:
        """Strip the applier's fields and note the time, in place."""
        entry = managed.pop(self._who, None)
        fields = strip(entry.fields) if entry else {}
        if entry and fields:
            managed[self._who] = Entry(entry.api_version, sets.ordered(fields), entry.time if same else self._time)


def _kind(obj: Mapping[str, Any]) -> str:
    """The kind of an object as messages name it."""
    api_version = obj.get("apiVersion")
    group, _, version = (api_version if isinstance(api_version, str) else "").rpartition("/")
    kind = obj.get("kind")
    return f"{group}/{version}, Kind={kind if isinstance(kind, str) else ''}"


def _failure(message: str) -> StatusError:
    return StatusError(500, "", message)
