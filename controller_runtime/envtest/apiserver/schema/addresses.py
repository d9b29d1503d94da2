"""IP addresses and networks, as Go parses them."""

from __future__ import annotations

import re
from ipaddress import AddressValueError, IPv6Address
from typing import Final

_OCTETS: Final = re.compile(r"([0-9]+)\.([0-9]+)\.([0-9]+)\.([0-9]+)")


def _dotted(text: str, *, sloppy: bool) -> bool:
    found = _OCTETS.fullmatch(text)
    return found is not None and all(
        int(octet[-20:]) <= 255 and len(octet.lstrip("0")) <= 3 and (sloppy or octet == "0" or octet[0] != "0")
        for octet in found.groups()
    )


def _colons(text: str, *, sloppy: bool) -> bool:
    if not text.isascii() or "%" in text or "/" in text:
        return False
    head, colon, tail = text.rpartition(":")
    if "." in tail:
        if not _dotted(tail, sloppy=sloppy):
            return False
        # Where the dotted part stands is what matters from here on.
        text = f"{head}{colon}1.2.3.4"
    try:
        IPv6Address(text)
    except (AddressValueError, ValueError):
        return False
    return True


def is_ip(text: str, *, sloppy: bool = False) -> bool:
    """What net.ParseIP accepts; `sloppy` allows zeros in front of an octet, as Kubernetes does."""
    kind = next((character for character in text if character in ".:"), "")
    if kind == ".":
        return _dotted(text, sloppy=sloppy)
    return kind == ":" and _colons(text, sloppy=sloppy)


def is_ipv4(text: str) -> bool:
    """The format `ipv4`, which takes an IPv6 address with a dotted part as well."""
    return "." in text and is_ip(text, sloppy=True)


def is_ipv6(text: str) -> bool:
    """The format `ipv6`."""
    return ":" in text and is_ip(text)


def is_cidr(text: str) -> bool:
    """The format `cidr`."""
    address, slash, length = text.partition("/")
    if not slash or not re.fullmatch("[0-9]{1,9}", length):
        return False
    if _dotted(address, sloppy=True):
        return int(length) <= 32
    return ":" in address and _colons(address, sloppy=True) and int(length) <= 128
