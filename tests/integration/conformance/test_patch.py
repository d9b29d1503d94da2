"""The three patches that edit what is there; server-side apply has a module of its own."""

from __future__ import annotations

from typing import Any

import pytest

from tests.integration.conformance.conftest import GROUP, Place, configmap, specimen
from tests.integration.conformance.rest import JSON, JSON_PATCH, MERGE_PATCH, STRATEGIC_PATCH, Api


def service(name: str, ports: list[dict[str, Any]]) -> dict[str, Any]:
    return {"metadata": {"name": name}, "spec": {"selector": {"a": "b"}, "ports": ports}}


def test_a_merge_patch_merges_maps_and_null_removes(api: Api, place: Place) -> None:
    api.create(place.configmaps, configmap("a", {"x": "1", "y": "2"}))
    body = api.patch(f"{place.configmaps}/a", {"data": {"x": None, "z": "3"}}).expect(200)
    assert body["data"] == {"y": "2", "z": "3"}


def test_a_merge_patch_replaces_lists(api: Api, place: Place) -> None:
    api.create(place.specimens, specimen("a", {"atoms": ["a", "b"], "ports": [{"number": 1}]}))
    body = api.patch(f"{place.specimens}/a", {"spec": {"atoms": ["c"], "ports": [{"number": 2}]}}).expect(200)
    assert body["spec"]["atoms"] == ["c"]
    assert body["spec"]["ports"] == [{"number": 2, "protocol": "TCP"}]


def test_a_json_patch_adds_replaces_and_removes(api: Api, place: Place) -> None:
    api.create(place.configmaps, configmap("a", {"x": "1", "y": "2"}))
    operations = [
        {"op": "test", "path": "/data/x", "value": "1"},
        {"op": "add", "path": "/data/z", "value": "3"},
        {"op": "replace", "path": "/data/x", "value": "9"},
        {"op": "remove", "path": "/data/y"},
        {"op": "copy", "from": "/data/z", "path": "/data/w"},
        {"op": "move", "from": "/data/z", "path": "/data/v"},
    ]
    body = api.patch(f"{place.configmaps}/a", operations, JSON_PATCH).expect(200)
    assert body["data"] == {"x": "9", "w": "3", "v": "3"}


def test_a_json_patch_inserts_into_lists(api: Api, place: Place) -> None:
    api.create(place.specimens, specimen("a", {"atoms": ["b"]}))
    operations = [
        {"op": "add", "path": "/spec/atoms/0", "value": "a"},
        {"op": "add", "path": "/spec/atoms/-", "value": "c"},
    ]
    assert api.patch(f"{place.specimens}/a", operations, JSON_PATCH).expect(200)["spec"]["atoms"] == ["a", "b", "c"]


def test_a_json_patch_escapes_slashes(api: Api, place: Place) -> None:
    api.create(place.configmaps, configmap("a", annotations={"e.com/x": "1"}))
    operations = [{"op": "replace", "path": "/metadata/annotations/e.com~1x", "value": "2"}]
    body = api.patch(f"{place.configmaps}/a", operations, JSON_PATCH).expect(200)
    assert body["metadata"]["annotations"] == {"e.com/x": "2"}


@pytest.mark.parametrize(
    "operation",
    [
        pytest.param({"op": "test", "path": "/data/x", "value": "2"}, id="test of another value"),
        pytest.param({"op": "remove", "path": "/data/none"}, id="remove what is not there"),
        pytest.param({"op": "replace", "path": "/none/x", "value": "1"}, id="replace under what is not there"),
        pytest.param({"op": "add", "path": "/none/x", "value": "1"}, id="add under what is not there"),
        pytest.param({"op": "nope", "path": "/data/x"}, id="unknown operation"),
    ],
)
def test_a_json_patch_that_does_not_apply_is_invalid(api: Api, place: Place, operation: dict[str, Any]) -> None:
    api.create(place.configmaps, configmap("a", {"x": "1"}))
    answer = api.patch(f"{place.configmaps}/a", [operation], JSON_PATCH)
    assert answer.verdict == (422, "Invalid", "the server rejected our request due to an error in our request")


