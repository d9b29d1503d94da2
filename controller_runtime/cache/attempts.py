"""How long a watch may take to bring a list, and whether it worked."""

from __future__ import annotations

import asyncio
from types import TracebackType
from typing import Protocol, Self

from structlog.typing import FilteringBoundLogger

from controller_runtime.cache.errors import VeryShortWatchError
from controller_runtime.client import TransportError

INITIAL_SILENCE = 15.0
"""Seconds without an event after which a streaming list is given up: a server that has objects to send sends them."""
INITIAL_SECONDS = 60.0
"""Seconds that a streaming list may take, and `INITIAL_SECONDS_PER_OBJECT` more for each object that came."""
INITIAL_SECONDS_PER_OBJECT = 0.002
VERY_SHORT = 1.0
"""Seconds; a watch that ends sooner and has not moved the resource version did not work."""


class AttemptTarget(Protocol):
    """What is told how a watch fares."""

    def contact(self) -> None:
        """The API server gave proof that it is there."""

    def recovered(self, verb: str) -> None:
        """Listing or watching works."""


class InitialLimit:
    """How long a streaming list may go on: while it is not silent, and within a time that grows with what it brings."""

    def __init__(self, bound: asyncio.Timeout) -> None:
        self._bound = bound
        self._began_at = self._extended_at = asyncio.get_running_loop().time()

    def extend(self, events: int) -> None:
        """There was an event; timers are not moved more often than each second."""
        now = asyncio.get_running_loop().time()
        if now - self._extended_at >= 1.0:
            self._extended_at = now
            longest = self._began_at + INITIAL_SECONDS + INITIAL_SECONDS_PER_OBJECT * events
            self._bound.reschedule(min(now + INITIAL_SILENCE, longest))


class Attempt:
    """One watch: whether it could be opened, and whether it then worked.

    It works once an event has moved the resource version, or it has held for a second; only then is an earlier failure
    over. An event alone is not enough: a watch opened again from the same version may bring the same one, for ever.

    Used as the context of the watch, from before its opening. That a watch which worked breaks off is no failure; that
    one which did not is ended by the server is a VeryShortWatchError.
    """

    def __init__(self, target: AttemptTarget, logger: FilteringBoundLogger) -> None:
        self._target = target
        self._log = logger
        self._has_progressed = False
        self._opened_at: float | None = None
        self._holds: asyncio.TimerHandle | None = None

    def opened(self) -> None:
        """The server has begun to answer."""
        loop = asyncio.get_running_loop()
        self._opened_at = loop.time()
        self._holds = loop.call_later(VERY_SHORT, self._target.recovered, "watch")
        self._target.contact()

    def progressed(self) -> None:
        """An event has moved the resource version."""
        if not self._has_progressed:
            self._has_progressed = True
            self._target.recovered("watch")

    @property
    def worked(self) -> bool:
        """Whether the next one may be opened at once."""
        if self._opened_at is None:
            return False
        return self._has_progressed or asyncio.get_running_loop().time() - self._opened_at >= VERY_SHORT

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> bool:
        if self._holds is not None:
            self._holds.cancel()
        if error is None and not self.worked:
            raise VeryShortWatchError("the server ended the watch at once and without news")
        if isinstance(error, TransportError) and self.worked:
            self._log.debug("the watch broke off, watching again", reason=str(error))
            return True
        return False
