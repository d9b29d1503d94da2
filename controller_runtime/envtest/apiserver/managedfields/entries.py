"""`metadata.managedFields`: who manages which fields since when."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Any, Final, NamedTuple, TypeAlias

from controller_runtime.envtest.apiserver.managedfields import sets
from controller_runtime.envtest.apiserver.managedfields.errors import UndecodableError
from controller_runtime.envtest.apiserver.managedfields.printing import json_text, quoted
from controller_runtime.envtest.apiserver.managedfields.sets import FieldSet

APPLY: Final = "Apply"
UPDATE: Final = "Update"

_MAX_UPDATERS: Final = 10
"""Entries of updates that an object keeps; the oldest ones beyond are merged."""
_ANCIENT: Final = "ancient-changes"


class Identity(NamedTuple):
    """What tells entries apart: an applier has one, whatever version it applies; an updater one per version."""

    manager: str
    operation: str
    api_version: str
    subresource: str

    def __str__(self) -> str:
        """As the API server sorts them."""
        pairs = zip(("manager", "operation", "apiVersion", "subresource"), self, strict=True)
        return "{" + ",".join(f'"{name}":{json_text(value)}' for name, value in pairs if value) + "}"

    def display(self) -> str:
        """As messages name a manager."""
        text = quoted(self.manager)
        if self.subresource:
            text += f" with subresource {quoted(self.subresource)}"
        return f"{text} using {self.api_version}" if self.operation == UPDATE else text


class Entry(NamedTuple):
    """What one manager manages."""

    api_version: str
    fields: FieldSet
    time: str = ""
    """RFC 3339, UTC; empty where it is not known."""


Managed: TypeAlias = dict[Identity, Entry]


def identity(manager: str, operation: str, api_version: str, subresource: str) -> Identity:
    """The identity of whoever makes a request."""
    return Identity(manager or "unknown", operation, "" if operation == APPLY else api_version, subresource)


def is_reset(entries: Any) -> bool:
    """Whether a client asks to forget all managers: an empty list, or one empty entry."""
    return isinstance(entries, list) and (not entries or (len(entries) == 1 and not _known(entries[0])))


def decode(entries: Any) -> Managed:
    """Managers from their JSON.

    Raises:
        UndecodableError: they are malformed.
    """
    managed: Managed = {}
    for index, entry in enumerate(entries or ()):
        operation, api_version = entry.get("operation"), entry.get("apiVersion")
        if operation not in (APPLY, UPDATE):
            raise UndecodableError("operation must be `Apply` or `Update`")
        if not api_version:
            raise UndecodableError("apiVersion must not be empty")
        _check_fields_type(entry.get("fieldsType"), index)
        manager, subresource = entry.get("manager") or "", entry.get("subresource") or ""
        key = Identity(manager, operation, "" if operation == APPLY else api_version, subresource)
        managed[key] = Entry(api_version, sets.decode(entry.get("fieldsV1")), _utc(entry.get("time")))
    return managed


def encode(managed: Managed) -> list[dict[str, Any]]:
    """Managers as JSON: appliers first, then by time and name."""
    return [_encode(key, managed[key]) for key in sorted(managed, key=lambda key: _order(key, managed[key]))]


def cap_updaters(managed: Managed) -> Managed:
    """Merge the oldest updaters of each version until there are few enough of them."""
    updaters = [key for key in managed if key.operation == UPDATE]
    excess = len(updaters) - _MAX_UPDATERS
    if excess <= 0:
        return managed
    result = dict(managed)
    first: dict[str, Identity] = {}
    for key in sorted(updaters, key=lambda key: (managed[key].time, str(key))):
        version = managed[key].api_version
        if version not in first:
            first[version] = key
            continue
        bucket = Identity(_ANCIENT, UPDATE, version, "")
        if bucket not in result:
            result[bucket] = result.pop(first[version])
        entry = managed[key]
        result[bucket] = Entry(version, sets.union(entry.fields, result[bucket].fields), entry.time)
        if key != bucket:
            del result[key]
        excess -= 1
        if excess == 0:
            break
    return result


def with_entries(obj: Mapping[str, Any], entries: list[dict[str, Any]]) -> dict[str, Any]:
    """The object with other managedFields; with none if the list is empty."""
    meta = {key: value for key, value in (obj.get("metadata") or {}).items() if key != "managedFields"}
    if entries:
        meta["managedFields"] = entries
    return {**obj, "metadata": meta} if meta or "metadata" in obj else dict(obj)


def entries_of(obj: Mapping[str, Any]) -> Any:
    """The managedFields of an object, None if it has none."""
    meta = obj.get("metadata")
    return meta.get("managedFields") if isinstance(meta, Mapping) else None


_NAMES: Final = ("manager", "operation", "apiVersion", "time", "fieldsType", "fieldsV1", "subresource")


def _known(entry: Any) -> Iterable[str]:
    return [name for name in _NAMES if entry.get(name)] if isinstance(entry, Mapping) else ["?"]


def _check_fields_type(fields_type: Any, index: int) -> None:
    if not fields_type:
        raise UndecodableError(f"missing fieldsType in managed fields entry {index}")
    if fields_type != "FieldsV1":
        raise UndecodableError(f"invalid fieldsType {quoted(str(fields_type))} in managed fields entry {index}")


def _utc(time: Any) -> str:
    """A time in the form that the API server writes."""
    if time is None:
        return ""
    text = str(time)
    if len(text) == len("2006-01-02T15:04:05Z") and text[-1] == "Z":
        return text
    try:
        return datetime.fromisoformat(text).astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    except ValueError as error:
        raise UndecodableError(f"parsing time {quoted(text)}: {error}") from error


def _order(key: Identity, entry: Entry) -> tuple[str, ...]:
    return (key.operation, entry.time, key.manager, entry.api_version, key.subresource)


def _encode(key: Identity, entry: Entry) -> dict[str, Any]:
    result: dict[str, Any] = {"manager": key.manager} if key.manager else {}
    result["operation"] = key.operation
    result["apiVersion"] = entry.api_version
    if entry.time:
        result["time"] = entry.time
    result["fieldsType"] = "FieldsV1"
    result["fieldsV1"] = entry.fields
    if key.subresource:
        result["subresource"] = key.subresource
    return result
