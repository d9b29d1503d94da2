"""JSON decoded as Go decodes it into structs: what is refused with which text, what is unknown, what is left out.

Go's decoder goes on after a value of a wrong type and reports the first one; null leaves a field unset; what is empty
is not written again (`omitempty`). Types say whether a value comes out as it went in (`canonical`), which is quick to
ask and nearly always so; if not, `decode` makes what comes out.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Protocol

from controller_runtime.envtest.apiserver.schema.go_text import plain
from controller_runtime.envtest.apiserver.schema.go_times import canonical_time, parse_time


class CoercionError(ValueError):
    """A value is of a type that the field cannot take; the text is Go's."""


@dataclass(slots=True)
class Decoding:
    """One decoding under way."""

    error: str = ""
    """The first one."""
    unknown: list[str] = field(default_factory=list)
    """Paths of fields that no struct has."""

    def refuse(self, found: str, type_name: str, place: Place) -> None:
        """Take note that a value cannot be decoded into a type."""
        if not self.error:
            where = f"struct field {place.struct}.{'.'.join(place.fields)}" if place.fields else "value"
            self.error = f"json: cannot unmarshal {found} into Go {where} of type {type_name}"


@dataclass(frozen=True, slots=True)
class Place:
    """Where the decoder is.

    Attributes:
        struct: the innermost struct.
        fields: names of the fields on the way, without keys of maps and positions in lists.
        path: as strict decoding names it, with both.
    """

    struct: str = ""
    fields: tuple[str, ...] = ()
    path: str = ""

    def field(self, struct: str, name: str) -> Place:
        """Where a field of a struct is."""
        return Place(struct, (*self.fields, name), f"{self.path}.{name}" if self.path else name)

    def below(self, suffix: str) -> Place:
        """Where an item, or the value of a key, is."""
        return Place(self.struct, self.fields, self.path + suffix)


class GoType(Protocol):
    """A type of Go."""

    @property
    def name(self) -> str:
        """As `%T` prints it."""

    def canonical(self, value: Any) -> bool:
        """Whether the value is of this type, not empty, and written as it was read."""

    def decode(self, value: Any, place: Place, decoding: Decoding) -> Any:
        """What is written again; None where nothing is."""


def found(value: Any, *, exact: bool = False) -> str:
    """What Go calls a JSON value that it did not expect."""
    match value:
        case bool():
            return "bool"
        case int() | float():
            return f"number {plain(value)}" if exact else "number"
        case str():
            return "string"
        case list():
            return "array"
        case _:
            return "object"


@dataclass(frozen=True, slots=True)
class Text:
    """A string; the empty one is left out unless `keep_empty`."""

    name: str = "string"
    keep_empty: bool = False

    def canonical(self, value: Any) -> bool:
        """See `GoType`."""
        return type(value) is str and (value != "" or self.keep_empty)

    def decode(self, value: Any, place: Place, decoding: Decoding) -> Any:
        """See `GoType`."""
        if not isinstance(value, str):
            if value is not None:
                decoding.refuse(found(value), self.name, place)
            value = ""
        return value if value or self.keep_empty else None


@dataclass(frozen=True, slots=True)
class Integer:
    """An int64; 0 is left out unless it is a pointer."""

    name: str = "int64"
    pointer: bool = False

    def canonical(self, value: Any) -> bool:
        """See `GoType`."""
        return type(value) is int and (value != 0 or self.pointer) and -(2**63) <= value < 2**63

    def decode(self, value: Any, place: Place, decoding: Decoding) -> Any:
        """See `GoType`."""
        if self.canonical(value) or value is None:
            return value
        if value != 0 or type(value) is not int:
            number = isinstance(value, int | float) and not isinstance(value, bool)
            decoding.refuse(found(value, exact=number), self.name, place)
        return None


