"""A schema read once into nodes: what each keyword says, in the form in which values are held against it."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any, Final

from controller_runtime.envtest.apiserver.schema.formats import effective_format, string_check
from controller_runtime.envtest.apiserver.schema.re2 import PatternError, compile_pattern

_REF_PREFIX: Final = "#/components/schemas/"
MISSING: Final = object()
"""No default."""

Components = Mapping[str, Mapping[str, Any]]


class Node:
    """One schema.

    What the keywords `allOf`, `anyOf`, `oneOf` and `not` hold restricts values only; pruning, defaults and list types
    follow `properties`, `additional` and `items`.
    """

    __slots__ = (
        "additional",
        "additional_forbidden",
        "all_of",
        "any_of",
        "check",
        "default",
        "embedded",
        "enum",
        "exclusive_maximum",
        "exclusive_minimum",
        "format",
        "format_check",
        "has_additional",
        "has_cel",
        "has_defaults",
        "has_embedded",
        "has_lists",
        "items",
        "list_type",
        "map_keys",
        "max_items",
        "max_length",
        "max_properties",
        "maximum",
        "min_items",
        "min_length",
        "min_properties",
        "minimum",
        "multiple_of",
        "negated",
        "nested_defaults",
        "nullable",
        "one_of",
        "opaque",
        "own_defaults",
        "pattern",
        "pattern_search",
        "preserve",
        "properties",
        "required",
        "types",
        "unique",
    )

    def __init__(self) -> None:
        self.types: tuple[str, ...] = ()
        self.nullable = False
        self.format = ""
        self.format_check: Callable[[str], object] | None = None
        self.enum: tuple[Any, ...] = ()
        self.minimum: int | float | None = None
        self.maximum: int | float | None = None
        self.exclusive_minimum = False
        self.exclusive_maximum = False
        self.multiple_of: int | float | None = None
        self.min_length: int | None = None
        self.max_length: int | None = None
        self.pattern = ""
        self.pattern_search: Callable[[str], re.Match[str] | None] | None = None
        self.min_items: int | None = None
        self.max_items: int | None = None
        self.unique = False
        self.min_properties: int | None = None
        self.max_properties: int | None = None
        self.required: tuple[str, ...] = ()
        self.properties: dict[str, Node] = {}
        self.has_additional = False
        """Whether `additionalProperties` is there, even as `false`: then unknown fields are not pruned."""
        self.additional_forbidden = False
        self.additional: Node | None = None
        self.items: Node | None = None
        self.all_of: tuple[Node, ...] = ()
        self.any_of: tuple[Node, ...] = ()
        self.one_of: tuple[Node, ...] = ()
        self.negated: Node | None = None
        self.default: Any = MISSING
        self.preserve = False
        self.embedded = False
        self.list_type = ""
        self.map_keys: tuple[str, ...] = ()
        self.own_defaults: tuple[tuple[str, Any], ...] = ()
        """Defaults of the properties."""
        self.nested_defaults: tuple[tuple[str, Node], ...] = ()
        """Properties with defaults further inside."""
        self.has_defaults = False
        """Whether there are any inside, so that a walk is worth it; so for the others."""
        self.has_lists = False
        self.has_embedded = False
        self.has_cel = False
        self.opaque = False
        """Whether it says nothing about what is inside, and keeps all of it."""
        self.check: Callable[[Any], bool] = _unset

    @property
    def drops_null(self) -> bool:
        """Whether null means that the field is absent."""
        return not self.nullable and self.default is MISSING


def _unset(value: Any) -> bool:
    raise AssertionError(f"the schema is used before it is compiled, for {value!r}")


class Reader:
    """Reads schemas, each component once.

    Args:
        components: what `$ref` may name.
    """

    def __init__(self, components: Components | None) -> None:
        self._components = components or {}
        self._referenced: dict[str, Node] = {}
        self.nodes: list[Node] = []
        """All that have been read, inner ones first."""

    def read(self, openapi: Mapping[str, Any]) -> Node:
        """The node of a schema.

        Raises:
            KeyError: `$ref` names no component.
        """
        if (reference := _reference(openapi)) is not None:
            return self._component(reference)
        node = Node()
        self._fill(node, openapi)
        return node

    def _component(self, reference: str) -> Node:
        name = reference.removeprefix(_REF_PREFIX)
        if name not in self._referenced:
            node = self._referenced[name] = Node()
            # Schemas that recurse meet the unfinished node; what it may hold is assumed, not known.
            node.has_defaults = node.has_lists = node.has_embedded = True
            self._fill(node, self._components[name])
        return self._referenced[name]

    def _fill(self, node: Node, openapi: Mapping[str, Any]) -> None:
        _read_scalars(node, openapi)
        _read_limits(node, openapi)
        self._read_children(node, openapi)
        _summarise(node)
        self.nodes.append(node)

    def _read_children(self, node: Node, openapi: Mapping[str, Any]) -> None:
        node.properties = {name: self.read(schema) for name, schema in (openapi.get("properties") or {}).items()}
        additional = openapi.get("additionalProperties")
        if additional is not None:
            node.has_additional = True
            node.additional_forbidden = additional is False
            node.additional = self.read(additional) if isinstance(additional, Mapping) else None
        if openapi.get("items") is not None:
            node.items = self.read(openapi["items"])
        node.all_of = tuple(map(self.read, openapi.get("allOf") or ()))
        node.any_of = tuple(map(self.read, openapi.get("anyOf") or ()))
        node.one_of = tuple(map(self.read, openapi.get("oneOf") or ()))
        if openapi.get("not") is not None:
            node.negated = self.read(openapi["not"])


def _reference(openapi: Mapping[str, Any]) -> str | None:
    """`$ref`, also as the one entry of an allOf, which is how a reference gets a description or a default."""
    if "$ref" in openapi:
        return str(openapi["$ref"])
    all_of: list[Any] = openapi.get("allOf") or []
    if len(all_of) == 1 and "$ref" in all_of[0] and not openapi.get("properties"):
        return str(all_of[0]["$ref"])
    return None


def _read_scalars(node: Node, openapi: Mapping[str, Any]) -> None:
    if openapi.get("x-kubernetes-int-or-string"):
        node.types = ("integer", "string")
    elif openapi.get("type"):
        node.types = (openapi["type"],)
    node.nullable = bool(openapi.get("nullable"))
    if name := openapi.get("format"):
        node.format = effective_format(name, node.types)
        node.format_check = string_check(node.format) if node.format else None
    node.enum = tuple(openapi.get("enum") or ())
    if openapi.get("default") is not None:
        node.default = openapi["default"]
    node.preserve = bool(openapi.get("x-kubernetes-preserve-unknown-fields"))
    node.embedded = bool(openapi.get("x-kubernetes-embedded-resource"))
    node.list_type = openapi.get("x-kubernetes-list-type") or ""
    node.map_keys = tuple(openapi.get("x-kubernetes-list-map-keys") or ())
    node.has_cel = bool(openapi.get("x-kubernetes-validations"))


def _read_limits(node: Node, openapi: Mapping[str, Any]) -> None:
    node.minimum = openapi.get("minimum")
    node.maximum = openapi.get("maximum")
    node.exclusive_minimum = bool(openapi.get("exclusiveMinimum"))
    node.exclusive_maximum = bool(openapi.get("exclusiveMaximum"))
    node.multiple_of = openapi.get("multipleOf")
    node.min_length = openapi.get("minLength")
    node.max_length = openapi.get("maxLength")
    node.pattern = openapi.get("pattern") or ""
    if node.pattern:
        node.pattern_search = _search(node.pattern)
    node.min_items = openapi.get("minItems")
    node.max_items = openapi.get("maxItems")
    node.unique = bool(openapi.get("uniqueItems"))
    node.min_properties = openapi.get("minProperties")
    node.max_properties = openapi.get("maxProperties")
    node.required = tuple(openapi.get("required") or ())


def _search(pattern: str) -> Callable[[str], re.Match[str] | None] | None:
    """None for a pattern that is none: those of a CustomResourceDefinition are validated before, so it matches all."""
    try:
        return compile_pattern(pattern).search
    except PatternError:
        return None


def _summarise(node: Node) -> None:
    """What is inside, from what is inside the children."""
    structural = [*node.properties.values(), *filter(None, (node.additional, node.items))]
    every = [*structural, *node.all_of, *node.any_of, *node.one_of, *filter(None, (node.negated,))]
    node.own_defaults = tuple(
        (name, child.default) for name, child in node.properties.items() if child.default is not MISSING
    )
    node.nested_defaults = tuple((name, child) for name, child in node.properties.items() if child.has_defaults)
    node.has_defaults = bool(node.own_defaults) or any(child.has_defaults for child in structural)
    node.has_defaults |= any(child and child.default is not MISSING for child in (node.additional, node.items))
    node.has_lists = node.list_type in {"set", "map"} or any(child.has_lists for child in structural)
    node.has_embedded = node.embedded or any(child.has_embedded for child in structural)
    node.has_cel = node.has_cel or any(child.has_cel for child in every)
    node.opaque = node.preserve and not structural and not node.has_additional and not node.embedded
