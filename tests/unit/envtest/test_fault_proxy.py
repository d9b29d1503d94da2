"""The proxy in front of servers that do what API servers seldom do."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import ssl
import struct
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from aiohttp import web

from controller_runtime.client import AiohttpTransport, ConfigError, Credential, RequestTimeoutError, RestConfig
from controller_runtime.envtest.fault_proxy import FaultProxy
from tests.unit.client.loopback import OK, Certificates, http_server, raw_server, read_request
from tests.unit.envtest.gadgets import get, watch

Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]
Serve = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


@contextlib.asynccontextmanager
async def connection(url: str) -> AsyncIterator[tuple[FaultProxy, Streams]]:
    """A proxy before a server, and a connection to it."""
    with FaultProxy(RestConfig(host=url)) as proxy:
        tls = ssl.create_default_context(cafile=str(proxy.ca_file))
        reader, writer = await asyncio.open_connection("127.0.0.1", urlsplit(proxy.url).port, ssl=tls)
        try:
            async with asyncio.timeout(20):
                yield proxy, (reader, writer)
        finally:
            writer.transport.abort()
            await asyncio.sleep(0)


def replying(*replies: bytes, closes: bool = False) -> Serve:
    """A server that sends these, one for each request."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        for reply in replies:
            await read_request(reader)
            writer.write(reply)
            await writer.drain()
        if not closes:
            await reader.read()

    return serve


async def exchange(streams: Streams, request: bytes, ends: bytes) -> bytes:
    """The answer to a request, up to how it ends."""
    streams[1].write(request)
    return await streams[0].readuntil(ends)


GET = b"GET /a HTTP/1.1\r\nHost: x\r\n\r\n"


