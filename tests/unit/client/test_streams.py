"""Streams over real sockets."""

from __future__ import annotations

import asyncio

import pytest
from aiohttp import web

from controller_runtime.client import ConnectError, ConnectionLostError, RequestTimeoutError, aiohttp_transport
from tests.unit.client.loopback import (
    OK,
    Handler,
    Hold,
    Recorder,
    get,
    http_server,
    put,
    raw_server,
    read_request,
    transport_to,
)


def streaming(*chunks: bytes, hold: asyncio.Event | None = None, cut: bool = False) -> Handler:
    async def serve(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        for chunk in chunks:
            await response.write(chunk)
        if hold is not None:
            await hold.wait()
        if cut and request.transport is not None:
            request.transport.abort()
        return response

    return serve


async def test_a_stream_gives_what_arrives() -> None:
    async with (
        http_server(streaming(b"one\n", b"two\n")) as url,
        transport_to(url) as transport,
        transport.stream(get()) as stream,
    ):
        assert stream.status == 200
        assert b"".join([chunk async for chunk in stream]) == b"one\ntwo\n"


async def test_a_failure_can_be_read_from_a_stream() -> None:
    server = Recorder([web.Response(status=410, body=b"gone")])
    async with http_server(server) as url, transport_to(url) as transport, transport.stream(get()) as stream:
        assert (stream.status, [chunk async for chunk in stream]) == (410, [b"gone"])


async def test_opening_a_stream_is_retried_as_the_server_asks() -> None:
    """The refusal's body never ends, but its connection makes room."""
    answers = iter([b"HTTP/1.1 429 Busy\r\nRetry-After: 0\r\nContent-Length: 10\r\n\r\n", OK])

    async def server(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while await read_request(reader):
            writer.write(next(answers))

    async with (
        raw_server(server) as url,
        transport_to(url, connection_limit=1) as transport,
        transport.stream(get()) as stream,
    ):
        assert (stream.status, [chunk async for chunk in stream]) == (200, [b"{}"])


async def test_leaving_a_stream_closes_its_connection() -> None:
    closed = asyncio.Event()

    async def server(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await read_request(reader)
        writer.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nx\r\n")
        assert await reader.read() == b""
        closed.set()

    async with raw_server(server) as url, transport_to(url) as transport:
        opened = transport.stream(get())
        assert await anext(aiter(await opened.__aenter__())) == b"x"
        await opened.__aexit__(None, None, None)
        await closed.wait()


async def test_leaving_a_stream_that_has_ended_leaves_its_connection_to_the_next_request() -> None:
    hold = Hold()
    hold.released.set()
    async with raw_server(hold) as url, transport_to(url, connection_limit=1) as transport:
        async with transport.stream(get()) as stream:
            assert [chunk async for chunk in stream] == [b"{}"]
            hold.released.clear()
            hold.asked.clear()
            next_request = asyncio.create_task(transport.send(put()))
            await hold.asked.wait()
        hold.released.set()
        assert (await next_request).status == 200


async def test_open_streams_take_no_place_of_a_request() -> None:
    """Otherwise a watch for each kind and namespace would leave the leader's writes no connection."""
    hold = asyncio.Event()
    async with (
        http_server(streaming(b"x", hold=hold)) as url,
        transport_to(url, connection_limit=1) as transport,
        transport.stream(get()),
        transport.stream(get()),
    ):
        hold.set()
        assert (await transport.send(get(timeout=5))).body == b"x"


async def test_a_proxy_that_does_not_answer_is_no_connection(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(aiohttp_transport, "_CONNECT_SECONDS", 0.05)
    async with raw_server(Hold()) as proxy, transport_to("https://api.example", proxy=proxy) as transport:
        with pytest.raises(ConnectError, match=r"no connection within 0\.05 s"):
            async with transport.stream(get(timeout=5, read_timeout=5)):
                pytest.fail("the stream was opened")


async def test_a_stream_that_breaks_is_an_error() -> None:
    hold = asyncio.Event()
    async with (
        http_server(streaming(b"x", hold=hold, cut=True)) as url,
        transport_to(url) as transport,
        transport.stream(get()) as stream,
    ):
        chunks = aiter(stream)
        assert await anext(chunks) == b"x"
        hold.set()
        with pytest.raises(ConnectionLostError):
            await anext(chunks)


async def test_a_stream_that_falls_silent_is_an_error() -> None:
    async with (
        http_server(streaming(b"x", hold=asyncio.Event())) as url,
        transport_to(url) as transport,
        transport.stream(get(read_timeout=0.05)) as stream,
    ):
        chunks = aiter(stream)
        assert await anext(chunks) == b"x"
        with pytest.raises(RequestTimeoutError):
            await anext(chunks)


async def test_a_server_that_does_not_even_begin_is_silent_too() -> None:
    hold = Hold()
    async with raw_server(hold) as url, transport_to(url) as transport:
        with pytest.raises(RequestTimeoutError):
            async with transport.stream(get(read_timeout=0.05)):
                pytest.fail("the stream was opened")


async def test_a_stream_may_have_a_total_limit() -> None:
    async with (
        http_server(streaming(b"x", hold=asyncio.Event())) as url,
        transport_to(url) as transport,
        transport.stream(get(timeout=0.05)) as stream,
    ):
        chunks = aiter(stream)
        assert await anext(chunks) == b"x"
        with pytest.raises(RequestTimeoutError):
            await anext(chunks)
