"""The transport over HTTP/1.1, on aiohttp.

One session with one pool of connections for all requests, opened on first use in the running event loop. On top of
aiohttp this adds what a client of the API server needs: credentials that change, the fence, retries, our errors.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import ssl
from collections.abc import AsyncIterator, Mapping
from contextvars import ContextVar
from urllib.parse import urlencode, urlsplit

import aiohttp
from aiohttp.connector import Connection
from aiohttp.http_exceptions import HttpProcessingError
from multidict import CIMultiDict
from yarl import URL

from controller_runtime.certificates import KeyPair
from controller_runtime.client.config import Credential, RestConfig
from controller_runtime.client.errors import (
    ClientError,
    ConnectError,
    ConnectionLostError,
    RequestTimeoutError,
    TransportError,
)
from controller_runtime.client.rate_limit import RateLimit, TokenBucket
from controller_runtime.client.rest_metrics import RequestMetrics
from controller_runtime.client.retry import send_with_retries
from controller_runtime.client.tls import tls_context, trusted_cas
from controller_runtime.client.transport import ApiRequest, ApiResponse, ApiStream, Fence

_CONNECT_SECONDS = 30.0  # as Go's dialer
_IDLE_SECONDS = 60.0  # the API server closes idle connections after 90 s; ours go first, so that none is found closed
_READ_BUFFER = 2**18  # 256 KiB: a page of 500 objects costs half the CPU that it does with aiohttp's 64 KiB
_KEEPALIVE = {
    # A dead peer is found after 30 + 3 * 5 = 45 s, like client-go's HTTP/2 ping (30 s idle, 15 s to answer).
    "TCP_KEEPIDLE": 30,
    "TCP_KEEPINTVL": 5,
    "TCP_KEEPCNT": 3,
    # The same for data that was sent and is not acknowledged, which keep-alive does not watch; milliseconds.
    "TCP_USER_TIMEOUT": 45_000,
}
_AIOHTTP_ERRORS = (aiohttp.ClientError, HttpProcessingError, OSError, TimeoutError)


class AiohttpTransport:
    """Carries requests to the server of a RestConfig; see `Transport` for the contract.

    Args:
        config: Where the server is and how to be known to it.
        connection_limit: Requests at the same time; further ones wait. Streams do not count: they stay for minutes, and
            as many as there are informers and namespaces would leave the leader's writes no connection.
        rate_limit: Requests per second; None: no limit but the server's own. A repetition counts anew, a watch when it
            is opened.
    """

    def __init__(self, config: RestConfig, *, connection_limit: int = 100, rate_limit: RateLimit | None = None) -> None:
        self.config = config
        self._places = asyncio.Semaphore(connection_limit)
        self._tokens = TokenBucket(rate_limit) if rate_limit else None
        self._base = config.host.rstrip("/")
        parts = urlsplit(self._base)
        self._metrics = RequestMetrics(parts.netloc)
        # Lists shrink to a tenth, but the server spends more time on it than a local connection saves.
        self._encoding = "identity" if parts.hostname in ("127.0.0.1", "::1", "localhost") else "gzip"
        self._session: aiohttp.ClientSession | None = None
        self._closed = False
        self._credential: Credential | None = None
        self._tls: ssl.SSLContext | bool = True
        self._tls_settings: tuple[str | None, KeyPair | None] | None = None
        self._headers: dict[tuple[str, str, str], CIMultiDict[str]] = {}

    async def send(self, request: ApiRequest) -> ApiResponse:
        """Carry out a request; see `Transport.send`."""
        started = asyncio.get_running_loop().time()
        try:
            async with asyncio.timeout(request.timeout):
                return await send_with_retries(
                    request,
                    lambda: self._attempt(request),
                    on_retry=lambda code: self._metrics.retried(code, request.method),
                )
        except RequestTimeoutError:
            raise
        except TimeoutError as error:
            raise RequestTimeoutError(f"{self._name(request)}: no answer within {request.timeout:g} s") from error
        finally:
            self._metrics.ended(request.method, asyncio.get_running_loop().time() - started)

    @contextlib.asynccontextmanager
    async def stream(self, request: ApiRequest) -> AsyncIterator[ApiStream]:
        """Open a stream; see `Transport.stream`."""
        stream = await send_with_retries(
            request,
            lambda: self._open_stream(request),
            discard=_Stream.close,
            on_retry=lambda code: self._metrics.retried(code, request.method),
        )
        try:
            yield stream
        finally:
            stream.close()

    async def close(self) -> None:
        """Close all connections; see `Transport.close`."""
        self._closed = True
        if self._session is not None:
            if isinstance(connector := self._session.connector, aiohttp.TCPConnector):
                # Without waiting for TLS farewells: a process that ends would leave those connections open.
                await connector.close(abort_ssl=True)
            await self._session.close()
            await asyncio.sleep(0)  # connections that were aborted just now end in the loop's next round

    async def _attempt(self, request: ApiRequest) -> ApiResponse:
        if request.fence is None:
            return await self._exchange(request, _Attempt(self._name(request)))
        try:
            async with asyncio.timeout(request.fence()) as limit:
                return await self._exchange(request, _Attempt(self._name(request), request.fence, limit))
        except RequestTimeoutError:
            raise
        except TimeoutError as error:
            request.fence()  # says so if leadership is why the time was up
            raise RequestTimeoutError(f"{self._name(request)}: no answer while leadership lasted") from error

    async def _exchange(self, request: ApiRequest, attempt: _Attempt) -> ApiResponse:
        await self._wait_for_token(request)
        async with contextlib.nullcontext() if request.express else self._places:
            with attempt:
                response = await self._open(request, _SEND_LIMITS, attempt)
                body = await response.read()
        self._metrics.answered(request.method, len(request.body or b""), len(body))
        return ApiResponse(response.status, response.headers, body)

    async def _wait_for_token(self, request: ApiRequest) -> None:
        if self._tokens is not None and not request.express:
            self._metrics.waited(request.method, await self._tokens.take())

    async def _open_stream(self, request: ApiRequest) -> _Stream:
        await self._wait_for_token(request)
        attempt = _Attempt(self._name(request))
        limits = aiohttp.ClientTimeout(total=request.timeout, connect=_CONNECT_SECONDS, sock_read=request.read_timeout)
        with attempt:
            return _Stream(await self._open(request, limits, attempt), attempt)

    async def _open(
        self, request: ApiRequest, limits: aiohttp.ClientTimeout, attempt: _Attempt
    ) -> aiohttp.ClientResponse:
        """One attempt, until the response's headers are there; counted, whatever becomes of it."""
        headers = await self._prepare(request)
        credential = self._credential
        session = self._open_session()  # after the last wait before its use, during which the transport may be closed
        code = "<error>"
        token = _attempt.set(attempt)
        try:
            response = await session.request(
                request.method,
                URL(self._url(request), encoded=True),
                data=request.body,
                headers=headers,
                allow_redirects=False,
                proxy=self.config.proxy or None,
                ssl=self._tls,
                server_hostname=self.config.server_name or None,
                timeout=limits,
            )
            code = str(response.status)
        except asyncio.CancelledError:
            # Closing the session cancels whoever waits for the resolver, although nobody has cancelled this task.
            task = asyncio.current_task()
            if self._closed and task is not None and not task.cancelling():
                raise self._closed_error() from None
            raise
        finally:
            _attempt.reset(token)
            self._metrics.attempted(code, request.method)
        if response.status == 401 and credential is not None:
            self.config.credentials.reject(credential)
        return response

    def _open_session(self) -> aiohttp.ClientSession:
        if self._closed:
            raise self._closed_error()
        if self._session is None:
            self._session = aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(
                    limit=0, keepalive_timeout=_IDLE_SECONDS, socket_factory=_keepalive_socket
                ),
                cookie_jar=aiohttp.DummyCookieJar(),
                read_bufsize=_READ_BUFFER,
                request_class=_AttemptRequest,
            )
        return self._session

    def _closed_error(self) -> TransportError:
        return TransportError(f"the transport to {self._base} is closed")

    async def _prepare(self, request: ApiRequest) -> CIMultiDict[str]:
        """The headers of a request; also renews the TLS settings when the credential has changed."""
        credential = await self.config.credentials.current()
        if credential is not self._credential:
            self._adopt(credential)
        content_type = request.content_type if request.body is not None else ""
        key = (request.accept, content_type, request.user_agent_suffix)
        headers = self._headers.get(key)
        if headers is None:
            headers = self._headers[key] = self._make_headers(*key, credential.authorization)
        return headers

    def _adopt(self, credential: Credential) -> None:
        if self._base.lower().startswith("https:"):
            settings = trusted_cas(self.config), credential.client_certificate
            if settings != self._tls_settings:
                # A new context: connections made under the old one are not used again, streams on them go on.
                self._tls = tls_context(self.config, credential)
                self._tls_settings = settings
        self._headers.clear()
        self._credential = credential  # last, so that what cannot be used fails the next request too

    def _make_headers(self, accept: str, content_type: str, suffix: str, authorization: str) -> CIMultiDict[str]:
        agent = f"{self.config.user_agent}/{suffix}" if suffix else self.config.user_agent
        headers = CIMultiDict({"Accept": accept, "Accept-Encoding": self._encoding, "User-Agent": agent})
        if content_type:
            headers["Content-Type"] = content_type
        if authorization:
            headers["Authorization"] = authorization
        return headers

    def _url(self, request: ApiRequest) -> str:
        return f"{self._base}{request.path}?{urlencode(request.query)}" if request.query else self._base + request.path

    def _name(self, request: ApiRequest) -> str:
        return f"{request.method} {self._base}{request.path}"


