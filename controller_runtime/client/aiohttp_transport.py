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
from prometheus_client import Counter
from yarl import URL

from controller_runtime.client.config import Credential, RestConfig
from controller_runtime.client.errors import (
    ClientError,
    ConfigError,
    ConnectError,
    ConnectionLostError,
    RequestTimeoutError,
    TransportError,
)
from controller_runtime.client.retry import send_with_retries
from controller_runtime.client.transport import ApiRequest, ApiResponse, ApiStream, Fence
from controller_runtime.metrics import REST_REQUESTS

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
    """

    def __init__(self, config: RestConfig, *, connection_limit: int = 100) -> None:
        self.config = config
        self._places = asyncio.Semaphore(connection_limit)
        self._base = config.host.rstrip("/")
        parts = urlsplit(self._base)
        self._metric_host = parts.netloc
        # Lists shrink to a tenth, but the server spends more time on it than a local connection saves.
        self._encoding = "identity" if parts.hostname in ("127.0.0.1", "::1", "localhost") else "gzip"
        self._session: aiohttp.ClientSession | None = None
        self._closed = False
        self._credential: Credential | None = None
        self._tls: ssl.SSLContext | bool = True
        self._headers: dict[tuple[str, str], CIMultiDict[str]] = {}
        self._counters: dict[tuple[str, str], Counter] = {}

    async def send(self, request: ApiRequest) -> ApiResponse:
        """Carry out a request; see `Transport.send`."""
        try:
            async with asyncio.timeout(request.timeout):
                return await send_with_retries(request, lambda: self._attempt(request))
        except RequestTimeoutError:
            raise
        except TimeoutError as error:
            raise RequestTimeoutError(f"{self._name(request)}: no answer within {request.timeout:g} s") from error

    @contextlib.asynccontextmanager
    async def stream(self, request: ApiRequest) -> AsyncIterator[ApiStream]:
        """Open a stream; see `Transport.stream`."""
        stream = await send_with_retries(request, lambda: self._open_stream(request), discard=_Stream.close)
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
        async with self._places:
            with attempt:
                response = await self._open(request, _SEND_LIMITS, attempt)
                return ApiResponse(response.status, response.headers, await response.read())

    async def _open_stream(self, request: ApiRequest) -> _Stream:
        attempt = _Attempt(self._name(request))
        limits = aiohttp.ClientTimeout(total=request.timeout, connect=_CONNECT_SECONDS, sock_read=request.read_timeout)
        with attempt:
            return _Stream(await self._open(request, limits, attempt), attempt)

    async def _open(
        self, request: ApiRequest, limits: aiohttp.ClientTimeout, attempt: _Attempt
    ) -> aiohttp.ClientResponse:
        """One attempt, until the response's headers are there; counted, whatever becomes of it."""
        headers = await self._prepare(request)
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
            self._count(code, request.method)
        if response.status == 401:
            self.config.credentials.reject()
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
        key = (request.accept, request.content_type if request.body is not None else "")
        headers = self._headers.get(key)
        if headers is None:
            headers = self._headers[key] = self._make_headers(*key, credential.authorization)
        return headers

    def _adopt(self, credential: Credential) -> None:
        old = self._credential
        if self._base.startswith("https:") and (old is None or _files(old) != _files(credential)):
            # A new context: connections made under the old one are not used again, streams on them go on.
            self._tls = _tls_context(self.config, credential)
        self._headers.clear()
        self._credential = credential  # last, so that files that cannot be read fail the next request too

    def _make_headers(self, accept: str, content_type: str, authorization: str) -> CIMultiDict[str]:
        headers = CIMultiDict(
            {"Accept": accept, "Accept-Encoding": self._encoding, "User-Agent": self.config.user_agent}
        )
        if content_type:
            headers["Content-Type"] = content_type
        if authorization:
            headers["Authorization"] = authorization
        return headers

    def _url(self, request: ApiRequest) -> str:
        return f"{self._base}{request.path}?{urlencode(request.query)}" if request.query else self._base + request.path

    def _name(self, request: ApiRequest) -> str:
        return f"{request.method} {self._base}{request.path}"

    def _count(self, code: str, method: str) -> None:
        counter = self._counters.get((code, method))
        if counter is None:
            counter = REST_REQUESTS.labels(code=code, method=method, host=self._metric_host)
            self._counters[code, method] = counter
        counter.inc()


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


def _files(credential: Credential) -> tuple[str, str, int]:
    return credential.cert_file, credential.key_file, credential.files_version


def _tls_context(config: RestConfig, credential: Credential) -> ssl.SSLContext:
    try:
        context = ssl.create_default_context(cafile=config.ca_file or None)
        if credential.cert_file:
            context.load_cert_chain(credential.cert_file, credential.key_file or None)
    except OSError as error:  # ssl.SSLError is one
        files = ", ".join(filter(None, (config.ca_file, credential.cert_file, credential.key_file)))
        raise ConfigError(f"TLS to {config.host} cannot be set up from {files or 'the system CAs'}: {error}") from error
    # Python 3.13 demands extensions of RFC 5280 that the CAs of many clusters lack; Go's verifier does not.
    context.verify_flags &= ~ssl.VERIFY_X509_STRICT
    context.set_alpn_protocols(["http/1.1"])
    if not config.verify_tls:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return context


def _keepalive_socket(address: aiohttp.AddrInfoType) -> socket.socket:
    family, kind, protocol, _, _ = address
    made = socket.socket(family, kind, protocol)
    made.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for name, value in _KEEPALIVE.items():
        if hasattr(socket, name):  # Linux has them all
            made.setsockopt(socket.IPPROTO_TCP, getattr(socket, name), value)
    return made
