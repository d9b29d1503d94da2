"""What every transport owes its callers beside the answer: time limits, the fence, retries.

The contract is that of `controller_runtime.client.transport`; `AiohttpTransport` keeps it with sockets, these functions
for transports without.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import Protocol, TypeVar

from controller_runtime.client.errors import RequestTimeoutError
from controller_runtime.client.retry import send_with_retries
from controller_runtime.client.transport import ApiRequest


class Answered(Protocol):
    """What retries are decided by."""

    @property
    def status(self) -> int:
        """HTTP status."""

    @property
    def headers(self) -> Mapping[str, str]:
        """By Title-Case names."""


R = TypeVar("R", bound=Answered)
T = TypeVar("T")


async def carry_out(request: ApiRequest, attempt: Callable[[], Awaitable[R]], *, retries: bool = True) -> R:
    """Send a request within its time limit and its fence.

    Args:
        request: What is sent.
        attempt: Sends it once.
        retries: Whether the rules of `retry` apply.

    Raises:
        RequestTimeoutError: Time or leadership was over.
        LeadershipLostError: The fence says so.
    """

    async def fenced() -> R:
        return await _within_fence(request, attempt)

    try:
        async with asyncio.timeout(request.timeout):
            return await (send_with_retries(request, fenced) if retries else fenced())
    except RequestTimeoutError:
        raise
    except TimeoutError as error:
        raise RequestTimeoutError(f"{name_of(request)}: no answer within {request.timeout:g} s") from error


async def _within_fence(request: ApiRequest, attempt: Callable[[], Awaitable[R]]) -> R:
    if request.fence is None:
        return await attempt()
    try:
        async with asyncio.timeout(request.fence()):
            return await attempt()
    except RequestTimeoutError:
        raise
    except TimeoutError as error:
        request.fence()  # says so if leadership is why the time was up
        raise RequestTimeoutError(f"{name_of(request)}: no answer while leadership lasted") from error


def name_of(request: ApiRequest) -> str:
    """Method and path, for messages."""
    return f"{request.method} {request.path}"


class StreamClock:
    """How long a stream may last, and how long it may be silent.

    Args:
        request: Has both limits.
    """

    def __init__(self, request: ApiRequest) -> None:
        self._request = request
        self._end = None if request.timeout is None else asyncio.get_running_loop().time() + request.timeout

    async def limit(self, reading: Awaitable[T]) -> T:
        """What is waited for, if it comes in time.

        Raises:
            RequestTimeoutError: It does not.
        """
        silence = self._request.read_timeout
        ends = [] if self._end is None else [self._end]
        if silence is not None:
            ends.append(asyncio.get_running_loop().time() + silence)
        try:
            async with asyncio.timeout_at(min(ends, default=None)):
                return await reading
        except RequestTimeoutError:
            raise
        except TimeoutError as error:
            raise RequestTimeoutError(f"{name_of(self._request)}: nothing was read in time") from error
