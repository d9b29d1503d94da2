"""Writes protobuf by hand, also such as no client would send."""

from __future__ import annotations

from typing import TypeAlias

Value: TypeAlias = int | str | bytes

PROTOBUF = "application/vnd.kubernetes.protobuf"


def varint(value: int) -> bytes:
    """Return an integer of 64 bits."""
    value &= (1 << 64) - 1
    encoded = bytearray()
    while value > 0x7F:
        encoded.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*encoded, value])


def field(number: int, value: Value) -> bytes:
    """Return a field: an integer or a boolean as varint, anything else with its length in front."""
    if isinstance(value, int):
        return varint(number << 3) + varint(int(value))
    data = value.encode() if isinstance(value, str) else value
    return varint(number << 3 | 2) + varint(len(data)) + data


def message(*fields: tuple[int, Value]) -> bytes:
    """Return the fields, one after the other."""
    return b"".join(field(number, value) for number, value in fields)


def envelope(api_version: str, kind: str, raw: bytes) -> bytes:
    """Return the body that holds a message."""
    return b"k8s\0" + field(1, message((1, api_version), (2, kind))) + field(2, raw)


def configmap(*parts: bytes, name: str = "made") -> bytes:
    """Return the body of a ConfigMap with a name and further fields."""
    return envelope("v1", "ConfigMap", field(1, field(1, name)) + b"".join(parts))
