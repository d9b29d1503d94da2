"""Counts what the replicas ask the API server for."""

from __future__ import annotations

from collections import Counter
from contextlib import AbstractAsyncContextManager

from controller_runtime.client import ApiRequest, ApiResponse, ApiStream, Transport
from controller_runtime.envtest.calls import call_of

_CONFLICT = 409


class CountingTransport:
    """A transport that counts requests by what they are: retries of one request are one.

    Args:
        inner: carries them.
        counts: where they are counted: by verb, pages of lists, and answers that report a conflict.
    """

    def __init__(self, inner: Transport, counts: Counter[str]) -> None:
        self._inner = inner
        self._counts = counts

    async def send(self, request: ApiRequest) -> ApiResponse:
        """Counts and carries."""
        self._count(request)
        response = await self._inner.send(request)
        self._counts["conflicts"] += response.status == _CONFLICT
        return response

    def stream(self, request: ApiRequest) -> AbstractAsyncContextManager[ApiStream]:
        """Counts and opens."""
        self._count(request)
        return self._inner.stream(request)

    async def close(self) -> None:
        """That of the other."""
        await self._inner.close()

    def _count(self, request: ApiRequest) -> None:
        verb = call_of(request, 0.0).verb
        if verb == "list":
            verb = "further pages" if "continue" in request.query else "lists"
        self._counts[verb] += 1
