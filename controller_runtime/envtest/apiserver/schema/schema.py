"""The compiled schema of a kind."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from controller_runtime.envtest.apiserver.errors import FieldError
from controller_runtime.envtest.apiserver.schema.checks import compile_check
from controller_runtime.envtest.apiserver.schema.defaulting import fill_defaults
from controller_runtime.envtest.apiserver.schema.embedded import coerce_embedded, embedded_errors
from controller_runtime.envtest.apiserver.schema.list_types import list_errors
from controller_runtime.envtest.apiserver.schema.node import Components, Node, Reader
from controller_runtime.envtest.apiserver.schema.object_meta import coerce_object_meta
from controller_runtime.envtest.apiserver.schema.pruning import META_FIELDS, prune
from controller_runtime.envtest.apiserver.schema.ratcheting import Correlation
from controller_runtime.envtest.apiserver.schema.violations import field_violations


def compile_schema(openapi: Mapping[str, Any], components: Components | None = None) -> Schema:
    """Read a schema.

    Args:
        openapi: an OpenAPI v3 schema with Kubernetes' extensions; must not change afterwards.
        components: schemas that `$ref: "#/components/schemas/NAME"` refers to, by NAME.

    Raises:
        KeyError: a reference leads nowhere.
    """
    reader = Reader(components)
    root = reader.read(openapi)
    for node in reader.nodes:
        node.check = compile_check(node)
    return Schema(openapi, components or {}, root)


@dataclass(frozen=True, slots=True, eq=False)
class Schema:
    """What `compile_schema` makes of a schema.

    Attributes:
        openapi: the source.
        components: what its references refer to.
    """

    openapi: Mapping[str, Any]
    components: Components
    _root: Node

    @property
    def has_cel(self) -> bool:
        """Whether there are rules in CEL, which are not evaluated."""
        return self._root.has_cel

    def prune(self, obj: dict[str, Any]) -> list[str]:
        """Remove what is unknown, and nulls where they mean absence; bring metadata into the form that is stored.

        Args:
            obj: a whole object, changed in place.

        Returns:
            Paths of the fields that were unknown, as `spec.ports[0].foo`.

        Raises:
            CoercionError: metadata, here or of an embedded resource, is of a wrong type.
        """
        unknown: list[str] = []
        if "metadata" in obj:
            obj["metadata"], names = coerce_object_meta(obj["metadata"])
            unknown += [f"metadata.{name}" for name in names]
        kept = {name: obj[name] for name in META_FIELDS if name in obj}
        if found := prune(obj, self._root, META_FIELDS):
            unknown += sorted(path.removeprefix(".") for path in found)
        if self._root.has_embedded:
            unknown += sorted(coerce_embedded(obj, self._root))
        obj.update(kept)
        return unknown

    def default(self, obj: dict[str, Any]) -> None:
        """Fill in defaults in place; null counts as missing unless the schema allows it."""
        if self._root.has_defaults:
            fill_defaults(obj, self._root)

    def validate(self, obj: Any, old: Any = None, *, prefix: str = "") -> list[FieldError]:
        """What is wrong, except with the metadata of the object itself.

        Args:
            obj: a whole object.
            old: the object before an update; what was wrong already may stay so where it has not changed.
            prefix: of the fields that errors name, where `obj` is a part of something.
        """
        return [*self.value_errors(obj, old, prefix=prefix), *self.structure_errors(obj, old)]

    def value_errors(self, obj: Any, old: Any = None, *, prefix: str = "") -> list[FieldError]:
        """What the keywords of the schema find."""
        if self._root.check(obj):
            return []
        correlation = None if old is None else Correlation(self._root, obj, old)
        return field_violations(self._root, obj, prefix, correlation)

    def structure_errors(self, obj: Any, old: Any = None, *, embedded: bool = True) -> list[FieldError]:
        """What is wrong with embedded resources, and items that must differ and do not.

        Args:
            obj: a whole object.
            old: the object before an update; if its lists were wrong, so may be those of `obj`.
            embedded: whether to look at embedded resources, which an update of a status does not.
        """
        root = self._root
        errors = embedded_errors(obj, root) if embedded and root.has_embedded else []
        if root.has_lists and (repeated := list_errors(obj, root)) and (old is None or not list_errors(old, root)):
            errors += repeated
        return errors

    def status_errors(self, obj: Mapping[str, Any], old: Mapping[str, Any]) -> list[FieldError]:
        """What is wrong with the status, for an update of the status alone."""
        node = self._root.properties.get("status")
        if node is None or "status" not in obj or node.check(obj["status"]):
            return []
        correlation = Correlation(self._root, obj, old).key("status")
        return field_violations(node, obj["status"], "status", correlation)
