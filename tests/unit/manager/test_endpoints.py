"""The probes' and the metrics' server, over sockets: what a scraper or a kubelet gets."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Iterator
from typing import cast

import pytest
from prometheus_client import CollectorRegistry, Counter
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector
from structlog.testing import capture_logs
from tornado.http1connection import HTTP1Connection
from tornado.httputil import HTTPServerRequest

from controller_runtime.envtest import InMemoryAPI
from controller_runtime.manager import (
    Answer,
    CheckFailedError,
    Handler,
    ListenError,
    Manager,
    MetricsServerOptions,
    ping,
)
from controller_runtime.manager.endpoints import TEXT, Endpoint, by_path, exposition, probes


class BrokenCollector(Collector):
    """Fails at each scrape but describes itself without."""

    def collect(self) -> Iterator[Metric]:
        raise ZeroDivisionError("nothing to divide by")

    def describe(self) -> Iterator[Metric]:
        return iter(())


def unwell() -> None:
    raise CheckFailedError("the cable is out")


def buggy() -> None:
    raise KeyError("cable")


@contextlib.asynccontextmanager
async def serving(handler: Handler) -> AsyncIterator[Callable[..., asyncio.Future[str]]]:
    """A function that sends a request and returns all of the response."""
    endpoint = Endpoint("127.0.0.1:0", "the test", handler)
    task = asyncio.create_task(endpoint.start())

    async def ask(method: str, target: str, **headers: str) -> str:
        reader, writer = await asyncio.open_connection("127.0.0.1", endpoint.port)
        lines = [f"{method} {target} HTTP/1.1", "Host: test", "Connection: close"]
        lines += [f"{name}: {value}" for name, value in headers.items()]
        writer.write("\r\n".join([*lines, "", ""]).encode())
        try:
            return (await reader.read()).decode()
        finally:
            writer.close()
            await writer.wait_closed()

    try:
        yield lambda *args, **headers: asyncio.ensure_future(ask(*args, **headers))
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task


@pytest.fixture
def registry() -> CollectorRegistry:
    made = CollectorRegistry()
    Counter("boots", "Machines that booted.", registry=made).inc()
    return made


@pytest.mark.parametrize(
    ("accept", "content_type", "last_line"),
    [
        pytest.param("*/*", "text/plain; version=0.0.4; charset=utf-8", "boots_total 1.0", id="plain text"),
        pytest.param(
            "application/openmetrics-text;version=1.0.0,text/plain;version=0.0.4;q=0.5",
            "application/openmetrics-text; version=1.0.0; charset=utf-8",
            "# EOF",
            id="OpenMetrics",
        ),
    ],
)
async def test_metrics_come_in_the_format_that_is_asked_for(
    registry: CollectorRegistry, accept: str, content_type: str, last_line: str
) -> None:
    async with serving(exposition(registry)) as ask:
        response = await ask("GET", "/metrics", Accept=accept)
    head, _, body = response.partition("\r\n\r\n")
    assert head.startswith("HTTP/1.1 200 OK\r\n")
    assert f"Content-Type: {content_type}" in head
    assert "\nboots_total 1.0\n" in body
    assert last_line in body.splitlines()


async def test_head_is_answered_like_get_without_the_body(registry: CollectorRegistry) -> None:
    async with serving(exposition(registry)) as ask:
        response, whole = await ask("HEAD", "/metrics"), await ask("GET", "/metrics")
    head, _, body = response.partition("\r\n\r\n")
    assert body == ""
    assert f"Content-Length: {len(whole.partition(chr(13) + chr(10) + chr(13) + chr(10))[2])}" in head


async def test_a_collector_that_fails_is_an_answer_and_a_log_line(registry: CollectorRegistry) -> None:
    registry.register(BrokenCollector())
    with capture_logs() as lines:
        async with serving(exposition(registry)) as ask:
            response = await ask("GET", "/metrics")
    assert response.startswith("HTTP/1.1 500 Internal Server Error\r\n")
    assert response.endswith("internal server error: ZeroDivisionError: nothing to divide by\n")
    assert [type(line["exc_info"]) for line in lines if line["log_level"] == "error"] == [ZeroDivisionError]


async def test_a_check_that_has_a_bug_has_failed_and_hides_no_other() -> None:
    with capture_logs() as lines:
        async with serving(probes({"ping": ping}, {"buggy": buggy, "cable": unwell, "ping": ping})) as ask:
            response, single = await ask("GET", "/readyz"), await ask("GET", "/readyz/buggy")
    assert response.startswith("HTTP/1.1 500 ")
    assert response.endswith(
        "[-]buggy failed: KeyError: 'cable'\n[-]cable failed: the cable is out\n[+]ping ok\nreadyz check failed\n"
    )
    assert single.endswith("internal server error: KeyError: 'cable'\n")
    assert [line["check"] for line in lines if line["log_level"] == "error"] == ["buggy", "buggy"]


@pytest.mark.parametrize(
    ("method", "target", "status"),
    [
        pytest.param("GET", "/healthz", 200, id="healthz"),
        pytest.param("GET", "/readyz", 404, id="no check, no probe"),
        pytest.param("GET", "/", 404, id="root"),
        pytest.param("POST", "/healthz", 405, id="another method"),
    ],
)
async def test_what_a_probe_answers_at_which_path(method: str, target: str, status: int) -> None:
    async with serving(probes({"ping": ping}, {})) as ask:
        response = await ask(method, target)
    assert response.startswith(f"HTTP/1.1 {status} ")
    assert "Content-Type: text/plain; charset=utf-8\r\n" in response
    assert "X-Content-Type-Options: nosniff\r\n" in response


async def test_a_manager_that_cannot_listen_on_one_address_lets_go_of_the_other() -> None:
    holder = Endpoint("127.0.0.1:0", "the holder", exposition(CollectorRegistry()))
    free = Endpoint("127.0.0.1:0", "a free port", exposition(CollectorRegistry()))
    address = f"127.0.0.1:{free.port}"
    free.close()
    with pytest.raises(ListenError) as error:
        Manager(
            InMemoryAPI().transport(),
            health_probe_bind_address=address,
            metrics_server=MetricsServerOptions(bind_address=f"127.0.0.1:{holder.port}"),
        )
    assert "(metrics_server.bind_address)" in str(error.value)
    Endpoint(address, "the port again", exposition(CollectorRegistry())).close()
    holder.close()


async def test_a_request_that_takes_long_holds_up_no_other_connection() -> None:
    opened = asyncio.Event()

    async def slow(_: HTTPServerRequest) -> Answer:
        await opened.wait()
        return Answer(200, TEXT, b"late")

    async def quick(_: HTTPServerRequest) -> Answer:
        return Answer(200, TEXT, b"at once")

    async with serving(by_path({"/slow": slow, "/quick": quick})) as ask:
        late = ask("GET", "/slow")
        assert (await ask("GET", "/quick")).endswith("at once")
        assert not late.done()
        opened.set()
        assert (await late).endswith("late")


async def test_a_client_that_does_not_wait_for_its_answer_harms_nobody() -> None:
    asked, answered = asyncio.Event(), asyncio.Event()

    async def slow(request: HTTPServerRequest) -> Answer:
        closed = asyncio.Event()
        cast("HTTP1Connection", request.connection).set_close_callback(closed.set)
        asked.set()
        await closed.wait()
        answered.set()
        return Answer(200, TEXT, b"late")

    async def quick(_: HTTPServerRequest) -> Answer:
        return Answer(200, TEXT, b"at once")

    with capture_logs() as lines:
        async with serving(by_path({"/slow": slow, "/quick": quick})) as ask:
            impatient = ask("GET", "/slow")
            await asked.wait()
            impatient.cancel()
            await answered.wait()
            assert (await ask("GET", "/quick")).endswith("at once")
    assert [line for line in lines if line["log_level"] == "error"] == []


async def test_the_end_waits_for_no_answer() -> None:
    asked = asyncio.Event()

    async def never(_: HTTPServerRequest) -> Answer:
        asked.set()
        await asyncio.get_running_loop().create_future()
        raise AssertionError

    async with serving(never) as ask:
        answer = ask("GET", "/")
        await asked.wait()
    assert await answer == ""


@pytest.mark.parametrize(
    ("size", "status"),
    [
        pytest.param(1000 << 10, 200, id="below 1 MiB"),
        pytest.param(1100 << 10, None, id="beyond"),
    ],
)
async def test_headers_may_have_a_mebibyte(registry: CollectorRegistry, size: int, status: int | None) -> None:
    async with serving(exposition(registry)) as ask:
        response = await asyncio.gather(ask("GET", "/", Cookie="x" * size), return_exceptions=True)
    if status is None:
        assert isinstance(response[0], ConnectionError) or response[0] == ""
    else:
        assert str(response[0]).startswith(f"HTTP/1.1 {status} ")


async def test_what_an_unknown_path_or_another_method_gets(registry: CollectorRegistry) -> None:
    async with serving(by_path({"/metrics": exposition(registry)})) as ask:
        unknown, posted = await ask("GET", "/other"), await ask("POST", "/metrics")
    assert unknown.startswith("HTTP/1.1 404 ")
    assert unknown.endswith("there is /metrics here\n")
    assert posted.startswith("HTTP/1.1 405 ")
    assert "Allow: GET, HEAD\r\n" in posted


@pytest.mark.looptime
@pytest.mark.parametrize(
    ("sent", "seconds"),
    [
        pytest.param(b"", 32, id="a new connection that says nothing"),
        pytest.param(b"GET /metrics HTTP/1.1\r\nHost: te", 32, id="a new connection that stops in its headers"),
        pytest.param(b"GET /metrics HTTP/1.1\r\nHost: test\r\n\r\n", 90, id="one that has been answered"),
    ],
)
async def test_connections_that_ask_nothing_are_closed(registry: CollectorRegistry, sent: bytes, seconds: int) -> None:
    endpoint = Endpoint("127.0.0.1:0", "the test", exposition(registry))
    task = asyncio.create_task(endpoint.start())
    loop = asyncio.get_running_loop()
    try:
        reader, writer = await asyncio.open_connection("127.0.0.1", endpoint.port)
        before = loop.time()
        writer.write(sent)
        await reader.read()
        assert loop.time() - before == pytest.approx(seconds, abs=1)
        writer.close()
        await writer.wait_closed()
    finally:
        task.cancel()
        await asyncio.wait({task})
