"""Columns of tables: their heading, and how an object fills a cell."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, TypeAlias

import msgspec

from controller_runtime.envtest.apiserver.jsonpath import compile_path
from controller_runtime.envtest.apiserver.validation.times import human_duration, parse_time

Cell: TypeAlias = Callable[[Mapping[str, Any], datetime], Any]
"""Takes an object and the present time."""

UNKNOWN: Final = "<unknown>"
_SMALLEST_DECIMAL, _GREATEST_DECIMAL = 1e-4, 1e21  # where Go begins to write exponents


@dataclass(frozen=True, kw_only=True)
class Column:
    """A column.

    Attributes:
        name: Heading.
        type: `string`, `integer`, `number`, `boolean` or `date`.
        cell: What the column shows of an object.
        format: `name` for the column that identifies the object.
        description: What it shows.
        priority: 0 is always shown, 1 in wide output only.
    """

    name: str
    type: str
    cell: Cell
    format: str = ""
    description: str = ""
    priority: int = 0

    def definition(self) -> dict[str, Any]:
        """As it stands in a Table."""
        return {
            "name": self.name,
            "type": self.type,
            "format": self.format,
            "description": self.description,
            "priority": self.priority,
        }


def age(timestamp: str | None, now: datetime) -> str:
    """How long ago that was."""
    if not timestamp:
        return UNKNOWN
    return human_duration((now - parse_time(timestamp)).total_seconds())


def _name(obj: Mapping[str, Any], _now: datetime) -> Any:
    return obj["metadata"].get("name", "")


NAME: Final = Column(name="Name", type="string", format="name", cell=_name, description="Name of the object.")
AGE: Final = Column(
    name="Age",
    type="string",
    cell=lambda obj, now: age(obj["metadata"].get("creationTimestamp"), now),
    description="How long ago the object was created.",
)


def custom_columns(definitions: Iterable[Mapping[str, Any]] | None) -> tuple[Column, ...]:
    """Columns of a custom kind, from `additionalPrinterColumns`; name and age if there are none.

    As in the API server, a path that cannot be understood ends the columns, and nobody is told.
    """
    columns = [NAME]
    for definition in definitions or _DEFAULT_COLUMNS:
        try:
            columns.append(_custom(definition))
        except ValueError:
            break
    return tuple(columns)


_DEFAULT_COLUMNS: Final = (
    {
        "name": "Age",
        "type": "date",
        "jsonPath": ".metadata.creationTimestamp",
        "description": "How long ago the object was created.",
    },
)


def _custom(definition: Mapping[str, Any]) -> Column:
    path, type_ = definition.get("jsonPath", ""), definition.get("type", "")
    find = compile_path(path)

    def cell(obj: Mapping[str, Any], now: datetime) -> Any:
        try:
            found = find(obj)
        except (LookupError, TypeError):
            return None
        return _shown(type_, found[0], now) if found else None

    return Column(
        name=definition.get("name", ""),
        type=type_,
        cell=cell,
        format=definition.get("format", ""),
        description=definition.get("description") or f"Custom resource definition column (in JSONPath format): {path}",
        priority=definition.get("priority", 0),
    )


def _shown(type_: str, value: Any, now: datetime) -> Any:
    """The value as a cell of that type; None where it is of another."""
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    match type_:
        case "string":
            return _text(value)
        case "integer" if is_number:
            return int(value)
        case "number" if is_number:
            return int(value) if value == int(value) else value  # as Go writes a float in JSON
        case "boolean" if isinstance(value, bool):
            return value
        case "date" if isinstance(value, str):
            return _date(value, now)
        case _:
            return None


def _text(value: Any) -> str:
    match value:
        case str():
            return value
        case None:
            return "<no value>"
        case bool():
            return "true" if value else "false"
        case int():
            return str(value)
        case float():
            return _go_float(value)
        case _:
            text = msgspec.json.encode(value, order="deterministic").decode()
            return text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")


def _go_float(value: float) -> str:
    """As Go's %v."""
    if value == 0 or _SMALLEST_DECIMAL <= abs(value) < _GREATEST_DECIMAL:
        return f"{value:.17f}".rstrip("0").rstrip(".") if value == int(value) else repr(value)
    mantissa, _, exponent = f"{value!r}".partition("e") if "e" in repr(value) else f"{value:e}".partition("e")
    return f"{mantissa.removesuffix('.0')}e{int(exponent):+03d}"


def _date(value: str, now: datetime) -> str:
    if value in {"", "null"}:
        return UNKNOWN
    try:
        return age(value, now)
    except ValueError:
        return "<invalid>"
