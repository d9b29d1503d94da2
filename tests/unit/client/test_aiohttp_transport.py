"""The HTTP transport over real sockets."""

from __future__ import annotations

import asyncio
import gzip
import socket
from collections.abc import Iterator

import pytest
from aiohttp import web
from aiohttp.connector import Connection
from pytest_mock import MockerFixture

from controller_runtime.client import (
    ApiRequest,
    ApiResponse,
    ConnectError,
    ConnectionLostError,
    Credential,
    LeadershipLostError,
    RequestTimeoutError,
    TransportError,
)
from controller_runtime.client.aiohttp_transport import _Attempt, _keepalive_socket
from controller_runtime.metrics import REGISTRY
from tests.unit.client.loopback import (
    OK,
    Hold,
    Recorder,
    free_port,
    get,
    http_server,
    put,
    raw_server,
    read_request,
    transport_to,
)

# Requests and responses


async def test_what_is_sent() -> None:
    server = Recorder()
    async with (
        http_server(server) as url,
        transport_to(
            f"{url}/prefix/", user_agent="me/1", credentials=Credential(authorization="Bearer t")
        ) as transport,
    ):
        await transport.send(
            ApiRequest(
                method="PATCH",
                path="/apis/x/a%2Fb",
                query={"fieldManager": "me & you", "labelSelector": "a=b,c!=d"},
                body=b'{"a":1}',
                content_type="application/merge-patch+json",
                accept="application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1",
            )
        )
    [request] = server.requests
    assert (request.method, request.raw_path.partition("?")[0]) == ("PATCH", "/prefix/apis/x/a%2Fb")
    assert dict(request.query) == {"fieldManager": "me & you", "labelSelector": "a=b,c!=d"}
    assert server.bodies == [b'{"a":1}']
    names = ("Accept", "Accept-Encoding", "Authorization", "Content-Type", "User-Agent")
    assert [request.headers[name] for name in names] == [
        "application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1",
        "identity",
        "Bearer t",
        "application/merge-patch+json",
        "me/1",
    ]


async def test_a_request_may_add_to_the_user_agent() -> None:
    server = Recorder()
    async with http_server(server) as url, transport_to(url, user_agent="me/1 (linux/amd64)") as transport:
        await transport.send(get(user_agent_suffix="leader-election"))
        await transport.send(get())
    agents = [request.headers["User-Agent"] for request in server.requests]
    assert agents == ["me/1 (linux/amd64)/leader-election", "me/1 (linux/amd64)"]


async def test_a_request_without_a_body_names_no_content_type() -> None:
    server = Recorder()
    async with http_server(server) as url, transport_to(url) as transport:
        await transport.send(get())
        await transport.send(ApiRequest(method="DELETE", path="/x"))
    assert [("Content-Type" in r.headers, "Authorization" in r.headers) for r in server.requests] == [
        (False, False)
    ] * 2


async def test_failures_are_responses_too_and_redirects_are_not_followed() -> None:
    server = Recorder(
        [web.Response(status=409, body=b"conflict"), web.Response(status=307, headers={"Location": "/y"})]
    )
    async with http_server(server) as url, transport_to(url) as transport:
        first, second = await transport.send(put()), await transport.send(get())
    assert (first.status, first.body, second.status) == (409, b"conflict", 307)
    assert len(server.requests) == 2


async def test_headers_are_found_by_their_title_case_names() -> None:
    server = Recorder([web.Response(headers={"retry-after": "3", "warning": "299 - x"})])
    async with http_server(server) as url, transport_to(url) as transport:
        headers = (await transport.send(get())).headers
    assert (headers["Retry-After"], headers["Warning"]) == ("3", "299 - x")


async def test_compression_is_asked_for_when_the_server_is_elsewhere() -> None:
    """Through a proxy on loopback, which gets the absolute URL of the server."""
    server = Recorder([web.Response(body=gzip.compress(b"[1]"), headers={"Content-Encoding": "gzip"})])
    async with http_server(server) as proxy, transport_to("http://api.example", proxy=proxy) as transport:
        response = await transport.send(get())
    [request] = server.requests
    assert (request.headers["Accept-Encoding"], request.headers["Host"]) == ("gzip", "api.example")
    assert response.body == b"[1]"


async def test_requests_share_connections() -> None:
    server = Recorder()
    async with http_server(server) as url, transport_to(url) as transport:
        for _ in range(3):
            await transport.send(put())
        assert len({request.transport for request in server.requests}) == 1


def test_a_dead_peer_is_found_by_the_kernel() -> None:
    with _keepalive_socket((socket.AF_INET, socket.SOCK_STREAM, 0, "", ("127.0.0.1", 1))) as made:
        assert made.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE) == 1
        options = (socket.TCP_KEEPIDLE, socket.TCP_KEEPINTVL, socket.TCP_KEEPCNT, socket.TCP_USER_TIMEOUT)
        assert [made.getsockopt(socket.IPPROTO_TCP, option) for option in options] == [30, 5, 3, 45_000]


