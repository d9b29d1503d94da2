"""YAML as the API server reads it: what its library (a fork of go-yaml v2) makes of a text, as JSON values.

Errors carry that library's text. Aliases are expanded, within limits; only the first document counts.
"""

from __future__ import annotations

import base64
import math
import re
import struct
from typing import Any, Final

import yaml

from controller_runtime.envtest.apiserver.schema.go_text import plain
from controller_runtime.envtest.apiserver.validation.fields import quoted

_TRUE: Final = frozenset({"y", "Y", "yes", "Yes", "YES", "true", "True", "TRUE", "on", "On", "ON"})
_FALSE: Final = frozenset({"n", "N", "no", "No", "NO", "false", "False", "FALSE", "off", "Off", "OFF"})
_NULL: Final = frozenset({"", "~", "null", "Null", "NULL"})
_SPECIAL: Final = {
    **dict.fromkeys((".nan", ".NaN", ".NAN"), math.nan),
    **dict.fromkeys((".inf", ".Inf", ".INF", "+.inf", "+.Inf", "+.INF"), math.inf),
    **dict.fromkeys(("-.inf", "-.Inf", "-.INF"), -math.inf),
}
_FLOAT: Final = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?")
_DECIMAL: Final = re.compile(r"[-+]?(0|[1-9][0-9]*)")
_BASED: Final = re.compile(r"([-+]?)(0b[01]+|0x[0-9a-fA-F]+|0o?[0-7]+)")
_BASES: Final = {"b": 2, "x": 16}
_TAGS: Final = "tag:yaml.org,2002:"
_PLAIN: Final = "plain"
_QUOTED: Final = "quoted"
_ALIAS: Final = re.compile(r"\*([0-9A-Za-z_-]+)")
_ANCHOR: Final = re.compile(r"&([0-9A-Za-z_-]+)")
_NODES_FROM_ALIASES: Final = 400_000
_ALIASED_SHARE: Final = 10
"""Nodes that aliases repeat may be this many times those that are written, beyond `_NODES_FROM_ALIASES`."""
_MAX_DEPTH: Final = 256
_TOO_DEEP: Final = f"yaml: exceeded max depth of {_MAX_DEPTH}"
_SAFELY_FEW: Final = 2000
"""Characters that open something, of which fewer cannot make the parser's recursion overflow the stack."""


class YamlError(ValueError):
    """The text is no YAML, or has no form in JSON."""


class _Loader(getattr(yaml, "CSafeLoader", yaml.SafeLoader)):  # type: ignore[misc] # libyaml's if it is there
    """Leaves scalars as they are written: go-yaml's rules for them are not PyYAML's."""

    def resolve(self, kind: type[yaml.Node], value: Any, implicit: Any) -> str:
        """The tag of a node that has none."""
        if kind is yaml.ScalarNode:
            return _PLAIN if implicit[0] else _QUOTED
        tag: str = super().resolve(kind, value, implicit)
        return tag


def read_yaml(body: bytes) -> tuple[Any, list[str]]:
    """The first document as JSON values, and what strict reading objects to.

    Raises:
        YamlError: with the text of go-yaml's error.
    """
    text = body.decode("utf-8", "replace")
    try:
        if sum(map(body.count, (b"[", b"{", b"-", b"?"))) > _SAFELY_FEW:
            _check_depth(text)
        loader = _Loader(text)
        try:
            node = loader.get_node() if loader.check_node() else None
        finally:
            loader.dispose()
    except yaml.MarkedYAMLError as error:
        raise YamlError(f"yaml: {_message(error, text)}") from error
    except yaml.YAMLError as error:
        raise YamlError(f"yaml: {getattr(error, 'reason', error)}") from error
    reading = _Reading(text)
    value = None if node is None else reading.value(node, ())
    return value, reading.objections


