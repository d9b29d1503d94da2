"""What is recorded: the identity of an Event, the limits that the API server sets, and the object that is sent."""

from __future__ import annotations

import re
import time
import uuid
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final, Literal, NamedTuple, TypeAlias

import msgspec

from controller_runtime.api.core_v1 import ObjectReference
from controller_runtime.api.events_v1 import Event, EventSeries
from controller_runtime.apimachinery import Object, ObjectMeta, format_micro_time

EventType: TypeAlias = Literal["Normal", "Warning"]

MAX_NOTE_BYTES: Final = 1024
MAX_TEXT_BYTES: Final = 128
"""Of reason, action and reporting instance."""
_DEFAULT_NAMESPACE = "default"  # where Events about cluster-scoped objects go
_MAX_NAME_LENGTH = 253
_LABEL = "[a-z0-9]([-a-z0-9]*[a-z0-9])?"
_OBJECT_NAME = re.compile(rf"{_LABEL}(\.{_LABEL})*")
_CONTROLLER_NAME = re.compile(rf"({_LABEL}(\.{_LABEL})*/)?[A-Za-z0-9]([-A-Za-z0-9_.]{{0,61}}[A-Za-z0-9])?")


class Key(NamedTuple):
    """What makes two occurrences the same Event."""

    type: EventType
    reason: str
    action: str
    controller: str
    instance: str
    regarding: ObjectReference
    related: ObjectReference | None
    note: str


@dataclass(slots=True, eq=False)
class Series:
    """An Event, how often it was observed, and what of that the API server knows."""

    event: Event
    seen: float
    """Loop time of the last observation."""
    seen_at: str
    """The same as metav1.MicroTime."""
    count: int = 1
    created: bool = False
    told: int = 0
    """The count that was sent last, or given up on."""
    told_at: float = 0.0
    """Loop time of that."""
    queued: bool = False

    @property
    def series(self) -> EventSeries | None:
        """The series to write; None for a single occurrence, which the API refuses as a series."""
        return EventSeries(count=self.count, last_observed_time=self.seen_at) if self.count > 1 else None


def identity(obj: Object) -> ObjectReference:
    """The object without its version, so that two Events about two versions are the same."""
    return msgspec.structs.replace(ObjectReference.to(obj), resource_version="")


def micro_time() -> str:
    """The wall clock as metav1.MicroTime."""
    return format_micro_time(datetime.now(UTC))


def new_event(key: Key, regarding: ObjectReference) -> Event:
    """The Event of a first occurrence."""
    return Event(
        metadata=ObjectMeta(namespace=regarding.namespace or _DEFAULT_NAMESPACE, name=event_name(regarding.name)),
        event_time=micro_time(),
        reporting_controller=key.controller,
        reporting_instance=key.instance,
        action=key.action,
        reason=key.reason,
        regarding=regarding,
        related=key.related,
        note=key.note,
        type=key.type,
    )


def event_name(regarding: str) -> str:
    """A new name: that of the object and the time in nanoseconds, or a UUID if that is no valid name for an Event.

    Names of some kinds (`system:node`) are not valid as names of others.
    """
    suffix = f".{time.time_ns():x}"
    name = regarding[: _MAX_NAME_LENGTH - len(suffix)].rstrip("-.") + suffix
    return name if _OBJECT_NAME.fullmatch(name) else str(uuid.uuid4())


def cut(text: str, limit: int) -> str:
    """At most that many bytes of UTF-8, without a character cut in two; what UTF-8 cannot say becomes `?`."""
    return text.encode(errors="replace")[:limit].decode(errors="ignore")


def checked_text(name: str, text: str) -> str:
    """The text, if the API server takes it as reason or action.

    Raises:
        ValueError: it is empty or too long.
    """
    if not 0 < len(text.encode(errors="replace")) <= MAX_TEXT_BYTES:
        raise ValueError(f"the {name} of an Event needs 1 to {MAX_TEXT_BYTES} characters: {text!r}")
    return text


def checked_controller(name: str) -> str:
    """The name, if the API server takes it as reporting controller.

    Raises:
        ValueError: it is no qualified name.
    """
    if not _CONTROLLER_NAME.fullmatch(name):
        raise ValueError(
            f"an event recorder needs a qualified name (63 letters, digits, '-', '_', '.', perhaps after a domain and "
            f"a slash): {name!r}"
        )
    return name
