"""Whoever wrote a client for Kubernetes can use it here."""

from __future__ import annotations

import json

import pytest

from controller_runtime.envtest import ControlPlane
from tests.integration.clients.conftest import DEADLINE, Program

WAIT = f"--timeout={DEADLINE}s"


def gadget(name: str, size: int) -> str:
    return json.dumps(
        {
            "apiVersion": "clients.example.com/v1",
            "kind": "Gadget",
            "metadata": {"name": name},
            "spec": {"size": size},
        }
    )


@pytest.mark.parametrize("program", ["kubernetes_client", "kubernetes_dynamic", "kubernetes_informer"])
def test_the_clients_of_the_kubernetes_package_work(
    control_plane: ControlPlane, kube_namespace: str, program: str
) -> None:
    with Program(control_plane, program, kube_namespace) as running:
        running.finish()


@pytest.mark.kubectl
def test_leaders_are_elected_one_after_another(control_plane: ControlPlane, kube_namespace: str) -> None:
    with (
        Program(control_plane, "kubernetes_election", kube_namespace, "first") as first,
        Program(control_plane, "kubernetes_election", kube_namespace, "second") as second,
    ):
        holder = ("get", "lease", "election", "-n", kube_namespace, "-o", "jsonpath={.spec.holderIdentity}")
        created = ("wait", "--for=create", "lease/election", "-n", kube_namespace, WAIT)
        control_plane.kubectl(*created)
        name = control_plane.kubectl(*holder)
        leader, follower, successor = (first, second, "second") if name == "first" else (second, first, "first")
        leader.until(f"{name} leads")
        leader.kill()
        follower.until(f"{successor} leads")
        assert control_plane.kubectl(*holder) == successor


@pytest.mark.kubectl
@pytest.mark.parametrize("program", ["kopf_operator", "lightkube_operator"])
def test_an_operator_makes_changes_and_lets_go(control_plane: ControlPlane, kube_namespace: str, program: str) -> None:
    here = ("-n", kube_namespace)
    size = "jsonpath={.data.size}"
    with Program(control_plane, program, kube_namespace):
        control_plane.kubectl("apply", *here, "-f", "-", stdin=gadget("g", 1))
        control_plane.kubectl("wait", *here, "--for=create", "configmap/g", WAIT)
        control_plane.kubectl("wait", *here, f"--for={size}=1", "configmap/g", WAIT)
        control_plane.kubectl("apply", *here, "-f", "-", stdin=gadget("g", 2))
        control_plane.kubectl("wait", *here, f"--for={size}=2", "configmap/g", WAIT)
        status = "{.status.update/spec\\.size.size}" if program == "kopf_operator" else "{.status.size}"
        control_plane.kubectl("wait", *here, f"--for=jsonpath={status}=2", "gadget/g", WAIT)
        control_plane.kubectl("delete", *here, "gadget", "g", WAIT)
        control_plane.kubectl("wait", *here, "--for=delete", "configmap/g", WAIT)
        if program == "kopf_operator":
            control_plane.kubectl("get", *here, "configmap", "g-was-deleted")
            events = control_plane.kubectl("get", *here, "events", "-o", "jsonpath={.items[*].reason}")
            assert "Made" in events.split()
