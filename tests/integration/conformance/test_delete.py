"""Deleting: what is answered, what holds it up, and what must be true for it."""

from __future__ import annotations

from typing import Any

import pytest

from tests.integration.conformance.conftest import GROUP, Place, configmap, specimen
from tests.integration.conformance.rest import Api, names

FINALIZER = "e.com/f"


def release(api: Api, path: str) -> Any:
    """Take the finalizers away."""
    return api.patch(path, {"metadata": {"finalizers": None}}).expect(200)


def test_a_deletion_is_answered_with_a_status(api: Api, place: Place) -> None:
    created = api.create(place.configmaps, configmap("a"))
    assert api.delete(f"{place.configmaps}/a").expect(200) == {
        "kind": "Status",
        "apiVersion": "v1",
        "metadata": {},
        "status": "Success",
        "details": {"name": "a", "kind": "configmaps", "uid": created["metadata"]["uid"]},
    }
    assert api.get(f"{place.configmaps}/a").status == 404


def test_a_deletion_of_a_custom_object_names_its_group(api: Api, place: Place) -> None:
    created = api.create(place.specimens, specimen("a"))
    assert api.delete(f"{place.specimens}/a").expect(200)["details"] == {
        "name": "a",
        "group": GROUP,
        "kind": "specimens",
        "uid": created["metadata"]["uid"],
    }


def test_a_missing_object_is_not_deleted(api: Api, place: Place) -> None:
    answer = api.delete(f"{place.configmaps}/none")
    assert answer.verdict == (404, "NotFound", 'configmaps "none" not found')


def test_some_kinds_are_answered_with_the_object(api: Api, place: Place) -> None:
    services = place.core("services")
    created = api.create(services, {"metadata": {"name": "a"}, "spec": {"ports": [{"port": 1}]}})
    deleted = api.delete(f"{services}/a").expect(200)
    # The version is that of the deletion.
    assert int(deleted["metadata"].pop("resourceVersion")) > int(created["metadata"].pop("resourceVersion"))
    assert deleted == created


def test_a_finalizer_holds_the_deletion_up(api: Api, place: Place) -> None:
    path = f"{place.specimens}/a"
    api.create(place.specimens, specimen("a", finalizers=[FINALIZER]))
    answer = api.delete(path)
    body = answer.expect(200)
    assert body["kind"] == "Specimen"
    assert body["metadata"]["deletionTimestamp"]
    assert body["metadata"]["deletionGracePeriodSeconds"] == 0
    assert body["metadata"]["finalizers"] == [FINALIZER]
    assert api.get(path).expect(200) == body
    release(api, path)
    assert api.get(path).status == 404


def test_the_last_finalizer_lets_go(api: Api, place: Place) -> None:
    path = f"{place.configmaps}/a"
    created = api.create(place.configmaps, configmap("a", finalizers=[FINALIZER, "e.com/g"]))
    with api.watch(place.configmaps, resourceVersion=created["metadata"]["resourceVersion"]) as watch:
        api.delete(path).expect(200)
        api.patch(path, {"metadata": {"finalizers": ["e.com/g"]}}).expect(200)
        api.patch(path, {"metadata": {"finalizers": []}}).expect(200)
        assert watch.take(3) == [("MODIFIED", "a"), ("MODIFIED", "a"), ("DELETED", "a")]


def test_deleting_again_changes_nothing(api: Api, place: Place) -> None:
    path = f"{place.specimens}/a"
    api.create(place.specimens, specimen("a", finalizers=[FINALIZER]))
    first = api.delete(path).expect(200)
    assert api.delete(path).expect(200) == first
    release(api, path)


def test_no_finalizer_is_added_to_what_is_being_deleted(api: Api, place: Place) -> None:
    path = f"{place.configmaps}/a"
    api.create(place.configmaps, configmap("a", finalizers=[FINALIZER]))
    api.delete(path).expect(200)
    answer = api.patch(path, {"metadata": {"finalizers": [FINALIZER, "e.com/new"]}})
    message = (
        "Forbidden: no new finalizers can be added if the object is being deleted, found new finalizers "
        '[]string{"e.com/new"}'
    )
    assert answer.verdict == (422, "Invalid", f'ConfigMap "a" is invalid: metadata.finalizers: {message}')
    release(api, path)


def test_what_is_being_deleted_can_be_changed(api: Api, place: Place) -> None:
    path = f"{place.specimens}/a"
    api.create(place.specimens, specimen("a", finalizers=[FINALIZER]))
    api.delete(path).expect(200)
    assert api.patch(path, {"spec": {"size": 9}}).expect(200)["spec"]["size"] == 9
    release(api, path)


def test_the_name_stays_taken_until_the_end(api: Api, place: Place) -> None:
    path = f"{place.configmaps}/a"
    api.create(place.configmaps, configmap("a", finalizers=[FINALIZER]))
    api.delete(path).expect(200)
    answer = api.post(place.configmaps, configmap("a"))
    assert answer.verdict[:2] == (409, "AlreadyExists")
    release(api, path)
    api.create(place.configmaps, configmap("a"))


