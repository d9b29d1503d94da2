"""Lists of objects, decoded one by one so that an undecodable object costs only itself."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Generic, NamedTuple, TypeVar

import msgspec
import structlog

from controller_runtime.apimachinery import (
    DecodeError,
    NamespacedName,
    Object,
    PartialObjectMetadata,
    decode,
    decode_items,
)
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
    kind: str = ""
    metadata: _ListMeta = msgspec.field(default_factory=_ListMeta)
    items: tuple[msgspec.Raw, ...] | None = None


def decode_list(kind: type[T], body: bytes) -> ObjectList[T]:
    """Decode the body of a list.

    Raises:
        DecodeError: the envelope itself is malformed, or the objects are not what the kind's `Resource` says: of
            another kind, or of the other scope.
    """
    envelope = decode(_Envelope, body)
    raws = envelope.items or ()
    _check_kind(kind, envelope.kind, raws)
    items: list[T] = []
    skipped: list[SkippedObject] = []
    for raw, item in zip(raws, decode_items(kind, raws), strict=True):
        if isinstance(item, DecodeError):
            skipped.append(note_undecodable(kind, raw, item))
        else:
            items.append(item)
    _check_scope(kind, items)
    metadata = envelope.metadata
    return ObjectList(tuple(items), metadata.resource_version, metadata.continue_token, tuple(skipped))


class _TypeMeta(msgspec.Struct):
    kind: Any = ""


def _check_kind(kind: type[Object], list_kind: str, raws: Sequence[msgspec.Raw]) -> None:
    """Finds a misspelt kind. A CRD may call its lists as it likes, so that the first object has the last word."""
    resource = kind.resource
    if not raws or list_kind in ("", f"{resource.kind}List") or issubclass(kind, PartialObjectMetadata):
        return
    try:
        found = decode(_TypeMeta, raws[0]).kind or list_kind.removesuffix("List")
    except DecodeError:
        return
    if found != resource.kind:
        raise DecodeError(
            f"the API server calls {resource.qualified_plural} {found}, not {resource.kind}: mend Resource(kind=...)"
        )


def _check_scope(kind: type[T], items: Sequence[T]) -> None:
    """Finds a wrong scope by the first object."""
    resource = kind.resource
    if items and bool(items[0].metadata.namespace) is not resource.namespaced:
        having = "no" if resource.namespaced else "a"
        raise DecodeError(
            f"objects of {resource.qualified_plural} have {having} namespace: mend "
            f"Resource(namespaced={not resource.namespaced})"
        )


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
