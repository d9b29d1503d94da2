"""What strategic merge asks of a schema: the sub-schema of a field, how lists are merged, and by which key."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

_PREFIX: Final = "#/components/schemas/"


class UnknownFieldError(Exception):
    """The schema has no such field; the text is kube-apiserver's."""


@dataclass(frozen=True, slots=True)
class PatchSchema:
    """A schema at some place of a document.

    Attributes:
        name: of the struct that it describes, for messages.
        openapi: the schema, references resolved.
        components: what references refer to.
        strategy: `merge`, `replace` or nothing, of the field at which the schema stands; `retainKeys` is left out.
        merge_key: of that field.
    """

    name: str
    openapi: Mapping[str, Any]
    components: Mapping[str, Mapping[str, Any]]
    strategy: str = ""
    merge_key: str = ""

    def field(self, name: str) -> PatchSchema:
        """The schema of a field, or of its items if it is a list.

        Raises:
            UnknownFieldError: there is none.
        """
        if "additionalProperties" in self.openapi or "properties" not in self.openapi:
            kind = "map" if "additionalProperties" in self.openapi else self.openapi.get("type", "interface")
            raise UnknownFieldError(f"merging an object in json but data type is not struct, instead is: {kind}")
        schema = self.openapi["properties"].get(name)
        if schema is None:
            raise UnknownFieldError(f'unable to find api field in struct {self.name} for the json field "{name}"')
        strategies = schema.get("x-kubernetes-patch-strategy", "").split(",")
        resolved_name, resolved = self._resolve(schema.get("items", schema))
        return PatchSchema(
            resolved_name,
            resolved,
            self.components,
            next((strategy for strategy in strategies if strategy != "retainKeys"), ""),
            schema.get("x-kubernetes-patch-merge-key", ""),
        )

    def _resolve(self, schema: Mapping[str, Any]) -> tuple[str, Mapping[str, Any]]:
        target = schema if "$ref" in schema else next(iter(schema.get("allOf", ())), {})
        if "$ref" not in target:
            return self.name, schema
        component = target["$ref"].removeprefix(_PREFIX)
        return component.rpartition(".")[2], self.components[component]
