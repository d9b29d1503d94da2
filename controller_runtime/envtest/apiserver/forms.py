"""Objects on their way out: from what is stored to the bytes of the form that the client wants."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Final

import msgspec
import yaml

from controller_runtime.envtest.apiserver.errors import bad_request, not_that_form
from controller_runtime.envtest.apiserver.exchange import Response
from controller_runtime.envtest.apiserver.negotiation import Wanted
from controller_runtime.envtest.apiserver.resources import ResourceType
from controller_runtime.envtest.apiserver.store import Record
from controller_runtime.envtest.apiserver.table import partial_metadata, partial_metadata_list, table

INITIAL_EVENTS_END: Final = "k8s.io/initial-events-end"
"""Annotation of the bookmark that follows the last initial event."""


def decode(raw: bytes) -> dict[str, Any]:
    """The object in JSON that this server has written."""
    value: dict[str, Any] = msgspec.json.decode(raw)
    return value


def encode(obj: Mapping[str, Any], type_: ResourceType, revision: int | None) -> bytes:
    """JSON with apiVersion and kind of the type first, and with a resourceVersion if there is one."""
    metadata = {**obj["metadata"]}
    if revision is not None:
        metadata["resourceVersion"] = str(revision)
    body = {name: value for name, value in obj.items() if name not in ("apiVersion", "kind", "metadata")}
    return msgspec.json.encode({"apiVersion": type_.storage_version, "kind": type_.kind, "metadata": metadata, **body})


def view(type_: ResourceType, record: Record) -> dict[str, Any]:
    """The object in the version of the type."""
    return converted(type_, decode(record.raw))


def converted(type_: ResourceType, stored: dict[str, Any]) -> dict[str, Any]:
    """A stored object in the version of the type; `stored` may be changed."""
    if type_.api_version == type_.storage_version:
        return stored
    served = type_.from_storage(stored)
    return {**served, "apiVersion": type_.api_version, "kind": type_.kind}


def raw_view(type_: ResourceType, record: Record) -> bytes:
    """JSON of the object in the version of the type."""
    return reencoded(type_, record.raw)


def reencoded(type_: ResourceType, raw: bytes) -> bytes:
    """JSON of a stored form in the version of the type."""
    if type_.api_version == type_.storage_version:
        return raw
    return msgspec.json.encode(converted(type_, decode(raw)))


def object_response(type_: ResourceType, raw: bytes, wanted: Wanted, include: str, status: int = 200) -> Response:
    """One object, given in the version of the type."""
    match wanted.form:
        case "Object":
            return _encoded(decode(raw), wanted, status) if wanted.yaml else Response(status, raw + b"\n")
        case "Table":
            obj = decode(raw)
            return _encoded(_table(type_, [obj], wanted, include, _list_metadata_of(obj)), wanted, status)
        case "PartialObjectMetadata":
            return _encoded(partial_metadata(decode(raw), version=wanted.version), wanted, status)
        case _:
            internal = "unstructured.Unstructured" if type_.custom else f"core.{type_.kind}"
            raise not_that_form(wanted.form, f"is not a list (*{internal})")


def _list_metadata_of(obj: Mapping[str, Any]) -> dict[str, Any]:
    return {"resourceVersion": obj["metadata"].get("resourceVersion", "")}


def list_response(
    type_: ResourceType, records: Sequence[Record], wanted: Wanted, include: str, metadata: dict[str, Any]
) -> Response:
    """A list."""
    match wanted.form:
        case "Object" if not wanted.yaml:
            head = msgspec.json.encode(
                {"kind": type_.list_kind, "apiVersion": type_.api_version, "metadata": metadata, "items": None}
            )
            items = b",".join(map(item_form(type_), records))
            return Response(200, head.removesuffix(b"null}") + b"[" + items + b"]}\n")
        case "Object":
            items_ = [view(type_, record) for record in records]
            value = {"apiVersion": type_.api_version, "kind": type_.list_kind, "metadata": metadata, "items": items_}
            return _encoded(value, wanted)
        case "Table":
            return _encoded(
                _table(type_, (view(type_, record) for record in records), wanted, include, metadata), wanted
            )
        case "PartialObjectMetadataList":
            objects = (view(type_, record) for record in records)
            return _encoded(partial_metadata_list(objects, list_metadata=metadata, version=wanted.version), wanted)
        case _:
            internal = "unstructured.UnstructuredList" if type_.custom else f"core.{type_.list_kind}"
            raise not_that_form(wanted.form, f"is a list (*{internal})")


def item_form(type_: ResourceType) -> Callable[[Record], bytes]:
    """How an item of a list is written: those of built-in kinds lack apiVersion and kind, as at the real server."""
    if type_.custom:
        return lambda record: raw_view(type_, record)
    if type_.api_version != type_.storage_version:
        return lambda record: _headless(view(type_, record))
    head = len(msgspec.json.encode({"apiVersion": type_.storage_version, "kind": type_.kind}))
    return lambda record: b"{" + record.raw[head:]


def _headless(obj: dict[str, Any]) -> bytes:
    return msgspec.json.encode({name: value for name, value in obj.items() if name not in ("apiVersion", "kind")})


def _table(
    type_: ResourceType, objects: Iterable[dict[str, Any]], wanted: Wanted, include: str, metadata: dict[str, Any]
) -> dict[str, Any]:
    check_include(include)
    return table(
        type_.columns, objects, include_object=include or "Metadata", list_metadata=metadata, version=wanted.version
    )


def check_include(include: str) -> None:
    """Checks what rows of a Table are to hold besides their cells.

    Raises:
        StatusError: 400.
    """
    if include not in ("", "Metadata", "Object", "None"):
        raise bad_request(
            f'Unable to convert to Table as requested: includeObject: Invalid value: "{include}": '
            "must be 'Metadata', 'Object', 'None', or empty"
        )


def _encoded(value: Any, wanted: Wanted, status: int = 200) -> Response:
    if wanted.yaml:
        return Response(status, yaml.safe_dump(value).encode(), wanted.content_type)
    return Response(status, msgspec.json.encode(value) + b"\n")


class EventForm:
    """Writes the events of one watch.

    Args:
        type_: of the objects.
        wanted: their form.
        include: what a Table's rows hold of the object.
    """

    def __init__(self, type_: ResourceType, wanted: Wanted, include: str) -> None:
        if wanted.form == "Table":
            check_include(include)
        self._type = type_
        self._wanted = wanted
        self._include = include
        self._has_columns = False

    def event(self, event_type: str, record: Record) -> bytes:
        """A line for one event."""
        if self._wanted.form == "Object":
            return self._line(event_type, raw_view(self._type, record))
        return self._line(event_type, msgspec.json.encode(self._formed(view(self._type, record))))

    def bookmark(self, revision: int, *, initial_events_end: bool = False) -> bytes:
        """A line that says how far the watch has come."""
        metadata: dict[str, Any] = {"resourceVersion": str(revision)}
        if initial_events_end:
            metadata["annotations"] = {INITIAL_EVENTS_END: "true"}
        obj: dict[str, Any] = {"kind": self._type.kind, "apiVersion": self._type.api_version, "metadata": metadata}
        return self._line("BOOKMARK", msgspec.json.encode(obj if self._wanted.form == "Object" else self._formed(obj)))

    @staticmethod
    def error(status: Mapping[str, Any]) -> bytes:
        """A line that says why the watch ends."""
        return b'{"type":"ERROR","object":' + msgspec.json.encode(status) + b"}\n"

    def _formed(self, obj: dict[str, Any]) -> dict[str, Any]:
        if self._wanted.form != "Table":
            return partial_metadata(obj, version=self._wanted.version)
        made = _table(self._type, [obj], self._wanted, self._include, _list_metadata_of(obj))
        if self._has_columns:
            # The first event alone has the columns.
            made["columnDefinitions"] = None
        self._has_columns = True
        return made

    @staticmethod
    def _line(event_type: str, raw: bytes) -> bytes:
        return b'{"type":"' + event_type.encode() + b'","object":' + raw + b"}\n"
