"""The HTTP server of the boot endpoints: sockets, limits, draining. Tornado speaks HTTP, `BootEndpoints` answers."""

from __future__ import annotations

import asyncio
import functools
import logging
import resource
import socket
import time
from collections.abc import Sequence
from email.utils import formatdate
from http import HTTPStatus
from typing import Final, NamedTuple, Protocol, cast

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
from tornado.iostream import IOStream

from api.v1alpha1 import BootConfig
from controller_runtime.manager import ListenError, announce, bind
from machines import Stage
from webserver.exchange import Request, Response
from webserver.metrics import CONNECTIONS, REFUSED_CONNECTIONS, request_duration, requests

MAX_HEADER_BYTES: Final = 64 << 10
"""Request line and headers. What is longer costs the client its connection and us one log line."""
MAX_BODY_BYTES: Final = 64 << 10
"""No endpoint takes a body; a small one is read and dropped, so that the connection can be used again."""
IDLE_SECONDS: Final = 90.0
"""For a whole request's headers to arrive, counted from the end of the last response: also against slow senders."""
BODY_SECONDS: Final = 10.0
"""For a whole request's body to arrive."""
STALL_SECONDS: Final = 120.0
"""For the client to take the whole response; iPXE's own limit. Older builds stall for ever."""
DRAIN_SECONDS: Final = 5.0
"""What requests under way may take at the end of the process."""

_GRACE_SECONDS = 0.1  # for requests that clients had sent before the end began
_RESERVED_DESCRIPTORS = 128
_FEWEST_CONNECTIONS = 64
_MOST_CONNECTIONS = 1 << 20  # where the number of files is not limited
_LONGEST_LOG_MESSAGE = 300
_REASONS = {status.value: status.phrase for status in HTTPStatus}
_BROKEN = Response("other", 500, b"the boot operator has a bug, see its log\n")

log = structlog.get_logger(__name__)


class ListenAddress(NamedTuple):
    """Where to listen."""

    address: str
    """`host:port`, or `:port` for all interfaces; port 0 takes a free one."""
    purpose: str
    """What listens there and how to move it, for the error: `the boot server (--boot-server-address)`."""


class Endpoints(Protocol):
    """Answers requests."""

    def respond(self, request: Request) -> Response:
        """The response to any request."""
        ...


class Recorder(Protocol):
    """Takes note of what has been delivered."""

    def record(self, config: BootConfig, stage: Stage) -> None:
        """What the configuration says for that stage has been sent."""
        ...


class BootServer:
    """Serves the endpoints on all its addresses; a Runnable for every replica, to be added as `Group.SERVING`.

    Args:
        endpoints: answers requests.
        recorder: told of each payload that was handed to the socket without error; never of a HEAD.
        addresses: where to listen; each answers all paths.
        max_connections: connections at once; by default what the process may open, but for a reserve.
    """

    needs_leader_election = False

    def __init__(
        self,
        endpoints: Endpoints,
        recorder: Recorder,
        addresses: Sequence[ListenAddress],
        *,
        max_connections: int | None = None,
    ) -> None:
        self._endpoints = endpoints
        self._recorder = recorder
        self._addresses = tuple(addresses)
        self._max_connections = max_connections or _affordable_connections()
        self._sockets: list[list[socket.socket]] = []
        """Of each address, until they are served."""
        self.ports: tuple[int, ...] = ()
        """The port of each address, in order; empty before `bind`."""
        self._exchanges: set[_Exchange] = set()
        """Requests of which the headers have arrived and the response has not been taken by the kernel."""
        self._idle = asyncio.Event()

    def bind(self) -> None:
        """Takes all addresses, so that a taken one is noticed before anything runs; `start` does it if nobody has.

        Raises:
            ListenError: an address is malformed or cannot be had; the text names it. None is held then.
        """
        if self._sockets:
            return
        try:
            for address, purpose in self._addresses:
                self._sockets.append(bind(address, purpose=purpose))
        except ListenError:
            self.close()
            raise
        self.ports = tuple(int(sockets[0].getsockname()[1]) for sockets in self._sockets)

    def close(self) -> None:
        """Lets go of addresses that were taken and have not been served; for a start that fails elsewhere."""
        for sock in self._take_sockets():
            sock.close()

    def _take_sockets(self) -> list[socket.socket]:
        taken = [sock for sockets in self._sockets for sock in sockets]
        self._sockets.clear()
        return taken

    async def start(self) -> None:
        """Serves until cancelled, then finishes what is under way within `DRAIN_SECONDS`.

        Raises:
            ListenError: as `bind`.
        """
        self.bind()
        listening = list(zip(self._sockets, self._addresses, strict=True))
        server = _Server(_Delegate(self), max_connections=self._max_connections)
        tornado_log = logging.getLogger("tornado.general")
        tornado_log.addFilter(_cut_short)
        server.add_sockets(self._take_sockets())
        for sockets, (_, purpose) in listening:
            announce(sockets, purpose=purpose)
        try:
            await asyncio.get_running_loop().create_future()
        finally:
            server.stop()
            await self._drain(server)
            tornado_log.removeFilter(_cut_short)
            log.info("stopped serving")

    async def _drain(self, server: HTTPServer) -> None:
        server.conn_params.no_keep_alive = True
        try:
            await asyncio.sleep(_GRACE_SECONDS)
            if self._exchanges:
                self._idle.clear()
                async with asyncio.timeout(DRAIN_SECONDS):
                    await self._idle.wait()
        except TimeoutError:
            log.warning("requests were cut off at the end", requests=len(self._exchanges))
        finally:
            await server.close_all_connections()

    # For the exchanges

    def began(self, exchange: _Exchange) -> None:
        """A request's headers have arrived."""
        self._exchanges.add(exchange)

    def ended(self, exchange: _Exchange) -> None:
        """Its response has been sent, or its connection has been closed."""
        self._exchanges.discard(exchange)
        if not self._exchanges:
            self._idle.set()

    def respond(self, request: Request) -> Response:
        """The response of the endpoints; 500 if they fail."""
        try:
            return self._endpoints.respond(request)
        except Exception:
            # A bug, which must cost this client its answer and nobody else anything.
            log.exception("cannot answer a request", method=request.method, target=request.target[:300])
            return _BROKEN

    def delivered(self, response: Response) -> None:
        """A payload was handed to the socket."""
        if response.payload is not None:
            self._recorder.record(response.payload.config, response.payload.stage)


