"""Which requests are sent again; on virtual time."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

import pytest

from controller_runtime.client import ApiRequest, ApiResponse, ConnectError, ConnectionLostError, send_with_retries
from tests.unit.client.fakes import response

pytestmark = pytest.mark.looptime


class Attempts:
    """Plays a list of outcomes, the last one for ever."""

    def __init__(self, *outcomes: ApiResponse | Exception) -> None:
        self.outcomes: Iterator[ApiResponse | Exception] = iter(outcomes)
        self.last = outcomes[-1]
        self.times: list[float] = []

    async def __call__(self) -> ApiResponse:
        self.times.append(asyncio.get_running_loop().time())
        outcome = next(self.outcomes, self.last)
        if isinstance(outcome, Exception):
            raise outcome
        return outcome


def request(method: str = "PATCH", timeout: float | None = None) -> ApiRequest:
    return ApiRequest(method=method, path="/x", timeout=timeout)


@pytest.mark.parametrize(
    ("answer", "retried"),
    [
        pytest.param(response(429, retry_after="2"), True, id="throttled"),
        pytest.param(response(503, retry_after="2"), True, id="unavailable"),
        pytest.param(response(500, retry_after="2"), True, id="failed"),
        pytest.param(response(429), False, id="no Retry-After"),
        pytest.param(response(503, retry_after="Wed, 21 Oct 2026 07:28:00 GMT"), False, id="a date"),
        pytest.param(response(504, retry_after="2"), False, id="the server has waited already"),
        pytest.param(response(409, retry_after="2"), False, id="a conflict"),
        pytest.param(response(200, retry_after="2"), False, id="a success"),
    ],
)
async def test_retried_is_what_the_server_asks_to_repeat(answer: ApiResponse, retried: bool) -> None:
    attempts = Attempts(answer, response(201))
    result = await send_with_retries(request(), attempts)
    assert attempts.times == ([0, 2] if retried else [0])
    assert result.status == (201 if retried else answer.status)


async def test_ten_retries_are_the_most_and_the_last_answer_is_returned() -> None:
    attempts = Attempts(response(429, retry_after="1"))
    assert (await send_with_retries(request(), attempts)).status == 429
    assert attempts.times == list(range(11))


async def test_a_get_is_sent_once_more_after_a_lost_connection() -> None:
    attempts = Attempts(ConnectionLostError("reset"), response(200))
    assert (await send_with_retries(request("GET"), attempts)).status == 200
    assert attempts.times == [0, 1]


async def test_a_second_lost_connection_is_the_callers() -> None:
    attempts = Attempts(ConnectionLostError("reset"))
    with pytest.raises(ConnectionLostError):
        await send_with_retries(request("GET"), attempts)
    assert attempts.times == [0, 1]


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE"])
async def test_a_write_is_not_repeated_after_a_lost_connection(method: str) -> None:
    attempts = Attempts(ConnectionLostError("reset"), response(200))
    with pytest.raises(ConnectionLostError):
        await send_with_retries(request(method), attempts)
    assert attempts.times == [0]


async def test_a_refused_connection_is_the_callers() -> None:
    attempts = Attempts(ConnectError("refused"), response(200))
    with pytest.raises(ConnectError):
        await send_with_retries(request("GET"), attempts)
    assert attempts.times == [0]


async def test_no_retry_that_the_timeout_would_cut_off() -> None:
    attempts = Attempts(response(429, retry_after="5"), response(200))
    assert (await send_with_retries(request(timeout=5), attempts)).status == 429
    assert attempts.times == [0]


async def test_answers_that_are_not_returned_are_discarded() -> None:
    first, second = response(429, retry_after="1"), response(200)
    discarded: list[ApiResponse] = []
    assert await send_with_retries(request(), Attempts(first, second), discard=discarded.append) is second
    assert discarded == [first]


async def test_a_request_without_a_limit_is_patient_for_a_minute() -> None:
    attempts = Attempts(response(503, retry_after="25"))
    assert (await send_with_retries(request("GET"), attempts)).status == 503
    assert attempts.times == [0, 25, 50]


async def test_a_server_that_asks_a_watch_to_wait_for_an_hour_is_the_callers() -> None:
    attempts = Attempts(response(429, retry_after="3600"), response(200))
    assert (await send_with_retries(request("GET"), attempts)).status == 429
    assert attempts.times == [0]


async def test_each_repetition_is_told_with_what_came_before_it() -> None:
    told: list[str] = []
    outcomes = (response(503, retry_after="1"), ConnectionLostError("reset"), response(429, retry_after="1"))
    await send_with_retries(request("GET"), Attempts(*outcomes, response(200)), on_retry=told.append)
    assert told == ["503", "<error>", "429"]
