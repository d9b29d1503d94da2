"""ObjectMeta as Go decodes it."""

from __future__ import annotations

from typing import Any

import pytest

from controller_runtime.envtest.apiserver.schema import CoercionError
from controller_runtime.envtest.apiserver.schema.object_meta import (
    OBJECT_META_OPENAPI,
    coerce_object_meta,
    salvage_object_meta,
)

OWNER = {"apiVersion": "v1", "kind": "Pod", "name": "a", "uid": "u"}
FORMS = [
    pytest.param(None, {}, id="null"),
    pytest.param({"name": "", "labels": {}, "finalizers": [], "generation": 0}, {}, id="what is empty is left out"),
    pytest.param({"name": None, "labels": None, "creationTimestamp": None}, {}, id="null leaves unset"),
    pytest.param({"labels": {"a": None}}, {"labels": {"a": ""}}, id="null in a map is the empty text"),
    pytest.param(
        {"deletionGracePeriodSeconds": 0}, {"deletionGracePeriodSeconds": 0}, id="a pointer to zero is not empty"
    ),
    pytest.param(
        {"creationTimestamp": "2024-01-01T01:00:00.5+01:00"},
        {"creationTimestamp": "2024-01-01T00:00:00Z"},
        id="times are in UTC and whole seconds",
    ),
    pytest.param(
        {"ownerReferences": [{"uid": "u", "controller": False}]},
        {"ownerReferences": [{"apiVersion": "", "kind": "", "name": "", "uid": "u", "controller": False}]},
        id="owner references have all their names",
    ),
]
ERRORS = [
    pytest.param(
        {"name": 1}, "cannot unmarshal number into Go struct field ObjectMeta.name of type string", id="number"
    ),
    pytest.param(
        {"uid": True}, "cannot unmarshal bool into Go struct field ObjectMeta.uid of type types.UID", id="bool"
    ),
    pytest.param(
        {"generation": 1.5},
        "cannot unmarshal number 1.5 into Go struct field ObjectMeta.generation of type int64",
        id="fraction",
    ),
    pytest.param(
        {"labels": "x"},
        "cannot unmarshal string into Go struct field ObjectMeta.labels of type map[string]string",
        id="text for a map",
    ),
    pytest.param(
        {"labels": {"a": 1}},
        "cannot unmarshal number into Go struct field ObjectMeta.labels of type string",
        id="value of a map",
    ),
    pytest.param(
        {"finalizers": {}},
        "cannot unmarshal object into Go struct field ObjectMeta.finalizers of type []string",
        id="object for a list",
    ),
    pytest.param(
        {"ownerReferences": [{"uid": 1}]},
        "cannot unmarshal number into Go struct field OwnerReference.ownerReferences.uid of type types.UID",
        id="field of an item",
    ),
    pytest.param(
        {"name": 1, "labels": 1},
        "cannot unmarshal number into Go struct field ObjectMeta.labels of type map[string]string",
        id="the first of several, by name",
    ),
    pytest.param([], "cannot unmarshal array into Go value of type v1.ObjectMeta", id="no object at all"),
]


@pytest.mark.parametrize(("metadata", "kept"), FORMS)
def test_metadata_is_kept_as_go_writes_it(metadata: Any, kept: dict[str, Any]) -> None:
    assert coerce_object_meta(metadata) == (kept, [])


@pytest.mark.parametrize(("metadata", "error"), ERRORS)
def test_type_errors_have_gos_texts(metadata: Any, error: str) -> None:
    with pytest.raises(CoercionError) as caught:
        coerce_object_meta(metadata)
    assert str(caught.value) == f"json: {error}"


@pytest.mark.parametrize(
    ("time", "error"),
    [
        ("abc", 'parsing time "abc" as "2006-01-02T15:04:05Z07:00": cannot parse "abc" as "2006"'),
        ("2024-13-01T00:00:00Z", 'parsing time "2024-13-01T00:00:00Z": month out of range'),
        ("2024-02-31T00:00:00Z", 'parsing time "2024-02-31T00:00:00Z": day out of range'),
        ("2024-01-01T00:00:00Zx", 'parsing time "2024-01-01T00:00:00Zx": extra text: "x"'),
    ],
)
def test_errors_of_times_have_gos_texts(time: str, error: str) -> None:
    with pytest.raises(CoercionError) as caught:
        coerce_object_meta({"creationTimestamp": time})
    assert str(caught.value) == error


def test_metadata_in_its_kept_form_is_not_copied() -> None:
    metadata = {
        "name": "a",
        "labels": {"a": "b"},
        "creationTimestamp": "2024-01-01T00:00:00Z",
        "ownerReferences": [OWNER],
        "managedFields": [{"manager": "m", "operation": "Update", "fieldsV1": {"f:spec": {}}}],
    }
    assert coerce_object_meta(metadata)[0] is metadata


def test_unknown_fields_are_named_and_removed() -> None:
    decoded, unknown = coerce_object_meta({"foo": 1, "ownerReferences": [{**OWNER, "bar": 1}]})
    assert decoded == {"ownerReferences": [OWNER]}
    assert unknown == ["foo", "ownerReferences[0].bar"]


def test_what_cannot_be_decoded_can_be_dropped() -> None:
    assert salvage_object_meta({"name": 1, "labels": {"a": "b"}}) == {"labels": {"a": "b"}}


def test_the_schema_has_the_fields_of_the_struct() -> None:
    for name in OBJECT_META_OPENAPI["properties"]:
        try:
            _, unknown = coerce_object_meta({name: "x"})
        except CoercionError:
            continue
        assert unknown == []
