"""What reconcilers do to objects: owner references, finalizers, and create-or-change in one call.

    child = set_controller_reference(owner, child)
    secret, result = await create_or_update(client, Secret, key, lambda found: replace(found, data=wanted))

Objects are frozen, so every function that changes one returns the changed object, and the very same object where
nothing had to change: `changed is obj` says that no write is needed. The rules are those of controller-runtime's
`pkg/controller/controllerutil`.
"""

from __future__ import annotations

import enum
from collections.abc import Callable
from typing import Any, TypeAlias, TypeVar

import msgspec

from controller_runtime.apimachinery import NamespacedName, Object, ObjectMeta, OwnerReference, to_json_value
from controller_runtime.client import Client, InvalidRequestError, NotFoundError, merge_diff

T = TypeVar("T", bound=Object)

Mutate: TypeAlias = Callable[[T], T]
"""Returns the object as it should be, made from the one that it is given; it may not change namespace or name."""


class AlreadyOwnedError(Exception):
    """The object has another controller, and it can have only one.

    Attributes:
        obj: The object that should have been owned.
        owner: Its present controller.
    """

    def __init__(self, obj: Object, owner: OwnerReference) -> None:
        super().__init__(obj, owner)
        self.obj = obj
        self.owner = owner

    def __str__(self) -> str:
        """Names both."""
        return f"{_name(self.obj)} is already controlled by {self.owner.kind} {self.owner.name}"


class OperationResult(enum.StrEnum):
    """What `create_or_update` or `create_or_patch` did; completes the sentence "the object has been ..."."""

    UNCHANGED = "unchanged"
    CREATED = "created"
    UPDATED = "updated"
    UPDATED_STATUS = "updatedStatus"
    """Both the object and its status."""
    UPDATED_STATUS_ONLY = "updatedStatusOnly"


_PATCHED = {
    (False, False): OperationResult.UNCHANGED,
    (True, False): OperationResult.UPDATED,
    (True, True): OperationResult.UPDATED_STATUS,
    (False, True): OperationResult.UPDATED_STATUS_ONLY,
}
"""The result by whether the object and whether its status was patched."""


def set_controller_reference(owner: Object, obj: T, *, block_owner_deletion: bool = True) -> T:
    """Makes `owner` the controller of the object: it is deleted with it, and `owns` wakes the owner when it changes.

    A reference to the same owner, known by group, kind and name, is replaced; thereby a recreated owner's new UID
    gets in.

    Args:
        owner: As read from the server, with its UID.
        obj: The object to be owned.
        block_owner_deletion: Whether a foreground deletion of the owner waits for this object.

    Raises:
        AlreadyOwnedError: the object has another controller.
        ValueError: the owner is in a namespace and the object is not in it.
    """
    ref = msgspec.structs.replace(_reference_to(owner, obj), controller=True, block_owner_deletion=block_owner_deletion)
    present = obj.controller_owner
    if present is not None and not _refers_to(present, owner):
        raise AlreadyOwnedError(obj, present)
    return _with_reference(owner, obj, ref)


def set_owner_reference(owner: Object, obj: T, *, block_owner_deletion: bool = False) -> T:
    """Makes `owner` one of the owners of the object: it is deleted when the last of them is gone.

    A reference to the same owner, known by group, kind and name, is replaced whole: a controller becomes a mere owner.

    Args:
        owner: As read from the server, with its UID.
        obj: The object to be owned.
        block_owner_deletion: Whether a foreground deletion of the owner waits for this object.

    Raises:
        ValueError: the owner is in a namespace and the object is not in it.
    """
    ref = msgspec.structs.replace(_reference_to(owner, obj), block_owner_deletion=block_owner_deletion)
    return _with_reference(owner, obj, ref)


def remove_owner_reference(owner: Object, obj: T) -> T:
    """Takes the reference to `owner` out, so that the object outlives it.

    Raises:
        ValueError: the object has no such owner.
    """
    if (ref := _reference_of(owner, obj)) is None:
        raise ValueError(f"{_name(obj)} has no owner reference to {_name(owner)}")
    return _with_metadata(obj, owner_references=tuple(one for one in obj.metadata.owner_references if one is not ref))


def remove_controller_reference(owner: Object, obj: T) -> T:
    """Takes the reference to `owner` out, which must be the controller.

    Raises:
        ValueError: `owner` is not the controller of the object.
    """
    ref = _reference_of(owner, obj)
    if ref is None or not ref.controller:
        raise ValueError(f"{_name(obj)} is not controlled by {_name(owner)}")
    return remove_owner_reference(owner, obj)


def has_owner_reference(owner: Object, obj: Object) -> bool:
    """Whether `owner`, known by group, kind and name, is among the owners of the object."""
    return _reference_of(owner, obj) is not None


def has_controller_reference(obj: Object) -> bool:
    """Whether the object has a controller; `obj.controller_owner` is the reference to it."""
    return obj.controller_owner is not None


def contains_finalizer(obj: Object, finalizer: str) -> bool:
    """Whether the object stays, when deleted, until this finalizer is removed."""
    return finalizer in obj.metadata.finalizers


def add_finalizer(obj: T, finalizer: str) -> T:
    """The object with the finalizer, after those that it has; write it before you make what the finalizer cleans up."""
    if contains_finalizer(obj, finalizer):
        return obj
    return _with_metadata(obj, finalizers=(*obj.metadata.finalizers, finalizer))


def remove_finalizer(obj: T, finalizer: str) -> T:
    """The object without the finalizer, in every copy if it should be there more than once."""
    if not contains_finalizer(obj, finalizer):
        return obj
    return _with_metadata(obj, finalizers=tuple(one for one in obj.metadata.finalizers if one != finalizer))


