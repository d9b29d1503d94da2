"""Replacing objects: optimistic locking, what must stay as it is, and what a write without a change does."""

from __future__ import annotations

from typing import Any

import pytest

from tests.integration.conformance.conftest import GROUP, Place, configmap, specimen
from tests.integration.conformance.rest import Api

MODIFIED = "the object has been modified; please apply your changes to the latest version and try again"


def test_an_update_replaces_the_object(api: Api, place: Place) -> None:
    created = api.create(place.configmaps, configmap("a", {"x": "1"}, labels={"l": "1"}))
    answer = api.put(f"{place.configmaps}/a", configmap("a", {"y": "2"}))
    body = answer.expect(200)
    assert body["data"] == {"y": "2"}
    assert "labels" not in body["metadata"]
    assert body["metadata"]["uid"] == created["metadata"]["uid"]
    assert body["metadata"]["creationTimestamp"] == created["metadata"]["creationTimestamp"]
    assert int(body["metadata"]["resourceVersion"]) > int(created["metadata"]["resourceVersion"])


def test_a_stale_version_is_a_conflict(api: Api, place: Place) -> None:
    stale = api.create(place.configmaps, configmap("a"))
    api.put(f"{place.configmaps}/a", {**stale, "data": {"x": "1"}}).expect(200)
    answer = api.put(f"{place.configmaps}/a", {**stale, "data": {"x": "2"}})
    text = f'Operation cannot be fulfilled on configmaps "a": {MODIFIED}'
    assert answer.verdict == (409, "Conflict", text)
    assert answer.body["details"] == {"name": "a", "kind": "configmaps"}


def test_a_stale_version_of_a_custom_kind_is_a_conflict(api: Api, place: Place) -> None:
    stale = api.create(place.specimens, specimen("a"))
    api.put(f"{place.specimens}/a", {**stale, "spec": {"size": 1}}).expect(200)
    answer = api.put(f"{place.specimens}/a", {**stale, "spec": {"size": 2}})
    assert answer.verdict == (409, "Conflict", f'Operation cannot be fulfilled on specimens.{GROUP} "a": {MODIFIED}')
    assert answer.body["details"] == {"name": "a", "group": GROUP, "kind": "specimens"}


def test_a_built_in_kind_is_updated_without_a_version(api: Api, place: Place) -> None:
    api.create(place.configmaps, configmap("a"))
    assert api.put(f"{place.configmaps}/a", configmap("a", {"x": "1"})).status == 200


def test_a_custom_kind_is_not_updated_without_a_version(api: Api, place: Place) -> None:
    api.create(place.specimens, specimen("a"))
    answer = api.put(f"{place.specimens}/a", specimen("a", {"size": 1}))
    message = "Invalid value: 0: must be specified for an update"
    text = f'specimens.{GROUP} "a" is invalid: metadata.resourceVersion: {message}'
    assert answer.verdict == (422, "Invalid", text)
    assert answer.causes == [("FieldValueInvalid", "metadata.resourceVersion", message)]


@pytest.mark.parametrize("custom", [False, True], ids=["built-in", "custom"])
def test_a_write_without_a_change_keeps_the_version(api: Api, place: Place, custom: bool) -> None:
    collection = place.specimens if custom else place.configmaps
    created = api.create(collection, specimen("a", {"size": 1}) if custom else configmap("a", {"x": "1"}))
    again = api.put(f"{collection}/a", created).expect(200)
    assert again == created


def test_a_missing_object_is_not_updated(api: Api, place: Place) -> None:
    answer = api.put(f"{place.specimens}/a", specimen("a", resourceVersion="1"))
    assert answer.verdict == (404, "NotFound", f'specimens.{GROUP} "a" not found')


def test_a_configmap_is_not_created_by_an_update(api: Api, place: Place) -> None:
    answer = api.put(f"{place.configmaps}/a", configmap("a"))
    assert answer.verdict == (404, "NotFound", 'configmaps "a" not found')


@pytest.mark.parametrize("collection", ["leases", "events"])
def test_some_kinds_are_created_by_an_update(api: Api, place: Place, collection: str) -> None:
    if collection == "leases":
        path = f"/apis/coordination.k8s.io/v1/namespaces/{place.namespace}/leases/a"
        body: dict[str, Any] = {"metadata": {"name": "a"}, "spec": {}}
    else:
        path = f"{place.core('events')}/a"
        body = {"metadata": {"name": "a"}, "involvedObject": {"namespace": place.namespace}}
    assert api.put(path, body).status == 201


def test_the_name_is_that_of_the_path(api: Api, place: Place) -> None:
    api.create(place.configmaps, configmap("a"))
    answer = api.put(f"{place.configmaps}/a", configmap("b"))
    text = "the name of the object (b) does not match the name on the URL (a)"
    assert answer.verdict == (400, "BadRequest", text)


