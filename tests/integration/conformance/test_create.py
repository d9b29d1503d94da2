"""Creating objects: names, what the server fills in, what it refuses to take."""

from __future__ import annotations

import re
from typing import Any

import pytest

from tests.integration.conformance.conftest import GROUP, Place, configmap, specimen
from tests.integration.conformance.rest import YAML, Api

SUBDOMAIN = (
    "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must "
    "start and end "
    "with an alphanumeric character (e.g. 'example.com', regex used for validation is "
    "'[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')"
)


def test_a_created_object_gets_uid_version_and_time(api: Api, place: Place) -> None:
    body = api.create(place.configmaps, configmap("a", {"x": "1"}))
    assert re.fullmatch(r"[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}", body["metadata"]["uid"])
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", body["metadata"]["creationTimestamp"])
    assert int(body["metadata"]["resourceVersion"]) > 0
    assert body["metadata"]["namespace"] == place.namespace
    assert api.get(f"{place.configmaps}/a").expect(200) == body


def test_an_answer_is_json_that_is_not_to_be_cached(api: Api, place: Place) -> None:
    headers = api.post(place.configmaps, configmap("a")).headers
    assert headers["Content-Type"] == "application/json"
    assert headers["Cache-Control"] == "no-cache, private"
    assert re.fullmatch(r"[0-9a-f-]{36}", headers["Audit-Id"])


def test_a_name_is_taken_once(api: Api, place: Place) -> None:
    api.create(place.configmaps, configmap("a"))
    answer = api.post(place.configmaps, configmap("a"))
    assert answer.verdict == (409, "AlreadyExists", 'configmaps "a" already exists')
    assert answer.body["details"] == {"name": "a", "kind": "configmaps"}


def test_a_custom_name_is_taken_once(api: Api, place: Place) -> None:
    api.create(place.specimens, specimen("a"))
    answer = api.post(place.specimens, specimen("a"))
    assert answer.verdict == (409, "AlreadyExists", f'specimens.{GROUP} "a" already exists')
    assert answer.body["details"] == {"name": "a", "group": GROUP, "kind": "specimens"}


def test_generate_name_appends_five_characters(api: Api, place: Place) -> None:
    body = api.create(place.configmaps, {"metadata": {"generateName": "g-"}})
    assert re.fullmatch(r"g-[bcdfghjklmnpqrstvwxz2456789]{5}", body["metadata"]["name"])
    assert body["metadata"]["generateName"] == "g-"


def test_generate_name_is_shortened_to_58_characters(api: Api, place: Place) -> None:
    body = api.create(place.specimens, specimen("", generateName="g" * 70))
    assert len(body["metadata"]["name"]) == 63
    assert body["metadata"]["name"].startswith("g" * 58)


def test_a_name_wins_over_generate_name(api: Api, place: Place) -> None:
    assert api.create(place.configmaps, configmap("real", generateName="g-"))["metadata"]["name"] == "real"


@pytest.mark.parametrize("custom", [False, True], ids=["built-in", "custom"])
def test_an_object_needs_a_name(api: Api, place: Place, custom: bool) -> None:
    answer = api.post(place.specimens, specimen("")) if custom else api.post(place.configmaps, configmap(""))
    kind = f"Specimen.{GROUP}" if custom else "ConfigMap"
    message = f'{kind} "" is invalid: metadata.name: Required value: name or generateName is required'
    assert answer.verdict == (422, "Invalid", message)
    assert answer.causes == [
        ("FieldValueRequired", "metadata.name", "Required value: name or generateName is required")
    ]


@pytest.mark.parametrize("custom", [False, True], ids=["built-in", "custom"])
def test_a_name_is_a_dns_subdomain(api: Api, place: Place, custom: bool) -> None:
    answer = api.post(place.specimens, specimen("A_b")) if custom else api.post(place.configmaps, configmap("A_b"))
    kind = f"Specimen.{GROUP}" if custom else "ConfigMap"
    message = f'Invalid value: "A_b": {SUBDOMAIN}'
    assert answer.verdict == (422, "Invalid", f'{kind} "A_b" is invalid: metadata.name: {message}')
    assert answer.causes == [("FieldValueInvalid", "metadata.name", message)]
    group = {"group": GROUP} if custom else {}
    assert answer.body["details"].items() >= {"name": "A_b", "kind": kind.partition(".")[0], **group}.items()


def test_a_name_has_at_most_253_characters(api: Api, place: Place) -> None:
    assert api.post(place.configmaps, configmap("a" * 253)).status == 201
    answer = api.post(place.configmaps, configmap("a" * 254))
    assert answer.causes == [
        ("FieldValueInvalid", "metadata.name", f'Invalid value: "{"a" * 254}": must be no more than 253 characters')
    ]


