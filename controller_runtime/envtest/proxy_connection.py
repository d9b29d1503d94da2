"""One client's connection to a `FaultProxy`, and the one to the API server that belongs to it.

Each client connection has its own upstream, opened for its first request that goes there. So what happens to one side
happens to the other, nothing is sent twice, and a server that dies is seen to die.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import ssl
import struct
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass
from typing import Final, TypeAlias
from urllib.parse import parse_qsl, urlsplit

from controller_runtime.client import ApiRequest
from controller_runtime.envtest import http1
from controller_runtime.envtest.calls import Call, call_of
from controller_runtime.envtest.faults import Failure
from controller_runtime.envtest.http1 import Head, ProtocolError

_REPLACED: Final = frozenset({"host", "content-length", "transfer-encoding", "expect"})
_HOP_BY_HOP: Final = frozenset({"content-length", "transfer-encoding"})
_CONTINUE: Final = b"HTTP/1.1 100 Continue\r\n\r\n"
_JSON: Final = {"Content-Type": "application/json"}


@dataclass(frozen=True, slots=True)
class Delay:
    """The call waits."""

    seconds: float


@dataclass(frozen=True, slots=True)
class Hang:
    """The call is swallowed, and the connection stays open in silence."""


@dataclass(frozen=True, slots=True)
class Reset:
    """The connection is reset, before the call is carried out or after."""

    carried_out: bool


@dataclass(frozen=True, slots=True)
class Truncate:
    """The connection is closed after some bytes of the answer's body."""

    length: int


@dataclass(frozen=True, slots=True)
class Answer:
    """The proxy answers."""

    failure: Failure
    in_stream: bool


Fault: TypeAlias = Delay | Hang | Reset | Truncate | Answer


@dataclass(frozen=True, slots=True)
class Upstream:
    """Where the API server is."""

    host: str
    port: int
    authority: str
    """For the Host header."""
    base: str
    """Path before `/api`; without a slash at the end."""
    tls: ssl.SSLContext | None
    server_name: str

    @classmethod
    def of(cls, url: str, tls: ssl.SSLContext | None, server_name: str) -> Upstream:
        """The server of a URL.

        Args:
            url: Of the server.
            tls: None speaks plain HTTP.
            server_name: In its certificate; empty: the URL's host.
        """
        parts = urlsplit(url)
        host = parts.hostname or ""
        port = parts.port or (443 if tls else 80)
        return cls(host, port, parts.netloc, parts.path.rstrip("/"), tls, server_name or host)


class _Closed(Exception):  # noqa: N818 - an end, and no error
    """The connection is over."""


