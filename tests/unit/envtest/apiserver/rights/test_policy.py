"""The roles that are there from the beginning, and those that are made of others."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from controller_runtime.envtest.apiserver.persistence import SQLiteDisk
from tests.unit.envtest.apiserver.rights.cluster import RBAC, Cluster, rule

POLICY = json.loads(Path(__file__).with_name("policy.json").read_text())
"""Of kube-apiserver 1.36.3; the rules of aggregated roles are left out."""


@pytest.mark.parametrize("expected", POLICY, ids=lambda each: f"{each['kind']} {each['metadata']['name']}")
def test_a_role_is_as_in_a_new_cluster(expected: dict[str, Any]) -> None:
    path = f"{RBAC}/{expected['kind'].lower()}s/{expected['metadata']['name']}"
    found = Cluster().json("GET", path)
    assert (found["metadata"]["labels"], found["metadata"]["annotations"]) == (
        expected["metadata"]["labels"],
        expected["metadata"]["annotations"],
    )
    content = {name: value for name, value in found.items() if name != "metadata"}
    if "aggregationRule" in content:
        del content["rules"]
    assert content == {name: value for name, value in expected.items() if name != "metadata"}


def test_no_others_are_there() -> None:
    cluster = Cluster()
    found = {
        (kind, item["metadata"]["name"])
        for kind in ("ClusterRole", "ClusterRoleBinding", "Role", "RoleBinding")
        for item in cluster.json("GET", f"{RBAC}/{kind.lower()}s")["items"]
    }
    assert found == {(each["kind"], each["metadata"]["name"]) for each in POLICY}


def rules(cluster: Cluster, name: str) -> list[Any]:
    found: list[Any] = cluster.json("GET", f"{RBAC}/clusterroles/{name}")["rules"]
    return found


def test_aggregated_roles_have_the_rules_of_others() -> None:
    cluster = Cluster()
    view, edit, admin = (rules(cluster, f"system:aggregate-to-{name}") for name in ("view", "edit", "admin"))
    assert rules(cluster, "view") == view
    assert rules(cluster, "edit") == [*edit, *view]
    assert rules(cluster, "admin") == [*rules(cluster, "edit"), *admin]


@asynccontextmanager
async def running(cluster: Cluster) -> AsyncIterator[None]:
    """Runs what happens by itself."""
    task = asyncio.create_task(cluster.api.run())
    yield
    task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await task


async def settled() -> None:
    """Returns when all that is due has been done."""
    for _ in range(10):
        await asyncio.sleep(0)


async def test_a_labelled_role_joins_and_leaves() -> None:
    cluster = Cluster()
    mine = rule("things", group="e.com")
    labels = {"rbac.authorization.k8s.io/aggregate-to-view": "true"}
    async with running(cluster):
        cluster.create(f"{RBAC}/clusterroles", {"metadata": {"name": "z", "labels": labels}, "rules": [mine, mine]})
        await settled()
        assert all(rules(cluster, name).count(mine) == 1 for name in ("view", "edit", "admin"))
        cluster.json("DELETE", f"{RBAC}/clusterroles/z")
        await settled()
        assert all(mine not in rules(cluster, name) for name in ("view", "edit", "admin"))


async def test_selectors_select_by_expressions_too() -> None:
    cluster = Cluster()
    expressions = [{"key": "tier", "operator": "In", "values": ["a", "b"]}, {"key": "off", "operator": "DoesNotExist"}]
    aggregation = {"clusterRoleSelectors": [{"matchExpressions": expressions}]}
    cluster.create(f"{RBAC}/clusterroles", {"metadata": {"name": "sum"}, "aggregationRule": aggregation})
    places = {"one": {"tier": "a"}, "two": {"tier": "b", "off": ""}, "three": {"tier": "c"}}
    async with running(cluster):
        for name, labels in places.items():
            role = {"metadata": {"name": name, "labels": labels}, "rules": [rule(name)]}
            cluster.create(f"{RBAC}/clusterroles", role)
        await settled()
        assert [each["resources"] for each in rules(cluster, "sum")] == [["one"]]


def test_what_was_changed_stays_and_what_was_deleted_comes_back(tmp_path: Path) -> None:
    disk = SQLiteDisk(tmp_path)
    cluster = Cluster(disk)
    path = f"{RBAC}/clusterroles"
    cluster.json(
        "PATCH", f"{path}/view", {"metadata": {"labels": {"mine": "1"}}}, content_type="application/merge-patch+json"
    )
    cluster.json("DELETE", f"{path}/system:monitoring")
    again = Cluster(disk)
    assert again.json("GET", f"{path}/view")["metadata"]["labels"]["mine"] == "1"
    again.json("GET", f"{path}/system:monitoring")
    disk.close()
