"""Bodies in protobuf, as Go's clients send them: what is stored, what is refused, and how."""

from __future__ import annotations

from typing import Any

import pytest

from tests.integration.conformance.conftest import GROUP, Place, configmap, specimen
from tests.integration.conformance.rest import JSON, Api
from tests.unit.envtest.apiserver.protobuf import encoding
from tests.unit.envtest.apiserver.protobuf.encoding import PROTOBUF, envelope, field, message

BOTH = f"{PROTOBUF},{JSON}"
"""What Go's clients accept. JSON is asked for where the answer is looked at."""
ACCEPTED = (
    "the body of the request was in an unknown format - accepted media types include: "
    "application/json, application/yaml, application/vnd.kubernetes.protobuf"
)
AUTHORIZATION = "/apis/authorization.k8s.io/v1"
MALFORMED = [
    pytest.param(
        b"",
        "the object provided is unrecognized (must be of type ConfigMap): empty data (<empty>)",
        id="nothing",
    ),
    pytest.param(
        b'{"kind":"ConfigMap"}',
        "the object provided is unrecognized (must be of type ConfigMap): provided data does not appear to be a "
        'protobuf message, expected prefix [107 56 115 0] ({"kind":"ConfigMap"})',
        id="JSON",
    ),
    pytest.param(
        b"k8s\0",
        "the object provided is unrecognized (must be of type ConfigMap): empty body (6b387300)",
        id="prefix alone",
    ),
    pytest.param(
        encoding.configmap()[:-2],
        "the object provided is unrecognized (must be of type ConfigMap): unexpected EOF "
        "(6b3873000a0f0a0276311209436f6e6669674d617012080a060a046d61)",
        id="cut off",
    ),
    pytest.param(
        envelope("v1", "ConfigMap", field(1, 3)),
        'ConfigMap in version "v1" cannot be handled as a ConfigMap: proto: wrong wireType = 0 for field ObjectMeta',
        id="wire type",
    ),
    pytest.param(
        envelope("v1", "ConfigMap", b"\xff" * 11),
        'ConfigMap in version "v1" cannot be handled as a ConfigMap: proto: integer overflow',
        id="endless varint",
    ),
]


def post(api: Api, path: str, body: bytes, **query: Any) -> Any:
    return api.post(path, body, content_type=PROTOBUF, **query)


def content(obj: dict[str, Any]) -> dict[str, Any]:
    """Return an object without what any two have not in common."""
    metadata = {
        key: value
        for key, value in obj["metadata"].items()
        if key not in ("uid", "resourceVersion", "creationTimestamp", "name")
    }
    for entry in metadata.get("managedFields", ()):
        entry.pop("time")
    return {**obj, "metadata": metadata}


def test_an_object_is_stored_as_if_it_had_come_in_json(api: Api, place: Place) -> None:
    data = field(2, message((1, "key"), (2, "value"))) + field(3, message((1, "bin"), (2, b"\xff\0"))) + field(4, 0)
    labels = field(11, message((1, "label"), (2, "")))
    body = envelope("v1", "ConfigMap", field(1, field(1, "proto") + labels) + data)
    stored = post(api, place.configmaps, body).expect(201)
    sent = {
        **configmap("json", {"key": "value"}, labels={"label": ""}),
        "binaryData": {"bin": "/wA="},
        "immutable": False,
    }
    assert content(stored) == content(api.create(place.configmaps, sent))


def test_an_update_is_taken(api: Api, place: Place) -> None:
    version = api.create(place.configmaps, configmap("made", {"a": "b"}))["metadata"]["resourceVersion"]
    metadata = field(1, message((1, "made"), (6, version)))
    body = envelope("v1", "ConfigMap", metadata + field(2, message((1, "a"), (2, "c"))))
    updated = api.put(f"{place.configmaps}/made", body, content_type=PROTOBUF).expect(200)
    assert updated["data"] == {"a": "c"}
    api.put(f"{place.configmaps}/made", body, content_type=PROTOBUF).expect(409)


def test_unknown_fields_do_not_matter_even_to_strict_validation(api: Api, place: Place) -> None:
    body = encoding.configmap(field(99, "unknown"))
    assert not post(api, place.configmaps, body, fieldValidation="Strict").expect(201).get("data")


def test_kind_and_version_may_be_left_to_the_path(api: Api, place: Place) -> None:
    stored = post(api, place.configmaps, envelope("", "", field(1, field(1, "made")))).expect(201)
    assert (stored["apiVersion"], stored["kind"]) == ("v1", "ConfigMap")


@pytest.mark.parametrize(("body", "text"), MALFORMED)
def test_malformed_bodies_are_bad_requests(api: Api, place: Place, body: bytes, text: str) -> None:
    assert post(api, place.configmaps, body).verdict == (400, "BadRequest", text)


def test_an_object_of_another_kind_is_a_bad_request(api: Api, place: Place) -> None:
    assert post(api, place.configmaps, envelope("v1", "Secret", b"")).verdict[:2] == (400, "BadRequest")


@pytest.mark.parametrize("time", [b"", field(1, 0)], ids=["none", "epoch"])
def test_a_time_is_null_if_it_is_not_set_and_1970_if_it_is_zero(api: Api, place: Place, time: bytes) -> None:
    stored = post(api, place.core("events"), event(place, time)).expect(201)
    assert stored["firstTimestamp"] == ("1970-01-01T00:00:00Z" if time else None)


def event(place: Place, time: bytes) -> bytes:
    involved = message((1, "ConfigMap"), (2, place.namespace), (3, "made"))
    metadata = message((1, "event"), (3, place.namespace))
    return envelope("v1", "Event", field(1, metadata) + field(2, involved) + field(6, time))


