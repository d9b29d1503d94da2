"""Finalizers on an API server: an object stays until all have done their work."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from controller_runtime.apimachinery import NamespacedName, ObjectMeta
from controller_runtime.client import Client, InvalidError, NotFoundError
from controller_runtime.controller.controllerutil import add_finalizer
from controller_runtime.controller.finalizers import FinalizerError, Finalizers, FinalizersFailedError
from tests.integration.controllerutil.kinds import Gadget, GadgetStatus

pytestmark = [pytest.mark.integration, pytest.mark.usefixtures("gadgets_crd")]

DISKS, PORTS = "example.com/disks", "example.com/ports"


class Disks:
    """Something outside of the cluster that can be busy."""

    is_busy = True

    async def delete(self, gadget: Gadget) -> Gadget:
        if self.is_busy:
            raise FinalizerError("disk is busy", replace(gadget, status=GadgetStatus(state="Waiting for disks")))
        return gadget


async def test_an_object_stays_until_the_last_finalizer_has_succeeded(client: Client, kube_namespace: str) -> None:
    key, disks, finalizers = NamespacedName(kube_namespace, "a"), Disks(), Finalizers[Gadget]()
    finalizers.register(DISKS, disks.delete)
    finalizers.register(PORTS, Disks.delete.__get__(type("Free", (Disks,), {"is_busy": False})()))
    await client.create(Gadget(metadata=ObjectMeta(name=key.name, namespace=key.namespace)))

    living = await finalizers.finalize(await client.get(Gadget, key))
    gadget = await client.update(living.obj)
    assert gadget.metadata.finalizers == (DISKS, PORTS)
    assert (await finalizers.finalize(gadget)).obj is gadget

    await client.delete(gadget)
    gadget = await client.get(Gadget, key)
    assert gadget.metadata.deletion_timestamp is not None
    with pytest.raises(FinalizersFailedError) as caught:
        await finalizers.finalize(gadget)
    finalized = caught.value.finalized
    assert (finalized.updated, finalized.status_updated) == (True, True)
    stated = await client.status.update(finalized.obj)
    left = replace(stated.metadata, finalizers=finalized.obj.metadata.finalizers)
    gadget = await client.update(replace(stated, metadata=left))
    assert (gadget.metadata.finalizers, gadget.status.state) == ((DISKS,), "Waiting for disks")

    disks.is_busy = False
    finalized = await finalizers.finalize(gadget)
    await client.update(finalized.obj)
    with pytest.raises(NotFoundError):
        await client.get(Gadget, key)


@pytest.mark.parametrize(
    "key",
    [
        "Example.com/disks",
        "example..com/disks",
        "example.com/-disks",
        "example.com/",
        "example.com/disks/all",
        pytest.param("a/" + "b" * 64, id="name too long"),
        pytest.param("a" * 254 + "/b", id="domain too long"),
    ],
)
async def test_keys_that_the_server_refuses_cannot_be_registered(client: Client, kube_namespace: str, key: str) -> None:
    with pytest.raises(ValueError, match="is not a domain and a name"):
        Finalizers[Gadget]().register(key, Disks().delete)
    gadget = Gadget(metadata=ObjectMeta(name="a", namespace=kube_namespace))
    with pytest.raises(InvalidError):
        await client.create(add_finalizer(gadget, key))
