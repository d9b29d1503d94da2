"""What a schema refuses, and the words it does so with."""

from __future__ import annotations

from typing import Any

import pytest

from tests.integration.conformance.conftest import GROUP, Place, specimen
from tests.integration.conformance.rest import Api

INVALID, UNSUPPORTED, REQUIRED = "FieldValueInvalid", "FieldValueNotSupported", "FieldValueRequired"
TYPE = "FieldValueTypeInvalid"
TOO_LONG, TOO_MANY, DUPLICATE = "FieldValueTooLong", "FieldValueTooMany", "FieldValueDuplicate"

CASES = [
    pytest.param(
        {"size": "x"},
        TYPE,
        "spec.size",
        'Invalid value: "string": spec.size in body must be of type integer: "string"',
        id="text for an integer",
    ),
    pytest.param(
        {"note": 1},
        TYPE,
        "spec.note",
        'Invalid value: "integer": spec.note in body must be of type string: "integer"',
        id="number for a text",
    ),
    pytest.param(
        {"enabled": "yes"},
        TYPE,
        "spec.enabled",
        'Invalid value: "string": spec.enabled in body must be of type boolean: "string"',
        id="text for a boolean",
    ),
    pytest.param(
        {"atoms": {}},
        TYPE,
        "spec.atoms",
        'Invalid value: "object": spec.atoms in body must be of type array: "object"',
        id="map for a list",
    ),
    pytest.param(
        {"nested": []},
        TYPE,
        "spec.nested",
        'Invalid value: "array": spec.nested in body must be of type object: "array"',
        id="list for a map",
    ),
    pytest.param(
        {"size": 101},
        INVALID,
        "spec.size",
        "Invalid value: 101: spec.size in body should be less than or equal to 100",
        id="maximum",
    ),
    pytest.param(
        {"size": -1},
        INVALID,
        "spec.size",
        "Invalid value: -1: spec.size in body should be greater than or equal to 0",
        id="minimum",
    ),
    pytest.param(
        {"above": 0},
        INVALID,
        "spec.above",
        "Invalid value: 0: spec.above in body should be greater than 0",
        id="exclusive minimum",
    ),
    pytest.param(
        {"odd": 3}, INVALID, "spec.odd", "Invalid value: 3: spec.odd in body should be a multiple of 2", id="multipleOf"
    ),
    pytest.param(
        {"count": 2**31},
        INVALID,
        "<nil>",
        'Invalid value: "": Checked value must be of type integer with format int32 in spec.count',
        id="int32",
    ),
    pytest.param(
        {"color": "pink"},
        UNSUPPORTED,
        "spec.color",
        'Unsupported value: "pink": supported values: "red", "green", "blue"',
        id="enum",
    ),
    pytest.param(
        {"code": "ABC"},
        INVALID,
        "spec.code",
        "Invalid value: \"ABC\": spec.code in body should match '^[a-z]+$'",
        id="pattern",
    ),
    pytest.param(
        {"code": "a"},
        INVALID,
        "spec.code",
        'Invalid value: "a": spec.code in body should be at least 2 chars long',
        id="minLength",
    ),
    pytest.param({"code": "abcde"}, TOO_LONG, "spec.code", "Too long: may not be more than 4 bytes", id="maxLength"),
    pytest.param(
        {"when": "today"},
        TYPE,
        "spec.when",
        'Invalid value: "today": spec.when in body must be of type date-time: "today"',
        id="date-time",
    ),
    pytest.param(
        {"atoms": []},
        INVALID,
        "spec.atoms",
        "Invalid value: 0: spec.atoms in body should have at least 1 items",
        id="minItems",
    ),
    pytest.param(
        {"atoms": ["a", "b", "c", "d"]}, TOO_MANY, "spec.atoms", "Too many: 4: must have at most 3 items", id="maxItems"
    ),
    pytest.param(
        {"atoms": ["a", 1]},
        TYPE,
        "spec.atoms[1]",
        'Invalid value: "integer": spec.atoms[1] in body must be of type string: "integer"',
        id="item",
    ),
    pytest.param(
        {"atoms": [None]},
        TYPE,
        "spec.atoms[0]",
        'Invalid value: "null": spec.atoms[0] in body must be of type string: "null"',
        id="null item",
    ),
    pytest.param({"tags": ["a", "a"]}, DUPLICATE, "spec.tags[1]", 'Duplicate value: "a"', id="twice in a set"),
    pytest.param(
        {"ports": [{"number": 1}, {"number": 1}]},
        DUPLICATE,
        "spec.ports[1]",
        'Duplicate value: {"number":1,"protocol":"TCP"}',
        id="twice in a map list",
    ),
    pytest.param(
        {"ports": [{"name": "x"}]}, REQUIRED, "spec.ports[0].number", "Required value", id="required in an item"
    ),
    pytest.param(
        {"labels": {"a": 1}},
        TYPE,
        "spec.labels.a",
        'Invalid value: "integer": spec.labels.a in body must be of type string: "integer"',
        id="value of a map",
    ),
    pytest.param(
        {"sizes": {"a b": -1}},
        INVALID,
        "spec.sizes.a b",
        "Invalid value: -1: spec.sizes.a b in body should be greater than or equal to 0",
        id="minimum in a map",
    ),
    pytest.param(
        {"labels": {"a": "", "b": "", "c": "", "d": ""}},
        TOO_MANY,
        "spec.labels",
        "Too many: 4: must have at most 3 items",
        id="maxProperties",
    ),
    pytest.param(
        {"port": []},
        TYPE,
        "spec.port",
        'Invalid value: "array": spec.port in body must be of type integer,string: "array"',
        id="int-or-string",
    ),
    pytest.param({"strict": {"first": "x"}}, REQUIRED, "spec.strict.second", "Required value", id="required"),
    pytest.param(
        {"nested": {"text": 5}},
        TYPE,
        "spec.nested.text",
        'Invalid value: "integer": spec.nested.text in body must be of type string: "integer"',
        id="nested",
    ),
    pytest.param(
        {"template": {"apiVersion": "v1"}},
        REQUIRED,
        "spec.template.kind",
        "Required value",
        id="embedded object without a kind",
    ),
]


