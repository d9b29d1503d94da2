"""The frames of a watch: one JSON document per line, cut anywhere by the network."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterable
from dataclasses import dataclass

import msgspec

from controller_runtime.apimachinery import DecodeError, decode
from controller_runtime.client.errors import (
    ApiError,
    ConnectionLostError,
    InvalidResponseError,
    Operation,
    Status,
    error_from_status,
)

_QUOTED_BYTES = 200  # of a malformed frame, in its error message


@dataclass(frozen=True, slots=True)
class WatchEvent:
    """One event of a watch. The object is not decoded, because only its reader knows what a failure to do so means."""

    type: str
    """ADDED, MODIFIED, DELETED, BOOKMARK (metadata with a resourceVersion) or ERROR (a Status)."""
    raw: msgspec.Raw
    """JSON of the object. A view into the frame: keep what it decodes to, or a `copy()`."""
    operation: Operation
    """The watch that it belongs to."""

    def error(self) -> ApiError:
        """The error that an ERROR event stands for.

        Raises:
            InvalidResponseError: the object is no Status.
        """
        try:
            return error_from_status(self.operation, decode(Status, self.raw))
        except DecodeError as error:
            raise InvalidResponseError(f"{self.operation}: ERROR event without a Status: {error}") from error


class _Frame(msgspec.Struct, frozen=True):
    type: str
    object: msgspec.Raw


_decoder = msgspec.json.Decoder(_Frame)


async def watch_events(chunks: AsyncIterable[bytes], operation: Operation) -> AsyncGenerator[WatchEvent, None]:
    """The events in a stream of bytes.

    A frame that comes in many pieces is joined once, so its cost grows with its size alone.

    Raises:
        InvalidResponseError: a frame is no event.
        ConnectionLostError: the stream ended within a frame.
    """
    pieces: list[bytes] = []
    async for chunk in chunks:
        first, *rest = chunk.split(b"\n")
        pieces.append(first)
        for line in rest:
            frame = b"".join(pieces)
            pieces = [line]
            if frame.strip():
                yield _decode(frame, operation)
    if remainder := b"".join(pieces).strip():
        try:
            yield _decode(remainder, operation)
        except InvalidResponseError as error:
            raise ConnectionLostError(f"{operation}: the stream ended within an event") from error


def _decode(frame: bytes, operation: Operation) -> WatchEvent:
    try:
        decoded = _decoder.decode(frame)
    except (msgspec.DecodeError, RecursionError) as error:
        start = frame[:_QUOTED_BYTES].decode(errors="replace")
        raise InvalidResponseError(f"{operation}: malformed event: {error}: {start!r}") from error
    return WatchEvent(decoded.type, decoded.object, operation)
