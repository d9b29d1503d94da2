"""The transport without sockets keeps the contract of one with them. On virtual time."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable, Iterable
from typing import Any

import pytest
from structlog.testing import capture_logs

from controller_runtime.client import (
    ApiResponse,
    ApiStream,
    ConnectionLostError,
    LeadershipLostError,
    RequestTimeoutError,
    TransportError,
)
from controller_runtime.envtest.apiserver.exchange import Answer, Request, Response, StreamResponse
from controller_runtime.envtest.dispatcher_transport import DispatcherTransport
from tests.unit.envtest.gadgets import get, now, put, settle, watch

pytestmark = pytest.mark.looptime

OK = Response(200, b"{}")


class Server:
    """Gives the answers it is told, the last one for ever, and notes when it was asked."""

    def __init__(self, *answers: Answer) -> None:
        self.asked: list[float] = []
        self.requests: list[Request] = []
        self.was_asked = asyncio.Event()
        self._answers = list(answers)

    def __call__(self, request: Request) -> Answer:
        self.asked.append(now())
        self.requests.append(request)
        self.was_asked.set()
        return self._answers.pop(0) if len(self._answers) > 1 else self._answers[0]


class Pieces:
    """The body of a stream, with a pause before each piece."""

    def __init__(self, pieces: Iterable[bytes], pause: float = 0, error: Exception | None = None) -> None:
        self.made = 0
        self.closed = asyncio.Event()
        self._pieces = pieces
        self._pause = pause
        self._error = error

    async def __call__(self) -> AsyncGenerator[bytes, None]:
        try:
            for piece in self._pieces:
                await asyncio.sleep(self._pause)
                self.made += 1
                yield piece
            if self._error is not None:
                raise self._error
        finally:
            self.closed.set()


def endless() -> Iterable[bytes]:
    while True:
        yield b"x\n"


async def read(stream: ApiStream, into: list[bytes]) -> None:
    async for piece in stream:  # not a comprehension: what came before a failure counts
        into += [piece]


async def test_a_request_arrives_as_over_http() -> None:
    server = Server(Response(201, b"[]", headers=(("Warning", "first"), ("Warning", "second"))))
    transport = DispatcherTransport(server, token="secret", user_agent="test/1")
    answer = await transport.send(put(query={"a": "b c", "d": ""}, accept="application/yaml"))
    assert (answer.status, answer.body) == (201, b"[]")
    assert answer.headers == {"Content-Type": "application/json", "Warning": "first"}
    (request,) = server.requests
    assert (request.method, request.path, request.body) == ("PUT", put().path, b"{}")
    assert (request.query.text("a"), "d" in request.query) == ("b c", True)
    assert request.headers == {
        "accept": "application/yaml",
        "authorization": "Bearer secret",
        "content-type": "application/json",
        "user-agent": "test/1",
    }


async def test_a_path_is_decoded_and_nobody_has_no_credentials() -> None:
    server = Server(OK)
    transport = DispatcherTransport(server, user_agent="test/1")
    await transport.send(get("/a%20b", user_agent_suffix="part"))
    (request,) = server.requests
    assert request.path == "/a b"
    assert request.headers == {"accept": "application/json", "user-agent": "test/1/part"}


@pytest.mark.parametrize("request_of", [pytest.param(get, id="GET"), pytest.param(put, id="PUT")])
async def test_a_server_that_asks_for_it_is_asked_again(request_of: Callable[[], object]) -> None:
    busy = Response(429, b"", headers=(("Retry-After", "3"),))
    server = Server(busy, busy, OK)
    assert (await DispatcherTransport(server).send(request_of())).status == 200  # type: ignore[arg-type]
    assert server.asked == [0, 3, 6]


async def test_a_request_without_the_patience_gets_the_refusal() -> None:
    server = Server(Response(429, b"busy", headers=(("Retry-After", "3"),)))
    answer = await DispatcherTransport(server).send(get(timeout=2))
    assert (answer.status, now()) == (429, 0)


async def test_a_stream_that_is_refused_is_opened_again() -> None:
    busy = Response(503, b"", headers=(("Retry-After", "3"),))
    transport = DispatcherTransport(Server(busy, StreamResponse(200, Pieces([b"x\n"])())))
    async with transport.stream(watch()) as stream:
        assert [piece async for piece in stream] == [b"x\n"]
        assert (stream.status, stream.headers["Content-Type"], now()) == (200, "application/json", 3)


async def test_a_refusal_can_be_read_from_a_stream() -> None:
    async with DispatcherTransport(Server(Response(410, b"gone"))).stream(watch()) as stream:
        assert (stream.status, [piece async for piece in stream]) == (410, [b"gone"])


async def test_a_stream_is_sent_while_nobody_reads() -> None:
    pieces = Pieces([b"a\n", b"b\n"], pause=5)
    async with DispatcherTransport(Server(StreamResponse(200, pieces()))).stream(watch()) as stream:
        await asyncio.sleep(20)
        assert pieces.closed.is_set()
        assert ([piece async for piece in stream], now()) == ([b"a\n", b"b\n"], 20)


async def test_a_stream_that_is_not_read_stops_and_is_ended_after_a_minute() -> None:
    pieces = Pieces(endless())
    async with DispatcherTransport(Server(StreamResponse(200, pieces()))).stream(watch()) as stream:
        await asyncio.sleep(59)
        assert not pieces.closed.is_set()
        assert pieces.made < 300
        await asyncio.sleep(2)
        assert pieces.closed.is_set()
        received: list[bytes] = []
        with pytest.raises(ConnectionLostError, match="ends a watch that is not read"):
            await read(stream, received)
    assert 250 < len(received) < 300


async def test_leaving_a_stream_ends_it_at_the_server() -> None:
    pieces = Pieces([b"a\n"], pause=100)
    async with DispatcherTransport(Server(StreamResponse(200, pieces()))).stream(watch()):
        await settle()
        assert not pieces.closed.is_set()
    assert pieces.closed.is_set()


@pytest.mark.parametrize(
    ("limits", "expected"),
    [
        pytest.param({"read_timeout": 30.0}, 30, id="silence"),
        pytest.param({"timeout": 20.0}, 20, id="whole time"),
        pytest.param({"timeout": 20.0, "read_timeout": 30.0}, 20, id="both"),
    ],
)
async def test_a_stream_has_limits(limits: dict[str, Any], expected: float) -> None:
    pieces = Pieces([b"a\n"], pause=100)
    async with DispatcherTransport(Server(StreamResponse(200, pieces()))).stream(watch(**limits)) as stream:
        with pytest.raises(RequestTimeoutError, match=r"GET .*: nothing was read in time"):
            await anext(aiter(stream))
    assert now() == expected


async def test_silence_is_counted_from_the_last_piece() -> None:
    pieces = Pieces([b"a\n", b"b\n", b"c\n"], pause=20)
    async with DispatcherTransport(Server(StreamResponse(200, pieces()))).stream(watch(read_timeout=30)) as stream:
        assert len([piece async for piece in stream]) == 3
    assert now() == 60


async def test_a_server_that_fails_in_a_stream_breaks_the_connection() -> None:
    pieces = Pieces([b"a\n"], error=ValueError("a bug"))
    received: list[bytes] = []
    with capture_logs() as logs:
        async with DispatcherTransport(Server(StreamResponse(200, pieces()))).stream(watch()) as stream:
            with pytest.raises(ConnectionLostError, match="the server failed: a bug"):
                await read(stream, received)
    assert received == [b"a\n"]
    assert [line["event"] for line in logs] == ["a stream broke"]


async def test_a_stream_that_is_not_opened_as_one_is_read_to_its_end() -> None:
    pieces = Pieces([b"a\n", b"b\n"], pause=5)
    answer = await DispatcherTransport(Server(StreamResponse(200, pieces()))).send(get())
    assert (answer, now()) == (ApiResponse(200, {"Content-Type": "application/json"}, b"a\nb\n"), 10)


async def test_it_may_take_no_longer_than_its_time() -> None:
    pieces = Pieces([b"a\n", b"b\n"], pause=5)
    with pytest.raises(RequestTimeoutError, match=r"GET .*: no answer within 7 s"):
        await DispatcherTransport(Server(StreamResponse(200, pieces()))).send(get(timeout=7))
    assert now() == 7


async def test_the_fence_is_asked_for_each_attempt_and_stops_it() -> None:
    server = Server(Response(429, b"", headers=(("Retry-After", "3"),)), OK)
    asked: list[float] = []

    def fence() -> float:
        asked.append(now())
        if now() > 2:
            raise LeadershipLostError("no longer")
        return 10

    with pytest.raises(LeadershipLostError):
        await DispatcherTransport(server).send(put(fence=fence))
    assert server.asked == [0]
    assert sorted(set(asked)) == [0, 3]


async def test_an_attempt_ends_with_leadership() -> None:
    pieces = Pieces([b"a\n"], pause=50)
    with pytest.raises(RequestTimeoutError, match="no answer while leadership lasted"):
        await DispatcherTransport(Server(StreamResponse(200, pieces()))).send(get(fence=lambda: 10))
    assert now() == 10


async def test_a_write_that_is_cancelled_on_its_way_back_was_carried_out() -> None:
    server = Server(OK)
    task = asyncio.create_task(DispatcherTransport(server).send(put()))
    await server.was_asked.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_other_tasks_run_between_requests() -> None:
    transport = DispatcherTransport(Server(OK))
    turns = 0

    async def count() -> None:
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    counter = asyncio.create_task(count())
    for _ in range(10):
        await transport.send(get())
    counter.cancel()
    assert turns >= 10


async def test_closing_refuses_further_requests() -> None:
    transport = DispatcherTransport(Server(OK))
    await transport.close()
    with pytest.raises(TransportError, match="is closed"):
        await transport.send(get())
    with pytest.raises(TransportError, match="is closed"):
        async with transport.stream(watch()):
            pass


@pytest.mark.parametrize("is_reading", [pytest.param(True, id="in a read"), pytest.param(False, id="before it")])
async def test_closing_ends_streams(is_reading: bool) -> None:
    transport = DispatcherTransport(Server(StreamResponse(200, Pieces([b"a\n"], pause=100)())))

    async def close_later() -> None:
        await asyncio.sleep(1)
        await transport.close()

    async with transport.stream(watch()) as stream:
        closing = asyncio.create_task(close_later())
        if not is_reading:
            await closing
        with pytest.raises(TransportError, match="is closed"):
            await anext(aiter(stream))
        with pytest.raises(TransportError, match="is closed"):
            await anext(aiter(stream))
        await closing
    assert now() == 1
