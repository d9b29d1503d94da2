"""Server-side apply and managedFields: who owns which field, what a conflict is, what goes when nobody wants it."""

from __future__ import annotations

from typing import Any

import pytest

from tests.integration.conformance.conftest import GROUP, Place, configmap, specimen
from tests.integration.conformance.rest import APPLY_PATCH, Api


def managers(body: Any) -> dict[tuple[str, str, str], Any]:
    """Fields of each manager, by its name, operation and subresource."""
    return {
        (entry["manager"], entry["operation"], entry.get("subresource", "")): entry["fieldsV1"]
        for entry in body["metadata"]["managedFields"]
    }


def test_an_object_is_created_by_apply(api: Api, place: Place) -> None:
    answer = api.apply(f"{place.configmaps}/a", configmap("a", {"x": "1"}))
    [entry] = answer.expect(201)["metadata"]["managedFields"]
    entry.pop("time")
    assert entry == {
        "manager": "applier",
        "operation": "Apply",
        "apiVersion": "v1",
        "fieldsType": "FieldsV1",
        "fieldsV1": {"f:data": {"f:x": {}}},
    }


def test_applying_the_same_again_changes_nothing(api: Api, place: Place) -> None:
    first = api.apply(f"{place.specimens}/a", specimen("a", {"size": 1})).expect(201)
    assert api.apply(f"{place.specimens}/a", specimen("a", {"size": 1})).expect(200) == first


def test_a_created_object_is_owned_by_its_creator(api: Api, place: Place) -> None:
    body = api.create(place.configmaps, configmap("a", {"x": "1"}, labels={"l": "1"}), fieldManager="creator")
    assert managers(body) == {
        ("creator", "Update", ""): {"f:data": {".": {}, "f:x": {}}, "f:metadata": {"f:labels": {".": {}, "f:l": {}}}}
    }


def test_a_manager_without_a_name_is_called_after_the_user_agent(api: Api, place: Place) -> None:
    answer = api.request("POST", place.configmaps, configmap("a", {"x": "1"}), headers={"User-Agent": "tool/v1 (x)"})
    assert [manager for manager, _, _ in managers(answer.expect(201))] == ["tool"]


def test_another_value_of_a_field_of_somebody_else_is_a_conflict(api: Api, place: Place) -> None:
    api.create(place.configmaps, configmap("a", {"x": "1"}), fieldManager="creator")
    answer = api.apply(f"{place.configmaps}/a", configmap("a", {"x": "2"}))
    text = 'Apply failed with 1 conflict: conflict with "creator" using v1: .data.x'
    assert answer.verdict == (409, "Conflict", text)
    assert answer.causes == [("FieldManagerConflict", ".data.x", 'conflict with "creator" using v1')]


def test_a_conflict_with_an_applier_names_no_version(api: Api, place: Place) -> None:
    api.apply(f"{place.specimens}/a", specimen("a", {"color": "red", "size": 1}), "first").expect(201)
    answer = api.apply(f"{place.specimens}/a", specimen("a", {"color": "blue", "size": 2}), "second")
    text = 'Apply failed with 2 conflicts: conflicts with "first":\n- .spec.color\n- .spec.size'
    assert answer.verdict == (409, "Conflict", text)
    assert answer.causes == [
        ("FieldManagerConflict", field, 'conflict with "first"') for field in (".spec.color", ".spec.size")
    ]


def test_a_conflict_names_the_subresource(api: Api, place: Place) -> None:
    api.create(place.specimens, specimen("a", {}))
    api.patch(f"{place.specimens}/a/status", {"status": {"phase": "Done"}}, fieldManager="reporter").expect(200)
    answer = api.apply(f"{place.specimens}/a/status", {**specimen("a"), "status": {"phase": "Pending"}})
    manager = f'conflict with "reporter" with subresource "status" using {GROUP}/v1'
    assert answer.verdict == (409, "Conflict", f"Apply failed with 1 conflict: {manager}: .status.phase")