def test_the_namespace_is_that_of_the_path(api: Api, place: Place) -> None:
    answer = api.post(place.configmaps, configmap("a", namespace="other"))
    text = "the namespace of the provided object does not match the namespace sent on the request"
    assert answer.verdict == (400, "BadRequest", text)


def test_system_fields_of_the_body_are_overwritten(api: Api, place: Place) -> None:
    given: dict[str, Any] = {
        "uid": "mine",
        "creationTimestamp": "2001-01-01T00:00:00Z",
        "selfLink": "/x",
        "generation": 7,
    }
    body = api.create(place.specimens, specimen("a", **given))
    assert body["metadata"]["uid"] != "mine"
    assert body["metadata"]["creationTimestamp"] > "2001-01-01T00:00:00Z"
    assert body["metadata"]["generation"] == 1
    assert "selfLink" not in body["metadata"]


def test_an_object_is_not_created_in_deletion(api: Api, place: Place) -> None:
    given: dict[str, Any] = {"deletionTimestamp": "2001-01-01T00:00:00Z", "deletionGracePeriodSeconds": 5}
    body = api.create(place.configmaps, configmap("a", **given))
    assert not given.keys() & body["metadata"].keys()


def test_a_new_object_has_no_resource_version(api: Api, place: Place) -> None:
    answer = api.post(place.configmaps, configmap("a", resourceVersion="5"))
    assert answer.verdict == (500, None, "resourceVersion should not be set on objects to be created")


def test_an_object_needs_an_existing_namespace(api: Api, place: Place) -> None:
    for collection, body in ((place.configmaps, configmap("a")), (place.specimens, specimen("a"))):
        answer = api.post(collection.replace(place.namespace, "nowhere"), body)
        assert answer.verdict == (404, "NotFound", 'namespaces "nowhere" not found')
        assert answer.body["details"] == {"name": "nowhere", "kind": "namespaces"}


def test_a_dry_run_stores_nothing(api: Api, place: Place) -> None:
    body = api.create(place.configmaps, configmap("a"), dryRun="All")
    assert "uid" in body["metadata"]
    assert "resourceVersion" not in body["metadata"]
    assert api.get(f"{place.configmaps}/a").verdict == (404, "NotFound", 'configmaps "a" not found')


@pytest.mark.parametrize(
    ("query", "field", "reason", "message"),
    [
        pytest.param(
            {"dryRun": "Some"},
            "dryRun",
            "FieldValueNotSupported",
            'Unsupported value: ["Some"]: supported values: "All"',
            id="dryRun",
        ),
        pytest.param(
            {"fieldManager": "x" * 129},
            "fieldManager",
            "FieldValueTooLong",
            "Too long: may not be more than 128 bytes",
            id="fieldManager",
        ),
        pytest.param(
            {"fieldValidation": "Maybe"},
            "fieldValidation",
            "FieldValueNotSupported",
            'Unsupported value: "Maybe": supported values: "", "Ignore", "Strict", "Warn"',
            id="fieldValidation",
        ),
    ],
)
def test_a_wrong_option_is_named(
    api: Api, place: Place, query: dict[str, Any], field: str, reason: str, message: str
) -> None:
    answer = api.post(place.configmaps, configmap("a"), **query)
    assert answer.verdict == (422, "Invalid", f'CreateOptions.meta.k8s.io "" is invalid: {field}: {message}')
    assert answer.causes == [(reason, field, message)]


@pytest.mark.parametrize(
    ("metadata", "field", "text"),
    [
        pytest.param(
            {"labels": {"a b": "x"}},
            "metadata.labels",
            "Invalid value: \"a b\": name part must consist of alphanumeric characters, '-', '_' or '.', and "
            "must start and "
            "end with an alphanumeric character (e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for "
            "validation is "
            "'([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]')",
            id="key of a label",
        ),
        pytest.param(
            {"labels": {"a": "-bad"}},
            "metadata.labels",
            'Invalid value: "-bad": a valid label must be an empty string or consist of alphanumeric '
            "characters, '-', '_' "
            "or '.', and must start and end with an alphanumeric character (e.g. 'MyValue',  or 'my_value',  or "
            "'12345', "
            "regex used for validation is '(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?')",
            id="value of a label",
        ),
        pytest.param(
            {"labels": {"a": "x" * 64}},
            "metadata.labels",
            f'Invalid value: "{"x" * 64}": must be no more than 63 bytes',
            id="length of a label",
        ),
        pytest.param(
            {"annotations": {"a b": "x"}},
            "metadata.annotations",
            "Invalid value: \"a b\": name part must consist of alphanumeric characters, '-', '_' or '.', and "
            "must start and "
            "end with an alphanumeric character (e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for "
            "validation is "
            "'([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]')",
            id="key of an annotation",
        ),
        pytest.param(
            {"finalizers": ["nope"]},
            "metadata.finalizers[0]",
            'Invalid value: "nope": name is neither a standard finalizer name nor is it fully qualified',
            id="finalizer without a domain",
        ),
        pytest.param(
            {"ownerReferences": [{"apiVersion": "v1", "kind": "", "name": "a", "uid": "1"}]},
            "metadata.ownerReferences.kind",
            'Invalid value: "": must not be empty',
            id="owner without a kind",
        ),
    ],
)
def test_metadata_is_validated(api: Api, place: Place, metadata: dict[str, Any], field: str, text: str) -> None:
    answer = api.post(place.configmaps, configmap("a", **metadata))
    assert answer.verdict == (422, "Invalid", f'ConfigMap "a" is invalid: {field}: {text}')
    assert answer.causes == [("FieldValueInvalid", field, text)]


