"""CustomResourceDefinitions (apiextensions.k8s.io/v1) from kinds."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal

from controller_runtime.apimachinery import Object, Resource
from controller_runtime.controllergen.schema import open_api_schema


@dataclass(frozen=True, slots=True, kw_only=True)
class PrinterColumn:
    """A column of `kubectl get`."""

    name: str
    """Its heading."""
    type: Literal["string", "integer", "number", "boolean", "date"]
    """How the value is shown; `date` as an age."""
    json_path: str
    """Where the value is, as `.status.state`."""
    description: str = ""
    priority: int = 0
    """0 is shown always, a higher number only by `kubectl get -o wide`."""


AGE: Final = PrinterColumn(name="Age", type="date", json_path=".metadata.creationTimestamp")
"""The column that `kubectl get` shows for kinds without columns of their own; put it last."""


def custom_resource_definition(
    kind: type[Object],
    *,
    columns: Sequence[PrinterColumn] = (),
    short_names: Sequence[str] = (),
    categories: Sequence[str] = (),
) -> dict[str, Any]:
    """The CRD of a kind, with the kind's version served and stored; a field `status` makes the status a subresource.

    Args:
        kind: The class; its `resource` gives group, version, names and scope.
        columns: What `kubectl get` shows after the name; without any, the API server adds the age.
        short_names: Other names for kubectl.
        categories: Groups that `kubectl get CATEGORY` lists, such as `all`.

    Raises:
        GenerationError: the class has no structural schema.
    """
    resource = kind.resource
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": resource.qualified_plural},
        "spec": {
            "group": resource.group,
            "names": _names(resource, short_names, categories),
            "scope": "Namespaced" if resource.namespaced else "Cluster",
            "versions": [_version(kind, columns)],
        },
    }


def _names(resource: Resource, short_names: Sequence[str], categories: Sequence[str]) -> dict[str, Any]:
    names: dict[str, Any] = {
        "kind": resource.kind,
        "listKind": f"{resource.kind}List",
        "plural": resource.plural,
        "singular": resource.kind.lower(),
    }
    if short_names:
        names["shortNames"] = list(short_names)
    if categories:
        names["categories"] = list(categories)
    return names


def _version(kind: type[Object], columns: Sequence[PrinterColumn]) -> dict[str, Any]:
    schema = open_api_schema(kind)
    version: dict[str, Any] = {
        "name": kind.resource.version,
        "served": True,
        "storage": True,
        "schema": {"openAPIV3Schema": schema},
    }
    if "status" in schema["properties"]:
        version["subresources"] = {"status": {}}
    if columns:
        version["additionalPrinterColumns"] = [_column(column) for column in columns]
    return version


def _column(column: PrinterColumn) -> dict[str, Any]:
    document: dict[str, Any] = {"name": column.name, "type": column.type, "jsonPath": column.json_path}
    if column.description:
        document["description"] = column.description
    if column.priority:
        document["priority"] = column.priority
    return document
