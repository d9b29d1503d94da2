"""What can be wrong with a field, in the words of the real server (apimachinery, pkg/util/validation/field)."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from controller_runtime.envtest.apiserver.errors import FieldError
from controller_runtime.envtest.apiserver.schema.go_text import encoded, plain
from controller_runtime.envtest.apiserver.validation.fields import forbidden, quoted, required

__all__ = [
    "NO_PATH",
    "duplicate",
    "forbidden",
    "invalid",
    "not_supported",
    "required",
    "shown",
    "too_long",
    "too_many",
    "type_invalid",
]

NO_PATH = "<nil>"
"""How the real server names the field of an error that belongs to the object as a whole."""


def shown(value: Any) -> str:
    """A value as messages show it: strings quoted, all else as JSON; numbers that are alone as Go prints them."""
    if isinstance(value, str):
        return quoted(value)
    if isinstance(value, int | float):
        return plain(value)
    return encoded(value)


def _with_detail(text: str, detail: str) -> str:
    return f"{text}: {detail}" if detail else text


def invalid(path: str, value: Any, detail: str) -> FieldError:
    """The value breaks a rule."""
    return FieldError("FieldValueInvalid", path, _with_detail(f"Invalid value: {shown(value)}", detail))


def type_invalid(path: str, value: Any, detail: str) -> FieldError:
    """The value is of another type than the schema says."""
    return FieldError("FieldValueTypeInvalid", path, _with_detail(f"Invalid value: {shown(value)}", detail))


def duplicate(path: str, value: Any) -> FieldError:
    """The value is there already."""
    return FieldError("FieldValueDuplicate", path, f"Duplicate value: {shown(value)}")


def not_supported(path: str, value: Any, supported: Iterable[Any]) -> FieldError:
    """The value is none of those that are allowed."""
    values = [quoted(value if isinstance(value, str) else encoded(value)) for value in supported]
    detail = f"supported values: {', '.join(values)}" if values else ""
    return FieldError("FieldValueNotSupported", path, _with_detail(f"Unsupported value: {shown(value)}", detail))


def too_long(path: str, limit: int) -> FieldError:
    """The text is too long."""
    unit = "byte" if limit == 1 else "bytes"
    return FieldError("FieldValueTooLong", path, f"Too long: may not be more than {limit} {unit}")


def too_many(path: str, actual: int, limit: int) -> FieldError:
    """The list, or the map, has too many entries."""
    unit = "item" if limit == 1 else "items"
    return FieldError("FieldValueTooMany", path, f"Too many: {actual}: must have at most {limit} {unit}")
