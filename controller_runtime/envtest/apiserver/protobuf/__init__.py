"""Bodies in protobuf, as Go's clients send them of Kubernetes' own kinds.

`kubectl create` and client-go write `application/vnd.kubernetes.protobuf`: four bytes, an envelope that names
apiVersion and kind, and in it the object. `decode` makes of it the JSON value that the same client would have sent as
JSON, so that nothing behind it knows the difference.

Guarantees: any bytes give a value or a DecodeError with the real server's text; work grows with the size of the body,
and values are nested as deep as in JSON at most. Fields that nobody knows are skipped, also where validation is
strict, as the real server does it.

Not promised: answers in protobuf; custom kinds, which have no messages; bytes in strings that are no UTF-8, which the
real server keeps and this one replaces; times beyond the year 9999.
"""

from __future__ import annotations

from typing import Any, Final

from controller_runtime.envtest.apiserver.decode import DecodeError
from controller_runtime.envtest.apiserver.protobuf.descriptors import envelope, kind_message
from controller_runtime.envtest.apiserver.protobuf.values import read
from controller_runtime.envtest.apiserver.protobuf.wire import WireError

__all__ = ["decode"]

_MAGIC: Final = b"k8s\0"


def decode(body: bytes, api_version: str, kind: str) -> dict[str, Any]:
    """The object that a body holds.

    Args:
        body: as it was sent.
        api_version: what is expected; it is that of the object too if the envelope names none.
        kind: likewise. DeleteOptions belong to every group and version.

    Returns:
        The object with its apiVersion and kind; nothing else of one that is not what is expected.

    Raises:
        DecodeError: it is malformed.
    """
    names, raw = _opened(body)
    found = names[0] or api_version, names[1] or kind
    value = {"apiVersion": found[0], "kind": found[1]}
    if found[1] != kind or (found[0] != api_version and kind != "DeleteOptions"):
        return value
    try:
        return {**value, **read(kind_message(api_version, kind), raw)}
    except WireError as error:
        raise DecodeError(str(error), found) from None


def _opened(body: bytes) -> tuple[tuple[str, str], bytes]:
    """Names of version and kind, empty where they are missing, and the message."""
    if not body:
        raise DecodeError("empty data")
    if not body.startswith(_MAGIC):
        expected = " ".join(map(str, _MAGIC))
        raise DecodeError(f"provided data does not appear to be a protobuf message, expected prefix [{expected}]")
    if body == _MAGIC:
        raise DecodeError("empty body")
    try:
        opened = read(envelope(), body[len(_MAGIC) :])
    except WireError as error:
        raise DecodeError(str(error)) from None
    names = opened.get("typeMeta", {})
    api_version = names.get("apiVersion", "")
    return ("" if api_version.count("/") > 1 else api_version, names.get("kind", "")), opened.get("raw", b"")
