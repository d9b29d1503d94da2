"""Schemas as field management sees them: which values are one field, and which consist of fields.

Rules of kube-openapi's conversion: a list without a type is atomic, a map is granular; what no schema describes is
*deduced* from the value (maps granular, lists atomic); a `type` that is missing (int-or-string, and what preserves
unknown fields) allows all three forms.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, Literal, Protocol, TypeAlias

from controller_runtime.envtest.apiserver.managedfields.errors import SchemaMismatchError
from controller_runtime.envtest.apiserver.managedfields.printing import json_text, quoted
from controller_runtime.envtest.apiserver.schema.object_meta import OBJECT_META_OPENAPI

_OpenAPI: TypeAlias = Mapping[str, Any]

_STRING: Final = {"type": "string"}
_MAX_COMPILED: Final = 512  # schemas that are remembered; a server has a few dozen
_PLAIN_STRINGS: Final = ("", "byte")  # formats; what has another one is not checked
_MERGE: Final = ("merge", "merge,retainKeys")


class SchemaSource(Protocol):
    """Where the schema of a kind comes from."""

    @property
    def openapi(self) -> Mapping[str, Any]:
        """The schema of whole objects; never changed once it has been used."""

    @property
    def components(self) -> Mapping[str, Any] | None:
        """What `#/components/schemas/NAME` refers to."""


Scalar: TypeAlias = Literal["numeric", "string", "boolean", "untyped"]


class Map:
    """An object.

    Attributes:
        fields: Named properties.
        element: What other keys hold; None if there may be none.
        atomic: Whether it is one field.
        defaults: Of the properties that have one.
        deduced: Whether nothing is known about it.
    """

    __slots__ = ("atomic", "deduced", "defaults", "element", "fields")

    def __init__(self, *, atomic: bool, element: Atom | None = None, deduced: bool = False) -> None:
        self.atomic = atomic
        self.element = element
        self.deduced = deduced
        self.fields: dict[str, Atom] = {}
        self.defaults: dict[str, Any] = {}

    def child(self, key: str) -> Atom:
        """The type of a key.

        Raises:
            SchemaMismatchError: the schema does not know it.
        """
        atom = self.fields.get(key, self.element)
        if atom is None:
            raise SchemaMismatchError([f".{key}: field not declared in schema"])
        return atom


class List:
    """An array.

    Attributes:
        element: Type of its items.
        associative: Whether items are fields of their own: a set, or, with `keys`, a map. Otherwise it is one field.
        keys: Fields that identify an item.
    """

    __slots__ = ("_names", "associative", "element", "keys")

    def __init__(self, element: Atom, *, associative: bool = False, keys: tuple[str, ...] = ()) -> None:
        self.element = element
        self.associative = associative
        self.keys = keys
        self._names = [(name, json_text(name) + ":") for name in sorted(keys)]

    def path_element(self, item: Any) -> str:
        """What identifies an item.

        Raises:
            SchemaMismatchError: nothing does.
        """
        if self.keys:
            return self._keyed(item)
        if isinstance(item, dict):
            raise _no_item("associative list without keys has an element that's a map type")
        if isinstance(item, list):
            raise _no_item("not supported: associative list with lists as elements")
        if item is None:
            raise _no_item("associative list without keys has an element that's an explicit null")
        return "v:" + json_text(item)

    def _keyed(self, item: Any) -> str:
        if item is None:
            raise _no_item("associative list with keys may not have a null element")
        if not isinstance(item, dict):
            raise _no_item("associative list with keys may not have non-map elements")
        keys = []
        for name, text in self._names:
            if name in item:
                keys.append(text + json_text(item[name]))
            elif (default := self._default(name)) is not None:
                keys.append(text + json_text(default))
        if not keys:
            names = " ".join(map(quoted, self.keys))
            raise _no_item(
                f"associative list with keys has an element that omits all key fields [{names}]"
                " (and doesn't have default values for any key fields)"
            )
        return "k:{" + ",".join(keys) + "}"

    def _default(self, name: str) -> Any:
        return self.element.map.defaults.get(name) if self.element.map else None


class Atom:
    """The forms that a value may have.

    Attributes:
        map: Set if it may be a map.
        scalar: Set if it may be a scalar.
        list: Set if it may be a list.
        exact: Whether Python's `==` compares such values as Go does; `True == 1` where the type is not known.
    """

    __slots__ = ("exact", "list", "map", "scalar")

    def __init__(self, scalar: Scalar | None = None, *, exact: bool = False) -> None:
        self.map: Map | None = None
        self.scalar: Scalar | None = scalar
        self.list: List | None = None
        self.exact = exact

    def form(self, value: Any) -> Map | List | Scalar:
        """The form that a value has; the first allowed one if it has none of them, as null."""
        form: Map | List | Scalar | None
        if isinstance(value, dict):
            form = self.map
        elif isinstance(value, list):
            form = self.list
        else:
            form = None if value is None else self.scalar
        return form or self.map or self.scalar or self.list or "untyped"


UNTYPED: Final = Atom("untyped")
"""One field, whatever it is."""
UNTYPED.map = Map(atomic=True, element=UNTYPED)
UNTYPED.list = List(UNTYPED)

DEDUCED: Final = Atom("untyped")
"""What no schema describes."""
DEDUCED.map = Map(atomic=False, element=DEDUCED, deduced=True)
DEDUCED.list = List(UNTYPED)

_compiled: dict[int, tuple[_OpenAPI, Atom]] = {}


def compiled(schema: SchemaSource) -> Atom:
    """The type of whole objects; compiled when it is first asked for."""
    openapi = schema.openapi
    found = _compiled.get(id(openapi))
    if found is not None and found[0] is openapi:
        return found[1]
    while len(_compiled) >= _MAX_COMPILED:
        del _compiled[next(iter(_compiled))]
    atom = _Compiler(schema.components or {}).root(openapi)
    _compiled[id(openapi)] = (openapi, atom)
    return atom


class _Compiler:
    """Makes atoms of OpenAPI schemas; references may be recursive."""

    def __init__(self, components: Mapping[str, _OpenAPI]) -> None:
        self._components = components
        self._named: dict[tuple[str, Any], Atom] = {}

    def root(self, openapi: _OpenAPI) -> Atom:
        atom = Atom()
        self._fill(atom, _with_meta(openapi), preserve=False)
        return atom

    def _atom(self, openapi: _OpenAPI, *, preserve: bool) -> Atom:
        reference = _reference(openapi)
        if reference:
            return self._refer(reference, openapi.get("x-kubernetes-map-type"))
        atom = Atom()
        self._fill(atom, openapi, preserve=preserve)
        return atom

    def _refer(self, name: str, map_type: Any) -> Atom:
        """A named type; a reference may say that the map it refers to is atomic."""
        if (name, map_type) not in self._named:
            atom = self._named[name, map_type] = Atom()
            openapi = self._components[name]
            self._fill(atom, {**openapi, "x-kubernetes-map-type": map_type} if map_type else openapi, preserve=False)
        return self._named[name, map_type]

    def _fill(self, atom: Atom, openapi: _OpenAPI, *, preserve: bool) -> None:
        if openapi.get("x-kubernetes-embedded-resource"):
            openapi = _with_meta(openapi)
        preserve = preserve or openapi.get("x-kubernetes-preserve-unknown-fields") is True
        match openapi.get("type", ""):
            case "object":
                atom.map = self._map(openapi, preserve=preserve)
                children = [*atom.map.fields.values(), *([atom.map.element] if atom.map.element else [])]
                atom.exact = all(child.exact for child in children)
            case "array":
                atom.list = self._list(openapi, preserve=preserve)
                atom.exact = atom.list.element.exact
            case "integer" | "number":
                atom.scalar, atom.exact = "numeric", True
            case "boolean":
                atom.scalar, atom.exact = "boolean", True
            case "string":
                atom.scalar, atom.exact = "string" if openapi.get("format", "") in _PLAIN_STRINGS else "untyped", True
            case _:
                atom.scalar, atom.exact = "untyped", openapi.get("x-kubernetes-int-or-string") is True
                atom.list = self._list(openapi, preserve=preserve)
                atom.map = self._map(openapi, preserve=preserve)

    def _map(self, openapi: _OpenAPI, *, preserve: bool) -> Map:
        properties: Mapping[str, _OpenAPI] = openapi.get("properties") or {}
        element = self._element(openapi, preserve=preserve)
        deduced = not properties and element is not None and (element is DEDUCED or element.scalar == "untyped")
        result = Map(atomic=openapi.get("x-kubernetes-map-type") == "atomic", element=element, deduced=deduced)
        for name, schema in properties.items():
            result.fields[name] = self._atom(schema, preserve=preserve)
            if schema.get("default") is not None:
                result.defaults[name] = schema["default"]
        return result

    def _element(self, openapi: _OpenAPI, *, preserve: bool) -> Atom | None:
        """What keys hold that have no name in the schema."""
        additional = openapi.get("additionalProperties")
        if additional is None:
            return DEDUCED if preserve or not openapi.get("properties") else None
        if isinstance(additional, bool):
            return DEDUCED if additional else None
        return self._atom(additional, preserve=preserve)

    def _list(self, openapi: _OpenAPI, *, preserve: bool) -> List:
        items = openapi.get("items")
        element = UNTYPED if items is None else self._atom(items, preserve=preserve)
        match openapi.get("x-kubernetes-list-type"):
            case "set":
                return List(element, associative=True)
            case "map":
                return List(element, associative=True, keys=tuple(openapi.get("x-kubernetes-list-map-keys", ())))
            case None if openapi.get("x-kubernetes-patch-strategy") in _MERGE:
                key = openapi.get("x-kubernetes-patch-merge-key")
                return List(element, associative=True, keys=(key,) if key else ())
            case _:
                return List(element)


def _with_meta(openapi: _OpenAPI) -> _OpenAPI:
    """A schema of objects that have apiVersion, kind and metadata, whatever it says about these."""
    meta = {"apiVersion": _STRING, "kind": _STRING, "metadata": OBJECT_META_OPENAPI}
    return {**openapi, "properties": {**(openapi.get("properties") or {}), **meta}}


def _reference(openapi: _OpenAPI) -> str:
    """The name that a schema refers to, directly or as the only one of `allOf`."""
    reference = openapi.get("$ref", "")
    all_of = openapi.get("allOf", ())
    if not reference and len(all_of) == 1:
        reference = all_of[0].get("$ref", "")
    return str(reference).rpartition("/")[2]


def _no_item(problem: str) -> SchemaMismatchError:
    return SchemaMismatchError([problem])
