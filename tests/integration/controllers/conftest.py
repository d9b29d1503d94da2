"""The operator's parts in this process, on a namespace of a real API server."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import pytest

from boot_operator import flags
from boot_operator.operator import add_parts
from controller_runtime.apimachinery import NamespacedName, Object, decode
from controller_runtime.client import AiohttpTransport, Client, load_config
from controller_runtime.envtest import ControlPlane
from controller_runtime.manager import Manager

ROOT = Path(__file__).parents[3]
T = TypeVar("T", bound=Object)


@dataclass(frozen=True)
class Lab:
    """A namespace that the operator watches.

    Attributes:
        client: of the test itself.
        namespace: where everything happens.
        manager: the operator's.
    """

    client: Client
    namespace: str
    manager: Manager

    def key(self, name: str) -> NamespacedName:
        return NamespacedName(self.namespace, name)

    async def until(self, kind: type[T], name: str, holds: Callable[[T], bool]) -> T:
        """The object of that name (any, if it is empty) once `holds` is true of it; waits by a watch."""

        def fits(found: T) -> bool:
            return name in ("", found.metadata.name) and holds(found)

        async with asyncio.timeout(30):
            listed = await self.client.list(kind, namespace=self.namespace)
            for found in filter(fits, listed.items):
                return found
            version = listed.resource_version
            watch = self.client.watch(kind, namespace=self.namespace, resource_version=version, timeout_seconds=60)
            async with watch as events:
                async for event in events:
                    if event.type in ("ADDED", "MODIFIED") and fits(found := decode(kind, event.raw)):
                        return found
        raise AssertionError("the watch ended")


@pytest.fixture(scope="session")
def crds(control_plane: ControlPlane) -> None:
    """The CRDs, served."""
    control_plane.install_crds([ROOT / "config" / "crd" / "bases"])


@pytest.fixture
async def lab(control_plane: ControlPlane, kube_namespace: str, crds: None) -> AsyncIterator[Lab]:
    """The operator runs while the test does."""
    options = flags.parse(
        [
            f"--namespaces={kube_namespace}",
            "--metrics-bind-address=0",
            "--health-probe-bind-address=0",
            "--boot-server-address=127.0.0.1:0",
            "--image-proxy-server-address=127.0.0.1:0",
        ],
        {},
    )
    config = await load_config(str(control_plane.kubeconfig))
    client = Client(AiohttpTransport(config))
    manager = Manager(AiohttpTransport(config), namespaces=options.namespaces)
    add_parts(manager, options)
    running = asyncio.create_task(manager.start())
    try:
        yield Lab(client, kube_namespace, manager)
    finally:
        running.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await running
        await client.transport.close()
