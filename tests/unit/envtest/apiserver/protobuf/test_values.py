"""Single values: what Go's types make of them in JSON. All of these were tried on kube-apiserver 1.36.3."""

from __future__ import annotations

import struct
from typing import Any

import pytest

from controller_runtime.envtest.apiserver import protobuf
from tests.unit.envtest.apiserver.protobuf.encoding import configmap, envelope, field, message, varint

GROUP = varint(50 << 3 | 3) + field(1, 3) + varint(50 << 3 | 4)
CONFIGMAPS = [
    pytest.param(field(2, message((1, "a"), (2, "b"))), {"data": {"a": "b"}}, id="map"),
    pytest.param(field(2, message((1, "a"), (2, "b"))) + field(2, message((1, "a"), (2, "c"))), {"data": {"a": "c"}},
                 id="the last of two keys counts"),
    pytest.param(field(2, field(1, "a")), {"data": {"a": ""}}, id="key without a value"),
    pytest.param(field(2, b""), {"data": {"": ""}}, id="neither key nor value"),
    pytest.param(field(3, message((1, "a"), (2, b"\xff\0"))), {"binaryData": {"a": "/wA="}}, id="bytes"),
    pytest.param(field(4, 0), {"immutable": False}, id="false of a pointer"),
    pytest.param(field(4, 7), {"immutable": True}, id="whatever is not 0 is true"),
    pytest.param(field(99, "x") + field(98, 5) + GROUP, {}, id="unknown numbers"),
    pytest.param(field(2, message((1, "a"), (2, b"\xff\xe2\x82x"))), {"data": {"a": "\ufffd\ufffd\ufffdx"}},
                 id="bytes that are no character"),
]  # fmt: skip
TIMES = [
    pytest.param(field(1, 0), "1970-01-01T00:00:00.000000Z", id="epoch"),
    pytest.param(field(2, 1500), "1970-01-01T00:00:00.000001Z", id="nanoseconds are cut off"),
    pytest.param(field(1, 5) + field(2, -1500), "1970-01-01T00:00:04.999999Z", id="negative nanoseconds"),
    pytest.param(field(1, 5) + field(2, 1_999_999_999), "1970-01-01T00:00:06.999999Z", id="more than a second"),
    pytest.param(field(99, 1), "1970-01-01T00:00:00.000000Z", id="nothing that is known"),
    pytest.param(b"", None, id="nothing"),
    pytest.param(field(1, -62135596800), None, id="zero time"),
]
PORTS = [
    pytest.param(message((1, 0), (2, 80), (3, "")), 80, id="number"),
    pytest.param(message((1, 1), (2, 0), (3, "http")), "http", id="name"),
    pytest.param(message((1, 1), (2, 0), (3, "")), "", id="empty name"),
    pytest.param(message((1, 0), (2, -1)), -1, id="negative number"),
    pytest.param(b"", 0, id="nothing"),
]
DOUBLES = [
    pytest.param(1.0, 1, id="integral"),
    pytest.param(-1.5, -1.5, id="fraction"),
    pytest.param(2.0**60, 1152921504606847000, id="shortest digits"),
    pytest.param(1e300, 1e300, id="beyond 64 bits"),
]
SCHEMAS = [
    pytest.param(field(8, field(1, b'{"a":[1,null]}')), {"default": {"a": [1, None]}}, id="JSON"),
    pytest.param(field(8, field(1, b"0")), {"default": 0}, id="zero in JSON"),
    pytest.param(field(8, field(1, b"null")), {}, id="null in JSON"),
    pytest.param(field(8, b""), {}, id="no JSON"),
    pytest.param(field(20, b"") + field(20, field(1, b'"a"')), {"enum": [None, "a"]}, id="no JSON in a list"),
    pytest.param(field(30, b""), {"additionalProperties": False}, id="false in place of a schema"),
    pytest.param(field(30, field(1, 1)), {"additionalProperties": True}, id="true in place of a schema"),
    pytest.param(field(30, field(2, field(5, "a"))), {"additionalProperties": {"type": "a"}}, id="schema or boolean"),
    pytest.param(field(24, field(1, field(5, "a"))), {"items": {"type": "a"}}, id="one schema for all items"),
    pytest.param(field(24, field(2, field(5, "a")) + field(2, b"")), {"items": [{"type": "a"}, {}]}, id="schemas"),
    pytest.param(field(24, b""), {}, id="neither a schema nor several"),
    pytest.param(field(32, message((1, "k"), (2, field(2, "a")))), {"dependencies": {"k": ["a"]}}, id="names"),
    pytest.param(field(29, field(1, "k")), {"properties": {"k": {}}}, id="empty schema in a map"),
    pytest.param(field(3, "") + field(4, ""), {"$ref": ""}, id="only pointers are written when they are empty"),
    pytest.param(field(13, 0), {"maxLength": 0}, id="zero of a pointer"),
]


