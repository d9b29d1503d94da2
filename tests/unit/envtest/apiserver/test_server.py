"""HTTP on real sockets, with answers that tests make up."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import socket
import ssl
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TypeAlias

import pytest

from controller_runtime import certificates
from controller_runtime.envtest.apiserver.exchange import MAX_BODY_BYTES, Answer, Request, Response, StreamResponse
from controller_runtime.envtest.apiserver.server import Server

Dispatch: TypeAlias = Callable[[Request], Answer]


def echo(request: Request) -> Response:
    return Response(200, f"{request.method} {request.path} {len(request.body)}".encode(), "text/plain")


def listener() -> socket.socket:
    made = socket.socket()
    made.bind(("127.0.0.1", 0))
    made.listen()
    made.setblocking(False)
    return made


@asynccontextmanager
async def served(
    dispatch: Dispatch, tls: ssl.SSLContext | None = None
) -> AsyncIterator[tuple[Server, asyncio.StreamReader, asyncio.StreamWriter]]:
    """A server, and a connection to it without TLS."""
    listening = listener()
    server = Server(dispatch, [listening], tls)
    reader, writer = await asyncio.open_connection(*listening.getsockname())
    try:
        yield server, reader, writer
    finally:
        writer.close()
        await server.stop()


async def answer(reader: asyncio.StreamReader, *, body: bool = True) -> tuple[str, dict[str, str], bytes]:
    """Status line, headers and body of the next answer that has a Content-Length."""
    head = (await reader.readuntil(b"\r\n\r\n")).decode().strip().split("\r\n")
    headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in head[1:])}
    return head[0], headers, await reader.readexactly(int(headers["content-length"])) if body else b""


async def chunk(reader: asyncio.StreamReader) -> bytes:
    """The next piece of an answer that has none."""
    size = int(await reader.readline(), 16)
    return (await reader.readexactly(size + 2))[:-2]


class Stream:
    """Answers with pieces until it is told to end."""

    def __init__(self, piece: bytes = b"x\n") -> None:
        self.piece = piece
        self.made = 0
        self.begun, self.more, self.ended = asyncio.Event(), asyncio.Event(), asyncio.Event()

    async def pieces(self) -> AsyncGenerator[bytes, None]:
        try:
            self.begun.set()
            yield self.piece
            await self.more.wait()
            yield b"last\n"
        finally:
            self.ended.set()

    async def flood(self) -> AsyncGenerator[bytes, None]:
        try:
            while True:
                self.made += 1
                yield self.piece
        finally:
            self.ended.set()


async def test_a_connection_is_used_again() -> None:
    async with served(echo) as (_, reader, writer):
        for path in ("/a", "/b%20c?d=e"):
            writer.write(f"GET {path} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
            status, headers, _ = await answer(reader)
            assert status == "HTTP/1.1 200 OK"
            assert headers["cache-control"] == "no-cache, private"
            assert len(headers["audit-id"]) == 36


async def test_a_path_is_decoded_and_has_no_server_in_front() -> None:
    async with served(echo) as (_, reader, writer):
        writer.write(b"GET http://x/b%20c?d=e HTTP/1.1\r\nHost: x\r\n\r\n")
        assert (await answer(reader))[2] == b"GET /b c 0"


async def test_the_head_alone_is_sent_if_asked_for() -> None:
    stream = Stream()

    def dispatch(request: Request) -> Answer:
        return StreamResponse(200, stream.pieces()) if request.path == "/watch" else echo(request)

    async with served(dispatch) as (_, reader, writer):
        writer.write(b"HEAD /a HTTP/1.1\r\nHost: x\r\n\r\nHEAD /watch HTTP/1.1\r\nHost: x\r\n\r\n")
        writer.write(b"GET /b HTTP/1.1\r\nHost: x\r\n\r\n")
        assert (await answer(reader, body=False))[1]["content-length"] == "9"
        await answer(reader, body=False)
        assert (await answer(reader))[2] == b"GET /b 0"
    assert not stream.begun.is_set()


async def test_answers_follow_the_order_of_requests() -> None:
    stream = Stream()

    def dispatch(request: Request) -> Answer:
        return StreamResponse(200, stream.pieces()) if request.path == "/watch" else echo(request)

    async with served(dispatch) as (_, reader, writer):
        writer.write(b"GET /watch HTTP/1.1\r\nHost: x\r\n\r\nGET /b HTTP/1.1\r\nHost: x\r\n\r\n")
        head = await reader.readuntil(b"\r\n\r\n")
        assert b"Transfer-Encoding: chunked" in head
        assert await chunk(reader) == b"x\n"
        stream.more.set()
        assert [await chunk(reader), await chunk(reader)] == [b"last\n", b""]
        assert (await answer(reader))[2] == b"GET /b 0"


async def test_a_client_may_ask_before_it_sends() -> None:
    async with served(echo) as (_, reader, writer):
        writer.write(b"POST /a HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\nExpect: 100-continue\r\n\r\n")
        assert await reader.readuntil(b"\r\n\r\n") == b"HTTP/1.1 100 (Continue)\r\n\r\n"
        writer.write(b"{}")
        assert (await answer(reader))[2] == b"POST /a 2"


async def test_a_body_may_come_in_chunks() -> None:
    async with served(echo) as (_, reader, writer):
        writer.write(
            b"POST /a HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n"
        )
        assert (await answer(reader))[2] == b"POST /a 5"


async def test_no_more_of_a_body_is_kept_than_tells_that_it_is_too_large() -> None:
    async with served(echo) as (_, reader, writer):
        size = 8 * MAX_BODY_BYTES
        writer.write(f"POST /a HTTP/1.1\r\nHost: x\r\nContent-Length: {size}\r\n\r\n".encode() + bytes(size))
        kept = int((await answer(reader))[2].split()[-1])
        assert MAX_BODY_BYTES < kept < MAX_BODY_BYTES + (1 << 20)


async def test_headers_may_be_long() -> None:
    async with served(echo) as (_, reader, writer):
        writer.write(b"GET /a HTTP/1.1\r\nHost: x\r\nX-Long: " + b"x" * (1 << 19) + b"\r\n\r\n")
        assert (await answer(reader))[2] == b"GET /a 0"


async def test_a_stream_ends_when_its_client_goes() -> None:
    stream = Stream()
    async with served(lambda _: StreamResponse(200, stream.pieces())) as (_, reader, writer):
        writer.write(b"GET /watch HTTP/1.1\r\nHost: x\r\n\r\n")
        await reader.readuntil(b"\r\n\r\n")
        writer.close()
        await asyncio.wait_for(stream.ended.wait(), 5)


async def test_a_stream_goes_no_faster_than_its_client() -> None:
    stream = Stream(bytes(1 << 20))
    async with served(lambda _: StreamResponse(200, stream.flood())) as (_, _, writer):
        writer.write(b"GET /watch HTTP/1.1\r\nHost: x\r\n\r\n")
        made = -1
        while made < stream.made or not stream.made:
            made = stream.made
            await asyncio.sleep(0.1)
        # What the sockets' buffers hold, and one that waits.
        assert made < 32
    assert stream.ended.is_set()


async def test_a_stop_ends_streams_and_connections() -> None:
    stream = Stream()
    async with served(lambda _: StreamResponse(200, stream.pieces())) as (server, reader, writer):
        writer.write(b"GET /watch HTTP/1.1\r\nHost: x\r\n\r\n")
        await asyncio.wait_for(stream.begun.wait(), 5)
        await asyncio.wait_for(server.stop(), 1)
        assert stream.ended.is_set()
        await asyncio.wait_for(reader.read(), 5)


async def test_a_broken_stream_breaks_its_connection_and_no_other() -> None:
    async def broken() -> AsyncGenerator[bytes, None]:
        yield b"x\n"
        raise RuntimeError("a bug")

    def dispatch(request: Request) -> Answer:
        return StreamResponse(200, broken()) if request.path == "/watch" else echo(request)

    async with served(dispatch) as (_, reader, writer):
        writer.write(b"GET /watch HTTP/1.1\r\nHost: x\r\n\r\n")
        assert not (await reader.read()).endswith(b"0\r\n\r\n")


async def test_what_is_no_tls_does_no_harm(caplog: pytest.LogCaptureFixture, tmp_path: Path) -> None:
    caplog.set_level(logging.CRITICAL, "tornado")
    pair = certificates.self_signed(["127.0.0.1"], common_name="apiserver")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    both = tmp_path / "both.pem"
    both.write_bytes(pair.key + pair.certificate)
    context.load_cert_chain(both)
    async with served(echo, context) as (_, reader, writer):
        writer.write(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        with contextlib.suppress(ConnectionResetError):
            await asyncio.wait_for(reader.read(), 5)
        address = writer.get_extra_info("peername")
        trusting = ssl.create_default_context(cadata=pair.certificate.decode())
        again, writer_again = await asyncio.open_connection(*address, ssl=trusting)
        writer_again.write(b"GET /a HTTP/1.1\r\nHost: x\r\n\r\n")
        assert (await answer(again))[2] == b"GET /a 0"
        writer_again.close()
