r"""Regular expressions in Go's syntax (RE2), compiled for Python's engine.

They differ in what `$`, `\s`, `\w` and `\b` match, in classes that Python lacks (`\pL`, `[[:alpha:]]`), in flags that
hold from where they stand, and in what is an error (look-arounds, back references, possessive quantifiers). The text
of an error is Go's, for messages about patterns.

Not the same: matching may take exponential time here, and classes by script (`\p{Greek}`) are not known.
"""

from __future__ import annotations

import re
import sys
import unicodedata
from dataclasses import dataclass
from functools import cache, lru_cache
from typing import Final

_LAST: Final = sys.maxunicode
_PERL: Final = {"d": "0-9", "s": r"\t\n\f\r ", "w": "0-9A-Za-z_"}
_PERL_COMPLEMENT: Final = {
    "D": r"\x00-/:-\U0010ffff",
    "S": r"\x00-\x08\x0b\x0e-\x1f!-\U0010ffff",
    "W": r"\x00-/:-@\[-\^`\{-\U0010ffff",
}
# Without the two characters beyond ASCII that are letters of `\w` once case does not matter.
_FOLDED_COMPLEMENT: Final = {**_PERL_COMPLEMENT, "W": r"\x00-/:-@\[-^\`\{-\u017e\u0180-\u2129\u212b-\U0010ffff"}
_POSIX: Final = {
    "alnum": "0-9A-Za-z",
    "alpha": "A-Za-z",
    "ascii": r"\x00-\x7f",
    "blank": r"\t ",
    "cntrl": r"\x00-\x1f\x7f",
    "digit": "0-9",
    "graph": "!-~",
    "lower": "a-z",
    "print": " -~",
    "punct": r"!-/:-@\[-`\{-~",
    "space": r"\t\n\v\f\r ",
    "upper": "A-Z",
    "word": "0-9A-Za-z_",
    "xdigit": "0-9A-Fa-f",
}
_CONTROLS: Final = {"a": 7, "f": 12, "t": 9, "n": 10, "r": 13, "v": 11}
_REPEAT: Final = re.compile(r"\{(\d+)(,?)(\d*)\}")
_REPEAT_LIMIT: Final = 1000
_GROUP_NAME: Final = re.compile(r"\(\?P?<(\w+)>", re.ASCII)
_FLAGS: Final = re.compile(r"\(\?([a-zA-Z]*)(-?)([a-zA-Z]*)([:)])")
_CODES: Final = re.compile(r"x\{([0-9A-Fa-f]+)\}|x([0-9A-Fa-f]{2})|(0[0-7]{0,2}|[1-7][0-7]{1,2})")


class PatternError(ValueError):
    """The pattern is none of RE2; the text is that of Go's regexp/syntax."""

    def __init__(self, what: str, where: str) -> None:
        super().__init__(f"error parsing regexp: {what}: `{where}`")


@lru_cache(1024)
def compile_pattern(pattern: str) -> re.Pattern[str]:
    """A Python pattern whose `search` finds what Go's MatchString finds.

    Raises:
        PatternError: as regexp.Compile.
    """
    translated = _Translation(pattern).run()
    try:
        return re.compile(translated)
    except (re.error, OverflowError, RecursionError) as error:
        raise PatternError(f"not supported here ({error})", pattern) from error


@dataclass(frozen=True, slots=True)
class _Flags:
    """Those of RE2 that are in force at one place: ignore case, multi-line, dot matches all, swap greediness."""

    i: bool = False
    m: bool = False
    s: bool = False
    U: bool = False

    def changed(self, on: str, off: str) -> _Flags:
        values = {name: (getattr(self, name) or name in on) and name not in off for name in "imsU"}
        return _Flags(**values)


