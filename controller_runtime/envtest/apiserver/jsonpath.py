r"""JSONPath as kubectl and the columns of CustomResourceDefinitions know it (client-go, util/jsonpath).

`compile_path(".spec.ports[0].name")` gives a function from a value to the values found. Understood are fields (`.a`,
`['a']`, with `\.` for a dot in a name), `[0]`, `[-1]`, `[0:2]`, `[*]`, `[0,1]`, `..`, and filters with one comparison
(`[?(@.type=="Ready")]`). Ranges and texts around paths are not.
"""

from __future__ import annotations

import operator
import re
from collections.abc import Callable, Sequence
from typing import Any, Final, TypeAlias

Step: TypeAlias = Callable[[list[Any]], list[Any]]

_FIELD: Final = re.compile(r"(?:\\.|[^\s.,\[\]$@{}\\])+")
_KEY: Final = re.compile(r"'([^']*)'")
_SLICE: Final = re.compile(r"(-?\d*)(:-?\d*)?(:\d*)?")
_COMPARISON: Final = re.compile(r"([^!<>=]+)([!<>=]+)(.+)", re.DOTALL)
_OPERATORS: Final = {
    "==": operator.eq,
    "!=": operator.ne,
    "<": operator.lt,
    ">": operator.gt,
    "<=": operator.le,
    ">=": operator.ge,
}


def compile_path(path: str) -> Callable[[Any], list[Any]]:
    """The function that finds what a path names.

    It raises LookupError or TypeError where a value has not the form that the path needs.

    Raises:
        ValueError: the path cannot be understood.
    """
    steps = _parse(path)

    def find(value: Any) -> list[Any]:
        found = [value]
        for step in steps:
            found = step(found)
        return found

    return find


def _parse(path: str) -> list[Step]:
    steps: list[Step] = []
    position = 0
    while position < len(path):
        if path.startswith("[?(", position):
            step, position = _filter(path, position)
        elif path.startswith("..", position):
            step, position = _recursive, position + 2
            if position < len(path) and (match := _FIELD.match(path, position)):
                steps.append(step)
                step, position = _field(match[0]), match.end()
        elif path[position] == "[":
            step, position = _brackets(path, position)
        elif path[position] == ".":
            match = _FIELD.match(path, position + 1)
            step, position = _field(match[0] if match else ""), match.end() if match else position + 1
        elif path[position] in "@$ ":
            position += 1
            continue
        else:
            raise ValueError(f"unexpected {path[position:]!r} in the path {path!r}")
        steps.append(step)
    return steps


def _field(name: str) -> Step:
    if name == "*":
        return lambda values: [child for value in values if value is not None for child in _children(value)]
    key = name.replace("\\", "")
    return lambda values: [value[key] for value in values if isinstance(value, dict) and key in value]


def _children(value: Any) -> list[Any]:
    if isinstance(value, dict):
        return list(value.values())
    if isinstance(value, str):
        return list(value.encode())  # to Go, a string is made of bytes
    return value if isinstance(value, list) else []


def _recursive(values: list[Any]) -> list[Any]:
    found = []
    for value in values:
        if children := _children(value):
            found += [value, *_recursive(children)]
    return found


def _brackets(path: str, start: int) -> tuple[Step, int]:
    end = path.find("]", start)
    if end < 0:
        raise ValueError(f"unterminated array in the path {path!r}")
    text = path[start + 1 : end]
    if "," in text:
        steps = [_element(part.strip()) for part in text.split(",")]
        return (lambda values: [each for step in steps for each in step(values)]), end + 1
    return _element(text), end + 1


def _element(text: str) -> Step:
    if match := _KEY.fullmatch(text):
        return _chain(_parse(f".{match[1]}"))
    match = _SLICE.fullmatch(":" if text == "*" else text)
    if match is None:
        raise ValueError(f"invalid array index {text}")
    first, last, step = (_number(group) for group in match.groups())
    single = match[2] is None
    return lambda values: [
        each for value in values if value is not None for each in _sliced(value, first, last, step, single)
    ]


def _number(text: str | None) -> int | None:
    digits = (text or "").removeprefix(":")
    return int(digits) if digits not in {"", "-"} else None


def _sliced(value: Any, first: int | None, last: int | None, step: int | None, single: bool) -> Sequence[Any]:
    if not isinstance(value, list):
        raise TypeError("not an array")
    start = (first or 0) + (len(value) if (first or 0) < 0 else 0)
    if single:
        return [value[start]] if start >= 0 else _out_of_bounds(start)
    end = len(value) if last is None else last + (len(value) if last < 0 else 0)
    if start == end:
        return []
    if not 0 <= start < len(value) or not start <= end <= len(value) or step == 0:
        return _out_of_bounds(start)
    return value[start : end : step or 1]


def _out_of_bounds(index: int) -> Sequence[Any]:
    raise IndexError(f"array index out of bounds: index {index}")


def _filter(path: str, start: int) -> tuple[Step, int]:
    """`[?(...)]`, whose end may stand within quotes."""
    position, quote = start + 3, ""
    while position < len(path) and (quote or path[position] != ")"):
        character = path[position]
        if quote and character == quote and path[position - 1] != "\\":
            quote = ""
        elif not quote and character in "\"'":
            quote = character
        position += 1
    if path[position : position + 2] != ")]":
        raise ValueError(f"unterminated filter in the path {path!r}")
    return _condition(path[start + 3 : position]), position + 2


def _condition(text: str) -> Step:
    match = _COMPARISON.fullmatch(text)
    if match is None:
        exists = _chain(_parse(text.strip()))
        return lambda values: [each for value in values for each in _items(value) if exists([each])]
    if match[2] not in _OPERATORS:
        raise ValueError(f"unrecognized filter operator {match[2]}")
    left, compare, right = _operand(match[1].strip()), _OPERATORS[match[2]], _operand(match[3].strip())

    def passes(item: Any) -> bool:
        lefts, rights = left([item]), right([item])
        if not lefts or not rights:
            return False
        if len(lefts) > 1 or len(rights) > 1:
            raise LookupError("can only compare one element at a time")
        return bool(compare(lefts[0], rights[0]))

    return lambda values: [each for value in values for each in _items(value) if passes(each)]


def _items(value: Any) -> list[Any]:
    if not isinstance(value, list):
        raise TypeError("not an array, and cannot be filtered")
    return value


def _operand(text: str) -> Step:
    if text[:1] in {'"', "'"} and text[-1:] == text[:1] and len(text) > 1:
        literal: Any = re.sub(r"\\(.)", r"\1", text[1:-1])
    elif text in {"true", "false"}:
        literal = text == "true"
    elif re.fullmatch(r"[+-]?\d+", text):
        literal = int(text)
    elif re.fullmatch(r"[+-]?\d+\.\d*", text):
        literal = float(text)
    else:
        return _chain(_parse(text))
    return lambda values: [literal for _ in values]


def _chain(steps: Sequence[Step]) -> Step:
    def run(values: list[Any]) -> list[Any]:
        for step in steps:
            values = step(values)
        return values

    return run
