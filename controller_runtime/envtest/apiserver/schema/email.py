"""Addresses as Go's mail.ParseAddress takes them: `local@domain`, `Name <local@domain>`, with comments."""

from __future__ import annotations

import re
from typing import Final

from controller_runtime.envtest.apiserver.schema.addresses import is_ip

# RFC 5322, with the characters of RFC 6532 (everything beyond ASCII).
_TEXT: Final = r"[^\x00-\x20\x7f()<>\[\]:;@\\,\".]"
_ATOM: Final = rf"{_TEXT}+(?:\.{_TEXT}+)*"
_QUOTED: Final = r'"((?:[^\x00-\x08\x0a-\x1f\x7f"\\]|\\[^\x00-\x08\x0a-\x1f\x7f])*)"'
_DOMAIN: Final = re.compile(rf"[ \t]*(?:\[([^\x00-\x20\x7f\[\]\\]*)\]|{_ATOM})")
_LOCAL: Final = re.compile(rf"[ \t]*(?:{_QUOTED}|{_ATOM})@")
_WORD: Final = re.compile(rf"[ \t]*(?:{_QUOTED}|(?:{_TEXT}|\.)+)")
_SPACE: Final = re.compile(r"[ \t]*")


def is_email(text: str) -> bool:
    """The format `email`."""
    end = _address(text, 0)
    if end is None:
        end = _named(text)
    end = None if end is None else _comments(text, end)
    return end == len(text)


def _address(text: str, start: int) -> int | None:
    """Where the address that begins here ends."""
    local = _LOCAL.match(text, start)
    if local is None or local[1] == "":
        return None
    domain = _DOMAIN.match(text, local.end())
    if domain is None or text.startswith(".", domain.end()):
        return None
    if domain[1] is not None and not is_ip(domain[1]):
        return None
    return domain.end()


def _named(text: str) -> int | None:
    """Where `Name <address>` ends."""
    at, words = 0, 0
    while (word := _WORD.match(text, at)) is not None:
        end = _comments(text, word.end())
        if end is None:
            return None
        at, words = end, words + 1
    at = _SPACE.match(text, at).end()  # type: ignore[union-attr] # it matches the empty string
    if not text.startswith("<", at):
        return None
    end = _address(text, at + 1)
    return end + 1 if end is not None and text.startswith(">", end) else None


def _comments(text: str, at: int) -> int | None:
    """Where the spaces and comments that begin here end; None if a comment does not end."""
    while True:
        at = _SPACE.match(text, at).end()  # type: ignore[union-attr] # it matches the empty string
        if not text.startswith("(", at):
            return at
        depth = 0
        while True:
            if at >= len(text):
                return None
            character = text[at]
            depth += {"(": 1, ")": -1}.get(character, 0)
            at += 2 if character == "\\" and at + 1 < len(text) else 1
            if depth == 0:
                break
