"""IP addresses and networks in fields that have taken sloppy ones for long, and take strict ones now."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterator, Sequence
from typing import Final

from controller_runtime.envtest.apiserver.errors import FieldError
from controller_runtime.envtest.apiserver.validation.fields import invalid

_ADDRESS_EXAMPLES: Final = "must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)"
_NETWORK_EXAMPLES: Final = "must be a valid CIDR value, (e.g. 10.9.8.0/24 or 2001:db8::/64)"
_SLOPPY: Final = re.compile(r"\d+(\.\d+){3}")


def parse_address(text: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    """The address, leading zeros allowed; None if it is none."""
    try:
        return ipaddress.ip_address(_without_leading_zeros(text))
    except ValueError:
        return None


def is_ipv6(text: str) -> bool:
    """Whether it is an IPv6 address; one that embeds an IPv4 address counts as IPv4."""
    address = parse_address(text)
    return isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped is None


def validate_address(text: str, field: str, known: Sequence[str] = ()) -> Iterator[FieldError]:
    """An address; those of `known` were accepted before and are not judged again."""
    if text in known:
        return
    address = parse_address(text)
    if address is None or "%" in text:
        yield invalid(field, text, _ADDRESS_EXAMPLES)
    elif _without_leading_zeros(text) != text:
        yield invalid(field, text, "must not have leading 0s")
    elif isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped is not None:
        yield invalid(field, text, "must not be an IPv4-mapped IPv6 address")


def validate_network(text: str, field: str, known: Sequence[str] = ()) -> Iterator[FieldError]:
    """A network in CIDR notation."""
    if text in known:
        return
    host, slash, length = text.partition("/")
    try:
        interface = ipaddress.ip_interface(f"{_without_leading_zeros(host)}/{int(length)}")
    except ValueError:
        interface = None
    if interface is None or not slash or not length.isdigit():
        yield invalid(field, text, _NETWORK_EXAMPLES)
    elif _without_leading_zeros(host) != host or str(int(length)) != length:
        yield invalid(field, text, "must not have leading 0s in IP or prefix length")
    elif isinstance(interface.ip, ipaddress.IPv6Address) and interface.ip.ipv4_mapped is not None:
        yield invalid(field, text, "must not have an IPv4-mapped IPv6 address")
    elif interface.ip != interface.network.network_address:
        yield invalid(field, text, "must not have bits set beyond the prefix length")


def validate_reachable(text: str, field: str) -> Iterator[FieldError]:
    """An address that packets can be sent to from elsewhere."""
    address = parse_address(text)
    if address is None:
        yield invalid(field, text, "must be a valid IP address")
        return
    if address.is_unspecified:
        yield invalid(field, text, f"may not be unspecified ({text})")
    if address.is_loopback:
        yield invalid(field, text, "may not be in the loopback range (127.0.0.0/8, ::1/128)")
    if address.is_link_local:
        yield invalid(field, text, "may not be in the link-local range (169.254.0.0/16, fe80::/10)")
    if address.is_multicast and _is_link_local_multicast(address):
        yield invalid(field, text, "may not be in the link-local multicast range (224.0.0.0/24, ff02::/10)")


def address_warning(text: str, field: str) -> Iterator[str]:
    """How the address should better be written."""
    address = parse_address(text)
    if address is None:
        return
    mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
    if mapped is not None or _without_leading_zeros(text) != text:
        yield f'{field}: non-standard IP address "{text}" is invalid: use "{mapped or address}"'
    elif isinstance(address, ipaddress.IPv6Address) and str(address) != text:
        yield f'{field}: IPv6 address "{text}" should be in RFC 5952 canonical format ("{address}")'


def _is_link_local_multicast(address: ipaddress.IPv4Address | ipaddress.IPv6Address) -> bool:
    if isinstance(address, ipaddress.IPv4Address):
        return address in ipaddress.ip_network("224.0.0.0/24")
    return address.packed[0] == 0xFF and address.packed[1] & 0x0F == 0x02


def _without_leading_zeros(text: str) -> str:
    if not _SLOPPY.fullmatch(text):
        return text
    return ".".join(str(int(part)) for part in text.split("."))
