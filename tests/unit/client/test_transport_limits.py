"""What a transport holds back and what it lets pass at once, and what it measures of that; over real sockets."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

import pytest
from aiohttp import web

from controller_runtime.client import (
    ApiRequest,
    ApiResponse,
    Client,
    LeadershipLostError,
    RateLimit,
    RequestTimeoutError,
    enable_rest_client_metrics,
    rest_metrics,
)
from controller_runtime.leaderelection import LeaderElection, LeaderElector
from controller_runtime.metrics import REGISTRY, REST_OPT_IN
from tests.unit.client.fakes import FakeTransport, response
from tests.unit.client.loopback import Hold, Recorder, get, http_server, put, raw_server, transport_to

ONE_AN_HOUR = RateLimit(qps=1 / 3600, burst=1)


@pytest.fixture
def detailed_metrics() -> Iterator[None]:
    """Have the optional metrics measured."""
    enable_rest_client_metrics()
    yield
    rest_metrics._opt_in.enabled = False
    for metric in REST_OPT_IN:
        REGISTRY.unregister(metric)
        metric.clear()


def sample(name: str, url: str, **labels: str) -> float | None:
    return REGISTRY.get_sample_value(f"rest_client_{name}", labels | {"host": url.removeprefix("http://")})


# The rate limit


async def test_a_request_beyond_the_limit_waits_and_is_not_sent() -> None:
    server = Recorder()
    async with http_server(server) as url, transport_to(url, rate_limit=ONE_AN_HOUR) as transport:
        await transport.send(put())
        with pytest.raises(RequestTimeoutError, match=r"no answer within 0.05 s"):
            await transport.send(put(timeout=0.05))
    assert len(server.requests) == 1


async def test_requests_go_at_the_rate(detailed_metrics: None) -> None:
    server = Recorder()
    async with http_server(server) as url, transport_to(url, rate_limit=RateLimit(qps=20, burst=1)) as transport:
        await asyncio.gather(*(transport.send(put()) for _ in range(4)))
    assert sample("rate_limiter_duration_seconds_count", url, verb="PUT") == 4
    assert 0 < (sample("rate_limiter_duration_seconds_sum", url, verb="PUT") or 0) <= 0.05 + 0.1 + 0.15


async def test_a_request_that_waits_to_be_repeated_leaves_its_place_to_others() -> None:
    server = Recorder([web.Response(status=429, headers={"Retry-After": "30"})])
    refused = asyncio.Event()

    async def answer(request: web.Request) -> web.Response:
        refused.set()
        return await server(request)

    async with http_server(answer) as url, transport_to(url, connection_limit=1) as transport:
        waiting = asyncio.create_task(transport.send(put()))
        await refused.wait()
        assert (await transport.send(get(timeout=5.0))).status == 200
        assert not waiting.done()
        waiting.cancel()
        await asyncio.wait({waiting})


async def test_the_lease_waits_neither_for_the_limit_nor_for_a_place() -> None:
    busy = Hold()
    async with (
        raw_server(busy) as url,
        transport_to(url, rate_limit=ONE_AN_HOUR, connection_limit=1) as transport,
    ):
        first = asyncio.create_task(transport.send(put()))  # has the only token and the only place
        await busy.asked.wait()
        busy.asked.clear()
        lease = asyncio.create_task(transport.send(put(express=True)))
        await busy.asked.wait()
        busy.released.set()
        assert [(await answer).status for answer in (first, lease)] == [200, 200]


async def test_all_that_an_elector_sends_is_express_and_says_who_it_is() -> None:
    asked = asyncio.Event()

    def answer(request: ApiRequest) -> ApiResponse:
        asked.set()
        return response(404)

    async def work() -> None:
        pytest.fail("it leads without a lease")

    transport = FakeTransport(answer)
    elector = LeaderElector(Client(transport), LeaderElection(name="lock", namespace="default"))
    running = asyncio.create_task(elector.run(work))
    await asked.wait()
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    sent = {(request.express, request.user_agent_suffix) for request in transport.requests}
    assert sent == {(True, "leader-election")}


async def test_a_watch_counts_when_it_is_opened() -> None:
    server = Recorder()
    async with http_server(server) as url, transport_to(url, rate_limit=RateLimit(1 / 3600, 2)) as transport:
        async with transport.stream(get()) as stream:
            assert [chunk async for chunk in stream] == [b"{}"]
        await transport.send(put())
        with pytest.raises(RequestTimeoutError):
            await transport.send(put(timeout=0.05))
    assert len(server.requests) == 2


async def test_a_repetition_counts_anew() -> None:
    server = Recorder([web.Response(status=429, headers={"Retry-After": "0"})])
    async with http_server(server) as url, transport_to(url, rate_limit=ONE_AN_HOUR) as transport:
        with pytest.raises(RequestTimeoutError):
            await transport.send(put(timeout=0.1))
    assert len(server.requests) == 1


async def test_who_waits_for_the_limit_does_not_outlive_the_leadership() -> None:
    def fence() -> float:
        if asyncio.get_running_loop().time() > ends:
            raise LeadershipLostError("lost")
        return ends - asyncio.get_running_loop().time()

    server = Recorder()
    async with http_server(server) as url, transport_to(url, rate_limit=ONE_AN_HOUR) as transport:
        await transport.send(put())
        ends = asyncio.get_running_loop().time() + 0.05
        with pytest.raises((LeadershipLostError, RequestTimeoutError)):
            await transport.send(put(fence=fence))
    assert len(server.requests) == 1


# Metrics


async def test_nothing_is_measured_unless_somebody_asks() -> None:
    server = Recorder()
    async with http_server(server) as url, transport_to(url) as transport:
        await transport.send(put())
    assert not any(next(iter(metric.collect())).samples for metric in REST_OPT_IN)
    assert REGISTRY.get_sample_value("rest_client_request_duration_seconds_count") is None


async def test_what_is_measured_of_a_request(detailed_metrics: None) -> None:
    server = Recorder([web.Response(status=503, headers={"Retry-After": "0"}, body=b"no"), web.Response(body=b"[1,2]")])
    async with http_server(server) as url, transport_to(url) as transport:
        await transport.send(put())
        await transport.send(ApiRequest(method="DELETE", path="/x"))
    assert sample("request_duration_seconds_count", url, verb="PUT") == 1
    assert sample("request_size_bytes_sum", url, verb="PUT") == 2 * len(b"{}")
    assert sample("response_size_bytes_sum", url, verb="PUT") == len(b"no") + len(b"[1,2]")
    assert sample("response_size_bytes_count", url, verb="PUT") == 2
    assert sample("request_retries_total", url, verb="PUT", code="503") == 1
    assert sample("request_size_bytes_sum", url, verb="DELETE") == 0
    assert sample("rate_limiter_duration_seconds_count", url, verb="PUT") is None


async def test_a_failed_request_has_a_duration_and_no_answer(detailed_metrics: None) -> None:
    busy = Hold()
    async with raw_server(busy) as url, transport_to(url) as transport:
        with pytest.raises(RequestTimeoutError):
            await transport.send(get(timeout=0.05))
    assert sample("request_duration_seconds_count", url, verb="GET") == 1
    assert sample("response_size_bytes_count", url, verb="GET") is None


def test_asking_twice_is_asking_once(detailed_metrics: None) -> None:
    enable_rest_client_metrics()
    assert rest_metrics._opt_in.enabled
