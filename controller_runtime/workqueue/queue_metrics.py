"""What a queue tells Prometheus, under the names and labels of controller-runtime."""

from __future__ import annotations

import weakref
from collections.abc import Callable, Mapping
from typing import Any

from prometheus_client import Gauge

from controller_runtime.metrics import (
    WORKQUEUE_ADDS,
    WORKQUEUE_DEPTH,
    WORKQUEUE_LONGEST_RUNNING,
    WORKQUEUE_QUEUE_DURATION,
    WORKQUEUE_RETRIES,
    WORKQUEUE_UNFINISHED,
    WORKQUEUE_WORK_DURATION,
)

_PRIORITY_LABELS = 25
"""Distinct priorities per name of a queue that get a series of their own."""
_OTHER_PRIORITIES = "exceeded_cardinality_limit"
_DEPTHS: dict[str, dict[int, Gauge]] = {}
"""Those series by name of the queue; a controller makes a new queue of its name in each term of leadership."""


class QueueMetrics:
    """The series of one queue. They outlive it, and a later queue of the same name goes on counting in them.

    The ages of running work are computed when Prometheus asks, from `running` (start of each item that was taken and is
    not done, by `clock`); the registry holds this object weakly, so that it keeps no queue alive.
    """

    def __init__(self, name: str, running: Mapping[Any, float], clock: Callable[[], float]) -> None:
        self._labels = (name, name)
        self._running = running
        self._clock = clock
        self._adds = WORKQUEUE_ADDS.labels(*self._labels)
        self._retries = WORKQUEUE_RETRIES.labels(*self._labels)
        self._queue_duration = WORKQUEUE_QUEUE_DURATION.labels(*self._labels)
        self._work_duration = WORKQUEUE_WORK_DURATION.labels(*self._labels)
        self._depths = _DEPTHS.setdefault(name, {})
        this = weakref.ref(self)
        WORKQUEUE_UNFINISHED.labels(*self._labels).set_function(lambda: sum(_ages(this())))
        WORKQUEUE_LONGEST_RUNNING.labels(*self._labels).set_function(lambda: max(_ages(this()), default=0.0))

    def became_ready(self, priority: int) -> None:
        """One more item can be taken."""
        self._adds.inc()
        self._depth(priority).inc()

    def raised(self, old: int, new: int) -> None:
        """A ready item moved to a higher priority."""
        self._depth(old).dec()
        self._depth(new).inc()

    def taken(self, priority: int, waited: float) -> None:
        """An item was handed out, `waited` seconds after it had become ready."""
        self._depth(priority).dec()
        self._queue_duration.observe(waited)

    def finished(self, worked: float) -> None:
        """An item is done, `worked` seconds after it was handed out."""
        self._work_duration.observe(worked)

    def retried(self) -> None:
        """An item was added with a delay."""
        self._retries.inc()

    def dropped(self, priority: int) -> None:
        """A ready item is gone, because the queue was shut down."""
        self._depth(priority).dec()

    def ages(self) -> list[float]:
        """Seconds since each item that is being worked on was handed out; safe to call from another thread."""
        now = self._clock()
        return [now - started for started in tuple(self._running.values())]

    def _depth(self, priority: int) -> Gauge:
        gauge = self._depths.get(priority)
        if gauge is None:
            within_limit = len(self._depths) < _PRIORITY_LABELS
            gauge = WORKQUEUE_DEPTH.labels(*self._labels, str(priority) if within_limit else _OTHER_PRIORITIES)
            if within_limit:
                self._depths[priority] = gauge
        return gauge


def _ages(metrics: QueueMetrics | None) -> list[float]:
    return [] if metrics is None else metrics.ages()
