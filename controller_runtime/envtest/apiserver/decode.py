"""Bodies of requests: JSON or YAML into plain values, and what strict reading objects to.

Numbers are as in Go: integers that fit into 64 bits, floats otherwise. Names of fields are case-sensitive. Errors carry
the real server's texts; `refusal` makes the response of them.

One limit is lower: values may be nested 256 deep (`MAX_DEPTH`), where Go's decoder goes down 10,000 levels, so that
nothing that walks over them later can overflow the stack. The answer is the same, 400 and `exceeded max depth`.
"""

from __future__ import annotations

import json
import math
import re
from typing import Any, Final

import msgspec

from controller_runtime.envtest.apiserver.errors import StatusError, bad_request
from controller_runtime.envtest.apiserver.json_scanner import syntax_error
from controller_runtime.envtest.apiserver.yaml_reader import YamlError, read_yaml

MAX_DEPTH: Final = 256
_MAX_OBJECTIONS: Final = 100

_parse = msgspec.json.Decoder().decode
_LONG_NUMBER: Final = re.compile(rb"[0-9]{19}")
_LOOSE_KEY: Final = re.compile(rb'"[ \t\r\n]+:')
_SURROGATE: Final = re.compile("[\ud800-\udfff]")
_TYPE_META: Final = (
    'struct { APIVersion string "json:\\"apiVersion,omitempty\\""; Kind string "json:\\"kind,omitempty\\"" }'
)
_PARSE_ERROR: Final = "couldn't get version/kind; json parse error: "


class DecodeError(ValueError):
    """The body is not what it should be; the text is the real server's.

    Attributes:
        type_meta: apiVersion and kind of the object, if it got as far as that.
    """

    def __init__(self, text: str, type_meta: tuple[str, str] | None = None) -> None:
        super().__init__(text)
        self.type_meta = type_meta


def decode(body: bytes, content_type: str = "application/json", *, strict: bool = False) -> tuple[Any, list[str]]:
    """The value of a body.

    Args:
        body: as it was sent.
        content_type: media type, with or without parameters; YAML if it ends so, else JSON.
        strict: whether to look for fields that are there twice; of those, the last one counts.

    Returns:
        The value, and what is to be said about fields that are there twice: `duplicate field "spec.a"`.

    Raises:
        DecodeError: it is malformed.
    """
    if content_type.partition(";")[0].strip().endswith("yaml"):
        return _decode_yaml(body, strict=strict)
    try:
        value = _parse(body)
    except (msgspec.MsgspecError, UnicodeError, RecursionError):
        value = _decode_slowly(body)
    else:
        if _LONG_NUMBER.search(body):
            value = _with_go_numbers(value)
    _check_depth(value, body)
    return value, _duplicates(body, value) if strict else []


def type_meta(value: Any) -> tuple[str, str]:
    """`apiVersion` and `kind`, empty where they are missing.

    Raises:
        DecodeError: the value is no object, or one of them is no string, or the version is malformed.
    """
    if value is None:
        return "", ""
    if not isinstance(value, dict):
        raise DecodeError(f"{_PARSE_ERROR}json: cannot unmarshal {_go_type(value)} into Go value of type {_TYPE_META}")
    found = []
    for name in ("apiVersion", "kind"):
        text = value.get(name)
        if text is not None and not isinstance(text, str):
            problem = f"json: cannot unmarshal {_go_type(text)} into Go struct field .{name} of type string"
            raise DecodeError(_PARSE_ERROR + problem)
        found.append(text or "")
    if found[0].count("/") > 1:
        raise DecodeError(f"unexpected GroupVersion string: {found[0]}")
    return found[0], found[1]


def missing_kind(body: bytes) -> DecodeError:
    """The object does not say what it is."""
    return DecodeError(f"Object 'Kind' is missing in '{body.decode('utf-8', 'replace')}'")


def strict_error(objections: list[str]) -> str:
    """What is said of an object with fields that are unknown or there twice."""
    return f"strict decoding error: {', '.join(objections)}"


def refusal(expected_kind: str, text: str, body: bytes, type_meta: tuple[str, str] | None = None) -> StatusError:
    """400 for a body that cannot be decoded.

    Args:
        expected_kind: the kind that is served at the URL.
        text: of the error.
        body: as it was sent.
        type_meta: apiVersion and kind of the object, if they are known.
    """
    if type_meta is not None and type_meta[1]:
        api_version, kind = type_meta
        version = api_version.rpartition("/")[2]
        return bad_request(f'{kind} in version "{version}" cannot be handled as a {expected_kind}: {text}')
    return bad_request(
        f"the object provided is unrecognized (must be of type {expected_kind}): {text} ({_summary(body)})"
    )


