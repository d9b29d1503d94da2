"""JSON Patch, as the library behind kube-apiserver applies it."""

from __future__ import annotations

import copy
import re
from collections.abc import Callable, Mapping
from typing import Any, Final

from controller_runtime.envtest.apiserver.errors import StatusError, bad_request
from controller_runtime.envtest.apiserver.patches.go_words import json_kind

MOST_OPERATIONS: Final = 10_000

_POSITION: Final = re.compile(r"[+-]?[0-9]+")


class _Refused(Exception):  # noqa: N818 - never leaves this module
    """An operation cannot be carried out."""


def json_patch(document: Any, patch: Any) -> Any:
    """The document after all operations of the patch, in order.

    Raises:
        StatusError: 400 if the patch is none, 413 if it has more than 10,000 operations, 422 if one of them fails.
    """
    operations = _operations(patch)
    if len(operations) > MOST_OPERATIONS:
        allowed = f"The allowed maximum operations in a JSON patch is {MOST_OPERATIONS}, got {len(operations)}"
        raise StatusError(413, "RequestEntityTooLarge", f"Request entity too large: {allowed}")
    holder = [copy.deepcopy(document)]
    try:
        for operation in operations:
            _apply(holder, operation)
    except (_Refused, IndexError, KeyError, RecursionError) as error:
        text = "the server rejected our request due to an error in our request"
        raise StatusError(422, "Invalid", text) from error
    return holder[0]


def _operations(patch: Any) -> list[Mapping[str, Any]]:
    """The operations; Go's decoder lets null pass for an empty list, and for an empty operation."""
    if patch is None:
        return []
    if not isinstance(patch, list):
        raise _undecodable(patch, "value of type []handlers.jsonPatchOp")
    for operation in patch:
        if operation is not None and not isinstance(operation, dict):
            raise _undecodable(operation, "value of type handlers.jsonPatchOp")
        for name in ("op", "path", "from"):
            value = (operation or {}).get(name)
            if value is not None and not isinstance(value, str):
                raise _undecodable(value, f"struct field jsonPatchOp.{name} of type string")
    return [operation or {} for operation in patch]


def _undecodable(value: Any, into: str) -> StatusError:
    return bad_request(f"error decoding patch: json: cannot unmarshal {json_kind(value)} into Go {into}")


def _apply(holder: list[Any], operation: Mapping[str, Any]) -> None:
    apply = _KINDS.get(operation.get("op") or "")
    if apply is None:
        raise _Refused(f"unexpected kind: {operation.get('op')}")
    apply(holder, operation)


def _path(operation: Mapping[str, Any], name: str = "path") -> str:
    path = operation.get(name)
    if path is None:
        raise _Refused(f"operation without {name}")
    return str(path)


def _container(holder: list[Any], path: str) -> tuple[Any, str]:
    """What holds the value at the path, and the last part of the path."""
    _, *parts = path.split("/")
    if not parts:
        raise _Refused(f"path without a slash: {path}")
    found = holder[0]
    for part in parts[:-1]:
        found = _get(found, _unescaped(part))
        if not isinstance(found, dict | list):
            raise _Refused(f"missing path: {path}")
    return found, _unescaped(parts[-1])


def _unescaped(part: str) -> str:
    return part.replace("~1", "/").replace("~0", "~")


def _get(container: Any, key: str) -> Any:
    """The value, None in a map that lacks it."""
    if isinstance(container, dict):
        return container.get(key)
    return container[_position(key, len(container) - 1)]


def _position(key: str, most: int) -> int:
    if not _POSITION.fullmatch(key):
        raise _Refused(f"no position: {key}")
    position = int(key)
    if position < 0:
        position += most + 1
    if not 0 <= position <= most:
        raise _Refused(f"position out of bounds: {key}")
    return position


def _insert(container: Any, key: str, value: Any) -> None:
    if isinstance(container, dict):
        container[key] = value
    elif key == "-":
        container.append(value)
    else:
        container.insert(_position(key, len(container)), value)


def _delete(container: Any, key: str) -> None:
    if isinstance(container, dict):
        if key not in container:
            raise _Refused(f"nothing to remove: {key}")
        del container[key]
    else:
        del container[_position(key, len(container) - 1)]


def _add(holder: list[Any], operation: Mapping[str, Any]) -> None:
    container, key = _container(holder, _path(operation))
    _insert(container, key, copy.deepcopy(operation.get("value")))


def _remove(holder: list[Any], operation: Mapping[str, Any]) -> None:
    _delete(*_container(holder, _path(operation)))


def _replace(holder: list[Any], operation: Mapping[str, Any]) -> None:
    path, value = _path(operation), copy.deepcopy(operation.get("value"))
    if path == "":
        if not isinstance(value, dict | list):
            raise _Refused("a document is an object or an array")
        holder[0] = value
        return
    container, key = _container(holder, path)
    if isinstance(container, dict):
        container[key] = value
    else:
        container[_position(key, len(container) - 1)] = value


def _move(holder: list[Any], operation: Mapping[str, Any]) -> None:
    source, source_key = _container(holder, _path(operation, "from"))
    value = _get(source, source_key)
    _delete(source, source_key)
    container, key = _container(holder, _path(operation))
    _insert(container, key, value)


def _copy(holder: list[Any], operation: Mapping[str, Any]) -> None:
    source, source_key = _container(holder, _path(operation, "from"))
    value = copy.deepcopy(_get(source, source_key))
    container, key = _container(holder, _path(operation))
    _insert(container, key, value)


def _test(holder: list[Any], operation: Mapping[str, Any]) -> None:
    path = _path(operation)
    found = holder[0] if path == "" else _get(*_container(holder, path))
    if not _equal(found, operation.get("value")):
        raise _Refused(f"test failed: {path}")


def _equal(left: Any, right: Any) -> bool:
    """Whether two JSON values are the same; 1, 1.0 and true are three."""
    if type(left) is not type(right):
        return False
    if isinstance(left, dict):
        return left.keys() == right.keys() and all(_equal(value, right[key]) for key, value in left.items())
    if isinstance(left, list):
        return len(left) == len(right) and all(map(_equal, left, right))
    return bool(left == right)


_KINDS: Final[Mapping[str, Callable[[list[Any], Mapping[str, Any]], None]]] = {
    "add": _add,
    "remove": _remove,
    "replace": _replace,
    "move": _move,
    "copy": _copy,
    "test": _test,
}
