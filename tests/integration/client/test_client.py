"""What the client promises, on a real API server."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from controller_runtime.api.coordination_v1 import Lease, LeaseSpec
from controller_runtime.api.core_v1 import Secret
from controller_runtime.apimachinery import (
    Condition,
    NamespacedName,
    Object,
    ObjectMeta,
    decode,
    metadata_of,
    set_condition,
)
from controller_runtime.client import (
    AiohttpTransport,
    AlreadyExistsError,
    ApiError,
    BadRequestError,
    Client,
    ConflictError,
    ForbiddenError,
    InvalidError,
    NotFoundError,
    PatchType,
    ServerTimeoutError,
    UnauthorizedError,
    load_config,
    patch_status,
)
from controller_runtime.envtest import ControlPlane
from tests.integration.client.kinds import Unserved, Widget, WidgetSpec, WidgetStatus

pytestmark = pytest.mark.integration

SecretMetadata = metadata_of(Secret)


def secret(namespace: str, name: str = "a", **data: bytes) -> Secret:
    return Secret(metadata=ObjectMeta(name=name, namespace=namespace), data=data)


async def test_an_objects_life(client: Client, kube_namespace: str) -> None:
    created = await client.create(secret(kube_namespace, key=b"one"))
    assert await client.get(Secret, created.key) == created
    updated = await client.update(msgspec.structs.replace(created, data={"key": b"two"}))
    with pytest.raises(ConflictError, match="the object has been modified"):
        await client.update(msgspec.structs.replace(created, data={"key": b"three"}))
    label = {"op": "add", "path": "/metadata/labels", "value": {"a": "b"}}
    patched = await client.patch(Secret, created.key, [label], patch_type=PatchType.JSON)
    assert (patched.data, patched.metadata.labels) == ({"key": b"two"}, {"a": "b"})
    with pytest.raises(ConflictError):
        await client.delete(created, resource_version=updated.metadata.resource_version)
    await client.delete(patched, resource_version=patched.metadata.resource_version, propagation_policy="Background")
    with pytest.raises(NotFoundError, match=f'cannot get secrets {kube_namespace}/a: secrets "a" not found'):
        await client.get(Secret, created.key)


async def test_failures_have_their_own_errors(client: Client, kube_namespace: str, widgets_crd: None) -> None:
    await client.create(secret(kube_namespace))
    with pytest.raises(AlreadyExistsError):
        await client.create(secret(kube_namespace))
    widget = Widget(metadata=ObjectMeta(name="a", namespace=kube_namespace), spec=WidgetSpec(size=101))
    with pytest.raises(InvalidError) as invalid:
        await client.create(widget)
    assert [cause.field for cause in invalid.value.causes] == ["spec.size"]
    with pytest.raises(BadRequestError):
        await client.list(Secret, continue_token="nonsense")
    with pytest.raises(NotFoundError) as absent:
        await client.list(Unserved)
    assert absent.value.kind_is_missing
    with pytest.raises(NotFoundError) as not_there:
        await client.get(Widget, NamespacedName(kube_namespace, "nobody"))
    assert not not_there.value.kind_is_missing


async def test_a_resource_version_of_the_future_is_a_timeout_with_its_cause(client: Client) -> None:
    with pytest.raises(ServerTimeoutError) as caught:
        await client.list(Secret, resource_version="999999999", resource_version_match="NotOlderThan")
    assert caught.value.has_cause("ResourceVersionTooLarge")


async def test_a_generated_name_comes_from_the_server(client: Client, kube_namespace: str) -> None:
    made = await client.create(Secret(metadata=ObjectMeta(generate_name="made-", namespace=kube_namespace)))
    assert made.metadata.name.startswith("made-")


async def test_a_dry_run_stores_nothing(client: Client, kube_namespace: str) -> None:
    tried = await client.create(secret(kube_namespace), dry_run=True)
    await client.apply(Lease, tried.key, {"spec": {"holderIdentity": "x"}}, dry_run=True)
    for kind in (Secret, Lease):
        with pytest.raises(NotFoundError):
            await client.get(kind, tried.key)


async def test_strict_validation_refuses_unknown_fields(client: Client, kube_namespace: str, widgets_crd: None) -> None:
    widget = await client.create(Widget(metadata=ObjectMeta(name="a", namespace=kube_namespace)))
    with pytest.raises(ApiError, match="unknown field"):
        await client.patch(Widget, widget.key, {"spec": {"colour": "red"}}, field_validation="Strict")


async def test_pages_of_a_list(client: Client, kube_namespace: str) -> None:
    names = [f"s{number}" for number in range(5)]
    for name in names:
        await client.create(secret(kube_namespace, name))
    seen: list[str] = []
    token = ""
    while True:
        page = await client.list(Secret, namespace=kube_namespace, limit=2, continue_token=token)
        seen += [item.metadata.name for item in page.items]
        token = page.continue_token
        if not token:
            break
    assert seen == names


async def test_selectors_narrow_a_list(client: Client, kube_namespace: str) -> None:
    for name, labels in (("a", {"app": "x", "tier": "1"}), ("b", {"app": "x"}), ("c", {})):
        await client.create(Secret(metadata=ObjectMeta(name=name, namespace=kube_namespace, labels=labels)))
    by_label = await client.list(Secret, namespace=kube_namespace, label_selector="app=x,tier!=1")
    by_field = await client.list(Secret, namespace=kube_namespace, field_selector="metadata.name=c")
    assert [item.metadata.name for page in (by_label, by_field) for item in page.items] == ["b", "c"]


async def test_metadata_kinds_bring_no_data_into_the_process(client: Client, kube_namespace: str, mocker: Any) -> None:
    created = await client.create(secret(kube_namespace, password=b"hunter2"))
    sent = mocker.spy(client.transport, "send")
    got = await client.get(SecretMetadata, created.key)
    page = await client.list(SecretMetadata, namespace=kube_namespace)
    patched = await client.patch(SecretMetadata, created.key, {"metadata": {"labels": {"a": "b"}}})
    assert (got.metadata.uid, [item.key for item in page.items]) == (created.metadata.uid, [created.key])
    assert patched.metadata.labels == {"a": "b"}
    kinds = [json.loads(response.body)["kind"] for response in sent.spy_return_list]
    assert kinds == ["PartialObjectMetadata", "PartialObjectMetadataList", "PartialObjectMetadata"]
    assert not any(b"password" in response.body.replace(b"f:password", b"") for response in sent.spy_return_list)
    async with client.watch(
        SecretMetadata, namespace=kube_namespace, timeout_seconds=60, send_initial_events=True
    ) as events:
        raw = bytes((await anext(aiter(events))).raw)
    assert json.loads(raw)["kind"] == "PartialObjectMetadata"
    assert "data" not in json.loads(raw)


async def test_a_watch_goes_on_where_a_list_ended(client: Client, kube_namespace: str) -> None:
    first = await client.create(secret(kube_namespace, "first"))
    page = await client.list(Secret, namespace=kube_namespace)
    second = await client.create(secret(kube_namespace, "second"))
    await client.patch(Secret, first.key, {"metadata": {"labels": {"a": "b"}}})
    await client.delete(second)
    async with client.watch(
        Secret, namespace=kube_namespace, resource_version=page.resource_version, timeout_seconds=60
    ) as events:
        seen = []
        async for event in events:
            seen.append((event.type, decode(Secret, event.raw).metadata.name))
            if len(seen) == 3:
                break
    assert seen == [("ADDED", "second"), ("MODIFIED", "first"), ("DELETED", "second")]


async def test_initial_events_end_with_a_bookmark(client: Client, kube_namespace: str) -> None:
    await client.create(secret(kube_namespace))
    async with client.watch(Secret, namespace=kube_namespace, timeout_seconds=60, send_initial_events=True) as events:
        iterator = aiter(events)
        added, bookmark = await anext(iterator), await anext(iterator)
    assert (added.type, bookmark.type) == ("ADDED", "BOOKMARK")
    assert decode(Secret, bookmark.raw).metadata.annotations == {"k8s.io/initial-events-end": "true"}


async def test_a_watch_ends_when_the_server_was_told_to_end_it(client: Client, kube_namespace: str) -> None:
    async with client.watch(Secret, namespace=kube_namespace, timeout_seconds=1) as events:
        assert [event.type async for event in events if event.type != "BOOKMARK"] == []


async def test_fields_belong_to_who_applied_them(client: Client, kube_namespace: str) -> None:
    key = NamespacedName(kube_namespace, "lock")
    applied = await client.apply(Lease, key, Lease(spec=LeaseSpec(holder_identity="a", lease_duration_seconds=5)))
    assert (applied.key, applied.spec.holder_identity) == (key, "a")
    with pytest.raises(ConflictError) as conflict:
        await client.apply(Lease, key, {"spec": {"holderIdentity": "b"}}, field_owner="other")
    assert conflict.value.has_cause("FieldManagerConflict")
    taken = await client.apply(Lease, key, {"spec": {"holderIdentity": "b"}}, field_owner="other", force=True)
    assert taken.spec.holder_identity == "b"
    let_go = await client.apply(Lease, key, {"spec": {}})
    assert (let_go.spec.holder_identity, let_go.spec.lease_duration_seconds) == ("b", 0)


async def test_status_is_written_apart_from_the_rest(client: Client, kube_namespace: str, widgets_crd: None) -> None:
    widget = await client.create(Widget(metadata=ObjectMeta(name="a", namespace=kube_namespace)))
    ready = set_condition((), Condition(type="Ready", status="True", reason="Test"))
    wanted = msgspec.structs.replace(widget, spec=WidgetSpec(size=7), status=WidgetStatus(conditions=ready))
    written = await client.status.update(wanted)
    assert (written.spec.size, written.status.conditions) == (0, ready)
    applied = await client.status.apply(Widget, widget.key, {"status": {"conditions": []}}, force=True)
    assert applied.status.conditions == ()


async def test_writers_of_different_conditions_never_lose_one(
    client: Client, kube_namespace: str, widgets_crd: None
) -> None:
    created = await client.create(Widget(metadata=ObjectMeta(name="a", namespace=kube_namespace)))

    async def write(condition_type: str) -> None:
        seen = created
        for number in range(10):
            wanted = Condition(type=condition_type, status="True", reason="Test", message=str(number))

            def change(obj: Widget, wanted: Condition = wanted) -> Widget:
                status = WidgetStatus(conditions=set_condition(obj.status.conditions, wanted))
                return msgspec.structs.replace(obj, status=status)

            seen = await patch_status(client, seen, change, tries=100)

    await asyncio.gather(write("Ready"), write("Delivered"), write("Valid"))
    final = await client.get(Widget, created.key)
    assert {condition.type: condition.message for condition in final.status.conditions} == {
        "Ready": "9",
        "Delivered": "9",
        "Valid": "9",
    }


@contextlib.asynccontextmanager
async def client_of(kubeconfig: Path) -> AsyncIterator[Client]:
    transport = AiohttpTransport(await load_config(str(kubeconfig)))
    yield Client(transport)
    await transport.close()


@pytest.mark.kubectl
@pytest.mark.parametrize("metadata_only", [pytest.param(False, id="whole"), pytest.param(True, id="metadata")])
async def test_the_rule_that_an_error_names_is_the_one_that_helps(
    control_plane: ControlPlane, client: Client, kube_namespace: str, metadata_only: bool
) -> None:
    created = await client.create(secret(kube_namespace))
    control_plane.kubectl("-n", kube_namespace, "create", "serviceaccount", "poor")
    kind: type[Object] = SecretMetadata if metadata_only else Secret
    async with client_of(control_plane.kubeconfig_for_service_account(kube_namespace, "poor")) as poor:
        with pytest.raises(ForbiddenError) as denied:
            await poor.get(kind, created.key)
        assert denied.value.rbac_rule in str(denied.value)
        allow(control_plane, kube_namespace, "poor", denied.value.rbac_rule)
        assert (await poor.get(kind, created.key)).key == created.key
        with pytest.raises(ForbiddenError, match=r"verbs: \[watch\]"):
            async with poor.watch(kind, namespace=kube_namespace, timeout_seconds=5):
                pytest.fail("the watch was entered")


def allow(control_plane: ControlPlane, namespace: str, account: str, rule: str) -> None:
    """Give a ServiceAccount a role with one rule."""
    role = f"""
