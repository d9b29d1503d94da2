"""Questions about users and rights."""

from __future__ import annotations

from typing import Any

import pytest

from tests.unit.envtest.apiserver.core.lab import TOKEN
from tests.unit.envtest.apiserver.rights.cluster import USER, Cluster, rule

AUTHENTICATION = "/apis/authentication.k8s.io/v1"
AUTHORIZATION = "/apis/authorization.k8s.io/v1"
ACCESS = f"{AUTHORIZATION}/subjectaccessreviews"
PODS = {"resourceAttributes": {"verb": "get", "resource": "pods"}}
ONE_OF = "exactly one of nonResourceAttributes or resourceAttributes must be specified"
NOT_BOTH = "cannot be specified in combination with resourceAttributes"
SHOWN = '{"Path":"/x","Verb":""}'
SELECTOR = "spec.resourceAttributes.labelSelector"
TERMS = "requirements or rawSelector is required"
PATH = {"nonResourceAttributes": {"path": "/x"}}


def status(cluster: Cluster, path: str, spec: dict[str, Any], token: str = TOKEN) -> Any:
    return cluster.create(path, {"spec": spec}, token=token)["status"]


def test_a_review_says_which_binding_allows_it() -> None:
    cluster = Cluster()
    cluster.bind(rule("pods"), namespace="default", name="b")
    wanted = {"resourceAttributes": {"verb": "get", "resource": "pods", "namespace": "default"}}
    reason = f'RBAC: allowed by RoleBinding "b/default" of ClusterRole "b" to User "{USER}"'
    assert status(cluster, ACCESS, {"user": USER, **wanted}) == {"allowed": True, "reason": reason}
    assert status(cluster, f"{AUTHORIZATION}/selfsubjectaccessreviews", wanted, USER)["reason"] == reason
    local = f"{AUTHORIZATION}/namespaces/default/localsubjectaccessreviews"
    assert status(cluster, local, {"user": USER, **wanted})["reason"] == reason
    assert status(cluster, ACCESS, {"user": USER, **PODS}) == {"allowed": False}
    assert status(cluster, ACCESS, {"groups": ["system:masters"], **PODS}) == {"allowed": True}


def test_a_path_is_reviewed() -> None:
    wanted = {"groups": ["system:authenticated"], "nonResourceAttributes": {"path": "/api/x", "verb": "get"}}
    expected = 'RBAC: allowed by ClusterRoleBinding "system:discovery" of ClusterRole "system:discovery" to Group '
    assert status(Cluster(), ACCESS, wanted) == {"allowed": True, "reason": f'{expected}"system:authenticated"'}


@pytest.mark.parametrize(
    ("path", "review", "faults"),
    [
        pytest.param(
            ACCESS,
            {},
            [
                f"spec.resourceAttributes: Invalid value: null: {ONE_OF}",
                'spec.user: Invalid value: "": at least one of user or group must be specified',
            ],
            id="nothing",
        ),
        pytest.param(
            ACCESS,
            {"spec": {"user": "u", **PODS, **PATH}},
            [
                f"spec.nonResourceAttributes: Invalid value: {SHOWN}: {NOT_BOTH}",
            ],
            id="both",
        ),
        pytest.param(
            ACCESS,
            {"spec": {"user": "u", "resourceAttributes": {"labelSelector": {}}}},
            [
                f"{SELECTOR}.requirements: Required value: when {SELECTOR} is specified, {TERMS}",
            ],
            id="empty selector",
        ),
        pytest.param(
            f"{AUTHORIZATION}/namespaces/default/localsubjectaccessreviews",
            {"spec": {"user": "u", **PODS}},
            ['spec.resourceAttributes.namespace: Invalid value: "": must match metadata.namespace'],
            id="another namespace",
        ),
        pytest.param(
            f"{AUTHORIZATION}/namespaces/default/localsubjectaccessreviews",
            {"spec": {"user": "u", **PATH}},
            ['spec.nonResourceAttributes: Invalid value: {"Path":"/x","Verb":""}: disallowed on this kind of request'],
            id="path in a namespace",
        ),
    ],
)
def test_a_question_has_to_make_sense(path: str, review: dict[str, Any], faults: list[str]) -> None:
    body = Cluster().json("POST", path, review, status=422)
    text = faults[0] if len(faults) == 1 else f"[{', '.join(faults)}]"
    assert body["message"] == f'.authorization.k8s.io "" is invalid: {text}'


