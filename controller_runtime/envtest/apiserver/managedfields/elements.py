"""Path elements: how FieldsV1 names the children of a map or a list.

| written | names |
|---|---|
| `f:spec` | a field of a struct, a key of a map |
| `k:{"name":"x"}` | the item of an associative list with these keys |
| `v:"x"` | the member of a set |
| `i:3` | the item at an index |

The text of an element is its identity, so it must be canonical: keys sorted, JSON as Go writes it.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any, Final

import msgspec

from controller_runtime.envtest.apiserver.managedfields.errors import UndecodableError
from controller_runtime.envtest.apiserver.managedfields.printing import json_text, scalar_text

_ORDER: Final = {"f": 0, "k": 1, "v": 2, "i": 3}
_ELEMENTS: Final = 4096  # distinct keys of lists that are remembered


def display(element: str) -> str:
    """The element in a path that people read: `.spec`, `[name="x"]`, `[="x"]`, `[3]`."""
    kind, text = element[0], element[2:]
    match kind:
        case "f":
            return f".{text}"
        case "k":
            keys = msgspec.json.decode(text)
            return f"[{','.join(f'{name}={scalar_text(value)}' for name, value in keys.items())}]"
        case "v":
            return f"[={scalar_text(msgspec.json.decode(text))}]"
        case _:
            return f"[{text}]"


@lru_cache(_ELEMENTS)
def canonical(element: str) -> str | None:
    """The canonical text of an element that a client sent, or None if it is of an unknown type.

    Raises:
        UndecodableError: it cannot be read.
    """
    if len(element) < 2 or element[1] != ":":
        raise UndecodableError(f"parsing key as path element: missing colon: {element}")
    kind, text = element[0], element[2:]
    if kind not in _ORDER:
        return None
    if kind == "f":
        return element
    try:
        return f"{kind}:{_canonical_text(kind, text)}"
    except ValueError as error:
        raise UndecodableError(f"parsing key as path element: {error}") from error


def _canonical_text(kind: str, text: str) -> str:
    if kind == "i":
        return str(int(text))
    value = msgspec.json.decode(text)
    if kind == "k" and not isinstance(value, dict):
        raise ValueError(f"expected an object, got {text}")
    return json_text(value)


def in_order(elements: dict[str, Any]) -> list[str]:
    """The elements as the API server orders them: `.`, fields, keys, values, indexes; numbers by size."""
    names = sorted(elements)
    if not names or (names[-1] < "g" and names[0] < "g"):
        return names
    return sorted(names, key=_sort_key)


@lru_cache(_ELEMENTS)
def _sort_key(element: str) -> tuple[Any, ...]:
    if element == ".":
        return (-1,)
    kind, text = element[0], element[2:]
    match kind:
        case "f":
            return (0, text)
        case "i":
            return (3, int(text))
        case "v":
            return (2, _value_key(msgspec.json.decode(text)))
        case _:
            return (1, [(name, _value_key(value)) for name, value in msgspec.json.decode(text).items()])


def _value_key(value: Any) -> tuple[Any, ...]:
    """Orders values of all types: numbers, strings, booleans, lists, maps, null."""
    match value:
        case bool():
            return (2, value)
        case int() | float():
            return (0, value)
        case str():
            return (1, value)
        case list():
            return (3, [_value_key(item) for item in value])
        case dict():
            return (4, [(key, _value_key(value[key])) for key in sorted(value)])
        case _:
            return (5,)
