"""A client whose requests a test can wait for."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager

import pytest

from controller_runtime.client import (
    AiohttpTransport,
    ApiRequest,
    ApiResponse,
    ApiStream,
    Client,
    Transport,
    load_config,
)
from controller_runtime.envtest import ControlPlane

DEADLINE = 60
"""Seconds after which a test has failed."""


class CountingTransport:
    """Another transport, which tells how many writes were answered."""

    def __init__(self, inner: Transport) -> None:
        self.answers: list[tuple[str, int]] = []
        """Method and status code of each write."""
        self._inner = inner
        self._changed = asyncio.Event()

    async def send(self, request: ApiRequest) -> ApiResponse:
        response = await self._inner.send(request)
        if request.method != "GET":
            self.answers.append((request.method, response.status))
            self._changed.set()
        return response

    def stream(self, request: ApiRequest) -> AbstractAsyncContextManager[ApiStream]:
        return self._inner.stream(request)

    async def close(self) -> None:
        await self._inner.close()

    async def answered(self, count: int) -> None:
        """Returns when that many writes were answered."""
        async with asyncio.timeout(DEADLINE):
            while len(self.answers) < count:
                self._changed.clear()
                await self._changed.wait()


@pytest.fixture
async def transport(control_plane: ControlPlane) -> AsyncIterator[CountingTransport]:
    """The broadcaster's transport."""
    made = CountingTransport(AiohttpTransport(await load_config(str(control_plane.kubeconfig))))
    yield made
    await made.close()


@pytest.fixture
async def client(control_plane: ControlPlane) -> AsyncIterator[Client]:
    """The test's own client."""
    made = Client(AiohttpTransport(await load_config(str(control_plane.kubeconfig))), field_owner="event-tests")
    yield made
    await made.transport.close()
