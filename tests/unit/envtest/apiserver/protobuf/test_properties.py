"""Whatever is sent, the answer is a value or a DecodeError, and soon."""

from __future__ import annotations

import base64
import json
import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from controller_runtime.envtest.apiserver import protobuf
from controller_runtime.envtest.apiserver.decode import MAX_DEPTH, DecodeError, is_deeper
from tests.unit.envtest.apiserver.protobuf.encoding import configmap, envelope, field, varint

BODIES = [
    (base64.b64decode(case["body"]), case["object"]["apiVersion"], case["object"]["kind"])
    for case in json.loads(Path(__file__).with_name("bodies.json").read_text(encoding="utf-8"))
]
KINDS = sorted({(api_version, kind) for _, api_version, kind in BODIES})
LARGEST = 3 << 20
"""As the server takes."""


def check(body: bytes, api_version: str, kind: str) -> None:
    try:
        value = protobuf.decode(body, api_version, kind)
    except DecodeError:
        return
    assert not is_deeper(value, MAX_DEPTH)
    assert json.loads(json.dumps(value, allow_nan=False)) == value


@given(body=st.binary(max_size=200), kind=st.sampled_from(KINDS))
def test_any_bytes(body: bytes, kind: tuple[str, str]) -> None:
    check(body, *kind)
    check(b"k8s\0" + body, *kind)
    check(envelope(*kind, body), *kind)


@given(data=st.data(), sent=st.sampled_from(BODIES))
def test_bodies_with_other_bytes_in_them(data: st.DataObject, sent: tuple[bytes, str, str]) -> None:
    body, *kind = sent
    changed = bytearray(body)
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(0, len(changed)))
        changed[at : at + data.draw(st.integers(0, 4))] = data.draw(st.binary(max_size=6))
    check(bytes(changed), *kind)


@given(data=st.data(), sent=st.sampled_from(BODIES))
def test_bodies_that_are_cut_off(data: st.DataObject, sent: tuple[bytes, str, str]) -> None:
    body, *kind = sent
    check(body[: data.draw(st.integers(0, len(body)))], *kind)


def nested() -> bytes:
    """Return a schema in a schema, and so on, as long as a body may be."""
    parts, size = [], 0
    while size < LARGEST:
        head = varint(28 << 3 | 2) + varint(size)
        parts.append(head)
        size += len(head)
    schema = b"".join(reversed(parts))
    api_version, kind = "apiextensions.k8s.io/v1", "CustomResourceDefinition"
    return envelope(api_version, kind, field(2, field(7, field(4, field(1, schema)))))


@pytest.mark.parametrize(
    "body",
    [
        pytest.param(configmap(b"\x98\x06\x00" * (LARGEST // 3)), id="unknown fields"),
        pytest.param(configmap(b"\x12\x00" * (LARGEST // 2)), id="entries of a map"),
        pytest.param(configmap(b"\x0a\x00" * (LARGEST // 2)), id="pieces of a message"),
        pytest.param(configmap(b"\x93\x06" * (LARGEST // 2)), id="groups"),
        pytest.param(configmap(b"\xff" * LARGEST), id="varint"),
        pytest.param(nested(), id="nested"),
    ],
)
def test_the_largest_bodies_take_seconds_at_most(body: bytes) -> None:
    began = time.monotonic()
    check(body, "v1", "ConfigMap")
    check(body, "apiextensions.k8s.io/v1", "CustomResourceDefinition")
    assert time.monotonic() - began < 20
