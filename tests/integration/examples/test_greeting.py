"""The example operator, as its reader starts it: the CRD it prints, a process of its own, SIGTERM at the end."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import TypeVar

import pytest

from controller_runtime import AiohttpTransport, Client, NamespacedName, ObjectMeta, load_config
from controller_runtime.apimachinery import Object, decode
from controller_runtime.client import NotFoundError
from controller_runtime.envtest import ControlPlane, ControlPlaneOptions
from examples.greeting import ConfigMap, Greeting, GreetingSpec

pytestmark = pytest.mark.integration

T = TypeVar("T", bound=Object)

ROOT = Path(__file__).parents[3]
COMMAND = (sys.executable, "-m", "examples.greeting")


@pytest.fixture(scope="module")
def control_plane() -> Iterator[ControlPlane]:
    """A server that collects garbage."""
    with ControlPlane(ControlPlaneOptions(garbage_collection=True)) as plane:
        yield plane


@pytest.fixture
async def client(control_plane: ControlPlane) -> AsyncIterator[Client]:
    transport = AiohttpTransport(await load_config(kubeconfig=control_plane.kubeconfig))
    yield Client(transport)
    await transport.close()


@pytest.fixture
async def operator(control_plane: ControlPlane, tmp_path: Path) -> AsyncIterator[asyncio.subprocess.Process]:
    crd = tmp_path / "crd.yaml"
    with crd.open("wb") as printed:
        printing = await asyncio.create_subprocess_exec(*COMMAND, "crd", cwd=ROOT, stdout=printed)
    assert await printing.wait() == 0
    control_plane.install_crds([crd])
    environment = {**os.environ, "KUBECONFIG": str(control_plane.kubeconfig)}
    with (tmp_path / "log").open("wb") as log:
        process = await asyncio.create_subprocess_exec(*COMMAND, cwd=ROOT, env=environment, stdout=log, stderr=log)
    try:
        yield process
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


async def until(client: Client, kind: type[T], key: NamespacedName, holds: Callable[[T | None], bool]) -> None:
    """Waits, by a watch, until that is true of the object; None is told where it does not exist."""
    async with asyncio.timeout(60):
        listed = await client.list(kind, namespace=key.namespace)
        if holds(next((obj for obj in listed.items if obj.key == key), None)):
            return
        version = listed.resource_version
        watch = client.watch(kind, namespace=key.namespace, resource_version=version, timeout_seconds=90)
        async with watch as events:
            async for event in events:
                if event.type == "BOOKMARK":
                    continue
                obj = decode(kind, event.raw)
                if obj.key == key and holds(None if event.type == "DELETED" else obj):
                    return
    raise AssertionError("the watch ended")


async def test_a_greeting_is_shown_changed_mended_and_collected_and_the_process_ends_cleanly(
    operator: asyncio.subprocess.Process, client: Client, kube_namespace: str
) -> None:
    key = NamespacedName(kube_namespace, "morning")
    meta = ObjectMeta(namespace=kube_namespace, name="morning")
    await client.create(Greeting(metadata=meta, spec=GreetingSpec(text="hello")))
    await until(client, Greeting, key, lambda greeting: greeting is not None and greeting.status.shown == "hello")
    shown = await client.get(ConfigMap, key)
    assert shown.data == {"text": "hello"}
    assert shown.controller_owner is not None
    assert (shown.controller_owner.kind, shown.controller_owner.name) == ("Greeting", "morning")

    await client.patch(Greeting, key, {"spec": {"text": "good morning"}})
    await until(
        client, Greeting, key, lambda greeting: greeting is not None and greeting.status.shown == "good morning"
    )

    await client.patch(ConfigMap, key, {"data": {"text": "somebody else's"}}, field_owner="somebody-else")
    await until(client, ConfigMap, key, lambda found: found is not None and found.data == {"text": "good morning"})

    await client.delete(ConfigMap, key)
    await until(client, ConfigMap, key, lambda found: found is not None and found.metadata.uid != shown.metadata.uid)

    await client.delete(Greeting, key)
    await until(client, ConfigMap, key, lambda found: found is None)
    with pytest.raises(NotFoundError):
        await client.get(Greeting, key)

    operator.send_signal(signal.SIGTERM)
    assert await operator.wait() == 0
