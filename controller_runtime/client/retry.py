"""Which requests are sent again, and when: the rules of client-go (rest/with_retry.go).

- Status 429 or 5xx with an integer `Retry-After`: the same request after that many seconds, ten times at most. The
  server asks for it before it did anything, so writes are repeated too.
- Unlike in client-go, not 504: there the server has waited in vain already. It is how it answers a list at a
  resourceVersion that it has not reached, and ten repetitions would keep a reflector from starting over for 45 s.
- A connection that is lost: GET alone, once, after a second. A write might have been carried out.
- Everything else is for the caller, and so is a server that wants more patience than the request has: its timeout, or
  a minute for one without (a watch). Whoever waits longer should know what for.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import Protocol, TypeVar

from controller_runtime.client.errors import ConnectionLostError, parse_retry_after
from controller_runtime.client.transport import ApiRequest

MAX_RETRIES = 10
RECONNECT_SECONDS = 1.0
PATIENCE_SECONDS = 60.0
"""Time for all retries of a request that has no time limit of its own."""


class _Response(Protocol):
    @property
    def status(self) -> int: ...
    @property
    def headers(self) -> Mapping[str, str]: ...


R = TypeVar("R", bound=_Response)


async def send_with_retries(
    request: ApiRequest,
    attempt: Callable[[], Awaitable[R]],
    *,
    discard: Callable[[R], None] | None = None,
    on_retry: Callable[[str], None] | None = None,
) -> R:
    """Calls `attempt` until it brings a response that is not to be retried; the last one is returned in any case.

    A server that wants more patience than is left gets no retry: its own answer says more than a timeout would.

    Args:
        request: What is sent; its method and timeout count.
        attempt: Sends it once.
        discard: Called with each response that is not returned.
        on_retry: Called for each repetition with the status code before it, `<error>` where the connection was lost.
    """
    loop = asyncio.get_running_loop()
    deadline = loop.time() + (PATIENCE_SECONDS if request.timeout is None else request.timeout)
    reconnects = 1 if request.method == "GET" else 0
    for _ in range(MAX_RETRIES):
        try:
            response = await attempt()
            delay = _delay(response)
        except ConnectionLostError:
            if not reconnects:
                raise
            reconnects -= 1
            if on_retry is not None:
                on_retry("<error>")
            await asyncio.sleep(RECONNECT_SECONDS)
            continue
        if delay is None or loop.time() + delay >= deadline:
            return response
        if discard is not None:
            discard(response)
        if on_retry is not None:
            on_retry(str(response.status))
        await asyncio.sleep(delay)
    return await attempt()


def _delay(response: _Response) -> float | None:
    if response.status != 429 and (response.status < 500 or response.status == 504):
        return None
    return parse_retry_after(response.headers)