def test_a_json_patch_replaces_a_key_that_is_not_there(api: Api, place: Place) -> None:
    api.create(place.configmaps, configmap("a", {"x": "1"}))
    operations = [{"op": "replace", "path": "/data/y", "value": "2"}]
    assert api.patch(f"{place.configmaps}/a", operations, JSON_PATCH).expect(200)["data"] == {"x": "1", "y": "2"}


def test_a_json_patch_has_at_most_10000_operations(api: Api, place: Place) -> None:
    api.create(place.configmaps, configmap("a", {"x": "1"}))
    operations = [{"op": "test", "path": "/data/x", "value": "1"}] * 10001
    answer = api.patch(f"{place.configmaps}/a", operations, JSON_PATCH)
    text = "Request entity too large: The allowed maximum operations in a JSON patch is 10000, got 10001"
    assert answer.verdict == (413, "RequestEntityTooLarge", text)


def test_a_strategic_patch_merges_lists_by_their_key(api: Api, place: Place) -> None:
    services = place.core("services")
    api.create(services, service("a", [{"name": "x", "port": 1}, {"name": "y", "port": 2}]))
    patch = {"spec": {"ports": [{"port": 2, "name": "z"}, {"port": 3, "name": "w"}]}}
    body = api.patch(f"{services}/a", patch, STRATEGIC_PATCH).expect(200)
    assert {(port["name"], port["port"]) for port in body["spec"]["ports"]} == {("x", 1), ("z", 2), ("w", 3)}


def test_a_strategic_patch_deletes_an_item_by_directive(api: Api, place: Place) -> None:
    services = place.core("services")
    api.create(services, service("a", [{"name": "x", "port": 1}, {"name": "y", "port": 2}]))
    patch = {"spec": {"ports": [{"port": 1, "$patch": "delete"}]}}
    body = api.patch(f"{services}/a", patch, STRATEGIC_PATCH).expect(200)
    assert [port["port"] for port in body["spec"]["ports"]] == [2]


def test_a_strategic_patch_replaces_by_directive(api: Api, place: Place) -> None:
    services = place.core("services")
    api.create(services, service("a", [{"name": "x", "port": 1}]))
    patch = {"spec": {"selector": {"$patch": "replace", "c": "d"}}}
    assert api.patch(f"{services}/a", patch, STRATEGIC_PATCH).expect(200)["spec"]["selector"] == {"c": "d"}


def test_a_strategic_patch_merges_finalizers_as_a_set(api: Api, place: Place) -> None:
    api.create(place.configmaps, configmap("a", finalizers=["e.com/x"]))
    patch = {"metadata": {"finalizers": ["e.com/y"]}}
    body = api.patch(f"{place.configmaps}/a", patch, STRATEGIC_PATCH).expect(200)
    assert sorted(body["metadata"]["finalizers"]) == ["e.com/x", "e.com/y"]
    removal = {"metadata": {"$deleteFromPrimitiveList/finalizers": ["e.com/x", "e.com/y"]}}
    body = api.patch(f"{place.configmaps}/a", removal, STRATEGIC_PATCH).expect(200)
    assert "finalizers" not in body["metadata"]


def test_a_strategic_patch_merges_owners_by_uid(api: Api, place: Place) -> None:
    owner = {"apiVersion": "v1", "kind": "ConfigMap", "name": "o", "uid": "1"}
    api.create(place.configmaps, configmap("a", finalizers=["e.com/x"], ownerReferences=[owner]))
    patch = {"metadata": {"ownerReferences": [{**owner, "controller": True}]}}
    body = api.patch(f"{place.configmaps}/a", patch, STRATEGIC_PATCH).expect(200)
    assert body["metadata"]["ownerReferences"] == [{**owner, "controller": True}]
    api.patch(f"{place.configmaps}/a", {"metadata": {"finalizers": None}}).expect(200)


def test_custom_kinds_take_no_strategic_patch(api: Api, place: Place) -> None:
    api.create(place.specimens, specimen("a"))
    answer = api.patch(f"{place.specimens}/a", {"spec": {}}, STRATEGIC_PATCH)
    assert answer.verdict == (
        415,
        "UnsupportedMediaType",
        (
            "the body of the request was in an unknown format - accepted media types include: "
            "application/json-patch+json, "
            "application/merge-patch+json, application/apply-patch+yaml"
        ),
    )


