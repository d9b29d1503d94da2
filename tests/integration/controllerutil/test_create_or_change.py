"""`create_or_update` and `create_or_patch` on an API server: what is written, when, and who wins."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from typing import Any

import pytest
from msgspec.structs import replace

from controller_runtime.api.core_v1 import Secret
from controller_runtime.apimachinery import NamespacedName
from controller_runtime.client import ApiRequest, ApiResponse, ApiStream, Client, ConflictError, InvalidError, Transport
from controller_runtime.controller.controllerutil import (
    AlreadyOwnedError,
    OperationResult,
    add_finalizer,
    create_or_patch,
    create_or_update,
    has_owner_reference,
    set_controller_reference,
    set_owner_reference,
)
from tests.integration.controllerutil.kinds import Gadget, GadgetStatus

pytestmark = [pytest.mark.integration, pytest.mark.usefixtures("gadgets_crd")]

EITHER = pytest.mark.parametrize("create_or_change", [create_or_update, create_or_patch])
CreateOrChange = Callable[..., Any]


@pytest.fixture
def key(kube_namespace: str) -> NamespacedName:
    return NamespacedName(kube_namespace, "a")


def resized(size: int) -> Callable[[Gadget], Gadget]:
    return lambda found: replace(found, spec=replace(found.spec, size=size))


def restated(state: str) -> Callable[[Gadget], Gadget]:
    return lambda found: replace(found, status=GadgetStatus(state=state))


def both(size: int, state: str) -> Callable[[Gadget], Gadget]:
    return lambda found: restated(state)(resized(size)(found))


@EITHER
async def test_an_object_is_created_then_left_alone_then_changed(
    client: Client, key: NamespacedName, create_or_change: CreateOrChange
) -> None:
    created, result = await create_or_change(client, Gadget, key, resized(1))
    assert (created.key, created.spec.size, created.spec.color, result) == (key, 1, "grey", OperationResult.CREATED)
    same, result = await create_or_change(client, Gadget, key, resized(1))
    assert (same, result) == (created, OperationResult.UNCHANGED)
    changed, result = await create_or_change(client, Gadget, key, resized(2))
    assert (changed.spec.size, changed.spec.color, result) == (2, "grey", OperationResult.UPDATED)
    assert await client.get(Gadget, key) == changed


@EITHER
async def test_binary_data_goes_and_comes_unchanged(
    client: Client, key: NamespacedName, create_or_change: CreateOrChange
) -> None:
    for data, expected in (
        ({"token": b"\0\xff"}, OperationResult.CREATED),
        ({"token": b"\0\xff"}, OperationResult.UNCHANGED),
        ({"other": b""}, OperationResult.UPDATED),
    ):
        secret, result = await create_or_change(client, Secret, key, lambda found, data=data: replace(found, data=data))
        assert (secret.data, result) == (data, expected)


async def test_create_or_update_leaves_the_status_alone(client: Client, key: NamespacedName) -> None:
    created, _ = await create_or_update(client, Gadget, key, both(1, "Ready"))
    assert created.status == GadgetStatus()
    updated, _ = await create_or_update(client, Gadget, key, both(2, "Ready"))
    assert (updated.spec.size, updated.status) == (2, GadgetStatus())


async def test_create_or_patch_writes_object_and_status_each_where_it_differs(
    client: Client, key: NamespacedName
) -> None:
    created, result = await create_or_patch(client, Gadget, key, both(1, "Ready"))
    assert (created.status, result) == (GadgetStatus(), OperationResult.CREATED)
    for size, state, expected in (
        (1, "Ready", OperationResult.UPDATED_STATUS_ONLY),
        (1, "Ready", OperationResult.UNCHANGED),
        (2, "Ready", OperationResult.UPDATED),
        (3, "Busy", OperationResult.UPDATED_STATUS),
        (0, "", OperationResult.UPDATED_STATUS),
        (0, "", OperationResult.UNCHANGED),
    ):
        gadget, result = await create_or_patch(client, Gadget, key, both(size, state))
        assert (gadget.spec.size, gadget.status.state, result) == (size, state, expected)
        assert await client.get(Gadget, key) == gadget


class Meddler:
    """A transport that has somebody else label the object right before the first write."""

    def __init__(self, inner: Transport, key: NamespacedName) -> None:
        self._inner = inner
        self._key = key
        self._has_meddled = False

    async def send(self, request: ApiRequest) -> ApiResponse:
        if request.method != "GET" and not self._has_meddled:
            self._has_meddled = True
            await Client(self._inner).patch(Gadget, self._key, {"metadata": {"labels": {"by": "meddler"}}})
        return await self._inner.send(request)

    def stream(self, request: ApiRequest) -> contextlib.AbstractAsyncContextManager[ApiStream]:
        return self._inner.stream(request)

    async def close(self) -> None:
        await self._inner.close()


@pytest.mark.parametrize(
    ("create_or_change", "mutate", "conflicts"),
    [
        pytest.param(create_or_update, resized(2), True, id="an update"),
        pytest.param(create_or_patch, lambda found: add_finalizer(found, "example.com/a"), True, id="patch of a list"),
        pytest.param(create_or_patch, resized(2), False, id="patch without lists"),
        pytest.param(create_or_patch, restated("Ready"), False, id="patch of the status"),
    ],
)
async def test_what_somebody_else_writes_in_between_is_kept(
    client: Client,
    key: NamespacedName,
    create_or_change: CreateOrChange,
    mutate: Callable[[Gadget], Gadget],
    conflicts: bool,
) -> None:
    before, _ = await create_or_update(client, Gadget, key, resized(1))
    meddled = Client(Meddler(client.transport, key))
    with pytest.raises(ConflictError) if conflicts else contextlib.nullcontext():
        await create_or_change(meddled, Gadget, key, mutate)
    after = await client.get(Gadget, key)
    assert after.metadata.labels == {"by": "meddler"}
    assert ((after.spec, after.status) == (before.spec, before.status)) is conflicts


async def test_the_server_takes_owner_references_and_one_controller(client: Client, key: NamespacedName) -> None:
    owner, _ = await create_or_update(client, Gadget, key, resized(1))
    other, _ = await create_or_update(client, Gadget, NamespacedName(key.namespace, "other"), resized(1))
    child_key = NamespacedName(key.namespace, "child")
    child, _ = await create_or_patch(client, Secret, child_key, lambda found: set_controller_reference(owner, found))
    child, result = await create_or_patch(client, Secret, child_key, lambda found: set_owner_reference(other, found))
    assert result is OperationResult.UPDATED
    assert [(ref.uid, ref.controller) for ref in child.metadata.owner_references] == [
        (owner.metadata.uid, True),
        (other.metadata.uid, False),
    ]
    assert has_owner_reference(other, child)
    with pytest.raises(AlreadyOwnedError):
        set_controller_reference(other, child)
    references = tuple(replace(ref, controller=True) for ref in child.metadata.owner_references)
    with pytest.raises(InvalidError, match=r"(?i)only one reference can have controller set to true"):
        await client.update(replace(child, metadata=replace(child.metadata, owner_references=references)))