def _check_depth(text: str) -> None:
    """Go through the text without recursion, before it is gone through with it."""
    depth = 0
    for event in yaml.parse(text, Loader=_Loader):
        if isinstance(event, yaml.CollectionStartEvent):
            depth += 1
        elif isinstance(event, yaml.CollectionEndEvent):
            depth -= 1
        elif isinstance(event, yaml.DocumentEndEvent):
            return
        if depth > _MAX_DEPTH:
            raise YamlError(_TOO_DEEP)


def _message(error: yaml.MarkedYAMLError, text: str) -> str:
    """Problem and line; go-yaml counts lines from 0 and adds one for errors of the scanner alone."""
    problem = error.problem or "unknown problem parsing YAML content"
    if problem.startswith("found undefined alias"):
        return f"unknown anchor '{_name_at(error.problem_mark, text, _ALIAS)}' referenced"
    if error.problem_mark is not None and error.problem_mark.line:
        line = error.problem_mark.line + isinstance(error, yaml.scanner.ScannerError)
        return f"line {line}: {problem}"
    if error.context_mark is not None and error.context_mark.line:
        return f"line {error.context_mark.line}: {problem}"
    return problem


def _name_at(mark: Any, text: str, pattern: re.Pattern[str]) -> str:
    """The name of the anchor or alias at a mark."""
    lines = text.split("\n")
    found = pattern.search(lines[mark.line], mark.column) if mark is not None and mark.line < len(lines) else None
    return found[1] if found else ""


