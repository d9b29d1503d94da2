"""The wire format: varints, lengths, and what is skipped because nobody knows its number.

Texts of errors are those of the code that is generated for Go, which is what the real server answers with.
"""

from __future__ import annotations

from typing import Final

VARINT: Final = 0
FIXED64: Final = 1
LENGTH: Final = 2
END_GROUP: Final = 4

_BITS: Final = 64
_TOP: Final = 1 << 63
_MASK: Final = (1 << _BITS) - 1


class WireError(ValueError):
    """The bytes are no message."""


def truncated() -> WireError:
    """The bytes end too early."""
    return WireError("unexpected EOF")


def varint(data: bytes, at: int) -> tuple[int, int]:
    """An unsigned integer of 64 bits, and where it ends.

    Raises:
        WireError: it does not end, or it is too long.
    """
    if at < len(data) and data[at] < 0x80:
        # Most are this short.
        return data[at], at + 1
    value = shift = 0
    while shift < _BITS:
        if at >= len(data):
            raise truncated()
        byte = data[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value & _MASK, at
        shift += 7
    raise WireError("proto: integer overflow")


def span(data: bytes, at: int) -> tuple[int, int]:
    """Where a value begins that has its length in front, and where it ends.

    Raises:
        WireError: it does not end within the data.
    """
    length, at = varint(data, at)
    end = at + length
    if end >= _TOP:
        raise WireError("proto: negative length found during unmarshaling")
    if end > len(data):
        raise truncated()
    return at, end


def signed(value: int, bits: int) -> int:
    """The integer that these lowest bits are in two's complement."""
    value &= (1 << bits) - 1
    return value - (1 << bits) if value >> (bits - 1) else value


def skip(data: bytes, at: int) -> int:
    """Where a field ends that begins here, a group with all that is in it.

    Raises:
        WireError: it is malformed, or it does not end within the data.
    """
    depth = 0
    while at < len(data):
        tag, at = varint(data, at)
        match tag & 7:
            case 0:
                _, at = varint(data, at)
            case 1:
                at += 8
            case 2:
                _, at = span(data, at)
            case 3:
                depth += 1
            case 4 if depth == 0:
                raise WireError("proto: unexpected end of group")
            case 4:
                depth -= 1
            case 5:
                at += 4
            case wire:
                raise WireError(f"proto: illegal wireType {wire}")
        if depth == 0 and at <= len(data):
            return at
    raise truncated()