def test_the_same_value_is_shared(api: Api, place: Place) -> None:
    api.apply(f"{place.configmaps}/a", configmap("a", {"x": "1"}), "first").expect(201)
    body = api.apply(f"{place.configmaps}/a", configmap("a", {"x": "1"}), "second").expect(200)
    fields: dict[str, Any] = {"f:data": {"f:x": {}}}
    assert managers(body) == {("first", "Apply", ""): fields, ("second", "Apply", ""): fields}


def test_force_takes_the_field_over(api: Api, place: Place) -> None:
    api.apply(f"{place.configmaps}/a", configmap("a", {"x": "1", "y": "1"}), "first").expect(201)
    body = api.apply(f"{place.configmaps}/a", configmap("a", {"x": "2"}), "second", force=True).expect(200)
    assert body["data"] == {"x": "2", "y": "1"}
    assert managers(body) == {
        ("first", "Apply", ""): {"f:data": {"f:y": {}}},
        ("second", "Apply", ""): {"f:data": {"f:x": {}}},
    }


def test_a_field_that_is_not_applied_any_more_goes(api: Api, place: Place) -> None:
    api.apply(f"{place.configmaps}/a", configmap("a", {"x": "1", "y": "1"})).expect(201)
    assert api.apply(f"{place.configmaps}/a", configmap("a", {"y": "1"})).expect(200)["data"] == {"y": "1"}


def test_a_field_that_somebody_else_owns_too_stays(api: Api, place: Place) -> None:
    api.apply(f"{place.configmaps}/a", configmap("a", {"x": "1"}), "first").expect(201)
    api.apply(f"{place.configmaps}/a", configmap("a", {"x": "1"}), "second").expect(200)
    body = api.apply(f"{place.configmaps}/a", configmap("a"), "first").expect(200)
    assert body["data"] == {"x": "1"}
    assert managers(body) == {("second", "Apply", ""): {"f:data": {"f:x": {}}}}


def test_an_update_takes_fields_from_appliers(api: Api, place: Place) -> None:
    api.apply(f"{place.configmaps}/a", configmap("a", {"x": "1", "y": "1"})).expect(201)
    body = api.patch(f"{place.configmaps}/a", {"data": {"x": "2"}}, fieldManager="editor").expect(200)
    assert managers(body) == {
        ("applier", "Apply", ""): {"f:data": {"f:y": {}}},
        ("editor", "Update", ""): {"f:data": {"f:x": {}}},
    }


def test_items_of_a_map_list_are_merged_by_their_keys(api: Api, place: Place) -> None:
    path = f"{place.specimens}/a"
    api.apply(path, specimen("a", {"ports": [{"number": 1, "name": "x"}]}), "first").expect(201)
    body = api.apply(path, specimen("a", {"ports": [{"number": 2, "name": "y"}]}), "second").expect(200)
    assert body["spec"]["ports"] == [
        {"number": 1, "protocol": "TCP", "name": "x"},
        {"number": 2, "protocol": "TCP", "name": "y"},
    ]
    item: dict[str, Any] = {".": {}, "f:name": {}, "f:number": {}}
    assert managers(body)["second", "Apply", ""] == {"f:spec": {"f:ports": {'k:{"number":2,"protocol":"TCP"}': item}}}
    body = api.apply(path, specimen("a", {"ports": []}), "first").expect(200)
    assert [port["number"] for port in body["spec"]["ports"]] == [2]


def test_an_item_twice_in_a_map_list_is_refused(api: Api, place: Place) -> None:
    answer = api.apply(f"{place.specimens}/a", specimen("a", {"ports": [{"number": 1}, {"number": 1}]}))
    assert answer.verdict[0] == 500


def test_values_of_a_set_are_merged(api: Api, place: Place) -> None:
    path = f"{place.specimens}/a"
    api.apply(path, specimen("a", {"tags": ["x", "y"]}), "first").expect(201)
    body = api.apply(path, specimen("a", {"tags": ["z"]}), "second").expect(200)
    assert body["spec"]["tags"] == ["x", "y", "z"]
    assert managers(body)["first", "Apply", ""] == {"f:spec": {"f:tags": {'v:"x"': {}, 'v:"y"': {}}}}
    body = api.apply(path, specimen("a", {"tags": ["y"]}), "first").expect(200)
    assert body["spec"]["tags"] == ["y", "z"]


