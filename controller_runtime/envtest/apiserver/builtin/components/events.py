"""Schemas of events.k8s.io/v1: the Event, as newer clients see it."""

from __future__ import annotations

from typing import Final

from controller_runtime.envtest.apiserver.builtin.components.core import CORE
from controller_runtime.envtest.apiserver.builtin.components.terms import (
    Schema,
    embedded,
    integer,
    integer_or_zero,
    kind,
    kind_list,
    micro_time,
    optional,
    struct,
    text,
    time,
)

EVENTS: Final = "io.k8s.api.events.v1"

COMPONENTS: Final[dict[str, Schema]] = {
    f"{EVENTS}.Event": kind(
        "events.k8s.io",
        "v1",
        "Event",
        "Something that happened to an object; kept for a while.",
        {
            "action": text("What was done."),
            "deprecatedCount": integer("`count` of core/v1."),
            "deprecatedFirstTimestamp": time("`firstTimestamp` of core/v1."),
            "deprecatedLastTimestamp": time("`lastTimestamp` of core/v1."),
            "deprecatedSource": embedded(f"{CORE}.EventSource", "`source` of core/v1."),
            "eventTime": micro_time("When it was first observed."),
            "note": text("What happened, for people."),
            "reason": text("What happened, in one CamelCase word."),
            "regarding": embedded(f"{CORE}.ObjectReference", "The object."),
            "related": optional(f"{CORE}.ObjectReference", "Another object that takes part."),
            "reportingController": text("Name of the controller, as `example.com/controller`."),
            "reportingInstance": text("Which of the controller's processes."),
            "series": optional(f"{EVENTS}.EventSeries", "Set if it happens again and again."),
            "type": text("`Normal` or `Warning`."),
        },
        required=("eventTime",),
    ),
    f"{EVENTS}.EventSeries": struct(
        "Repetitions of an event.",
        {
            "count": integer_or_zero("How often so far."),
            "lastObservedTime": micro_time("When it was last observed."),
        },
        required=("count", "lastObservedTime"),
    ),
    f"{EVENTS}.EventList": kind_list("events.k8s.io", "v1", "Event", f"{EVENTS}.Event"),
}
