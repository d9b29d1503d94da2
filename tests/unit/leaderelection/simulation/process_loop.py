"""An event loop without sockets that runs when it is told to, on a clock that it is given."""

from __future__ import annotations

import asyncio
import heapq
from collections import deque
from collections.abc import Callable, Coroutine
from typing import Any

WAKE_UP = 1e-9
"""Seconds after which a timer that is due fires: more than the rounding errors of the clocks' arithmetic."""
_MOST_CALLBACKS = 20_000


class ProcessLoop(asyncio.AbstractEventLoop):
    """Runs callbacks, timers, futures and tasks; the rest of the interface is not there.

    Args:
        clock: seconds; stands still while callbacks run.
        wall_clock: what a process on this loop reads as the time of day, in seconds.

    Attributes:
        errors: what was given to the exception handler.
    """

    def __init__(self, clock: Callable[[], float], wall_clock: Callable[[], float]) -> None:
        self.time = clock  # type: ignore[method-assign]
        self.wall_clock = wall_clock
        self.errors: list[dict[str, Any]] = []
        self._ready: deque[asyncio.Handle] = deque()
        self._timers: list[tuple[float, int, asyncio.TimerHandle]] = []
        self._count = 0

    def run_due(self) -> None:
        """Runs everything that is ready or due, and what becomes so by that.

        Timers come first, as in asyncio: whoever waited for an answer until now and too long gets a TimeoutError.
        """
        ready = self._ready
        answered = tuple(ready)
        ready.clear()
        self._take_due_timers()
        ready.extend(answered)
        asyncio._set_running_loop(self)
        try:
            for _ in range(_MOST_CALLBACKS):
                if not ready and not self._take_due_timers():
                    return
                handle = ready.popleft()
                if not handle._cancelled:
                    handle._run()
        finally:
            asyncio._set_running_loop(None)
        raise AssertionError(f"a process runs {_MOST_CALLBACKS} callbacks without letting time pass")

    def next_timer(self) -> float | None:
        """When the next timer is due on the loop's clock; None without any."""
        timers = self._timers
        while timers and timers[0][2]._cancelled:
            heapq.heappop(timers)
        return timers[0][0] if timers else None

    def _take_due_timers(self) -> bool:
        now = self.time()
        while (due := self.next_timer()) is not None and due <= now:
            self._ready.append(heapq.heappop(self._timers)[2])
        return bool(self._ready)

    def call_soon(self, callback: Callable[..., object], *args: Any, context: Any = None) -> asyncio.Handle:
        handle = asyncio.Handle(callback, args, self, context)
        self._ready.append(handle)
        return handle

    def call_at(
        self, when: float, callback: Callable[..., object], *args: Any, context: Any = None
    ) -> asyncio.TimerHandle:
        handle = asyncio.TimerHandle(when, callback, args, self, context)
        self._count += 1
        heapq.heappush(self._timers, (when, self._count, handle))
        return handle

    def call_later(
        self, delay: float, callback: Callable[..., object], *args: Any, context: Any = None
    ) -> asyncio.TimerHandle:
        return self.call_at(self.time() + delay, callback, *args, context=context)

    def create_future(self) -> asyncio.Future[Any]:
        return asyncio.Future(loop=self)

    def create_task(self, coro: Coroutine[Any, Any, Any], **options: Any) -> asyncio.Task[Any]:
        return asyncio.Task(coro, loop=self, **options)

    def get_debug(self) -> bool:
        return False

    def is_closed(self) -> bool:
        return False

    def call_exception_handler(self, context: dict[str, Any]) -> None:
        self.errors.append(context)

    def _timer_handle_cancelled(self, handle: asyncio.TimerHandle) -> None:
        """Cancelled timers are dropped when their time has come."""