def test_the_namespace_is_that_of_the_path(api: Api, place: Place) -> None:
    api.create(place.configmaps, configmap("a"))
    answer = api.put(f"{place.configmaps}/a", configmap("a", namespace="other"))
    text = "the namespace of the provided object does not match the namespace sent on the request"
    assert answer.verdict == (400, "BadRequest", text)


def test_another_uid_is_a_failed_precondition(api: Api, place: Place) -> None:
    created = api.create(place.configmaps, configmap("a"))
    answer = api.put(f"{place.configmaps}/a", configmap("a", uid="other"))
    text = (
        'Operation cannot be fulfilled on configmaps "a": StorageError: invalid object, Code: 4, Key: '
        f"/registry/configmaps/{place.namespace}/a, ResourceVersion: 0, AdditionalErrorMsg: Precondition failed: "
        f"UID in precondition: other, UID in object meta: {created['metadata']['uid']}"
    )
    assert answer.verdict == (409, "Conflict", text)


@pytest.mark.parametrize(
    ("metadata", "kept"),
    [
        pytest.param({"creationTimestamp": "2001-01-01T00:00:00Z"}, "creationTimestamp", id="creationTimestamp"),
        pytest.param({"generation": 99}, "generation", id="generation"),
        pytest.param({"selfLink": "/x"}, "selfLink", id="selfLink"),
    ],
)
def test_metadata_of_the_system_is_kept(api: Api, place: Place, metadata: dict[str, Any], kept: str) -> None:
    created = api.create(place.specimens, specimen("a", {"size": 1}))
    changed = {**created, "metadata": {**created["metadata"], **metadata}}
    body = api.put(f"{place.specimens}/a", changed).expect(200)
    assert body["metadata"].get(kept) == created["metadata"].get(kept)
    assert body["metadata"]["resourceVersion"] == created["metadata"]["resourceVersion"]


def test_an_object_is_not_put_in_deletion_by_an_update(api: Api, place: Place) -> None:
    created = api.create(place.configmaps, configmap("a"))
    time = "2001-01-01T00:00:00Z"
    changed = {**created, "metadata": {**created["metadata"], "deletionTimestamp": time}}
    answer = api.put(f"{place.configmaps}/a", changed)
    message = f'Invalid value: "{time}": field is immutable'
    assert answer.verdict == (422, "Invalid", f'ConfigMap "a" is invalid: metadata.deletionTimestamp: {message}')
    assert set(answer.causes) == {("FieldValueInvalid", "metadata.deletionTimestamp", message)}


def test_another_kind_is_refused(api: Api, place: Place) -> None:
    created = api.create(place.specimens, specimen("a"))
    answer = api.put(f"{place.specimens}/a", {**created, "kind": "Other"})
    text = f'Other.{GROUP} "a" is invalid: kind: Invalid value: "Other": must be Specimen'
    assert answer.verdict == (422, "Invalid", text)


def test_another_version_is_refused(api: Api, place: Place) -> None:
    created = api.create(place.specimens, specimen("a"))
    answer = api.put(f"{place.specimens}/a", {**created, "apiVersion": f"{GROUP}/v1beta1"})
    text = f"the API version in the data ({GROUP}/v1beta1) does not match the expected API version ({GROUP}/v1)"
    assert answer.verdict == (400, "BadRequest", text)


def test_an_object_without_a_name_is_refused(api: Api, place: Place) -> None:
    api.create(place.configmaps, configmap("a"))
    answer = api.put(f"{place.configmaps}/a", {"data": {"x": "1"}})
    text = "the name of the object (a based on URL) was undeterminable: name must be provided"
    assert answer.verdict[:2] == (400, "BadRequest")
    assert answer.verdict[2] == text


def test_an_update_in_dry_run_stores_nothing(api: Api, place: Place) -> None:
    created = api.create(place.configmaps, configmap("a", {"x": "1"}))
    body = api.put(f"{place.configmaps}/a", {**created, "data": {"x": "2"}}, dryRun="All").expect(200)
    assert body["data"] == {"x": "2"}
    assert body["metadata"]["resourceVersion"] == created["metadata"]["resourceVersion"]
    assert api.get(f"{place.configmaps}/a").expect(200) == created


def test_a_label_alone_changes_the_version_and_not_the_generation(api: Api, place: Place) -> None:
    created = api.create(place.specimens, specimen("a"))
    changed = {**created, "metadata": {**created["metadata"], "labels": {"x": "1"}}}
    body = api.put(f"{place.specimens}/a", changed).expect(200)
    assert body["metadata"]["resourceVersion"] != created["metadata"]["resourceVersion"]
    assert body["metadata"]["generation"] == created["metadata"]["generation"]


def test_the_collection_is_not_updated(api: Api, place: Place) -> None:
    answer = api.put(place.configmaps, configmap("a"))
    text = "the server does not allow this method on the requested resource"
    assert answer.verdict == (405, "MethodNotAllowed", text)