_SEND_LIMITS = aiohttp.ClientTimeout(total=None, connect=_CONNECT_SECONDS)


class _Stream:
    """An ApiStream. An iterator rather than a generator, so that leaving it half-way leaves nothing to be finalised."""

    def __init__(self, response: aiohttp.ClientResponse, attempt: _Attempt) -> None:
        self.status = response.status
        self.headers: Mapping[str, str] = response.headers
        self._response = response
        self._attempt = attempt

    def __aiter__(self) -> AsyncIterator[bytes]:
        return self

    async def __anext__(self) -> bytes:
        with self._attempt:
            chunk = await self._response.content.readany()
        if not chunk:
            raise StopAsyncIteration
        return chunk

    def close(self) -> None:
        self._attempt.abort()
        self._response.close()


class _Attempt:
    """One attempt to send a request; as a context it makes errors ours and leaves no connection behind a failure."""

    __slots__ = ("_connection", "_fence", "_limit", "_name", "_socket")

    def __init__(self, name: str, fence: Fence | None = None, limit: asyncio.Timeout | None = None) -> None:
        self._name = name
        self._fence = fence
        self._limit = limit
        self._connection: Connection | None = None
        self._socket: asyncio.Transport | None = None

    def begin(self, connection: Connection) -> None:
        """Called with the connection in hand, before the first byte; raises what forbids to send it.

        aiohttp sends PUT and DELETE again by itself when the connection is closed before an answer. The server may have
        carried them out all the same, and the second answer (409, 404) would then mislead: retries are ours alone.
        """
        if self._connection is not None:
            if connection.transport is not None:
                connection.transport.abort()  # aiohttp's second one, which nobody else would close before TLS is over
            raise ConnectionLostError(f"{self._name}: the server closed the connection before it answered")
        self._connection = connection
        self._socket = connection.transport
        if self._fence is not None and self._limit is not None:
            self._limit.reschedule(asyncio.get_running_loop().time() + self._fence())

    def abort(self) -> None:
        """Close the connection at once: an orderly end of TLS would wait for the server, perhaps a dead one.

        Not one that went back to the pool after a complete answer: it may be another request's by now.
        """
        if self._connection is None or self._socket is None:
            return
        if self._connection.transport is self._socket or self._socket.is_closing():
            self._socket.abort()

    def __enter__(self) -> None:
        """Nothing to do."""

    def __exit__(self, kind: object, error: BaseException | None, traceback: object) -> None:
        if error is None:
            return
        self.abort()
        if isinstance(error, _AIOHTTP_ERRORS) and not isinstance(error, ClientError):
            raise _transport_error(self._name, error) from error


