"""Rows of `kubectl get -o wide`, as kube-apiserver 1.36.3 makes them."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from controller_runtime.envtest.apiserver.builtin.events import from_core
from controller_runtime.envtest.apiserver.table import table
from tests.unit.envtest.apiserver.builtin.pipeline import KINDS

NOW = datetime(2026, 11, 25, 10, 30, tzinfo=UTC)
META = {"name": "x", "creationTimestamp": "2026-11-25T10:28:00Z"}
BALANCED = {"ingress": [{"ip": "1.2.3.4"}, {"hostname": "a.b"}, {"ip": "1.2.3.4"}]}
EVENT: dict[str, Any] = {
    "metadata": META,
    "involvedObject": {"kind": "Pod", "name": "p", "fieldPath": "spec.c"},
    "reason": "R",
    "message": "  m \n",
    "source": {"component": "c", "host": "h"},
    "firstTimestamp": "2024-01-01T00:00:00Z",
    "lastTimestamp": "2026-11-25T00:00:00Z",
    "count": 5,
    "type": "Warning",
}
SERIES: dict[str, Any] = {
    "metadata": META,
    "involvedObject": {"kind": "Node"},
    "reportingComponent": "x.io/c",
    "reportingInstance": "i",
    "eventTime": "2026-11-20T10:30:00.000000Z",
    "series": {"count": 7, "lastObservedTime": "2026-11-24T10:30:00.000000Z"},
}


def cells(kind: str, obj: dict[str, Any]) -> list[Any]:
    (row,) = table(KINDS[kind].columns, [obj], list_metadata={}, now=NOW)["rows"]
    assert isinstance(row["cells"], list)
    return row["cells"]


def service(spec: dict[str, Any], balancer: dict[str, Any] | None = None) -> list[Any]:
    status = {"loadBalancer": balancer or {}}
    return cells("services", {"metadata": META, "spec": spec, "status": status})


@pytest.mark.parametrize(
    ("kind", "obj", "expected"),
    [
        pytest.param("namespaces", {"status": {"phase": "Active"}}, ["x", "Active", "2m"], id="namespace"),
        pytest.param("secrets", {"type": "Opaque", "data": {"a": ""}}, ["x", "Opaque", 1, "2m"], id="secret"),
        pytest.param("configmaps", {"data": {"a": ""}, "binaryData": {"b": ""}}, ["x", 2, "2m"], id="config map"),
        pytest.param("serviceaccounts", {}, ["x", "2m"], id="service account"),
        pytest.param("leases.coordination.k8s.io", {"spec": {"holderIdentity": "h"}}, ["x", "h", "2m"], id="lease"),
        pytest.param("leases.coordination.k8s.io", {"spec": {}}, ["x", "", "2m"], id="lease of nobody"),
        pytest.param("roles.rbac.authorization.k8s.io", {"rules": None}, ["x", "2026-11-25T10:28:00Z"], id="role"),
        pytest.param(
            "customresourcedefinitions.apiextensions.k8s.io", {}, ["x", "2026-11-25T10:28:00Z"], id="definition"
        ),
    ],
)
def test_a_row_shows_what_matters(kind: str, obj: dict[str, Any], expected: list[Any]) -> None:
    assert cells(kind, {"metadata": META, **obj}) == expected


@pytest.mark.parametrize("kind", ["rolebindings", "clusterrolebindings"])
def test_bindings_show_who_gets_which_role(kind: str) -> None:
    subjects = [
        {"kind": "User", "name": "u"},
        {"kind": "ServiceAccount", "name": "a", "namespace": "n"},
        {"kind": "ServiceAccount", "name": "b"},
        {"kind": "User", "name": "v"},
    ]
    binding = {"metadata": META, "roleRef": {"kind": "ClusterRole", "name": "r"}, "subjects": subjects}
    expected = ["x", "ClusterRole/r", "2m", "u, v", "", "n/a, /b"]
    assert cells(f"{kind}.rbac.authorization.k8s.io", binding) == expected


def test_services_show_addresses_and_ports() -> None:
    ports = [{"port": 80, "protocol": "TCP", "nodePort": 30001}, {"port": 53, "protocol": "UDP"}]
    spec = {"type": "NodePort", "clusterIPs": ["10.0.0.9"], "ports": ports, "selector": {"b": "c", "a": "b"}}
    assert service(spec) == ["x", "NodePort", "10.0.0.9", "<none>", "80:30001/TCP,53/UDP", "2m", "a=b,b=c"]
    assert service({"type": "ClusterIP", "clusterIPs": ["None"], "externalIPs": ["8.8.8.8", "8.8.4.4"]})[1:5] == [
        "ClusterIP",
        "None",
        "8.8.8.8,8.8.4.4",
        "<none>",
    ]
    assert service({"type": "ExternalName", "externalName": "a.b"})[1:4] == ["ExternalName", "<none>", "a.b"]


@pytest.mark.parametrize(
    ("external", "balancer", "expected"),
    [
        pytest.param([], {}, "<pending>", id="nothing yet"),
        pytest.param([], BALANCED, "1.2.3.4,a.b", id="balanced"),
        pytest.param(["8.8.8.8"], BALANCED, "1.2.3.4,a.b,8.8.8.8", id="both"),
    ],
)
def test_load_balancers_show_where_they_are_reached(
    external: list[str], balancer: dict[str, Any], expected: str
) -> None:
    assert service({"type": "LoadBalancer", "externalIPs": external}, balancer)[3] == expected


def test_events_show_when_and_how_often() -> None:
    assert cells("events", EVENT) == ["10h", "Warning", "R", "pod/p", "spec.c", "c, h", "m", "2y329d", 5, "x"]
    assert cells("events", SERIES) == ["24h", "", "", "node", "", "x.io/c, i", "", "5d", 7, "x"]
    assert cells("events", {"metadata": META}) == ["<unknown>", "", "", "", "", "", "", "<unknown>", 1, "x"]


def test_events_look_alike_in_both_groups() -> None:
    assert cells("events.events.k8s.io", from_core(EVENT)) == cells("events", EVENT)


@pytest.mark.parametrize("kind", KINDS, ids=str)
def test_one_column_holds_the_name(kind: str) -> None:
    assert [column.name for column in KINDS[kind].columns if column.format == "name"] == ["Name"]
