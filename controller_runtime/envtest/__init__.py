"""A Kubernetes API server on this machine, and faults on the way to it, for tests and for trying a controller out.

    with ControlPlane() as plane:
        plane.install_crds([Path("config/crd/bases")])
        plane.kubectl("apply", "-f", "config/samples")
        subprocess.run([..., "--kubeconfig", plane.kubeconfig])

`ControlPlane` runs one of two servers: the embedded one of `apiserver`, which needs nothing and is up in less than a
second, or the real one: etcd, kube-apiserver and, if asked for, the two controllers of kube-controller-manager that
delete what has lost its owner or its namespace. `pytest_plugin` makes fixtures of it. `hack/build-envtest` builds the
real programs; `assets` finds them. A fault is a method: `kill_api_server` and `start_api_server`, `pause_api_server`
and `resume_api_server`, `compact`.

Three more ways to test a controller:

- `InMemoryAPI` is the embedded server within the test's process and on its loop: no sockets, threads or files, and on
  virtual time if the loop is. Its transports are `DispatcherTransport`s.
- `Interceptor` is a transport around any other one. A line of a test makes calls fail, wait, hang or get lost, ends or
  mutes watches, and says what was asked for.
- `FaultProxy` does the same on sockets, in front of any API server and for any client.

Promised: programs that never outlive this process, ports that nobody else can take, no file outside the directory
given, a failure to start that quotes the right log. Not promised: pods do not run. It needs Linux.

`ControlPlane` and what it is made of use the standard library and yaml alone, and block: whoever tests a client should
not depend on it. The other three stand on the seam below the client (`client.transport`) and on nothing above it; the
proxy needs no HTTP library, and `certificates` makes its certificate. `apiserver` knows nothing of the rest.
"""

import importlib
import typing

if typing.TYPE_CHECKING:
    from controller_runtime.envtest.assets import find_asset
    from controller_runtime.envtest.calls import ANY, Call
    from controller_runtime.envtest.controlplane import ADMIN, ControlPlane, ControlPlaneOptions
    from controller_runtime.envtest.dispatcher_transport import DispatcherTransport
    from controller_runtime.envtest.errors import (
        AssetsMissingError,
        ControlPlaneError,
        CRDError,
        EnvtestError,
        KubectlError,
        ProcessError,
        RequestError,
    )
    from controller_runtime.envtest.fault_proxy import FaultProxy
    from controller_runtime.envtest.faults import BAD_GATEWAY, EXPIRED, NOT_SERVED, TOO_LARGE_RESOURCE_VERSION, Failure
    from controller_runtime.envtest.in_memory import InMemoryAPI
    from controller_runtime.envtest.interceptor import Interceptor

__all__ = [
    "ADMIN",
    "ANY",
    "BAD_GATEWAY",
    "EXPIRED",
    "NOT_SERVED",
    "TOO_LARGE_RESOURCE_VERSION",
    "AssetsMissingError",
    "CRDError",
    "Call",
    "ControlPlane",
    "ControlPlaneError",
    "ControlPlaneOptions",
    "DispatcherTransport",
    "EnvtestError",
    "Failure",
    "FaultProxy",
    "InMemoryAPI",
    "Interceptor",
    "KubectlError",
    "ProcessError",
    "RequestError",
    "find_asset",
]

_NAMES_OF = {
    "assets": ("find_asset",),
    "calls": ("ANY", "Call"),
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
    "dispatcher_transport": ("DispatcherTransport",),
    "fault_proxy": ("FaultProxy",),
    "faults": ("BAD_GATEWAY", "EXPIRED", "NOT_SERVED", "TOO_LARGE_RESOURCE_VERSION", "Failure"),
    "in_memory": ("InMemoryAPI",),
    "interceptor": ("Interceptor",),
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
