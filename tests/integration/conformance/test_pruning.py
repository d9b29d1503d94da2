"""Unknown fields, defaults, nulls, and how strictly a body is read."""

from __future__ import annotations

from typing import Any

import pytest

from tests.integration.conformance.conftest import GROUP, Place, configmap, specimen
from tests.integration.conformance.rest import Api

DEFAULTS = {"size": 7, "replicas": 1, "maybeDefault": "filled", "never": "filled"}


def test_unknown_fields_are_not_stored(api: Api, place: Place) -> None:
    spec = {"size": 1, "extra": 1, "nested": {"text": "x", "more": {}}, "ports": [{"number": 1, "more": 1}]}
    body = api.create(place.specimens, {**specimen("a", spec), "extra": True})
    assert "extra" not in body
    assert body["spec"] == {
        **DEFAULTS,
        "size": 1,
        "nested": {"text": "x", "level": 3},
        "ports": [{"number": 1, "protocol": "TCP"}],
    }


def test_unknown_fields_are_not_stored_by_a_patch(api: Api, place: Place) -> None:
    api.create(place.specimens, specimen("a"))
    assert "extra" not in api.patch(f"{place.specimens}/a", {"spec": {"extra": 1}}).expect(200)["spec"]


def test_unknown_metadata_is_not_stored(api: Api, place: Place) -> None:
    body = api.create(place.specimens, specimen("a", extra=1))
    assert "extra" not in body["metadata"]


def test_what_is_preserved_is_stored_as_it_is(api: Api, place: Place) -> None:
    free = {"known": "x", "unknown": {"deep": [1, None]}}
    assert api.create(place.specimens, specimen("a", {"free": free}))["spec"]["free"] == free
    loose = {"apiVersion": f"{GROUP}/v1", "kind": "Loose", "metadata": {"name": "a"}, "any": [{"thing": None}]}
    assert api.create(place.loose, loose)["any"] == [{"thing": None}]


def test_an_embedded_object_keeps_its_kind(api: Api, place: Place) -> None:
    template = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "x", "extra": 1}, "spec": {"a": 1}}
    stored = api.create(place.specimens, specimen("a", {"template": template}))["spec"]["template"]
    assert stored == {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "x"}, "spec": {"a": 1}}


def test_defaults_are_filled_in(api: Api, place: Place) -> None:
    assert api.create(place.specimens, specimen("a", {}))["spec"] == DEFAULTS


def test_defaults_are_not_filled_into_what_is_missing(api: Api, place: Place) -> None:
    assert "spec" not in api.create(place.specimens, specimen("a"))


def test_defaults_are_filled_into_items(api: Api, place: Place) -> None:
    body = api.create(place.specimens, specimen("a", {"ports": [{"number": 1}, {"number": 1, "protocol": "UDP"}]}))
    assert [port["protocol"] for port in body["spec"]["ports"]] == ["TCP", "UDP"]


def test_a_given_value_wins_over_the_default(api: Api, place: Place) -> None:
    assert api.create(place.specimens, specimen("a", {"size": 0, "never": ""}))["spec"] == {
        **DEFAULTS,
        "size": 0,
        "never": "",
    }


def test_null_is_kept_where_it_is_allowed(api: Api, place: Place) -> None:
    body = api.create(place.specimens, specimen("a", {"maybe": None, "maybeDefault": None}))
    assert body["spec"]["maybe"] is None
    assert body["spec"]["maybeDefault"] is None


def test_null_becomes_the_default_where_it_is_not_allowed(api: Api, place: Place) -> None:
    assert api.create(place.specimens, specimen("a", {"never": None}))["spec"]["never"] == "filled"


def test_null_without_a_default_is_dropped_or_refused(api: Api, place: Place) -> None:
    answer = api.post(place.specimens, specimen("a", {"note": None}))
    assert answer.status == 201
    assert "note" not in answer.body["spec"]


@pytest.mark.parametrize("mode", [None, "Warn"], ids=["by default", "Warn"])
def test_unknown_fields_are_warned_of(api: Api, place: Place, mode: str | None) -> None:
    query = {"fieldValidation": mode} if mode else {}
    spec = {"extra": 1, "ports": [{"number": 1, "more": 1}]}
    answer = api.post(place.specimens, specimen("a", spec), **query)
    assert answer.status == 201
    assert answer.warnings == [
        '299 - "unknown field \\"spec.extra\\""',
        '299 - "unknown field \\"spec.ports[0].more\\""',
    ]


