"""From a message to the JSON that Go would make of it."""

from __future__ import annotations

import base64
import struct
from typing import Any, Final

from controller_runtime.envtest.apiserver.decode import MAX_DEPTH
from controller_runtime.envtest.apiserver.protobuf.descriptors import Field, Message
from controller_runtime.envtest.apiserver.protobuf.meanings import (
    LAYOUTS,
    MEANINGS,
    TOO_DEEP,
    fields_value,
    json_number,
    json_value,
    moment,
    text,
)
from controller_runtime.envtest.apiserver.protobuf.wire import (
    END_GROUP,
    LENGTH,
    WireError,
    signed,
    skip,
    span,
    truncated,
    varint,
)

_SPECIAL: Final = frozenset({*MEANINGS, *LAYOUTS})


def read(message: Message, data: bytes, depth: int = 0, value: dict[str, Any] | None = None) -> dict[str, Any]:
    """The JSON object of a message.

    Args:
        message: what it is.
        data: its bytes.
        depth: how deep in the whole object it is.
        value: what there is of the object already; changed in place.

    Raises:
        WireError: the bytes are no such message, or values are nested too deep.
    """
    if depth >= MAX_DEPTH:
        raise WireError(TOO_DEEP)
    value = {} if value is None else value
    at = 0
    while at < len(data):
        start = at
        tag, at = varint(data, at)
        number, wire = signed(tag >> 3, 32), tag & 7
        if wire == END_GROUP:
            raise WireError(f"proto: {message.go_name}: wiretype end group for non-group")
        if number <= 0:
            raise WireError(f"proto: {message.go_name}: illegal tag {number} (wire type {tag})")
        field = message.fields.get(number)
        if field is None:
            at = skip(data, start)
        elif wire != field.wire:
            raise WireError(f"proto: wrong wireType = {wire} for field {field.go_name}")
        elif wire == LENGTH:
            begin, at = span(data, at)
            _put(value, field, data, begin, at, depth)
        else:
            item, at = _number(field.scalar, data, at)
            _set(value, field, item)
    return value


def _put(value: dict[str, Any], field: Field, data: bytes, begin: int, end: int, depth: int) -> None:
    """Puts a value into its object that has its length in front."""
    match field.container:
        case "{}":
            key, item = _entry(field, data, begin, end, depth + 2)
            value.setdefault(field.name, {})[key] = item
        case "[]":
            value.setdefault(field.name, []).append(_content(field, data[begin:end], depth + 2))
        case _ if field.message is not None and field.message.short not in _SPECIAL:
            # What comes in several pieces is put together.
            read(field.message, data[begin:end], depth + 1, value.setdefault(field.name, {}))
        case _:
            _set(value, field, _content(field, data[begin:end], depth + 1))


def _set(value: dict[str, Any], field: Field, item: Any) -> None:
    """Sets a field, which may have been set before; the zero value of one that is no pointer is absence."""
    if item is None or (not item and field.scalar and field.container != "*"):
        value.pop(field.name, None)
    else:
        value[field.name] = item


def _content(field: Field, data: bytes, depth: int) -> Any:
    match field.scalar:
        case "string":
            return text(data)
        case "bytes":
            return base64.b64encode(data).decode()
        case "raw":
            return json_value(data, MAX_DEPTH - depth)
        case "fields":
            return fields_value(data, MAX_DEPTH - depth)
        case "opaque":
            return data
    assert field.message is not None
    short, value = field.message.short, read(field.message, data, depth)
    if short in MEANINGS:
        return MEANINGS[short](value)
    if short in LAYOUTS:
        return moment(value, LAYOUTS[short]) if data else None
    return value


def _entry(field: Field, data: bytes, at: int, end: int, depth: int) -> tuple[str, Any]:
    """Key and value of a map; as in the code that is generated for Go, their wire types do not matter."""
    key, item = "", _content(field, b"", depth)
    while at < end:
        start = at
        tag, at = varint(data, at)
        match signed(tag >> 3, 32):
            case 1:
                begin, at = span(data, at)
                key = text(data[begin:at])
            case 2:
                begin, at = span(data, at)
                item = _content(field, data[begin:at], depth)
            case _:
                at = skip(data, start)
                if at > end:
                    raise truncated()
    return key, item


def _number(type_: str, data: bytes, at: int) -> tuple[int | float, int]:
    """A number or a boolean, and where it ends."""
    if type_ == "double":
        if at + 8 > len(data):
            raise truncated()
        return json_number(struct.unpack_from("<d", data, at)[0]), at + 8
    number, at = varint(data, at)
    if type_ == "bool":
        return number != 0, at
    return signed(number, 32 if type_ == "int32" else 64), at
