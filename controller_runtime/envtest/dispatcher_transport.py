"""A transport to the embedded API server within this process: no sockets, threads or files, on the caller's loop.

As it has no time of its own, whatever runs on it runs on virtual time where the loop does.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Mapping
from typing import Final
from urllib.parse import unquote, urlencode

import structlog

from controller_runtime.client import (
    ApiRequest,
    ApiResponse,
    ApiStream,
    ConnectionLostError,
    TransportError,
    default_user_agent,
    send_with_retries,
)
from controller_runtime.envtest.apiserver.exchange import Answer, Query, Request, Response, StreamResponse
from controller_runtime.envtest.limits import StreamClock, carry_out, name_of
from controller_runtime.envtest.streams import Body

_UNREAD: Final = 256
"""Pieces of a watch that may wait for their reader, as in the buffers of a connection; then its server waits."""
_STALLED_SECONDS: Final = 60.0
"""How long it waits before it ends the watch; the embedded server on sockets does the same."""

log = structlog.get_logger(__name__)


class DispatcherTransport:
    """Asks a dispatcher; see `Transport` for the contract.

    Requests are tried again, limited and fenced as over HTTP. Nothing takes time, but the loop turns before a request
    is carried out and before its answer is there, so that other tasks run, and a cancellation in between leaves a write
    without an answer.

    Args:
        dispatch: Answers a request at once.
        token: Bearer token; empty asks as nobody.
        user_agent: None takes that of `default_user_agent()`.
    """

    def __init__(
        self, dispatch: Callable[[Request], Answer], *, token: str = "", user_agent: str | None = None
    ) -> None:
        self._dispatch = dispatch
        self._headers = {"user-agent": user_agent or default_user_agent()}
        if token:
            self._headers["authorization"] = f"Bearer {token}"
        self._streams: set[_Watch] = set()
        self._closed = False

    async def send(self, request: ApiRequest) -> ApiResponse:
        """Carry out a request; see `Transport.send`."""
        return await carry_out(request, lambda: self._exchange(request))

    @contextlib.asynccontextmanager
    async def stream(self, request: ApiRequest) -> AsyncIterator[ApiStream]:
        """Open a stream; see `Transport.stream`."""
        stream = await send_with_retries(request, lambda: self._open(request))
        try:
            yield stream
        finally:
            if isinstance(stream, _Watch):
                self._streams.discard(stream)
                await stream.close()

    async def close(self) -> None:
        """Refuse further requests; those in flight end with a TransportError."""
        self._closed = True
        for stream in self._streams:
            stream.fail(self._closed_error())

    async def _exchange(self, request: ApiRequest) -> ApiResponse:
        answer = await self._ask(request)
        if isinstance(answer, StreamResponse):
            body = b"".join([chunk async for chunk in answer.chunks])
            return ApiResponse(answer.status, {"Content-Type": answer.content_type}, body)
        return ApiResponse(answer.status, _title_case(answer), answer.body)

    async def _open(self, request: ApiRequest) -> Body | _Watch:
        answer = await self._ask(request)
        if isinstance(answer, Response):
            return Body(answer.status, _title_case(answer), (answer.body,))
        stream = _Watch(answer, request)
        self._streams.add(stream)
        return stream

    async def _ask(self, request: ApiRequest) -> Answer:
        await asyncio.sleep(0)
        if self._closed:
            raise self._closed_error()
        if request.fence is not None:
            request.fence()
        answer = self._dispatch(self._request(request))
        await asyncio.sleep(0)
        if self._closed:
            raise self._closed_error()
        return answer

    def _request(self, request: ApiRequest) -> Request:
        headers = self._headers | {"accept": request.accept}
        if request.user_agent_suffix:
            headers["user-agent"] += f"/{request.user_agent_suffix}"
        if request.body is not None:
            headers["content-type"] = request.content_type
        query = Query(urlencode(request.query))
        return Request(request.method, unquote(request.path), query, headers, request.body or b"")

    @staticmethod
    def _closed_error() -> TransportError:
        return TransportError("the transport to the API server in this process is closed")


def _title_case(answer: Response) -> Mapping[str, str]:
    headers: dict[str, str] = {"Content-Type": answer.content_type} if answer.content_type else {}
    for name, value in answer.headers:
        headers.setdefault(name, value)
    return headers


class _Watch:
    """An answer that a task reads as the server would send it: on time, whether its client reads or not."""

    def __init__(self, answer: StreamResponse, request: ApiRequest) -> None:
        self.status = answer.status
        self.headers: Mapping[str, str] = {"Content-Type": answer.content_type}
        self._name = name_of(request)
        self._answer = answer
        self._clock = StreamClock(request)
        self._queue: asyncio.Queue[bytes | Exception | None] = asyncio.Queue(_UNREAD)
        self._failure: Exception | None = None
        self._sender = asyncio.get_running_loop().create_task(self._send())

    def __aiter__(self) -> AsyncIterator[bytes]:
        return self

    async def __anext__(self) -> bytes:
        piece = await self._clock.limit(self._next())
        if piece is None:
            raise StopAsyncIteration
        return piece

    async def _next(self) -> bytes | None:
        piece = self._failure or await self._queue.get()
        if isinstance(piece, Exception):
            self._failure = piece
            raise piece
        return piece

    async def _send(self) -> None:
        end = None
        try:
            async for chunk in self._answer.chunks:
                async with asyncio.timeout(_STALLED_SECONDS):
                    await self._queue.put(chunk)
        except TimeoutError:
            end = ConnectionLostError(f"{self._name}: the server ends a watch that is not read")
        except Exception as error:
            # A bug of the server, which costs this client its stream.
            log.exception("a stream broke", request=self._name)
            end = ConnectionLostError(f"{self._name}: the server failed: {error}")
        finally:
            await self._answer.chunks.aclose()
        await self._queue.put(end)

    def fail(self, error: Exception) -> None:
        """Breaks it at once."""
        self._failure = error
        if self._queue.empty():
            self._queue.put_nowait(error)

    async def close(self) -> None:
        """Ends it; its reader is gone."""
        self._sender.cancel()
        await asyncio.wait({self._sender})