class _Translation:
    def __init__(self, pattern: str) -> None:
        self._text = pattern
        self._at = 0
        self._out: list[str] = []
        self._flags = _Flags()
        self._groups: list[tuple[_Flags, int]] = []
        """Of the groups that are open: the flags around them, and where they begin in the output."""
        self._atom = 0
        """Where in the output begins what a quantifier would be about."""
        self._repeatable = False
        """Whether a quantifier may follow."""
        self._quantifier_start = -1
        """Where the quantifier before this place began."""

    def run(self) -> str:
        while self._at < len(self._text):
            self._step(self._text[self._at])
        if self._groups:
            raise PatternError("missing closing )", self._text)
        return "".join(self._out)

    def _step(self, character: str) -> None:
        match character:
            case "*" | "+" | "?" | "{":
                self._quantifier(character)
            case "(":
                self._open()
            case ")":
                self._close()
            case "|":
                self._emit("|", repeatable=False)
            case "[":
                self._class()
            case "\\":
                self._escape()
            case "^":
                self._emit("(?m:^)" if self._flags.m else r"(?:\A)", repeatable=True)
            case "$":
                self._emit("(?m:$)" if self._flags.m else r"(?:\Z)", repeatable=True)
            case ".":
                self._emit(r"[\s\S]" if self._flags.s else r"[^\n]", repeatable=True)
            case _:
                self._literal(character)

    def _emit(self, text: str, *, repeatable: bool, length: int = 1) -> None:
        self._atom = len(self._out)
        self._out.append(text)
        self._at += length
        self._repeatable = repeatable
        self._quantifier_start = -1

    def _cased(self, text: str) -> str:
        return f"(?i:{text})" if self._flags.i else text

    def _literal(self, character: str, length: int = 1) -> None:
        self._emit(self._cased(re.escape(character)), repeatable=True, length=length)

    def _quantifier(self, character: str) -> None:
        start = self._at
        if character == "{":
            found = _REPEAT.match(self._text, start)
            if found is None:
                self._literal(character)
                return
            operator = found.group()
            self._check_repeat(found)
        else:
            operator = character
        lazy = self._text.startswith("?", start + len(operator))
        end = start + len(operator) + lazy
        if self._quantifier_start >= 0:
            raise PatternError("invalid nested repetition operator", self._text[self._quantifier_start : end])
        if not self._repeatable:
            raise PatternError("missing argument to repetition operator", self._text[start:end])
        self._out.append(operator + ("?" if lazy != self._flags.U else ""))
        self._at = end
        self._quantifier_start = start

    @staticmethod
    def _check_repeat(found: re.Match[str]) -> None:
        low, comma, high = found.groups()
        counts = [int(each) for each in (low, high) if each]
        if max(counts) > _REPEAT_LIMIT or (comma and high and counts[0] > counts[1]):
            raise PatternError("invalid repeat count", found.group())

    def _open(self) -> None:
        if not self._text.startswith("(?", self._at):
            self._enter("(", 1)
        elif (found := _GROUP_NAME.match(self._text, self._at)) is not None:
            self._enter("(", len(found.group()))
        elif self._text.startswith(("(?P<", "(?<"), self._at) and self._text[self._at + 3 : self._at + 4] not in "=!":
            end = self._text.find(">", self._at)
            raise PatternError("invalid named capture", self._text[self._at : end + 1 if end > 0 else None])
        else:
            self._set_flags()

    def _enter(self, text: str, length: int) -> None:
        self._groups.append((self._flags, len(self._out)))
        self._emit(text, repeatable=False, length=length)

    def _set_flags(self) -> None:
        found = _FLAGS.match(self._text, self._at)
        if found is None or not set(found.group(1) + found.group(3)) <= set("imsU") or (found[2] and not found[3]):
            # RE2 stops at the first character that cannot go on.
            wrong = re.compile(r"\(\?[imsU-]*").match(self._text, self._at)
            end = (wrong.end() if wrong else self._at) + 1
            raise PatternError("invalid or unsupported Perl syntax", self._text[self._at : end])
        flags = self._flags.changed(found.group(1), found.group(3))
        if found.group(4) == ":":
            self._enter("(?:", len(found.group()))
        else:
            # A quantifier behind the flags is about what stands before them, even if that has one already.
            if self._quantifier_start >= 0:
                self._out[self._atom] = f"(?:{self._out[self._atom]}"
                self._out.append(")")
            self._at += len(found.group())
            self._quantifier_start = -1
        self._flags = flags

    def _close(self) -> None:
        if not self._groups:
            raise PatternError("unexpected )", self._text)
        self._flags, start = self._groups.pop()
        self._emit(")", repeatable=True)
        self._atom = start

    def _escape(self) -> None:
        rest = self._text[self._at + 1 :]
        if not rest:
            raise PatternError("trailing backslash at end of expression", "")
        match rest[0]:
            case "A":
                self._emit(r"(?:\A)", repeatable=True, length=2)
            case "z":
                self._emit(r"(?:\Z)", repeatable=True, length=2)
            case "b":
                self._emit(r"(?a:\b)", repeatable=True, length=2)
            case "B":
                # Python's \B does not match in the empty string.
                self._emit(r"(?:(?!(?a:\b)))", repeatable=True, length=2)
            case "Q":
                self._quote(rest[1:])
            case "D" | "S" | "W":
                self._emit(f"[{self._complements()[rest[0]]}]", repeatable=True, length=2)
            case _ if (ranges := self._named_class(self._at)) is not None:
                self._emit(self._cased(f"[{ranges[0]}]"), repeatable=True, length=ranges[1])
            case _:
                code, length = self._character_code(self._at)
                self._literal(chr(code), length)

    def _quote(self, rest: str) -> None:
        literal, end, _ = rest.partition(r"\E")
        self._at += 2
        for character in literal:
            self._literal(character)
        self._at += len(end)

    def _complements(self) -> dict[str, str]:
        return _FOLDED_COMPLEMENT if self._flags.i else _PERL_COMPLEMENT

    def _named_class(self, at: int) -> tuple[str, int] | None:
        r"""Ranges of `\d`, `\pL`, ... at a place, and how long that is."""
        letter = self._text[at + 1 : at + 2]
        if letter in _PERL:
            return _PERL[letter], 2
        if letter not in {"p", "P"}:
            return None
        return self._unicode_class(at, negated=letter == "P")

    def _unicode_class(self, at: int, *, negated: bool) -> tuple[str, int]:
        name = self._text[at + 2 : at + 3]
        length = 3
        if name == "{":
            end = self._text.find("}", at)
            if end < 0:
                raise PatternError("invalid character class range", self._text[at:])
            name, length = self._text[at + 3 : end], end + 1 - at
        if name.startswith("^"):
            name, negated = name[1:], not negated
        ranges = _category_ranges(name)
        if ranges is None:
            raise PatternError("invalid character class range", self._text[at : at + length])
        return _shown_ranges(_complement(ranges) if negated else ranges), length

    def _character_code(self, at: int) -> tuple[int, int]:
        """The character that an escape stands for, and how long the escape is."""
        escaped = self._text[at + 1 : at + 2]
        if (found := _CODES.match(self._text, at + 1)) is not None:
            long, short, octal = found.groups()
            code = int(octal, 8) if octal else int(long or short, 16)
            if code <= _LAST:
                return code, len(found.group()) + 1
        elif escaped in _CONTROLS:
            return _CONTROLS[escaped], 2
        elif escaped and ord(escaped) < 0x80 and not (escaped.isalnum()):
            return ord(escaped), 2
        raise PatternError("invalid escape sequence", self._text[at : at + 2])

    def _class(self) -> None:
        start = self._at
        at = start + 1
        negated = self._text.startswith("^", at)
        at += negated
        members: list[str] = []
        complements: list[str] = []
        first = True
        while first or not self._text.startswith("]", at):
            if at >= len(self._text):
                raise PatternError("missing closing ]", self._text[start:])
            if self._text[at] == "\\" and (ranges := self._complements().get(self._text[at + 1 : at + 2])):
                complements.append(ranges)
                at += 2
            else:
                member, at = self._class_member(at)
                members.append(member)
            first = False
        text = self._class_text("".join(members), "".join(complements), negated=negated)
        self._emit(text, repeatable=True, length=at + 1 - start)

    def _class_text(self, members: str, complements: str, *, negated: bool) -> str:
        """A class, of whose members all but the complements are taken in either case if case does not matter."""
        if not (self._flags.i and complements):
            return self._cased(f"[{'^' if negated else ''}{members}{complements}]")
        either = f"(?i:[{members}])|[{complements}]" if members else f"[{complements}]"
        return f"(?:(?!{either})[\\s\\S])" if negated else f"(?:{either})"

    def _class_member(self, at: int) -> tuple[str, int]:
        if self._text.startswith("[:", at) and (end := self._text.find(":]", at + 2)) > 0:
            return self._posix(self._text[at + 2 : end], self._text[at : end + 2]), end + 2
        if self._text[at] == "\\" and (named := self._named_class(at)) is not None:
            return named[0], at + named[1]
        low, end = self._class_character(at)
        if self._text.startswith("-", end) and self._text[end + 1 : end + 2] not in {"]", ""}:
            high, end = self._class_character(end + 1)
            if high < low:
                raise PatternError("invalid character class range", self._text[at:end])
            return f"{_in_class(low)}-{_in_class(high)}", end
        return _in_class(low), end

    def _class_character(self, at: int) -> tuple[int, int]:
        if self._text[at] == "\\":
            if at + 1 >= len(self._text):
                raise PatternError("trailing backslash at end of expression", "")
            code, length = self._character_code(at)
            return code, at + length
        return ord(self._text[at]), at + 1

    @staticmethod
    def _posix(name: str, whole: str) -> str:
        if (ranges := _POSIX.get(name)) is not None:
            return ranges
        if (ranges := _POSIX.get(name.removeprefix("^"))) is None:
            raise PatternError("invalid character class range", whole)
        listed = re.compile(f"[{ranges}]")
        return _shown_ranges(_complement(_runs([code for code in range(0x80) if listed.match(chr(code))])))