@dataclass(frozen=True, slots=True)
class Flag:
    """A *bool."""

    name: str = "bool"

    def canonical(self, value: Any) -> bool:
        """See `GoType`."""
        return value is True or value is False

    def decode(self, value: Any, place: Place, decoding: Decoding) -> Any:
        """See `GoType`."""
        if self.canonical(value) or value is None:
            return value
        decoding.refuse(found(value), self.name, place)
        return None


@dataclass(frozen=True, slots=True)
class Time:
    """A metav1.Time: RFC 3339, written again in UTC and whole seconds."""

    name: str = "v1.Time"

    def canonical(self, value: Any) -> bool:
        """See `GoType`."""
        return type(value) is str and canonical_time(value)

    def decode(self, value: Any, place: Place, decoding: Decoding) -> Any:
        """See `GoType`."""
        if value is None:
            return None
        if not isinstance(value, str):
            decoding.refuse(found(value), "string", place)
            return None
        try:
            return parse_time(value)
        except ValueError as error:
            decoding.error = decoding.error or str(error)
            return None


@dataclass(frozen=True, slots=True)
class Anything:
    """Raw JSON."""

    name: str = "v1.FieldsV1"

    def canonical(self, value: Any) -> bool:
        """See `GoType`."""
        return value is not None

    def decode(self, value: Any, place: Place, decoding: Decoding) -> Any:  # noqa: ARG002
        """See `GoType`."""
        return value


@dataclass(frozen=True, slots=True)
class Texts:
    """A map[string]string."""

    name: str = "map[string]string"

    def canonical(self, value: Any) -> bool:
        """See `GoType`."""
        return type(value) is dict and bool(value) and all(type(item) is str for item in value.values())

    def decode(self, value: Any, place: Place, decoding: Decoding) -> Any:
        """See `GoType`."""
        if not isinstance(value, dict):
            if value is not None:
                decoding.refuse(found(value), self.name, place)
            return None
        element = Text(keep_empty=True)
        return {key: element.decode(value[key], place.below(f".{key}"), decoding) for key in sorted(value)} or None


@dataclass(frozen=True, slots=True)
class Items:
    """A slice."""

    of: GoType

    @property
    def name(self) -> str:
        """See `GoType`."""
        return f"[]{self.of.name}"

    def canonical(self, value: Any) -> bool:
        """See `GoType`."""
        return type(value) is list and bool(value) and all(map(self.of.canonical, value))

    def decode(self, value: Any, place: Place, decoding: Decoding) -> Any:
        """See `GoType`."""
        if not isinstance(value, list):
            if value is not None:
                decoding.refuse(found(value), self.name, place)
            return None
        return [self.of.decode(item, place.below(f"[{index}]"), decoding) for index, item in enumerate(value)] or None


@dataclass(frozen=True, slots=True)
class Struct:
    """A struct, by the JSON names of its fields."""

    name: str
    fields: Mapping[str, GoType]
    always: frozenset[str] = frozenset()
    """Fields that are written even when they are empty."""

    def canonical(self, value: Any) -> bool:
        """See `GoType`."""
        if type(value) is not dict:
            return False
        fields = self.fields
        for name, item in value.items():
            type_ = fields.get(name)
            if type_ is None or not type_.canonical(item):
                return False
        return self.always <= value.keys()

    def decode(self, value: Any, place: Place, decoding: Decoding) -> Any:
        """See `GoType`."""
        value = {} if value is None else value
        if not isinstance(value, dict):
            decoding.refuse(found(value), self.name, place)
            value = {}
        short = self.name.rpartition(".")[2]
        decoded: dict[str, Any] = {}
        for name in sorted(value):
            at = place.field(short, name)
            type_ = self.fields.get(name)
            if type_ is None:
                decoding.unknown.append(at.path)
            else:
                decoded[name] = type_.decode(value[name], at, decoding)
        for name in self.always - decoded.keys():
            decoded[name] = ""
        return {name: item for name, item in decoded.items() if item is not None}


NO_PLACE: Final = Place()
