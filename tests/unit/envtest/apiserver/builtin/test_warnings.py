"""What clients are told about objects that are accepted."""

from __future__ import annotations

from typing import Any

import pytest

from tests.unit.envtest.apiserver.builtin.pipeline import KINDS

HINTS = "service.kubernetes.io/topology-aware-hints"
MOUNTABLE = "kubernetes.io/enforce-mountable-secrets"


@pytest.mark.parametrize(
    ("spec", "warnings"),
    [
        pytest.param({"type": "ClusterIP", "sessionAffinity": "None"}, [], id="nothing odd"),
        pytest.param(
            {"type": "ClusterIP", "externalIPs": ["8.8.8.8"]},
            ["spec.externalIPs is deprecated and may no longer be implemented in some clusters"],
            id="external addresses",
        ),
        pytest.param(
            {"type": "ClusterIP", "clusterIP": "None", "loadBalancerIP": "1.2.3.4", "sessionAffinity": "ClientIP"},
            [
                "spec.loadBalancerIP is ignored for headless services",
                "spec.SessionAffinity is ignored for headless services",
            ],
            id="headless",
        ),
        pytest.param(
            {"type": "LoadBalancer", "loadBalancerIP": "::FFFF", "trafficDistribution": "PreferClose"},
            [
                'spec.loadBalancerIP: IPv6 address "::FFFF" should be in RFC 5952 canonical format ("::ffff")',
                'spec.trafficDistribution: "PreferClose" is deprecated; use "PreferSameZone"',
            ],
            id="load balancer",
        ),
    ],
)
def test_services_without_effect_are_mentioned(spec: dict[str, Any], warnings: list[str]) -> None:
    assert KINDS["services"].strategy.warnings({"metadata": {}, "spec": spec}) == warnings


def test_a_deprecated_annotation_is_mentioned_when_it_is_new() -> None:
    strategy = KINDS["serviceaccounts"].strategy
    annotated = {"metadata": {"annotations": {MOUNTABLE: "true"}}}
    assert len(strategy.warnings(annotated)) == 1
    assert strategy.warnings(annotated, annotated) == []
