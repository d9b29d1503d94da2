"""Kubernetes Events: what happened to an object, for people to read with `kubectl describe`.

    events = broadcaster.recorder("ipxebootconfig")
    events.event(config, "Warning", "IgnitionSecretNotFound", "Verify", "the Secret lab/a does not exist")

Promised: `event` returns at once, whatever the API server does; an Event that repeats becomes a series with a count
instead of many objects; memory is bounded. Not promised: that an Event arrives. They are for people; programs read
status.
"""

from controller_runtime.recorder.broadcaster import EventBroadcaster, EventRecorder, EventType

__all__ = ["EventBroadcaster", "EventRecorder", "EventType"]
