"""The URL under which clients reach this server, for scripts that make them come back."""

from __future__ import annotations

import ipaddress
import re
from typing import Final

_HOST = re.compile(r"([A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?\.?|\[[0-9A-Fa-f:.]+\])(?::([0-9]{0,5}))?")
_LONGEST_NAME: Final = 255  # octets of a DNS name


class InvalidHostError(ValueError):
    """The Host header cannot be used in a URL; the text says why."""


def service_url(host: str | None, local_port: int) -> str:
    """`http://<host>:<port>`, without a trailing slash.

    Args:
        host: value of the Host header, None without one.
        local_port: the port the request arrived on, used where Host has none: firmware leaves it out even if it is
            not 80.

    Raises:
        InvalidHostError: there is no Host, or it is not a name or address with an optional port. Whatever it held would
            become part of a script.
    """
    if not host:
        raise InvalidHostError("the request has no Host header, from which the URL of this server would be made")
    found = _HOST.fullmatch(host)
    if found is None or len(found[1]) > _LONGEST_NAME or not _is_address_if_bracketed(found[1]):
        raise InvalidHostError("the Host header is no host name or address with an optional port")
    port = int(found[2]) if found[2] else local_port
    if not 0 < port < 65536:
        raise InvalidHostError("the port in the Host header is not between 1 and 65535")
    return f"http://{found[1]}:{port}"


def _is_address_if_bracketed(name: str) -> bool:
    if not name.startswith("["):
        return True
    try:
        ipaddress.IPv6Address(name[1:-1])
    except ValueError:
        return False
    return True