def test_atomic_lists_and_maps_have_one_owner(api: Api, place: Place) -> None:
    path = f"{place.specimens}/a"
    body = api.apply(path, specimen("a", {"atoms": ["x"], "whole": {"a": "1"}}), "first").expect(201)
    assert managers(body)["first", "Apply", ""] == {"f:spec": {"f:atoms": {}, "f:whole": {}}}
    answer = api.apply(path, specimen("a", {"atoms": ["y"], "whole": {"b": "1"}}), "second")
    assert [field for _, field, _ in answer.causes] == [".spec.atoms", ".spec.whole"]
    body = api.apply(path, specimen("a", {"atoms": ["y"], "whole": {"b": "1"}}), "second", force=True).expect(200)
    assert body["spec"]["whole"] == {"b": "1"}


def test_finalizers_are_a_set(api: Api, place: Place) -> None:
    path = f"{place.configmaps}/a"
    api.apply(path, configmap("a", finalizers=["e.com/x"]), "first").expect(201)
    body = api.apply(path, configmap("a", finalizers=["e.com/y"]), "second").expect(200)
    assert body["metadata"]["finalizers"] == ["e.com/x", "e.com/y"]
    assert managers(body)["second", "Apply", ""] == {"f:metadata": {"f:finalizers": {'v:"e.com/y"': {}}}}


def test_defaults_belong_to_nobody(api: Api, place: Place) -> None:
    body = api.apply(f"{place.specimens}/a", specimen("a", {"color": "red"})).expect(201)
    assert body["spec"]["size"] == 7
    assert managers(body) == {("applier", "Apply", ""): {"f:spec": {"f:color": {}}}}


def test_the_status_is_applied_apart(api: Api, place: Place) -> None:
    path = f"{place.specimens}/a"
    api.apply(path, {**specimen("a", {"size": 1}), "status": {"phase": "Done"}}).expect(201)
    body = api.apply(f"{path}/status", {**specimen("a"), "status": {"phase": "Done"}}, "controller").expect(200)
    assert body["status"] == {"phase": "Done"}
    assert managers(body) == {
        ("applier", "Apply", ""): {"f:spec": {"f:size": {}}},
        ("controller", "Apply", "status"): {"f:status": {"f:phase": {}}},
    }


def test_the_same_manager_updates_and_applies_apart(api: Api, place: Place) -> None:
    api.create(place.configmaps, configmap("a", {"x": "1"}), fieldManager="one")
    body = api.apply(f"{place.configmaps}/a", configmap("a", {"x": "1"}), "one").expect(200)
    assert managers(body) == {
        ("one", "Apply", ""): {"f:data": {"f:x": {}}},
        ("one", "Update", ""): {"f:data": {".": {}, "f:x": {}}},
    }


def test_appliers_stand_before_updaters(api: Api, place: Place) -> None:
    api.create(place.configmaps, configmap("a", {"x": "1"}), fieldManager="a")
    body = api.apply(f"{place.configmaps}/a", configmap("a", {"y": "1"}), "z").expect(200)
    assert [entry["manager"] for entry in body["metadata"]["managedFields"]] == ["z", "a"]


def test_apply_needs_a_manager(api: Api, place: Place) -> None:
    answer = api.patch(f"{place.configmaps}/a", configmap("a"), APPLY_PATCH)
    message = "Required value: is required for apply patch"
    assert answer.verdict == (422, "Invalid", f'PatchOptions.meta.k8s.io "" is invalid: fieldManager: {message}')
    assert answer.causes == [("FieldValueRequired", "fieldManager", message)]


def test_an_applied_object_has_no_managed_fields(api: Api, place: Place) -> None:
    created = api.apply(f"{place.configmaps}/a", configmap("a", {"x": "1"})).expect(201)
    answer = api.apply(f"{place.configmaps}/a", created)
    assert answer.verdict == (400, "BadRequest", "metadata.managedFields must be nil")


def test_an_applied_object_names_its_kind_and_version(api: Api, place: Place) -> None:
    answer = api.apply(f"{place.specimens}/a", {"metadata": {"name": "a"}, "spec": {"size": 1}})
    assert answer.verdict[0] == 400


