"""Owner references, finalizers, and create-or-change against a server that holds one object."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any, ClassVar

import msgspec
import pytest
from msgspec.structs import replace

from controller_runtime.apimachinery import (
    Condition,
    NamespacedName,
    Object,
    ObjectMeta,
    OwnerReference,
    Resource,
    metadata_of,
)
from controller_runtime.client import (
    Client,
    ConflictError,
    ForbiddenError,
    InvalidRequestError,
)
from controller_runtime.controller.controllerutil import (
    AlreadyOwnedError,
    OperationResult,
    add_finalizer,
    contains_finalizer,
    create_or_patch,
    create_or_update,
    has_controller_reference,
    has_owner_reference,
    remove_controller_reference,
    remove_finalizer,
    remove_owner_reference,
    set_controller_reference,
    set_owner_reference,
)
from controller_runtime.envtest import InMemoryAPI, Interceptor
from tests.unit.client.fakes import Node, PartialWidget, Widget, WidgetSpec, WidgetStatus

KEY = NamespacedName("default", "a")
FINALIZER = "example.com/disks"


class NewerWidget(Object, frozen=True, kw_only=True, gc=False):
    """The same kind in another version."""

    resource: ClassVar[Resource] = Resource(group="example.com", version="v2", kind="Widget", plural="widgets")


class OtherWidget(Object, frozen=True, kw_only=True, gc=False):
    """The same kind in another group."""

    resource: ClassVar[Resource] = Resource(group="other.com", version="v1", kind="Widget", plural="widgets")


def meta(name: str = "a", namespace: str = "default", **fields: Any) -> ObjectMeta:
    return ObjectMeta(name=name, namespace=namespace, **fields)


def owner_widget(name: str = "owner", uid: str = "1") -> Widget:
    return Widget(metadata=meta(name, uid=uid))


def owners(obj: Object) -> list[tuple[str, str, str, bool, bool]]:
    references = obj.metadata.owner_references
    return [(ref.api_version, ref.name, ref.uid, ref.controller, ref.block_owner_deletion) for ref in references]


def test_a_controller_reference_blocks_the_deletion_of_its_owner() -> None:
    child = set_controller_reference(owner_widget(), Widget(metadata=meta()))
    assert owners(child) == [("example.com/v1", "owner", "1", True, True)]
    assert child.metadata.owner_references[0].kind == "Widget"
    unblocked = set_controller_reference(owner_widget(), child, block_owner_deletion=False)
    assert owners(unblocked) == [("example.com/v1", "owner", "1", True, False)]


def test_a_plain_owner_reference_sets_neither_flag_unless_told_to() -> None:
    child = set_owner_reference(owner_widget(), Widget(metadata=meta()))
    assert owners(child) == [("example.com/v1", "owner", "1", False, False)]
    blocking = set_owner_reference(owner_widget(), child, block_owner_deletion=True)
    assert owners(blocking) == [("example.com/v1", "owner", "1", False, True)]


@pytest.mark.parametrize("set_reference", [set_controller_reference, set_owner_reference])
def test_an_owner_that_is_there_already_leaves_the_very_same_object(set_reference: Callable[..., Widget]) -> None:
    child = set_reference(owner_widget(), Widget(metadata=meta()))
    assert set_reference(owner_widget(), child) is child


@pytest.mark.parametrize("set_reference", [set_controller_reference, set_owner_reference])
def test_an_owner_is_replaced_in_its_place_when_version_or_uid_changed(set_reference: Callable[..., Widget]) -> None:
    child = Widget(metadata=meta())
    for name in ("first", "owner", "last"):
        child = set_owner_reference(owner_widget(name), child)
    newer = set_reference(NewerWidget(metadata=meta("owner", uid="2")), child)
    assert [(ref[:3]) for ref in owners(newer)] == [
        ("example.com/v1", "first", "1"),
        ("example.com/v2", "owner", "2"),
        ("example.com/v1", "last", "1"),
    ]


def test_a_plain_owner_reference_ends_control() -> None:
    controlled = set_controller_reference(owner_widget(), Widget(metadata=meta()))
    assert not has_controller_reference(set_owner_reference(owner_widget(), controlled))


@pytest.mark.parametrize(
    "second",
    [
        pytest.param(owner_widget("second"), id="another name"),
        pytest.param(OtherWidget(metadata=meta("owner")), id="another group"),
        pytest.param(Node(metadata=meta("owner", "")), id="another kind"),
    ],
)
def test_an_object_has_one_controller_and_any_number_of_owners(second: Object) -> None:
    child = set_controller_reference(owner_widget(), Widget(metadata=meta()))
    with pytest.raises(AlreadyOwnedError, match="Widget default/a is already controlled by Widget owner") as caught:
        set_controller_reference(second, child)
    assert (caught.value.obj, caught.value.owner.name) == (child, "owner")
    assert len(owners(set_owner_reference(second, child))) == 2


@pytest.mark.parametrize("set_reference", [set_controller_reference, set_owner_reference])
@pytest.mark.parametrize(
    ("owner", "obj", "allowed"),
    [
        pytest.param(owner_widget(), Widget(metadata=meta()), True, id="same namespace"),
        pytest.param(Node(metadata=meta(namespace="")), Widget(metadata=meta()), True, id="owner of the cluster"),
        pytest.param(Node(metadata=meta("o", "")), Node(metadata=meta(namespace="")), True, id="both of the cluster"),
        pytest.param(owner_widget(), Widget(metadata=meta(namespace="other")), False, id="another namespace"),
        pytest.param(owner_widget(), Node(metadata=meta(namespace="")), False, id="object of the cluster"),
    ],
)
def test_an_owner_in_a_namespace_owns_only_what_is_in_it(
    set_reference: Callable[..., Object], owner: Object, obj: Object, allowed: bool
) -> None:
    if allowed:
        assert has_owner_reference(owner, set_reference(owner, obj))
        return
    with pytest.raises(ValueError, match=r"Widget default/owner cannot own \w+ .*: an owner in a namespace owns only"):
        set_reference(owner, obj)


def test_the_metadata_of_an_object_can_own_and_be_owned() -> None:
    metadata_only = metadata_of(Widget)
    child = set_controller_reference(metadata_only(metadata=meta("owner", uid="1")), metadata_only(metadata=meta()))
    assert owners(child) == [("example.com/v1", "owner", "1", True, True)]


def test_removing_an_owner_leaves_the_others() -> None:
    child = set_owner_reference(owner_widget("b"), set_controller_reference(owner_widget(), Widget(metadata=meta())))
    left = remove_owner_reference(NewerWidget(metadata=meta("owner")), child)
    assert [ref[1] for ref in owners(left)] == ["b"]
    assert not has_owner_reference(owner_widget(), left)
    with pytest.raises(ValueError, match="Widget default/a has no owner reference to Widget default/owner"):
        remove_owner_reference(owner_widget(), left)


def test_only_the_controller_is_removed_as_the_controller() -> None:
    child = set_owner_reference(owner_widget("b"), set_controller_reference(owner_widget(), Widget(metadata=meta())))
    for no_controller in (owner_widget("b"), owner_widget("c")):
        with pytest.raises(ValueError, match="Widget default/a is not controlled by Widget default/"):
            remove_controller_reference(no_controller, child)
    left = remove_controller_reference(owner_widget(), child)
    assert ([ref[1] for ref in owners(left)], has_controller_reference(left)) == (["b"], False)


def test_a_finalizer_is_added_at_the_end_and_once() -> None:
    obj = Widget(metadata=meta(finalizers=("other",)))
    added = add_finalizer(obj, FINALIZER)
    assert added.metadata.finalizers == ("other", FINALIZER)
    assert add_finalizer(added, FINALIZER) is added
    assert (contains_finalizer(obj, FINALIZER), contains_finalizer(added, FINALIZER)) == (False, True)


def test_a_finalizer_is_removed_in_all_its_copies() -> None:
    obj = Widget(metadata=meta(finalizers=(FINALIZER, "other", FINALIZER)))
    removed = remove_finalizer(obj, FINALIZER)
    assert removed.metadata.finalizers == ("other",)
    assert remove_finalizer(removed, FINALIZER) is removed


class WidgetApi(InMemoryAPI):
    """A server that may have the Widget `default/a`, and a client of it.

    Args:
        exists: Whether it has.
        spec: Of the Widget.
        status: Likewise.
    """

    def __init__(self, *, exists: bool = True, spec: Any = None, status: Any = None) -> None:
        super().__init__(Widget)
        self.net = Interceptor(self.transport(), retries=False)
        self.client = Client(self.net)
        if exists:
            self.create(Widget, "a", "default", spec=spec or {})
            self.update(Widget, "a", "default", subresource="status", status=status or {})

    @property
    def stored(self) -> dict[str, Any]:
        """The Widget."""
        (found,) = self.list(Widget)
        return found

    @property
    def version(self) -> str:
        """Its resourceVersion."""
        return str(self.stored["metadata"]["resourceVersion"])

    @property
    def writes(self) -> list[tuple[str, str, Any]]:
        """Verb, subresource and body of each write of the client."""
        calls = [call for call in self.net.calls if call.verb != "get"]
        return [(call.verb, call.subresource, json.loads(call.request.body or b"")) for call in calls]


def resized(size: int) -> Callable[[Widget], Widget]:
    return lambda found: replace(found, spec=WidgetSpec(size=size))


def restated(state: str) -> Callable[[Widget], Widget]:
    return lambda found: replace(found, status=WidgetStatus(state=state))


EITHER = pytest.mark.parametrize("create_or_change", [create_or_update, create_or_patch])
CreateOrChange = Callable[..., Any]


@EITHER
async def test_what_is_not_there_is_created_from_its_name_alone(create_or_change: CreateOrChange) -> None:
    server = WidgetApi(exists=False)
    seen = []

    def mutate(found: Widget) -> Widget:
        seen.append(found)
        return resized(3)(found)

    obj, result = await create_or_change(server.client, Widget, KEY, mutate)
    assert seen == [Widget(metadata=meta())]
    assert (obj.spec.size, obj.metadata.resource_version, result) == (3, server.version, OperationResult.CREATED)
    assert [write[:2] for write in server.writes] == [("create", "")]
    assert server.stored["spec"] == {"size": 3}


@EITHER
async def test_nothing_is_written_when_nothing_differs(create_or_change: CreateOrChange) -> None:
    server = WidgetApi(spec={"size": 3}, status={"state": "Ready"})
    obj, result = await create_or_change(server.client, Widget, KEY, resized(3))
    assert (obj.spec.size, result, server.writes) == (3, OperationResult.UNCHANGED, [])


@EITHER
@pytest.mark.parametrize("exists", [False, True], ids=["create", "change"])
async def test_mutate_may_not_rename(create_or_change: CreateOrChange, exists: bool) -> None:
    server = WidgetApi(exists=exists)
    with pytest.raises(InvalidRequestError, match="may not rename an object: Widget default/a became Widget default/b"):
        await create_or_change(server.client, Widget, KEY, lambda found: replace(found, metadata=meta("b")))
    assert server.writes == []


@EITHER
async def test_a_failure_of_the_read_is_no_reason_to_create(create_or_change: CreateOrChange) -> None:
    server = WidgetApi(exists=False)
    with server.net.fail("get", 403), pytest.raises(ForbiddenError):
        await create_or_change(server.client, Widget, KEY, resized(1))
    assert [call.verb for call in server.net.calls] == ["get"]


@EITHER
async def test_what_was_written_in_between_is_not_overwritten(create_or_change: CreateOrChange) -> None:
    server = WidgetApi()

    def mutate(found: Widget) -> Widget:
        server.update(Widget, "a", "default", spec={"size": 7})
        return set_controller_reference(owner_widget(), found)

    with pytest.raises(ConflictError):
        await create_or_change(server.client, Widget, KEY, mutate)
    assert server.stored["spec"] == {"size": 7}
    assert "ownerReferences" not in server.stored["metadata"]


async def test_an_update_replaces_the_object_as_it_was_read() -> None:
    server = WidgetApi(spec={"size": 1})
    read = server.version
    obj, result = await create_or_update(server.client, Widget, KEY, resized(2))
    assert (obj.spec.size, obj.metadata.resource_version, result) == (2, server.version, OperationResult.UPDATED)
    assert server.version != read
    ((verb, subresource, body),) = server.writes
    assert (verb, subresource, body["metadata"]["resourceVersion"]) == ("update", "", read)


@pytest.mark.parametrize(
    ("mutate", "patches", "result"),
    [
        pytest.param(resized(2), [("", {"spec": {"size": 2}})], OperationResult.UPDATED, id="object"),
        pytest.param(
            restated("Busy"),
            [("status", {"status": {"state": "Busy"}})],
            OperationResult.UPDATED_STATUS_ONLY,
            id="status",
        ),
        pytest.param(
            lambda found: restated("Busy")(resized(2)(found)),
            [("", {"spec": {"size": 2}}), ("status", {"status": {"state": "Busy"}})],
            OperationResult.UPDATED_STATUS,
            id="both",
        ),
        pytest.param(
            lambda found: replace(found, spec=WidgetSpec()),
            [("", {"spec": {"size": None}})],
            OperationResult.UPDATED,
            id="something taken away",
        ),
    ],
)
async def test_a_patch_says_what_differs_and_no_more(
    mutate: Callable[[Widget], Widget], patches: list[tuple[str, Any]], result: OperationResult
) -> None:
    server = WidgetApi(spec={"size": 1}, status={"state": "Ready"})
    obj, done = await create_or_patch(server.client, Widget, KEY, mutate)
    assert server.writes == [("patch", subresource, patch) for subresource, patch in patches]
    assert (done, obj.metadata.resource_version) == (result, server.version)
    wanted = mutate(Widget(spec=WidgetSpec(size=1), status=WidgetStatus(state="Ready")))
    assert (obj.spec, obj.status) == (wanted.spec, wanted.status)


async def test_a_patch_of_a_list_is_bound_to_what_it_was_made_from() -> None:
    server = WidgetApi()
    read = server.version
    condition = Condition(type="Ready", status="True", reason="Done")

    def mutate(found: Widget) -> Widget:
        return replace(add_finalizer(found, FINALIZER), status=WidgetStatus(conditions=(condition,)))

    _, result = await create_or_patch(server.client, Widget, KEY, mutate)
    (_, _, patch), (_, _, status_patch) = server.writes
    assert patch == {"metadata": {"finalizers": [FINALIZER], "resourceVersion": read}}
    assert int(read) < int(status_patch["metadata"]["resourceVersion"]) < int(server.version)
    assert result is OperationResult.UPDATED_STATUS


async def test_a_type_that_models_a_part_is_patched_but_neither_created_nor_updated() -> None:
    def labelled(found: PartialWidget) -> PartialWidget:
        return replace(found, metadata=replace(found.metadata, labels={"a": "b"}))

    server = WidgetApi()
    with pytest.raises(InvalidRequestError):
        await create_or_update(server.client, PartialWidget, KEY, labelled)
    assert (await create_or_patch(server.client, PartialWidget, KEY, labelled))[1] is OperationResult.UPDATED
    with pytest.raises(InvalidRequestError):
        await create_or_patch(WidgetApi(exists=False).client, PartialWidget, KEY, labelled)


def test_results_read_as_controller_runtimes() -> None:
    assert [str(result) for result in OperationResult] == [
        "unchanged",
        "created",
        "updated",
        "updatedStatus",
        "updatedStatusOnly",
    ]


def test_an_owner_reference_is_written_as_the_api_has_it() -> None:
    child = set_controller_reference(owner_widget(), Widget(metadata=meta()))
    written = msgspec.to_builtins(child.metadata.owner_references)
    assert written == (
        {
            "apiVersion": "example.com/v1",
            "kind": "Widget",
            "name": "owner",
            "uid": "1",
            "controller": True,
            "blockOwnerDeletion": True,
        },
    )
    assert msgspec.convert(written, tuple[OwnerReference, ...]) == child.metadata.owner_references
