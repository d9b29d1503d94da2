"""Where the API server is and how to be known to it.

`load_config` looks in controller-runtime's order: an explicit file, `KUBECONFIG`, the service account of a pod,
`~/.kube/config`. The first that is there counts; a broken one is an error and not a reason to go on looking.
"""

from __future__ import annotations

import os
import platform
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from controller_runtime.certificates import KeyPair
from controller_runtime.client.errors import ConfigError

SERVICE_ACCOUNT = Path("/var/run/secrets/kubernetes.io/serviceaccount")
"""Where the kubelet mounts a pod's token, CA certificate and namespace."""

_GO_ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Credential:
    """Who we are to the API server. A credential that never changes is its own source."""

    authorization: str = field(default="", repr=False)
    """Value of the Authorization header (`Bearer ...`); empty: none is sent."""
    client_certificate: KeyPair | None = None
    """Client certificate and key; None: none is shown."""

    async def current(self) -> Credential:
        """Itself."""
        return self

    def reject(self, refused: Credential) -> None:
        """Nothing: there is no other."""


class CredentialSource(Protocol):
    """Gives the credential for each request; one that expires is replaced in time."""

    async def current(self) -> Credential:
        """The credential to use now; cheap unless it has to be renewed. Raises ConfigError if there is none."""

    def reject(self, refused: Credential) -> None:
        """The server answered 401 to that credential: renew it before the next request, if it is still in use."""


def default_user_agent(version: str = "dev") -> str:
    """`<program>/<version> (<os>/<arch>)` of this process, with Go's names for system and architecture."""
    machine = platform.machine()
    program = Path(sys.argv[0]).name or "python"
    return f"{program}/{version} ({sys.platform}/{_GO_ARCHITECTURES.get(machine, machine)})"


@dataclass(frozen=True, slots=True, kw_only=True)
class RestConfig:
    """All that a transport needs to reach an API server. TLS verification is on unless the kubeconfig turns it off."""

    host: str
    """URL of the server, perhaps with a path before `/api` (`https://10.96.0.1:443`)."""
    user_agent: str = field(default_factory=default_user_agent)
    credentials: CredentialSource = field(default_factory=Credential)
    ca_file: str = ""
    """PEM file of the CAs that may vouch for the server, read again with each new credential; empty: `ca_data`."""
    ca_data: str = ""
    """The same as PEM; if both are empty: the CAs of the system."""
    verify_tls: bool = True
    server_name: str = ""
    """Name in the server's certificate; empty: the host of the URL."""
    proxy: str = field(default="", repr=False)
    """URL of an HTTP proxy, perhaps with a password; empty: none. The environment's proxy variables are read by
    `load_config` alone."""
    namespace: str = ""
    """Namespace of the kubeconfig's context or of the pod; empty if neither names one."""


async def load_config(
    kubeconfig: str | None = None,
    *,
    context: str | None = None,
    user_agent: str | None = None,
    service_account: Path = SERVICE_ACCOUNT,
) -> RestConfig:
    """Find the configuration of this process.

    Args:
        kubeconfig: Path of a kubeconfig file, as a program's flag names it; None or empty: look elsewhere.
        context: Context of the kubeconfig; None: its `current-context`.
        user_agent: None: `default_user_agent()`.
        service_account: Directory of the pod's service account.

    Raises:
        ConfigError: nothing was found, or what was found is broken.
    """
    from controller_runtime.client import credentials

    agent = user_agent or default_user_agent()
    if kubeconfig:
        return await credentials.load_kubeconfig([Path(kubeconfig)], "the argument kubeconfig", context, agent)
    if listed := os.environ.get("KUBECONFIG", ""):
        paths = [Path(path) for path in listed.split(os.pathsep) if path]
        return await credentials.load_kubeconfig(paths, "KUBECONFIG", context, agent)
    not_in_pod = _missing_of_pod(service_account)
    if not not_in_pod:
        return await credentials.load_in_cluster(service_account, agent)
    default = _home() / ".kube" / "config"
    if _is_file(default):
        return await credentials.load_kubeconfig([default], "the default place", context, agent)
    raise ConfigError(
        "no Kubernetes configuration: the argument kubeconfig is not given, KUBECONFIG is not set, this is no pod "
        f"({not_in_pod}), and {default} does not exist or cannot be reached"
    )


def in_cluster_namespace(service_account: Path = SERVICE_ACCOUNT) -> str | None:
    """The namespace of the pod that this process runs in; None outside of a pod."""
    try:
        return (service_account / "namespace").read_text().strip() or None
    except OSError:
        return None


def _missing_of_pod(service_account: Path) -> str:
    """What of a pod's surroundings is missing; empty in a pod."""
    for variable in ("KUBERNETES_SERVICE_HOST", "KUBERNETES_SERVICE_PORT"):
        if not os.environ.get(variable):
            return f"{variable} is not set"
    token = service_account / "token"
    return "" if _is_file(token) else f"there is no {token}"


def _is_file(path: Path) -> bool:
    return os.path.isfile(path)  # noqa: PTH113 - Path.is_file raises where a directory on the way may not be entered


def _home() -> Path:
    # expanduser asks the user database where HOME is unset; without an entry there (any UID in a container) it fails.
    try:
        return Path.home()
    except RuntimeError:
        return Path("/")
