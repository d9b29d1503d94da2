"""Subresources of custom and built-in kinds, on a real API server."""

from __future__ import annotations

import msgspec
import pytest

from controller_runtime.apimachinery import Condition, NamespacedName, ObjectMeta, set_condition
from controller_runtime.client import Client, ConflictError, NotFoundError, PatchType, record_writes
from tests.integration.client.kinds import (
    Deployment,
    Eviction,
    Pod,
    Scale,
    ScaleSpec,
    ServiceAccount,
    TokenRequest,
    TokenRequestSpec,
    Widget,
    WidgetSpec,
    WidgetStatus,
)

pytestmark = pytest.mark.integration


async def test_the_status_has_the_verbs_of_an_object(client: Client, kube_namespace: str, widgets_crd: None) -> None:
    made = await client.create(Widget(metadata=ObjectMeta(name="a", namespace=kube_namespace)))
    conditions = set_condition((), Condition(type="Ready", status="True", reason="Test"))
    wanted = msgspec.structs.replace(made, spec=WidgetSpec(size=7), status=WidgetStatus(size=1, conditions=conditions))
    updated = await client.status.update(wanted)
    assert (updated.spec.size, updated.status) == (0, wanted.status)
    with pytest.raises(ConflictError):
        await client.status.update(wanted)
    assert await client.status.get(Widget, made.key) == updated
    patched = await client.status.patch(Widget, made.key, {"status": {"size": 2}})
    assert patched.status == WidgetStatus(size=2, conditions=conditions)
    operations = [{"op": "replace", "path": "/status/size", "value": 3}]
    assert (await client.status.patch(Widget, made.key, operations, patch_type=PatchType.JSON)).status.size == 3
    applied = await client.status.apply(Widget, made.key, {"status": {"size": 4}}, force=True, field_owner="other")
    assert applied.status == WidgetStatus(size=4, conditions=conditions)


async def test_a_custom_kind_is_scaled(client: Client, kube_namespace: str, widgets_crd: None) -> None:
    made = await client.create(Widget(metadata=ObjectMeta(name="a", namespace=kube_namespace), spec=WidgetSpec(size=2)))
    scales = client.subresource("scale")
    scale = await scales.get(Widget, made.key, Scale)
    assert (scale.spec.replicas, scale.metadata.resource_version) == (2, made.metadata.resource_version)
    with record_writes() as writes:
        updated = await scales.update(Widget, made.key, msgspec.structs.replace(scale, spec=ScaleSpec(replicas=3)))
    after = await client.get(Widget, made.key)
    assert (updated.spec.replicas, after.spec.size) == (3, 3)
    assert [(write.kind, write.key, write.resource_version) for write in writes] == [
        (Widget, made.key, after.metadata.resource_version)
    ]
    with pytest.raises(ConflictError):
        await scales.update(Widget, made.key, msgspec.structs.replace(scale, spec=ScaleSpec(replicas=9)))
    assert (await scales.patch(Widget, made.key, {"spec": {"replicas": 4}}, Scale)).spec.replicas == 4
    assert (await client.get(Widget, made.key)).spec.size == 4


async def test_a_token_is_asked_for(client: Client, kube_namespace: str) -> None:
    account = await client.create(ServiceAccount(metadata=ObjectMeta(name="robot", namespace=kube_namespace)))
    wish = TokenRequest(spec=TokenRequestSpec(expiration_seconds=600))
    with record_writes() as writes:
        answer = await client.subresource("token").create(ServiceAccount, account.key, wish)
    assert answer.status.token.count(".") == 2
    assert answer.spec.expiration_seconds == 600
    assert list(writes) == []
    with pytest.raises(NotFoundError):
        await client.subresource("token").create(ServiceAccount, account.key._replace(name="nobody"), wish)


POD_SPEC = {"containers": [{"name": "main", "image": "example.com/main"}]}


@pytest.mark.kubernetes
async def test_a_deployment_is_scaled(client: Client, kube_namespace: str) -> None:
    labels = {"app": "x"}
    made = await client.create(
        Deployment(
            metadata=ObjectMeta(name="a", namespace=kube_namespace),
            spec={
                "selector": {"matchLabels": labels},
                "template": {"metadata": {"labels": labels}, "spec": POD_SPEC},
            },
        )
    )
    scales = client.subresource("scale")
    assert (await scales.get(Deployment, made.key, Scale)).spec.replicas == 1
    assert (await scales.patch(Deployment, made.key, {"spec": {"replicas": 2}}, Scale)).spec.replicas == 2
    body = Scale(metadata=made.metadata, spec=ScaleSpec(replicas=5))
    with pytest.raises(ConflictError):
        await scales.update(Deployment, made.key, body)
    body = Scale(spec=ScaleSpec(replicas=5))
    assert (await scales.update(Deployment, made.key, body)).spec.replicas == 5
    applied = await scales.apply(Deployment, made.key, {"spec": {"replicas": 6}}, Scale, force=True)
    assert applied.spec.replicas == 6
    with pytest.raises(ConflictError) as conflict:
        await scales.apply(Deployment, made.key, {"spec": {"replicas": 7}}, Scale, field_owner="other")
    assert conflict.value.has_cause("FieldManagerConflict")
    assert (await client.get(Deployment, made.key)).spec["replicas"] == 6


@pytest.mark.kubernetes
async def test_a_pod_is_evicted(client: Client, kube_namespace: str) -> None:
    pod = Pod(metadata=ObjectMeta(name="a", namespace=kube_namespace), spec=POD_SPEC)
    await client.create(ServiceAccount(metadata=ObjectMeta(name="default", namespace=kube_namespace)))
    made = await client.create(pod)
    eviction = Eviction()
    evictions = client.subresource("eviction")
    await evictions.create(Pod, made.key, eviction, dry_run=True)
    assert (await client.get(Pod, made.key)).metadata.deletion_timestamp is None
    await evictions.create(Pod, made.key, eviction)
    with pytest.raises(NotFoundError):
        await client.get(Pod, made.key)  # it was on no node, so there was nobody to wait for
    with pytest.raises(NotFoundError):
        await evictions.create(Pod, NamespacedName(kube_namespace, "nobody"), eviction)
