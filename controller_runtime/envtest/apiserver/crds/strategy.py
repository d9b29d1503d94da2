"""The strategies of custom kinds: the object itself, and its status."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from controller_runtime.envtest.apiserver.crds.definition import ServedVersion
from controller_runtime.envtest.apiserver.crds.objects import (
    custom_object_errors,
    custom_status_errors,
    finalizer_warnings,
    selectable_values,
)
from controller_runtime.envtest.apiserver.errors import FieldError
from controller_runtime.envtest.apiserver.schema import Schema
from controller_runtime.envtest.apiserver.strategy import Strategy

_TYPE_AND_METADATA = ("apiVersion", "kind", "metadata")


class CustomStrategy(Strategy):
    """Objects of a custom kind.

    Args:
        version: what their definition says.
        schema: compiled from it.
    """

    unconditional_update = False

    def __init__(self, version: ServedVersion, schema: Schema) -> None:
        self.namespaced = version.namespaced
        api_version = f"{version.group}/{version.version}"
        self.reset_fields = {api_version: (("status",),)} if version.has_status else ()
        self._version = version
        self._schema = schema
        self._not_wished = (*_TYPE_AND_METADATA, "status") if version.has_status else _TYPE_AND_METADATA

    def default(self, obj: dict[str, Any]) -> None:
        """As the schema says."""
        self._schema.default(obj)

    def prepare_for_create(self, obj: dict[str, Any]) -> None:
        """The status, where it has an endpoint of its own, is not the creator's to say."""
        if self._version.has_status:
            obj.pop("status", None)
        obj["metadata"]["generation"] = 1

    def prepare_for_update(self, obj: dict[str, Any], old: dict[str, Any]) -> None:
        """Keeps the status likewise; another wish is another generation."""
        if self._version.has_status:
            obj.pop("status", None)
            if "status" in old:
                obj["status"] = old["status"]
        if self._wish(obj) != self._wish(old):
            obj["metadata"]["generation"] = old["metadata"].get("generation", 0) + 1

    def _wish(self, obj: Mapping[str, Any]) -> dict[str, Any]:
        return {name: value for name, value in obj.items() if name not in self._not_wished}

    def validate(self, obj: dict[str, Any], old: dict[str, Any] | None = None) -> list[FieldError]:
        """Metadata, schema and the paths of the scale subresource."""
        return custom_object_errors(self._version, self._schema, obj, old)

    def warnings(self, obj: dict[str, Any], old: dict[str, Any] | None = None) -> list[str]:
        """About finalizers without a domain."""
        return finalizer_warnings(obj, old)

    def fields(self, obj: dict[str, Any]) -> dict[str, str]:
        """Name, namespace and what the definition declares as selectable."""
        return {**super().fields(obj), **selectable_values(self._version, obj)}


class CustomStatusStrategy(CustomStrategy):
    """The status of objects of a custom kind: nothing else changes through this endpoint."""

    def __init__(self, version: ServedVersion, schema: Schema) -> None:
        super().__init__(version, schema)
        self.reset_fields = (("metadata",), ("spec",))

    def prepare_for_update(self, obj: dict[str, Any], old: dict[str, Any]) -> None:
        """Takes the status and the managers of fields from the client, and all else from the stored object."""
        kept = {name: obj[name] for name in ("status",) if obj.get(name) is not None}
        fields = obj["metadata"].get("managedFields")
        metadata = {**old["metadata"], "managedFields": fields}
        if not fields:
            del metadata["managedFields"]
        obj.clear()
        obj |= {name: value for name, value in old.items() if name != "status"}
        obj |= {"metadata": metadata, **kept}

    def validate(self, obj: dict[str, Any], old: dict[str, Any] | None = None) -> list[FieldError]:
        """What an update of the status may not do."""
        return custom_status_errors(self._version, self._schema, obj, old or obj)

    def warnings(self, obj: dict[str, Any], old: dict[str, Any] | None = None) -> list[str]:  # noqa: ARG002
        """Finalizers do not change here."""
        return []