def test_metadata_has_to_be_empty() -> None:
    body = Cluster().json("POST", ACCESS, {"metadata": {"name": "x"}, "spec": {"user": "u", **PODS}}, status=422)
    assert body["message"].startswith('.authorization.k8s.io "" is invalid: metadata: Invalid value: {"name":"x","man')
    assert body["message"].endswith("}]}: must be empty")


def test_a_review_is_decoded_like_any_object() -> None:
    cluster = Cluster()
    text = cluster.json("POST", ACCESS, {"spec": {"user": 1}}, status=400)["message"]
    assert text.endswith(
        "json: cannot unmarshal number into Go struct field SubjectAccessReviewSpec.spec.user of type string"
    )
    unknown = {"spec": {"user": "u", "foo": 1, **PODS}}
    text = cluster.json("POST", ACCESS, unknown, status=400, fieldValidation="Strict")["message"]
    assert text.endswith('strict decoding error: unknown field "spec.foo"')
    made = cluster.create(ACCESS, {"spec": {"user": "u", **PODS}}, fieldManager="m")
    (entry,) = made["metadata"]["managedFields"]
    assert (entry["manager"], set(entry["fieldsV1"])) == ("m", {"f:spec"})


@pytest.mark.parametrize(
    ("method", "path", "code"),
    [
        ("GET", ACCESS, 405),
        ("DELETE", ACCESS, 405),
        ("GET", f"{ACCESS}/x", 404),
        ("POST", f"{AUTHORIZATION}/namespaces/default/subjectaccessreviews", 404),
        ("POST", f"{AUTHORIZATION}/localsubjectaccessreviews", 404),
    ],
)
def test_reviews_are_only_created(method: str, path: str, code: int) -> None:
    Cluster().json(method, path, {} if method == "POST" else None, status=code)


def test_the_callers_rules_are_listed() -> None:
    cluster = Cluster()
    cluster.bind(rule("pods", resourceNames=["a"]), namespace="default")
    path = f"{AUTHORIZATION}/selfsubjectrulesreviews"
    made = cluster.create(path, {"spec": {"namespace": "default"}}, token=USER)
    assert (made["metadata"], made["spec"], made["status"]["incomplete"]) == ({}, {}, False)
    assert made["status"]["resourceRules"] == [
        rule(["selfsubjectaccessreviews", "selfsubjectrulesreviews"], "create", "authorization.k8s.io"),
        rule("selfsubjectreviews", "create", "authentication.k8s.io"),
        rule("pods", resourceNames=["a"]),
    ]
    assert [each["verbs"] for each in made["status"]["nonResourceRules"]] == [["get"], ["get"]]
    assert cluster.json("POST", path, {}, status=400)["message"] == "no namespace on request"


def test_a_token_is_reviewed_for_its_audiences() -> None:
    cluster = Cluster()
    path = f"{AUTHENTICATION}/tokenreviews"
    found = status(cluster, path, {"token": USER})
    assert found == {
        "authenticated": True,
        "user": {"username": USER, "uid": "uid", "groups": ["g", "system:authenticated"]},
        "audiences": ["https://kubernetes.default.svc"],
    }
    nobody = {"user": {}, "error": "invalid bearer token"}
    assert status(cluster, path, {"token": USER, "audiences": ["a"]}) == nobody
    assert status(cluster, path, {"token": "no"}) == nobody
