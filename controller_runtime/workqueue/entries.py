"""What the queue holds: entries, and a heap in which they can be moved and removed."""

from __future__ import annotations

import heapq
from collections.abc import Hashable
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

K = TypeVar("K", bound=Hashable)

Place = tuple[Any, ...]
"""Where an entry stands in a heap: its sort key, then the entry. No two keys are equal, so entries are never compared.

One flat tuple, as half of the cost of a heap is comparing, and of its memory the tuples.
"""

_SLACK = 64
"""Stale places that are never worth a sweep."""


@dataclass(slots=True, eq=False)
class Entry(Generic[K]):
    """A key that is waiting for its time or ready to be taken."""

    item: K
    priority: int
    counter: int
    """Orders entries of equal priority: the smaller one goes first."""
    ready_at: float | None
    """Loop time from which on it may be taken; None once it is ready."""
    ready_since: float = 0.0
    """When it became ready, by the clock of the metrics."""
    place: Place | None = None
    """Where it stands in the heap that holds it; None while no heap does."""


class EntryHeap(Generic[K]):
    """Entries by place, smallest first; an entry is in one heap at most.

    Moving or removing an entry leaves its former place behind. Such stale places are skipped when they come to the top
    and swept out when they outnumber the entries: each operation costs O(log n) on average, and memory stays in
    proportion to the entries (a key that is requeued in ten hours and changes every second would otherwise leave
    36,000 places).
    """

    def __init__(self) -> None:
        self._places: list[Place] = []
        self._entries = 0

    def put(self, entry: Entry[K], *key: float) -> None:
        """Adds the entry at the place that the key says, or moves it there; keys end with the entry's counter."""
        if entry.place is None:
            self._entries += 1
        entry.place = (*key, entry)
        heapq.heappush(self._places, entry.place)
        self._sweep()

    def remove(self, entry: Entry[K]) -> None:
        """Takes the entry out, wherever it stands."""
        entry.place = None
        self._entries -= 1
        self._sweep()

    def first(self) -> Entry[K] | None:
        """The entry with the smallest place, left where it is; None if there is no entry."""
        while self._places:
            place = self._places[0]
            entry: Entry[K] = place[-1]
            if entry.place is place:
                return entry
            heapq.heappop(self._places)
        return None

    def pop(self) -> Entry[K] | None:
        """Takes out the entry with the smallest place; None if there is no entry."""
        entry = self.first()
        if entry is not None:
            heapq.heappop(self._places)
            self.remove(entry)
        return entry

    def clear(self) -> None:
        """Takes out all entries."""
        for place in self._places:
            place[-1].place = None
        self._places.clear()
        self._entries = 0

    def _sweep(self) -> None:
        if len(self._places) <= 2 * self._entries + _SLACK:
            return
        self._places = [place for place in self._places if place[-1].place is place]
        heapq.heapify(self._places)
