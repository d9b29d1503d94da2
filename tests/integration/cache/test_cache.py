"""What the cache promises, on a real API server."""

from __future__ import annotations

import asyncio

import pytest

from controller_runtime.api.core_v1 import Secret
from controller_runtime.apimachinery import ObjectMeta, metadata_of
from controller_runtime.cache import Cache
from controller_runtime.client import AiohttpTransport, Client, NotFoundError, load_config
from controller_runtime.envtest import ControlPlane
from tests.integration.cache.conftest import (
    CRD,
    DEADLINE,
    Gadget,
    LogLines,
    LooseGadget,
    Recorder,
    RecordingTransport,
    create_many,
    gadget,
    key,
    running,
)

pytestmark = pytest.mark.integration


async def test_the_cache_follows_what_happens(
    client: Client, transport: RecordingTransport, kube_namespace: str
) -> None:
    cache = Cache(Client(transport), namespaces=[kube_namespace], detect_mutations=True)
    cache.index(Gadget, "size", lambda obj: [str(obj.spec.size)])
    recorder = Recorder()
    cache.informer(Gadget).add_handler(recorder)
    await client.create(gadget(kube_namespace, "a", 1))
    async with running(cache):
        await cache.wait_synced()
        (found,) = cache.by_index(Gadget, "size", "1")
        assert found.metadata.name == "a"
        await client.create(gadget(kube_namespace, "b", 2))
        await client.patch(Gadget, key(kube_namespace, "a"), {"spec": {"size": 3}})
        await client.delete(Gadget, key(kube_namespace, "b"))
        await recorder.until(lambda: len(recorder.calls) == 4)
        assert recorder.calls == ["+a initial", "+b", "~a", "-b"]
        assert [obj.metadata.name for obj in cache.by_index(Gadget, "size", "3")] == ["a"]
        assert cache.by_index(Gadget, "size", "1") == cache.by_index(Gadget, "size", "2") == ()
        cache.check_mutations()


async def test_a_long_list_comes_in_pages_and_is_complete(
    client: Client, transport: RecordingTransport, kube_namespace: str
) -> None:
    await create_many(client, kube_namespace, 1100)
    cache = Cache(Client(transport), namespaces=[kube_namespace])
    cache.informer(Gadget)
    async with running(cache):
        await cache.wait_synced()
        assert {obj.spec.size for obj in cache.list(Gadget)} == set(range(1100))
    assert ["continue" in request.query for request in transport.lists()] == [False, True, True]


async def test_metadata_of_secrets_comes_without_their_data(
    client: Client, transport: RecordingTransport, kube_namespace: str
) -> None:
    metadata = ObjectMeta(namespace=kube_namespace, name="a", labels={"app": "x"})
    await client.create(Secret(metadata=metadata, data={"key": b"value"}))
    cache = Cache(Client(transport), namespaces=[kube_namespace])
    informer = cache.informer(metadata_of(Secret))
    recorder = Recorder()
    informer.add_handler(recorder)
    async with running(cache):
        await cache.wait_synced()
        assert [obj.metadata.labels for obj in informer.store.list()] == [{"app": "x"}]
        await client.patch(Secret, key(kube_namespace, "a"), {"metadata": {"labels": {"app": "y"}}})
        await recorder.until(lambda: recorder.calls[-1] == "~a")
        assert [obj.metadata.labels for obj in informer.store.list()] == [{"app": "y"}]


async def test_an_object_that_cannot_be_decoded_costs_only_itself(
    client: Client, transport: RecordingTransport, kube_namespace: str
) -> None:
    metadata = ObjectMeta(namespace=kube_namespace, name="broken")
    await client.create(LooseGadget(metadata=metadata, spec={"size": "large"}))
    await client.create(gadget(kube_namespace, "a", 1))
    cache = Cache(Client(transport), namespaces=[kube_namespace])
    recorder = Recorder()
    cache.informer(Gadget).add_handler(recorder)
    async with running(cache):
        await cache.wait_synced()
        await client.patch(LooseGadget, key(kube_namespace, "a"), {"spec": {"size": "huge"}})
        await client.patch(LooseGadget, key(kube_namespace, "broken"), {"spec": {"size": 5}})
        await recorder.until(lambda: len(recorder.calls) == 2)
        assert {obj.metadata.name: obj.spec.size for obj in cache.list(Gadget)} == {"a": 1, "broken": 5}
        await client.delete(Gadget, key(kube_namespace, "a"))
        await recorder.until(lambda: len(recorder.calls) == 3)
    assert recorder.calls == ["+a initial", "+broken", "-a unknown"]


