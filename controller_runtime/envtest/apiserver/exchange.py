"""Requests and responses without sockets: what the dispatcher takes and gives."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, TypeAlias
from urllib.parse import parse_qs

import msgspec

from controller_runtime.envtest.apiserver.errors import PageNotFoundError, StatusError, bad_request

JSON: Final = "application/json"
YAML: Final = "application/yaml"
TEXT: Final = "text/plain; charset=utf-8"
MAX_BODY_BYTES: Final = 3 << 20
"""What a request may bring, as at the real server."""

_FALSE: Final = frozenset({"0", "f", "F", "false", "FALSE", "False"})


@dataclass(frozen=True, slots=True)
class User:
    """Who asks."""

    name: str
    groups: tuple[str, ...] = ()
    uid: str = ""
    extra: Mapping[str, Sequence[str]] = field(default_factory=dict)


ANONYMOUS: Final = User("system:anonymous", ("system:unauthenticated",))


class Query:
    """The parameters of a request."""

    def __init__(self, text: str) -> None:
        self._values: dict[str, list[str]] = parse_qs(text, keep_blank_values=True) if text else {}

    def __contains__(self, name: str) -> bool:
        return name in self._values

    def text(self, name: str) -> str:
        """The first value; empty where there is none."""
        values = self._values.get(name)
        return values[0] if values else ""

    def texts(self, name: str) -> list[str]:
        """All values."""
        return self._values.get(name, [])

    def put(self, name: str, text: str) -> None:
        """Sets a parameter, in place of what the client sent."""
        self._values[name] = [text]

    def flag(self, name: str) -> bool:
        """A boolean; false where there is none. As in the real server every text but the false ones is true."""
        values = self._values.get(name)
        return values is not None and values[0] not in _FALSE

    def number(self, name: str) -> int | None:
        """An integer; None where there is none.

        Raises:
            StatusError: 400, it is none.
        """
        text = self.text(name)
        if not text:
            return None
        try:
            return int(text)
        except ValueError:
            raise bad_request(f'strconv.ParseInt: parsing "{text}": invalid syntax') from None


@dataclass(slots=True)
class Request:
    """One request."""

    method: str
    path: str
    """Decoded, without the query."""
    query: Query
    headers: Mapping[str, str]
    """By lower-case names."""
    body: bytes = b""
    user: User = ANONYMOUS
    warnings: list[str] = field(default_factory=list)
    """What the answer's Warning headers will say."""

    def warn(self, text: str) -> None:
        """Adds a warning, once."""
        if text not in self.warnings:
            self.warnings.append(text)

    @property
    def accept(self) -> str:
        """The Accept header; empty where there is none."""
        return self.headers.get("accept", "")

    @property
    def media_type(self) -> str:
        """Of the body, without parameters; empty where the client names none."""
        return self.headers.get("content-type", "").partition(";")[0].strip().lower()

    @property
    def user_agent_name(self) -> str:
        """The program's name in User-Agent: the field manager of whoever names none."""
        return self.headers.get("user-agent", "").partition("/")[0][:128] or "unknown"


@dataclass(slots=True)
class Response:
    """A complete answer."""

    status: int
    body: bytes
    content_type: str = JSON
    """Empty for an answer without a body."""
    headers: tuple[tuple[str, str], ...] = ()
    error: StatusError | None = None
    """What went wrong, if that is the answer."""


@dataclass(slots=True)
class StreamResponse:
    """An answer whose body comes piece by piece; leaving the iterator ends it."""

    status: int
    chunks: AsyncGenerator[bytes, None]
    content_type: str = JSON


Answer: TypeAlias = Response | StreamResponse


def json_response(value: Any, status: int = 200) -> Response:
    """The value as JSON."""
    return Response(status, msgspec.json.encode(value) + b"\n")


def text_response(text: str, status: int = 200) -> Response:
    """Text that no browser is to take for anything else."""
    return Response(status, text.encode(), TEXT, (("X-Content-Type-Options", "nosniff"),))


def error_response(error: StatusError) -> Response:
    """The Status of an error."""
    if isinstance(error, PageNotFoundError):
        return text_response(f"{error.message}\n", error.code)
    headers = (("Retry-After", str(error.retry_after)),) if error.retry_after is not None else ()
    return Response(error.code, msgspec.json.encode(error.status()) + b"\n", JSON, headers, error)
