"""The HTTP servers of the manager itself: probes and metrics."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from http import HTTPStatus
from typing import TypeAlias

import structlog
from prometheus_client import CollectorRegistry
from prometheus_client.exposition import choose_encoder
from tornado.httpserver import HTTPServer
from tornado.httputil import HTTPHeaders, HTTPServerRequest, ResponseStartLine

from controller_runtime.manager.healthz import Check, probe
from controller_runtime.manager.listen import announce, bind

log = structlog.get_logger(__name__)

Answer: TypeAlias = tuple[int, str, bytes]
"""Status code, content type, body."""
_TEXT = "text/plain; charset=utf-8"
_IDLE_SECONDS = 90  # as controller-runtime's servers


class Endpoint:
    """Serves GET requests on one address, by one function from request to answer."""

    def __init__(self, address: str, purpose: str, answer: Callable[[HTTPServerRequest], Answer]) -> None:
        """Listens at once.

        Raises:
            ListenError: see `bind`.
        """
        self._sockets = bind(address, purpose=purpose)
        self._purpose = purpose
        self._answer = answer

    @property
    def port(self) -> int:
        """The port it listens on, for an address that asked for port 0."""
        return int(self._sockets[0].getsockname()[1])

    async def start(self) -> None:
        """Serves until cancelled, and closes all connections then."""
        server = HTTPServer(self._handle, idle_connection_timeout=_IDLE_SECONDS, max_body_size=1 << 16)
        server.add_sockets(self._sockets)
        announce(self._sockets, purpose=self._purpose)
        try:
            await asyncio.get_running_loop().create_future()
        finally:
            server.stop()
            await server.close_all_connections()

    def close(self) -> None:
        """Stops listening, for an endpoint that is not started."""
        for sock in self._sockets:
            sock.close()

    def _handle(self, request: HTTPServerRequest) -> None:
        if request.method in ("GET", "HEAD"):
            status, content_type, body = self._answer_or_error(request)
        else:
            status, content_type, body = 405, _TEXT, b"only GET and HEAD are answered here\n"
        headers = HTTPHeaders(
            {
                "Content-Type": content_type,
                "Content-Length": str(len(body)),
                "X-Content-Type-Options": "nosniff",
            }
        )
        connection = request.connection
        assert connection is not None
        start_line = ResponseStartLine("HTTP/1.1", status, HTTPStatus(status).phrase)
        connection.write_headers(start_line, headers, body if request.method != "HEAD" else b"")
        connection.finish()

    def _answer_or_error(self, request: HTTPServerRequest) -> Answer:
        try:
            return self._answer(request)
        except Exception as error:
            # Whatever a collector raises: the scraper is to see a failure and its reason, not a connection that breaks.
            log.exception("cannot answer a request", purpose=self._purpose, path=request.path, exc_info=error)
            return 500, _TEXT, f"internal server error: {type(error).__name__}: {error}\n".encode()


def probes(healthz: dict[str, Check], readyz: dict[str, Check]) -> Callable[[HTTPServerRequest], Answer]:
    """Answers `/healthz` and `/readyz`."""
    by_name = {"healthz": healthz, "readyz": readyz}

    def answer(request: HTTPServerRequest) -> Answer:
        name, _, rest = request.path.removeprefix("/").partition("/")
        if name not in by_name or not by_name[name]:
            return 404, _TEXT, b"there are /healthz and /readyz here\n"
        status, text = probe(name, by_name[name], rest, request.query)
        return status, _TEXT, text.encode()

    return answer


def exposition(registry: CollectorRegistry) -> Callable[[HTTPServerRequest], Answer]:
    """Answers `/metrics` in the format that the scraper asks for."""

    def answer(request: HTTPServerRequest) -> Answer:
        if request.path != "/metrics":
            return 404, _TEXT, b"there is /metrics here\n"
        encoder, content_type = choose_encoder(request.headers.get("Accept", ""))
        return 200, content_type, encoder(registry)

    return answer
