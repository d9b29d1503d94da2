"""Streams without a connection of their own: one that is there already, and one that a test may interfere with."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Iterable, Mapping

from controller_runtime.client import ApiStream
from controller_runtime.envtest.calls import Call
from controller_runtime.envtest.limits import StreamClock


class Body:
    """A stream whose whole body is there already.

    Args:
        status: HTTP status.
        headers: By Title-Case names.
        pieces: The body.
        failure: Raised after them; None ends in order.
    """

    def __init__(
        self, status: int, headers: Mapping[str, str], pieces: Iterable[bytes], failure: Exception | None = None
    ) -> None:
        self.status = status
        self.headers = headers
        self._pieces = pieces
        self._failure = failure

    async def __aiter__(self) -> AsyncIterator[bytes]:
        for piece in self._pieces:
            yield piece
        if self._failure is not None:
            raise self._failure


class InterceptedStream:
    """Another stream, as far as a test lets it through.

    What the test puts in comes before what the other stream has not brought yet; an exception comes before anything.

    Args:
        inner: The other stream.
        call: What it answers.
        clock: Limits it; a muted stream reaches those limits too.
    """

    def __init__(self, inner: ApiStream, call: Call, clock: StreamClock) -> None:
        self.status = inner.status
        self.headers = inner.headers
        self.call = call
        self._pieces = aiter(inner)
        self._clock = clock
        self._reading: asyncio.Task[bytes | None] | None = None
        self._put: deque[bytes | None] = deque()
        self._failure: Exception | None = None
        self._woken = asyncio.Event()
        self._muted = False

    def __aiter__(self) -> AsyncIterator[bytes]:
        return self

    async def __anext__(self) -> bytes:
        piece = await self._clock.limit(self._next())
        if piece is None:
            self._put.append(None)  # the end stays the end
            raise StopAsyncIteration
        return piece

    async def _next(self) -> bytes | None:
        while True:
            if self._failure is not None:
                raise self._failure
            if not self._muted and self._reading is not None and self._reading.done():
                reading, self._reading = self._reading, None
                return reading.result()
            if self._put:
                return self._put.popleft()
            if self._reading is None:
                self._reading = asyncio.ensure_future(self._read())
            self._woken.clear()
            await self._woken.wait()

    async def _read(self) -> bytes | None:
        try:
            return await anext(self._pieces, None)
        finally:
            self._woken.set()

    def put(self, piece: bytes | None) -> None:
        """Brings bytes, or the end (None), unless it is muted."""
        if not self._muted:
            self._put.append(piece)
            self._woken.set()

    def fail(self, error: Exception) -> None:
        """Breaks it, unless it is muted."""
        if not self._muted:
            self._failure = error
            self._woken.set()

    def mute(self) -> None:
        """Lets nothing through any more, nor an end: the peer is gone and nobody has said so."""
        self._muted = True

    async def close(self) -> None:
        """Ends what it waits for."""
        if self._reading is not None:
            self._reading.cancel()
            await asyncio.wait({self._reading})
