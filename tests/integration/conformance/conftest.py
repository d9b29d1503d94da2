"""The server under test, clients to it, and places in it that no other test knows."""

from __future__ import annotations

import json
import secrets
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from controller_runtime.envtest import ControlPlane, ControlPlaneOptions
from tests.integration.conformance.rest import Api

CRDS = Path(__file__).with_name("crds.yaml")
GROUP = "conformance.example.com"
STRANGER = "stranger"
"""A user, in the group strangers, whom nothing is allowed."""


@pytest.fixture(scope="package")
def control_plane() -> Iterator[ControlPlane]:
    """A server that collects garbage and serves the kinds of crds.yaml."""
    with ControlPlane(ControlPlaneOptions(garbage_collection=True, users={STRANGER: ["strangers"]})) as plane:
        plane.install_crds([CRDS])
        yield plane


@pytest.fixture
def api(control_plane: ControlPlane) -> Iterator[Api]:
    """A client that may do everything."""
    with Api(control_plane.url, control_plane.ca_file, control_plane.token) as client:
        yield client


@pytest.fixture
def stranger(control_plane: ControlPlane) -> Iterator[Api]:
    """A client of `STRANGER`."""
    kubeconfig = json.loads(control_plane.kubeconfig_for(STRANGER).read_text())
    with Api(control_plane.url, control_plane.ca_file, kubeconfig["users"][0]["user"]["token"]) as client:
        yield client


@pytest.fixture
def nobody(control_plane: ControlPlane) -> Iterator[Api]:
    """A client without a token."""
    with Api(control_plane.url, control_plane.ca_file, None) as client:
        yield client


@pytest.fixture
def unique() -> Callable[[str], str]:
    """Return a function that makes a name for a cluster-scoped object: the prefix and what nobody else has."""
    return lambda prefix: f"{prefix}-{secrets.token_hex(4)}"


@dataclass(frozen=True)
class Place:
    """A namespace of its own: paths of collections in it, and objects that go there.

    Attributes:
        namespace: Its name.
    """

    namespace: str

    def core(self, plural: str) -> str:
        """Path of a collection of the group "" in v1."""
        return f"/api/v1/namespaces/{self.namespace}/{plural}"

    @property
    def configmaps(self) -> str:
        return self.core("configmaps")

    @property
    def specimens(self) -> str:
        return f"/apis/{GROUP}/v1/namespaces/{self.namespace}/specimens"

    @property
    def loose(self) -> str:
        return f"/apis/{GROUP}/v1/namespaces/{self.namespace}/loose"


@pytest.fixture
def place(kube_namespace: str) -> Place:
    """A new, empty namespace."""
    return Place(kube_namespace)


def configmap(name: str, data: dict[str, str] | None = None, **metadata: Any) -> dict[str, Any]:
    """Return a ConfigMap; further arguments go to its metadata."""
    whole = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name, **metadata}}
    return whole if data is None else {**whole, "data": data}


def specimen(name: str, spec: dict[str, Any] | None = None, **metadata: Any) -> dict[str, Any]:
    """Return a Specimen; further arguments go to its metadata."""
    whole = {"apiVersion": f"{GROUP}/v1", "kind": "Specimen", "metadata": {"name": name, **metadata}}
    return whole if spec is None else {**whole, "spec": spec}