@pytest.mark.parametrize(("spec", "reason", "field", "message"), CASES)
def test_a_schema_refuses(api: Api, place: Place, spec: dict[str, Any], reason: str, field: str, message: str) -> None:
    answer = api.post(place.specimens, specimen("a", spec))
    assert answer.causes == [(reason, field, message)]
    assert answer.verdict == (422, "Invalid", f'Specimen.{GROUP} "a" is invalid: {field}: {message}')
    details = answer.body["details"]
    assert (details["name"], details["group"], details["kind"]) == ("a", GROUP, "Specimen")


def test_several_causes_are_all_told(api: Api, place: Place) -> None:
    answer = api.post(place.specimens, specimen("a", {"size": 101, "color": "pink"}))
    assert sorted(answer.causes) == [
        (INVALID, "spec.size", "Invalid value: 101: spec.size in body should be less than or equal to 100"),
        (UNSUPPORTED, "spec.color", 'Unsupported value: "pink": supported values: "red", "green", "blue"'),
    ]
    texts = [f"{field}: {message}" for _, field, message in answer.causes]
    assert answer.verdict[2] == f'Specimen.{GROUP} "a" is invalid: [{", ".join(texts)}]'


def test_a_wrong_type_with_a_format_is_told_twice(api: Api, place: Place) -> None:
    answer = api.post(place.specimens, specimen("a", {"count": 1.5}))
    assert answer.causes == [
        (TYPE, "spec.count", 'Invalid value: "float64": spec.count in body must be of type int32: "float64"'),
        (INVALID, "<nil>", 'Invalid value: "": Checked value must be of type integer with format int32 in spec.count'),
    ]