@pytest.mark.parametrize(("part", "expected"), CONFIGMAPS)
def test_fields_of_a_configmap(part: bytes, expected: dict[str, Any]) -> None:
    decoded = protobuf.decode(configmap(part), "v1", "ConfigMap")
    assert decoded == {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "made"}, **expected}


def test_pieces_of_one_message_are_put_together() -> None:
    first = field(1, field(1, "made") + field(11, message((1, "a"), (2, "b"))))
    second = field(1, field(2, "prefix-") + field(11, message((1, "c"), (2, "d"))))
    decoded = protobuf.decode(envelope("v1", "ConfigMap", first + second), "v1", "ConfigMap")
    assert decoded["metadata"] == {"name": "made", "generateName": "prefix-", "labels": {"a": "b", "c": "d"}}


def test_a_field_that_is_written_twice_has_the_last_value_even_if_that_is_zero() -> None:
    part = field(1, field(1, "a") + field(1, ""))
    assert protobuf.decode(envelope("v1", "ConfigMap", part), "v1", "ConfigMap")["metadata"] == {}


@pytest.mark.parametrize(("time", "expected"), TIMES)
def test_times(time: bytes, expected: str | None) -> None:
    decoded = protobuf.decode(envelope("", "", field(2, field(4, time))), "coordination.k8s.io/v1", "Lease")
    assert decoded["spec"].get("renewTime") == expected


@pytest.mark.parametrize(("port", "expected"), PORTS)
def test_numbers_or_names(port: bytes, expected: int | str) -> None:
    body = envelope("v1", "Service", field(2, field(1, field(4, port))))
    assert protobuf.decode(body, "v1", "Service")["spec"]["ports"] == [{"targetPort": expected}]


@pytest.mark.parametrize(("value", "expected"), DOUBLES)
def test_doubles(value: float, expected: float) -> None:
    decoded = schema(varint(9 << 3 | 1) + struct.pack("<d", value))
    assert decoded == {"maximum": expected}
    assert type(decoded["maximum"]) is type(expected)


@pytest.mark.parametrize(("part", "expected"), SCHEMAS)
def test_schemas(part: bytes, expected: dict[str, Any]) -> None:
    assert schema(part) == expected


def schema(part: bytes) -> dict[str, Any]:
    """Return a schema within a CustomResourceDefinition."""
    api_version, kind = "apiextensions.k8s.io/v1", "CustomResourceDefinition"
    body = envelope(api_version, kind, field(2, field(7, field(4, field(1, part)))))
    decoded: dict[str, Any] = protobuf.decode(body, api_version, kind)["spec"]["versions"][0]["schema"]
    return decoded["openAPIV3Schema"]


def test_integers_are_cut_to_their_width() -> None:
    body = envelope("v1", "Service", field(2, field(1, field(3, (1 << 40) + 80))))
    assert protobuf.decode(body, "v1", "Service")["spec"]["ports"] == [{"port": 80}]


@pytest.mark.parametrize("raw", [b"{nope", b"\xff", b"1 2"])
def test_a_malformed_set_of_fields_stays_what_no_set_is(raw: bytes) -> None:
    entry = field(17, message((1, "manager"), (7, field(1, raw))))
    decoded = protobuf.decode(envelope("v1", "ConfigMap", field(1, entry)), "v1", "ConfigMap")
    assert isinstance(decoded["metadata"]["managedFields"][0]["fieldsV1"], str)


class TestEnvelope:
    def test_what_it_does_not_name_is_what_is_expected(self) -> None:
        assert protobuf.decode(envelope("", "", b""), "v1", "Secret") == {"apiVersion": "v1", "kind": "Secret"}

    def test_a_malformed_version_is_none(self) -> None:
        assert protobuf.decode(envelope("a/b/c", "Secret", b""), "v1", "Secret")["apiVersion"] == "v1"

    def test_an_object_of_another_kind_has_its_names_alone(self) -> None:
        body = envelope("v1", "Secret", b"\xff")
        assert protobuf.decode(body, "v1", "ConfigMap") == {"apiVersion": "v1", "kind": "Secret"}

    def test_one_without_an_object_is_an_empty_object(self) -> None:
        body = b"k8s\0" + field(1, message((1, "v1"), (2, "ConfigMap")))
        assert protobuf.decode(body, "v1", "ConfigMap") == {"apiVersion": "v1", "kind": "ConfigMap"}

    @pytest.mark.parametrize("api_version", ["v1", "example.com/v1", "coordination.k8s.io/v1"])
    def test_options_of_a_deletion_are_of_any_group(self, api_version: str) -> None:
        body = envelope(api_version, "DeleteOptions", message((4, "Orphan"), (5, "All")))
        decoded = protobuf.decode(body, "v1", "DeleteOptions")
        expected = {"propagationPolicy": "Orphan", "dryRun": ["All"]}
        assert decoded == {"apiVersion": api_version, "kind": "DeleteOptions", **expected}

    def test_the_type_of_its_content_does_not_matter(self) -> None:
        body = configmap() + field(3, "gzip") + field(4, "application/json")
        assert protobuf.decode(body, "v1", "ConfigMap")["metadata"] == {"name": "made"}