def test_an_unknown_kind_of_patch_is_refused(api: Api, place: Place) -> None:
    api.create(place.configmaps, configmap("a"))
    answer = api.patch(f"{place.configmaps}/a", {}, JSON)
    assert answer.verdict == (415, "UnsupportedMediaType", "415: Unsupported Media Type")


def test_a_missing_object_is_not_patched(api: Api, place: Place) -> None:
    answer = api.patch(f"{place.specimens}/a", {"spec": {}})
    assert answer.verdict == (404, "NotFound", f'specimens.{GROUP} "a" not found')


def test_a_patch_without_a_change_keeps_the_version(api: Api, place: Place) -> None:
    created = api.create(place.configmaps, configmap("a", {"x": "1"}))
    assert api.patch(f"{place.configmaps}/a", {"data": {"x": "1"}}).expect(200) == created


def test_a_patch_with_a_stale_version_is_a_conflict(api: Api, place: Place) -> None:
    stale = api.create(place.configmaps, configmap("a", {"x": "1"}))["metadata"]["resourceVersion"]
    api.patch(f"{place.configmaps}/a", {"data": {"x": "2"}}).expect(200)
    answer = api.patch(f"{place.configmaps}/a", {"metadata": {"resourceVersion": stale}, "data": {"x": "3"}})
    assert answer.verdict == (
        409,
        "Conflict",
        (
            'Operation cannot be fulfilled on configmaps "a": the object has been modified; please apply your '
            "changes to the "
            "latest version and try again"
        ),
    )


def test_a_patch_in_dry_run_stores_nothing(api: Api, place: Place) -> None:
    created = api.create(place.configmaps, configmap("a", {"x": "1"}))
    assert api.patch(f"{place.configmaps}/a", {"data": {"x": "2"}}, dryRun="All").expect(200)["data"] == {"x": "2"}
    assert api.get(f"{place.configmaps}/a").expect(200) == created


def test_a_patched_object_is_validated(api: Api, place: Place) -> None:
    api.create(place.specimens, specimen("a"))
    answer = api.patch(f"{place.specimens}/a", {"spec": {"size": 101}})
    message = "Invalid value: 101: spec.size in body should be less than or equal to 100"
    assert answer.verdict == (422, "Invalid", f'Specimen.{GROUP} "a" is invalid: spec.size: {message}')


def test_a_patch_does_not_rename(api: Api, place: Place) -> None:
    api.create(place.configmaps, configmap("a"))
    answer = api.patch(f"{place.configmaps}/a", {"metadata": {"name": "b"}})
    text = "the name of the object (b) does not match the name on the URL (a)"
    assert answer.verdict == (400, "BadRequest", text)


@pytest.mark.parametrize(
    ("content_type", "patch", "text"),
    [
        pytest.param(MERGE_PATCH, b"{", "error decoding patch: unexpected end of JSON input", id="broken merge patch"),
        pytest.param(
            MERGE_PATCH,
            b"[]",
            "error decoding patch: json: cannot unmarshal array into Go value of type map[string]interface {}",
            id="merge patch that is a list",
        ),
        pytest.param(JSON_PATCH, b"{", "error decoding patch: unexpected end of JSON input", id="broken JSON patch"),
        pytest.param(
            JSON_PATCH,
            b"{}",
            "error decoding patch: json: cannot unmarshal object into Go value of type []handlers.jsonPatchOp",
            id="JSON patch that is no list",
        ),
        pytest.param(STRATEGIC_PATCH, b"{", "unexpected end of JSON input", id="broken strategic patch"),
    ],
)
def test_a_malformed_patch_is_a_bad_request(api: Api, place: Place, content_type: str, patch: bytes, text: str) -> None:
    api.create(place.configmaps, configmap("a"))
    assert api.patch(f"{place.configmaps}/a", patch, content_type).verdict == (400, "BadRequest", text)


def test_a_patch_may_not_be_forced_unless_it_is_applied(api: Api, place: Place) -> None:
    api.create(place.configmaps, configmap("a"))
    answer = api.patch(f"{place.configmaps}/a", {}, MERGE_PATCH, force=True)
    message = "Forbidden: may not be specified for non-apply patch"
    assert answer.verdict == (422, "Invalid", f'PatchOptions.meta.k8s.io "" is invalid: force: {message}')
