"""Lists of objects, decoded one by one so that an undecodable object costs only itself."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Generic, TypeVar

import msgspec
import structlog

from controller_runtime.apimachinery import DecodeError, NamespacedName, Object, decode, decode_items
from controller_runtime.apimachinery.meta import APIStruct
from controller_runtime.metrics import UNDECODABLE_OBJECTS

log = structlog.get_logger(__name__)

T = TypeVar("T", bound=Object)


@dataclass(frozen=True, slots=True)
class ObjectList(Generic[T]):
    """One answer to a list request."""

    items: tuple[T, ...]
    resource_version: str
    """Version of the whole list, from which a watch can start; with pages that of the first page counts."""
    continue_token: str
    """Asks for the next page; empty on the last one."""
    skipped: tuple[tuple[NamespacedName, DecodeError], ...] = ()
    """Objects that do not fit their type, and why; already logged and counted."""


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
    skipped: list[tuple[NamespacedName, DecodeError]] = []
    for raw, item in zip(raws, decode_items(kind, raws), strict=True):
        if isinstance(item, DecodeError):
            skipped.append((note_undecodable(kind, raw, item), item))
        else:
            items.append(item)
    metadata = envelope.metadata
    return ObjectList(tuple(items), metadata.resource_version, metadata.continue_token, tuple(skipped))


def note_undecodable(kind: type[Object], raw: msgspec.Raw, error: DecodeError) -> NamespacedName:
    """Log and count an object that was skipped because it does not fit its type; returns its name, as far as known."""
    key = _name_of(msgspec.json.decode(raw))
    log.error(
        "skipped an object that does not fit its type", kind=kind.resource.kind, object=str(key), error=str(error)
    )
    UNDECODABLE_OBJECTS.labels(kind=kind.resource.kind).inc()
    return key


def _name_of(document: Any) -> NamespacedName:
    metadata = document.get("metadata") if isinstance(document, dict) else None
    if not isinstance(metadata, dict):
        return NamespacedName("", "")
    return NamespacedName(str(metadata.get("namespace") or ""), str(metadata.get("name") or ""))