@dataclass(frozen=True, slots=True)
class _Server:
    """The connection to the API server."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    gone: asyncio.Task[None]
    """Ends when it is closed."""


class ProxyConnection:
    """Serves one client until either side closes.

    Args:
        reader: From the client.
        writer: To the client.
        upstream: Where requests go.
        note: Is told of each call, and gives what happens to it.

    Attributes:
        call: The present one; None between two.
        watching: Whether it is a watch whose answer has begun.
    """

    def __init__(
        self,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        upstream: Upstream,
        note: Callable[[Call], Iterator[Fault]],
    ) -> None:
        self.call: Call | None = None
        self.watching = False
        self._reader = reader
        self._writer = writer
        self._socket: socket.socket = writer.get_extra_info("socket")
        self._address = upstream
        self._note = note
        self._upstream: _Server | None = None
        self._muted = False

    async def serve(self) -> None:
        """Returns when the connection is closed."""
        work = asyncio.ensure_future(self._work())
        gone = asyncio.ensure_future(_until_closed(self._writer))
        try:
            await asyncio.wait({work, gone}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            self._writer.transport.abort()
            ending = {work, gone}
            if self._upstream is not None:
                self._upstream.writer.transport.abort()
                ending.add(self._upstream.gone)
            for task in ending:
                task.cancel()
            await asyncio.wait(ending)
        if not work.cancelled() and (error := work.exception()) is not None:
            raise error

    def reset(self) -> None:
        """Closes with RST, and not with the ends of TLS and TCP: what was sent and not read is lost."""
        with contextlib.suppress(OSError):  # it is closed already
            self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self._writer.transport.abort()

    def mute(self) -> None:
        """Lets nothing through any more in either direction, while the connection stays open."""
        self._muted = True

    async def _work(self) -> None:
        try:
            while (head := await self._next_request()) is not None:
                await self._exchange(head)
                self.call, self.watching = None, False
                if head.closes:
                    break
            await self._flush()
        except (_Closed, OSError, EOFError, ProtocolError):
            # Whichever side broke off: the other one sees the same.
            await self._silence()

    async def _next_request(self) -> Head | None:
        """The next head; None where the client, or the server meanwhile, has closed."""
        if self._upstream is None:
            return await http1.read_head(self._reader)
        head = asyncio.ensure_future(http1.read_head(self._reader))
        try:
            await asyncio.wait({head, self._upstream.gone}, return_when=asyncio.FIRST_COMPLETED)
            return head.result() if head.done() else None
        finally:
            head.cancel()
            await asyncio.wait({head})

    async def _exchange(self, head: Head) -> None:
        if head.get("expect"):
            await self._send(_CONTINUE)
        body = b"".join([piece async for piece in http1.read_pieces(self._reader, head)])
        call = self.call = call_of(_request(head, body), asyncio.get_running_loop().time())
        limit: int | None = None
        lost = False
        for fault in self._note(call):
            await self._silence()
            match fault:
                case Delay():
                    await asyncio.sleep(fault.seconds)
                case Hang():
                    self.mute()
                case Reset(carried_out=False):
                    self.reset()
                    raise _Closed
                case Reset():
                    lost = True
                case Truncate():
                    limit = fault.length
                case Answer():
                    await self._send(_answer(fault, call, limit))
                    if limit is not None:
                        raise _Closed
                    return
        await self._silence()
        await self._forward(head, body, limit, lost=lost)

    async def _forward(self, head: Head, body: bytes, limit: int | None, *, lost: bool) -> None:
        server = await self._open()
        server.writer.write(self._outgoing(head, body))
        await server.writer.drain()
        answer = await self._answer_head(server.reader)
        if answer.status == 101:
            await self._switch(answer, server)
            raise _Closed
        if not answer.has_body(head.line[0]):
            await self._send_or_lose(answer, lost=lost)
            return
        async with contextlib.aclosing(http1.read_pieces(server.reader, answer)) as pieces:
            if lost:
                await self._swallow(pieces)
            await self._send_or_lose(answer if _has_length(answer) else _chunked(answer), lost=lost)
            await self._relay(answer, pieces, limit)
        if answer.closes:
            await self._flush()
            raise _Closed

    async def _swallow(self, pieces: AsyncIterator[bytes]) -> None:
        assert self.call is not None
        if self.call.verb != "watch":  # whose answer is its beginning
            async for _ in pieces:
                pass

    async def _send_or_lose(self, answer: Head, *, lost: bool) -> None:
        if lost:
            self.reset()
            raise _Closed
        await self._send(answer.encode())

    async def _relay(self, answer: Head, pieces: AsyncIterator[bytes], limit: int | None) -> None:
        assert self.call is not None
        self.watching = self.call.verb == "watch" and answer.status == 200
        frame = _as_it_is if _has_length(answer) else http1.chunk
        await self._close_at(limit)
        async for piece in pieces:
            await self._send(frame(piece[:limit]))
            if limit is not None:
                limit = max(limit - len(piece), 0)
                await self._close_at(limit)
        if frame is http1.chunk:
            await self._send(http1.chunk(b""))

    async def _close_at(self, limit: int | None) -> None:
        if limit == 0:
            await self._flush()
            raise _Closed

    async def _switch(self, answer: Head, server: _Server) -> None:
        """Another protocol: bytes in both directions."""

        async def copy(source: asyncio.StreamReader, write: Callable[[bytes], None]) -> None:
            while piece := await source.read(1 << 16):
                await self._silence()
                write(piece)

        await self._send(answer.encode())
        copies = {
            asyncio.ensure_future(copy(server.reader, self._writer.write)),
            asyncio.ensure_future(copy(self._reader, server.writer.write)),
        }
        try:
            await asyncio.wait(copies, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in copies:
                task.cancel()
            await asyncio.wait(copies)
        await self._flush()

    async def _open(self) -> _Server:
        if self._upstream is None:
            address = self._address
            name = address.server_name if address.tls else None
            reader, writer = await asyncio.open_connection(
                address.host, address.port, ssl=address.tls, server_hostname=name, limit=http1.HEAD_BYTES
            )
            self._upstream = _Server(reader, writer, asyncio.ensure_future(_until_closed(writer)))
        return self._upstream

    def _outgoing(self, head: Head, body: bytes) -> bytes:
        method, target, version = head.line
        headers = [(name, value) for name, value in head.headers if name.lower() not in _REPLACED]
        headers.append(("Host", self._address.authority))
        if body or method in ("POST", "PUT", "PATCH"):
            headers.append(("Content-Length", str(len(body))))
        return Head((method, self._address.base + target, version), headers).encode() + body

    @staticmethod
    async def _answer_head(reader: asyncio.StreamReader) -> Head:
        while True:
            head = await http1.read_head(reader)
            if head is None:
                raise _Closed
            if head.status >= 200 or head.status == 101:
                return head

    async def _send(self, data: bytes) -> None:
        await self._silence()
        self._writer.write(data)
        await self._writer.drain()

    async def _flush(self) -> None:
        """Closes in order: what was sent arrives."""
        await self._silence()
        self._writer.close()
        await _until_closed(self._writer)

    async def _silence(self) -> None:
        """Goes on unless the connection is mute; then it waits for the client to close."""
        if self._muted:
            await asyncio.get_running_loop().create_future()


def _has_length(answer: Head) -> bool:
    return bool(answer.get("content-length"))


def _as_it_is(piece: bytes) -> bytes:
    return piece


async def _until_closed(writer: asyncio.StreamWriter) -> None:
    with contextlib.suppress(OSError):  # how it was closed makes no difference
        await writer.wait_closed()


def _request(head: Head, body: bytes) -> ApiRequest:
    parts = urlsplit(head.line[1])
    return ApiRequest(
        method=head.line[0],
        path=parts.path,
        query=dict(parse_qsl(parts.query, keep_blank_values=True)),
        body=body or None,
        content_type=head.get("content-type"),
        accept=head.get("accept"),
    )


def _chunked(answer: Head) -> Head:
    headers = [(name, value) for name, value in answer.headers if name.lower() not in _HOP_BY_HOP]
    return Head(answer.line, [*headers, ("Transfer-Encoding", "chunked")])


def _answer(fault: Answer, call: Call, limit: int | None) -> bytes:
    failure = fault.failure
    if not (fault.in_stream and call.verb == "watch"):
        whole = http1.response(failure.code, failure.headers(), failure.body(call))
        return whole if limit is None else whole[: whole.index(b"\r\n\r\n") + 4 + limit]
    head = Head(("HTTP/1.1", "200", "OK"), [*_JSON.items(), ("Transfer-Encoding", "chunked")]).encode()
    return head + http1.chunk(failure.event(call)[:limit]) + (http1.chunk(b"") if limit is None else b"")