def _in_class(code: int) -> str:
    return re.escape(chr(code)) if 0x20 < code < 0x7F else f"\\U{code:08x}"


def _shown_ranges(ranges: tuple[tuple[int, int], ...]) -> str:
    return "".join(f"{_in_class(low)}-{_in_class(high)}" for low, high in ranges)


def _complement(ranges: tuple[tuple[int, int], ...]) -> tuple[tuple[int, int], ...]:
    edges = [-1, *(edge for pair in ranges for edge in pair), _LAST + 1]
    pairs = zip(edges[::2], edges[1::2], strict=True)
    return tuple((low + 1, high - 1) for low, high in pairs if low + 1 <= high - 1)


def _runs(codes: list[int]) -> tuple[tuple[int, int], ...]:
    runs: list[list[int]] = []
    for code in codes:
        if runs and runs[-1][1] == code - 1:
            runs[-1][1] = code
        else:
            runs.append([code, code])
    return tuple((low, high) for low, high in runs)


@cache
def _category_ranges(name: str) -> tuple[tuple[int, int], ...] | None:
    """Characters whose general category begins with the name; None if there is no such category."""
    if name == "Any":
        return ((0, _LAST),)
    codes = [code for code in range(_LAST + 1) if unicodedata.category(chr(code)).startswith(name)] if name else []
    return _runs(codes) or None
