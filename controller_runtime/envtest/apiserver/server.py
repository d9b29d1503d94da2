"""The sockets: Tornado speaks HTTP and TLS, somebody else answers."""

from __future__ import annotations

import asyncio
import socket
import ssl
import uuid
from collections.abc import AsyncIterator, Callable, Sequence
from email.utils import formatdate
from http import HTTPStatus
from typing import Final, cast
from urllib.parse import unquote, urlsplit

import structlog
from tornado.http1connection import HTTP1Connection
from tornado.httpserver import HTTPServer
from tornado.httputil import (
    HTTPConnection,
    HTTPHeaders,
    HTTPMessageDelegate,
    HTTPServerConnectionDelegate,
    RequestStartLine,
    ResponseStartLine,
)
from tornado.iostream import StreamClosedError

from controller_runtime.envtest.apiserver.exchange import (
    MAX_BODY_BYTES,
    Answer,
    Query,
    Request,
    Response,
    StreamResponse,
)

_MAX_REQUEST_BYTES: Final = 64 << 20
"""What is read of a request at all. What is over the dispatcher's limit, which answers that, is not kept."""
_IDLE_SECONDS: Final = 90.0
_STALLED_SECONDS: Final = 60.0
"""How long the reader of a watch may take nothing before the watch ends."""
_REPEATED: Final = frozenset({"Vary", "Warning"})
"""Headers that an answer may have several of."""
_REASONS: Final = {status.value: status.phrase for status in HTTPStatus}

log = structlog.get_logger(__name__)


class Server:
    """Serves on sockets.

    Args:
        dispatch: answers a request, at once.
        sockets: listen already.
        tls: the server's certificate; None speaks plain HTTP.
    """

    def __init__(
        self, dispatch: Callable[[Request], Answer], sockets: Sequence[socket.socket], tls: ssl.SSLContext | None
    ) -> None:
        self.dispatch = dispatch
        self._streams: set[asyncio.Task[None]] = set()
        self._server = HTTPServer(
            _Delegate(self),
            ssl_options=tls,
            idle_connection_timeout=_IDLE_SECONDS,
            max_body_size=_MAX_REQUEST_BYTES,
            max_header_size=1 << 20,
        )
        self._server.add_sockets(sockets)

    def stream(self, response: StreamResponse, request: HTTPHeaders, connection: HTTP1Connection) -> None:
        """Sends an answer that comes piece by piece."""
        task = asyncio.get_running_loop().create_task(_send_stream(response, request, connection))
        self._streams.add(task)
        task.add_done_callback(self._streams.discard)

    async def stop(self) -> None:
        """Ends all watches and connections."""
        self._server.stop()
        for task in list(self._streams):
            task.cancel()
        if self._streams:
            await asyncio.wait(self._streams)
        await self._server.close_all_connections()


async def _send_stream(response: StreamResponse, request: HTTPHeaders, connection: HTTP1Connection) -> None:
    """Sends until the answer ends or the client goes away, whichever is first."""
    closed = asyncio.get_running_loop().create_future()
    connection.set_close_callback(lambda: None if closed.done() else closed.set_result(None))
    line = ResponseStartLine("HTTP/1.1", response.status, _REASONS[response.status])
    headers = _headers(request, response.content_type)
    sender = asyncio.ensure_future(_send_chunks(response.chunks, connection, line, headers))
    try:
        await asyncio.wait({sender, closed}, return_when=asyncio.FIRST_COMPLETED)
    finally:
        sender.cancel()
        await asyncio.wait({sender})
        await response.chunks.aclose()
    error = None if sender.cancelled() else sender.exception()
    if error is not None and not isinstance(error, StreamClosedError | TimeoutError):
        log.error("a stream broke", exc_info=error)
    if error is not None or sender.cancelled():
        connection.close()
    else:
        connection.finish()


async def _send_chunks(
    chunks: AsyncIterator[bytes], connection: HTTP1Connection, line: ResponseStartLine, headers: HTTPHeaders
) -> None:
    await connection.write_headers(line, headers)
    async for chunk in chunks:
        async with asyncio.timeout(_STALLED_SECONDS):
            await connection.write(chunk)


class _Delegate(HTTPServerConnectionDelegate):
    def __init__(self, server: Server) -> None:
        self._server = server

    def start_request(self, server_conn: object, request_conn: HTTPConnection) -> _Exchange:  # noqa: ARG002 - Tornado's
        return _Exchange(self._server, cast("HTTP1Connection", request_conn))


class _Exchange(HTTPMessageDelegate):
    """One request and its answer."""

    def __init__(self, server: Server, connection: HTTP1Connection) -> None:
        self._server = server
        self._connection = connection
        self._body = bytearray()

    def headers_received(self, start_line: RequestStartLine | ResponseStartLine, headers: HTTPHeaders) -> None:
        self._line = cast("RequestStartLine", start_line)
        self._headers = headers

    def data_received(self, chunk: bytes) -> None:
        if len(self._body) <= MAX_BODY_BYTES:
            self._body += chunk

    def finish(self) -> None:
        """The request is complete."""
        answer = self._server.dispatch(_request(self._line, self._headers, bytes(self._body)))
        if isinstance(answer, Response):
            self._send(answer)
        elif self._line.method == "HEAD":
            self._send(Response(answer.status, b"", answer.content_type))
        else:
            self._server.stream(answer, self._headers, self._connection)

    def _send(self, answer: Response) -> None:
        headers = _headers(self._headers, answer.content_type)
        headers["Content-Length"] = str(len(answer.body))
        for name, value in answer.headers:
            if name in _REPEATED:
                headers.add(name, value)
            else:
                headers[name] = value
        line = ResponseStartLine("HTTP/1.1", answer.status, _REASONS.get(answer.status, "Unknown"))
        body = b"" if self._line.method == "HEAD" else answer.body
        self._connection.write_headers(line, headers, body)
        self._connection.finish()


def _headers(request: HTTPHeaders, content_type: str) -> HTTPHeaders:
    """What every answer has."""
    headers = {
        "Audit-Id": request.get("Audit-Id") or str(uuid.uuid4()),
        "Cache-Control": "no-cache, private",
        "Date": formatdate(usegmt=True),
    }
    return HTTPHeaders(headers | {"Content-Type": content_type} if content_type else headers)


def _request(line: RequestStartLine, headers: HTTPHeaders, body: bytes) -> Request:
    path, _, query = line.path.partition("?")
    if not path.startswith("/"):
        # A proxy's form of the request, with the server's address in front.
        path = urlsplit(path).path
    names = {name.lower(): value for name, value in headers.items()}
    return Request(line.method, unquote(path) if "%" in path else path, Query(query), names, body)
