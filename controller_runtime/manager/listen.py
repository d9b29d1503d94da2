"""Listening sockets from addresses as Go programs write them."""

from __future__ import annotations

import contextlib
import errno
import ipaddress
import socket
from collections.abc import Sequence

import structlog

log = structlog.get_logger(__name__)

_BACKLOG = 1024  # connections that wait to be accepted: racks are switched on at once


class ListenError(OSError):
    """An address cannot be listened on; the message says which and why."""


def bind(address: str, *, purpose: str) -> list[socket.socket]:
    """Listens on `host:port`, or on all interfaces for `:port`. Port 0 takes a free one.

    Args:
        address: as the flags of Go programs take it; an IPv6 host stands in brackets.
        purpose: what listens there and how to move it, for the error message ("the boot server
            (boot_server_address)").

    Raises:
        ListenError: malformed, taken, not of this machine, or not allowed.
    """
    host, colon, port_text = address.rpartition(":")
    if not colon or not port_text.isdecimal() or int(port_text) > 65535:
        raise ListenError(f"{purpose}: {address!r} is no address to listen on; write host:port or :port")
    try:
        return _bind(host.removeprefix("[").removesuffix("]"), int(port_text))
    except OSError as error:
        reason = "the address is already in use" if error.errno == errno.EADDRINUSE else error.strerror or str(error)
        raise ListenError(f"{purpose}: cannot listen on {address}: {reason}") from error


def _bind(host: str, port: int) -> list[socket.socket]:
    """One listening socket per address of the host; IPv4 and IPv6 for an empty one, on the same port.

    Tornado's function for this leaves sockets open where it fails.
    """
    with contextlib.ExitStack() as cleanup:
        sockets: list[socket.socket] = []
        found = socket.getaddrinfo(host or None, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
        for family, kind, protocol, _, target in dict.fromkeys(found):
            try:
                sock = cleanup.enter_context(socket.socket(family, kind, protocol))
            except OSError as error:
                if error.errno == errno.EAFNOSUPPORT:  # a machine without IPv6
                    continue
                raise
            sock.setblocking(False)
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            if family == socket.AF_INET6:
                sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
            taken = sockets[0].getsockname()[1] if sockets else port
            try:
                sock.bind((target[0], taken, *target[2:]))
            except OSError as error:
                if error.errno == errno.EADDRNOTAVAIL and len(found) > 1:  # ::1 where IPv6 is switched off
                    continue
                raise
            sock.listen(_BACKLOG)
            sockets.append(sock)
        if not sockets:
            raise OSError(errno.EADDRNOTAVAIL, "no such address on this machine")
        cleanup.pop_all()
    return sockets


def is_local(address: str) -> bool:
    """Whether nobody but this machine reaches an address, be it that nothing listens there (see `Manager`)."""
    if address in ("", "0"):
        return True
    host = address.rpartition(":")[0].removeprefix("[").removesuffix("]")
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def announce(sockets: Sequence[socket.socket], *, purpose: str) -> None:
    """Logs where something listens, once it does."""
    host, port = sockets[0].getsockname()[:2]
    log.info("listening", purpose=purpose, address=f"[{host}]:{port}" if ":" in host else f"{host}:{port}")
