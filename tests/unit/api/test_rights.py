"""config/rbac: the operator gets what it needs and nothing else."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import yaml

from hack.manifests import KINDS, ROOT

ROLES = {
    role["kind"]: role
    for role in yaml.safe_load_all((ROOT / "config" / "rbac" / "role.yaml").read_text(encoding="utf-8"))
}
READ = {"get", "list", "watch"}


def rights(role: dict[str, Any]) -> Iterator[tuple[str, str, str]]:
    for rule in role["rules"]:
        assert rule.keys() == {"apiGroups", "resources", "verbs"}
        yield from (
            (group, resource, verb)
            for group in rule["apiGroups"]
            for resource in rule["resources"]
            for verb in rule["verbs"]
        )


def verbs(kind: str, group: str, resource: str) -> set[str]:
    return {right[2] for right in rights(ROLES[kind]) if right[:2] == (group, resource)}


@pytest.mark.parametrize("kind", [pytest.param(kind.resource, id=kind.resource.kind) for kind in KINDS])
def test_the_operator_reads_its_kinds_and_writes_their_status_alone(kind: Any) -> None:
    assert verbs("ClusterRole", kind.group, kind.plural) == READ
    assert verbs("ClusterRole", kind.group, f"{kind.plural}/status") == {"patch"}


def test_secrets_are_read_only() -> None:
    assert verbs("ClusterRole", "", "secrets") == READ


def test_events_are_written_and_never_read() -> None:
    assert verbs("ClusterRole", "events.k8s.io", "events") == {"create", "patch"}


def test_leases_are_the_namespaces_own() -> None:
    assert set(rights(ROLES["Role"])) == {
        ("coordination.k8s.io", "leases", verb) for verb in ("create", "get", "update", "watch")
    }
    assert verbs("ClusterRole", "coordination.k8s.io", "leases") == set()


def test_nothing_is_granted_beyond_the_resources_named_here() -> None:
    named = {("", "secrets"), ("events.k8s.io", "events")}
    named |= {(kind.resource.group, kind.resource.plural + part) for kind in KINDS for part in ("", "/status")}
    assert {right[:2] for right in rights(ROLES["ClusterRole"])} == named
    assert ROLES.keys() == {"ClusterRole", "Role"}


@pytest.mark.parametrize(
    ("file", "rules"),
    [
        pytest.param(
            "metrics_auth_role.yaml",
            [
                {"apiGroups": ["authentication.k8s.io"], "resources": ["tokenreviews"], "verbs": ["create"]},
                {"apiGroups": ["authorization.k8s.io"], "resources": ["subjectaccessreviews"], "verbs": ["create"]},
            ],
            id="the operator asks who scrapes",
        ),
        pytest.param(
            "metrics_reader_role.yaml", [{"nonResourceURLs": ["/metrics"], "verbs": ["get"]}], id="a scraper scrapes"
        ),
    ],
)
def test_roles_for_the_metrics_grant_just_that(file: str, rules: list[dict[str, Any]]) -> None:
    role = yaml.safe_load((ROOT / "config" / "rbac" / file).read_text(encoding="utf-8"))
    assert role["kind"] == "ClusterRole"
    assert role["rules"] == rules
