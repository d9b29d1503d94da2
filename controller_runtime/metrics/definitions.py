"""Every metric of the library in one place; names, labels and buckets are controller-runtime's where it has them."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram
from prometheus_client.gc_collector import GCCollector
from prometheus_client.platform_collector import PlatformCollector
from prometheus_client.process_collector import ProcessCollector

REGISTRY = CollectorRegistry(auto_describe=True)
"""What the manager's metrics server exposes; process_* and python_* are already in it."""

ProcessCollector(registry=REGISTRY)
PlatformCollector(registry=REGISTRY)
GCCollector(registry=REGISTRY)

_RECONCILE_BUCKETS = (
    0.005, 0.01, 0.025, 0.05, 0.1, 0.15, 0.2, 0.25, 0.3, 0.35, 0.4, 0.45, 0.5, 0.6, 0.7, 0.8, 0.9,
    1.0, 1.25, 1.5, 1.75, 2.0, 2.5, 3.0, 3.5, 4.0, 4.5, 5, 6, 7, 8, 9, 10, 15, 20, 25, 30, 40, 50, 60,
)  # fmt: skip
_QUEUE_BUCKETS = tuple(10.0**exponent for exponent in range(-8, 4))
_REST_SECONDS = (0.005, 0.025, 0.1, 0.25, 0.5, 1.0, 2.0, 4.0, 8.0, 15.0, 30.0, 60.0)
_REST_BYTES = (64, 256, 512, 1024, 4096, 16384, 65536, 262144, 1048576, 4194304, 16777216)
_CONTROLLER = ("controller",)
_QUEUE = ("name", "controller")
_REST = ("verb", "host")

RECONCILE_TOTAL = Counter(
    "controller_runtime_reconcile",
    "Reconciliations by result: success, error, requeue, requeue_after.",
    (*_CONTROLLER, "result"),
    registry=REGISTRY,
)
RECONCILE_ERRORS = Counter(
    "controller_runtime_reconcile_errors", "Reconciliations that ended in an error.", _CONTROLLER, registry=REGISTRY
)
RECONCILE_TERMINAL_ERRORS = Counter(
    "controller_runtime_terminal_reconcile_errors",
    "Reconciliations that ended in an error that is not retried.",
    _CONTROLLER,
    registry=REGISTRY,
)
RECONCILE_PANICS = Counter(
    "controller_runtime_reconcile_panics",
    "Reconciliations that ended in an unexpected exception (a bug, not an error of the API).",
    _CONTROLLER,
    registry=REGISTRY,
)
RECONCILE_TIMEOUTS = Counter(
    "controller_runtime_reconcile_timeouts",
    "Reconciliations cut off by the reconciliation timeout.",
    _CONTROLLER,
    registry=REGISTRY,
)
RECONCILE_TIME = Histogram(
    "controller_runtime_reconcile_time_seconds",
    "Length of one reconciliation.",
    _CONTROLLER,
    buckets=_RECONCILE_BUCKETS,
    registry=REGISTRY,
)
RECONCILE_MAX_CONCURRENT = Gauge(
    "controller_runtime_max_concurrent_reconciles", "Workers of the controller.", _CONTROLLER, registry=REGISTRY
)
RECONCILE_ACTIVE = Gauge(
    "controller_runtime_active_workers", "Workers that reconcile right now.", _CONTROLLER, registry=REGISTRY
)
OWN_WRITES_UNSEEN = Counter(
    "controller_runtime_own_writes_unseen",
    "Runs whose writes the cache did not show in time, so that the object was released without that.",
    _CONTROLLER,
    registry=REGISTRY,
)