async def create_or_update(
    client: Client, kind: type[T], key: NamespacedName, mutate: Mutate[T]
) -> tuple[T, OperationResult]:
    """Makes the object what `mutate` makes of it: creates it if it is not there, else replaces it if it differs.

    It is read from the server, not from the cache. The update carries the resourceVersion of that read, so that
    somebody else's write in between is an error and not lost. The status is not written where it is a subresource. A
    `mutate` that takes away what the server sets by default causes an update each time.

    Args:
        client: Its fence applies.
        kind: What it is.
        key: Which one.
        mutate: Given the object as it is, or one that has only its namespace and name.

    Returns:
        The object as the server has it now, and what was done.

    Raises:
        ConflictError: somebody else changed the object in between.
        AlreadyExistsError: somebody else created it in between.
        InvalidRequestError: `mutate` changed namespace or name, or the kind models only a part of its objects.
        ClientError: any other failure.
    """
    current = await _find(client, kind, key)
    if current is None:
        return await client.create(_mutated(mutate, _bare(kind, key))), OperationResult.CREATED
    wanted = _mutated(mutate, current)
    if not merge_diff(to_json_value(current), to_json_value(wanted)):
        return current, OperationResult.UNCHANGED
    return await client.update(wanted), OperationResult.UPDATED


async def create_or_patch(
    client: Client, kind: type[T], key: NamespacedName, mutate: Mutate[T]
) -> tuple[T, OperationResult]:
    """Like `create_or_update`, but sends only what differs, and the status too if the object was there already.

    Object and status are two merge patches, each sent if there is something in it. A merge patch replaces lists whole,
    so one that holds a list carries the resourceVersion of the read: somebody else's write in between is an error
    then. Without lists it is not, and what others write to other fields stays.

    On creation the status that `mutate` sets is lost, as the server ignores it; the next call writes it.

    Args:
        client: Its fence applies.
        kind: What it is.
        key: Which one.
        mutate: Given the object as it is, or one that has only its namespace and name.

    Returns:
        The object as the server has it now, and what was done.

    Raises:
        ConflictError: somebody else changed the object in between, and the change holds a list.
        AlreadyExistsError: somebody else created it in between.
        InvalidRequestError: `mutate` changed namespace or name, or a new object is of a kind that models only a part.
        ClientError: any other failure. If it came with the status, the object has been patched already.
    """
    current = await _find(client, kind, key)
    if current is None:
        return await client.create(_mutated(mutate, _bare(kind, key))), OperationResult.CREATED
    patch = merge_diff(to_json_value(current), to_json_value(_mutated(mutate, current)))
    status_patch = {"status": patch.pop("status")} if "status" in patch else {}
    if patch:
        current = await client.patch(kind, key, _guarded(patch, current))
    if status_patch:
        current = await client.status.patch(kind, key, _guarded(status_patch, current))
    return current, _PATCHED[bool(patch), bool(status_patch)]


async def _find(client: Client, kind: type[T], key: NamespacedName) -> T | None:
    try:
        return await client.get(kind, key)
    except NotFoundError:
        return None


def _bare(kind: type[T], key: NamespacedName) -> T:
    return kind(metadata=ObjectMeta(namespace=key.namespace, name=key.name))


def _mutated(mutate: Mutate[T], current: T) -> T:
    wanted = mutate(current)
    if wanted.key != current.key:
        raise InvalidRequestError(f"mutate may not rename an object: {_name(current)} became {_name(wanted)}")
    return wanted


def _guarded(patch: dict[str, Any], current: Object) -> dict[str, Any]:
    if not _holds_list(patch):
        return patch
    version = {"resourceVersion": current.metadata.resource_version}
    return {**patch, "metadata": {**patch.get("metadata", {}), **version}}


def _holds_list(value: Any) -> bool:
    if isinstance(value, dict):
        return any(map(_holds_list, value.values()))
    return isinstance(value, list)


def _reference_to(owner: Object, obj: Object) -> OwnerReference:
    if owner.metadata.namespace and owner.metadata.namespace != obj.metadata.namespace:
        raise ValueError(
            f"{_name(owner)} cannot own {_name(obj)}: an owner in a namespace owns only objects in that namespace"
        )
    resource = owner.resource
    return OwnerReference(
        api_version=resource.api_version, kind=resource.kind, name=owner.metadata.name, uid=owner.metadata.uid
    )


def _refers_to(ref: OwnerReference, owner: Object) -> bool:
    """Whether they mean the same object: the version may differ, and the UID, as after a restore from a backup."""
    return (ref.group, ref.kind, ref.name) == (owner.resource.group, owner.resource.kind, owner.metadata.name)


def _reference_of(owner: Object, obj: Object) -> OwnerReference | None:
    return next((ref for ref in obj.metadata.owner_references if _refers_to(ref, owner)), None)


def _with_reference(owner: Object, obj: T, ref: OwnerReference) -> T:
    """The object with that reference to the owner, in the place of the present one or at the end."""
    present, references = _reference_of(owner, obj), obj.metadata.owner_references
    if present is None:
        return _with_metadata(obj, owner_references=(*references, ref))
    if present == ref:
        return obj
    return _with_metadata(obj, owner_references=tuple(ref if one is present else one for one in references))


def _with_metadata(obj: T, **changes: Any) -> T:
    return msgspec.structs.replace(obj, metadata=msgspec.structs.replace(obj.metadata, **changes))


def _name(obj: Object) -> str:
    return f"{obj.resource.kind} {obj.key}"