async def test_a_restart_of_the_server_loses_nothing_and_reads_go_on_meanwhile(
    control_plane: ControlPlane, client: Client, transport: RecordingTransport, kube_namespace: str
) -> None:
    cache = Cache(Client(transport), namespaces=[kube_namespace])
    informer = cache.informer(Gadget)
    recorder = Recorder()
    informer.add_handler(recorder)
    for name in ("a", "b"):
        await client.create(gadget(kube_namespace, name, 1))
    async with running(cache):
        await cache.wait_synced()
        await asyncio.to_thread(control_plane.kill_api_server)
        assert {obj.metadata.name for obj in cache.list(Gadget)} == {"a", "b"}
        await asyncio.to_thread(control_plane.start_api_server)
        await client.delete(Gadget, key(kube_namespace, "a"))
        await client.patch(Gadget, key(kube_namespace, "b"), {"spec": {"size": 2}})
        await client.create(gadget(kube_namespace, "c", 3))
        await recorder.until(lambda: informer.store.get(key(kube_namespace, "c")) is not None)
        assert {obj.metadata.name: obj.spec.size for obj in cache.list(Gadget)} == {"b": 2, "c": 3}
    assert recorder.calls[:2] == ["+a initial", "+b initial"]
    told = [call for call in recorder.calls[2:] if not call.startswith("=")]
    assert sorted(call.removesuffix(" unknown") for call in told) == ["+c", "-a", "~b"]


@pytest.mark.kubectl
async def test_missing_rights_are_named_and_the_kind_is_read_once_they_are_there(
    control_plane: ControlPlane, client: Client, kube_namespace: str, logs: LogLines
) -> None:
    await client.create(gadget(kube_namespace, "a"))
    transport = AiohttpTransport(await load_config(str(control_plane.kubeconfig_for("nobody"))))
    cache = Cache(Client(transport), namespaces=[kube_namespace])
    informer = cache.informer(Gadget)
    async with running(cache), asyncio.timeout(DEADLINE):
        await logs.until("cannot follow the kind")
        message = str(informer.last_error)
        assert f"cannot list gadgets.cache.example.com in namespace {kube_namespace}" in message
        assert f"bind a Role in namespace {kube_namespace} to this service account" in message
        rule = '{apiGroups: ["cache.example.com"], resources: ["gadgets"], verbs: [list, watch]}'
        assert rule in message
        namespace = f"--namespace={kube_namespace}"
        role = ["role", "r", "--verb=list,watch", "--resource=gadgets.cache.example.com"]
        for what in (role, ["rolebinding", "r", "--role=r", "--user=nobody"]):
            await asyncio.to_thread(control_plane.kubectl, "create", *what, namespace)
        await cache.wait_synced()
        assert len(cache.list(Gadget)) == 1
    await transport.close()


@pytest.mark.kubectl
async def test_a_kind_whose_definition_comes_and_goes(
    control_plane: ControlPlane,
    client: Client,
    transport: RecordingTransport,
    kube_namespace: str,
    logs: LogLines,
) -> None:
    """Optional: without objects while it is not served. Required: unsynced until it is, and keeps what it knew."""
    await asyncio.to_thread(control_plane.kubectl, "delete", "crd", "gadgets.cache.example.com")
    required, optional = (Cache(Client(transport), namespaces=[kube_namespace]) for _ in range(2))
    recorder = Recorder()
    required.informer(Gadget)
    optional.informer(Gadget, optional=True).add_handler(recorder)
    async with running(required), running(optional), asyncio.timeout(DEADLINE):
        await optional.wait_synced()
        assert optional.informer(Gadget).absent
        await logs.until("cannot follow the kind")
        (informer,) = required.unsynced()
        error = informer.last_error
        assert error is not None
        assert isinstance(error.cause, NotFoundError)
        assert "install its CustomResourceDefinition gadgets.cache.example.com with version v1" in str(error)
        await asyncio.to_thread(control_plane.install_crds, [CRD])
        await client.create(gadget(kube_namespace, "a"))
        await required.wait_synced()
        await recorder.until(lambda: len(recorder.calls) == 1)
        assert recorder.calls == ["+a initial"]
        assert not optional.informer(Gadget).absent
        await asyncio.to_thread(control_plane.kubectl, "delete", "crd", "gadgets.cache.example.com")
        await recorder.until(lambda: len(recorder.calls) == 2)
        assert len(optional.list(Gadget)) == 0
        await logs.until("the optional kind is not served; install its CustomResourceDefinition if it is wanted", 2)
        assert optional.informer(Gadget).absent
        assert optional.has_synced
    await asyncio.to_thread(control_plane.install_crds, [CRD])
