"""From what the API server sends to what is cached: decoding, transforming, and what becomes of objects that fail."""

from __future__ import annotations

from collections.abc import Callable
from typing import Generic, TypeVar

import msgspec
import structlog

from controller_runtime.apimachinery import DecodeError, NamespacedName, Object, decode
from controller_runtime.cache.errors import TransformError
from controller_runtime.cache.options import Transform
from controller_runtime.cache.store import Staging
from controller_runtime.client import ObjectList, SkippedObject, WatchEvent, note_undecodable
from controller_runtime.metrics import TRANSFORM_ERRORS

T = TypeVar("T", bound=Object)

log = structlog.get_logger(__name__)


class Intake(Generic[T]):
    """Takes lists and events of one kind.

    What cannot be decoded, or transformed, is logged, counted and skipped: the last copy stays until the object is
    mended or deleted.

    Args:
        kind: class of the objects.
        transform: makes what is cached of what was read; None: both are the same.
    """

    def __init__(self, kind: type[T], transform: Transform | None) -> None:
        self._kind = kind
        self._transform = transform

    def take_page(self, page: ObjectList[T], staged: Staging[T]) -> None:
        """Stages the objects of a list."""
        for obj in page.items:
            self._stage(obj, staged)
        for skipped in page.skipped:  # logged and counted by the client
            staged.keep(skipped.key, skipped.uid)

    def take_initial(self, event: WatchEvent, staged: Staging[T]) -> None:
        """Stages an event that comes before the end of a streaming list; changes and deletions may be among them."""
        obj = self._decode(event)
        if event.type == "DELETED":
            staged.remove(obj.key)
        elif isinstance(obj, SkippedObject):
            staged.keep(obj.key, obj.uid)
        else:
            self._stage(obj, staged)

    def take(
        self, event: WatchEvent, put: Callable[[T], None], delete: Callable[[NamespacedName, T | None], None]
    ) -> tuple[str, NamespacedName]:
        """Hands on an object of a watch, and returns its version, which may be empty, and its key."""
        obj = self._decode(event)
        cached = None if isinstance(obj, SkippedObject) else self._transformed(obj)
        if event.type == "DELETED":
            delete(obj.key, cached)
        elif cached is not None:
            put(cached)
        version = version_of(event.raw) if isinstance(obj, SkippedObject) else obj.metadata.resource_version
        return version, obj.key

    def _stage(self, obj: T, staged: Staging[T]) -> None:
        if staged.reuse(obj):
            return
        cached = self._transformed(obj)
        if cached is None:
            staged.keep(obj.key, obj.metadata.uid)
        else:
            staged.put(cached)

    def _decode(self, event: WatchEvent) -> T | SkippedObject:
        try:
            obj = decode(self._kind, event.raw)
            if obj.metadata.name:
                return obj
            # Fields may be absent, so a Table or a Status fits most types.
            raise DecodeError(f"cannot decode {self._kind.__name__}: metadata.name is missing")
        except DecodeError as error:
            return note_undecodable(self._kind, event.raw, error)

    def _transformed(self, obj: T) -> T | None:
        """What to cache; None if the transform fails."""
        if self._transform is None:
            return obj
        try:
            made: T = self._transform(obj)
            return _checked(made, obj)
        except Exception as error:  # the application's code, and its failure must cost no other object
            TRANSFORM_ERRORS.labels(kind=self._kind.resource.kind).inc()
            log.error(
                "skipped an object that its transform failed on",
                kind=self._kind.resource.kind,
                object=str(obj.key),
                error=str(error),
                exc_info=None if isinstance(error, TransformError) else error,
            )
            return None


def _checked(made: T, read: T) -> T:
    if type(made) is not type(read):
        raise TransformError(f"the transform returned {type(made).__name__} for a {type(read).__name__}")
    ours, theirs = made.metadata, read.metadata
    for name in ("namespace", "name", "uid", "resource_version"):
        if getattr(ours, name) != getattr(theirs, name):
            raise TransformError(f"the transform changed metadata.{name} of {type(read).__name__} {read.key}")
    return made


class _Version(msgspec.Struct, frozen=True, rename="camel", gc=False):
    resource_version: str = ""


class _Versioned(msgspec.Struct, frozen=True, gc=False):
    metadata: _Version = _Version()


def version_of(raw: msgspec.Raw) -> str:
    """The resource version of anything that has one, whatever else is wrong with it."""
    try:
        return decode(_Versioned, raw).metadata.resource_version
    except DecodeError:
        return ""


class _Annotations(msgspec.Struct, frozen=True, gc=False):
    annotations: dict[str, str] = {}


class _Annotated(msgspec.Struct, frozen=True, gc=False):
    metadata: _Annotations = _Annotations()


_INITIAL_EVENTS_END = "k8s.io/initial-events-end"


def ends_initial_events(raw: msgspec.Raw) -> bool:
    """Whether a bookmark says that a streaming list is complete."""
    try:
        return decode(_Annotated, raw).metadata.annotations.get(_INITIAL_EVENTS_END) == "true"
    except DecodeError:
        return False
