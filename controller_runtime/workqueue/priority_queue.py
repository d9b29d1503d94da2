"""The priority queue of controllers."""

from __future__ import annotations

import asyncio
import itertools
import math
import time
from collections import Counter, deque
from collections.abc import Callable, Hashable
from typing import Generic, TypeVar

from controller_runtime.workqueue.entries import Entry, EntryHeap
from controller_runtime.workqueue.queue_metrics import QueueMetrics
from controller_runtime.workqueue.rate_limiter import ItemExponentialFailureRateLimiter, RateLimiter
from controller_runtime.workqueue.snapshot import ProcessingItem, QueueSnapshot, WaitingItem

K = TypeVar("K", bound=Hashable)

LOW_PRIORITY = -100
"""For work that can wait: objects of an informer's first list, and updates without a change (resync, relist)."""

_RELEASED_AT_ONCE = 1000
"""Items that become ready in one go, which takes about 5 ms; then the rest of the event loop has a turn."""


class ShutDownError(Exception):
    """The queue is shut down: there is nothing to get any more."""


class PriorityQueue(Generic[K]):
    """Hands out each key to one worker at a time; the package's docstring tells the rules.

    An item is in one of these states; the two columns are its entry (`add` makes one) and its lock (`done` ends it):

        absent             no entry, not locked
        waiting            entry with a ready time; becomes ready by the timer or by an add without delay
        ready              entry without a ready time; the next `get` may take it
        processing         no entry, locked
        processing + ...   waiting or ready as above, but skipped by `get` until `done`
        held (+ ...)       like processing, but no worker has it any more (`hold`)

    Args:
        name: names the queue, and its controller, in the metrics.
        rate_limiter: delays of rate-limited adds; by default 5 ms doubled with each failure of the item, up to 1000 s.
        clock: seconds, for the durations in the metrics alone. Delays go by the clock of the event loop, which under
            uvloop only moves once per iteration.
    """

    def __init__(
        self, name: str, *, rate_limiter: RateLimiter[K] | None = None, clock: Callable[[], float] = time.perf_counter
    ) -> None:
        self.name = name
        self._rate_limiter: RateLimiter[K] = rate_limiter or ItemExponentialFailureRateLimiter()
        self._clock = clock
        self._counter = itertools.count()
        self._entries: dict[K, Entry[K]] = {}
        self._ready: EntryHeap[K] = EntryHeap()
        self._ready_count = 0
        self._waiting: EntryHeap[K] = EntryHeap()
        self._timer: asyncio.TimerHandle | None = None
        self._timer_at = math.inf
        self._processing: dict[K, float] = {}
        self._held: set[K] = set()
        self._getters: deque[asyncio.Future[None]] = deque()
        self._shut_down = False
        self._metrics = QueueMetrics(name, self._processing, clock)

    def __len__(self) -> int:
        """How many items are ready, those included that are locked until `done`."""
        return self._ready_count

    @property
    def is_shut_down(self) -> bool:
        """Whether `shut_down` was called."""
        return self._shut_down

    def add(self, item: K, *, after: float = 0, rate_limited: bool = False, priority: int = 0) -> None:
        """Adds the item, or merges with what the queue already holds for it; without effect after `shut_down`.

        Merging keeps the higher priority and the earlier ready time. A raised priority puts the item at the end of its
        new priority, otherwise it keeps its turn. So an event that comes before a planned requeue replaces it.

        Args:
            item: the key.
            after: seconds before it may be taken; 0 or less for at once.
            rate_limited: count a failure of the item and wait as long as the rate limiter says; if `after` is given
                too, the shorter of the two.
            priority: larger goes first.

        Raises:
            ValueError: `after` is not a finite number.
        """
        if self._shut_down:
            return
        delay = self._delay(item, after, rate_limited)
        ready_at = None
        if delay > 0:
            ready_at = asyncio.get_running_loop().time() + delay
            self._metrics.retried()
        entry = self._entries.get(item)
        if entry is None:
            entry = self._entries[item] = Entry(item, priority, next(self._counter), ready_at)
            self._settle(entry)
        else:
            self._merge(entry, priority, ready_at)

    async def get(self) -> tuple[K, int]:
        """Waits for a ready item and returns it with its priority; the item is locked until `done`.

        Raises:
            ShutDownError: the queue is shut down, at once even if items are left.
        """
        while not self._shut_down:
            entry = self._ready.pop()
            if entry is not None:
                return self._hand_out(entry)
            await self._wait_for_ready()
        raise ShutDownError(f"work queue {self.name} is shut down")

    def done(self, item: K) -> None:
        """Ends the lock of an item that `get` returned, so that it can be handed out again.

        Raises:
            ValueError: the item is not locked.
        """
        if item in self._held:
            self._held.remove(item)
        else:
            self._end_work(item, "done")
        entry = self._entries.get(item)
        if entry is not None and entry.ready_at is None:
            self._offer(entry)

    def hold(self, item: K) -> None:
        """Ends the work on an item that `get` returned, but not its lock, which `done` ends.

        For a worker that goes on to the next item while something has to happen before this one may be handed out
        again. The metrics count the work up to here.

        Raises:
            ValueError: nobody works on the item.
        """
        self._end_work(item, "hold")
        self._held.add(item)

    def forget(self, item: K) -> None:
        """Tells the rate limiter that the item succeeded."""
        self._rate_limiter.forget(item)

    def num_requeues(self, item: K) -> int:
        """How many failures of the item the rate limiter counts."""
        return self._rate_limiter.num_requeues(item)

    def snapshot(self) -> QueueSnapshot[K]:
        """What the queue holds now; walks over all of it, so it is for people, not for every scrape."""
        now, clock = asyncio.get_running_loop().time(), self._clock()
        ready = Counter(entry.priority for entry in self._entries.values() if entry.ready_at is None)
        waiting = [
            WaitingItem(entry.item, max(0.0, entry.ready_at - now), entry.priority)
            for entry in self._entries.values()
            if entry.ready_at is not None
        ]
        processing = [ProcessingItem(item, clock - started) for item, started in self._processing.items()]
        return QueueSnapshot(
            depth=dict(sorted(ready.items(), reverse=True)),
            waiting=tuple(sorted(waiting, key=lambda one: one.seconds_left)),
            processing=tuple(sorted(processing, key=lambda one: -one.seconds)),
            held=tuple(self._held),
        )

    def shut_down(self) -> None:
        """Drops what is in the queue, ends every `get` and ignores adds from now on; harmless when repeated.

        Items that were handed out can still be `done`.
        """
        if self._shut_down:
            return
        self._shut_down = True
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        for entry in self._entries.values():
            if entry.ready_at is None:
                self._metrics.dropped(entry.priority)
        self._entries.clear()
        self._ready.clear()
        self._waiting.clear()
        self._ready_count = 0
        while self._getters:
            self._wake_getter()

    def _end_work(self, item: K, call: str) -> None:
        started = self._processing.pop(item, None)
        if started is None:
            raise ValueError(f"work queue {self.name}: {call}({item!r}) without a get that returned it")
        self._metrics.finished(self._clock() - started)

    def _is_locked(self, item: K) -> bool:
        return item in self._processing or item in self._held

    def _delay(self, item: K, after: float, rate_limited: bool) -> float:
        if not math.isfinite(after):
            raise ValueError(f"work queue {self.name}: cannot add {item!r} after {after} seconds")
        if not rate_limited:
            return after
        limit = self._rate_limiter.when(item)
        return min(limit, after) if after > 0 else limit

    def _merge(self, entry: Entry[K], priority: int, ready_at: float | None) -> None:
        raised = priority > entry.priority
        if raised:
            if entry.ready_at is None:
                self._metrics.raised(entry.priority, priority)
            entry.priority = priority
            entry.counter = next(self._counter)
        if entry.ready_at is None:
            if raised and not self._is_locked(entry.item):
                self._ready.put(entry, -entry.priority, entry.counter)
        elif ready_at is None or raised or ready_at < entry.ready_at:
            entry.ready_at = None if ready_at is None else min(ready_at, entry.ready_at)
            self._settle(entry)

    def _settle(self, entry: Entry[K]) -> None:
        """Puts an entry that is not ready yet where its ready time says."""
        if entry.ready_at is not None:
            self._waiting.put(entry, entry.ready_at, -entry.priority, entry.counter)
            self._arm()
            return
        if entry.place is not None:
            self._waiting.remove(entry)
        entry.ready_since = self._clock()
        self._ready_count += 1
        self._metrics.became_ready(entry.priority)
        if not self._is_locked(entry.item):
            self._offer(entry)

    def _offer(self, entry: Entry[K]) -> None:
        self._ready.put(entry, -entry.priority, entry.counter)
        self._wake_getter()

    def _hand_out(self, entry: Entry[K]) -> tuple[K, int]:
        now = self._clock()
        del self._entries[entry.item]
        self._processing[entry.item] = now
        self._ready_count -= 1
        self._metrics.taken(entry.priority, now - entry.ready_since)
        return entry.item, entry.priority

    def _arm(self) -> None:
        """Sees to it that the timer fires no later than the first waiting entry is due."""
        first = self._waiting.first()
        if first is None or first.ready_at is None:
            return
        if self._timer is not None:
            if self._timer_at <= first.ready_at:
                return
            self._timer.cancel()
        self._timer_at = first.ready_at
        self._timer = asyncio.get_running_loop().call_at(first.ready_at, self._release_due)

    def _release_due(self) -> None:
        """Makes ready what is due, in the order of ready times: each goes to the end of its priority."""
        # Event loops round timers, uvloop to milliseconds: the time that the timer was set for has come in any case.
        now = max(asyncio.get_running_loop().time(), self._timer_at)
        self._timer = None
        for _ in range(_RELEASED_AT_ONCE):
            entry = self._waiting.first()
            if entry is None or entry.ready_at is None or entry.ready_at > now:
                break
            entry.ready_at = None
            entry.counter = next(self._counter)
            self._settle(entry)
        self._arm()

    async def _wait_for_ready(self) -> None:
        getter = asyncio.get_running_loop().create_future()
        self._getters.append(getter)
        try:
            await getter
        except BaseException:
            if getter in self._getters:
                self._getters.remove(getter)
            elif not getter.cancelled() and self._ready.first() is not None:
                self._wake_getter()  # it was this one's turn when its task was cancelled: the next one takes over
            raise

    def _wake_getter(self) -> None:
        while self._getters:
            getter = self._getters.popleft()
            if not getter.done():
                getter.set_result(None)
                return