async def test_responses_of_a_large_body_are_complete() -> None:
    body = bytes(range(256)) * 40_000
    server = Recorder([web.Response(body=body)])
    async with http_server(server) as url, transport_to(url) as transport:
        response: ApiResponse = await transport.send(get())
    assert response.body == body


# Retries and metrics


def request_count(url: str, code: str, method: str = "GET") -> float:
    labels = {"code": code, "method": method, "host": url.removeprefix("http://")}
    return REGISTRY.get_sample_value("rest_client_requests_total", labels) or 0.0


async def test_every_attempt_is_counted() -> None:
    server = Recorder([web.Response(status=429, headers={"Retry-After": "0"})])
    async with http_server(server) as url, transport_to(url) as transport:
        assert (await transport.send(get())).status == 200
        assert [request_count(url, code) for code in ("429", "200", "<error>")] == [1, 1, 0]


async def test_an_attempt_without_an_answer_is_counted_as_an_error() -> None:
    url = f"http://127.0.0.1:{free_port()}"
    async with transport_to(url) as transport:
        with pytest.raises(ConnectError, match=f"GET {url}/x: cannot connect: "):
            await transport.send(get())
    assert request_count(url, "<error>") == 1


# Failures of the connection


@pytest.mark.parametrize(
    "answer",
    [
        pytest.param(b"", id="closed without an answer"),
        pytest.param(b"HTTP/1.1 200 OK\r\nContent-Le", id="closed within the head"),
        pytest.param(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n{}", id="closed within the body"),
        pytest.param(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}", id="closed between chunks"),
    ],
)
async def test_a_lost_connection_is_an_error_and_a_write_is_sent_once(answer: bytes) -> None:
    seen: list[bytes] = []

    async def server(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        seen.append(await read_request(reader))
        writer.write(answer)

    async with raw_server(server) as url, transport_to(url) as transport:
        with pytest.raises(ConnectionLostError, match=f"PUT {url}/x: "):
            await transport.send(put())
    assert len(seen) == 1


async def test_a_write_on_a_connection_from_the_pool_is_sent_once_too() -> None:
    """By itself aiohttp would repeat PUT and DELETE here."""
    seen: list[bytes] = []

    async def server(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        seen.append(await read_request(reader))
        writer.write(OK)
        seen.append(await read_request(reader))

    async with raw_server(server) as url, transport_to(url) as transport:
        await transport.send(put())
        with pytest.raises(ConnectionLostError, match="the server closed the connection before it answered"):
            await transport.send(put())
    assert len(seen) == 2


def test_the_connection_for_aiohttps_own_repetition_is_closed_at_once(mocker: MockerFixture) -> None:
    """An orderly end of TLS would wait for the server, and nobody else closes that connection before."""
    attempt = _Attempt("PUT /x")
    attempt.begin(mocker.Mock(spec=Connection))
    second = mocker.Mock(spec=Connection)
    with pytest.raises(ConnectionLostError, match="PUT /x: the server closed the connection before it answered"):
        attempt.begin(second)
    second.transport.abort.assert_called_once_with()


async def test_no_answer_in_time() -> None:
    hold = Hold()
    async with raw_server(hold) as url, transport_to(url) as transport:
        with pytest.raises(RequestTimeoutError, match=rf"GET {url}/x: no answer within 0\.05 s"):
            await transport.send(get(timeout=0.05))
        assert isinstance(RequestTimeoutError(), TimeoutError)


async def test_what_is_no_http_is_a_transport_error() -> None:
    async def server(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await read_request(reader)
        writer.write(b"220 smtp.example ESMTP\r\n\r\n")

    async with raw_server(server) as url, transport_to(url) as transport:
        with pytest.raises(TransportError):
            await transport.send(put())


async def test_cancelling_a_request_closes_its_connection_and_frees_its_place() -> None:
    hold = Hold()
    async with raw_server(hold) as url, transport_to(url, connection_limit=1) as transport:
        task = asyncio.create_task(transport.send(get()))
        await hold.asked.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        hold.released.set()
        assert (await transport.send(get())).status == 200


async def test_a_closed_transport_refuses_requests() -> None:
    async with http_server(Recorder()) as url, transport_to(url) as transport:
        await transport.send(get())
        await transport.close()
        with pytest.raises(TransportError, match=f"the transport to {url} is closed"):
            await transport.send(get())


async def test_closing_ends_requests_in_flight() -> None:
    hold = Hold()
    async with raw_server(hold) as url, transport_to(url) as transport:
        task = asyncio.create_task(transport.send(put()))
        await hold.asked.wait()
        await transport.close()
        with pytest.raises(TransportError):
            await task


async def test_closing_ends_requests_that_wait_for_their_turn() -> None:
    hold = Hold()
    async with raw_server(hold) as url, transport_to(url, connection_limit=1) as transport:
        tasks = [asyncio.create_task(transport.send(put())) for _ in range(3)]
        await hold.asked.wait()
        await transport.close()
        outcomes = await asyncio.gather(*tasks, return_exceptions=True)
    assert [isinstance(outcome, TransportError) for outcome in outcomes] == [True] * 3
    assert len(hold.bytes_seen) == 1


async def test_closing_ends_a_request_that_waits_for_the_resolver(mocker: MockerFixture) -> None:
    resolving = asyncio.Event()

    async def never(*args: object, **options: object) -> None:
        resolving.set()
        await asyncio.Event().wait()

    mocker.patch.object(asyncio.get_running_loop(), "getaddrinfo", never)
    async with transport_to("http://api.example") as transport:
        task = asyncio.create_task(transport.send(get()))
        await resolving.wait()
        await transport.close()
        with pytest.raises(TransportError, match="is closed"):
            await task


async def test_closing_ends_a_request_that_waits_for_its_credential() -> None:
    class Slow:
        async def current(self) -> Credential:
            await transport.close()
            return Credential()

        def reject(self, refused: Credential) -> None:
            raise AssertionError

    async with raw_server(Hold()) as url, transport_to(url, credentials=Slow()) as transport:
        with pytest.raises(TransportError, match="is closed"):
            await transport.send(get())


# The fence


class Leadership:
    """A fence that can be lowered; counts how often it was asked."""

    def __init__(self, seconds: float = 60.0) -> None:
        self.seconds = seconds
        self.times_asked = 0
        self.asked = asyncio.Event()

    def __call__(self) -> float:
        self.times_asked += 1
        self.asked.set()
        if self.seconds <= 0:
            raise LeadershipLostError("the lease ran out")
        return self.seconds


async def test_without_leadership_no_connection_is_made() -> None:
    hold = Hold()
    async with raw_server(hold) as url, transport_to(url) as transport:
        with pytest.raises(LeadershipLostError):
            await transport.send(put(fence=Leadership(0)))
    assert hold.bytes_seen == []


async def test_leadership_lost_while_waiting_for_a_connection_stops_the_request_before_a_byte_leaves() -> None:
    hold = Hold()
    leadership = Leadership()
    async with raw_server(hold) as url, transport_to(url, connection_limit=1) as transport:
        first = asyncio.create_task(transport.send(get()))
        await hold.asked.wait()
        second = asyncio.create_task(transport.send(put(fence=leadership)))
        await leadership.asked.wait()  # it passes the fence once and then waits in the pool
        leadership.seconds = 0
        hold.released.set()
        assert (await first).status == 200
        with pytest.raises(LeadershipLostError):
            await second
        assert leadership.times_asked == 2
        assert len(hold.bytes_seen) == 1
        # and its connection is not lost to the pool
        leadership.seconds = 60
        assert (await transport.send(put(fence=leadership))).status == 200


async def test_leadership_lost_while_connecting_stops_the_request_before_a_byte_leaves() -> None:
    """Leadership goes while the credential is fetched, after the fence was asked for the first time."""
    leadership = Leadership()
    seen: list[bytes] = []

    class Slow:
        async def current(self) -> Credential:
            leadership.seconds = 0
            return Credential()

        def reject(self, refused: Credential) -> None:
            raise AssertionError

    async def server(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        seen.append(await reader.read())

    async with raw_server(server) as url, transport_to(url, credentials=Slow()) as transport:
        with pytest.raises(LeadershipLostError):
            await transport.send(put(fence=leadership))
    assert leadership.times_asked == 2
    assert b"".join(seen) == b""


async def test_the_fence_caps_the_time_of_a_request() -> None:
    hold = Hold()
    answers: Iterator[float] = iter([0.05, 0.05])

    def fence() -> float:
        seconds = next(answers, 0.0)
        if seconds == 0.0:
            raise LeadershipLostError("the lease ran out")
        return seconds

    async with raw_server(hold) as url, transport_to(url) as transport:
        with pytest.raises(LeadershipLostError):
            await transport.send(put(fence=fence, timeout=60))
    assert len(hold.bytes_seen) == 1


async def test_a_cap_after_which_leadership_goes_on_is_a_timeout() -> None:
    hold = Hold()
    async with raw_server(hold) as url, transport_to(url) as transport:
        with pytest.raises(RequestTimeoutError, match="no answer while leadership lasted"):
            await transport.send(put(fence=Leadership(0.05)))


async def test_the_fence_is_asked_for_every_attempt() -> None:
    leadership = Leadership()
    sent = 0

    async def server(request: web.Request) -> web.Response:
        nonlocal sent
        sent += 1
        leadership.seconds = 0
        return web.Response(status=503, headers={"Retry-After": "0"})

    async with http_server(server) as url, transport_to(url) as transport:
        with pytest.raises(LeadershipLostError):
            await transport.send(put(fence=leadership))
    assert sent == 1
