"""Every way to write, and what options make of it, on a real API server."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import msgspec
import pytest

from controller_runtime.api.core_v1 import Secret
from controller_runtime.apimachinery import Condition, NamespacedName, ObjectMeta, metadata_of, set_condition
from controller_runtime.client import (
    ApiError,
    Client,
    ConflictError,
    InvalidRequestError,
    MethodNotAllowedError,
    NotFoundError,
    OwnWrite,
    PatchType,
    UnsupportedMediaTypeError,
    ignore_already_exists,
    ignore_not_found,
    merge_patch_from,
    record_writes,
    retry_on_conflict,
)
from tests.integration.client.kinds import Scale, ScaleSpec, Unserved, Widget, WidgetSpec, WidgetStatus

pytestmark = [pytest.mark.integration, pytest.mark.usefixtures("widgets_crd")]

Call = Callable[[Client, Widget], Awaitable[Any]]


def new(namespace: str, name: str = "a", size: int = 1, labels: Mapping[str, str] | None = None) -> Widget:
    return Widget(
        metadata=ObjectMeta(name=name, namespace=namespace, labels=dict(labels or {})), spec=WidgetSpec(size=size)
    )


def resized(widget: Widget, size: int) -> Widget:
    return msgspec.structs.replace(widget, spec=WidgetSpec(size=size))


def ready(widget: Widget) -> Widget:
    conditions = set_condition((), Condition(type="Ready", status="True", reason="Test"))
    return msgspec.structs.replace(widget, status=WidgetStatus(conditions=conditions))


async def names(client: Client, namespace: str) -> list[str]:
    return [item.metadata.name for item in (await client.list(Widget, namespace=namespace)).items]


WRITES = [
    pytest.param(lambda c, w: c.create(new(w.metadata.namespace, "b")), id="create"),
    pytest.param(lambda c, w: c.update(resized(w, 7)), id="update"),
    pytest.param(lambda c, w: c.patch(Widget, w.key, {"spec": {"size": 7}}), id="merge patch"),
    pytest.param(
        lambda c, w: c.patch(
            Widget, w.key, [{"op": "replace", "path": "/spec/size", "value": 7}], patch_type=PatchType.JSON
        ),
        id="JSON patch",
    ),
    pytest.param(lambda c, w: c.apply(Widget, w.key, {"spec": {"size": 7}}, force=True), id="apply"),
    pytest.param(
        lambda c, w: c.apply(Widget, w.key._replace(name="b"), {"spec": {"size": 7}}), id="apply of a new one"
    ),
    pytest.param(lambda c, w: c.status.update(ready(w)), id="update of the status"),
    pytest.param(lambda c, w: c.status.patch(Widget, w.key, {"status": {"size": 3}}), id="patch of the status"),
    pytest.param(lambda c, w: c.status.apply(Widget, w.key, {"status": {"size": 3}}), id="apply of the status"),
    pytest.param(
        lambda c, w: c.subresource("scale").update(
            Widget, w.key, Scale(metadata=w.metadata, spec=ScaleSpec(replicas=7))
        ),
        id="update of the scale",
    ),
    pytest.param(
        lambda c, w: c.subresource("scale").patch(Widget, w.key, {"spec": {"replicas": 7}}, Scale),
        id="patch of the scale",
    ),
    pytest.param(lambda c, w: c.delete(w), id="delete"),
    pytest.param(
        lambda c, w: c.delete_all_of(Widget, namespace=w.metadata.namespace, everything=True), id="delete all"
    ),
]


@pytest.mark.parametrize("write", WRITES)
async def test_a_dry_run_of_any_write_leaves_nothing(client: Client, kube_namespace: str, write: Call) -> None:
    widget = await client.create(new(kube_namespace))
    dry = Client(client.transport, field_owner="client-tests", dry_run=True)
    with record_writes() as writes:
        await write(dry, widget)
    after = await client.list(Widget, namespace=kube_namespace)
    assert (list(after.items), list(writes)) == ([widget], [])


@pytest.mark.parametrize("write", WRITES)
async def test_the_version_that_is_recorded_for_a_write_is_that_of_its_watch_event(
    client: Client, kube_namespace: str, write: Call
) -> None:
    """So that a cache which is at that version has seen the write."""
    widget = await client.create(new(kube_namespace))
    async with client.watch(
        Widget,
        namespace=kube_namespace,
        resource_version=widget.metadata.resource_version,
        timeout_seconds=60,
        allow_bookmarks=False,
    ) as events:
        with record_writes() as writes:
            await write(client, widget)
        event = await anext(aiter(events))
    [recorded] = writes
    seen = msgspec.json.decode(event.raw, type=dict[str, Any])["metadata"]
    key = NamespacedName(seen["namespace"], seen["name"])
    assert (recorded.kind, recorded.key, recorded.uid) == (Widget, key, seen["uid"])
    assert recorded.deleted == (event.type == "DELETED")
    assert recorded.resource_version == ("" if recorded.deleted else seen["resourceVersion"])


async def test_a_deletion_that_waits_for_a_finalizer_is_recorded_with_its_version(
    client: Client, kube_namespace: str
) -> None:
    widget = new(kube_namespace)
    metadata = msgspec.structs.replace(widget.metadata, finalizers=("example.com/hold",))
    await client.create(msgspec.structs.replace(widget, metadata=metadata))
    with record_writes() as writes:
        await client.delete(widget)
    held = await client.get(Widget, widget.key)
    assert held.metadata.deletion_timestamp is not None
    assert list(writes) == [
        OwnWrite(Widget, widget.key, held.metadata.resource_version, held.metadata.uid, deleted=True)
    ]
    await client.patch(Widget, widget.key, {"metadata": {"finalizers": None}})


async def test_a_write_that_changes_nothing_leads_to_the_version_that_is_there(
    client: Client, kube_namespace: str
) -> None:
    widget = await client.create(new(kube_namespace))
    with record_writes() as writes:
        await client.update(widget)
    assert [write.resource_version for write in writes] == [widget.metadata.resource_version]


async def test_only_what_the_selectors_match_is_deleted(client: Client, kube_namespace: str) -> None:
    for name, labels in (("a", {"app": "x"}), ("b", {"app": "x"}), ("c", {"app": "y"}), ("d", {})):
        await client.create(new(kube_namespace, name, labels=labels))
    with record_writes() as writes:
        await client.delete_all_of(
            Widget, namespace=kube_namespace, label_selector="app=x", field_selector="metadata.name!=b"
        )
    assert await names(client, kube_namespace) == ["b", "c", "d"]
    assert [(write.key.name, write.resource_version, write.deleted) for write in writes] == [("a", "", True)]
    await client.delete_all_of(metadata_of(Widget), namespace=kube_namespace, label_selector="app")
    assert await names(client, kube_namespace) == ["d"]
    await client.delete_all_of(Widget, namespace=kube_namespace, propagation_policy="Background", everything=True)
    assert await names(client, kube_namespace) == []
    await client.delete_all_of(Widget, namespace=kube_namespace, everything=True)


async def test_a_deletion_of_all_is_within_one_namespace(client: Client, kube_namespace: str) -> None:
    with pytest.raises(InvalidRequestError, match="cannot deletecollection a Widget without a namespace"):
        await client.delete_all_of(Widget, everything=True)
    with pytest.raises(NotFoundError) as missing:
        await client.delete_all_of(Unserved, namespace=kube_namespace, everything=True)
    assert missing.value.kind_is_missing


UNKNOWN = {"spec": {"colour": "red"}}


@pytest.mark.parametrize(
    "write",
    [
        pytest.param(lambda c, w: c.patch(Widget, w.key, UNKNOWN), id="patch"),
        pytest.param(
            lambda c, w: c.status.patch(Widget, w.key, {"status": {"colour": "red"}}), id="patch of the status"
        ),
        pytest.param(
            lambda c, w: c.create(Coloured(metadata=ObjectMeta(name="b", namespace=w.key.namespace))), id="create"
        ),
        pytest.param(lambda c, w: c.update(Coloured(metadata=w.metadata)), id="update"),
        pytest.param(lambda c, w: c.apply(Widget, w.key, UNKNOWN, force=True), id="apply, which is always strict"),
    ],
)
async def test_strict_field_validation_refuses_an_unknown_field(
    client: Client, kube_namespace: str, write: Call
) -> None:
    widget = await client.create(new(kube_namespace))
    strict = Client(client.transport, field_owner="client-tests", field_validation="Strict")
    with pytest.raises(ApiError, match="colour") as refused:
        await write(strict, widget)
    assert refused.value.operation.resource.kind == "Widget"
    assert (await client.list(Widget, namespace=kube_namespace)).items == (widget,)


class Coloured(Widget, frozen=True, kw_only=True, gc=False):
    """A Widget with a field that its schema lacks."""

    spec: dict[str, str] = msgspec.field(default_factory=lambda: {"colour": "red"})  # type: ignore[assignment]


async def test_a_client_bound_to_a_namespace_works_there(client: Client, kube_namespace: str) -> None:
    bound = Client(client.transport, namespace=kube_namespace)
    made = await bound.create(new(""))
    assert made.key == NamespacedName(kube_namespace, "a")
    assert await bound.get(Widget, NamespacedName("", "a")) == made
    assert [item.key for item in (await bound.list(Widget)).items] == [made.key]
    await bound.delete_all_of(Widget, everything=True)
    assert await names(client, kube_namespace) == []


async def test_a_merge_patch_from_a_stale_object_is_refused_only_with_the_lock(
    client: Client, kube_namespace: str
) -> None:
    read = await client.create(new(kube_namespace, labels={"app": "x"}))
    newer = await client.update(resized(read, 2))
    wanted = msgspec.structs.replace(read, metadata=msgspec.structs.replace(read.metadata, labels={}))
    with pytest.raises(ConflictError):
        await client.patch(Widget, read.key, merge_patch_from(read, wanted, optimistic_lock=True))
    written = await client.patch(Widget, read.key, merge_patch_from(read, wanted))
    assert (written.spec.size, written.metadata.labels) == (2, {})
    locked = merge_patch_from(written, resized(written, 0), optimistic_lock=True)
    final = await client.patch(Widget, read.key, locked)
    assert final.spec.size == 0
    assert final.metadata.generation == newer.metadata.generation + 1


async def test_a_conflict_of_apply_names_the_fields_and_their_owner(client: Client, kube_namespace: str) -> None:
    key = NamespacedName(kube_namespace, "a")
    await client.apply(Widget, key, {"spec": {"size": 1}, "metadata": {"labels": {"app": "x"}}})
    with pytest.raises(ConflictError) as conflict:
        await client.apply(Widget, key, {"spec": {"size": 2}, "metadata": {"labels": {"app": "y"}}}, field_owner="b")
    causes = conflict.value.causes
    assert {(cause.reason, cause.field) for cause in causes} == {
        ("FieldManagerConflict", ".spec.size"),
        ("FieldManagerConflict", ".metadata.labels.app"),
    }
    assert all('"client-tests"' in cause.message for cause in causes)
    assert (conflict.value.reason, conflict.value.code) == ("Conflict", 409)


async def test_writers_that_read_and_update_do_not_lose_each_others_change(client: Client, kube_namespace: str) -> None:
    widget = await client.create(new(kube_namespace, size=0))

    async def grow() -> Widget:
        current = await client.get(Widget, widget.key)
        return await client.update(resized(current, current.spec.size + 1))

    await asyncio.gather(*(retry_on_conflict(grow, steps=50) for _ in range(8)))
    assert (await client.get(Widget, widget.key)).spec.size == 8


async def test_what_is_done_already_can_be_ignored(client: Client, kube_namespace: str) -> None:
    await client.create(new(kube_namespace))
    with ignore_already_exists():
        await client.create(new(kube_namespace))
    for _ in range(2):
        with ignore_not_found():
            await client.delete(new(kube_namespace))
    with pytest.raises(NotFoundError), ignore_not_found():
        await client.delete(Unserved, NamespacedName(kube_namespace, "a"))


async def test_failures_of_the_request_itself_have_their_own_errors(client: Client, kube_namespace: str) -> None:
    widget = await client.create(new(kube_namespace))
    with pytest.raises(UnsupportedMediaTypeError):
        await client.patch(Widget, widget.key, {}, patch_type=PatchType.STRATEGIC)
    with pytest.raises(MethodNotAllowedError):
        await client.subresource("scale").create(Widget, widget.key, Scale())
    with pytest.raises(NotFoundError):
        await client.subresource("nothing").get(Widget, widget.key)
    secret = await client.create(Secret(metadata=ObjectMeta(name="a", namespace=kube_namespace)))
    strategic = {"metadata": {"labels": {"a": "b"}}}
    patched = await client.patch(Secret, secret.key, strategic, patch_type=PatchType.STRATEGIC)
    assert patched.metadata.labels == {"a": "b"}
