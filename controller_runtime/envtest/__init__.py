"""A real Kubernetes API server on this machine, for tests and for trying a controller out.

    with ControlPlane(ControlPlaneOptions(garbage_collection=True)) as plane:
        plane.install_crds([Path("config/crd/bases")])
        plane.kubectl("apply", "-f", "config/samples")
        subprocess.run([..., "--kubeconfig", plane.kubeconfig])

`ControlPlane` runs etcd, kube-apiserver and, if asked for, the two controllers of kube-controller-manager that delete
what has lost its owner or its namespace. `pytest_plugin` makes fixtures of it. `hack/build-envtest` builds the
programs; `assets` finds them. A fault is a method: `kill_api_server` and `start_api_server`, `pause_api_server` and
`resume_api_server`.

Promised: programs that never outlive this process, ports that nobody else can take, no file outside the directory
given, a failure to start that quotes the right log. Not promised: pods do not run. It needs Linux.

This package uses the standard library and yaml alone, and blocks; whoever tests a client should not depend on it.
"""

from controller_runtime.envtest.assets import find_asset
from controller_runtime.envtest.controlplane import ADMIN, ControlPlane, ControlPlaneOptions
from controller_runtime.envtest.errors import (
    AssetsMissingError,
    ControlPlaneError,
    CRDError,
    EnvtestError,
    KubectlError,
    ProcessError,
    RequestError,
)

__all__ = [
    "ADMIN",
    "AssetsMissingError",
    "CRDError",
    "ControlPlane",
    "ControlPlaneError",
    "ControlPlaneOptions",
    "EnvtestError",
    "KubectlError",
    "ProcessError",
    "RequestError",
    "find_asset",
]
