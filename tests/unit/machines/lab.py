"""A cluster in memory with boot configurations and Secrets, and the machines room running on it.

All is real but the network: the embedded API server, client, cache, reflectors and BootSecrets.
"""

from __future__ import annotations

import asyncio
import base64
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from typing import Any, TypeAlias

from api.v1alpha1 import BootConfig, HTTPBootConfig, IPXEBootConfig
from controller_runtime.api.core_v1 import Secret
from controller_runtime.apimachinery import NamespacedName, Object
from controller_runtime.cache import Cache
from controller_runtime.client import ApiResponse, Client
from controller_runtime.envtest import Call, InMemoryAPI, Interceptor
from controller_runtime.envtest.effects import Proceed
from machines import BootSecrets, Machines, register

NAMESPACE = "lab"
UUID = "4c4c4544-0051-3610-8052-b4c04f4e4d31"
OTHER_UUID = "deadbeef-0051-3610-8052-b4c04f4e4d31"

Document: TypeAlias = dict[str, Any]


class BootApi(InMemoryAPI):
    """The cluster and the way there.

    Attributes:
        net: the transport; what it answers or breaks goes to the caller at once.
        reading: closed, it holds back answers to reads of Secrets.
        patching: closed, it holds back patches of status.
        patches: those that were carried out, in order.
    """

    def __init__(self) -> None:
        super().__init__(IPXEBootConfig, HTTPBootConfig, namespaces=[NAMESPACE, "other"])
        self.net = Interceptor(self.transport(), retries=False)
        self.reading = Gate()
        self.patching = Gate()
        self.patches: list[Call] = []
        self.net.on("get", self._read, kind=Secret)
        self.net.on("patch", self._patch, subresource="status")

    def ipxe(self, name: str, namespace: str = NAMESPACE, **spec: Any) -> Document:
        """Creates an IPXEBootConfig; the references are given by name."""
        wanted = {"systemUUID": UUID, "kernelURL": "http://images/kernel", "initrdURL": "http://images/initrd"} | spec
        return self.create(IPXEBootConfig, name, namespace, spec=_with_references(wanted))

    def http(self, name: str, namespace: str = NAMESPACE, **spec: Any) -> Document:
        """Creates an HTTPBootConfig; the reference is given by name."""
        wanted = {"systemUUID": UUID, "ukiURL": "http://images/uki.efi"} | spec
        return self.create(HTTPBootConfig, name, namespace, spec=_with_references(wanted))

    def secret(self, name: str, namespace: str = NAMESPACE, **data: bytes) -> Document:
        """Creates a Secret; underscores in keys stand for dashes."""
        return self.create(Secret, name, namespace, data=_encoded(data))

    def change_secret(self, name: str, namespace: str = NAMESPACE, **data: bytes) -> Document:
        """Replaces the data of a Secret."""
        return self.update(Secret, name, namespace, data=_encoded(data))

    def change_status(self, kind: type[BootConfig], name: str, **fields: Any) -> Document:
        """Replaces the status of a configuration, as another writer does."""
        return self.update(kind, name, NAMESPACE, subresource="status", status=fields)

    def status_of(self, kind: type[Object], name: str) -> Document:
        """The status of an object as the server has it."""
        stored: Document = self.request("GET", kind.resource.path(NAMESPACE, name)).get("status", {})
        return stored

    @property
    def reads(self) -> list[NamespacedName]:
        """Secrets that were read one by one, in order."""
        return [NamespacedName(call.namespace, call.name) for call in self.net.requested("get", kind=Secret)]

    def before_patch(self, act: Callable[[], object]) -> None:
        """Lets something happen once, right before the next patch is carried out."""

        async def hook(call: Call, proceed: Proceed) -> ApiResponse:
            act()
            return await proceed(call.request)

        self.net.on("patch", hook, times=1)

    async def _read(self, call: Call, proceed: Proceed) -> ApiResponse:
        with self.reading.entered():
            response = await proceed(call.request)  # the answer is made now, however long it is on its way
            await self.reading.passed()
            return response

    async def _patch(self, call: Call, proceed: Proceed) -> ApiResponse:
        with self.patching.entered():
            await self.patching.passed()
            response = await proceed(call.request)
        if response.status == 200:
            self.patches.append(call)
        return response


class Gate:
    """Open, it lets everybody through; closed, it holds them back.

    Attributes:
        inside: how many have come and not left.
        most: how many those were at most.
    """

    def __init__(self) -> None:
        self.inside = 0
        self.most = 0
        self._open = asyncio.Event()
        self._open.set()

    def close(self) -> None:
        self._open.clear()

    def open(self) -> None:
        self._open.set()

    def admit(self) -> None:
        """Lets through those who wait now, and stays closed."""
        self._open.set()
        self._open.clear()

    @contextmanager
    def entered(self) -> Iterator[None]:
        self.inside += 1
        self.most = max(self.most, self.inside)
        try:
            yield
        finally:
            self.inside -= 1

    async def passed(self) -> None:
        await self._open.wait()


def _with_references(spec: Mapping[str, Any]) -> Document:
    named = {"ignition": "ignitionSecretRef", "script": "ipxeScriptSecretRef"}
    return {named.get(name, name): {"name": value} if name in named else value for name, value in spec.items()}


def _encoded(data: Mapping[str, bytes]) -> Document:
    return {key.replace("_", "-"): base64.b64encode(value).decode() for key, value in data.items()}


@dataclass
class Lab:
    """Everything on top of one BootApi."""

    api: BootApi
    client: Client
    cache: Cache
    secrets: BootSecrets
    machines: Machines

    def config(self, kind: type[BootConfig], name: str) -> BootConfig:
        """A configuration as the informer has it."""
        found = self.cache.get(kind, NamespacedName(NAMESPACE, name))
        assert found is not None
        return found


def make_lab(api: BootApi, *, default_uki_url: str = "", **options: Any) -> Lab:
    """A lab in which nothing runs."""
    client = Client(api.net)
    cache = Cache(client, detect_mutations=True)
    register(cache)
    secrets = BootSecrets(client, cache, **options)
    return Lab(api, client, cache, secrets, Machines(cache, secrets, default_uki_url=default_uki_url))


@asynccontextmanager
async def running(lab: Lab, *more: Any) -> AsyncIterator[Lab]:
    """Runs the cache, the Secrets and further runnables until the end of the block; they must not have failed."""
    tasks = [asyncio.create_task(runnable.start()) for runnable in (lab.cache, lab.secrets, *more)]
    try:
        await settle()
        yield lab
        lab.cache.check_mutations()
    finally:
        await stop(tasks)


async def stop(tasks: Sequence[asyncio.Task[None]]) -> None:
    """Cancels tasks and waits for them.

    Raises:
        Exception: what one of them failed with.
    """
    for task in tasks:
        task.cancel()
    for result in await asyncio.gather(*tasks, return_exceptions=True):
        if isinstance(result, Exception):
            raise result


async def settle() -> None:
    """Returns once nothing can happen without time passing; for tests on virtual time alone."""
    await asyncio.sleep(0.001)
