"""Where a text stops being JSON, in the words of Go's encoding/json.

Only texts that another parser has refused come here, so nothing is built and nothing need be fast. It does not recurse.
"""

from __future__ import annotations

import re
from typing import Final

from controller_runtime.envtest.apiserver.validation.fields import quoted

MAX_DEPTH: Final = 10_000
"""Levels that Go's decoder goes down."""

_SPACE: Final = re.compile(rb"[ \t\r\n]*")
_STRING: Final = re.compile(rb'"(?:[^"\\\x00-\x1f]|\\["\\/bfnrt]|\\u[0-9a-fA-F]{4})*"')
_STRING_START: Final = re.compile(rb'"(?:[^"\\\x00-\x1f]|\\["\\/bfnrt]|\\u[0-9a-fA-F]{4})*')
_NUMBER: Final = re.compile(rb"-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?")
_LITERALS: Final = {b"t": b"true", b"f": b"false", b"n": b"null"}
_END: Final = "unexpected end of JSON input"


class _StopError(Exception):
    """The text of the syntax error."""


def syntax_error(text: bytes) -> str | None:
    """What is wrong with the text, None if it is JSON."""
    try:
        _Scanner(text).run()
    except _StopError as error:
        return str(error)
    return None


class _Scanner:
    def __init__(self, text: bytes) -> None:
        self._text = text
        self._at = 0
        self._open: list[int] = []
        """The brackets that are open."""

    def run(self) -> None:
        while True:
            self._value()
            if not self._after_value():
                return

    def _fail(self, context: str) -> _StopError:
        """An error at this place; a text that ends where a space may stand is merely incomplete."""
        if self._at >= len(self._text):
            return _StopError(_END)
        return self._fail_inside(context)

    def _fail_inside(self, context: str) -> _StopError:
        """An error inside something that a space, as which Go's scanner sees the end of the text, cannot go on."""
        if self._at >= len(self._text):
            return _StopError(f"invalid character ' ' {context}")
        return _StopError(f"invalid character {_shown(self._text[self._at])} {context}")

    def _next(self) -> int:
        """The next character that is no space, 0 at the end."""
        self._at = _SPACE.match(self._text, self._at).end()  # type: ignore[union-attr] # it matches the empty string
        return self._text[self._at] if self._at < len(self._text) else 0

    def _value(self) -> None:
        """A scalar, or all brackets up to one."""
        while True:
            character = self._next()
            if character not in b"{[" or not character:
                self._scalar(character)
                return
            self._open.append(character)
            if len(self._open) > MAX_DEPTH:
                raise self._fail("exceeded max depth")
            self._at += 1
            if self._next() == character + 2:
                return
            if character == ord("{"):
                self._key()

    def _after_value(self) -> bool:
        """Closes what ends here; whether another value follows."""
        while self._open:
            character, opened = self._next(), self._open[-1]
            if character == opened + 2:
                self._open.pop()
                self._at += 1
            elif character == ord(","):
                self._at += 1
                if opened == ord("{"):
                    self._key()
                return True
            else:
                raise self._fail("after array element" if opened == ord("[") else "after object key:value pair")
        if self._next() or self._at < len(self._text):
            raise self._fail("after top-level value")
        return False

    def _key(self) -> None:
        if self._next() != ord('"'):
            raise self._fail("looking for beginning of object key string")
        self._string()
        if self._next() != ord(":"):
            raise self._fail("after object key")
        self._at += 1

    def _scalar(self, character: int) -> None:
        start = bytes([character])
        if start == b'"':
            self._string()
        elif start == b"-" or start.isdigit():
            self._number()
        elif start in _LITERALS:
            self._literal(_LITERALS[start])
        else:
            raise self._fail("looking for beginning of value")

    def _string(self) -> None:
        if (found := _STRING.match(self._text, self._at)) is not None:
            self._at = found.end()
            return
        self._at = _STRING_START.match(self._text, self._at).end()  # type: ignore[union-attr] # it begins with a quote
        if self._text[self._at : self._at + 1] != b"\\":
            raise self._fail("in string literal")
        self._at += 1
        if self._text[self._at : self._at + 1] != b"u":
            raise self._fail_inside("in string escape code")
        self._at += 1
        while self._text[self._at : self._at + 1] in {bytes([digit]) for digit in b"0123456789abcdefABCDEF"}:
            self._at += 1
        raise self._fail_inside(r"in \u hexadecimal character escape")

    def _number(self) -> None:
        found = _NUMBER.match(self._text, self._at)
        if found is None:
            self._at += 1
            raise self._fail_inside("in numeric literal")
        self._at = found.end()
        rest = self._text[self._at : self._at + 2]
        number = found.group()
        if rest[:1] == b"." and not set(number) & set(b".eE"):
            self._at += 1
            raise self._fail_inside("after decimal point in numeric literal")
        if rest[:1] in {b"e", b"E"} and not set(number) & set(b"eE"):
            self._at += 2 if rest[1:] in {b"+", b"-"} else 1
            raise self._fail_inside("in exponent of numeric literal")

    def _literal(self, literal: bytes) -> None:
        for expected in literal:
            if self._text[self._at : self._at + 1] != bytes([expected]):
                raise self._fail_inside(f"in literal {literal.decode()} (expecting {_shown(expected)})")
            self._at += 1


def _shown(character: int) -> str:
    """A byte as Go shows it: as the character of that number."""
    if character == ord("'"):
        return r"'\''"
    return "'\"'" if character == ord('"') else f"'{quoted(chr(character))[1:-1]}'"
