"""Values as Go prints them in the keys of FieldsV1, in paths and in messages."""

from __future__ import annotations

import re
from typing import Any, Final

from controller_runtime.envtest.apiserver.schema.go_text import encoded, plain

# What needs no escape in JSON that may be pasted into HTML.
_SAFE: Final = re.compile('[^\\x00-\\x1f"\\\\<>&\u2028\u2029]*')

_QUOTED: Final = {
    "\a": "\\a",
    "\b": "\\b",
    "\f": "\\f",
    "\n": "\\n",
    "\r": "\\r",
    "\t": "\\t",
    "\v": "\\v",
    "\\": "\\\\",
    '"': '\\"',
}

_TYPES: Final = {
    str: "string",
    bool: "bool",
    int: "int64",
    float: "float64",
    list: "[]interface {}",
    dict: "map[string]interface {}",
}


def json_text(value: Any) -> str:
    """`encoding/json`; fast for plain strings, which most keys of lists are."""
    return f'"{value}"' if isinstance(value, str) and _SAFE.fullmatch(value) else encoded(value)


def quoted(text: str) -> str:
    """`%q` of a string."""
    return '"' + "".join(_QUOTED.get(char) or _printable(char) for char in text) + '"'


def scalar_text(value: Any) -> str:
    """The value of a key in a path: strings quoted, numbers as `%v`."""
    match value:
        case str():
            return quoted(value)
        case None:
            return "null"
        case list():
            return f"[{','.join(map(scalar_text, value))}]"
        case dict():
            return "".join(f"{key}={scalar_text(value[key])}" for key in sorted(value))
        case _:
            return plain(value)


def syntax(value: Any) -> str:
    """`%#v` of Go's form of a JSON value."""
    match value:
        case None:
            return "interface {}(nil)"
        case str():
            return quoted(value)
        case list():
            return "[]interface {}{" + ", ".join(map(syntax, value)) + "}"
        case dict():
            items = ", ".join(f"{quoted(key)}:{syntax(value[key])}" for key in sorted(value))
            return "map[string]interface {}{" + items + "}"
        case _:
            return plain(value)


def type_name(value: Any) -> str:
    """`%T` of Go's form of a JSON value."""
    return _TYPES.get(type(value), "<nil>")


def _printable(char: str) -> str:
    if char.isprintable():
        return char
    code = ord(char)
    if code < 0x80:
        return f"\\x{code:02x}"
    return f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"
