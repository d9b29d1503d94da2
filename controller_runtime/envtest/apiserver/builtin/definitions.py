"""CustomResourceDefinitions: how they are created, changed and deleted. What they say is looked into by `crds`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from controller_runtime.envtest.apiserver.crds.definition import (
    crd_warnings,
    default_crd,
    prepare_crd_for_create,
    prepare_crd_for_update,
)
from controller_runtime.envtest.apiserver.crds.validation import validate_crd, validate_crd_status
from controller_runtime.envtest.apiserver.errors import FieldError
from controller_runtime.envtest.apiserver.strategy import Strategy

CLEANUP: Final = "customresourcecleanup.apiextensions.k8s.io"
"""Finalizer that holds a definition until its objects are gone."""


class DefinitionStrategy(Strategy):
    """Generation and stored versions follow the spec; the rest of the status is the server's own."""

    namespaced = False
    unconditional_update = False
    reset_fields: Sequence[tuple[str, ...]] = (("status",),)

    def default(self, obj: dict[str, Any]) -> None:
        """Names and the like that follow from others."""
        default_crd(obj)

    def prepare_for_create(self, obj: dict[str, Any]) -> None:
        """A new status, in which the storage version is noted."""
        prepare_crd_for_create(obj)

    def prepare_for_update(self, obj: dict[str, Any], old: dict[str, Any]) -> None:
        """Another spec is another generation."""
        prepare_crd_for_update(obj, old)

    def prepare_for_delete(self, obj: dict[str, Any]) -> bool:
        """Its objects go first."""
        finalizers = obj["metadata"].get("finalizers") or []
        if CLEANUP not in finalizers:
            obj["metadata"]["finalizers"] = [*finalizers, CLEANUP]
        return True

    def validate(self, obj: dict[str, Any], old: dict[str, Any] | None = None) -> list[FieldError]:
        """Names, versions and schemas."""
        return validate_crd(obj, old)

    def warnings(self, obj: dict[str, Any], old: dict[str, Any] | None = None) -> list[str]:
        """Formats that are not checked."""
        return crd_warnings(obj, old)


class DefinitionStatusStrategy(DefinitionStrategy):
    """The status alone."""

    reset_fields = (("metadata",), ("spec",))

    def prepare_for_update(self, obj: dict[str, Any], old: dict[str, Any]) -> None:
        """Spec and metadata stay, managers of fields excepted."""
        managers = obj["metadata"].get("managedFields")
        metadata = {**old["metadata"], "managedFields": managers}
        if not managers:
            del metadata["managedFields"]
        obj["spec"], obj["metadata"] = old.get("spec"), metadata

    def validate(self, obj: dict[str, Any], old: dict[str, Any] | None = None) -> list[FieldError]:
        """Versions in which objects are stored."""
        return validate_crd_status(obj, old or obj)

    def warnings(self, obj: dict[str, Any], old: dict[str, Any] | None = None) -> list[str]:  # noqa: ARG002
        """The spec does not change here."""
        return []
