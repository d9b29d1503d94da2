"""What Go calls the types of JSON values."""

from __future__ import annotations

from typing import Any


def json_kind(value: Any) -> str:
    """As encoding/json calls a value that it did not expect."""
    match value:
        case None:
            return "null"
        case bool():
            return "bool"
        case int() | float():
            return "number"
        case str():
            return "string"
        case list():
            return "array"
        case _:
            return "object"


def go_type(value: Any) -> str:
    """As reflect calls the type into which a value was decoded."""
    match value:
        case None:
            return "%!s(<nil>)"
        case bool():
            return "bool"
        case int():
            return "int64"
        case float():
            return "float64"
        case str():
            return "string"
        case list():
            return "[]interface {}"
        case _:
            return "map[string]interface {}"
