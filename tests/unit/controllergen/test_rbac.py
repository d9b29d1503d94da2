"""Roles from declared rules."""

from __future__ import annotations

from typing import Any

import pytest
import yaml

from controller_runtime.controllergen import GenerationError, PolicyRule, cluster_role_yaml, role_yaml

PODS = PolicyRule(
    api_groups=("",),
    resources=("pods/log", "pods"),
    verbs=("watch", "get"),
    reason="Logs are copied for whoever asks.",
)
ONE_LEASE = PolicyRule(
    api_groups=("coordination.k8s.io",),
    resources=("leases",),
    verbs=("update",),
    reason="Only two of all the leases are ours, "
    "and this reason is so very long that its comment in the role cannot be a single line.",
    resource_names=("z", "a"),
)


def test_a_cluster_role_has_its_rules_in_order_under_their_reasons() -> None:
    assert cluster_role_yaml("manager", (PODS, ONE_LEASE)) == (
        """\
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRole
metadata:
  name: manager
rules:
# Logs are copied for whoever asks.
- apiGroups:
  - ''
  resources:
  - pods
  - pods/log
  verbs:
  - get
  - watch
# Only two of all the leases are ours, and this reason is so very long that its comment in the role cannot be a single
# line.
- apiGroups:
  - coordination.k8s.io
  resourceNames:
  - a
  - z
  resources:
  - leases
  verbs:
  - update
"""
    )


def test_a_role_has_no_namespace_of_its_own() -> None:
    role = yaml.safe_load(role_yaml("election", [PODS]))
    assert (role["kind"], role["metadata"]) == ("Role", {"name": "election"})
    assert len(role["rules"]) == 1


@pytest.mark.parametrize(
    "change",
    [
        pytest.param({"api_groups": ()}, id="no groups"),
        pytest.param({"resources": ()}, id="no resources"),
        pytest.param({"verbs": ()}, id="no verbs"),
        pytest.param({"reason": " "}, id="no reason"),
    ],
)
def test_a_rule_that_says_nothing_is_refused(change: dict[str, Any]) -> None:
    whole: dict[str, Any] = {"api_groups": ("",), "resources": ("pods",), "verbs": ("get",), "reason": "For the test."}
    assert PolicyRule(**whole).resource_names == ()
    with pytest.raises(GenerationError, match="a rule needs groups, resources, verbs and a reason"):
        PolicyRule(**whole | change)


def test_a_rule_may_grant_paths_instead_of_resources() -> None:
    rule = PolicyRule(non_resource_urls=("/metrics", "/debug/*"), verbs=("get",), reason="Scrapers read them.")
    role = yaml.safe_load(cluster_role_yaml("reader", [rule]))
    assert role["rules"] == [{"nonResourceURLs": ["/debug/*", "/metrics"], "verbs": ["get"]}]


def test_paths_and_resources_are_granted_by_a_rule_each() -> None:
    with pytest.raises(GenerationError, match="a rule each"):
        PolicyRule(non_resource_urls=("/metrics",), api_groups=("",), resources=("pods",), verbs=("get",), reason="No.")


def test_a_role_of_a_namespace_cannot_grant_paths() -> None:
    rule = PolicyRule(non_resource_urls=("/metrics",), verbs=("get",), reason="Scrapers read them.")
    with pytest.raises(GenerationError, match="the Role reader cannot grant paths"):
        role_yaml("reader", [rule])
