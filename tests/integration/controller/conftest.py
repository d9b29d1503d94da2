"""Managers on a namespace of an API server, a kind to reconcile, and a detector of runs that overlap."""

from __future__ import annotations

import asyncio
import contextlib
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from pathlib import Path
from typing import ClassVar

import msgspec
import pytest

from controller_runtime import metrics
from controller_runtime.apimachinery import NamespacedName, Object, ObjectMeta, Resource
from controller_runtime.apimachinery.meta import APIStruct
from controller_runtime.client import AiohttpTransport, Client, load_config
from controller_runtime.envtest import ControlPlane
from controller_runtime.envtest.interceptor import Interceptor
from controller_runtime.leaderelection import LeaderElection
from controller_runtime.manager import Manager

asyncio.set_event_loop(None)  # see tests/unit/cache/conftest.py

HERE = Path(__file__).parent
DEADLINE = 60
"""Seconds after which a test has failed."""


class Spec(APIStruct, frozen=True, kw_only=True, gc=False):
    size: int = 0


class Status(APIStruct, frozen=True, kw_only=True, gc=False):
    observed: int = -1


class Widget(Object, frozen=True, kw_only=True, gc=False):
    """The kind of widgets.yaml."""

    resource: ClassVar[Resource] = Resource(
        group="controller.example.com", version="v1", kind="Widget", plural="widgets"
    )

    spec: Spec = msgspec.field(default_factory=Spec)
    status: Status = msgspec.field(default_factory=Status)


class Latecomer(Widget, frozen=True, kw_only=True, gc=False):
    """The kind of latecomers.yaml, which is installed and removed while a test runs."""

    resource: ClassVar[Resource] = Resource(
        group="controller.example.com", version="v1", kind="Latecomer", plural="latecomers"
    )


class CustomResourceDefinition(Object, frozen=True, kw_only=True, gc=False):
    """As much of a CRD as is needed to delete it."""

    resource: ClassVar[Resource] = Resource(
        group="apiextensions.k8s.io",
        version="v1",
        kind="CustomResourceDefinition",
        plural="customresourcedefinitions",
        namespaced=False,
    )


class Detector:
    """Notes who works on which object, and wakes whoever waits for what follows from that.

    Attributes:
        overlaps: objects that were worked on twice at once.
        most_at_once: the largest number of objects that were worked on at one time.
        runs: finished runs by object.
    """

    def __init__(self) -> None:
        self.overlaps: list[str] = []
        self.most_at_once = 0
        self.runs: Counter[NamespacedName] = Counter()
        self._active: dict[NamespacedName, str] = {}
        self._changed = asyncio.Event()

    @contextlib.contextmanager
    def run(self, key: NamespacedName, who: str = "") -> Iterator[None]:
        """A run of somebody on an object."""
        if key in self._active:
            self.overlaps.append(f"{key}: {who} beside {self._active[key]}")
        self._active[key] = who
        self.most_at_once = max(self.most_at_once, len(self._active))
        try:
            yield
        finally:
            self._active.pop(key, None)
            self.runs[key] += 1
            self._changed.set()

    async def until(self, holds: Callable[[], bool]) -> None:
        """Returns when the condition holds; looks after each run."""
        async with asyncio.timeout(DEADLINE):
            while not holds():
                self._changed.clear()
                await self._changed.wait()


@pytest.fixture(scope="session")
def crds(control_plane: ControlPlane) -> None:
    """Widgets, served."""
    control_plane.install_crds([HERE / "widgets.yaml"])


@pytest.fixture
async def client(control_plane: ControlPlane, crds: None) -> AsyncIterator[Client]:
    """The test's own client."""
    made = Client(AiohttpTransport(await load_config(str(control_plane.kubeconfig))), field_owner="controller-tests")
    yield made
    await made.transport.close()


@pytest.fixture
def detector() -> Detector:
    return Detector()


MakeManager = Callable[..., Awaitable[Manager]]


@pytest.fixture
def nets() -> dict[str, Interceptor]:
    """The ways of managers to the API server, by their identities."""
    return {}


@pytest.fixture
def make_manager(
    control_plane: ControlPlane, kube_namespace: str, nets: dict[str, Interceptor], crds: None
) -> MakeManager:
    """Makes managers of the test's namespace; with an identity, they take part in one election."""

    async def make(identity: str = "") -> Manager:
        election = None
        if identity:
            election = LeaderElection(
                name="controller-tests",
                namespace=kube_namespace,
                identity=identity,
                lease_duration=10,
                renew_deadline=8,  # so that no stall of a loaded machine loses it
                retry_period=0.3,
            )
        net = nets[identity] = Interceptor(AiohttpTransport(await load_config(str(control_plane.kubeconfig))))
        return Manager(net, namespaces=[kube_namespace], leader_election=election)

    return make


@contextlib.asynccontextmanager
async def running(manager: Manager) -> AsyncIterator[asyncio.Task[None]]:
    """Runs a manager for the length of the block."""
    task = asyncio.create_task(manager.start())
    try:
        yield task
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task


def widget(key: NamespacedName, kind: type[Widget] = Widget) -> Widget:
    return kind(metadata=ObjectMeta(namespace=key.namespace, name=key.name))


async def uninstall(client: Client, kind: type[Object]) -> None:
    """Deletes a CRD and returns when it is gone: its objects go before it, and one that is going cannot be replaced."""
    key = NamespacedName("", kind.resource.qualified_plural)
    found = await client.get(CustomResourceDefinition, key)
    async with client.watch(
        CustomResourceDefinition,
        field_selector=f"metadata.name={key.name}",
        resource_version=found.metadata.resource_version,
        timeout_seconds=DEADLINE,
    ) as events:
        await client.delete(CustomResourceDefinition, key)
        async for event in events:
            if event.type == "DELETED":
                return
    raise AssertionError(f"CRD {key.name} is still there after {DEADLINE} s")


async def change(client: Client, keys: list[NamespacedName], sizes: range) -> None:
    """Gives all objects these sizes one after the other, each as fast as it can, and all at once."""

    async def one(key: NamespacedName) -> None:
        for size in sizes:
            await client.patch(Widget, key, {"spec": {"size": size}})

    await asyncio.gather(*map(one, keys))


def metric(controller: str, name: str, **labels: str) -> float:
    return metrics.REGISTRY.get_sample_value(name, {"controller": controller, **labels}) or 0.0
