"""Bodies that are malformed: all texts are those of kube-apiserver 1.36.3."""

from __future__ import annotations

import struct
from collections.abc import Callable

import pytest

from controller_runtime.envtest.apiserver import protobuf
from controller_runtime.envtest.apiserver.decode import MAX_DEPTH, DecodeError
from tests.unit.envtest.apiserver.protobuf.encoding import configmap, envelope, field, message, varint

CRD = ("apiextensions.k8s.io/v1", "CustomResourceDefinition")
NO_PREFIX = "provided data does not appear to be a protobuf message, expected prefix [107 56 115 0]"
NAMES = field(1, message((1, "v1"), (2, "ConfigMap")))
OUTSIDE = [
    pytest.param(b"", "empty data", id="nothing"),
    pytest.param(b"k8s\0", "empty body", id="prefix alone"),
    pytest.param(b"k8s", NO_PREFIX, id="prefix cut off"),
    pytest.param(b'{"kind":"ConfigMap"}', NO_PREFIX, id="JSON"),
    pytest.param(configmap()[:-3], "unexpected EOF", id="cut off"),
    pytest.param(b"k8s\0" + field(1, field(1, 1)), "proto: wrong wireType = 0 for field APIVersion", id="version"),
    pytest.param(b"k8s\0" + NAMES + field(2, 5), "proto: wrong wireType = 0 for field Raw", id="number as object"),
    pytest.param(b"k8s\0\x00\x01", "proto: Unknown: illegal tag 0 (wire type 0)", id="field number 0"),
]
INSIDE = [
    pytest.param(field(2, "abc")[:-2], "unexpected EOF", id="cut off"),
    pytest.param(b"\x0a", "unexpected EOF", id="no length"),
    pytest.param(b"\xff" * 11, "proto: integer overflow", id="varint without an end"),
    pytest.param(b"\x0a" + b"\xff" * 9 + b"\x01", "proto: negative length found during unmarshaling", id="length"),
    pytest.param(field(1, 3), "proto: wrong wireType = 0 for field ObjectMeta", id="number as message"),
    pytest.param(field(4, "x"), "proto: wrong wireType = 2 for field Immutable", id="text as boolean"),
    pytest.param(field(1, field(5, 1)), "proto: wrong wireType = 0 for field UID", id="initialism"),
    pytest.param(field(2, field(1, 5)), "unexpected EOF", id="number as key"),
    pytest.param(field(1, field(11, "x")), "unexpected EOF", id="text as entry"),
    pytest.param(b"\x00\x01", "proto: ConfigMap: illegal tag 0 (wire type 0)", id="field number 0"),
    pytest.param(b"\x02\x01a", "proto: ConfigMap: illegal tag 0 (wire type 2)", id="field number 0 with a length"),
    pytest.param(b"\x0c", "proto: ConfigMap: wiretype end group for non-group", id="end of no group"),
    pytest.param(field(2, b"\x1c"), "proto: unexpected end of group", id="end of no group in an entry"),
    pytest.param(varint(50 << 3 | 6) + b"abc", "proto: illegal wireType 6", id="wire type that is none"),
    pytest.param(varint(50 << 3 | 3) + field(1, 3), "unexpected EOF", id="group without an end"),
    pytest.param(varint(50 << 3 | 1) + b"1234567", "unexpected EOF", id="64 bits cut off"),
    pytest.param(varint(50 << 3 | 5) + b"123", "unexpected EOF", id="32 bits cut off"),
    pytest.param(field(1, field(8, b"\x00")), "proto: Timestamp: illegal tag 0 (wire type 0)", id="time"),
]
SCHEMAS = [
    pytest.param(field(8, field(1, b"{nope")), "invalid character 'n' looking for beginning of object key string",
                 id="malformed JSON"),
    pytest.param(field(8, field(1, b'"x')), "unexpected end of JSON input", id="JSON cut off"),
    pytest.param(varint(9 << 3 | 1) + struct.pack("<d", float("nan")), "json: unsupported value: NaN", id="NaN"),
    pytest.param(varint(9 << 3 | 1) + struct.pack("<d", float("inf")), "json: unsupported value: +Inf", id="infinity"),
    pytest.param(varint(9 << 3 | 1) + b"1234567", "unexpected EOF", id="double cut off"),
    pytest.param(field(38, "x"), "proto: wrong wireType = 2 for field XPreserveUnknownFields", id="extension"),
    pytest.param(field(2, 1), "proto: wrong wireType = 0 for field Schema", id="dollar"),
]  # fmt: skip


def refused(body: bytes, api_version: str = "v1", kind: str = "ConfigMap") -> DecodeError:
    with pytest.raises(DecodeError) as caught:
        protobuf.decode(body, api_version, kind)
    return caught.value


@pytest.mark.parametrize(("body", "text"), OUTSIDE)
def test_of_a_malformed_envelope_no_kind_is_known(body: bytes, text: str) -> None:
    error = refused(body)
    assert (str(error), error.type_meta) == (text, None)


@pytest.mark.parametrize(("raw", "text"), INSIDE)
def test_of_a_malformed_object_the_kind_is_known(raw: bytes, text: str) -> None:
    error = refused(envelope("v1", "ConfigMap", raw))
    assert (str(error), error.type_meta) == (text, ("v1", "ConfigMap"))


@pytest.mark.parametrize(("part", "text"), SCHEMAS)
def test_malformed_schemas(part: bytes, text: str) -> None:
    assert str(refused(definition(part), *CRD)) == text


@pytest.mark.parametrize("seconds", [253402300800, -62135596801, 1 << 62, -1 << 63])
def test_times_that_are_no_dates_are_refused(seconds: int) -> None:
    body = envelope("v1", "Event", field(6, field(1, seconds)))
    assert str(refused(body, "v1", "Event")).startswith("a time is out of range")


def test_what_is_neither_a_number_nor_a_name_is_refused() -> None:
    body = envelope("v1", "Service", field(2, field(1, field(4, field(1, 2)))))
    assert "impossible IntOrString.Type" in str(refused(body, "v1", "Service"))


def definition(part: bytes) -> bytes:
    """Return a CustomResourceDefinition with a schema."""
    return envelope(*CRD, field(2, field(7, field(4, field(1, part)))))


NESTED = [
    pytest.param(lambda inner: field(28, inner), id="not"),
    pytest.param(lambda inner: field(24, field(1, inner)), id="items"),
    pytest.param(lambda inner: field(25, inner), id="allOf"),
    pytest.param(lambda inner: field(29, message((1, "a"), (2, inner))), id="properties"),
]


@pytest.mark.parametrize("nest", NESTED)
def test_values_that_are_nested_too_deep_are_refused(nest: Callable[[bytes], bytes]) -> None:
    schema = b""
    for _ in range(10 * MAX_DEPTH):
        schema = nest(schema)
    assert str(refused(definition(schema), *CRD)) == "exceeded max depth"


@pytest.mark.parametrize("nest", NESTED)
def test_values_may_be_nested_half_as_deep_as_in_json(nest: Callable[[bytes], bytes]) -> None:
    schema = b""
    for _ in range(MAX_DEPTH // 2 - 6):
        schema = nest(schema)
    assert protobuf.decode(definition(schema), *CRD)["spec"]


def test_json_within_may_not_be_deeper_than_the_rest_leaves() -> None:
    assert str(refused(definition(field(8, field(1, b"[" * 250 + b"]" * 250))), *CRD)) == "exceeded max depth"
    assert protobuf.decode(definition(field(8, field(1, b"[" * 240 + b"]" * 240))), *CRD)["spec"]
