"""Label and field selectors: the grammar, the error texts and the meaning of the API server's."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Final, Literal, TypeAlias

_BINARY_OPERATORS: Final = "in, notin, =, ==, !=, gt, lt"
_SPECIAL: Final = "=!(),<>"
_WORD = re.compile(r"\s*(==|!=|[=!(),<>]|[^=!(),<>\s]+)")
_NAME = re.compile(r"([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]")
_DNS_SUBDOMAIN = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*")
_NAME_TEXT = (
    "name part must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric "
    "character (e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for validation is "
    "'([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]')"
)
_VALUE_TEXT = (
    "a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.', and must start and "
    "end with an alphanumeric character (e.g. 'MyValue',  or 'my_value',  or '12345', regex used for validation is "
    "'(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?')"
)
_PREFIX_TEXT = (
    "prefix part a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and "
    "must start and end with an alphanumeric character (e.g. 'example.com', regex used for validation is "
    "'[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')"
)

Operator: TypeAlias = Literal["=", "==", "!=", "in", "notin", "exists", "!", ">", "<"]


class SelectorError(ValueError):
    """A selector cannot be understood; the text is the API server's."""


@dataclass(frozen=True, slots=True)
class LabelRequirement:
    """One term of a label selector."""

    key: str
    operator: Operator
    values: frozenset[str]

    def matches(self, labels: Mapping[str, str]) -> bool:
        """Whether labels meet it."""
        value = labels.get(self.key)
        match self.operator:
            case "=" | "==" | "in":
                return value is not None and value in self.values
            case "!=" | "notin":
                return value is None or value not in self.values
            case "exists":
                return value is not None
            case "!":
                return value is None
        return self._compares(value)

    def _compares(self, value: str | None) -> bool:
        try:
            number, limit = int(value or ""), int(next(iter(self.values)))
        except ValueError:
            return False
        return number > limit if self.operator == ">" else number < limit


class LabelSelector(tuple[LabelRequirement, ...]):
    """All terms have to be met; none is met by everything."""

    __slots__ = ()

    def matches(self, labels: Mapping[str, str]) -> bool:
        """Whether labels meet all terms."""
        return all(requirement.matches(labels) for requirement in self)


def parse_labels(text: str) -> LabelSelector:
    """Reads `a=b,c!=d,e in (f,g),h notin (i),j,!k,l>1`.

    Raises:
        SelectorError: the text is malformed.
    """
    return LabelSelector(_LabelParser(text).requirements())


class _LabelParser:
    def __init__(self, text: str) -> None:
        self._words = [found[1] for found in _WORD.finditer(text)]
        self._position = 0

    def requirements(self) -> Iterator[LabelRequirement]:
        while True:
            word = self._peek()
            if not word:
                return
            if word != "!" and not _is_identifier(word):
                raise SelectorError(f"found '{word}', expected: !, identifier, or 'end of string'")
            try:
                yield self._requirement()
            except SelectorError as error:
                raise SelectorError(f"unable to parse requirement: {error}") from None
            word = self._next()
            if not word:
                return
            if word != ",":
                raise SelectorError(f"found '{word}', expected: ',' or 'end of string'")
            word = self._peek()
            if word != "!" and not _is_identifier(word):
                raise SelectorError(f"found '{word}', expected: identifier after ','")

    def _peek(self) -> str:
        return self._words[self._position] if self._position < len(self._words) else ""

    def _next(self) -> str:
        word = self._peek()
        self._position += 1
        return word

    def _requirement(self) -> LabelRequirement:
        word, operator = self._next(), "exists"
        if word == "!":
            word, operator = self._next(), "!"
        if not _is_identifier(word):
            raise SelectorError(f"found '{word}', expected: identifier")
        _check_key(word)
        if operator == "!" or self._peek() in ("", ","):
            return LabelRequirement(word, "!" if operator == "!" else "exists", frozenset())
        return self._binary(word)

    def _binary(self, key: str) -> LabelRequirement:
        operator = self._next()
        match operator:
            case "in" | "notin":
                values = self._values()
            case "=" | "==" | "!=" | ">" | "<":
                values = {self._exact_value()}
            case _:
                raise SelectorError(f"found '{operator}', expected: {_BINARY_OPERATORS}")
        for value in sorted(values):
            _check_value(key, value)
        if operator in (">", "<"):
            _check_integer(next(iter(values)))
        return LabelRequirement(key, operator, frozenset(values))

    def _exact_value(self) -> str:
        word = self._peek()
        if word in ("", ","):
            return ""
        self._next()
        if not _is_identifier(word):
            raise SelectorError(f"found '{word}', expected: identifier")
        return word

    def _values(self) -> set[str]:
        word = self._next()
        if word != "(":
            raise SelectorError(f"found '{word}' expected: '('")
        values: set[str] = set()
        word = self._next()
        while word != ")":
            if _is_identifier(word):
                values.add(word)
                following = self._peek()
                if following not in (",", ")"):
                    raise SelectorError(f"found '{following}', expected: ',' or ')'")
            elif word == ",":
                if not values or self._peek() in (")", ","):
                    values.add("")
            else:
                raise SelectorError(f"found '{word}', expected: ',', or identifier")
            word = self._next()
        return values or {""}


