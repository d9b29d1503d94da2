"""Patch types and the merge patch that leads from one document to another."""

from __future__ import annotations

import enum
from collections.abc import Mapping
from typing import Any


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
