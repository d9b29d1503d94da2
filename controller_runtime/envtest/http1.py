"""HTTP/1.1 as a proxy needs it: heads that are handed on as they came, and bodies in pieces."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from http import HTTPStatus
from typing import Final

HEAD_BYTES: Final = 1 << 20
"""Longest head, and the limit that the streams of both sides need."""
_PIECE_BYTES: Final = 1 << 16
_WITHOUT_BODY: Final = frozenset({204, 304})
_REASONS: Final = {status.value: status.phrase for status in HTTPStatus}


class ProtocolError(Exception):
    """What comes is not HTTP/1.1."""


@dataclass(frozen=True, slots=True)
class Head:
    """The first line and the headers of a message."""

    line: tuple[str, str, str]
    """The three words of the first line; the last may have spaces."""
    headers: Sequence[tuple[str, str]]

    def get(self, name: str) -> str:
        """The first header of a name in lower case; empty without one."""
        return next((value for key, value in self.headers if key.lower() == name), "")

    @property
    def is_chunked(self) -> bool:
        """Whether the body comes in chunks."""
        return self.get("transfer-encoding").lower().endswith("chunked")

    @property
    def closes(self) -> bool:
        """Whether the connection is closed after the message."""
        return self.get("connection").lower() == "close"

    @property
    def status(self) -> int:
        """Of a response."""
        try:
            return int(self.line[1])
        except ValueError:
            raise ProtocolError(f"{self.line[1]!r} is no HTTP status") from None

    def has_body(self, method: str) -> bool:
        """Whether a body follows this head of a response.

        Args:
            method: Of the request.
        """
        return method != "HEAD" and self.status not in _WITHOUT_BODY

    def encode(self) -> bytes:
        """As it is sent."""
        lines = [" ".join(self.line), *(f"{name}: {value}" for name, value in self.headers)]
        return ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1")


async def read_head(reader: asyncio.StreamReader) -> Head | None:
    """The next head; None where the connection was closed before it.

    Raises:
        ProtocolError: It is none.
        OSError: The connection broke.
    """
    try:
        text = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
    except asyncio.IncompleteReadError as error:
        if error.partial:
            raise ProtocolError("the connection ended within a head") from None
        return None
    except asyncio.LimitOverrunError:
        raise ProtocolError(f"a head of more than {HEAD_BYTES} bytes") from None
    first, *lines = text[:-4].split("\r\n")
    words = first.split(" ", 2)
    if len(words) < 2:
        raise ProtocolError(f"{first[:100]!r} begins no HTTP message")
    headers = [(name, value.strip()) for name, _, value in (line.partition(":") for line in lines)]
    return Head((words[0], words[1], words[2] if len(words) > 2 else ""), headers)


async def read_pieces(reader: asyncio.StreamReader, head: Head) -> AsyncGenerator[bytes, None]:
    """The body that follows a response's or request's head, as it comes; for a response that may have one.

    Args:
        reader: Brings it.
        head: Of the message.

    Raises:
        ProtocolError: It is malformed.
        OSError: The connection broke.
        asyncio.IncompleteReadError: It ended too early.
    """
    if head.is_chunked:
        while size := _number((await reader.readuntil(b"\r\n")).split(b";")[0], 16):
            async for piece in _exactly(reader, size):
                yield piece
            await reader.readexactly(2)
        while await reader.readuntil(b"\r\n") != b"\r\n":
            pass  # trailers
    elif length := head.get("content-length"):
        async for piece in _exactly(reader, _number(length.encode(), 10)):
            yield piece
    elif head.line[0].startswith("HTTP/"):
        while piece := await reader.read(_PIECE_BYTES):
            yield piece


def _number(text: bytes, digits: int) -> int:
    try:
        return int(text, digits)
    except ValueError:
        raise ProtocolError(f"{text[:20]!r} is no length") from None


async def _exactly(reader: asyncio.StreamReader, size: int) -> AsyncIterator[bytes]:
    while size:
        piece = await reader.read(min(size, _PIECE_BYTES))
        if not piece:
            raise asyncio.IncompleteReadError(b"", size)
        size -= len(piece)
        yield piece


def chunk(piece: bytes) -> bytes:
    """A piece of a chunked body; the empty one is its end."""
    return b"%x\r\n%b\r\n" % (len(piece), piece)


def response(status: int, headers: Mapping[str, str], body: bytes) -> bytes:
    """A whole response."""
    lines = [*headers.items(), ("Content-Length", str(len(body)))]
    return Head(("HTTP/1.1", str(status), _REASONS.get(status, "Unknown")), lines).encode() + body
