"""Who asks, and what they may: tokens, reviews, refusals."""

from __future__ import annotations

from typing import Any

import pytest

from controller_runtime.envtest import ControlPlane
from tests.integration.conformance.conftest import GROUP, STRANGER, Place, configmap
from tests.integration.conformance.rest import Api, eventually

TOKEN_REVIEWS = "/apis/authentication.k8s.io/v1/tokenreviews"
SUBJECT_REVIEWS = "/apis/authorization.k8s.io/v1/subjectaccessreviews"
SELF_REVIEWS = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews"
WHO_AM_I = "/apis/authentication.k8s.io/v1/selfsubjectreviews"


def review(api: Api, path: str, spec: dict[str, Any]) -> Any:
    """Return the status of a review."""
    return api.create(path, {"spec": spec})["status"]


def access(verb: str = "get", resource: str = "configmaps", **more: str) -> dict[str, Any]:
    return {"resourceAttributes": {"verb": verb, "resource": resource, "namespace": "default", **more}}


@pytest.mark.parametrize("path", ["/api/v1/namespaces", f"/apis/{GROUP}/v1/specimens"])
def test_nobody_may_do_anything(nobody: Api, path: str) -> None:
    answer = nobody.get(path)
    resource = "namespaces" if path.startswith("/api/") else "specimens"
    group = "" if path.startswith("/api/") else GROUP
    named = resource if not group else f"{resource}.{group}"
    assert answer.verdict == (
        403,
        "Forbidden",
        (
            f'{named} is forbidden: User "system:anonymous" cannot list resource "{resource}" in API group "{group}" '
            f"at the "
            "cluster scope"
        ),
    )


def test_a_wrong_token_is_unauthorized(control_plane: ControlPlane) -> None:
    with Api(control_plane.url, control_plane.ca_file, "wrong") as api:
        answer = api.get("/api/v1/namespaces")
        assert answer.body == {
            "kind": "Status",
            "apiVersion": "v1",
            "metadata": {},
            "status": "Failure",
            "message": "Unauthorized",
            "reason": "Unauthorized",
            "code": 401,
        }
        # Even for what anybody may see.
        assert api.get("/readyz").status == 401


def test_an_authorization_of_another_kind_is_no_token(nobody: Api) -> None:
    answer = nobody.request("GET", "/api/v1/namespaces", headers={"Authorization": "Basic YTpi"})
    assert answer.status == 403


def test_a_user_without_rights_is_forbidden(stranger: Api, place: Place) -> None:
    where = f'in API group "" in the namespace "{place.namespace}"'
    answer = stranger.post(place.configmaps, configmap("a"))
    text = f'configmaps is forbidden: User "{STRANGER}" cannot create resource "configmaps" {where}'
    assert answer.verdict == (403, "Forbidden", text)
    assert answer.body["details"] == {"kind": "configmaps"}
    answer = stranger.get(f"{place.configmaps}/a")
    text = f'configmaps "a" is forbidden: User "{STRANGER}" cannot get resource "configmaps" {where}'
    assert answer.verdict == (403, "Forbidden", text)
    assert answer.body["details"] == {"name": "a", "kind": "configmaps"}


def test_verbs_are_those_of_the_request(stranger: Api, place: Place) -> None:
    def verb(text: str) -> str:
        return text.split(" cannot ")[1].split(" ", maxsplit=1)[0]

    collection = place.specimens
    answers = {
        "list": stranger.get(collection),
        "watch": stranger.get(collection, watch=True),
        "deletecollection": stranger.delete(collection),
        "delete": stranger.delete(f"{collection}/a"),
        "update": stranger.put(f"{collection}/a", {}),
        "patch": stranger.patch(f"{collection}/a", {}),
    }
    assert {verb(answer.verdict[2]): answer.status for answer in answers.values()} == dict.fromkeys(answers, 403)


@pytest.mark.parametrize("method", [pytest.param("apply", id="apply"), pytest.param("put", id="update")])
def test_a_write_that_would_create_needs_that_right_too(api: Api, stranger: Api, place: Place, method: str) -> None:
    leases = f"/apis/coordination.k8s.io/v1/namespaces/{place.namespace}/leases"
    lease = {"apiVersion": "coordination.k8s.io/v1", "kind": "Lease", "metadata": {"name": "a"}, "spec": {}}
    changing = {"apiGroups": ["coordination.k8s.io"], "resources": ["leases"], "verbs": ["patch", "update"]}
    grant(api, place, "changer", changing)
    eventually(lambda: stranger.patch(f"{leases}/a", {}), lambda answer: answer.status == 404)
    write = getattr(stranger, method)
    answer = write(f"{leases}/a", lease)
    where = f'in API group "coordination.k8s.io" in the namespace "{place.namespace}"'
    text = f'leases.coordination.k8s.io "a" is forbidden: User "{STRANGER}" cannot create resource "leases" {where}'
    assert answer.verdict == (403, "Forbidden", text)
    assert answer.body["details"] == {"name": "a", "group": "coordination.k8s.io", "kind": "leases"}
    # What is no object is refused as that first.
    wrong = {**lease, "spec": {"leaseDurationSeconds": -1}}
    assert write(f"{leases}/a", wrong).verdict[:2] == (422, "Invalid")
    grant(api, place, "creator", {**changing, "verbs": ["create"]})
    eventually(lambda: write(f"{leases}/a", lease), lambda answer: answer.status == 201)