def test_two_owners_are_not_both_the_controller(api: Api, place: Place) -> None:
    owners = [
        {"apiVersion": "v1", "kind": "ConfigMap", "name": name, "uid": name, "controller": True} for name in ("a", "b")
    ]
    answer = api.post(place.configmaps, configmap("c", ownerReferences=owners))
    [(reason, field, message)] = answer.causes
    assert (reason, field) == ("FieldValueInvalid", "metadata.ownerReferences")
    assert message
    assert message.endswith(
        'Only one reference can have Controller set to true. Found "true" in references for ConfigMap/a and ConfigMap/b'
    )


@pytest.mark.parametrize(
    ("document", "text"),
    [
        pytest.param(
            {},
            "the object provided is unrecognized (must be of type Specimen): Object 'Kind' is missing in '{}' ({})",
            id="no kind",
        ),
        pytest.param(
            {**specimen("a"), "apiVersion": f"{GROUP}/v1beta1"},
            f"the API version in the data ({GROUP}/v1beta1) does not match the expected API version ({GROUP}/v1)",
            id="another version",
        ),
    ],
)
def test_a_custom_object_names_its_kind_and_version(
    api: Api, place: Place, document: dict[str, Any], text: str
) -> None:
    answer = api.post(place.specimens, document)
    assert answer.verdict == (400, "BadRequest", text)


def test_another_kind_is_refused(api: Api, place: Place) -> None:
    answer = api.post(place.specimens, {**specimen("a"), "kind": "Other"})
    text = f'Other.{GROUP} "a" is invalid: kind: Invalid value: "Other": must be Specimen'
    assert answer.verdict == (422, "Invalid", text)
    answer = api.post(place.configmaps, {**configmap("a"), "kind": "Secret"})
    assert answer.verdict[:2] == (400, "BadRequest")
    assert answer.verdict[2].startswith('Secret in version "v1" cannot be handled as a ConfigMap: ')


def test_a_built_in_kind_may_be_left_out(api: Api, place: Place) -> None:
    body = api.create(place.configmaps, {"metadata": {"name": "a"}})
    assert (body["apiVersion"], body["kind"]) == ("v1", "ConfigMap")


def test_a_body_may_be_yaml(api: Api, place: Place) -> None:
    answer = api.post(place.configmaps, "metadata: {name: a}\ndata: {b: c}\n", content_type=YAML)
    assert answer.expect(201)["data"] == {"b": "c"}


def test_a_broken_body_is_refused(api: Api, place: Place) -> None:
    text = (
        "the object provided is unrecognized (must be of type ConfigMap): couldn't get version/kind; json parse error: "
    )
    answer = api.post(place.configmaps, b'{"a":')
    assert answer.verdict == (400, "BadRequest", text + 'unexpected end of JSON input ({"a":)')
    answer = api.post(place.configmaps, b"")
    assert answer.verdict == (400, "BadRequest", text + "unexpected end of JSON input (<empty>)")


def test_an_unknown_media_type_is_refused(api: Api, place: Place) -> None:
    for collection, body in ((place.configmaps, configmap("a")), (place.specimens, specimen("a"))):
        answer = api.post(collection, body, content_type="text/plain")
        assert answer.verdict == (
            415,
            "UnsupportedMediaType",
            (
                "the body of the request was in an unknown format - accepted media types include: application/json, "
                "application/yaml, application/vnd.kubernetes.protobuf"
            ),
        )


def test_an_object_cannot_be_posted_to_its_own_path(api: Api, place: Place) -> None:
    answer = api.post(f"{place.configmaps}/a", configmap("a"))
    text = "the server does not allow this method on the requested resource"
    assert answer.verdict == (405, "MethodNotAllowed", text)