WORKQUEUE_DEPTH = Gauge(
    "workqueue_depth", "Items that are ready and not yet taken.", (*_QUEUE, "priority"), registry=REGISTRY
)
WORKQUEUE_ADDS = Counter("workqueue_adds", "Items that became ready.", _QUEUE, registry=REGISTRY)
WORKQUEUE_RETRIES = Counter("workqueue_retries", "Adds with a delay.", _QUEUE, registry=REGISTRY)
WORKQUEUE_QUEUE_DURATION = Histogram(
    "workqueue_queue_duration_seconds",
    "Time from ready to taken.",
    _QUEUE,
    buckets=_QUEUE_BUCKETS,
    registry=REGISTRY,
)
WORKQUEUE_WORK_DURATION = Histogram(
    "workqueue_work_duration_seconds",
    "Time from taken to done.",
    _QUEUE,
    buckets=_QUEUE_BUCKETS,
    registry=REGISTRY,
)
WORKQUEUE_UNFINISHED = Gauge(
    "workqueue_unfinished_work_seconds", "Sum of the ages of items taken and not done.", _QUEUE, registry=REGISTRY
)
WORKQUEUE_LONGEST_RUNNING = Gauge(
    "workqueue_longest_running_processor_seconds",
    "Age of the oldest item taken and not done.",
    _QUEUE,
    registry=REGISTRY,
)

REST_REQUESTS = Counter(
    "rest_client_requests",
    "Requests to the API server, every attempt; code is <error> where no response came.",
    ("code", "method", "host"),
    registry=REGISTRY,
)
REST_REQUEST_DURATION = Histogram(
    "rest_client_request_duration_seconds",
    "Length of a request with its retries and its waits; watches are not measured.",
    _REST,
    buckets=_REST_SECONDS,
    registry=None,
)
REST_RATE_LIMITER_DURATION = Histogram(
    "rest_client_rate_limiter_duration_seconds",
    "Time that a request waited for the client's rate limit.",
    _REST,
    buckets=_REST_SECONDS,
    registry=None,
)
REST_REQUEST_SIZE = Histogram(
    "rest_client_request_size_bytes", "Size of a request's body.", _REST, buckets=_REST_BYTES, registry=None
)
REST_RESPONSE_SIZE = Histogram(
    "rest_client_response_size_bytes", "Size of a response's body.", _REST, buckets=_REST_BYTES, registry=None
)
REST_REQUEST_RETRIES = Counter(
    "rest_client_request_retries",
    "Requests sent again; code is that of the answer before, <error> where the connection was lost.",
    ("code", *_REST),
    registry=None,
)
REST_OPT_IN = (
    REST_REQUEST_DURATION,
    REST_RATE_LIMITER_DURATION,
    REST_REQUEST_SIZE,
    REST_RESPONSE_SIZE,
    REST_REQUEST_RETRIES,
)
"""Registered by `controller_runtime.client.enable_rest_client_metrics` alone."""
LEADER_STATUS = Gauge(
    "leader_election_master_status", "1 on the replica that leads, else 0.", ("name",), registry=REGISTRY
)

_INFORMER = ("kind", "group", "selector")
CACHED_OBJECTS = Gauge(
    "controller_runtime_cached_objects", "Objects held by an informer.", _INFORMER, registry=REGISTRY
)
INFORMER_SYNCED = Gauge(
    "controller_runtime_informer_synced",
    "1 once the first list of an informer has been read.",
    _INFORMER,
    registry=REGISTRY,
)
INFORMER_LAST_CONTACT = Gauge(
    "controller_runtime_informer_last_contact_timestamp_seconds",
    "When the API server last gave proof of life on an informer's list or watch (Unix time).",
    _INFORMER,
    registry=REGISTRY,
)
TRANSFORM_ERRORS = Counter(
    "controller_runtime_transform_errors",
    "Objects of a list or watch that a transform failed on, so that they were skipped.",
    ("kind",),
    registry=REGISTRY,
)
UNDECODABLE_OBJECTS = Counter(
    "controller_runtime_undecodable_objects",
    "Objects of a list or watch that did not fit their type and were skipped.",
    ("kind",),
    registry=REGISTRY,
)
EVENTS_DROPPED = Counter(
    "controller_runtime_events_dropped", "Kubernetes Events that could not be sent.", ("reason",), registry=REGISTRY
)

CERTIFICATE_READS = Counter(
    "certwatcher_read_certificate", "Times that a watched certificate was read.", registry=REGISTRY
)
CERTIFICATE_READ_ERRORS = Counter(
    "certwatcher_read_certificate_errors",
    "Times that a watched certificate could not be read or used.",
    registry=REGISTRY,
)
