"""A Kubernetes API server on this machine, for tests and for trying a controller out.

    with ControlPlane() as plane:
        plane.install_crds([Path("config/crd/bases")])
        plane.kubectl("apply", "-f", "config/samples")
        subprocess.run([..., "--kubeconfig", plane.kubeconfig])

`ControlPlane` runs one of two servers: the embedded one of `apiserver`, which needs nothing and is up in less than a
second, or the real one: etcd, kube-apiserver and, if asked for, the two controllers of kube-controller-manager that
delete what has lost its owner or its namespace. `pytest_plugin` makes fixtures of it. `hack/build-envtest` builds the
real programs; `assets` finds them. A fault is a method: `kill_api_server` and `start_api_server`, `pause_api_server`
and `resume_api_server`, `compact`.

Promised: programs that never outlive this process, ports that nobody else can take, no file outside the directory
given, a failure to start that quotes the right log. Not promised: pods do not run. It needs Linux.

Apart from `apiserver`, which runs in a process of its own, this package uses the standard library and yaml alone, and
blocks; whoever tests a client should not depend on it.
"""

import importlib
import typing

if typing.TYPE_CHECKING:
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

_NAMES_OF = {
    "assets": ("find_asset",),
    "controlplane": ("ADMIN", "ControlPlane", "ControlPlaneOptions"),
    "errors": (
        "AssetsMissingError",
        "CRDError",
        "ControlPlaneError",
        "EnvtestError",
        "KubectlError",
        "ProcessError",
        "RequestError",
    ),
}
_HOMES = {name: f"{__name__}.{module}" for module, names in _NAMES_OF.items() for name in names}


def __getattr__(name: str) -> typing.Any:
    """Loads an exported name at its first use (PEP 562): the API server's process, in this package, needs none."""
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = globals()[name] = getattr(importlib.import_module(_HOMES[name]), name)
    return value


def __dir__() -> list[str]:
    """The exported names, whether they have been used or not."""
    return sorted({*globals(), *__all__})
