"""Requests and responses as the endpoints see them, free of sockets."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from machines import Payload

TEXT: Final = "text/plain; charset=utf-8"
JSON: Final = "application/json"


@dataclass(frozen=True, slots=True)
class Request:
    """What the client asked for."""

    method: str
    target: str
    """As in the request line: path and query, percent-encoded."""
    headers: Mapping[str, str]
    """By Title-Case name; several headers of one name are one value with commas, but of X-Forwarded-For only the first
    counts: a proxy on the way may add one with the address of the DHCP server, which is not the machine's."""
    local_port: int
    """The port that the request arrived on."""


@dataclass(frozen=True, slots=True)
class Response:
    """What the client gets.

    A body goes with HEAD too: it is not sent then, and its length is.
    """

    endpoint: str
    """Which endpoint answered: a label of metrics, one of few values."""
    status: int
    body: bytes
    content_type: str = TEXT
    headers: tuple[tuple[str, str], ...] = ()
    """Further headers, in Title-Case, none of them empty."""
    payload: Payload | None = None
    """What counts as delivered once the body has been sent."""
