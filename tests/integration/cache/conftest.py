"""A control plane that may be killed, a kind of its own, and somebody to wait for what informers tell."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Any, ClassVar

import msgspec
import pytest
import structlog
from structlog.typing import EventDict

from controller_runtime.apimachinery import NamespacedName, Object, ObjectMeta, Resource
from controller_runtime.apimachinery.meta import APIStruct
from controller_runtime.cache import Cache
from controller_runtime.client import (
    AiohttpTransport,
    ApiRequest,
    ApiResponse,
    ApiStream,
    Client,
    Transport,
    load_config,
)
from controller_runtime.envtest import ControlPlane, ControlPlaneOptions

asyncio.set_event_loop(None)  # see tests/unit/cache/conftest.py

CRD = Path(__file__).with_name("gadgets.yaml")
DEADLINE = 60
"""Seconds after which a test has failed: an API server's restart and the back-off after it."""


class GadgetSpec(APIStruct, frozen=True, kw_only=True, gc=False):
    size: int = 0


class Gadget(Object, frozen=True, kw_only=True, gc=False):
    """The kind of gadgets.yaml."""

    resource: ClassVar[Resource] = Resource(group="cache.example.com", version="v1", kind="Gadget", plural="gadgets")

    spec: GadgetSpec = msgspec.field(default_factory=GadgetSpec)


class LooseGadget(Object, frozen=True, kw_only=True, gc=False):
    """The same kind with a spec that may be anything."""

    resource: ClassVar[Resource] = Gadget.resource

    spec: dict[str, Any] = {}


def gadget(namespace: str, name: str, size: int = 0) -> Gadget:
    return Gadget(metadata=ObjectMeta(namespace=namespace, name=name), spec=GadgetSpec(size=size))


class Recorder:
    """Writes down what it is told, and wakes whoever waits for something to become true."""

    def __init__(self) -> None:
        self.calls: list[str] = []
        self._changed = asyncio.Event()

    def on_add(self, obj: Object, is_initial: bool) -> None:
        self._note(f"+{obj.metadata.name}{' initial' if is_initial else ''}")

    def on_update(self, old: Object, new: Object) -> None:
        same = old.metadata.resource_version == new.metadata.resource_version
        self._note(f"{'=' if same else '~'}{new.metadata.name}")

    def on_delete(self, obj: Object, final_state_unknown: bool) -> None:
        self._note(f"-{obj.metadata.name}{' unknown' if final_state_unknown else ''}")

    def _note(self, call: str) -> None:
        self.calls.append(call)
        self._changed.set()

    async def until(self, holds: Callable[[], bool]) -> None:
        """Returns when the condition holds; looks after each call."""
        async with asyncio.timeout(DEADLINE):
            while not holds():
                self._changed.clear()
                await self._changed.wait()


class LogLines:
    """The log of the test: a structlog processor that keeps the lines, for whoever waits for one."""

    def __init__(self) -> None:
        self.lines: list[EventDict] = []
        self._changed = asyncio.Event()

    def __call__(self, logger: Any, method: str, line: EventDict) -> EventDict:
        self.lines.append(line)
        self._changed.set()
        raise structlog.DropEvent

    async def until(self, event: str, count: int = 1) -> None:
        """Returns when the event was logged that often."""
        async with asyncio.timeout(DEADLINE):
            while sum(line["event"] == event for line in self.lines) < count:
                self._changed.clear()
                await self._changed.wait()


class RecordingTransport:
    """Another transport, whose requests are remembered."""

    def __init__(self, inner: Transport) -> None:
        self.requests: list[ApiRequest] = []
        self._inner = inner

    async def send(self, request: ApiRequest) -> ApiResponse:
        self.requests.append(request)
        return await self._inner.send(request)

    def stream(self, request: ApiRequest) -> AbstractAsyncContextManager[ApiStream]:
        self.requests.append(request)
        return self._inner.stream(request)

    async def close(self) -> None:
        await self._inner.close()

    def lists(self) -> list[ApiRequest]:
        return [request for request in self.requests if "watch" not in request.query]


@pytest.fixture(scope="module")
def control_plane() -> Iterator[ControlPlane]:
    """A control plane that these tests may kill."""
    with ControlPlane(ControlPlaneOptions(users={"nobody": []})) as plane:
        plane.install_crds([CRD])
        yield plane


@pytest.fixture
async def transport(control_plane: ControlPlane) -> AsyncIterator[RecordingTransport]:
    """The transport of the cache, as admin."""
    made = RecordingTransport(AiohttpTransport(await load_config(str(control_plane.kubeconfig))))
    yield made
    await made.close()


@pytest.fixture
async def client(control_plane: ControlPlane) -> AsyncIterator[Client]:
    """The test's own client."""
    made = Client(AiohttpTransport(await load_config(str(control_plane.kubeconfig))), field_owner="cache-tests")
    yield made
    await made.transport.close()


@pytest.fixture
def logs() -> Iterator[LogLines]:
    """The log lines of the test."""
    processors = structlog.get_config()["processors"]
    before, lines = list(processors), LogLines()
    processors[:] = [lines]  # in place, because loggers that are bound already keep the list
    yield lines
    processors[:] = before


@contextlib.asynccontextmanager
async def running(cache: Cache) -> AsyncIterator[None]:
    """Runs a cache for the length of the block."""
    task = asyncio.create_task(cache.start())
    try:
        yield
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task


async def create_many(client: Client, namespace: str, count: int) -> None:
    """Creates Gadgets g0000 and on, some at a time."""
    gate = asyncio.Semaphore(20)

    async def one(number: int) -> None:
        async with gate:
            await client.create(gadget(namespace, f"g{number:04}", number))

    await asyncio.gather(*map(one, range(count)))


def key(namespace: str, name: str) -> NamespacedName:
    return NamespacedName(namespace, name)
