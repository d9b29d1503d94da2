"""What an `Interceptor` does to a call: hooks, and the usual ones ready made."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, replace
from typing import Final, TypeAlias

from controller_runtime.client import ApiRequest, ApiResponse, ApiStream, ConnectError, ConnectionLostError
from controller_runtime.envtest.calls import Call
from controller_runtime.envtest.faults import Failure
from controller_runtime.envtest.streams import Body

Proceed: TypeAlias = Callable[[ApiRequest], Awaitable[ApiResponse]]
"""Hands a request on, and brings its answer."""
Hook: TypeAlias = Callable[[Call, Proceed], Awaitable[ApiResponse]]
"""Answers a call: by itself, or by handing `call.request`, or another request, on."""
OpenStream: TypeAlias = Callable[[ApiRequest], Awaitable[ApiStream]]
"""The same as `Proceed` for watches. The stream is closed with the watch."""
WatchHook: TypeAlias = Callable[[Call, OpenStream], Awaitable[ApiStream]]
"""The same as `Hook` for watches."""


async def pass_on(call: Call, proceed: Proceed) -> ApiResponse:
    """Nothing happens to a request."""
    return await proceed(call.request)


async def pass_on_watch(call: Call, proceed: OpenStream) -> ApiStream:
    """Nothing happens to a watch."""
    return await proceed(call.request)


@dataclass(frozen=True, slots=True)
class Effect:
    """What happens to requests, and what to watches."""

    send: Hook = pass_on
    stream: WatchHook = pass_on_watch


def before(act: Callable[[Call], Awaitable[None]]) -> Effect:
    """Something that comes first; if it raises, the call is not carried out."""

    async def send(call: Call, proceed: Proceed) -> ApiResponse:
        await act(call)
        return await proceed(call.request)

    async def stream(call: Call, proceed: OpenStream) -> ApiStream:
        await act(call)
        return await proceed(call.request)

    return Effect(send, stream)


def delay(seconds: float) -> Effect:
    """The call takes longer."""

    async def act(_: Call) -> None:
        await asyncio.sleep(seconds)

    return before(act)


def hang() -> Effect:
    """The call is never carried out, nor answered."""

    async def act(_: Call) -> None:
        await asyncio.get_running_loop().create_future()

    return before(act)


def refuse() -> Effect:
    """There is no server."""

    async def act(call: Call) -> None:
        raise ConnectError(f"{call}: cannot connect: connection refused, as the test has planned")

    return before(act)


def throw(error: Exception) -> Effect:
    """The call ends with an error."""

    async def act(_: Call) -> None:
        raise error.with_traceback(None)

    return before(act)


def lose(*, carried_out: bool) -> Effect:
    """The connection breaks, before the call is carried out or after."""

    def lost(call: Call) -> ConnectionLostError:
        return ConnectionLostError(f"{call}: connection reset by peer, as the test has planned")

    async def send(call: Call, proceed: Proceed) -> ApiResponse:
        if carried_out:
            await proceed(call.request)
        raise lost(call)

    async def stream(call: Call, proceed: OpenStream) -> ApiStream:
        if not carried_out:
            raise lost(call)
        opened = await proceed(call.request)
        return Body(opened.status, opened.headers, (), lost(call))

    return Effect(send, stream)


def answer(failure: Failure, *, in_stream: bool) -> Effect:
    """The server reports a failure."""

    async def send(call: Call, _: Proceed) -> ApiResponse:
        return ApiResponse(failure.code, failure.headers(), failure.body(call))

    async def stream(call: Call, _: OpenStream) -> ApiStream:
        if in_stream:
            return Body(200, _WATCH_HEADERS, (failure.event(call),))
        return Body(failure.code, failure.headers(), (failure.body(call),))

    return Effect(send, stream)


_WATCH_HEADERS: Final = {"Content-Type": "application/json"}


def truncate(length: int) -> Effect:
    """The answer ends in order after some bytes."""

    async def send(call: Call, proceed: Proceed) -> ApiResponse:
        response = await proceed(call.request)
        return replace(response, body=response.body[:length])

    async def stream(call: Call, proceed: OpenStream) -> ApiStream:
        return _Changed(await proceed(call.request), lambda pieces: _first(pieces, length))

    return Effect(send, stream)


def garble(piece: bytes) -> Effect:
    """The answer's body is something else; a watch brings it before its events."""

    async def send(call: Call, proceed: Proceed) -> ApiResponse:
        return replace(await proceed(call.request), body=piece)

    async def stream(call: Call, proceed: OpenStream) -> ApiStream:
        return _Changed(await proceed(call.request), lambda pieces: _preceded(pieces, piece))

    return Effect(send, stream)


class _Changed:
    """A stream with other pieces."""

    def __init__(self, inner: ApiStream, change: Callable[[ApiStream], AsyncIterator[bytes]]) -> None:
        self.status = inner.status
        self.headers = inner.headers
        self._pieces = change(inner)

    def __aiter__(self) -> AsyncIterator[bytes]:
        return self._pieces


async def _first(pieces: ApiStream, length: int) -> AsyncIterator[bytes]:
    left = length
    async for piece in pieces:
        if len(piece) >= left:
            yield piece[:left]
            return
        left -= len(piece)
        yield piece


async def _preceded(pieces: ApiStream, first: bytes) -> AsyncIterator[bytes]:
    yield first
    async for piece in pieces:
        yield piece
