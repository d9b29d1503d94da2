"""The server on real sockets, on asyncio's loop and on uvloop: the wire, limits, deliveries, draining."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import logging
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from email.utils import parsedate_to_datetime
from typing import Any

import pytest
import structlog

from api.v1alpha1 import BootConfig, IPXEBootConfig
from controller_runtime.apimachinery import ObjectMeta
from controller_runtime.manager import ListenError
from machines import Payload, Stage
from tests.unit.machines.lab import BootApi, make_lab
from tests.unit.webserver.wire import RESET, Wire
from webserver import BootEndpoints, BootServer, ListenAddress, Request, Response, server
from webserver.metrics import CONNECTIONS, REQUEST_DURATION, REQUESTS

LOOPBACK = ListenAddress("127.0.0.1:0", "the boot server (--boot-server-address)")
LARGE = b"x" * (32 << 20)
"""More than the kernel takes for a client that does not read."""
CONFIG = IPXEBootConfig(metadata=ObjectMeta(name="a", namespace="lab", uid="uid-1"))


@pytest.fixture(autouse=True)
def _short_grace(mocker: Any) -> None:
    """Most tests end with nothing under way."""
    mocker.patch.object(server, "_GRACE_SECONDS", 0.01)


@pytest.fixture(autouse=True)
def _see_log_lines_of_tornado(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "tornado")


@dataclass
class Site:
    """Endpoints with fixed answers, and a recorder that remembers."""

    requests: list[Request] = field(default_factory=list)
    delivered: list[tuple[BootConfig, Stage]] = field(default_factory=list)
    on_delivery: asyncio.Event = field(default_factory=asyncio.Event)

    def respond(self, request: Request) -> Response:
        self.requests.append(request)
        payload = Payload(b"", CONFIG, Stage.IGNITION)
        match request.target:
            case "/small":
                return Response("test", 200, b"small", headers=(("Cache-Control", "no-store"),), payload=payload)
            case "/large":
                return Response("test", 200, LARGE, payload=payload)
            case "/empty":
                return Response("test", 200, b"", payload=payload)
            case "/bug":
                raise ZeroDivisionError
            case target if target.startswith("/status/"):
                return Response("test", int(target.removeprefix("/status/")), b"sentence\n")
        return Response("test", 404, b"nothing\n")

    def record(self, config: BootConfig, stage: Stage) -> None:
        self.delivered.append((config, stage))
        self.on_delivery.set()


class Running:
    """A server that serves a site."""

    def __init__(self, site: Site, boot_server: BootServer) -> None:
        self.site = site
        self.server = boot_server
        self.port = boot_server.ports[0]
        self.task = asyncio.create_task(boot_server.start())
        self.wires: list[Wire] = []

    async def connect(self, **options: Any) -> Wire:
        wire = await Wire.connect(self.port, **options)
        self.wires.append(wire)
        return wire

    async def stop(self) -> None:
        """Ends the server and waits for it."""
        self.task.cancel()
        await asyncio.wait([self.task])


@asynccontextmanager
async def serving(*addresses: ListenAddress, **options: Any) -> AsyncIterator[Running]:
    """A running server; afterwards nothing of it is left."""
    site = Site()
    boot_server = BootServer(site, site, addresses or (LOOPBACK,), **options)
    boot_server.bind()
    running = Running(site, boot_server)
    open_before = CONNECTIONS._value.get()
    try:
        yield running
    finally:
        for wire in running.wires:
            await wire.close()
        await running.stop()
        boot_server.close()
    assert running.task.cancelled()
    assert CONNECTIONS._value.get() == open_before
    assert not boot_server._exchanges


def tornado_lines(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.getMessage() for record in caplog.records if record.name.startswith("tornado")]


# Addresses


async def test_port_0_takes_a_free_port_that_is_known_before_the_start() -> None:
    async with serving() as running:
        assert running.server.ports[0] > 0
        assert (await (await running.connect()).get("/small")).status == 200


async def test_every_address_answers_alike_and_is_told_apart_by_its_port() -> None:
    async with serving(LOOPBACK, LOOPBACK) as running:
        first, second = running.server.ports
        assert first != second
        for port in (first, second):
            wire = await Wire.connect(port)
            running.wires.append(wire)
            assert (await wire.get("/small")).body == b"small"
        assert [request.local_port for request in running.site.requests] == [first, second]


async def test_an_address_without_a_host_is_all_interfaces_of_both_families() -> None:
    async with serving(ListenAddress(":0", "x")) as running:
        for host in ("127.0.0.1", "::1"):
            wire = await running.connect(host=host)
            assert (await wire.get("/small")).body == b"small"


@pytest.mark.parametrize("runs", [pytest.param(False, id="bind"), pytest.param(True, id="start")])
async def test_a_taken_address_is_an_error_that_names_it_and_holds_nothing(runs: bool) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        other = ListenAddress(f"127.0.0.1:{port}", "the image proxy (--image-proxy-server-address)")
        site = Site()
        boot_server = BootServer(site, site, (LOOPBACK, other))
        with pytest.raises(ListenError, match=rf"--image-proxy-server-address.*127\.0\.0\.1:{port}.*in use"):
            await boot_server.start() if runs else boot_server.bind()
        assert boot_server.ports == ()
        assert boot_server._sockets == []


async def test_a_malformed_address_is_an_error() -> None:
    site = Site()
    with pytest.raises(ListenError, match=r"--boot-server-address.*'8082'"):
        BootServer(site, site, [ListenAddress("8082", "the boot server (--boot-server-address)")]).bind()


# On the wire


async def test_a_response_is_as_plain_as_firmware_needs_it() -> None:
    async with serving() as running:
        wire = await running.connect()
        answer = await wire.get("/small", Accept_Encoding="gzip, deflate, br", TE="trailers")
        assert answer.status_line == "HTTP/1.1 200 OK"
        assert list(answer.headers) == ["Date", "Content-Type", "Content-Length", "Cache-Control"]
        assert answer.headers["Content-Type"] == "text/plain; charset=utf-8"
        assert answer.headers["Content-Length"] == "5"
        assert parsedate_to_datetime(answer.headers["Date"]).tzinfo is not None
        assert answer.body == b"small"


@pytest.mark.parametrize(
    ("status", "reason"),
    [
        (400, "Bad Request"),
        (404, "Not Found"),
        (405, "Method Not Allowed"),
        (500, "Internal Server Error"),
        (501, "Not Implemented"),
        (503, "Service Unavailable"),
    ],
)
async def test_every_status_has_its_reason_and_length(status: int, reason: str) -> None:
    async with serving() as running:
        wire = await running.connect()
        answer = await wire.get(f"/status/{status}")
        assert answer.status_line == f"HTTP/1.1 {status} {reason}"
        assert answer.body == b"sentence\n"
        assert all(answer.headers.values())
        assert (await wire.get("/small")).status == 200


@pytest.mark.parametrize("target", ["/small", "/empty", "/status/404"])
async def test_head_has_the_headers_of_get_and_no_body(target: str) -> None:
    async with serving() as running:
        wire = await running.connect()
        expected = await wire.get(target)
        wire.request(target, method="HEAD")
        answer = await wire.answer(has_body=False)
        assert (answer.status_line, answer.headers) == (expected.status_line, expected.headers)
        assert (await wire.get("/small")).body == b"small"


async def test_a_connection_is_kept_for_request_after_request() -> None:
    async with serving() as running:
        wire = await running.connect()
        for _ in range(50):
            assert (await wire.get("/small")).body == b"small"


async def test_requests_in_one_go_are_answered_in_order() -> None:
    async with serving() as running:
        wire = await running.connect()
        for target in ("/small", "/status/404", "/empty"):
            wire.request(target)
        assert [(await wire.answer()).body for _ in range(3)] == [b"small", b"sentence\n", b""]


async def test_a_client_that_says_close_gets_its_answer_and_the_end() -> None:
    async with serving() as running:
        wire = await running.connect()
        answer = await wire.get("/small", Connection="close")
        assert (answer.headers["Connection"], answer.body) == ("close", b"small")
        assert await wire.rest() == b""


async def test_http_1_0_ends_with_the_answer_unless_it_asks_otherwise() -> None:
    async with serving() as running:
        wire = await running.connect()
        wire.request("/small", version="1.0", Connection="keep-alive")
        assert (await wire.answer()).headers["Connection"] == "Keep-Alive"
        wire.send(b"GET /small HTTP/1.0\r\n\r\n")
        assert (await wire.answer()).body == b"small"
        assert await wire.rest() == b""


async def test_a_body_is_dropped_and_the_connection_goes_on() -> None:
    async with serving() as running:
        wire = await running.connect()
        wire.send(b"POST /small HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabc")
        assert (await wire.answer()).status == 200
        wire.send(b"POST /small HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n")
        assert (await wire.answer()).status == 200
        assert [request.method for request in running.site.requests] == ["POST", "POST"]


async def test_the_real_endpoints_take_the_port_from_the_socket() -> None:
    lab = make_lab(BootApi())
    lab.machines._ready = True
    site = Site()
    boot_server = BootServer(BootEndpoints(lab.machines), site, (LOOPBACK,))
    boot_server.bind()
    running = Running(site, boot_server)
    wire = await running.connect()
    answer = await wire.get("/ipxe")
    assert f"set ipxe-svc http://boot:{running.port}\n".encode() in answer.body
    answer = await wire.get("/httpboot", X_Forwarded_For="10.0.0.1\r\nX-Forwarded-For: 10.0.0.2")
    assert answer.status == 500
    wire.send(b"GET /ipxe HTTP/1.1\r\n\r\n")
    assert (await wire.answer()).status == 400
    await wire.close()
    await running.stop()


async def test_of_several_forwarded_for_headers_the_first_counts() -> None:
    """As in the Go operator: a proxy may add one with the address of the DHCP server itself."""
    async with serving() as running:
        wire = await running.connect()
        wire.send(b"GET /small HTTP/1.1\r\nHost: boot\r\nX-Forwarded-For: a, b\r\nx-forwarded-for: c\r\n\r\n")
        await wire.answer()
        (request,) = running.site.requests
        assert request.headers["X-Forwarded-For"] == "a, b"


# Hostile and broken clients


async def test_headers_beyond_the_limit_cost_the_connection_and_one_log_line(caplog: pytest.LogCaptureFixture) -> None:
    async with serving() as running:
        wire = await running.connect()
        wire.send(b"GET /small HTTP/1.1\r\nHost: boot\r\nX: " + b"x" * (1 << 20) + b"\r\n\r\n")
        assert await wire.rest() == b""
        assert running.site.requests == []
        assert len(tornado_lines(caplog)) == 1
        assert (await (await running.connect()).get("/small")).status == 200


async def test_a_target_within_the_limit_is_answered() -> None:
    async with serving() as running:
        wire = await running.connect()
        assert (await wire.get("/" + "x" * 60_000)).status == 404


@pytest.mark.parametrize(
    "sent",
    [
        pytest.param(b"NONSENSE\r\n\r\n", id="no request line"),
        pytest.param(b"GET /small HTTP/1.1\r\nno colon\r\n\r\n", id="no header"),
        pytest.param(b"GET /small HTTP/1.1\r\nHost: a\r\nX: \x01\r\n\r\n", id="control character"),
        pytest.param(b"GET /small HTTP/1.1\r\nX:\x01" + b"y" * 60_000 + b"\r\n\r\n", id="long malformed header"),
        pytest.param(b"GET /small HTTP/1.1\r\nContent-Length: x\r\n\r\n", id="bad length"),
        pytest.param(b"POST /small HTTP/1.1\r\nContent-Length: 70000\r\n\r\n", id="large body"),
        pytest.param(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", id="HTTP/2"),
    ],
)
async def test_what_is_no_http_is_refused_with_one_short_log_line(
    sent: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    async with serving() as running:
        wire = await running.connect()
        wire.send(sent)
        assert (await wire.rest()).startswith(b"HTTP/1.1 400 Bad Request\r\n")
        assert running.site.requests == []
        (line,) = tornado_lines(caplog)
        assert len(line) < 320


@pytest.mark.parametrize(
    "sent", [b"", b"GET /small HT", b"GET /small HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\nabc"]
)
async def test_clients_that_break_off_leave_no_trace(sent: bytes, caplog: pytest.LogCaptureFixture) -> None:
    async with serving() as running:
        wire = await running.connect()
        wire.send(sent)
        await wire.reset()
        assert (await (await running.connect()).get("/small")).status == 200
        assert len(running.site.requests) == 1
    assert tornado_lines(caplog) == []


@pytest.mark.parametrize(
    ("limit", "sent"),
    [
        pytest.param("IDLE_SECONDS", b"", id="nothing"),
        pytest.param("IDLE_SECONDS", b"GET /small HTTP/1.1\r\n", id="half the headers"),
        pytest.param(
            "BODY_SECONDS", b"POST /small HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\nabc", id="half the body"
        ),
    ],
)
async def test_slow_senders_are_cut_off(mocker: Any, limit: str, sent: bytes) -> None:
    mocker.patch.object(server, limit, 0.01)
    async with serving() as running:
        wire = await running.connect()
        wire.send(sent)
        assert await wire.rest() == b""
        assert running.site.requests == []


async def test_a_rack_that_is_switched_on_at_once_gets_its_connections() -> None:
    async with serving() as running:
        await (await running.connect()).get("/small")
        with contextlib.ExitStack() as clients:
            for _ in range(200):  # none is accepted before the loop's next turn
                clients.enter_context(socket.create_connection(("127.0.0.1", running.port), timeout=60))


async def test_an_idle_connection_is_closed(mocker: Any) -> None:
    mocker.patch.object(server, "IDLE_SECONDS", 0.5)
    async with serving() as running:
        wire = await running.connect()
        assert (await wire.get("/small")).status == 200
        assert await wire.rest() == b""


async def test_clients_that_stop_taking_are_cut_off_and_have_got_nothing(mocker: Any) -> None:
    mocker.patch.object(server, "STALL_SECONDS", 0.01)
    async with serving() as running:
        wire = await running.connect(receive_buffer=4096)
        wire.request("/large")
        assert len(await wire.rest()) < len(LARGE)
        assert running.site.delivered == []


async def test_a_slow_answer_does_not_end_a_connection_that_goes_on(mocker: Any) -> None:
    mocker.patch.object(server, "STALL_SECONDS", 2.0)
    async with serving() as running:
        wire = await running.connect()
        assert (await wire.get("/large")).body == LARGE
        await asyncio.sleep(server.STALL_SECONDS)  # begun after the server's own timer, so it ends after that one
        assert (await wire.get("/small")).status == 200


async def test_too_many_connections_are_closed_at_once_and_one_line_says_so() -> None:
    with structlog.testing.capture_logs() as logs:
        async with serving(max_connections=2) as running:
            kept = [await running.connect() for _ in range(2)]
            for wire in kept:
                assert (await wire.get("/small")).status == 200
            for _ in range(3):
                assert await (await running.connect()).rest() == b""
            kept[0].request("/small", Connection="close")
            await kept[0].answer()
            await kept[0].rest()
            assert (await (await running.connect()).get("/small")).status == 200
    assert [line["connections"] for line in logs if line["event"].startswith("too many connections")] == [2]


async def test_a_bug_costs_one_answer_and_is_logged() -> None:
    async with serving() as running:
        wire = await running.connect()
        with structlog.testing.capture_logs() as logs:
            answer = await wire.get("/bug")
        assert (answer.status, answer.body) == (500, b"the boot operator has a bug, see its log\n")
        (line,) = [line for line in logs if line["log_level"] == "error"]
        assert (line["event"], line["target"]) == ("cannot answer a request", "/bug")
        assert (await wire.get("/small")).status == 200


# Deliveries


@pytest.mark.parametrize("target", ["/small", "/empty"])
async def test_what_was_sent_is_a_delivery(target: str) -> None:
    async with serving() as running:
        await (await running.connect()).get(target)
        assert running.site.delivered == [(CONFIG, Stage.IGNITION)]


async def test_neither_a_head_nor_a_failure_is_a_delivery() -> None:
    async with serving() as running:
        wire = await running.connect()
        wire.request("/small", method="HEAD")
        await wire.answer(has_body=False)
        for target in ("/status/404", "/bug", "/nowhere"):
            await wire.get(target)
        assert running.site.delivered == []


async def test_the_last_answer_on_a_connection_is_a_delivery() -> None:
    async with serving() as running:
        await (await running.connect()).get("/small", Connection="close")
        assert running.site.delivered == [(CONFIG, Stage.IGNITION)]


async def test_a_slow_client_is_given_all_and_only_then_it_is_a_delivery() -> None:
    async with serving() as running:
        wire = await running.connect(receive_buffer=65536)
        wire.request("/large", Connection="close")
        await wire.reader.readuntil(b"\r\n\r\n")
        assert running.site.delivered == []
        assert await wire.rest() == LARGE
        await running.site.on_delivery.wait()
        assert running.site.delivered == [(CONFIG, Stage.IGNITION)]


async def test_a_client_that_is_gone_before_the_answer_has_been_given_nothing(mocker: Any) -> None:
    async with serving() as running:
        client = socket.create_connection(("127.0.0.1", running.port))
        answer = running.site.respond

        def respond(request: Request) -> Response:
            if request.target == "/small":
                client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
                client.close()
            return answer(request)

        mocker.patch.object(running.site, "respond", respond)
        client.sendall(b"GET /small HTTP/1.1\r\nHost: boot\r\n\r\n")
        assert (await (await running.connect()).get("/status/404")).status == 404
        assert [request.target for request in running.site.requests] == ["/small", "/status/404"]
        assert running.site.delivered == []


async def test_a_client_that_is_gone_before_it_had_all_has_been_given_nothing() -> None:
    async with serving() as running:
        wire = await running.connect(receive_buffer=4096)
        wire.request("/large")
        await wire.reader.readuntil(b"\r\n\r\n")
        await wire.reset()
        assert (await (await running.connect()).get("/status/404")).status == 404
    assert running.site.delivered == []


# The end


async def test_at_the_end_what_is_under_way_is_finished_and_nothing_new_begins() -> None:
    async with serving() as running:
        idle, busy = await running.connect(), await running.connect(receive_buffer=65536)
        await idle.get("/small")
        busy.request("/large")
        await busy.reader.readuntil(b"\r\n\r\n")
        running.task.cancel()
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        with pytest.raises(ConnectionRefusedError):
            await Wire.connect(running.port)
        assert not running.task.done()
        assert await busy.reader.readexactly(len(LARGE)) == LARGE
        await asyncio.wait([running.task])
        assert await busy.rest() == b""
        assert await idle.rest() == b""
        assert len(running.site.delivered) == 2


async def test_a_request_that_was_sent_before_the_end_is_answered(mocker: Any) -> None:
    mocker.patch.object(server, "_GRACE_SECONDS", 0.5)
    async with serving() as running:
        wire = await running.connect()
        await wire.get("/small")
        wire.request("/small")
        running.task.cancel()
        answer = await wire.answer()
        assert (answer.body, answer.headers["Connection"]) == (b"small", "close")
        assert await wire.rest() == b""


async def test_the_end_does_not_wait_for_ever(mocker: Any) -> None:
    mocker.patch.object(server, "DRAIN_SECONDS", 0.01)
    async with serving() as running:
        wire = await running.connect(receive_buffer=4096)
        wire.request("/large")
        await wire.reader.readuntil(b"\r\n\r\n")
        with structlog.testing.capture_logs() as logs:
            await running.stop()
        assert [line["requests"] for line in logs if line["event"] == "requests were cut off at the end"] == [1]
        assert running.site.delivered == []


async def test_the_port_is_free_after_the_end() -> None:
    async with serving() as running:
        await (await running.connect()).get("/small")
        await running.stop()
        site = Site()
        again = BootServer(site, site, [ListenAddress(f"127.0.0.1:{running.port}", "x")])
        again.bind()
        again.close()


# What is measured, and what is left over


async def test_requests_are_counted_by_endpoint_and_code() -> None:
    def counts() -> list[float]:
        seconds = REQUEST_DURATION.labels("test")
        observed = sum(bucket.get() for bucket in seconds._buckets)
        return [REQUESTS.labels("test", code)._value.get() for code in ("200", "404")] + [observed]

    before = counts()
    async with serving() as running:
        wire = await running.connect()
        for target in ("/small", "/small", "/status/404"):
            await wire.get(target)
        assert [after - earlier for after, earlier in zip(counts(), before, strict=True)] == [2, 1, 3]


async def test_a_request_leaves_nothing_for_the_garbage_collector() -> None:
    async with serving() as running:
        wire = await running.connect()
        await wire.get("/small")
        gc.collect()
        gc.disable()
        try:
            for _ in range(20):
                await wire.get("/small")
            left = [thing for thing in gc.get_objects() if getattr(thing, "_server", None) is running.server]
        finally:
            gc.enable()
        exchanges = [thing for thing in left if type(thing).__name__ == "_Exchange"]
        assert 1 <= len(exchanges) <= 2  # the one that waits for the next request, perhaps the one that just ended