def test_a_fraction_for_an_integer_is_told_three_times(api: Api, place: Place) -> None:
    answer = api.post(place.specimens, specimen("a", {"odd": 1.5}))
    assert answer.causes == [
        (TYPE, "spec.odd", 'Invalid value: "number": spec.odd in body must be of type integer: "number"'),
        (INVALID, "<nil>", 'Invalid value: "": Checked value must be of type integer (default format) in spec.odd'),
        (INVALID, "spec.odd", "Invalid value: 1.5: spec.odd in body should be a multiple of 2"),
    ]


def test_replicas_of_the_scale_are_looked_at_in_the_object(api: Api, place: Place) -> None:
    answer = api.post(place.specimens, specimen("a", {"replicas": -1}))
    assert answer.causes == [(INVALID, ".spec.replicas", "Invalid value: -1: should be a non-negative integer")]


def test_both_required_fields_are_told(api: Api, place: Place) -> None:
    answer = api.post(place.specimens, specimen("a", {"strict": {}}))
    assert sorted(answer.causes) == [
        (REQUIRED, f"spec.strict.{name}", "Required value") for name in ("first", "second")
    ]


def test_one_of_two_shapes_is_needed(api: Api, place: Place) -> None:
    for wrong in ({}, {"one": "x", "two": "y"}):
        answer = api.post(place.specimens, specimen("a", {"either": wrong}))
        assert answer.verdict[:2] == (422, "Invalid")
        assert "must validate one and only one schema (oneOf)" in answer.verdict[2]
    assert api.post(place.specimens, specimen("a", {"either": {"one": "x"}})).status == 201


def test_a_spec_of_another_type_is_refused(api: Api, place: Place) -> None:
    answer = api.post(place.specimens, {**specimen("a"), "spec": "x"})
    message = 'Invalid value: "string": spec in body must be of type object: "string"'
    replicas = (
        "Invalid value: 0: .spec.replicas accessor error: x is of the type string, expected map[string]interface{}"
    )
    assert answer.causes == [(TYPE, "spec", message), (INVALID, ".spec.replicas", replicas)]


def test_a_required_field_at_the_root_is_named_alone(api: Api, unique: Any) -> None:
    name = unique("realm")
    realm = {"apiVersion": f"{GROUP}/v1", "kind": "Realm", "metadata": {"name": name}}
    answer = api.post(f"/apis/{GROUP}/v1/realms", realm)
    assert answer.verdict == (422, "Invalid", f'Realm.{GROUP} "{name}" is invalid: spec: Required value')


def test_wrong_metadata_is_told_beside_a_wrong_spec(api: Api, place: Place) -> None:
    answer = api.post(place.specimens, specimen("A_b", {"size": 101}))
    assert [field for _, field, _ in answer.causes] == ["metadata.name", "spec.size"]


@pytest.mark.parametrize(
    ("spec", "stored"),
    [
        pytest.param({"size": 3.0}, {"size": 3}, id="whole fraction for an integer"),
        pytest.param({"ratio": 3}, {"ratio": 3}, id="integer for a number"),
        pytest.param({"port": 80}, {"port": 80}, id="integer"),
        pytest.param({"port": "http"}, {"port": "http"}, id="or string"),
        pytest.param({"when": "2026-01-01T00:00:00Z"}, {"when": "2026-01-01T00:00:00Z"}, id="date-time"),
        pytest.param({"code": "ab"}, {"code": "ab"}, id="shortest text"),
        pytest.param({"note": ""}, {"note": ""}, id="empty text"),
        pytest.param({"free": {"any": [1, {"b": None}]}}, {"free": {"any": [1, {"b": None}]}}, id="free form"),
    ],
)
def test_a_schema_accepts(api: Api, place: Place, spec: dict[str, Any], stored: dict[str, Any]) -> None:
    body = api.create(place.specimens, specimen("a", spec))
    assert body["spec"].items() >= stored.items()
