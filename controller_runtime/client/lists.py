"""Lists of objects, decoded one by one so that an undecodable object costs only itself."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Generic, NamedTuple, TypeVar

import msgspec
import structlog

from controller_runtime.apimachinery import DecodeError, NamespacedName, Object, decode, decode_items
from controller_runtime.apimachinery.meta import APIStruct
from controller_runtime.metrics import UNDECODABLE_OBJECTS

log = structlog.get_logger(__name__)

T = TypeVar("T", bound=Object)


class SkippedObject(NamedTuple):
    """An object that does not fit its type: what can be said of it all the same, and why."""

    key: NamespacedName
    """Empty where even the metadata cannot be read."""
    uid: str
    error: DecodeError


@dataclass(frozen=True, slots=True)
class ObjectList(Generic[T]):
    """One answer to a list request."""

    items: tuple[T, ...]
    resource_version: str
    """Version of the whole list, from which a watch can start; with pages that of the first page counts."""
    continue_token: str
    """Asks for the next page; empty on the last one."""
    skipped: tuple[SkippedObject, ...] = ()
    """Objects that do not fit their type; already logged and counted."""


class _ListMeta(APIStruct, frozen=True, kw_only=True, gc=False):
    resource_version: str = ""
    continue_token: str = msgspec.field(name="continue", default="")


class _Envelope(APIStruct, frozen=True, kw_only=True):
    metadata: _ListMeta = msgspec.field(default_factory=_ListMeta)
    items: tuple[msgspec.Raw, ...] | None = None


def decode_list(kind: type[T], body: bytes) -> ObjectList[T]:
    """Decode the body of a list.

    Raises:
        DecodeError: the envelope itself is malformed.
    """
    envelope = decode(_Envelope, body)
    raws = envelope.items or ()
    items: list[T] = []
    skipped: list[SkippedObject] = []
    for raw, item in zip(raws, decode_items(kind, raws), strict=True):
        if isinstance(item, DecodeError):
            skipped.append(note_undecodable(kind, raw, item))
        else:
            items.append(item)
    metadata = envelope.metadata
    return ObjectList(tuple(items), metadata.resource_version, metadata.continue_token, tuple(skipped))


def note_undecodable(kind: type[Object], raw: msgspec.Raw, error: DecodeError) -> SkippedObject:
    """Log and count an object that is skipped because it does not fit its type."""
    metadata = _metadata_of(raw)
    key = NamespacedName(str(metadata.get("namespace") or ""), str(metadata.get("name") or ""))
    log.error(
        "skipped an object that does not fit its type", kind=kind.resource.kind, object=str(key), error=str(error)
    )
    UNDECODABLE_OBJECTS.labels(kind=kind.resource.kind).inc()
    return SkippedObject(key, str(metadata.get("uid") or ""), error)


class _AnyMetadata(msgspec.Struct):
    metadata: Any = None


def _metadata_of(raw: msgspec.Raw) -> dict[str, Any]:
    try:
        metadata = decode(_AnyMetadata, raw).metadata
    except DecodeError:
        return {}
    return metadata if isinstance(metadata, dict) else {}
