"""JSON of API objects: what is read, what is written."""

from datetime import UTC, datetime

import pytest

from controller_runtime.api.core_v1 import Secret
from controller_runtime.apimachinery import (
    Condition,
    DecodeError,
    NamespacedName,
    ObjectMeta,
    decode,
    decode_items,
    encode,
    metadata_of,
    parse_time,
    to_json_value,
)


def test_an_object_says_what_it_is_and_leaves_out_what_it_has_not() -> None:
    secret = Secret(metadata=ObjectMeta(name="a", namespace="b", finalizers=("x",)), data={"k": b"v"})
    assert to_json_value(secret) == {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": "a", "namespace": "b", "finalizers": ["x"]},
        "data": {"k": "dg=="},
    }
    assert decode(Secret, encode(secret)) == secret


def test_required_parts_of_a_condition_are_written_even_where_they_are_empty() -> None:
    assert to_json_value(Condition(type="A", status="True")) == {
        "type": "A",
        "status": "True",
        "reason": "",
        "message": "",
    }


def test_an_object_with_nothing_in_it_still_says_what_it_is() -> None:
    assert to_json_value(Secret()) == {"apiVersion": "v1", "kind": "Secret", "metadata": {}}


@pytest.mark.parametrize(
    "document",
    [
        pytest.param(
            b'{"metadata": {"name": "a", "labels": null, "finalizers": null}, "data": null}', id="null fields"
        ),
        pytest.param(b'{"metadata": {"name": "a"}, "unknown": {"x": [1, null]}}', id="unknown fields"),
        pytest.param(b'{"metadata": {"name": "a"}}', id="absent fields"),
    ],
)
def test_null_absent_and_unknown_fields_mean_the_default(document: bytes) -> None:
    assert decode(Secret, document) == Secret(metadata=ObjectMeta(name="a"))


@pytest.mark.parametrize(
    "document",
    [
        pytest.param(b"{", id="truncated"),
        pytest.param(b"", id="empty"),
        pytest.param(b"[]", id="a list"),
        pytest.param(b'{"data": {"k": 1}}', id="a number for bytes"),
        pytest.param(b'{"metadata": {"name": 7}}', id="a number for a text"),
        pytest.param(b'{"metadata": {"name": "\xff"}}', id="no UTF-8"),
        pytest.param(b'{"metadata": 5, "x": "\xff"}', id="no UTF-8 in an object that does not fit either"),
        pytest.param(b'{"x": ' + b"[" * 5000 + b"]" * 5000 + b"}", id="nested too deep"),
    ],
)
def test_what_does_not_fit_names_the_type(document: bytes) -> None:
    with pytest.raises(DecodeError, match="cannot decode Secret"):
        decode(Secret, document)


def test_an_undecodable_item_costs_only_itself() -> None:
    import msgspec

    items = (msgspec.Raw(b'{"metadata":{"name":"a"}}'), msgspec.Raw(b"7"), msgspec.Raw(b'{"metadata":{"name":"b"}}'))
    found = list(decode_items(Secret, items))
    assert [type(item) for item in found] == [Secret, DecodeError, Secret]


def test_the_metadata_of_a_kind_is_one_class_that_reads_no_data() -> None:
    metadata = metadata_of(Secret)
    assert metadata is metadata_of(Secret)
    assert metadata is metadata_of(metadata)
    read = decode(metadata, b'{"metadata": {"name": "a", "namespace": "b"}, "data": {"k": "dg=="}}')
    assert read.key == NamespacedName("b", "a")
    assert not hasattr(read, "data")
    assert metadata.resource is Secret.resource


def test_times_have_whole_seconds_as_metav1_time_has() -> None:
    meta = ObjectMeta(creation_timestamp=datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC))
    assert to_json_value(meta) == {"creationTimestamp": "2026-01-02T03:04:05Z"}
    assert decode(ObjectMeta, b'{"creationTimestamp": "2026-01-02T03:04:05Z"}') == meta


@pytest.mark.parametrize("text", ["2026-01-02T03:04:05", "2026-01-02", "tomorrow"])
def test_a_time_without_an_offset_is_none(text: str) -> None:
    with pytest.raises(ValueError, match=text):
        parse_time(text)


@pytest.mark.parametrize("text", ["2026-01-02T03:04:05Z", "2026-01-02T05:04:05.000000+02:00"])
def test_times_are_read_whatever_their_offset_and_precision(text: str) -> None:
    assert parse_time(text) == datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)


def test_a_secrets_content_is_not_shown() -> None:
    secret = decode(Secret, b'{"metadata": {"namespace": "n", "name": "s"}, "data": {"password": "aHVudGVyMg=="}}')
    assert secret.data == {"password": b"hunter2"}
    assert "hunter2" not in repr(secret)
    assert "password" in repr(secret)
