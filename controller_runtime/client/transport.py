"""The seam between the client and whatever carries its requests.

`AiohttpTransport` carries them over HTTP. Others (an in-process API server, fault injection, a function in a test) need
these types alone. A transport knows paths, bytes and status codes; kinds and errors of the API are the client's.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from typing import Protocol

Fence = Callable[[], float]
"""Seconds for which this process may still write as the leader; raises LeadershipLostError when there are none.

A transport calls it for each attempt, once a connection is in hand and before a byte leaves, and ends the attempt after
that time at the latest.
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class ApiRequest:
    """One request to the API server."""

    method: str
    path: str
    """Path with everything escaped that needs it, starting with a slash."""
    query: Mapping[str, str] = field(default_factory=dict)
    body: bytes | None = None
    content_type: str = "application/json"
    """Of the body; meaningless without one."""
    accept: str = "application/json"
    user_agent_suffix: str = ""
    """Follows the user agent after a slash, for whoever reads the API server's audit log."""
    timeout: float | None = None
    """Seconds for the whole request with its retries; None: no limit. For a stream: until its end."""
    read_timeout: float | None = None
    """Longest silence of a stream, in seconds; None: no limit."""
    fence: Fence | None = None
    express: bool = False
    """Sent at once: waits neither for the transport's rate limit nor for a place among the requests at the same time.
    For the lease of the leader, which must not be lost because the leader is busy."""


@dataclass(slots=True)
class ApiResponse:
    """A complete response, whatever its status code."""

    status: int
    headers: Mapping[str, str]
    """Looked up by Title-Case names (`Retry-After`, `Warning`), so any mapping that has those will do."""
    body: bytes


class ApiStream(Protocol):
    """A response whose body is read while it arrives."""

    @property
    def status(self) -> int:
        """HTTP status code."""

    @property
    def headers(self) -> Mapping[str, str]:
        """Response headers, as in ApiResponse."""

    def __aiter__(self) -> AsyncIterator[bytes]:
        """Pieces of the body, cut anywhere; raises TransportError when the connection breaks or falls silent."""


class Transport(Protocol):
    """Carries requests. Safe for many tasks at the same time; bound to one event loop."""

    async def send(self, request: ApiRequest) -> ApiResponse:
        """Carry out the request, with retries (see `retry`).

        Raises:
            TransportError: no complete response.
            LeadershipLostError: the request's fence says so.
            ConfigError: no credentials.
        """

    def stream(self, request: ApiRequest) -> AbstractAsyncContextManager[ApiStream]:
        """Open a stream; leaving the context closes its connection. Raises like `send`, also while it is read."""

    async def close(self) -> None:
        """Close all connections; requests in flight end with a TransportError."""
