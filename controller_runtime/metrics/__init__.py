"""The registry of metrics and what the library itself measures, under the names controller-runtime uses.

Bottom layer: every room of the library may count here. Definitions only; each is incremented where the thing happens.
An operator on the library adds its own metrics to `REGISTRY`, which the manager's metrics server exposes.
"""

from controller_runtime.metrics.definitions import (
    CACHED_OBJECTS,
    EVENTS_DROPPED,
    INFORMER_LAST_CONTACT,
    INFORMER_SYNCED,
    LEADER_STATUS,
    RECONCILE_ACTIVE,
    RECONCILE_ERRORS,
    RECONCILE_MAX_CONCURRENT,
    RECONCILE_PANICS,
    RECONCILE_TERMINAL_ERRORS,
    RECONCILE_TIME,
    RECONCILE_TIMEOUTS,
    RECONCILE_TOTAL,
    REGISTRY,
    REST_REQUESTS,
    UNDECODABLE_OBJECTS,
    WORKQUEUE_ADDS,
    WORKQUEUE_DEPTH,
    WORKQUEUE_LONGEST_RUNNING,
    WORKQUEUE_QUEUE_DURATION,
    WORKQUEUE_RETRIES,
    WORKQUEUE_UNFINISHED,
    WORKQUEUE_WORK_DURATION,
)

__all__ = [
    "CACHED_OBJECTS",
    "EVENTS_DROPPED",
    "INFORMER_LAST_CONTACT",
    "INFORMER_SYNCED",
    "LEADER_STATUS",
    "RECONCILE_ACTIVE",
    "RECONCILE_ERRORS",
    "RECONCILE_MAX_CONCURRENT",
    "RECONCILE_PANICS",
    "RECONCILE_TERMINAL_ERRORS",
    "RECONCILE_TIME",
    "RECONCILE_TIMEOUTS",
    "RECONCILE_TOTAL",
    "REGISTRY",
    "REST_REQUESTS",
    "UNDECODABLE_OBJECTS",
    "WORKQUEUE_ADDS",
    "WORKQUEUE_DEPTH",
    "WORKQUEUE_LONGEST_RUNNING",
    "WORKQUEUE_QUEUE_DURATION",
    "WORKQUEUE_RETRIES",
    "WORKQUEUE_UNFINISHED",
    "WORKQUEUE_WORK_DURATION",
]
