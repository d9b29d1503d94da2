"""Objects that `kubectl apply` has managed with its annotation, once they are applied by the server.

Only the field manager `kubectl` is treated that way: it takes over, without conflicts, what its annotation says it had
applied, and its annotation is kept up to date so that people may go back.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import msgspec

from controller_runtime.envtest.apiserver.managedfields import sets
from controller_runtime.envtest.apiserver.managedfields.atoms import Atom
from controller_runtime.envtest.apiserver.managedfields.comparison import compare
from controller_runtime.envtest.apiserver.managedfields.errors import SchemaMismatchError
from controller_runtime.envtest.apiserver.managedfields.merging import field_set
from controller_runtime.envtest.apiserver.managedfields.printing import json_text
from controller_runtime.envtest.apiserver.managedfields.sets import FieldSet
from controller_runtime.envtest.apiserver.managedfields.validation import validate

MANAGER: Final = "kubectl"
_ANNOTATION: Final = "kubectl.kubernetes.io/last-applied-configuration"
_MAX_ANNOTATIONS: Final = 256 * 1024
"""Bytes that all annotations together may have."""


def owned(atom: Atom, live: dict[str, Any]) -> FieldSet | None:
    """What the annotation says kubectl applied, as far as it is still so; None if it says nothing usable."""
    try:
        applied = msgspec.json.decode(_annotation(live))
        if not isinstance(applied, dict) or applied.get("apiVersion") != live.get("apiVersion"):
            return None
        validate(atom, live)
        validate(atom, applied)
        changes = compare(atom, applied, live)
    except (SchemaMismatchError, msgspec.DecodeError):
        return None
    fields = field_set(atom, applied)
    for part in changes:
        fields = sets.difference(fields, part)
    return fields


def refresh(obj: dict[str, Any], applied: Mapping[str, Any]) -> dict[str, Any]:
    """The object with the applied configuration in its annotation, if it has one."""
    if not _annotation(obj):
        return obj
    text = json_text(_without_annotation(applied)) + "\n"
    annotations = {**obj["metadata"]["annotations"], _ANNOTATION: text}
    if sum(len(key.encode()) + len(value.encode()) for key, value in annotations.items()) > _MAX_ANNOTATIONS:
        del annotations[_ANNOTATION]
    meta = {**obj["metadata"], "annotations": annotations}
    if not annotations:
        del meta["annotations"]
    return {**obj, "metadata": meta}


def _annotation(obj: Mapping[str, Any]) -> str:
    return str(((obj.get("metadata") or {}).get("annotations") or {}).get(_ANNOTATION) or "")


def _without_annotation(obj: Mapping[str, Any]) -> dict[str, Any]:
    meta = obj.get("metadata") or {}
    annotations = meta.get("annotations")
    if not isinstance(annotations, dict):
        return dict(obj)
    rest = {key: value for key, value in annotations.items() if key != _ANNOTATION}
    return {**obj, "metadata": {**meta, "annotations": rest}}
