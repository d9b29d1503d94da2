"""Namespaces: in whose phase the server keeps the progress of their deletion."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

from controller_runtime.envtest.apiserver.builtin.core_meta import (
    unqualified_finalizer,
    validate_core_meta,
    validate_core_meta_update,
)
from controller_runtime.envtest.apiserver.errors import FieldError
from controller_runtime.envtest.apiserver.strategy import Strategy, get_in
from controller_runtime.envtest.apiserver.validation.fields import invalid
from controller_runtime.envtest.apiserver.validation.names import dns_label
from controller_runtime.envtest.apiserver.validation.object_meta import validate_finalizer

FINALIZER: Final = "kubernetes"
NAME_LABEL: Final = "kubernetes.io/metadata.name"


class NamespaceStrategy(Strategy):
    """The namespace itself: phase and finalizers are kept as they are."""

    namespaced = False
    name_rule = staticmethod(dns_label)
    reset_fields = (("status",),)

    def default(self, obj: dict[str, Any]) -> None:
        """Labels the namespace with its name."""
        if obj["metadata"].get("name"):
            self.canonicalize(obj)

    def canonicalize(self, obj: dict[str, Any]) -> None:
        """Labels the namespace with its name, which may have been generated."""
        metadata = obj["metadata"]
        metadata["labels"] = {**(metadata.get("labels") or {}), NAME_LABEL: metadata.get("name", "")}

    def prepare_for_create(self, obj: dict[str, Any]) -> None:
        """New namespaces are active, and the server takes part in their end."""
        obj["status"] = {"phase": "Active"}
        finalizers = get_in(obj, "spec", "finalizers") or []
        if FINALIZER not in finalizers:
            obj["spec"] = {**(obj.get("spec") or {}), "finalizers": [*finalizers, FINALIZER]}

    def prepare_for_update(self, obj: dict[str, Any], old: dict[str, Any]) -> None:
        """Finalizers and phase have endpoints of their own."""
        obj["spec"] = dict(old.get("spec") or {})
        obj["status"] = dict(old.get("status") or {})

    def prepare_for_delete(self, obj: dict[str, Any]) -> bool:
        """The phase says that it is going; it stays until its finalizers have acted."""
        obj["status"] = {**(obj.get("status") or {}), "phase": "Terminating"}
        return not self.removable(obj)

    def removable(self, obj: dict[str, Any]) -> bool:
        """Whether all finalizers have acted."""
        return not get_in(obj, "spec", "finalizers")

    def validate_create(self, obj: dict[str, Any]) -> list[FieldError]:
        """Metadata, and the names of finalizers."""
        return [
            *validate_core_meta(obj["metadata"], namespaced=False, name_rule=self.name_rule),
            *(error for name in get_in(obj, "spec", "finalizers") or () for error in _finalizer(name)),
        ]

    def validate_update(self, obj: dict[str, Any], old: dict[str, Any]) -> list[FieldError]:
        """As for a new one, and what an update may not change."""
        return [*self.validate_create(obj), *validate_core_meta_update(obj["metadata"], old["metadata"])]

    def fields(self, obj: dict[str, Any]) -> dict[str, str]:
        """Name and phase; the name also as `name`, which the API server has for older clients."""
        return {
            **super().fields(obj),
            "name": obj["metadata"].get("name", ""),
            "status.phase": get_in(obj, "status", "phase") or "",
        }


class NamespaceStatusStrategy(NamespaceStrategy):
    """The status of a namespace."""

    reset_fields = (("spec",),)

    def prepare_for_update(self, obj: dict[str, Any], old: dict[str, Any]) -> None:
        """The finalizers stay."""
        obj["spec"] = dict(old.get("spec") or {})

    def validate_update(self, obj: dict[str, Any], old: dict[str, Any]) -> list[FieldError]:
        """The phase says whether a deletion is under way, nothing else."""
        found = validate_core_meta_update(obj["metadata"], old["metadata"])
        phase = get_in(obj, "status", "phase") or ""
        if obj["metadata"].get("deletionTimestamp"):
            if phase != "Terminating":
                text = "may only be 'Terminating' if `deletionTimestamp` is not empty"
                found.append(invalid("status.Phase", phase, text))
        elif phase != "Active":
            found.append(invalid("status.Phase", phase, "may only be 'Active' if `deletionTimestamp` is empty"))
        return found


class NamespaceFinalizeStrategy(NamespaceStrategy):
    """The finalizers of a namespace, through `finalize`."""

    reset_fields = (("status",),)

    def prepare_for_update(self, obj: dict[str, Any], old: dict[str, Any]) -> None:
        """The status stays."""
        obj["status"] = dict(old.get("status") or {})

    def validate_update(self, obj: dict[str, Any], old: dict[str, Any]) -> list[FieldError]:
        """The names of finalizers."""
        return [
            *validate_core_meta_update(obj["metadata"], old["metadata"]),
            *(
                error
                for index, name in enumerate(get_in(obj, "spec", "finalizers") or ())
                for error in _finalizer(name, f"spec.finalizers[{index}]")
            ),
        ]


def _finalizer(name: str, field: str = "spec.finalizers") -> Iterator[FieldError]:
    yield from validate_finalizer(name, field)
    yield from unqualified_finalizer(name, field)
