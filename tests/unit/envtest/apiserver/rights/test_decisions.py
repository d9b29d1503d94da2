"""What rules allow, and in which words the server refuses what they do not."""

from __future__ import annotations

from typing import Any

import pytest

from controller_runtime.envtest.apiserver.exchange import Query, Request, Response, User
from controller_runtime.envtest.apiserver.rbac import Attributes, Authorizer
from controller_runtime.envtest.apiserver.rbac.requests import attributes_of
from controller_runtime.envtest.apiserver.rbac.rules import compiled
from controller_runtime.envtest.apiserver.routes import target_of
from tests.unit.envtest.apiserver.rights.cluster import RBAC, USER, Cluster, rule

CONFIGMAPS = "/api/v1/namespaces/default/configmaps"


@pytest.mark.parametrize(
    ("policy", "asked", "allowed"),
    [
        pytest.param(rule("pods"), ("get", "", "pods", "pods", ""), True, id="exact"),
        pytest.param(rule("pods"), ("list", "", "pods", "pods", ""), False, id="another verb"),
        pytest.param(rule("pods"), ("get", "apps", "pods", "pods", ""), False, id="another group"),
        pytest.param(rule("pods"), ("get", "", "secrets", "secrets", ""), False, id="another resource"),
        pytest.param(rule("pods"), ("get", "", "pods/log", "*/log", "a"), False, id="no subresource"),
        pytest.param(rule("pods/log"), ("get", "", "pods/log", "*/log", "a"), True, id="subresource"),
        pytest.param(rule("pods/log"), ("get", "", "pods", "pods", "a"), False, id="only the subresource"),
        pytest.param(rule("*/log"), ("get", "", "pods/log", "*/log", "a"), True, id="subresource of anything"),
        pytest.param(rule("*/log"), ("get", "", "pods/status", "*/status", "a"), False, id="another subresource"),
        pytest.param(rule("*"), ("get", "", "pods/log", "*/log", "a"), True, id="any resource"),
        pytest.param(rule("pods", "*"), ("x", "", "pods", "pods", ""), True, id="any verb"),
        pytest.param(rule("pods", group="*"), ("get", "x.io", "pods", "pods", ""), True, id="any group"),
        pytest.param(rule("pods", resourceNames=["a"]), ("get", "", "pods", "pods", "a"), True, id="named"),
        pytest.param(rule("pods", resourceNames=["a"]), ("get", "", "pods", "pods", "b"), False, id="another name"),
        pytest.param(rule("pods", resourceNames=["a"]), ("get", "", "pods", "pods", ""), False, id="all of a name"),
        pytest.param(rule("pods", resourceNames=[]), ("get", "", "pods", "pods", "b"), True, id="no names"),
        pytest.param({"verbs": ["*"]}, ("get", "", "pods", "pods", ""), False, id="nothing named"),
    ],
)
def test_a_rule_allows_resources(policy: dict[str, Any], asked: tuple[str, str, str, str, str], allowed: bool) -> None:
    (made,) = compiled([policy])
    assert made.allows_resource(*asked) is allowed


@pytest.mark.parametrize(
    ("paths", "path", "allowed"),
    [
        pytest.param(["/a"], "/a", True, id="exact"),
        pytest.param(["/a"], "/a/", False, id="slash"),
        pytest.param(["/a/*"], "/a/b/c", True, id="prefix"),
        pytest.param(["/a/*"], "/a", False, id="shorter than the prefix"),
        pytest.param(["/a*"], "/abc", True, id="within a part"),
        pytest.param(["*"], "/x", True, id="all"),
        pytest.param(["/*/b"], "/a/b", False, id="only the last star counts"),
        pytest.param([], "/a", False, id="none"),
    ],
)
def test_a_rule_allows_paths(paths: list[str], path: str, allowed: bool) -> None:
    (made,) = compiled([{"verbs": ["get"], "nonResourceURLs": paths}])
    assert made.allows_path("get", path) is allowed
    assert not made.allows_path("post", path)


@pytest.mark.parametrize(
    ("subject", "user", "applies"),
    [
        pytest.param({"kind": "User", "name": "u"}, User("u"), True, id="user"),
        pytest.param({"kind": "User", "name": "u"}, User("v", ("u",)), False, id="a group of that name"),
        pytest.param({"kind": "Group", "name": "g"}, User("u", ("f", "g")), True, id="group"),
        pytest.param({"kind": "Group", "name": "u"}, User("u"), False, id="a user of that name"),
        pytest.param(
            {"kind": "ServiceAccount", "name": "a", "namespace": "n"}, User("system:serviceaccount:n:a"), True, id="sa"
        ),
        pytest.param(
            {"kind": "ServiceAccount", "name": "a"}, User("system:serviceaccount:default:a"), True, id="sa nearby"
        ),
        pytest.param(
            {"kind": "ServiceAccount", "name": "a"}, User("system:serviceaccount:n:a"), False, id="sa elsewhere"
        ),
    ],
)
def test_a_binding_is_for_its_subjects(subject: dict[str, str], user: User, applies: bool) -> None:
    cluster = Cluster()
    binding = {"metadata": {"name": "b"}, "roleRef": {"kind": "ClusterRole", "name": "view"}, "subjects": [subject]}
    cluster.create(f"{RBAC}/namespaces/default/rolebindings", binding)
    asked = Attributes(user, "list", "", "configmaps", namespace="default")
    assert Authorizer(cluster.api.store).decide(asked).allowed is applies
    elsewhere = Attributes(user, "list", "", "configmaps", namespace="kube-system")
    assert not Authorizer(cluster.api.store).decide(elsewhere).allowed