def test_an_applied_object_is_yaml(api: Api, place: Place) -> None:
    text = "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: a\ndata:\n  x: '1'\n"
    assert api.apply(f"{place.configmaps}/a", text).expect(201)["data"] == {"x": "1"}


def test_another_name_is_refused(api: Api, place: Place) -> None:
    answer = api.apply(f"{place.configmaps}/a", configmap("b"))
    text = "the name of the object (b) does not match the name on the URL (a)"
    assert answer.verdict == (400, "BadRequest", text)


def test_an_unknown_field_is_refused(api: Api, place: Place) -> None:
    answer = api.apply(f"{place.configmaps}/a", {**configmap("a"), "extra": 1})
    assert answer.verdict[0] == 500


def test_apply_with_a_stale_version_is_a_conflict(api: Api, place: Place) -> None:
    stale = api.create(place.configmaps, configmap("a", {"x": "1"}))["metadata"]["resourceVersion"]
    api.patch(f"{place.configmaps}/a", {"data": {"x": "2"}}).expect(200)
    answer = api.apply(f"{place.configmaps}/a", configmap("a", {"y": "1"}, resourceVersion=stale))
    assert answer.verdict[:2] == (409, "Conflict")


def test_managed_fields_are_cleared_by_an_empty_entry(api: Api, place: Place) -> None:
    api.apply(f"{place.configmaps}/a", configmap("a", {"x": "1"})).expect(201)
    body = api.patch(f"{place.configmaps}/a", {"metadata": {"managedFields": [{}]}}).expect(200)
    assert "managedFields" not in body["metadata"]


def test_what_was_there_before_the_first_apply_has_an_owner(api: Api, place: Place) -> None:
    api.create(place.configmaps, configmap("a", {"x": "1"}))
    api.patch(f"{place.configmaps}/a", {"metadata": {"managedFields": [{}]}}).expect(200)
    body = api.apply(f"{place.configmaps}/a", configmap("a", {"y": "1"})).expect(200)
    assert managers(body) == {
        ("applier", "Apply", ""): {"f:data": {"f:y": {}}},
        ("before-first-apply", "Update", ""): {"f:data": {".": {}, "f:x": {}}},
    }


def test_an_object_without_managers_gets_none_by_an_update(api: Api, place: Place) -> None:
    assert "managedFields" not in api.create(place.configmaps, configmap("a"))["metadata"]
    body = api.patch(f"{place.configmaps}/a", {"data": {"x": "1"}}, fieldManager="editor").expect(200)
    assert "managedFields" not in body["metadata"]


def test_the_oldest_of_many_updaters_become_one(api: Api, place: Place) -> None:
    api.create(place.configmaps, configmap("a", {"k0": "0"}), fieldManager="m00")
    for number in range(1, 12):
        data = {f"k{number}": "0"}
        body = api.patch(f"{place.configmaps}/a", {"data": data}, fieldManager=f"m{number:02}").expect(200)
    found = managers(body)
    assert len(found) == 10
    ancient = found["ancient-changes", "Update", ""]
    assert ancient == {"f:data": {".": {}, "f:k0": {}, "f:k1": {}, "f:k2": {}}}


def test_apply_in_dry_run_stores_nothing(api: Api, place: Place) -> None:
    api.apply(f"{place.configmaps}/a", configmap("a"), dryRun="All").expect(201)
    assert api.get(f"{place.configmaps}/a").status == 404


@pytest.mark.parametrize("custom", [False, True], ids=["built-in", "custom"])
def test_removing_the_last_field_leaves_an_empty_map(api: Api, place: Place, custom: bool) -> None:
    if custom:
        path = f"{place.specimens}/a"
        api.apply(path, specimen("a", {"labels": {"x": "1"}})).expect(201)
        assert "labels" not in api.apply(path, specimen("a", {})).expect(200)["spec"]
    else:
        path = f"{place.configmaps}/a"
        api.apply(path, configmap("a", {"x": "1"})).expect(201)
        assert "data" not in api.apply(path, configmap("a")).expect(200)
