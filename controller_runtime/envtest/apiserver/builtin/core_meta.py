"""ObjectMeta in the core group, where finalizers are qualified names or the server's own."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

from controller_runtime.envtest.apiserver.errors import FieldError
from controller_runtime.envtest.apiserver.validation.fields import invalid
from controller_runtime.envtest.apiserver.validation.names import NameRule
from controller_runtime.envtest.apiserver.validation.object_meta import (
    validate_object_meta,
    validate_object_meta_update,
)

_STANDARD_FINALIZERS: Final = frozenset({"kubernetes", "orphan", "foregroundDeletion"})


def validate_core_meta(meta: Mapping[str, Any], *, namespaced: bool = True, name_rule: NameRule) -> list[FieldError]:
    """Of a new object."""
    found = validate_object_meta(meta, namespaced=namespaced, name_rule=name_rule)
    return [*found, *_finalizers(meta)]


def validate_core_meta_update(meta: Mapping[str, Any], old: Mapping[str, Any]) -> list[FieldError]:
    """Of an update."""
    return [*validate_object_meta_update(meta, old), *_finalizers(meta)]


def unqualified_finalizer(name: str, field: str) -> Iterator[FieldError]:
    """A name without a domain that is none of the server's own."""
    if "/" not in name and name not in _STANDARD_FINALIZERS:
        yield invalid(field, name, "name is neither a standard finalizer name nor is it fully qualified")


def _finalizers(meta: Mapping[str, Any]) -> Iterator[FieldError]:
    for index, name in enumerate(meta.get("finalizers") or ()):
        yield from unqualified_finalizer(name, f"metadata.finalizers[{index}]")
