"""Paths of fields, as definitions name them: `.spec.color`, `.spec['color']`."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any, Final

_TOKEN: Final = re.compile(r"'(?:[^'\\]|\\.|\\(?='))*'|[.\[\]]|[^.\[\]]+")
_NO_FIELD: Final = "does not refer to a valid field"
_END: Final = "unexpected end of JSON path"


class _PathError(Exception):
    """The path leads nowhere."""


def schema_at(path: str, schema: Mapping[str, Any], *, brackets: bool = True) -> tuple[Mapping[str, Any], str]:
    """The schema of a field, and what is wrong with the path.

    Args:
        path: from the schema's own place.
        schema: of the value that has the field.
        brackets: whether names may be given in brackets.
    """
    tokens = iter(_TOKEN.findall(path))
    try:
        for start in tokens:
            schema = _child(schema, _name(start, tokens, brackets=brackets))
    except _PathError as error:
        return {}, str(error)
    return schema, ""


def _name(start: str, rest: Iterator[str], *, brackets: bool) -> str:
    """The name that begins with a dot or bracket."""
    if start == ".":
        name = next(rest, None)
        if name is None:
            raise _PathError(_END)
        return name
    if start != "[":
        raise _PathError(f"expected [ or . but got: {start}")
    if not brackets:
        raise _PathError("array notation is not allowed")
    name, end = next(rest, None), next(rest, None)
    if name is None:
        raise _PathError(_END)
    if len(name) < 2 or not (name.startswith("'") and name.endswith("'")):
        raise _PathError(f"expected single quoted string but got {name}")
    if end != "]":
        raise _PathError(_END if end is None else f"expected ] but got {end}")
    return name[1:-1].replace("\\'", "'").replace("\\\\", "\\")


def _child(schema: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    properties, additional = schema.get("properties"), schema.get("additionalProperties")
    if properties:
        if name not in properties:
            raise _PathError(_NO_FIELD)
        child: Mapping[str, Any] = properties[name]
        return child
    if isinstance(additional, Mapping):
        return additional
    raise _PathError(_NO_FIELD)
