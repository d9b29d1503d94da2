"""Go types that built-in kinds have and ObjectMeta has not; see `schema.go_structs`, whose protocol they follow."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Final

from controller_runtime.envtest.apiserver.schema.go_structs import Decoding, GoType, Place, found
from controller_runtime.envtest.apiserver.validation.times import MICRO_TIME, TIME, format_time, parse_time

_WIDTHS: Final = {"int32": 32, "int64": 64}
_BASE64: Final = re.compile(r"(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?")
_BASE64_CHARACTER: Final = re.compile(r"[A-Za-z0-9+/=]*")


@dataclass(frozen=True, slots=True)
class OptionalText:
    """A *string: the empty one is written, null is none."""

    name: str = "string"

    def canonical(self, value: Any) -> bool:
        """See `GoType`."""
        return type(value) is str

    def decode(self, value: Any, place: Place, decoding: Decoding) -> Any:
        """See `GoType`."""
        if value is not None and not isinstance(value, str):
            decoding.refuse(found(value), self.name, place)
            return None
        return value


@dataclass(frozen=True, slots=True)
class Number:
    """An integer or a float; 0 is left out unless it is kept."""

    name: str
    keep_zero: bool = False

    def canonical(self, value: Any) -> bool:
        """See `GoType`."""
        return self._fits(value) and (value != 0 or self.keep_zero)

    def decode(self, value: Any, place: Place, decoding: Decoding) -> Any:
        """See `GoType`."""
        if value is None:
            return None
        if not self._fits(value):
            exact = isinstance(value, int | float) and not isinstance(value, bool)
            decoding.refuse(found(value, exact=exact), self.name, place)
            return None
        return value if value != 0 or self.keep_zero else None

    def _fits(self, value: Any) -> bool:
        if self.name not in _WIDTHS:
            return type(value) in {int, float}
        limit = 1 << (_WIDTHS[self.name] - 1)
        return type(value) is int and -limit <= value < limit


@dataclass(frozen=True, slots=True)
class Boolean:
    """A bool; false is left out unless it is kept."""

    keep_false: bool = False
    name: str = "bool"

    def canonical(self, value: Any) -> bool:
        """See `GoType`."""
        return value is True or (value is False and self.keep_false)

    def decode(self, value: Any, place: Place, decoding: Decoding) -> Any:
        """See `GoType`."""
        if value is not None and type(value) is not bool:
            decoding.refuse(found(value), self.name, place)
            return None
        return value if value or self.keep_false else None


@dataclass(frozen=True, slots=True)
class Octets:
    """Bytes, which JSON holds in base64."""

    keep_empty: bool = False
    name: str = "[]uint8"

    def canonical(self, value: Any) -> bool:
        """See `GoType`."""
        return type(value) is str and bool(value or self.keep_empty) and _BASE64.fullmatch(value) is not None

    def decode(self, value: Any, place: Place, decoding: Decoding) -> Any:
        """See `GoType`."""
        if value is None:
            return "" if self.keep_empty else None
        if not isinstance(value, str):
            decoding.refuse(found(value), self.name, place)
            return None
        text = value.replace("\r", "").replace("\n", "")
        if not _BASE64.fullmatch(text):
            decoding.error = decoding.error or f"illegal base64 data at input byte {_broken_at(value)}"
        return text if text or self.keep_empty else None


def _broken_at(text: str) -> int:
    """Where Go notices; for a last group that is too short, that is where the group begins."""
    match = _BASE64_CHARACTER.match(text)
    end = match.end() if match else 0
    if end < len(text):
        return end
    padding = text.find("=")
    if padding < 0:
        return len(text) // 4 * 4
    if padding % 4 < 2:
        return padding
    return padding + 1 if text[padding + 1 : padding + 2] != "=" else padding + 2


@dataclass(frozen=True, slots=True)
class Moment:
    """A Time or a MicroTime, written in UTC; `null` stands for none where it is always written."""

    layout: str = TIME
    name: str = "v1.Time"

    def canonical(self, value: Any) -> bool:
        """See `GoType`."""
        return self._canonical(value) == value if type(value) is str else False

    def decode(self, value: Any, place: Place, decoding: Decoding) -> Any:
        """See `GoType`."""
        if value is None:
            return None
        if not isinstance(value, str):
            decoding.refuse(found(value), "string", place)
            return None
        try:
            return format_time(parse_time(value, self.layout), self.layout)
        except ValueError as error:
            decoding.error = decoding.error or str(error)
            return None

    def _canonical(self, value: str) -> str | None:
        try:
            return format_time(parse_time(value, self.layout), self.layout)
        except ValueError:
            return None


MICRO_MOMENT: Final = Moment(MICRO_TIME, "v1.MicroTime")


@dataclass(frozen=True, slots=True)
class NumberOrName:
    """An intstr.IntOrString."""

    name: str = "int32"

    def canonical(self, value: Any) -> bool:
        """See `GoType`."""
        return type(value) is str or Number("int32", keep_zero=True).canonical(value)

    def decode(self, value: Any, place: Place, decoding: Decoding) -> Any:
        """See `GoType`."""
        if isinstance(value, str):
            return value
        return Number("int32", keep_zero=True).decode(value, place, decoding)


@dataclass(frozen=True, slots=True)
class Anything:
    """Any JSON, as it is; of a schema within a schema, what it holds is decoded in turn."""

    of: GoType | None = None
    name: str = "v1.JSON"

    def canonical(self, value: Any) -> bool:
        """See `GoType`."""
        return value is not None and (self.of is None or not isinstance(value, dict))

    def decode(self, value: Any, place: Place, decoding: Decoding) -> Any:
        """See `GoType`."""
        if self.of is not None and isinstance(value, dict):
            return self.of.decode(value, place, decoding)
        return value


@dataclass(frozen=True, slots=True)
class Mapped:
    """A map from strings."""

    of: GoType

    @property
    def name(self) -> str:
        """See `GoType`."""
        return f"map[string]{self.of.name}"

    def canonical(self, value: Any) -> bool:
        """See `GoType`."""
        return type(value) is dict and bool(value) and all(map(self.of.canonical, value.values()))

    def decode(self, value: Any, place: Place, decoding: Decoding) -> Any:
        """See `GoType`."""
        if not isinstance(value, dict):
            if value is not None:
                decoding.refuse(found(value), self.name, place)
            return None
        return {key: self.of.decode(item, place.below(f".{key}"), decoding) for key, item in value.items()} or None


@dataclass(slots=True)
class Record:
    """A struct, by the JSON names of its fields.

    Attributes:
        name: of the struct.
        fields: types of the fields; filled in later, because structs recurse.
        zeros: what is written of fields that are empty and written nevertheless.
    """

    name: str
    fields: dict[str, GoType] = field(default_factory=dict)
    zeros: dict[str, Callable[[], Any]] = field(default_factory=dict)

    def canonical(self, value: Any) -> bool:
        """See `GoType`."""
        if type(value) is not dict or not self.zeros.keys() <= value.keys():
            return False
        for name, item in value.items():
            type_ = self.fields.get(name)
            if type_ is None or not (type_.canonical(item) or (item is None and self._writes_null(name))):
                return False
        return True

    def decode(self, value: Any, place: Place, decoding: Decoding) -> Any:
        """See `GoType`."""
        if not isinstance(value, dict):
            if value is not None:
                decoding.refuse(found(value), self.name, place)
            return self.zero()
        short = self.name.rpartition(".")[2]
        decoded: dict[str, Any] = {}
        for name, item in value.items():
            at = place.field(short, name)
            type_ = self.fields.get(name)
            if type_ is None:
                decoding.unknown.append(at.path)
            elif (kept := type_.decode(item, at, decoding)) is not None:
                decoded[name] = kept
        for name, zero in self.zeros.items():
            if name not in decoded:
                decoded[name] = zero()
        return decoded

    def zero(self) -> dict[str, Any]:
        """The struct with nothing set."""
        return {name: zero() for name, zero in self.zeros.items()}

    def _writes_null(self, name: str) -> bool:
        return name in self.zeros and self.zeros[name]() is None


@dataclass(frozen=True, slots=True)
class Pointer:
    """A struct that may be absent."""

    to: Record

    @property
    def name(self) -> str:
        """See `GoType`."""
        return self.to.name

    def canonical(self, value: Any) -> bool:
        """See `GoType`."""
        return self.to.canonical(value)

    def decode(self, value: Any, place: Place, decoding: Decoding) -> Any:
        """See `GoType`."""
        return None if value is None else self.to.decode(value, place, decoding)


def none() -> None:
    """Null, of a time that is not set and written nevertheless."""


def constant(value: Any) -> Callable[[], Any]:
    """A zero value that is never changed."""
    return lambda: value
