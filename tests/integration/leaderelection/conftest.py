"""A control plane that may be killed, and replicas that compete on it."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator

import pytest

from controller_runtime.api.coordination_v1 import Lease
from controller_runtime.apimachinery import NamespacedName
from controller_runtime.client import (
    AiohttpTransport,
    ApiRequest,
    ApiResponse,
    ApiStream,
    Client,
    ConnectError,
    Transport,
    load_config,
)
from controller_runtime.envtest import ControlPlane, ControlPlaneOptions
from controller_runtime.leaderelection import LeaderElection, LeaderElector
from controller_runtime.recorder import EventRecorder

DEADLINE = 60
"""Seconds after which a test has failed."""
LEASE_NAME = "lock"


class Cable:
    """A transport whose requests fail once it is cut, and whose answers a test can wait for.

    Attributes:
        statuses: status code of each answer.
        watching: set once a watch has brought something.
    """

    def __init__(self, inner: Transport) -> None:
        self.is_cut = False
        self.statuses: list[int] = []
        self.watching = asyncio.Event()
        self._inner = inner
        self._changed = asyncio.Event()

    async def send(self, request: ApiRequest) -> ApiResponse:
        if self.is_cut:
            raise ConnectError("the cable is cut")
        response = await self._inner.send(request)
        self.statuses.append(response.status)
        self._changed.set()
        return response

    async def answered(self, count: int) -> None:
        """Returns when that many more requests were answered."""
        count += len(self.statuses)
        async with asyncio.timeout(DEADLINE):
            while len(self.statuses) < count:
                self._changed.clear()
                await self._changed.wait()

    @contextlib.asynccontextmanager
    async def stream(self, request: ApiRequest) -> AsyncIterator[ApiStream]:
        async with self._inner.stream(request) as stream:
            yield _Overheard(stream, self.watching)

    async def close(self) -> None:
        await self._inner.close()


class _Overheard:
    """A stream that says when something has come out of it."""

    def __init__(self, inner: ApiStream, heard: asyncio.Event) -> None:
        self.status = inner.status
        self.headers = inner.headers
        self._inner = aiter(inner)
        self._heard = heard

    def __aiter__(self) -> AsyncIterator[bytes]:
        return self

    async def __anext__(self) -> bytes:
        chunk = await anext(self._inner)
        self._heard.set()
        return chunk


class Replica:
    """An elector on its own connection; its work notes when it starts and ends."""

    def __init__(
        self, transport: Transport, namespace: str, identity: str, recorder: EventRecorder | None, **times: float
    ) -> None:
        self.cable = Cable(transport)
        self.client = Client(self.cable)
        self.running = asyncio.Event()
        self.ended = asyncio.Event()
        times = times or {"lease_duration": 4, "renew_deadline": 3, "retry_period": 0.3}
        options = LeaderElection(name=LEASE_NAME, namespace=namespace, identity=identity, **times)
        self.elector = LeaderElector(self.client, options, recorder=recorder)
        self.task = asyncio.create_task(self.elector.run(self.work))

    async def work(self) -> None:
        self.ended.clear()
        self.running.set()
        try:
            await asyncio.get_running_loop().create_future()
        finally:
            self.running.clear()
            self.ended.set()

    async def leads(self) -> None:
        async with asyncio.timeout(DEADLINE):
            await self.running.wait()

    async def lost(self) -> None:
        async with asyncio.timeout(DEADLINE):
            await self.ended.wait()

    async def stop(self) -> None:
        self.task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await self.task


@pytest.fixture(scope="module")
def control_plane() -> Iterator[ControlPlane]:
    """A control plane that these tests may kill."""
    with ControlPlane(ControlPlaneOptions(users={"nobody": []})) as plane:
        yield plane


@pytest.fixture
async def client(control_plane: ControlPlane) -> AsyncIterator[Client]:
    """The test's own client."""
    made = Client(AiohttpTransport(await load_config(str(control_plane.kubeconfig))), field_owner="election-tests")
    yield made
    await made.transport.close()


@pytest.fixture
async def start(control_plane: ControlPlane, kube_namespace: str) -> AsyncIterator[Callable[..., Awaitable[Replica]]]:
    """Starts replicas, as admin or as another user, and stops them in the end."""
    replicas: list[Replica] = []

    async def make(identity: str, *, user: str = "", recorder: EventRecorder | None = None, **times: float) -> Replica:
        kubeconfig = control_plane.kubeconfig_for(user) if user else control_plane.kubeconfig
        transport = AiohttpTransport(await load_config(str(kubeconfig)))
        replicas.append(Replica(transport, kube_namespace, identity, recorder, **times))
        return replicas[-1]

    yield make
    for replica in replicas:
        await replica.stop()
        await replica.cable.close()


@pytest.fixture
def lease(client: Client, kube_namespace: str) -> Callable[[], Awaitable[Lease]]:
    """Reads the Lease."""
    return lambda: client.get(Lease, NamespacedName(kube_namespace, LEASE_NAME))
