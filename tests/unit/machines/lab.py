"""A cluster in memory with boot configurations and Secrets, and the machines room running on it.

`BootApi` adds to the API server of the cache's tests what this room needs: reads of single objects, generations, and
merge patches of status. Client, cache, reflectors and BootSecrets are the real ones.
"""

from __future__ import annotations

import asyncio
import base64
import copy
import json
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

from api.v1alpha1 import BootConfig, HTTPBootConfig, IPXEBootConfig
from controller_runtime.api.core_v1 import Secret
from controller_runtime.apimachinery import NamespacedName, Object, Resource
from controller_runtime.cache import Cache
from controller_runtime.client import ApiRequest, ApiResponse, Client, ConnectError
from machines import BootSecrets, Machines, register
from tests.unit.cache.memory_api import Answer, Document, MemoryApi, status

NAMESPACE = "lab"
UUID = "4c4c4544-0051-3610-8052-b4c04f4e4d31"
OTHER_UUID = "deadbeef-0051-3610-8052-b4c04f4e4d31"


class BootApi(MemoryApi):
    """The API server.

    Attributes:
        reads: Secrets that were read one by one, in order.
        most_reads: how many such reads were under way at once.
        reading: closed, it holds such reads back.
        refused: what is answered to reads of single objects in place of the object.
        patches: bodies of status patches, in order.
        most_patches: how many patches were under way at once.
        patching: closed, it holds patches back.
        before_patch: called once before the next patch is carried out.
        misrouted: reads of single objects and patches are answered by a proxy that knows no API server.
    """

    def __init__(self) -> None:
        super().__init__(IPXEBootConfig, HTTPBootConfig, Secret)
        self.reads: list[NamespacedName] = []
        self.most_reads = 0
        self.reading = Gate()
        self.refused: dict[NamespacedName, Answer] = {}
        self.patches: list[Document] = []
        self.most_patches = 0
        self.patching = Gate()
        self.before_patch: Callable[[], object] | None = None
        self.misrouted = False

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

    def status_of(self, kind: type[Object], name: str) -> Document:
        """The status of an object as the server has it."""
        stored: Document = self.documents(kind)[NamespacedName(NAMESPACE, name)].get("status", {})
        return stored

    def _change(self, event: str, resource: Resource, document: Document) -> Document:
        metadata = document["metadata"]
        stored = self._objects[resource].get(NamespacedName(metadata.get("namespace", ""), metadata["name"]))
        changed = stored is None or stored.get("spec") != document.get("spec")
        metadata["generation"] = metadata.get("generation", 0) + changed
        return super()._change(event, resource, document)

    async def send(self, request: ApiRequest) -> ApiResponse:
        """Answers reads of single objects and status patches here, lists as before."""
        for resource in self._resources:
            head, _, tail = request.path.partition(f"/{resource.plural}/")
            if tail:
                name, _, subresource = tail.partition("/")
                key = NamespacedName(head.rpartition("/")[2], name)
                if self.misrouted:
                    return ApiResponse(status=404, headers={}, body=b"404 page not found\n")
                if request.method == "PATCH" and subresource == "status":
                    return await self._patch(resource, key, json.loads(request.body or b""))
                return await self._read(resource, key)
        return await super().send(request)

    async def _read(self, resource: Resource, key: NamespacedName) -> ApiResponse:
        stored = self._objects[resource].get(key)  # the answer is made now, however long it is on its way
        if resource == Secret.resource:
            self.reads.append(key)
        async with self.reading:
            self.most_reads = max(self.most_reads, self.reading.inside)
        if self.down:
            raise ConnectError("connection refused")
        if key in self.refused:
            return _failure(self.refused[key])
        return _success(resource, stored) if stored else _failure(_not_found(key))

    async def _patch(self, resource: Resource, key: NamespacedName, patch: Document) -> ApiResponse:
        async with self.patching:
            self.most_patches = max(self.most_patches, self.patching.inside)
        if self.before_patch is not None:
            call, self.before_patch = self.before_patch, None
            call()
        if self.down:
            raise ConnectError("connection refused")
        stored = self._objects[resource].get(key)
        if stored is None:
            return _failure(_not_found(key))
        if patch["metadata"]["resourceVersion"] != stored["metadata"]["resourceVersion"]:
            return _failure(Answer(409, "Conflict", f"{key} has been modified"))
        self.patches.append(patch)
        document = copy.deepcopy(stored)
        document["status"] = _merged(stored.get("status", {}), patch["status"])
        return _success(resource, self._change("MODIFIED", resource, document))


class Gate:
    """Open, it lets everybody through in the next turn of the loop; closed, it holds them back."""

    def __init__(self) -> None:
        self.inside = 0
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

    async def __aenter__(self) -> None:
        self.inside += 1
        try:
            await asyncio.sleep(0)
            await self._open.wait()
        except BaseException:
            self.inside -= 1
            raise

    async def __aexit__(self, *_: object) -> None:
        self.inside -= 1


def _with_references(spec: Mapping[str, Any]) -> Document:
    named = {"ignition": "ignitionSecretRef", "script": "ipxeScriptSecretRef"}
    return {named.get(name, name): {"name": value} if name in named else value for name, value in spec.items()}


def _encoded(data: Mapping[str, bytes]) -> Document:
    return {key.replace("_", "-"): base64.b64encode(value).decode() for key, value in data.items()}


def _merged(old: Document, patch: Document) -> Document:
    """RFC 7386 for one level, which is all that a status with an atomic list needs."""
    return {name: value for name, value in (old | patch).items() if value is not None}


def _success(resource: Resource, document: Document) -> ApiResponse:
    typed = {"kind": resource.kind, "apiVersion": resource.api_version, **document}
    return ApiResponse(status=200, headers={}, body=json.dumps(typed).encode())


def _failure(answer: Answer) -> ApiResponse:
    return ApiResponse(status=answer.code, headers={}, body=json.dumps(status(answer)).encode())


def _not_found(key: NamespacedName) -> Answer:
    return Answer(404, "NotFound", f"{key} not found")


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
    client = Client(api)
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
