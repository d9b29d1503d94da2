"""Owners: what goes with them, what stays, and the end of a namespace."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import pytest

from controller_runtime.envtest import ControlPlane
from tests.integration.conformance.conftest import GROUP, Place, configmap, specimen
from tests.integration.conformance.rest import Answer, Api

REALMS = f"/apis/{GROUP}/v1/realms"


def owner(body: Any, **more: Any) -> list[dict[str, Any]]:
    """Return the ownerReferences that name an object."""
    reference = {key: body[key] for key in ("apiVersion", "kind")}
    return [{**reference, "name": body["metadata"]["name"], "uid": body["metadata"]["uid"], **more}]


def test_background_dependants_go_after_their_owner(api: Api, place: Place) -> None:
    parent = api.create(place.specimens, specimen("parent"))
    api.create(place.configmaps, configmap("child", ownerReferences=owner(parent)))
    api.delete(f"{place.specimens}/parent", propagationPolicy="Background").expect(200)
    assert api.get(f"{place.specimens}/parent").status == 404
    api.gone(f"{place.configmaps}/child")


def test_background_is_the_default_of_custom_kinds(api: Api, place: Place) -> None:
    parent = api.create(place.specimens, specimen("parent"))
    api.create(place.specimens, specimen("child", ownerReferences=owner(parent)))
    assert api.delete(f"{place.specimens}/parent").expect(200)["kind"] == "Status"
    api.gone(f"{place.specimens}/child")


def test_grandchildren_go_too(api: Api, place: Place) -> None:
    parent = api.create(place.configmaps, configmap("parent"))
    child = api.create(place.specimens, specimen("child", ownerReferences=owner(parent)))
    api.create(place.configmaps, configmap("grandchild", ownerReferences=owner(child)))
    api.delete(f"{place.configmaps}/parent").expect(200)
    api.gone(f"{place.configmaps}/grandchild")
    assert api.get(f"{place.specimens}/child").status == 404


def test_a_foreground_owner_goes_after_its_dependants(api: Api, place: Place) -> None:
    parent = api.create(place.specimens, specimen("parent"))
    references = owner(parent, blockOwnerDeletion=True)
    child = configmap("child", ownerReferences=references, finalizers=["e.com/f"])
    api.create(place.configmaps, child)
    deleted = api.delete(f"{place.specimens}/parent", propagationPolicy="Foreground").expect(200)
    assert deleted["metadata"]["finalizers"] == ["foregroundDeletion"]
    api.until(f"{place.configmaps}/child", lambda body: "deletionTimestamp" in body["metadata"])
    assert api.get(f"{place.specimens}/parent").status == 200
    api.patch(f"{place.configmaps}/child", {"metadata": {"finalizers": None}}).expect(200)
    api.gone(f"{place.specimens}/parent")
    assert api.get(f"{place.configmaps}/child").status == 404


def test_a_foreground_owner_does_not_wait_for_who_does_not_block(api: Api, place: Place) -> None:
    parent = api.create(place.specimens, specimen("parent"))
    child = configmap("child", ownerReferences=owner(parent), finalizers=["e.com/f"])
    api.create(place.configmaps, child)
    api.delete(f"{place.specimens}/parent", propagationPolicy="Foreground").expect(200)
    api.gone(f"{place.specimens}/parent")
    api.patch(f"{place.configmaps}/child", {"metadata": {"finalizers": None}}).expect(200)
    api.gone(f"{place.configmaps}/child")


def test_a_foreground_owner_without_dependants_goes(api: Api, place: Place) -> None:
    api.create(place.specimens, specimen("parent"))
    api.delete(f"{place.specimens}/parent", propagationPolicy="Foreground").expect(200)
    api.gone(f"{place.specimens}/parent")


def test_orphans_stay_without_an_owner(api: Api, place: Place) -> None:
    parent = api.create(place.specimens, specimen("parent"))
    api.create(place.configmaps, configmap("child", ownerReferences=owner(parent)))
    deleted = api.delete(f"{place.specimens}/parent", propagationPolicy="Orphan").expect(200)
    assert deleted["metadata"]["finalizers"] == ["orphan"]
    api.gone(f"{place.specimens}/parent")
    body = api.get(f"{place.configmaps}/child").expect(200)
    assert "ownerReferences" not in body["metadata"]


def test_one_owner_of_two_is_enough(api: Api, place: Place) -> None:
    first, second = (api.create(place.specimens, specimen(name)) for name in ("first", "second"))
    references = [*owner(first), *owner(second)]
    child = api.create(place.configmaps, configmap("child", ownerReferences=references))
    with api.watch(place.configmaps, resourceVersion=child["metadata"]["resourceVersion"]) as watch:
        api.delete(f"{place.specimens}/first").expect(200)
        # The collector takes the reference to the owner that is gone away.
        event = watch.next()
        assert event["type"] == "MODIFIED"
        assert event["object"]["metadata"]["ownerReferences"] == owner(second)
        api.delete(f"{place.specimens}/second").expect(200)
        assert watch.take(1) == [("DELETED", "child")]


def test_whoever_names_a_missing_owner_goes(api: Api, place: Place) -> None:
    missing = {"apiVersion": "v1", "kind": "ConfigMap", "name": "none", "uid": "00000000-0000-4000-8000-000000000000"}
    api.create(place.configmaps, configmap("child", ownerReferences=[missing]))
    api.gone(f"{place.configmaps}/child")


def test_an_owner_of_the_same_name_with_another_uid_is_missing(api: Api, place: Place) -> None:
    parent = api.create(place.configmaps, configmap("parent"))
    [reference] = owner(parent)
    reference["uid"] = "00000000-0000-4000-8000-000000000001"
    api.create(place.configmaps, configmap("child", ownerReferences=[reference]))
    api.gone(f"{place.configmaps}/child")
    assert api.get(f"{place.configmaps}/parent").status == 200


def test_a_cluster_scoped_owner_owns_across_namespaces(api: Api, place: Place, unique: Callable[[str], str]) -> None:
    name = unique("realm")
    realm = {"apiVersion": f"{GROUP}/v1", "kind": "Realm", "metadata": {"name": name}, "spec": {}}
    parent = api.create(REALMS, realm)
    api.create(place.configmaps, configmap("child", ownerReferences=owner(parent)))
    api.delete(f"{REALMS}/{name}").expect(200)
    api.gone(f"{place.configmaps}/child")


def test_an_owner_in_another_namespace_is_missing(api: Api, place: Place, control_plane: ControlPlane) -> None:
    elsewhere = Place(control_plane.create_namespace())
    parent = api.create(elsewhere.configmaps, configmap("parent"))
    api.create(place.configmaps, configmap("child", ownerReferences=owner(parent)))
    api.gone(f"{place.configmaps}/child")
    assert api.get(f"{elsewhere.configmaps}/parent").status == 200


class Ending(NamedTuple):
    """Two namespaces that are being deleted since the module began: a controller lets them be for some seconds.

    Attributes:
        free: With a ConfigMap and a Specimen.
        held: With a ConfigMap whose finalizer holds it up.
        answer: To the deletion of `free`.
        refused: The answer to a creation in `held` after that.
    """

    free: Place
    held: Place
    answer: Any
    refused: Answer


@pytest.fixture(scope="module")
def ending(control_plane: ControlPlane) -> Ending:
    """Return namespaces in deletion, both begun at the same time."""
    free, held = (Place(control_plane.create_namespace()) for _ in range(2))
    with Api(control_plane.url, control_plane.ca_file, control_plane.token) as api:
        api.create(held.configmaps, configmap("held", finalizers=["e.com/f"]))
        api.create(free.configmaps, configmap("free"))
        api.create(free.specimens, specimen("free"))
        api.delete(f"/api/v1/namespaces/{held.namespace}").expect(200)
        refused = api.post(held.configmaps, configmap("late"))
        answer = api.delete(f"/api/v1/namespaces/{free.namespace}").expect(200)
        return Ending(free, held, answer, refused)


def test_a_deleted_namespace_is_terminating(ending: Ending) -> None:
    answer = ending.answer
    assert (answer["kind"], answer["metadata"]["name"]) == ("Namespace", ending.free.namespace)
    assert answer["metadata"]["deletionTimestamp"]
    assert answer["spec"]["finalizers"] == ["kubernetes"]
    assert answer["status"]["phase"] == "Terminating"


def test_nothing_is_created_in_a_terminating_namespace(ending: Ending) -> None:
    name = ending.held.namespace
    assert ending.refused.verdict == (
        403,
        "Forbidden",
        (
            f'configmaps "late" is forbidden: unable to create new content in namespace {name} because it is being '
            f"terminated"
        ),
    )
    assert ending.refused.causes == [
        ("NamespaceTerminating", "metadata.namespace", f"namespace {name} is being terminated")
    ]


def test_a_namespace_goes_with_its_content(api: Api, ending: Ending) -> None:
    api.gone(f"/api/v1/namespaces/{ending.free.namespace}")
    assert api.get(ending.free.configmaps).expect(200)["items"] == []
    assert api.get(ending.free.specimens).expect(200)["items"] == []


def test_a_namespace_tells_what_it_waits_for(api: Api, ending: Ending) -> None:
    path = f"/api/v1/namespaces/{ending.held.namespace}"
    body = api.until(path, lambda body: len(body["status"].get("conditions", ())) >= 5)
    conditions = {c["type"]: (c["status"], c["reason"], c["message"]) for c in body["status"]["conditions"]}
    assert conditions == {
        "NamespaceDeletionDiscoveryFailure": ("False", "ResourcesDiscovered", "All resources successfully discovered"),
        "NamespaceDeletionGroupVersionParsingFailure": (
            "False",
            "ParsedGroupVersions",
            "All legacy kube types successfully parsed",
        ),
        "NamespaceDeletionContentFailure": (
            "False",
            "ContentDeleted",
            "All content successfully deleted, may be waiting on finalization",
        ),
        "NamespaceContentRemaining": (
            "True",
            "SomeResourcesRemain",
            "Some resources are remaining: configmaps. has 1 resource instances",
        ),
        "NamespaceFinalizersRemaining": (
            "True",
            "SomeFinalizersRemain",
            "Some content in the namespace has finalizers remaining: e.com/f in 1 resource instances",
        ),
    }
    assert [item["metadata"]["name"] for item in api.get(ending.held.configmaps).expect(200)["items"]] == ["held"]
