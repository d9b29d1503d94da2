"""JSON in and out, with the rules of the Kubernetes API on top of msgspec.

Decoding is strict about types, with one exception: `null` for a field that is not nullable means that it is absent, as
in Go. Such documents are rare, so they take a second, slower pass.
"""

from __future__ import annotations

import functools
from collections.abc import Iterator
from typing import Any, TypeVar, cast

import msgspec

from controller_runtime.apimachinery.meta import Object

T = TypeVar("T")

_FAILURES = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)
"""What msgspec raises; the last two for text that is no UTF-8, and for nesting beyond the interpreter's limit."""


class DecodeError(ValueError):
    """A document is not what its type says; the message names the type, the field and what is wrong with it."""


@functools.cache
def _decoder(kind: Any) -> msgspec.json.Decoder[Any]:
    return msgspec.json.Decoder(kind)


def decode(kind: type[T], document: bytes | msgspec.Raw) -> T:
    """Decodes one JSON document into `kind`; unknown fields are dropped.

    Raises:
        DecodeError: not JSON, or a field has the wrong type.
    """
    try:
        return cast("T", _decoder(cast("Any", kind)).decode(document))
    except msgspec.ValidationError:
        return _decode_without_nulls(kind, document)
    except _FAILURES as error:
        raise DecodeError(f"cannot decode {kind.__name__}: {error}") from error


def _decode_without_nulls(kind: type[T], document: bytes | msgspec.Raw) -> T:
    try:
        return msgspec.convert(_drop_nulls(msgspec.json.decode(document)), kind)
    except _FAILURES as error:
        raise DecodeError(f"cannot decode {kind.__name__}: {error}") from error


def _drop_nulls(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _drop_nulls(field) for name, field in value.items() if field is not None}
    if isinstance(value, list):
        return [_drop_nulls(item) for item in value]
    return value


def decode_items(kind: type[T], items: tuple[msgspec.Raw, ...]) -> Iterator[T | DecodeError]:
    """Decodes the items of a list one by one, so that an undecodable one costs only itself."""
    for item in items:
        try:
            yield decode(kind, item)
        except DecodeError as error:
            yield error


def encode(value: Any) -> bytes:
    """JSON of an object (with apiVersion and kind) or of any plain value."""
    body = msgspec.json.encode(value)
    if isinstance(value, Object):
        resource = type(value).resource
        head = msgspec.json.encode({"apiVersion": resource.api_version, "kind": resource.kind})
        return head if body == b"{}" else head[:-1] + b"," + body[1:]
    return body


def to_json_value(value: Any) -> Any:
    """The value as dicts, lists, strings and numbers, ready for merging; kinds get apiVersion and kind."""
    return msgspec.json.decode(encode(value))