def _is_identifier(word: str) -> bool:
    return bool(word) and word[0] not in _SPECIAL


def _check_key(key: str) -> None:
    prefix, slash, name = key.rpartition("/")
    texts = []
    if slash and "/" in prefix:
        text = (
            "a qualified name must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an "
            "alphanumeric character (e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for validation is "
            "'([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]') with an optional DNS subdomain prefix and '/' (e.g. "
            "'example.com/MyName')"
        )
        texts = [text]
    else:
        if slash and not prefix:
            texts.append("prefix part must be non-empty")
        elif slash and not _DNS_SUBDOMAIN.fullmatch(prefix):
            texts.append(_PREFIX_TEXT)
        if not name:
            texts.append("name part must be non-empty")
        elif len(name) > 63:
            texts.append("name part must be no more than 63 bytes")
        if not _NAME.fullmatch(name):
            texts.append(_NAME_TEXT)
    if texts:
        raise SelectorError(f'<nil>: Invalid value: "{key}": {"; ".join(texts)}')


def _check_value(key: str, value: str) -> None:
    texts = []
    if len(value) > 63:
        texts.append("must be no more than 63 bytes")
    if value and not _NAME.fullmatch(value):
        texts.append(_VALUE_TEXT)
    if texts:
        raise SelectorError(f'values[0][{key}]: Invalid value: "{value}": {"; ".join(texts)}')


def _check_integer(value: str) -> None:
    try:
        int(value)
    except ValueError:
        raise SelectorError(
            f"values[0]: Invalid value: \"{value}\": for 'Gt', 'Lt' operators, the value must be an integer"
        ) from None


@dataclass(frozen=True, slots=True)
class FieldRequirement:
    """One term of a field selector."""

    field: str
    value: str
    negated: bool


class FieldSelector(tuple[FieldRequirement, ...]):
    """All terms have to be met; none is met by everything."""

    __slots__ = ()

    def matches(self, fields: Callable[[], Mapping[str, str]]) -> bool:
        """Whether an object meets all terms; its fields are asked for only if there are any."""
        if not self:
            return True
        values = fields()
        return all((values.get(term.field, "") == term.value) != term.negated for term in self)

    def exact(self, field: str) -> str | None:
        """The value that a term demands of the field."""
        return next((term.value for term in self if term.field == field and not term.negated), None)


def parse_fields(text: str) -> FieldSelector:
    r"""Reads `metadata.name=a,status.phase!=b`; `\`, `,` and `=` in values are escaped by a backslash.

    Raises:
        SelectorError: the text is malformed.
    """
    return FieldSelector(_field_term(text, part) for part in sorted(_split(text)) if part)


def _split(text: str) -> list[str]:
    parts, start, escaped = [], 0, False
    for position, character in enumerate(text):
        if escaped:
            escaped = False
        elif character == "\\":
            escaped = True
        elif character == ",":
            parts.append(text[start:position])
            start = position + 1
    return [*parts, text[start:]]


def _field_term(text: str, part: str) -> FieldRequirement:
    found = re.search(r"!=|==|=", part)
    if found is None:
        raise SelectorError(f"invalid selector: '{text}'; can't understand '{part}'")
    return FieldRequirement(part[: found.start()], _unescaped(part[found.end() :]), found[0] == "!=")


def _unescaped(value: str) -> str:
    def replacement(found: re.Match[str]) -> str:
        sequence = found[0]
        if len(sequence) == 1 or sequence[1] not in "\\,=":
            what = "unescaped character" if sequence[0] in ",=" else "invalid field selector: invalid escape sequence"
            if sequence[0] in ",=":
                raise SelectorError(f"invalid field selector: {what} in value: {sequence}")
            raise SelectorError(f"{what}: {sequence}")
        return sequence[1]

    return re.sub(r"\\.?|[,=]", replacement, value, flags=re.DOTALL)