@pytest.mark.parametrize("custom", [False, True], ids=["built-in", "custom"])
def test_another_uid_is_a_failed_precondition(api: Api, place: Place, custom: bool) -> None:
    # Other conflicts name the resource, this one the kind.
    collection, kind = (place.specimens, f"Specimen.{GROUP}") if custom else (place.configmaps, "ConfigMap")
    created = api.create(collection, specimen("a") if custom else configmap("a"))
    uid = created["metadata"]["uid"]
    answer = api.delete(f"{collection}/a", {"preconditions": {"uid": "other"}})
    text = (
        f'Operation cannot be fulfilled on {kind} "a": the UID in the precondition (other) does not match the UID in '
    )
    assert answer.verdict == (
        409,
        "Conflict",
        f"{text}record ({uid}). The object might have been deleted and then recreated",
    )
    assert api.delete(f"{collection}/a", {"preconditions": {"uid": uid}}).status == 200


def test_another_version_is_a_failed_precondition(api: Api, place: Place) -> None:
    stale = api.create(place.configmaps, configmap("a"))["metadata"]["resourceVersion"]
    fresh = api.patch(f"{place.configmaps}/a", {"data": {"x": "1"}}).expect(200)["metadata"]["resourceVersion"]
    answer = api.delete(f"{place.configmaps}/a", {"preconditions": {"resourceVersion": stale}})
    text = (
        'Operation cannot be fulfilled on ConfigMap "a": the ResourceVersion in the precondition '
        f"({stale}) does not match the ResourceVersion in record ({fresh}). The object might have been modified"
    )
    assert answer.verdict == (409, "Conflict", text)


def test_a_dry_run_deletes_nothing(api: Api, place: Place) -> None:
    created = api.create(place.configmaps, configmap("a"))
    assert api.delete(f"{place.configmaps}/a", dryRun="All").expect(200)["status"] == "Success"
    assert api.get(f"{place.configmaps}/a").expect(200) == created


def test_foreground_and_orphan_are_finalizers(api: Api, place: Place) -> None:
    for name, policy, finalizer in (("a", "Foreground", "foregroundDeletion"), ("b", "Orphan", "orphan")):
        created = api.create(place.specimens, specimen(name, finalizers=[FINALIZER]))
        with api.watch(
            place.specimens,
            resourceVersion=created["metadata"]["resourceVersion"],
            fieldSelector=f"metadata.name={name}",
        ) as watch:
            api.delete(f"{place.specimens}/{name}", propagationPolicy=policy).expect(200)
            assert finalizer in watch.next()["object"]["metadata"]["finalizers"]
        api.patch(f"{place.specimens}/{name}", {"metadata": {"finalizers": None}})


def test_an_unknown_propagation_is_refused(api: Api, place: Place) -> None:
    api.create(place.configmaps, configmap("a"))
    answer = api.delete(f"{place.configmaps}/a", propagationPolicy="Sideways")
    message = 'Unsupported value: "Sideways": supported values: "Foreground", "Background", "Orphan", "nil"'
    assert answer.verdict == (422, "Invalid", f'DeleteOptions.meta.k8s.io "" is invalid: propagationPolicy: {message}')


def test_options_are_taken_from_the_body_too(api: Api, place: Place) -> None:
    path = f"{place.specimens}/a"
    api.create(place.specimens, specimen("a", finalizers=[FINALIZER]))
    options = {"kind": "DeleteOptions", "apiVersion": "v1", "gracePeriodSeconds": 30, "propagationPolicy": "Background"}
    body = api.delete(path, options).expect(200)
    # Only Pods and a few others take their time.
    assert body["metadata"]["deletionGracePeriodSeconds"] == 0
    release(api, path)


def test_a_collection_is_deleted(api: Api, place: Place) -> None:
    for name in ("a", "b"):
        api.create(place.configmaps, configmap(name))
    body = api.delete(place.configmaps).expect(200)
    assert body["kind"] == "ConfigMapList"
    assert names(body) == ["a", "b"]
    assert api.get(place.configmaps).expect(200)["items"] == []


def test_a_part_of_a_collection_is_deleted(api: Api, place: Place) -> None:
    for name in ("a", "b", "c"):
        api.create(place.specimens, specimen(name, labels={"x": name}))
    assert api.delete(place.specimens, labelSelector="x in (a, b)").status == 200
    assert names(api.get(place.specimens).expect(200)) == ["c"]
    assert api.delete(place.specimens, fieldSelector="metadata.name=none").status == 200
    assert names(api.get(place.specimens).expect(200)) == ["c"]


def test_a_collection_waits_for_finalizers(api: Api, place: Place) -> None:
    api.create(place.configmaps, configmap("a", finalizers=[FINALIZER]))
    api.create(place.configmaps, configmap("b"))
    api.delete(place.configmaps).expect(200)
    [left] = api.get(place.configmaps).expect(200)["items"]
    assert left["metadata"]["deletionTimestamp"]
    release(api, f"{place.configmaps}/a")


def test_services_are_deleted_as_a_collection(api: Api, place: Place) -> None:
    api.create(place.core("services"), {"metadata": {"name": "a"}, "spec": {"ports": [{"port": 1}]}})
    api.delete(place.core("services")).expect(200)
    assert api.get(place.core("services")).expect(200)["items"] == []


def test_namespaces_are_not_deleted_as_a_collection(api: Api) -> None:
    text = "the server does not allow this method on the requested resource"
    assert api.delete("/api/v1/namespaces").verdict == (405, "MethodNotAllowed", text)
