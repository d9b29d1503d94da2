"""What a queue holds at one moment, for people."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from dataclasses import dataclass
from typing import Generic, NamedTuple, TypeVar

K = TypeVar("K", bound=Hashable)


class WaitingItem(NamedTuple, Generic[K]):
    """An item whose time has not come."""

    item: K
    seconds_left: float
    priority: int


class ProcessingItem(NamedTuple, Generic[K]):
    """An item that a worker has."""

    item: K
    seconds: float
    """Since it was handed out."""


@dataclass(frozen=True, slots=True, kw_only=True)
class QueueSnapshot(Generic[K]):
    """A copy; the queue goes on."""

    depth: Mapping[int, int]
    """Ready items by priority, highest first; those count, too, that are locked until `done`."""
    waiting: tuple[WaitingItem[K], ...]
    """Soonest first."""
    processing: tuple[ProcessingItem[K], ...]
    """Longest first."""
    held: tuple[K, ...] = ()
    """Items that no worker has any more and that are locked nevertheless (`PriorityQueue.hold`)."""