def test_a_change_counts_at_once() -> None:
    cluster = Cluster()
    text = f'User "{USER}" cannot list resource "configmaps" in API group "" in the namespace "default"'
    assert cluster.refusal("GET", CONFIGMAPS) == f"configmaps is forbidden: {text}"
    cluster.bind(rule("configmaps", "list"), namespace="default", kind="Role")
    cluster.json("GET", CONFIGMAPS, token=USER)
    assert cluster.refusal("GET", "/api/v1/configmaps").endswith("at the cluster scope")
    role = f"{RBAC}/namespaces/default/roles/r"
    cluster.json("PUT", role, {"metadata": {"name": "r"}, "rules": [rule("configmaps", "get")]})
    cluster.refusal("GET", CONFIGMAPS)
    cluster.json("PUT", role, {"metadata": {"name": "r"}, "rules": [rule("configmaps", "*")]})
    cluster.json("GET", CONFIGMAPS, token=USER)
    cluster.json("DELETE", f"{RBAC}/namespaces/default/rolebindings/r")
    cluster.refusal("GET", CONFIGMAPS)


def test_a_missing_role_is_named_in_a_refusal() -> None:
    cluster = Cluster()
    subjects = [{"kind": "User", "name": USER}]
    for kind, place in (("ClusterRole", RBAC), ("Role", f"{RBAC}/namespaces/default")):
        plural = "clusterrolebindings" if place == RBAC else "rolebindings"
        binding = {"metadata": {"name": "b"}, "roleRef": {"kind": kind, "name": "nope"}, "subjects": subjects}
        cluster.create(f"{place}/{plural}", binding)
    one = 'clusterrole.rbac.authorization.k8s.io "nope" not found'
    other = 'role.rbac.authorization.k8s.io "nope" not found'
    assert cluster.refusal("GET", CONFIGMAPS).endswith(f'in the namespace "default": RBAC: [{one}, {other}]')
    assert cluster.refusal("GET", "/metrics") == f'forbidden: User "x" cannot get path "/metrics": RBAC: {one}'


@pytest.mark.parametrize(
    ("method", "path", "query", "said"),
    [
        ("GET", "/api/v1/secrets", "", 'list resource "secrets" in API group "" at the cluster scope'),
        ("HEAD", "/api/v1/secrets", "", 'list resource "secrets" in API group "" at the cluster scope'),
        ("GET", "/api/v1/secrets", "watch=1", 'watch resource "secrets" in API group "" at the cluster scope'),
        ("GET", "/api/v1/watch/secrets", "", 'watch resource "secrets" in API group "" at the cluster scope'),
        ("DELETE", "/api/v1/namespaces/a/secrets", "", 'deletecollection resource "secrets" in API group ""'),
        ("GET", "/api/v1/namespaces/a", "", 'get resource "namespaces" in API group "" in the namespace "a"'),
        ("PUT", "/api/v1/namespaces/a/status", "", 'update resource "namespaces/status" in API group "" in the'),
        ("PATCH", "/apis/x.io/v1/y/z/status", "", 'patch resource "y/status" in API group "x.io" at the cluster'),
        ("POST", "/a<b", "", 'post path "/a<b"'),
        ("GET", "/apis", "", 'get path "/apis"'),
    ],
)
def test_requests_are_described(method: str, path: str, query: str, said: str) -> None:
    request = Request(method, path, Query(query), {}, user=User("u"))
    assert str(attributes_of(request, target_of(path))).startswith(f'User "u" cannot {said}')


def test_what_looks_like_html_is_not_sent_back() -> None:
    assert Attributes(User("<u>"), "get", path="/a&b", is_path=True).refusal("why <").message == (
        'forbidden: User "&lt;u&gt;" cannot get path "/a&amp;b": why <'
    )


def test_a_list_of_one_name_needs_that_name_alone() -> None:
    cluster = Cluster()
    cluster.bind(rule("secrets", ["list", "watch"], resourceNames=["a"]))
    cluster.json("GET", "/api/v1/secrets", token=USER, fieldSelector="metadata.name=a")
    assert cluster.refusal("GET", "/api/v1/secrets", fieldSelector="metadata.name=b").startswith('secrets "b" is forb')
    cluster.refusal("GET", "/api/v1/secrets", fieldSelector="metadata.name!=a")


def test_a_role_in_a_namespace_allows_to_get_the_namespace() -> None:
    cluster = Cluster()
    cluster.bind(rule("namespaces"), namespace="default", kind="Role")
    cluster.json("GET", "/api/v1/namespaces/default", token=USER)
    cluster.refusal("GET", "/api/v1/namespaces/kube-system")


def test_nobody_reads_more_than_the_version_and_the_health() -> None:
    cluster = Cluster()

    def status(path: str) -> int:
        answer = cluster.api.dispatcher.dispatch(Request("GET", path, Query(""), {}))
        assert isinstance(answer, Response)
        return answer.status

    assert {path: status(path) for path in ("/version", "/version/", "/healthz", "/livez", "/readyz")} == dict.fromkeys(
        ("/version", "/version/", "/healthz", "/livez", "/readyz"), 200
    )
    paths = ("/", "/api", "/apis", "/openapi/v3", "/healthz/", "/livez/ping", "/api/v1/namespaces")
    assert {status(path) for path in paths} == {403}


def test_rules_are_there_again_after_a_restart() -> None:
    cluster = Cluster()
    cluster.bind(rule("configmaps", "list"))
    asked = Attributes(User(USER), "list", "", "configmaps")
    assert Authorizer(cluster.api.store).decide(asked).allowed
