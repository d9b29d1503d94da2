"""FieldErrors of each sort, worded as apimachinery's pkg/util/validation/field words them."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any, Final

from controller_runtime.envtest.apiserver.errors import FieldError

_ESCAPES: Final = {
    "\a": "\\a",
    "\b": "\\b",
    "\f": "\\f",
    "\n": "\\n",
    "\r": "\\r",
    "\t": "\\t",
    "\v": "\\v",
    '"': '\\"',
    "\\": "\\\\",
}
_HTML: Final = str.maketrans({"<": "\\u003c", ">": "\\u003e", "&": "\\u0026", "\u2028": "\\u2028", "\u2029": "\\u2029"})


def quoted(text: str) -> str:
    """As Go's %q."""
    if text.isascii() and text.isprintable() and '"' not in text and "\\" not in text:
        return f'"{text}"'
    return f'"{"".join(_escaped(character) for character in text)}"'


def shown(value: Any) -> str:
    """A value as it stands in a message: texts quoted, everything else as Go writes JSON."""
    if isinstance(value, str):
        return quoted(value)
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).translate(_HTML)


def invalid(field: str, value: Any, detail: str) -> FieldError:
    """The value breaks a rule."""
    return FieldError("FieldValueInvalid", field, f"Invalid value: {shown(value)}{_tail(detail)}")


def required(field: str, detail: str = "") -> FieldError:
    """The value is missing."""
    return FieldError("FieldValueRequired", field, f"Required value{_tail(detail)}")


def forbidden(field: str, detail: str) -> FieldError:
    """The value may not be there, or may not change."""
    return FieldError("FieldValueForbidden", field, f"Forbidden{_tail(detail)}")


def duplicate(field: str, value: Any) -> FieldError:
    """The value is there twice."""
    return FieldError("FieldValueDuplicate", field, f"Duplicate value: {shown(value)}")


def too_long(field: str, limit: int) -> FieldError:
    """The value has more than `limit` bytes."""
    return FieldError("FieldValueTooLong", field, f"Too long: may not be more than {limit} bytes")


def not_supported(field: str, value: Any, supported: Iterable[str]) -> FieldError:
    """The value is none of those that are known."""
    names = ", ".join(map(quoted, supported))
    return FieldError("FieldValueNotSupported", field, f"Unsupported value: {shown(value)}: supported values: {names}")


def _tail(detail: str) -> str:
    return f": {detail}" if detail else ""


def _escaped(character: str) -> str:
    if character in _ESCAPES:
        return _ESCAPES[character]
    if character.isprintable():
        return character
    code = ord(character)
    if code < 0x80:
        return f"\\x{code:02x}"
    return f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"
