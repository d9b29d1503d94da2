"""Patch types and the merge patch that leads from one document to another."""

from __future__ import annotations

import enum
from collections.abc import Mapping
from typing import Any, TypeVar

from controller_runtime.apimachinery import Object, to_json_value
from controller_runtime.client.errors import InvalidRequestError

T = TypeVar("T", bound=Object)


class PatchType(enum.StrEnum):
    """Content types of PATCH."""

    MERGE = "application/merge-patch+json"
    """RFC 7386: maps are merged, null removes, lists are replaced whole."""
    JSON = "application/json-patch+json"
    """RFC 6902: a list of operations."""
    STRATEGIC = "application/strategic-merge-patch+json"
    """Kubernetes' own, for built-in kinds only: some lists are merged by key."""
    APPLY = "application/apply-patch+yaml"
    """Server-side apply; `Client.apply` sends it (JSON is YAML)."""


def merge_patch_from(base: T, wanted: T, *, optimistic_lock: bool = False) -> dict[str, Any]:
    """The merge patch that makes `wanted` of `base`, to be sent with `Client.patch` (controller-runtime's MergeFrom).

        wanted = replace(widget, spec=replace(widget.spec, size=3))
        await client.patch(Widget, widget.key, merge_patch_from(widget, wanted))

    Fields that went back to their defaults are removed (null), so that the server's defaults apply to them. Lists are
    sent whole: what the type does not model in their items is lost, and so is another writer's change, against which
    the lock helps. The status is part of the difference; where it is a subresource, the server ignores it in a patch of
    the object (for the status there is `patch_status`).

    Args:
        base: The object as it was read.
        wanted: The same object as it shall be; its own resourceVersion does not matter.
        optimistic_lock: Put the version of `base` into the patch, so that the server refuses it with a ConflictError
            when the object has changed since.

    Returns:
        The patch; empty if nothing differs, also with the lock.

    Raises:
        InvalidRequestError: two different objects, or a lock without a resourceVersion in `base`.
    """
    if (type(base), base.key) != (type(wanted), wanted.key):
        raise InvalidRequestError(
            f"cannot make a patch from {base.resource.kind} {base.key} to {wanted.resource.kind} {wanted.key}: "
            "they are different objects"
        )
    version = base.metadata.resource_version
    if optimistic_lock and not version:
        raise InvalidRequestError(f"{base.resource.kind} {base.key} has no resourceVersion to lock: read it first")
    patch = merge_diff(_without_version(base), _without_version(wanted))
    if patch and optimistic_lock:
        patch.setdefault("metadata", {})["resourceVersion"] = version
    return patch


def _without_version(obj: Object) -> dict[str, Any]:
    document: dict[str, Any] = to_json_value(obj)
    metadata = {name: value for name, value in document.get("metadata", {}).items() if name != "resourceVersion"}
    return document | {"metadata": metadata}


def merge_diff(old: Mapping[str, Any], new: Mapping[str, Any]) -> dict[str, Any]:
    """The RFC 7386 merge patch that turns `old` into `new`; empty if they are the same.

    Both are JSON values. A map in `new` must not hold null, which a merge patch cannot express and API objects never
    need. A list that differs at all is sent whole: another writer's change to it would be lost, so a patch with lists
    should carry `metadata.resourceVersion`.
    """
    patch: dict[str, Any] = {name: None for name in old if name not in new}
    for name, wanted in new.items():
        found = old.get(name)
        if isinstance(found, Mapping) and isinstance(wanted, Mapping):
            if nested := merge_diff(found, wanted):
                patch[name] = nested
        elif name not in old or not _same(found, wanted):
            patch[name] = wanted
    return patch


def _same(left: Any, right: Any) -> bool:
    """Equality of JSON values, where `true` is not 1 as it is in Python."""
    if isinstance(left, bool) or isinstance(right, bool):
        return left is right
    if isinstance(left, list) and isinstance(right, list):
        return len(left) == len(right) and all(map(_same, left, right))
    if isinstance(left, dict) and isinstance(right, dict):
        return left.keys() == right.keys() and all(_same(left[name], right[name]) for name in left)
    return bool(left == right)
