"""Kubernetes Events: what happened to an object, for people to read with `kubectl describe`.

    events = broadcaster.recorder("ipxebootconfig")
    events.event(config, "Warning", "IgnitionSecretNotFound", "Verify", "the Secret lab/a does not exist")

Promised: `event` returns at once, whatever the API server does; an Event that repeats becomes a series with a count
instead of many objects; memory and the number of requests are bounded; what is lost is counted in the metric
`controller_runtime_events_dropped_total`. Not promised: that an Event arrives. They are for people; programs read
status. Writing them needs the RBAC verbs create and patch on `events` of the group `events.k8s.io`.

The rules are those of client-go's `tools/events`. Deliberate differences: the note belongs to what makes two Events the
same, because the API keeps it immutable and `kubectl describe` would go on naming the Secret that was missing first
while another one is now; ten different notes about the same thing in ten minutes are enough, further ones only count;
and the version of the object does not make two Events different.
"""

from controller_runtime.recorder.broadcaster import EventBroadcaster, EventRecorder
from controller_runtime.recorder.observation import EventType

__all__ = ["EventBroadcaster", "EventRecorder", "EventType"]