class _Reading:
    """Turns nodes into values."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._duplicates: list[str] = []
        self._seen: set[int] = set()
        self._written = 0
        self._repeated = 0

    @property
    def objections(self) -> list[str]:
        if not self._duplicates:
            return []
        return ["\n  ".join(["yaml: unmarshal errors:", *self._duplicates])]

    def value(self, node: yaml.Node, within: tuple[yaml.Node, ...]) -> Any:
        self._count(node)
        if any(node is outer for outer in within):
            name = _name_at(node.start_mark, self._text, _ANCHOR)
            raise YamlError(f"yaml: anchor '{name}' value contains itself")
        if len(within) > _MAX_DEPTH:
            raise YamlError(_TOO_DEEP)
        if isinstance(node, yaml.MappingNode):
            return self._mapping(node, (*within, node))
        if isinstance(node, yaml.SequenceNode):
            return [self.value(item, (*within, node)) for item in node.value]
        return _json_number(_scalar(node))  # type: ignore[arg-type] # the one kind that is left

    def _count(self, node: yaml.Node) -> None:
        if id(node) not in self._seen:
            self._seen.add(id(node))
            self._written += 1
            return
        self._repeated += 1
        if self._repeated > _NODES_FROM_ALIASES + _ALIASED_SHARE * self._written:
            raise YamlError("yaml: document contains excessive aliasing")

    def _mapping(self, node: yaml.MappingNode, within: tuple[yaml.Node, ...]) -> dict[str, Any]:
        merged: dict[str, Any] = {}
        written: dict[str, Any] = {}
        for key_node, value_node in node.value:
            if key_node.value == "<<" and key_node.tag in {_PLAIN, f"{_TAGS}merge"}:
                merged |= self._merged(value_node, within)
                continue
            key = self._key(key_node, value_node, within)
            if key in written:
                line = key_node.start_mark.line + 1
                self._duplicates.append(f'line {line}: key "{key}" already set in map')
            written[key] = self.value(value_node, within)
        return {**merged, **written}

    def _key(self, node: yaml.Node, value: yaml.Node, within: tuple[yaml.Node, ...]) -> str:
        if not isinstance(node, yaml.ScalarNode):
            raise YamlError(f"yaml: invalid map key: {_go_syntax(self.value(node, within))}")
        key = _scalar(node)
        if isinstance(key, str):
            return key
        if isinstance(key, float):
            return _float_key(key)
        if key is None or (isinstance(key, int) and key >= 2**63):
            described = "%!s(<nil>), key: <nil>" if key is None else f"uint64, key: {key:#x}"
            raise YamlError(f"unsupported map key of type: {described}, value: {_go_syntax(self.value(value, within))}")
        return plain(key)

    def _merged(self, node: yaml.Node, within: tuple[yaml.Node, ...]) -> dict[str, Any]:
        maps = node.value[::-1] if isinstance(node, yaml.SequenceNode) else [node]
        merged: dict[str, Any] = {}
        for each in maps:
            if not isinstance(each, yaml.MappingNode):
                raise YamlError("yaml: map merge requires map or sequence of maps as the value")
            merged |= self.value(each, within)
        return merged


def _float_key(key: float) -> str:
    """A float as a name: the shortest digits that a float32 needs."""
    try:
        packed = struct.pack("<f", key)
    except OverflowError:
        return ".inf" if key > 0 else "-.inf"
    for digits in range(1, 10):
        shortened = float(f"{key:.{digits}g}")
        if struct.pack("<f", shortened) == packed:
            return plain(shortened)
    return plain(key)


def _go_syntax(value: Any) -> str:
    """`%#v`."""
    if isinstance(value, list):
        return f"[]interface {{}}{{{', '.join(map(_go_syntax, value))}}}"
    if isinstance(value, dict):
        pairs = (f"{_go_syntax(key)}:{_go_syntax(value[key])}" for key in sorted(value))
        return f"map[interface {{}}]interface {{}}{{{', '.join(pairs)}}}"
    if value is None:
        return "interface {}(nil)"
    return quoted(value) if isinstance(value, str) else plain(value)


def _scalar(node: yaml.ScalarNode) -> Any:
    text: str = node.value
    tag: str = node.tag.removeprefix(_TAGS)
    if tag == _PLAIN:
        return _resolved(text)
    if tag == "binary":
        return _binary(text)
    if tag not in {"int", "float", "bool", "null"}:
        return text
    value = _resolved(text)
    found = {type(None): "null", bool: "bool", int: "int", float: "float"}.get(type(value), "str")
    if found == "int" and tag == "float":
        return float(value)
    if found != tag:
        raise YamlError(f"yaml: cannot decode !!{found} `{text}` as a !!{tag}")
    return value


def _resolved(text: str) -> Any:
    """A plain scalar, by go-yaml's rules."""
    if text in _NULL:
        return None
    if text in _TRUE or text in _FALSE:
        return text in _TRUE
    if text in _SPECIAL:
        return _SPECIAL[text]
    number = text.replace("_", "")
    if text[0] in "+-.0123456789":
        if _DECIMAL.fullmatch(number):
            return _go_integer(int(number))
        if (based := _BASED.fullmatch(number)) is not None:
            digits = based[2]
            base = _BASES.get(digits[1], 8)
            return _go_integer(int(based[1] + digits[2 if digits[1] in "bxo" else 1 :], base))
        if _FLOAT.fullmatch(number):
            return float(number)
    return text


def _go_integer(number: int) -> int | float:
    """An integer of 64 bits, with or without a sign, or a float."""
    return number if -(2**63) <= number < 2**64 else float(number)


def _binary(text: str) -> str:
    try:
        return base64.b64decode(text, validate=False).decode("utf-8", "replace")
    except ValueError as error:
        raise YamlError("yaml: !!binary value contains invalid base64 data") from error


def _json_number(value: Any) -> Any:
    """The number as it is once it has been through JSON."""
    if isinstance(value, float):
        if math.isnan(value) or math.isinf(value):
            shown = "NaN" if math.isnan(value) else "+Inf" if value > 0 else "-Inf"
            raise YamlError(f"json: unsupported value: {shown}")
        return int(value) if value.is_integer() and abs(value) < 1e21 and -(2**63) <= value < 2**63 else value
    if isinstance(value, int) and not isinstance(value, bool) and not -(2**63) <= value < 2**63:
        return float(value)
    return value
