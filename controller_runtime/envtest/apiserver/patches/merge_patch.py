"""JSON Merge Patch."""

from __future__ import annotations

from typing import Any

from controller_runtime.envtest.apiserver.errors import bad_request
from controller_runtime.envtest.apiserver.patches.go_words import json_kind


def merge_patch(document: Any, patch: Any) -> Any:
    """The document with the fields of the patch; null removes a field.

    Raises:
        StatusError: 400, the patch is no object.
    """
    if patch is None:
        raise bad_request("Invalid JSON Patch")
    if not isinstance(patch, dict):
        kind = json_kind(patch)
        raise bad_request(
            f"error decoding patch: json: cannot unmarshal {kind} into Go value of type map[string]interface {{}}"
        )
    return _merged(document, patch)


def _merged(document: Any, patch: Any) -> Any:
    if not isinstance(document, dict):
        return _without_nulls(patch)
    if not isinstance(patch, dict):
        return patch
    merged = dict(document)
    for name, value in patch.items():
        if value is None:
            merged.pop(name, None)
        elif merged.get(name) is None:
            merged[name] = _without_nulls(value)
        else:
            merged[name] = _merged(merged[name], value)
    return merged


def _without_nulls(value: Any) -> Any:
    """Without fields that are null; items of lists may be."""
    if isinstance(value, dict):
        return {name: _without_nulls(item) for name, item in value.items() if item is not None}
    if isinstance(value, list):
        return [None if item is None else _without_nulls(item) for item in value]
    return value