@pytest.mark.parametrize(
    ("method", "reply"),
    [
        pytest.param(b"HEAD", b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n", id="HEAD"),
        pytest.param(b"HEAD", b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", id="HEAD in chunks"),
        pytest.param(b"DELETE", b"HTTP/1.1 204 No Content\r\nX: y\r\n\r\n", id="204"),
        pytest.param(b"GET", b"HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\n\r\n", id="304"),
        pytest.param(b"GET", b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", id="empty"),
    ],
)
async def test_answers_without_a_body_leave_the_connection_in_step(method: bytes, reply: bytes) -> None:
    async with raw_server(replying(reply, OK)) as url, connection(url) as (_, streams):
        assert await exchange(streams, GET.replace(b"GET", method), b"\r\n\r\n") == reply
        assert await exchange(streams, GET, b"{}") == OK


async def test_chunks_come_through_as_they_are_sent() -> None:
    more = asyncio.Event()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await read_request(reader)
        writer.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n64;x=y\r\nabc")
        await more.wait()
        writer.write(b"x" * 97 + b"\r\n0\r\nTrailer: x\r\n\r\n")
        await read_request(reader)
        writer.write(OK)
        await reader.read()

    async with raw_server(serve) as url, connection(url) as (_, streams):
        assert (await exchange(streams, GET, b"abc")).endswith(b"\r\n\r\n3\r\nabc")
        more.set()
        assert await streams[0].readuntil(b"0\r\n\r\n") == b"\r\n61\r\n" + b"x" * 97 + b"\r\n0\r\n\r\n"
        assert await exchange(streams, GET, b"{}") == OK


async def test_a_body_may_end_with_the_connection() -> None:
    server = replying(b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\nabc", closes=True)
    async with raw_server(server) as url, connection(url) as (_, streams):
        assert (await exchange(streams, GET, b"0\r\n\r\n")).endswith(b"3\r\nabc\r\n0\r\n\r\n")
        assert await streams[0].read() == b""


@pytest.mark.parametrize(
    "request_",
    [
        pytest.param(b"Content-Length: 3\r\n\r\nabc", id="length"),
        pytest.param(b"Transfer-Encoding: chunked\r\n\r\n1\r\na\r\n2\r\nbc\r\n0\r\n\r\n", id="chunks"),
    ],
)
async def test_a_request_is_handed_on_with_its_headers(request_: bytes) -> None:
    seen: list[tuple[str, dict[str, str], bytes]] = []

    async def serve(request: web.Request) -> web.Response:
        seen.append((request.raw_path, dict(request.headers), await request.read()))
        return web.Response(body=b"{}")

    async with http_server(serve) as url, connection(f"{url}/base/") as (proxy, streams):
        await exchange(streams, b"POST /b%20c?d=e HTTP/1.1\r\nHost: x\r\nAuthorization: y\r\n" + request_, b"{}")
        (call,) = proxy.calls
    expected = {"Authorization": "y", "Host": url.removeprefix("http://"), "Content-Length": "3"}
    assert seen == [("/base/b%20c?d=e", expected, b"abc")]
    assert (call.request.path, call.request.query, call.request.body) == ("/b%20c", {"d": "e"}, b"abc")


async def test_a_limited_history_keeps_the_newest_requests() -> None:
    async def serve(_: web.Request) -> web.Response:
        return web.Response(body=b"{}")

    async with http_server(serve) as url:
        with FaultProxy(RestConfig(host=url), history=2) as proxy:
            transport = AiohttpTransport(proxy.config)
            for name in ("a", "b", "c"):
                await transport.send(get(f"/{name}"))
            await transport.close()
            assert [call.request.path for call in proxy.calls] == ["/b", "/c"]


async def test_a_client_may_ask_before_it_sends() -> None:
    async with raw_server(replying(b"HTTP/1.1 103 Early Hints\r\n\r\n" + OK)) as url, connection(url) as (_, streams):
        asking = b"POST /a HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\nExpect: 100-continue\r\n\r\n"
        assert await exchange(streams, asking, b"\r\n\r\n") == b"HTTP/1.1 100 Continue\r\n\r\n"
        assert await exchange(streams, b"{}", b"{}") == OK


async def test_another_protocol_goes_both_ways() -> None:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await read_request(reader)
        writer.write(b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: echo\r\n\r\n")
        writer.write(await reader.readexactly(4))

    async with raw_server(serve) as url, connection(url) as (_, streams):
        await exchange(streams, GET, b"\r\n\r\n")
        assert await exchange(streams, b"ping", b"ping") == b"ping"
        assert await streams[0].read() == b""


@pytest.mark.parametrize(
    "reply",
    [
        pytest.param(b"", id="none"),
        pytest.param(b"220 mail\r\n\r\n", id="no HTTP"),
        pytest.param(b"HTTP/1.1 two OK\r\n\r\n", id="no status"),
        pytest.param(b"HTTP/1.1\r\n\r\n", id="one word"),
        pytest.param(b"HTTP/1.1 200 OK\r\nContent-Le", id="half a head"),
        pytest.param(b"HTTP/1.1 200 OK\r\nContent-Length: many\r\n\r\n", id="no length"),
        pytest.param(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\n", id="no chunk"),
        pytest.param(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nabc", id="half a body"),
        pytest.param(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nabc", id="half a chunk"),
    ],
)
async def test_a_server_that_breaks_off_breaks_the_connection(reply: bytes) -> None:
    async with raw_server(replying(reply, closes=True)) as url, connection(url) as (_, streams):
        streams[1].write(GET)
        with contextlib.suppress(ConnectionResetError):
            answer = await streams[0].read()
            assert not answer.endswith((b"0\r\n\r\n", b"abc\r\n\r\n"))


async def test_a_server_that_cannot_be_reached_breaks_it_too() -> None:
    async with connection("http://127.0.0.1:1") as (_, streams):
        streams[1].write(GET)
        with contextlib.suppress(ConnectionResetError):
            assert await streams[0].read() == b""


async def test_a_server_that_resets_an_idle_connection_closes_the_clients() -> None:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await read_request(reader)
        writer.write(OK)
        await idle.wait()
        linger = struct.pack("ii", 1, 0)
        writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
        writer.transport.abort()

    idle = asyncio.Event()
    async with raw_server(serve) as url, connection(url) as (_, streams):
        assert await exchange(streams, GET, b"{}") == OK
        idle.set()
        assert await streams[0].read() == b""


async def test_a_client_that_goes_leaves_nothing_at_the_server() -> None:
    begun, gone = asyncio.Event(), asyncio.Event()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await read_request(reader)
        writer.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
        begun.set()
        with contextlib.suppress(ConnectionError):
            await reader.read()
        gone.set()

    async with raw_server(serve) as url, connection(url) as (_, streams):
        await exchange(streams, GET, b"\r\n\r\n")
        await begun.wait()
        streams[1].transport.abort()
        await gone.wait()


@pytest.fixture
def certificates(tmp_path: Path) -> Certificates:
    made = Certificates(tmp_path)
    made.make_ca()
    made.sign("server", "server", "localhost", "127.0.0.1")
    made.sign("client", "jane")
    return made


def config_of(url: str, certificates: Certificates) -> RestConfig:
    credential = Credential(client_certificate=certificates.key_pair("client"))
    return RestConfig(host=url, ca_file=certificates.ca, credentials=credential)


async def test_a_client_certificate_is_the_proxys(certificates: Certificates) -> None:
    subjects: list[object] = []

    async def serve(request: web.Request) -> web.StreamResponse:
        assert request.transport is not None
        subjects.append(request.transport.get_extra_info("peercert")["subject"])
        return web.Response(body=b"{}")

    async with http_server(serve, certificates.server_context(ask_client=True)) as url:
        with FaultProxy(config_of(url, certificates)) as proxy:
            transport = AiohttpTransport(proxy.config)
            assert (await transport.send(get())).status == 200
            await transport.close()
    assert subjects == [((("commonName", "jane"),),)]


async def test_a_watch_that_is_open_is_known_and_can_be_muted() -> None:
    before: list[object] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await read_request(reader)
        before.extend(proxy.open_watches())
        writer.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\na\n\r\n")
        await written.wait()
        writer.write(b"2\r\nb\n\r\n")
        await reader.read()

    written = asyncio.Event()
    async with raw_server(serve) as url:
        with FaultProxy(RestConfig(host=url)) as proxy:
            transport = AiohttpTransport(proxy.config)
            async with transport.stream(watch(read_timeout=0.5)) as stream:
                assert await anext(aiter(stream)) == b"a\n"
                assert before == []
                assert [str(call) for call in proxy.open_watches(kind="gadgets")] == ["watch gadgets.example.com lab"]
                assert proxy.open_watches(kind="secrets") == []
                assert proxy.mute_watches(kind="secrets") == 0
                assert proxy.mute_watches() == 1
                written.set()
                with pytest.raises(RequestTimeoutError):
                    await anext(aiter(stream))
            await transport.close()


def test_configuration_that_cannot_be_read_leaves_nothing_behind(tmp_path: Path) -> None:
    proxy = FaultProxy(tmp_path / "missing")
    with pytest.raises(ConfigError):
        proxy.start()
    assert not proxy._cleanup._exit_callbacks  # type: ignore[attr-defined]
