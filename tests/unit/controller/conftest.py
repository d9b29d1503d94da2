"""An API server in memory, a way to it that can be disturbed, and a cache that runs."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator

import pytest

from controller_runtime.cache import Cache
from controller_runtime.client import Client
from controller_runtime.envtest.in_memory import InMemoryAPI
from controller_runtime.envtest.interceptor import Interceptor
from tests.unit.cache.kinds import Gadget, Planet

asyncio.set_event_loop(None)  # see tests/unit/cache/conftest.py


@pytest.fixture
def api() -> InMemoryAPI:
    return InMemoryAPI(Gadget, Planet, namespaces=["ns", "other"])


@pytest.fixture
def net(api: InMemoryAPI) -> Interceptor:
    return Interceptor(api.transport(), retries=False)


@pytest.fixture
def client(net: Interceptor) -> Client:
    return Client(net)


@pytest.fixture
async def cache(client: Client) -> AsyncIterator[Cache]:
    """Runs for the length of the test; kinds may be declared at any time."""
    made = Cache(client)
    task = asyncio.create_task(made.start())
    await asyncio.sleep(0)
    yield made
    task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await task
