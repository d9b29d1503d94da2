"""Nobody grants what they do not have."""

from __future__ import annotations

from typing import Any

import pytest

from tests.unit.envtest.apiserver.rights.cluster import GROUP, RBAC, USER, Cluster, rule

NAMESPACED = f"{RBAC}/namespaces/default"
ALL = ["roles", "rolebindings", "clusterroles", "clusterrolebindings"]
HEAD = (
    f'user "{USER}" (groups=["g" "system:authenticated"]) is attempting to grant RBAC permissions not currently held:'
)


@pytest.fixture
def cluster() -> Cluster:
    """A server whose user may write roles and bindings, and get configmaps."""
    cluster = Cluster()
    cluster.bind(rule(ALL, ["create", "update", "patch"], GROUP), rule(["configmaps", "secrets"]))
    return cluster


def role(name: str, *rules: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"metadata": {"name": name}, "rules": list(rules), **more}


def binding(name: str, kind: str = "ClusterRole") -> dict[str, Any]:
    return {"metadata": {"name": "b"}, "roleRef": {"kind": kind, "name": name}, "subjects": []}


def test_what_one_has_can_be_granted(cluster: Cluster) -> None:
    cluster.create(f"{NAMESPACED}/roles", role("ok", rule("configmaps")), token=USER)
    cluster.create(f"{NAMESPACED}/rolebindings", binding("ok", "Role"), token=USER)


def test_the_rest_is_named(cluster: Cluster) -> None:
    wanted = role(
        "more",
        rule(["configmaps", "pods"], ["get", "list"]),
        rule("nodes", resourceNames=["b", "a"]),
    )
    lines = [
        '{APIGroups:[""], Resources:["configmaps"], Verbs:["list"]}',
        '{APIGroups:[""], Resources:["nodes"], ResourceNames:["a"], Verbs:["get"]}',
        '{APIGroups:[""], Resources:["nodes"], ResourceNames:["b"], Verbs:["get"]}',
        '{APIGroups:[""], Resources:["pods"], Verbs:["get" "list"]}',
    ]
    expected = "\n".join((f'roles.{GROUP} "more" is forbidden: {HEAD}', *lines))
    assert cluster.refusal("POST", f"{NAMESPACED}/roles", wanted) == expected


def test_paths_are_named_one_by_one(cluster: Cluster) -> None:
    wanted = role("more", {"nonResourceURLs": ["/api/x", "/metrics"], "verbs": ["get", "put"]})
    assert cluster.refusal("POST", f"{RBAC}/clusterroles", wanted).split("\n")[1:] == [
        '{NonResourceURLs:["/api/x"], Verbs:["put"]}',
        '{NonResourceURLs:["/metrics"], Verbs:["get"]}',
        '{NonResourceURLs:["/metrics"], Verbs:["put"]}',
    ]


@pytest.mark.parametrize("method", ["PUT", "PATCH", "APPLY"])
def test_it_holds_for_changes(cluster: Cluster, method: str) -> None:
    cluster.create(f"{NAMESPACED}/roles", role("r", rule("configmaps")))
    wanted = {"apiVersion": f"{GROUP}/v1", "kind": "Role", **role("r", rule("configmaps", "list"))}
    types = {"PATCH": "application/merge-patch+json", "APPLY": "application/apply-patch+yaml"}
    force = {"force": "true"} if method == "APPLY" else {}
    text = cluster.refusal(
        "PATCH" if method == "APPLY" else method,
        f"{NAMESPACED}/roles/r",
        wanted,
        content_type=types.get(method, "application/json"),
        fieldManager="m",
        **force,
    )
    assert text.startswith(f'roles.{GROUP} "r" is forbidden: {HEAD}')


def test_what_the_garbage_collector_changes_is_free(cluster: Cluster) -> None:
    options: dict[str, Any] = {"content_type": "application/merge-patch+json", "token": USER}
    path = f"{RBAC}/clusterroles/cluster-admin"
    cluster.json("PATCH", path, {"metadata": {"finalizers": ["a.b/c"]}}, **options)
    cluster.json("PATCH", path, {"metadata": {"labels": {"a": "b"}}}, status=403, **options)


def test_a_binding_grants_what_its_role_allows(cluster: Cluster) -> None:
    expected = '{APIGroups:["*"], Resources:["*"], Verbs:["*"]}\n{NonResourceURLs:["*"], Verbs:["*"]}'
    text = cluster.refusal("POST", f"{RBAC}/clusterrolebindings", binding("cluster-admin"))
    assert text == f'clusterrolebindings.{GROUP} "b" is forbidden: {HEAD}\n{expected}'


@pytest.mark.parametrize(
    ("kind", "code", "text"),
    [
        pytest.param("ClusterRole", 404, f'clusterrolebindings.{GROUP} "no" not found', id="missing"),
        pytest.param("Pod", 500, 'unsupported role reference kind: "Pod"', id="no role"),
    ],
)
def test_a_binding_to_nothing_is_refused(cluster: Cluster, kind: str, code: int, text: str) -> None:
    path = f"{RBAC}/clusterrolebindings"
    assert cluster.json("POST", path, binding("no", kind), status=code, token=USER)["message"] == text


def test_an_aggregation_may_bring_anything(cluster: Cluster) -> None:
    wanted = role("more", aggregationRule={"clusterRoleSelectors": [{"matchLabels": {"a": "b"}}]})
    text = "must have cluster-admin privileges to use the aggregationRule"
    assert (
        cluster.refusal("POST", f"{RBAC}/clusterroles", wanted) == f'clusterroles.{GROUP} "more" is forbidden: {text}'
    )


def test_escalate_and_bind_lift_it(cluster: Cluster) -> None:
    cluster.bind(
        rule("clusterroles", "escalate", GROUP),
        rule("clusterroles", "bind", GROUP, resourceNames=["view"]),
        name="lift",
    )
    cluster.create(f"{RBAC}/clusterroles", role("more", rule("*", "*", "*")), token=USER)
    cluster.create(f"{RBAC}/clusterrolebindings", binding("view"), token=USER)
    cluster.refusal("POST", f"{RBAC}/clusterrolebindings", {**binding("edit"), "metadata": {"name": "c"}})