def test_a_definition_is_taken_with_its_schemas(api: Api) -> None:
    spec_schema = field(5, "object") + field(30, field(2, field(5, "integer") + field(8, field(1, b"0"))))
    schema = field(5, "object") + field(29, field(1, "spec") + field(2, spec_schema))
    version = message((1, "v1"), (2, 1), (3, 1), (4, field(1, schema)))
    names = message((1, "protos"), (4, "Proto"))
    spec = field(1, "proto.example.com") + field(3, names) + field(4, "Cluster") + field(7, version)
    body = envelope(
        "apiextensions.k8s.io/v1",
        "CustomResourceDefinition",
        field(1, field(1, "protos.proto.example.com")) + field(2, spec),
    )
    path = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
    stored = post(api, path, body, dryRun="All").expect(201)
    assert stored["spec"]["versions"][0]["schema"]["openAPIV3Schema"] == {
        "type": "object",
        "properties": {"spec": {"type": "object", "additionalProperties": {"type": "integer", "default": 0}}},
    }


def test_reviews_are_answered(api: Api) -> None:
    attributes = message((1, "default"), (2, "get"), (3, ""), (4, "*"), (5, "configmaps"))
    body = envelope("authorization.k8s.io/v1", "SelfSubjectAccessReview", field(2, field(1, attributes)))
    review = post(api, f"{AUTHORIZATION}/selfsubjectaccessreviews", body).expect(201)
    assert review["status"]["allowed"] is True
    expected = {"namespace": "default", "verb": "get", "version": "*", "resource": "configmaps"}
    assert review["spec"] == {"resourceAttributes": expected}


def test_what_else_is_known_of_a_user_is_read(api: Api) -> None:
    attributes = message((2, "get"), (5, "configmaps"))
    extra = message((1, "key"), (2, message((1, "one"), (1, "two"))))
    spec = field(1, attributes) + field(3, "nobody") + field(5, extra)
    body = envelope("authorization.k8s.io/v1", "SubjectAccessReview", field(2, spec))
    review = post(api, f"{AUTHORIZATION}/subjectaccessreviews", body).expect(201)
    assert (review["status"]["allowed"], review["spec"]["extra"]) == (False, {"key": ["one", "two"]})


def test_a_token_is_given(api: Api, place: Place) -> None:
    accounts = place.core("serviceaccounts")
    post(api, accounts, envelope("v1", "ServiceAccount", field(1, field(1, "robot")))).expect(201)
    body = envelope("authentication.k8s.io/v1", "TokenRequest", field(2, message((1, "reader"), (4, 700))))
    given = post(api, f"{accounts}/robot/token", body).expect(201)
    assert (given["spec"]["audiences"], given["spec"]["expirationSeconds"]) == (["reader"], 700)
    assert given["status"]["token"]


class TestDeletion:
    @pytest.mark.parametrize("api_version", ["", "v1", "coordination.k8s.io/v1", "example.com/v1"])
    def test_options_are_of_any_group(self, api: Api, place: Place, api_version: str) -> None:
        api.create(place.configmaps, configmap("made"))
        body = envelope(api_version, "DeleteOptions", field(5, "All"))
        deleted = api.request("DELETE", f"{place.configmaps}/made", body, content_type=PROTOBUF)
        assert deleted.expect(200)["status"] == "Success"
        api.get(f"{place.configmaps}/made").expect(200)

    def test_preconditions_are_read(self, api: Api, place: Place) -> None:
        api.create(place.configmaps, configmap("made"))
        body = envelope("v1", "DeleteOptions", field(2, field(1, "another")))
        api.request("DELETE", f"{place.configmaps}/made", body, content_type=PROTOBUF).expect(409)

    def test_custom_kinds_take_them_too(self, api: Api, place: Place) -> None:
        api.create(place.specimens, specimen("made"))
        body = envelope(f"{GROUP}/v1", "DeleteOptions", field(4, "Background"))
        api.request("DELETE", f"{place.specimens}/made", body, content_type=PROTOBUF).expect(200)
        api.get(f"{place.specimens}/made").expect(404)

    @pytest.mark.parametrize("collection", ["configmaps", "specimens"])
    def test_another_object_is_none(self, api: Api, place: Place, collection: str) -> None:
        path = getattr(place, collection)
        api.create(path, configmap("made") if collection == "configmaps" else specimen("made"))
        answer = api.request("DELETE", f"{path}/made", envelope("v1", "ConfigMap", b""), content_type=PROTOBUF)
        status, reason, text = answer.verdict
        assert (status, reason) == (400, "BadRequest")
        assert text.startswith('no kind "ConfigMap" is registered for version "v1"')
        api.get(f"{path}/made").expect(200)

    def test_malformed_ones_are_refused_in_plain_words(self, api: Api, place: Place) -> None:
        api.create(place.configmaps, configmap("made"))
        body = envelope("v1", "DeleteOptions", field(5, 3))
        answer = api.request("DELETE", f"{place.configmaps}/made", body, content_type=PROTOBUF)
        assert answer.verdict == (400, "BadRequest", "proto: wrong wireType = 0 for field DryRun")


@pytest.mark.parametrize("accept", [BOTH, f"{JSON},{PROTOBUF}", "*/*"])
def test_clients_that_take_both_get_an_answer(api: Api, place: Place, accept: str) -> None:
    answer = api.post(place.configmaps, encoding.configmap(), content_type=PROTOBUF, accept=accept)
    assert answer.status == 201


def test_other_formats_are_refused(api: Api, place: Place) -> None:
    answer = api.post(place.configmaps, encoding.configmap(), content_type="application/octet-stream")
    assert answer.verdict == (415, "UnsupportedMediaType", ACCEPTED)
