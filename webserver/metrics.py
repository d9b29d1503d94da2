"""What the boot server measures."""

from __future__ import annotations

import functools
from typing import Final

from prometheus_client import Counter, Gauge, Histogram

from controller_runtime.metrics import REGISTRY

REQUESTS: Final = Counter(
    "boot_operator_requests", "Requests answered, by endpoint and status code.", ("endpoint", "code"), registry=REGISTRY
)
REQUEST_DURATION: Final = Histogram(
    "boot_operator_request_duration_seconds",
    "Time from the request's headers to the end of the response.",
    ("endpoint",),
    buckets=(0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 120),
    registry=REGISTRY,
)
DELIVERIES: Final = Counter(
    "boot_operator_deliveries",
    "Payloads delivered to machines, by what became of their record in the status: recorded, unchanged (the status has "
    "one of the same minute), dropped (the object is gone, or too many wait), failed (one attempt to write; retried).",
    ("stage", "result"),
    registry=REGISTRY,
)
PENDING_DELIVERIES: Final = Gauge(
    "boot_operator_pending_deliveries", "Objects whose deliveries wait for being written.", registry=REGISTRY
)
CONNECTIONS: Final = Gauge("boot_operator_connections", "Open connections of clients.", registry=REGISTRY)
REFUSED_CONNECTIONS: Final = Counter(
    "boot_operator_refused_connections", "Connections closed at once because too many were open.", registry=REGISTRY
)

# `labels()` takes a lock and builds a tuple of strings; there are few combinations, so the children are remembered.


@functools.cache
def requests(endpoint: str, code: int) -> Counter:
    """The counter of one endpoint and status code."""
    return REQUESTS.labels(endpoint, str(code))


@functools.cache
def request_duration(endpoint: str) -> Histogram:
    """The histogram of one endpoint."""
    return REQUEST_DURATION.labels(endpoint)


@functools.cache
def deliveries(stage: str, result: str) -> Counter:
    """The counter of one stage and result."""
    return DELIVERIES.labels(stage, result)
