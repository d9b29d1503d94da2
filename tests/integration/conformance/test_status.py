"""The status subresource, scale, and the generation that tells a change of the wish from one of the report."""

from __future__ import annotations

from typing import Any

from tests.integration.conformance.conftest import GROUP, Place, configmap, specimen
from tests.integration.conformance.rest import Api

REALMS = f"/apis/{GROUP}/v1/realms"


def test_a_status_is_not_created_with_the_object(api: Api, place: Place) -> None:
    body = api.create(place.specimens, {**specimen("a", {"size": 1}), "status": {"phase": "Done"}})
    assert "status" not in body


def test_an_update_of_the_object_leaves_the_status(api: Api, place: Place) -> None:
    api.create(place.specimens, specimen("a", {"size": 1}))
    body = api.patch(f"{place.specimens}/a/status", {"status": {"phase": "Done"}}).expect(200)
    changed = {**body, "spec": {"size": 2}, "status": {"phase": "Pending"}}
    body = api.put(f"{place.specimens}/a", changed).expect(200)
    assert (body["spec"]["size"], body["status"]) == (2, {"phase": "Done"})


def test_an_update_of_the_status_leaves_the_object(api: Api, place: Place) -> None:
    created = api.create(place.specimens, specimen("a", {"size": 1}))
    changed = {**created, "spec": {"size": 2}, "status": {"phase": "Done"}}
    body = api.put(f"{place.specimens}/a/status", changed).expect(200)
    assert (body["spec"]["size"], body["status"]) == (1, {"phase": "Done"})


def test_an_update_of_the_status_leaves_labels(api: Api, place: Place) -> None:
    created = api.create(place.specimens, specimen("a", labels={"x": "1"}))
    metadata = {**created["metadata"], "labels": {"x": "2"}, "annotations": {"y": "1"}, "finalizers": ["e.com/f"]}
    body = api.put(f"{place.specimens}/a/status", {**created, "metadata": metadata, "status": {"phase": "Done"}})
    kept = body.expect(200)["metadata"]
    assert kept["labels"] == {"x": "1"}
    assert not {"annotations", "finalizers"} & kept.keys()


def test_the_status_is_got_with_its_object(api: Api, place: Place) -> None:
    created = api.create(place.specimens, specimen("a"))
    assert api.get(f"{place.specimens}/a/status").expect(200) == created


def test_a_status_has_the_objects_version(api: Api, place: Place) -> None:
    stale = api.create(place.specimens, specimen("a"))
    api.patch(f"{place.specimens}/a", {"spec": {"size": 2}}).expect(200)
    answer = api.put(f"{place.specimens}/a/status", {**stale, "status": {"phase": "Done"}})
    assert answer.verdict[:2] == (409, "Conflict")


def test_a_status_is_validated(api: Api, place: Place) -> None:
    api.create(place.specimens, specimen("a"))
    answer = api.patch(f"{place.specimens}/a/status", {"status": {"phase": "Lost"}})
    message = 'Unsupported value: "Lost": supported values: "Pending", "Done"'
    assert answer.verdict == (422, "Invalid", f'Specimen.{GROUP} "a" is invalid: status.phase: {message}')
    assert answer.causes == [("FieldValueNotSupported", "status.phase", message)]


def test_the_generation_begins_with_one(api: Api, place: Place) -> None:
    assert api.create(place.specimens, specimen("a"))["metadata"]["generation"] == 1


def generation_after(api: Api, path: str, patch: Any) -> int:
    found: int = api.patch(path, patch).expect(200)["metadata"]["generation"]
    return found


def test_the_generation_counts_changes_of_the_spec(api: Api, place: Place) -> None:
    api.create(place.specimens, specimen("a", {"size": 1}))
    path = f"{place.specimens}/a"
    assert generation_after(api, path, {"spec": {"size": 2}}) == 2
    assert generation_after(api, path, {"spec": {"size": 2}}) == 2
    assert generation_after(api, path, {"spec": {"size": 3}}) == 3


def test_the_generation_does_not_count_labels_and_status(api: Api, place: Place) -> None:
    api.create(place.specimens, specimen("a", {"size": 1}))
    path = f"{place.specimens}/a"
    assert generation_after(api, path, {"metadata": {"labels": {"x": "1"}, "annotations": {"x": "1"}}}) == 1
    assert generation_after(api, f"{path}/status", {"status": {"phase": "Done"}}) == 1


def test_the_generation_counts_a_deletion_that_waits(api: Api, place: Place) -> None:
    path = f"{place.specimens}/a"
    api.create(place.specimens, specimen("a", finalizers=["e.com/f"]))
    assert api.delete(path).expect(200)["metadata"]["generation"] == 2
    api.patch(path, {"metadata": {"finalizers": None}}).expect(200)


def test_without_the_subresource_the_status_is_a_field_like_any_other(api: Api, unique: Any) -> None:
    name = unique("realm")
    realm = {
        "apiVersion": f"{GROUP}/v1",
        "kind": "Realm",
        "metadata": {"name": name},
        "spec": {},
        "status": {"phase": "x"},
    }
    assert api.create(REALMS, realm)["status"] == {"phase": "x"}
    assert generation_after(api, f"{REALMS}/{name}", {"status": {"phase": "y"}}) == 2
    assert api.get(f"{REALMS}/{name}/status").status == 404
    assert generation_after(api, f"{REALMS}/{name}", {"metadata": {"labels": {"x": "1"}}}) == 2


def test_configmaps_have_no_generation(api: Api, place: Place) -> None:
    assert "generation" not in api.create(place.configmaps, configmap("a"))["metadata"]


def test_scale_shows_replicas_and_selector(api: Api, place: Place) -> None:
    created = api.create(place.specimens, specimen("a", {"replicas": 2}))
    api.patch(f"{place.specimens}/a/status", {"status": {"replicas": 1, "selector": "x=1"}}).expect(200)
    scale = api.get(f"{place.specimens}/a/scale").expect(200)
    assert (scale["kind"], scale["apiVersion"]) == ("Scale", "autoscaling/v1")
    assert scale["spec"] == {"replicas": 2}
    assert scale["status"] == {"replicas": 1, "selector": "x=1"}
    assert scale["metadata"]["uid"] == created["metadata"]["uid"]
    assert scale["metadata"].keys() == {"name", "namespace", "uid", "resourceVersion", "creationTimestamp"}


def test_scale_sets_replicas(api: Api, place: Place) -> None:
    api.create(place.specimens, specimen("a", {"replicas": 2}))
    scale = api.get(f"{place.specimens}/a/scale").expect(200)
    body = api.put(f"{place.specimens}/a/scale", {**scale, "spec": {"replicas": 5}}).expect(200)
    assert body["spec"] == {"replicas": 5}
    assert api.patch(f"{place.specimens}/a/scale", {"spec": {"replicas": 6}}).expect(200)["spec"] == {"replicas": 6}
    stored = api.get(f"{place.specimens}/a").expect(200)
    assert (stored["spec"]["replicas"], stored["metadata"]["generation"]) == (6, 3)


def test_replicas_are_not_negative(api: Api, place: Place) -> None:
    api.create(place.specimens, specimen("a", {"replicas": 2}))
    answer = api.patch(f"{place.specimens}/a/scale", {"spec": {"replicas": -1}})
    assert answer.verdict[:2] == (422, "Invalid")
    assert answer.causes == [
        ("FieldValueInvalid", ".spec.replicas", "Invalid value: -1: should be a non-negative integer")
    ]
