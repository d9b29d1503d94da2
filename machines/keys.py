"""The keys by which machines are known, each in one form: UUIDs, MAC addresses, IP addresses.

Firmware, operating systems, people and other controllers write the same key in different ways. What is indexed and what
is looked up both pass through here, so that they meet. Every function gives the empty string for blank text, which is
no key, and its own result unchanged.
"""

from __future__ import annotations

import ipaddress
import re

_UUID = re.compile(r"\{?([0-9a-f]{8})-?([0-9a-f]{4})-?([0-9a-f]{4})-?([0-9a-f]{4})-?([0-9a-f]{12})\}?")
_MAC = re.compile(
    r"[0-9a-f]{2}([:.-])(?:[0-9a-f]{2}\1){4}[0-9a-f]{2}"
    r"|[0-9a-f]{4}([:.-])[0-9a-f]{4}\2[0-9a-f]{4}"
    r"|[0-9a-f]{6}[:.-]?[0-9a-f]{6}"
)
_MAC_SEPARATORS = str.maketrans("", "", ":-.")


def machine_uuid(text: str) -> str:
    """The UUID in lower case with hyphens, whatever its case and with or without hyphens and braces.

    Text that is no UUID is only stripped and case-folded: the CRDs take any string, and whoever asks with the same
    string shall find its machine.
    """
    folded = text.strip().casefold()
    found = _UUID.fullmatch(folded)
    return "-".join(found.groups()) if found else folded


def network_identifier(text: str) -> str:
    """The MAC or IP address in its one form; other text is only stripped and case-folded.

    - MAC: colons, dashes, dots or nothing between each two, four or six digits, in any case: `aa:bb:cc:dd:ee:ff`.
    - IP: lower case and compressed; an IPv4 address mapped into IPv6 becomes IPv4; a zone (`%eth0`) is dropped, because
      it means something on one host alone.
    """
    folded = text.strip().casefold()
    if _MAC.fullmatch(folded):
        digits = folded.translate(_MAC_SEPARATORS)
        return ":".join(digits[start : start + 2] for start in range(0, 12, 2))
    return _address(folded) or folded


def _address(text: str) -> str | None:
    try:
        address = ipaddress.ip_address(text.partition("%")[0])
    except ValueError:
        return None
    if isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped:
        address = address.ipv4_mapped
    return str(address)
