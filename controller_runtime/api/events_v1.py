"""Kinds of events.k8s.io/v1."""

from __future__ import annotations

from typing import ClassVar

from controller_runtime.api.core_v1 import ObjectReference
from controller_runtime.apimachinery.meta import APIStruct, Object, Resource


class EventSeries(APIStruct, frozen=True, kw_only=True, gc=False):
    """How often an Event was repeated and when last (metav1.MicroTime text)."""

    count: int
    last_observed_time: str


class Event(Object, frozen=True, kw_only=True, gc=False):
    """Something that happened to an object, for people to read with `kubectl describe`."""

    resource: ClassVar[Resource] = Resource(group="events.k8s.io", version="v1", kind="Event", plural="events")

    event_time: str = ""
    """metav1.MicroTime text."""
    series: EventSeries | None = None
    reporting_controller: str = ""
    reporting_instance: str = ""
    action: str = ""
    reason: str = ""
    regarding: ObjectReference | None = None
    related: ObjectReference | None = None
    note: str = ""
    type: str = ""
    """`Normal` or `Warning`."""