def _summary(body: bytes) -> str:
    if not body:
        return "<empty>"
    begins = body[:30]
    shown = begins.decode("utf-8", "replace") if body.startswith(b"{") else begins.hex()
    return f"{shown} ..." if len(body) > len(begins) else shown


def _go_type(value: Any) -> str:
    match value:
        case bool():
            return "bool"
        case str():
            return "string"
        case int() | float():
            return "number"
        case list():
            return "array"
        case _:
            return "object"


def _decode_yaml(body: bytes, *, strict: bool) -> tuple[Any, list[str]]:
    try:
        value, objections = read_yaml(body)
    except (YamlError, RecursionError) as error:
        raise DecodeError(str(error)) from error
    return value, objections if strict else []


def _decode_slowly(body: bytes) -> Any:
    """A body that msgspec refuses: mostly none, rarely one with odd characters or numbers."""
    if (error := syntax_error(body)) is not None:
        raise DecodeError(_PARSE_ERROR + error)
    too_large: list[str] = []

    def parse_float(text: str) -> float:
        number = float(text)
        if math.isinf(number):
            too_large.append(text)
        return number

    try:
        value = json.loads(body.decode("utf-8", "replace"), parse_float=parse_float)
    except RecursionError:
        raise _too_deep(body) from None
    value = _with_go_numbers(value)
    if too_large:
        text = f"json: cannot unmarshal number {too_large[0]} into Go value of type float64"
        raise DecodeError(text, type_meta(value))
    return value


def _with_go_numbers(value: Any) -> Any:
    """Integers of more than 64 bits are floats, halves of surrogate pairs are replaced."""
    if isinstance(value, dict):
        return {_with_go_numbers(key): _with_go_numbers(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_with_go_numbers(item) for item in value]
    if isinstance(value, str):
        return _SURROGATE.sub("\ufffd", value)
    if type(value) is int and not -(2**63) <= value < 2**63:
        return float(value)
    return value


def _check_depth(value: Any, body: bytes) -> None:
    if body.count(b"{") + body.count(b"[") > MAX_DEPTH and is_deeper(value, MAX_DEPTH):
        raise _too_deep(body)


def is_deeper(value: Any, levels: int) -> bool:
    """Whether lists and objects are nested deeper than this in a value."""
    level = [value] if isinstance(value, dict | list) else []
    for _ in range(levels):
        level = [
            item
            for each in level
            for item in (each.values() if type(each) is dict else each)
            if type(item) is dict or type(item) is list
        ]
        if not level:
            return False
    return True


def _too_deep(body: bytes) -> DecodeError:
    character = body.lstrip()[:1].decode()
    return DecodeError(f"{_PARSE_ERROR}invalid character '{character}' exceeded max depth")


class _Pairs(list[tuple[str, Any]]):
    """An object as it is written."""


def _duplicates(body: bytes, value: Any) -> list[str]:
    # As many colons behind keys as there are keys: then none is there twice. Colons in strings only raise the count.
    if body.count(b'":') == _count_keys(value) and not _LOOSE_KEY.search(body):
        return []
    written = json.loads(body.decode("utf-8", "replace"), object_pairs_hook=_Pairs)
    found: dict[str, None] = {}
    _find_duplicates(written, "", found)
    return [f'duplicate field "{path}"' for path in list(found)[:_MAX_OBJECTIONS]]


def _count_keys(value: Any) -> int:
    count, pending = 0, [value]
    while pending:
        each = pending.pop()
        if type(each) is dict:
            count += len(each)
            pending += [item for item in each.values() if type(item) is dict or type(item) is list]
        elif type(each) is list:
            pending += [item for item in each if type(item) is dict or type(item) is list]
    return count


def _find_duplicates(value: Any, path: str, found: dict[str, None]) -> None:
    if isinstance(value, _Pairs):
        seen = set()
        for key, item in value:
            where = f"{path}.{key}" if path else key
            if key in seen:
                found[where] = None
            seen.add(key)
            _find_duplicates(item, where, found)
    elif isinstance(value, list):
        for index, item in enumerate(value):
            _find_duplicates(item, f"{path}[{index}]", found)