class _Server(HTTPServer):
    """Tornado's server with our limits and a bound on connections."""

    def initialize(self, request_callback: _Delegate, *, max_connections: int) -> None:  # type: ignore[override]
        super().initialize(
            request_callback,
            max_header_size=MAX_HEADER_BYTES,
            max_body_size=MAX_BODY_BYTES,
            idle_connection_timeout=IDLE_SECONDS,
            body_timeout=BODY_SECONDS,
        )
        self._max_connections = max_connections
        self._open = 0
        self._is_full = False

    def handle_stream(self, stream: IOStream, address: tuple[str, int]) -> None:
        if self._open >= self._max_connections:
            self._refuse(stream)
            return
        self._is_full = False
        self._open += 1
        CONNECTIONS.inc()
        super().handle_stream(stream, address)

    def _refuse(self, stream: IOStream) -> None:
        REFUSED_CONNECTIONS.inc()
        stream.close()
        if not self._is_full:
            self._is_full = True
            log.warning("too many connections, new ones are closed", connections=self._open)

    def on_close(self, server_conn: object) -> None:
        self._open -= 1
        CONNECTIONS.dec()
        super().on_close(server_conn)


class _Delegate(HTTPServerConnectionDelegate):
    """Makes an exchange for each request.

    Tornado's own adapter for callbacks would also parse query and body, and refuse hosts by rules of its own.
    """

    def __init__(self, server: BootServer) -> None:
        self._server = server

    def start_request(self, server_conn: object, request_conn: HTTPConnection) -> _Exchange:  # noqa: ARG002 - Tornado's
        return _Exchange(self._server, cast("HTTP1Connection", request_conn))


class _Exchange(HTTPMessageDelegate):
    """One request and its response.

    The response is finished only when the kernel has taken all of it, which for small ones is at once: then it counts
    as delivered.
    """

    __slots__ = ("_began", "_connection", "_headers", "_server", "_stall", "_start_line")

    def __init__(self, server: BootServer, connection: HTTP1Connection) -> None:
        self._server = server
        self._connection = connection
        self._stall: asyncio.TimerHandle | None = None

    def headers_received(self, start_line: RequestStartLine | ResponseStartLine, headers: HTTPHeaders) -> None:
        self._began = time.perf_counter()
        self._start_line = cast("RequestStartLine", start_line)
        self._headers = headers
        self._server.began(self)

    def data_received(self, chunk: bytes) -> None:
        """Drops it: no endpoint takes a body."""

    def on_connection_close(self) -> None:
        """The connection was closed before the request was complete."""
        self._server.ended(self)

    def finish(self) -> None:
        """The request is complete: answers it."""
        stream = self._connection.stream
        if stream.closed():
            self._server.ended(self)
            return
        method, target, _ = self._start_line
        if len(forwarded := self._headers.get_list("X-Forwarded-For")) > 1:
            self._headers["X-Forwarded-For"] = forwarded[0]
        port = stream.socket.getsockname()[1]
        response = self._server.respond(Request(method, target, self._headers, port))
        line = ResponseStartLine("HTTP/1.1", response.status, _REASONS[response.status])
        body = None if method == "HEAD" else response.body
        written = self._connection.write_headers(line, _headers_of(response), body)
        if written.done():
            self._sent(response)
        else:
            self._stall = asyncio.get_running_loop().call_later(STALL_SECONDS, stream.close)
            written.add_done_callback(functools.partial(self._sent, response))

    def _sent(self, response: Response, _: object = None) -> None:
        """The kernel has taken the response, or the connection was closed before."""
        if self._stall is not None:
            self._stall.cancel()
        was_sent = not self._connection.stream.closed()
        self._connection.finish()
        if was_sent and self._start_line.method != "HEAD":
            self._server.delivered(response)
        requests(response.endpoint, response.status).inc()
        request_duration(response.endpoint).observe(time.perf_counter() - self._began)
        self._server.ended(self)


def _headers_of(response: Response) -> HTTPHeaders:
    headers = HTTPHeaders()
    headers["Date"] = _date(int(time.time()))
    headers["Content-Type"] = response.content_type
    headers["Content-Length"] = str(len(response.body))
    for name, value in response.headers:
        headers[name] = value
    return headers


@functools.lru_cache(maxsize=1)
def _date(seconds: int) -> str:
    return formatdate(seconds, usegmt=True)


def _affordable_connections() -> int:
    """As many as the process may open files, less a reserve for the API server, probes and files."""
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft == resource.RLIM_INFINITY:
        return _MOST_CONNECTIONS
    return max(soft - _RESERVED_DESCRIPTORS, _FEWEST_CONNECTIONS)


def _cut_short(record: logging.LogRecord) -> bool:
    """Keeps a client's malformed message from filling the log: Tornado quotes it whole."""
    message = record.getMessage()
    if len(message) > _LONGEST_LOG_MESSAGE:
        record.msg, record.args = f"{message[:_LONGEST_LOG_MESSAGE]}...", None
    return True
