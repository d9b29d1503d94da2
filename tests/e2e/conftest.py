"""A real API server with the CRDs, and the operator as a process on it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from controller_runtime.envtest import ControlPlane, ControlPlaneOptions
from hack.operator_process import OperatorProcess

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def control_plane(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ControlPlane]:
    """An API server of the module's own, because tests here kill it."""
    with ControlPlane(ControlPlaneOptions(users={"stranger": ()})) as plane:
        plane.install_crds([ROOT / "config" / "crd" / "bases"])
        yield plane


@pytest.fixture
def operator(control_plane: ControlPlane, tmp_path: Path) -> Iterator[OperatorProcess]:
    """The operator, ready."""
    with OperatorProcess(control_plane.kubeconfig, tmp_path) as process:
        process.wait_ready()
        yield process


def manifest(kind: str, namespace: str, name: str, **parts: Any) -> dict[str, Any]:
    """An object to apply."""
    version = "v1" if kind == "Secret" else "boot.ironcore.dev/v1alpha1"
    return {"apiVersion": version, "kind": kind, "metadata": {"namespace": namespace, "name": name}, **parts}


def apply(plane: ControlPlane, *objects: dict[str, Any]) -> None:
    """`kubectl apply` of these objects, as a person does it."""
    plane.kubectl("apply", "-f", "-", stdin=json.dumps({"apiVersion": "v1", "kind": "List", "items": list(objects)}))


def condition(plane: ControlPlane, namespace: str, resource: str, condition_type: str) -> dict[str, Any]:
    """One condition of `kind/name` as it stands in the API server now; empty if it is not there."""
    found = json.loads(plane.kubectl("-n", namespace, "get", resource, "-o", "json"))
    conditions = found.get("status", {}).get("conditions", [])
    return next((entry for entry in conditions if entry["type"] == condition_type), {})


def wait_for(plane: ControlPlane, namespace: str, resource: str, wanted: str) -> None:
    """`kubectl wait` for a condition of `kind/name`."""
    plane.kubectl("-n", namespace, "wait", f"--for=condition={wanted}", resource, "--timeout=60s")
