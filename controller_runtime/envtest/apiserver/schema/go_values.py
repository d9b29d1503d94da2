"""What Go thinks of JSON values: their types, whether two are equal, whether a float is an integer."""

from __future__ import annotations

import math
from typing import Any, Final

_SAFE_INTEGER: Final = 2**53 - 1
_TYPES: Final = {
    type(None): "null",
    bool: "boolean",
    str: "string",
    int: "integer",
    float: "number",
    list: "array",
    dict: "object",
}


def json_type(value: Any) -> str:
    """The name of a value's type in a schema."""
    return _TYPES[type(value)]


def whole(number: float) -> bool:
    """Whether a float passes for an integer: swag.IsFloat64AJSONInteger, which allows for rounding."""
    if math.isnan(number) or math.isinf(number) or abs(number) > _SAFE_INTEGER:
        return False
    if number.is_integer():
        return True
    nearest = float(math.trunc(number))
    if number < 0 or nearest == 0:
        return False
    return abs(number - nearest) / (abs(number) + nearest) < 1e-9


def same(one: Any, other: Any) -> bool:
    """Go's DeepEqual: 1, 1.0 and true all differ."""
    if type(one) is not type(other):
        return False
    if isinstance(one, dict):
        return one.keys() == other.keys() and all(same(one[key], other[key]) for key in one)
    if isinstance(one, list):
        return len(one) == len(other) and all(map(same, one, other))
    return bool(one == other)


def equals_member(value: Any, member: Any) -> bool:
    """Whether a value is the member of an enum, once Go has converted it to the member's type.

    Null equals nothing, not even null.
    """
    if value is None or member is None:
        return False
    if isinstance(value, int | float) and not isinstance(value, bool):
        return _number_equals(value, member)
    return same(value, member)


def _number_equals(value: int | float, member: Any) -> bool:
    if isinstance(member, str):
        return isinstance(value, int) and 0 <= value < 0x110000 and chr(value) == member
    if isinstance(member, bool) or not isinstance(member, int | float):
        return False
    if isinstance(member, int) and isinstance(value, float):
        return math.isfinite(value) and math.trunc(value) == member
    return value == member
