"""The metrics of one informer, told apart by group, kind and selector."""

from __future__ import annotations

from controller_runtime import metrics
from controller_runtime.apimachinery import Object


class InformerGauges:
    """Shows one informer in the metrics from its start until `remove`.

    Args:
        kind: class of the objects.
        selector: which of them; empty for the kind's default informer.
    """

    def __init__(self, kind: type[Object], selector: str) -> None:
        self._labels = (kind.__name__, kind.resource.group, selector)
        self._objects = metrics.CACHED_OBJECTS.labels(*self._labels)
        self._synced = metrics.INFORMER_SYNCED.labels(*self._labels)
        self._contact = metrics.INFORMER_LAST_CONTACT.labels(*self._labels)

    def objects(self, count: int) -> None:
        """How many objects are cached."""
        self._objects.set(count)

    def synced(self, is_synced: bool) -> None:
        """Whether the first list has been read."""
        self._synced.set(is_synced)

    def contact(self, unix_time: float) -> None:
        """When the API server last gave proof of life."""
        self._contact.set(unix_time)

    def remove(self) -> None:
        """Takes the informer out of the metrics."""
        for metric in (metrics.CACHED_OBJECTS, metrics.INFORMER_SYNCED, metrics.INFORMER_LAST_CONTACT):
            metric.remove(*self._labels)
