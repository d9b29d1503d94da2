"""What the tests of the cache share."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, MutableMapping
from typing import Any

import pytest
import structlog

from controller_runtime.cache import Cache, Informer
from controller_runtime.client import Client
from controller_runtime.envtest.in_memory import InMemoryAPI
from controller_runtime.envtest.interceptor import Interceptor
from tests.unit.cache.kinds import Gadget, Planet

# looptime asks for the current event loop in every test, and Python 3.11 then makes one that nobody closes.
asyncio.set_event_loop(None)


@pytest.fixture
def server() -> InMemoryAPI:
    """The cluster."""
    return InMemoryAPI(Gadget, Planet, namespaces=["lab", "prod", "other"])


@pytest.fixture
def net(server: InMemoryAPI) -> Interceptor:
    """The way there; what it answers or breaks goes to the caller at once."""
    return Interceptor(server.transport(), retries=False)


@pytest.fixture
def client(net: Interceptor) -> Client:
    return Client(net)


@pytest.fixture
def informer(client: Client) -> Informer[Gadget]:
    return Informer(client, Gadget)


@pytest.fixture
def cache(client: Client) -> Cache:
    return Cache(client, detect_mutations=True)


@pytest.fixture
def logs() -> Iterator[list[MutableMapping[str, Any]]]:
    """The log lines of the test, as dicts."""
    with structlog.testing.capture_logs() as lines:
        yield lines
