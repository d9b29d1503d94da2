"""The HTTP servers of the manager itself: probes, metrics, debugging."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Awaitable, Callable
from http import HTTPStatus
from typing import NamedTuple, TypeAlias

import structlog
from prometheus_client import CollectorRegistry
from prometheus_client.exposition import choose_encoder
from tornado.http1connection import HTTP1ConnectionParameters, HTTP1ServerConnection
from tornado.httpserver import HTTPServer
from tornado.httputil import HTTPConnection, HTTPHeaders, HTTPMessageDelegate, HTTPServerRequest, ResponseStartLine

from controller_runtime.manager.healthz import Check, probe
from controller_runtime.manager.listen import announce, bind

log = structlog.get_logger(__name__)

TEXT = "text/plain; charset=utf-8"

# Limits of controller-runtime's servers.
_MAX_HEADER_BYTES = 1 << 20
_IDLE_SECONDS = 90.0
_HEADER_SECONDS = 32.0

_MAX_BODY_BYTES = 1 << 16  # nothing here takes a body; a small one is read and dropped
_HEADERS_BY_STATUS = {401: ("WWW-Authenticate", "Bearer"), 405: ("Allow", "GET, HEAD")}


class Answer(NamedTuple):
    """What is sent back."""

    status: int
    content_type: str
    body: bytes


Handler: TypeAlias = Callable[[HTTPServerRequest], Awaitable[Answer]]
"""Answers a GET or a HEAD, whose body is left out afterwards. Requests are answered side by side."""


class Endpoint:
    """Serves GET requests on one address."""

    def __init__(self, address: str, purpose: str, handler: Handler, *, tls: ssl.SSLContext | None = None) -> None:
        """Listens at once.

        Args:
            address: see `bind`.
            purpose: see `bind`.
            handler: answers every path.
            tls: None serves plain HTTP.

        Raises:
            ListenError: see `bind`.
        """
        self._sockets = bind(address, purpose=purpose)
        self._purpose = purpose
        self._handler = handler
        self._tls = tls
        self._requests: set[asyncio.Task[None]] = set()

    @property
    def port(self) -> int:
        """The port it listens on, for an address that asked for port 0."""
        return int(self._sockets[0].getsockname()[1])

    async def start(self) -> None:
        """Serves until cancelled, and closes all connections then."""
        server = _Server(self._begin, ssl_options=self._tls)
        server.add_sockets(self._sockets)
        announce(self._sockets, purpose=self._purpose)
        try:
            await asyncio.get_running_loop().create_future()
        finally:
            server.stop()
            await server.close_all_connections()
            for task in self._requests:
                task.cancel()
            await asyncio.gather(*self._requests, return_exceptions=True)

    def close(self) -> None:
        """Stops listening, for an endpoint that is not started."""
        for sock in self._sockets:
            sock.close()

    def _begin(self, request: HTTPServerRequest) -> None:
        task = asyncio.create_task(self._serve(request), name=f"request to {self._purpose}")
        self._requests.add(task)
        task.add_done_callback(self._requests.discard)

    async def _serve(self, request: HTTPServerRequest) -> None:
        if request.method in ("GET", "HEAD"):
            answer = await self._answer_or_error(request)
        else:
            answer = Answer(405, TEXT, b"only GET and HEAD are answered here\n")
        connection = request.connection
        assert connection is not None
        start_line = ResponseStartLine("HTTP/1.1", answer.status, HTTPStatus(answer.status).phrase)
        connection.write_headers(start_line, _headers_of(answer), answer.body if request.method != "HEAD" else b"")
        connection.finish()

    async def _answer_or_error(self, request: HTTPServerRequest) -> Answer:
        try:
            return await self._handler(request)
        except Exception as error:
            # Whatever a collector raises: the scraper is to see a failure and its reason, not a connection that breaks.
            log.exception("cannot answer a request", purpose=self._purpose, path=request.path, exc_info=error)
            return Answer(500, TEXT, f"internal server error: {type(error).__name__}: {error}\n".encode())


class _Server(HTTPServer):
    """Tornado's server with the limits of controller-runtime's.

    Tornado knows one time limit for headers, from the end of the last response to the end of the next headers. It is
    the shorter one for a new connection, handshake included, and that for idle ones from then on.
    """

    def initialize(  # type: ignore[override]
        self, request_callback: Callable[[HTTPServerRequest], None], *, ssl_options: ssl.SSLContext | None
    ) -> None:
        super().initialize(
            request_callback,
            ssl_options=ssl_options,
            max_header_size=_MAX_HEADER_BYTES,
            max_body_size=_MAX_BODY_BYTES,
            idle_connection_timeout=_HEADER_SECONDS,
            body_timeout=_HEADER_SECONDS,
        )
        self._of_idle_connections = HTTP1ConnectionParameters(
            max_header_size=_MAX_HEADER_BYTES,
            max_body_size=_MAX_BODY_BYTES,
            header_timeout=_IDLE_SECONDS,
            body_timeout=_HEADER_SECONDS,
        )

    def start_request(self, server_conn: object, request_conn: HTTPConnection) -> HTTPMessageDelegate:
        assert isinstance(server_conn, HTTP1ServerConnection)
        server_conn.params = self._of_idle_connections  # for the next request: `request_conn` has the others
        return super().start_request(server_conn, request_conn)


def _headers_of(answer: Answer) -> HTTPHeaders:
    headers = HTTPHeaders(
        {
            "Content-Type": answer.content_type,
            "Content-Length": str(len(answer.body)),
            "X-Content-Type-Options": "nosniff",
        }
    )
    if answer.status in _HEADERS_BY_STATUS:
        name, value = _HEADERS_BY_STATUS[answer.status]
        headers[name] = value
    return headers


def probes(healthz: dict[str, Check], readyz: dict[str, Check]) -> Handler:
    """Answers `/healthz` and `/readyz`."""
    by_name = {"healthz": healthz, "readyz": readyz}

    async def answer(request: HTTPServerRequest) -> Answer:
        name, _, rest = request.path.removeprefix("/").partition("/")
        if name not in by_name or not by_name[name]:
            return Answer(404, TEXT, b"there are /healthz and /readyz here\n")
        status, text = probe(name, by_name[name], rest, request.query)
        return Answer(status, TEXT, text.encode())

    return answer


def exposition(registry: CollectorRegistry) -> Handler:
    """Answers every path with the metrics, in the format that the scraper asks for."""

    async def answer(request: HTTPServerRequest) -> Answer:
        encoder, content_type = choose_encoder(request.headers.get("Accept", ""))
        return Answer(200, content_type, encoder(registry))

    return answer


def by_path(handlers: dict[str, Handler]) -> Handler:
    """Leaves each request to the handler of its path; 404 for a path that has none."""

    async def answer(request: HTTPServerRequest) -> Answer:
        handler = handlers.get(request.path)
        if handler is None:
            return Answer(404, TEXT, f"there is {', '.join(handlers)} here\n".encode())
        return await handler(request)

    return answer