def test_unknown_fields_are_ignored_on_demand(api: Api, place: Place) -> None:
    answer = api.post(place.specimens, specimen("a", {"extra": 1}), fieldValidation="Ignore")
    assert (answer.status, answer.warnings) == (201, [])


def test_unknown_fields_are_refused_on_demand(api: Api, place: Place) -> None:
    document = {**specimen("a", {"extra": 1}, more=1), "top": 1}
    answer = api.post(place.specimens, document, fieldValidation="Strict")
    text = (
        'Specimen in version "v1" cannot be handled as a Specimen: strict decoding error: unknown field '
        '"metadata.more", '
        'unknown field "spec.extra", unknown field "top"'
    )
    assert answer.verdict == (400, "BadRequest", text)


def test_unknown_fields_of_built_in_kinds_are_refused_on_demand(api: Api, place: Place) -> None:
    document = {**configmap("a", {}), "extra": 1, "metadata": {"name": "a", "more": 1}}
    answer = api.post(place.configmaps, document, fieldValidation="Strict")
    text = (
        'ConfigMap in version "v1" cannot be handled as a ConfigMap: strict decoding error: unknown field '
        '"metadata.more", '
        'unknown field "extra"'
    )
    assert answer.verdict == (400, "BadRequest", text)


def test_unknown_fields_of_built_in_kinds_are_warned_of(api: Api, place: Place) -> None:
    answer = api.post(place.configmaps, {**configmap("a"), "extra": 1})
    assert (answer.status, answer.warnings) == (201, ['299 - "unknown field \\"extra\\""'])


def test_a_field_given_twice_is_told(api: Api, place: Place) -> None:
    text = '{"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a"}, "data": {"x": "1", "x": "2"}}'
    answer = api.post(place.configmaps, text, fieldValidation="Strict")
    message = (
        'ConfigMap in version "v1" cannot be handled as a ConfigMap: strict decoding error: duplicate field "data.x"'
    )
    assert answer.verdict == (400, "BadRequest", message)
    answer = api.post(place.configmaps, text)
    assert (answer.status, answer.warnings) == (201, ['299 - "duplicate field \\"data.x\\""'])
    assert answer.body["data"] == {"x": "2"}


def test_a_field_of_a_custom_object_given_twice_is_told(api: Api, place: Place) -> None:
    text = (
        f'{{"apiVersion": "{GROUP}/v1", "kind": "Specimen", "metadata": {{"name": "a"}}, "spec": '
        f'{{"size": 1, "size": 2}}}}'
    )
    answer = api.post(place.specimens, text, fieldValidation="Strict")
    message = (
        'Specimen in version "v1" cannot be handled as a Specimen: strict decoding error: duplicate field "spec.size"'
    )
    assert answer.verdict == (400, "BadRequest", message)


def test_unknown_fields_of_a_patch_are_refused_on_demand(api: Api, place: Place) -> None:
    api.create(place.specimens, specimen("a"))
    answer = api.patch(f"{place.specimens}/a", {"spec": {"extra": 1}}, fieldValidation="Strict")
    assert answer.verdict[:2] == (422, "Invalid")
    assert 'unknown field "spec.extra"' in answer.verdict[2]
    answer = api.patch(f"{place.specimens}/a", {"spec": {"extra": 1}})
    assert (answer.status, answer.warnings) == (200, ['299 - "unknown field \\"spec.extra\\""'])


def test_a_deprecated_version_is_warned_of(api: Api, place: Place) -> None:
    answer = api.get(place.specimens.replace("/v1/", "/v1beta1/"))
    assert answer.warnings == [f'299 - "{GROUP}/v1beta1 Specimen is old; use v1"']


def test_types_of_built_in_kinds_are_checked_on_reading(api: Api, place: Place) -> None:
    document: dict[str, Any] = {**configmap("a"), "data": {"x": 1}}
    answer = api.post(place.configmaps, document)
    assert answer.verdict == (
        400,
        "BadRequest",
        (
            'ConfigMap in version "v1" cannot be handled as a ConfigMap: json: cannot unmarshal number into Go '
            "struct field "
            "ConfigMap.data of type string"
        ),
    )