apiVersion: rbac.authorization.k8s.io/v1
kind: Role
metadata: {{name: {account}}}
rules: [{rule}]
"""
    control_plane.kubectl("-n", namespace, "apply", "-f", "-", stdin=role)
    control_plane.kubectl(
        *("-n", namespace, "create", "rolebinding", account),
        *(f"--role={account}", f"--serviceaccount={namespace}:{account}"),
    )


@pytest.mark.kubectl
async def test_a_pod_is_known_by_its_service_account(
    control_plane: ControlPlane, kube_namespace: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    control_plane.kubectl("-n", kube_namespace, "create", "serviceaccount", "pod")
    token = control_plane.kubectl("-n", kube_namespace, "create", "token", "pod", "--duration=10m")
    for name, content in (("token", token), ("namespace", kube_namespace), ("ca.crt", read(control_plane.ca_file))):
        (tmp_path / name).write_text(content)
    monkeypatch.delenv("KUBECONFIG", raising=False)
    monkeypatch.setenv("KUBERNETES_SERVICE_HOST", "127.0.0.1")
    monkeypatch.setenv("KUBERNETES_SERVICE_PORT", control_plane.url.rpartition(":")[2])
    config = await load_config(service_account=tmp_path)
    transport = AiohttpTransport(config)
    with pytest.raises(ForbiddenError, match=f"system:serviceaccount:{kube_namespace}:pod"):
        await Client(transport).list(Secret, namespace=config.namespace)
    await transport.close()


def read(path: Path) -> str:
    return path.read_text()


async def test_an_unknown_token_is_unauthorized(control_plane: ControlPlane, tmp_path: Path) -> None:
    path = tmp_path / "config"
    path.write_text(read(control_plane.kubeconfig).replace(control_plane.token, "nobody"))
    async with client_of(path) as stranger:
        with pytest.raises(UnauthorizedError):
            await stranger.list(Secret)
