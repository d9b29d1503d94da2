"""URIs as Go's url.ParseRequestURI takes them."""

from __future__ import annotations

import re
from ipaddress import AddressValueError, IPv6Address
from typing import Final

_CONTROL: Final = re.compile(r"[\x00-\x1f\x7f]")
_SCHEME: Final = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*):")
_BAD_ESCAPE: Final = re.compile("%(?![0-9A-Fa-f]{2})")
_BAD_HOST: Final = re.compile(r"""[ "#%/?@\\^`{|}]""")
_BAD_HOST_ESCAPE: Final = re.compile("%(?!25)(?:[0-7][0-9A-Fa-f])")
_USER_INFO: Final = re.compile(r"[A-Za-z0-9._:~!$&'()*+,;=%@-]*")
_PORT: Final = re.compile("(?::[0-9]*)?")


def is_request_uri(text: str) -> bool:
    """The format `uri`: an absolute URI, or an absolute path."""
    if not text or _CONTROL.search(text) or text.startswith(":"):
        return False
    if text == "*":
        return True
    found = _SCHEME.match(text)
    scheme = found[1].lower() if found else ""
    rest = (text[found.end() :] if found else text).partition("?")[0]
    if not rest.startswith("/"):
        return bool(scheme)
    if scheme and rest.startswith("//"):
        authority, slash, path = rest[2:].partition("/")
        if not _is_authority(scheme, authority):
            return False
        rest = slash + path
    return not _BAD_ESCAPE.search(rest)


def split_uri(text: str) -> tuple[str, str]:
    """Scheme and authority of a URI that `is_request_uri` accepts; empty where there is none."""
    found = _SCHEME.match(text)
    if found is None or not text.startswith("//", found.end()):
        return (found[1].lower() if found else ""), ""
    rest = text[found.end() + 2 :].partition("?")[0]
    return found[1].lower(), rest.partition("/")[0]


def _is_authority(scheme: str, authority: str) -> bool:
    user, _, host = authority.rpartition("@")
    if not _USER_INFO.fullmatch(user) or _BAD_ESCAPE.search(user):
        return False
    return _is_literal(host) if "[" in host else _is_host(scheme, host)


def _is_host(scheme: str, host: str) -> bool:
    if ":" in host:
        start = host.index(":") if scheme in {"http", "https"} else host.rindex(":")
        if not _PORT.fullmatch(host[start:]):
            return False
    return _is_encoded_host(host)


def _is_encoded_host(host: str) -> bool:
    if _BAD_ESCAPE.search(host) or _BAD_HOST_ESCAPE.search(host):
        return False
    return not _BAD_HOST.search(re.sub("%[0-9A-Fa-f]{2}", "", host))


def _is_literal(host: str) -> bool:
    """An IPv6 address in brackets."""
    if not host.startswith("[") or host.rindex("[") > 0 or "]" not in host:
        return False
    inside, _, port = host[1:].rpartition("]")
    address, _, zone = inside.partition("%25")
    if not _PORT.fullmatch(port) or ("%25" in inside and not zone):
        return False
    try:
        IPv6Address(address)
    except (AddressValueError, ValueError):
        return False
    return "%" not in address
