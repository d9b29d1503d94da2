"""CRDs: added, changed and removed while the server runs."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from tests.integration.conformance.lifecycle import CRDS, answers, condition, crd, established, install, refuses
from tests.integration.conformance.rest import Api, eventually

Unique = Callable[[str], str]
TABLE = "application/json;as=Table;g=meta.k8s.io;v=v1"


def group_of(unique: Unique) -> str:
    return f"{unique('g')}.example.com"


def thing(group: str, name: str, version: str = "v1", **more: Any) -> dict[str, Any]:
    return {"apiVersion": f"{group}/{version}", "kind": "Thing", "metadata": {"name": name}, **more}


def schema(**properties: Any) -> dict[str, Any]:
    return {"openAPIV3Schema": {"type": "object", "properties": properties}}


def versions(*documents: dict[str, Any]) -> list[dict[str, Any]]:
    """Return versions of a kind; the first one is stored."""
    return [
        {"served": True, "storage": number == 0, "schema": schema(spec={"type": "object"}), **document}
        for number, document in enumerate(documents)
    ]


def test_a_new_kind_is_served_without_a_restart(api: Api, unique: Unique) -> None:
    group = group_of(unique)
    assert api.get(f"/apis/{group}/v1/things").status == 404
    install(api, crd(group))
    api.create(f"/apis/{group}/v1/things", thing(group, "a", any=1))
    assert api.get(f"/apis/{group}/v1/things/a").expect(200)["any"] == 1


def test_names_are_filled_in(api: Api, unique: Unique) -> None:
    group = group_of(unique)
    body = api.create(CRDS, crd(group))
    names = {"plural": "things", "singular": "thing", "kind": "Thing", "listKind": "ThingList"}
    assert body["spec"]["names"] == names
    assert body["spec"]["conversion"] == {"strategy": "None"}
    assert body["metadata"]["generation"] == 1
    assert body["status"]["storedVersions"] == ["v1"]


def test_conditions_tell_that_names_are_accepted_and_served(api: Api, unique: Unique) -> None:
    group = group_of(unique)
    install(api, crd(group))
    body = api.get(f"{CRDS}/things.{group}").expect(200)
    assert condition(body, "NamesAccepted") == ("True", "NoConflicts", "no conflicts found")
    assert condition(body, "Established") == ("True", "InitialNamesAccepted", "the initial names have been accepted")
    assert body["status"]["acceptedNames"] == body["spec"]["names"]


def test_names_of_another_kind_are_not_taken(api: Api, unique: Unique) -> None:
    group = group_of(unique)
    install(api, crd(group))
    second = crd(group, "others")
    second["spec"]["names"]["shortNames"] = ["things"]
    api.create(CRDS, second)
    body = api.until(f"{CRDS}/others.{group}", lambda body: condition(body, "NamesAccepted") is not None)
    assert condition(body, "NamesAccepted") == ("False", "ShortNamesConflict", '"things" is already in use')
    assert condition(body, "Established") == ("False", "NotAccepted", "not all names are accepted")
    assert api.get(f"/apis/{group}/v1/others").status == 404


def test_a_crd_is_named_after_plural_and_group(api: Api, unique: Unique) -> None:
    group = group_of(unique)
    document = crd(group)
    document["metadata"]["name"] = f"other.{group}"
    answer = api.post(CRDS, document)
    message = f'Invalid value: "other.{group}": must be spec.names.plural+"."+spec.group'
    text = f'CustomResourceDefinition.apiextensions.k8s.io "other.{group}" is invalid: metadata.name: {message}'
    assert answer.verdict == (422, "Invalid", text)


def test_one_version_is_stored(api: Api, unique: Unique) -> None:
    answer = api.post(CRDS, crd(group_of(unique), storage=False))
    assert ("FieldValueInvalid", "spec.versions") in [(reason, field) for reason, field, _ in answer.causes]
    assert "must have exactly one version marked as storage version" in answer.verdict[2]


@pytest.mark.parametrize(
    ("change", "field", "text"),
    [
        pytest.param({"schema": None}, "spec.versions[0].schema.openAPIV3Schema", "Required value", id="no schema"),
        pytest.param(
            {"schema": {"openAPIV3Schema": {"properties": {"a": {"type": "string"}}}}},
            "spec.validation.openAPIV3Schema.type",
            "Required value: must not be empty at the root",
            id="no type at the root",
        ),
        pytest.param(
            {"schema": schema(a={"minimum": 1})},
            "spec.validation.openAPIV3Schema.properties[a].type",
            "Required value: must not be empty for specified object fields",
            id="no type of a field",
        ),
        pytest.param(
            {"schema": schema(a={"type": "array"})},
            "spec.validation.openAPIV3Schema.properties[a].items",
            "Required value: must be specified",
            id="no items",
        ),
        pytest.param(
            {"schema": schema(a={"type": "string", "default": 1})},
            "spec.validation.openAPIV3Schema.properties[a].default",
            'Invalid value: "integer":  in body must be of type string: "integer"',
            id="default of another type",
        ),
        pytest.param(
            {"schema": schema(a={"type": "text"})},
            "spec.validation.openAPIV3Schema.properties[a].type",
            'Unsupported value: "text": supported values: "array", "boolean", "integer", "number", "object", "string"',
            id="unknown type",
        ),
        pytest.param({"name": "One"}, "spec.versions[0].name", 'Invalid value: "One": a DNS-1035 label', id="name"),
    ],
)
def test_a_crd_is_validated(api: Api, unique: Unique, change: dict[str, Any], field: str, text: str) -> None:
    # With one version, the schema is called by the name that it had in v1beta1.
    answer = api.post(CRDS, crd(group_of(unique), **change))
    assert answer.verdict[:2] == (422, "Invalid")
    assert field in [found for _, found, _ in answer.causes]
    assert text in answer.verdict[2]


def test_a_changed_schema_holds_from_then_on(api: Api, unique: Unique) -> None:
    group = group_of(unique)
    things = f"/apis/{group}/v1/things"
    install(api, crd(group, schema=schema(size={"type": "integer"})))
    api.create(things, thing(group, "a", size=5, color="red"))
    changed = {
        "spec": {"versions": crd(group, schema=schema(size={"type": "integer", "maximum": 3}))["spec"]["versions"]}
    }
    body = api.patch(f"{CRDS}/things.{group}", changed).expect(200)
    assert body["metadata"]["generation"] == 2
    refuses(api, things, thing(group, "b", size=5))
    # What is stored is not looked at again.
    assert api.get(f"{things}/a").expect(200)["size"] == 5


def test_a_new_field_is_kept_from_then_on(api: Api, unique: Unique) -> None:
    group = group_of(unique)
    things = f"/apis/{group}/v1/things"
    install(api, crd(group, schema=schema(size={"type": "integer"})))
    wider = schema(size={"type": "integer"}, color={"type": "string"})
    changed = {"spec": {"versions": crd(group, schema=wider)["spec"]["versions"]}}
    api.patch(f"{CRDS}/things.{group}", changed).expect(200)
    # In between a server may refuse for a moment (503), while it changes what serves the kind.
    answer = eventually(
        lambda: api.post(things, thing(group, "b", color="red"), dryRun="All"),
        lambda answer: answer.status == 201 and "color" in answer.body,
    )
    assert answer.body["color"] == "red"


def test_an_old_mistake_may_stay_while_something_else_changes(api: Api, unique: Unique) -> None:
    group = group_of(unique)
    things = f"/apis/{group}/v1/things"
    text = {"type": "string"}
    install(api, crd(group, schema=schema(old=text, other=text)))
    api.create(things, thing(group, "a", old="long"))
    stricter = crd(group, schema=schema(old={**text, "maxLength": 2}, other=text))["spec"]["versions"]
    api.patch(f"{CRDS}/things.{group}", {"spec": {"versions": stricter}}).expect(200)
    refuses(api, things, thing(group, "b", old="long"))
    assert api.patch(f"{things}/a", {"other": "x"}).expect(200)["old"] == "long"
    assert api.patch(f"{things}/a", {"old": "longer"}).verdict[:2] == (422, "Invalid")


def test_scope_and_group_do_not_change(api: Api, unique: Unique) -> None:
    group = group_of(unique)
    install(api, crd(group))
    answer = api.patch(f"{CRDS}/things.{group}", {"spec": {"scope": "Namespaced"}})
    assert answer.causes == [("FieldValueInvalid", "spec.scope", 'Invalid value: "Namespaced": field is immutable')]


def test_objects_are_seen_in_each_version(api: Api, unique: Unique) -> None:
    group = group_of(unique)
    document = crd(group)
    document["spec"]["versions"] = versions({"name": "v1"}, {"name": "v2"})
    install(api, document)
    api.create(f"/apis/{group}/v2/things", thing(group, "a", "v2", spec={}))
    assert api.get(f"/apis/{group}/v1/things/a").expect(200)["apiVersion"] == f"{group}/v1"
    assert api.get(f"/apis/{group}/v2/things").expect(200)["items"][0]["apiVersion"] == f"{group}/v2"


def test_a_version_that_is_not_served_is_not_found(api: Api, unique: Unique) -> None:
    group = group_of(unique)
    document = crd(group)
    document["spec"]["versions"] = versions({"name": "v1"}, {"name": "v2", "served": False})
    install(api, document)
    assert api.get(f"/apis/{group}/v2/things").status == 404


def test_stored_versions_remember_where_objects_are(api: Api, unique: Unique) -> None:
    group = group_of(unique)
    install(api, crd(group))
    two = versions({"name": "v2"}, {"name": "v1"})
    body = api.patch(f"{CRDS}/things.{group}", {"spec": {"versions": two}}).expect(200)
    assert body["status"]["storedVersions"] == ["v1", "v2"]
    answer = api.patch(f"{CRDS}/things.{group}", {"spec": {"versions": two[:1]}})
    message = (
        'Invalid value: "v1": missing from spec.versions; v1 was previously a storage version, and must remain in '
    )
    assert answer.verdict[:2] == (422, "Invalid")
    assert message in answer.verdict[2]


def test_a_deleted_kind_takes_its_objects_along(api: Api, unique: Unique) -> None:
    group = group_of(unique)
    things = f"/apis/{group}/v1/things"
    install(api, crd(group))
    for name in ("a", "b"):
        api.create(things, thing(group, name))
    version = api.get(things).expect(200)["metadata"]["resourceVersion"]
    with api.watch(things, resourceVersion=version) as watch:
        deleted = api.delete(f"{CRDS}/things.{group}").expect(200)
        assert deleted["kind"] in ("Status", "CustomResourceDefinition")
        assert sorted(watch.take(2)) == [("DELETED", "a"), ("DELETED", "b")]
    api.gone(f"{CRDS}/things.{group}")
    answers(api, things, 404)


def test_a_deleted_kind_waits_for_its_objects(api: Api, unique: Unique) -> None:
    group = group_of(unique)
    path, things = f"{CRDS}/things.{group}", f"/apis/{group}/v1/things"
    install(api, crd(group))
    held = thing(group, "a")
    held["metadata"]["finalizers"] = ["e.com/f"]
    api.create(things, held)
    api.delete(path).expect(200)
    body = api.until(path, lambda body: (condition(body, "Terminating") or ("", ""))[1] == "InstanceDeletionInProgress")
    assert body["metadata"]["finalizers"] == ["customresourcecleanup.apiextensions.k8s.io"]
    message = "CustomResource deletion is in progress"
    assert condition(body, "Terminating") == ("True", "InstanceDeletionInProgress", message)
    api.until(things + "/a", lambda body: "deletionTimestamp" in body["metadata"])
    answer = api.post(things, thing(group, "b"))
    text = f'things.{group} "b" is forbidden: create not allowed while custom resource definition is terminating'
    assert answer.verdict == (403, "Forbidden", text)
    api.patch(f"{things}/a", {"metadata": {"finalizers": None}}).expect(200)
    api.gone(path)


def test_a_kind_may_come_again(api: Api, unique: Unique) -> None:
    group = group_of(unique)
    things = f"/apis/{group}/v1/things"
    install(api, crd(group))
    api.create(things, thing(group, "a"))
    api.delete(f"{CRDS}/things.{group}").expect(200)
    api.gone(f"{CRDS}/things.{group}")
    install(api, crd(group))
    assert eventually(lambda: api.get(things), lambda answer: answer.status == 200).body["items"] == []


def test_columns_follow_the_crd(api: Api, unique: Unique) -> None:
    group = group_of(unique)
    columns = [{"name": "Size", "type": "integer", "jsonPath": ".size"}]
    install(api, crd(group, additionalPrinterColumns=columns))
    api.create(f"/apis/{group}/v1/things", thing(group, "a", size=3))
    table = api.get(f"/apis/{group}/v1/things", accept=TABLE).expect(200)
    assert [column["name"] for column in table["columnDefinitions"]] == ["Name", "Size"]
    assert [row["cells"] for row in table["rows"]] == [["a", 3]]


def test_a_crd_without_columns_shows_name_and_age(api: Api, unique: Unique) -> None:
    group = group_of(unique)
    install(api, crd(group))
    table = api.get(f"/apis/{group}/v1/things", accept=TABLE).expect(200)
    assert [column["name"] for column in table["columnDefinitions"]] == ["Name", "Age"]
    assert table["rows"] == []


def test_a_crd_has_a_status_of_its_own(api: Api, unique: Unique) -> None:
    group = group_of(unique)
    install(api, crd(group))
    body = api.patch(f"{CRDS}/things.{group}", {"status": {"storedVersions": ["x"]}}).expect(200)
    assert body["status"]["storedVersions"] == ["v1"]
    assert established(body)