def grant(api: Api, place: Place, name: str, rule: dict[str, Any]) -> None:
    """Give the stranger a right in the place; the real server may notice later."""
    rbac = f"/apis/rbac.authorization.k8s.io/v1/namespaces/{place.namespace}"
    api.create(f"{rbac}/roles", {"metadata": {"name": name}, "rules": [rule]})
    role = {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": name}
    subject = {"apiGroup": "rbac.authorization.k8s.io", "kind": "User", "name": STRANGER}
    api.create(f"{rbac}/rolebindings", {"metadata": {"name": name}, "roleRef": role, "subjects": [subject]})


def test_a_subresource_is_named(stranger: Api, place: Place) -> None:
    answer = stranger.get(f"{place.specimens}/a/status")
    assert answer.verdict[2].startswith(
        f'specimens.{GROUP} "a" is forbidden: User "{STRANGER}" cannot get resource "specimens/status" in API '
        f'group "{GROUP}"'
    )


def test_a_path_is_forbidden_by_its_name(stranger: Api) -> None:
    answer = stranger.get("/metrics")
    assert answer.verdict == (403, "Forbidden", f'forbidden: User "{STRANGER}" cannot get path "/metrics"')


def test_discovery_is_open_to_users(stranger: Api) -> None:
    assert stranger.get("/apis").status == 200
    assert stranger.get("/openapi/v3").status == 200


def test_a_token_review_tells_whose_a_token_is(api: Api, control_plane: ControlPlane) -> None:
    status = review(api, TOKEN_REVIEWS, {"token": control_plane.token})
    assert status["authenticated"] is True
    assert status["user"] == {
        "username": "admin",
        "uid": "admin",
        "groups": ["system:masters", "system:authenticated"],
    }


def test_a_token_review_of_a_wrong_token_is_an_answer(api: Api) -> None:
    status = review(api, TOKEN_REVIEWS, {"token": "wrong"})
    assert status.get("authenticated", False) is False
    assert status["user"] == {}
    assert "invalid bearer token" in status["error"]


def test_a_token_review_needs_a_token(api: Api) -> None:
    answer = api.post(TOKEN_REVIEWS, {"spec": {}})
    assert answer.verdict[:2] == (400, "BadRequest")
    assert "token is required for TokenReview in authentication" in answer.verdict[2]


def test_a_review_is_not_stored(api: Api, control_plane: ControlPlane) -> None:
    body = api.create(TOKEN_REVIEWS, {"spec": {"token": control_plane.token}})
    assert (body["kind"], body["apiVersion"]) == ("TokenReview", "authentication.k8s.io/v1")
    assert not {"uid", "resourceVersion", "name"} & body["metadata"].keys()
    assert api.get(TOKEN_REVIEWS).status == 405


def test_a_subject_access_review_allows_the_administrators_group(api: Api) -> None:
    status = review(api, SUBJECT_REVIEWS, {"user": "anyone", "groups": ["system:masters"], **access()})
    assert status["allowed"] is True


def test_a_subject_access_review_allows_nobody_else(api: Api) -> None:
    status = review(api, SUBJECT_REVIEWS, {"user": STRANGER, **access()})
    assert status["allowed"] is False
    assert "denied" not in status


def test_a_subject_access_review_judges_paths_too(api: Api) -> None:
    wanted = {"nonResourceAttributes": {"path": "/metrics", "verb": "get"}}
    assert review(api, SUBJECT_REVIEWS, {"user": STRANGER, **wanted})["allowed"] is False
    assert review(api, SUBJECT_REVIEWS, {"user": "x", "groups": ["system:masters"], **wanted})["allowed"] is True


def test_a_subject_access_review_needs_a_subject_and_a_question(api: Api) -> None:
    answer = api.post(SUBJECT_REVIEWS, {"spec": {"resourceAttributes": {"verb": "get"}}})
    assert answer.verdict[:2] == (422, "Invalid")
    assert "at least one of user or group must be specified" in answer.verdict[2]
    answer = api.post(SUBJECT_REVIEWS, {"spec": {"user": "x"}})
    text = "exactly one of nonResourceAttributes or resourceAttributes must be specified"
    assert answer.verdict[:2] == (422, "Invalid")
    assert text in answer.verdict[2]


def test_a_self_review_judges_the_caller(api: Api, stranger: Api) -> None:
    assert review(api, SELF_REVIEWS, access("delete"))["allowed"] is True
    # Whoever is known may ask about himself.
    assert review(stranger, SELF_REVIEWS, access("delete"))["allowed"] is False


def test_whoever_asks_is_told_who_he_is(api: Api, stranger: Api) -> None:
    assert api.create(WHO_AM_I, {})["status"]["userInfo"]["username"] == "admin"
    info = stranger.create(WHO_AM_I, {})["status"]["userInfo"]
    assert (info["username"], info["groups"]) == (STRANGER, ["strangers", "system:authenticated"])
