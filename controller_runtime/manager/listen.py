"""Listening sockets from addresses as Go programs write them."""

from __future__ import annotations

import errno
import socket
from collections.abc import Sequence

import structlog
from tornado.netutil import bind_sockets

log = structlog.get_logger(__name__)


class ListenError(OSError):
    """An address cannot be listened on; the message says which and why."""


def bind(address: str, *, purpose: str) -> list[socket.socket]:
    """Listens on `host:port`, or on all interfaces for `:port`. Port 0 takes a free one.

    Args:
        address: as the flags of Go programs take it; an IPv6 host stands in brackets.
        purpose: what listens there and how to move it, for the error message ("the boot server
            (--boot-server-address)").

    Raises:
        ListenError: malformed, taken, not of this machine, or not allowed.
    """
    host, colon, port_text = address.rpartition(":")
    if not colon or not port_text.isdecimal() or int(port_text) > 65535:
        raise ListenError(f"{purpose}: {address!r} is no address to listen on; write host:port or :port")
    try:
        return bind_sockets(int(port_text), host.removeprefix("[").removesuffix("]") or None)
    except OSError as error:
        reason = "the address is already in use" if error.errno == errno.EADDRINUSE else error.strerror or str(error)
        raise ListenError(f"{purpose}: cannot listen on {address}: {reason}") from error


def announce(sockets: Sequence[socket.socket], *, purpose: str) -> None:
    """Logs where something listens, once it does."""
    host, port = sockets[0].getsockname()[:2]
    log.info("listening", purpose=purpose, address=f"[{host}]:{port}" if ":" in host else f"{host}:{port}")