_attempt: ContextVar[_Attempt] = ContextVar("_attempt")


class _AttemptRequest(aiohttp.ClientRequest):
    """`send` is where aiohttp has the connection in hand: a failure there closes it, and nothing leaves.

    Its trace signals come earlier or lose the connection when a receiver raises.
    """

    async def send(self, conn: Connection) -> aiohttp.ClientResponse:
        _attempt.get().begin(conn)
        return await super().send(conn)


def _transport_error(name: str, error: Exception) -> TransportError:
    if isinstance(error, aiohttp.ConnectionTimeoutError):
        return ConnectError(f"{name}: no connection within {_CONNECT_SECONDS:g} s")
    if isinstance(error, aiohttp.ClientConnectorCertificateError):
        return ConnectError(f"{name}: cannot connect: {error.certificate_error}")
    if isinstance(error, aiohttp.ClientConnectorError):
        return ConnectError(f"{name}: cannot connect: {error.os_error}")
    if isinstance(error, aiohttp.ClientHttpProxyError):
        return ConnectError(f"{name}: the proxy answers {error.status} {error.message}")
    if isinstance(error, TimeoutError):
        return RequestTimeoutError(f"{name}: {str(error) or 'no answer in time'}")
    if isinstance(error, aiohttp.ServerDisconnectedError | aiohttp.ClientPayloadError | OSError):
        return ConnectionLostError(f"{name}: {error}")
    return TransportError(f"{name}: {error}")


def _keepalive_socket(address: aiohttp.AddrInfoType) -> socket.socket:
    family, kind, protocol, _, _ = address
    made = socket.socket(family, kind, protocol)
    made.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for name, value in _KEEPALIVE.items():
        if hasattr(socket, name):  # Linux has them all
            made.setsockopt(socket.IPPROTO_TCP, getattr(socket, name), value)
    return made
