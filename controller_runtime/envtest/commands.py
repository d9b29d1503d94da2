"""The files and command lines of the programs that make up a control plane."""

import os
import sys
from collections.abc import Sequence
from pathlib import Path

from controller_runtime.envtest.assets import find_asset
from controller_runtime.envtest.credentials import new_signing_key, write_private

_AUDIT_POLICY = """\
apiVersion: audit.k8s.io/v1
kind: Policy
omitStages: [RequestReceived]
rules: [{level: Metadata}]
"""


def environment(directory: Path) -> dict[str, str]:
    """Return the whole environment of every program.

    Nothing else is inherited: etcd takes any ETCD_... variable for a flag and reports to systemd where NOTIFY_SOCKET is
    set, and kubectl writes to HOME.
    """
    return {
        "PATH": os.environ.get("PATH", os.defpath),
        "HOME": str(directory),
        # The embedded API server is to be this package's, whatever else is installed.
        "PYTHONPATH": str(Path(__file__).parents[2]),
    }


def ca_file(directory: Path) -> Path:
    """Return the certificates that clients verify the API server with; it makes them itself when it first starts."""
    return directory / "certificates" / "apiserver.crt"


def audit_log(directory: Path) -> Path:
    """Return the file that the API server writes an audit event per line to."""
    return directory / "audit.log"


def etcd(directory: Path, port: int) -> list[str | Path]:
    """Return etcd's command line."""
    client_url = f"http://127.0.0.1:{port}"
    return [
        find_asset("etcd"),
        f"--data-dir={directory / 'etcd'}",
        f"--listen-client-urls={client_url}",
        f"--advertise-client-urls={client_url}",
        "--listen-peer-urls=http://127.0.0.1:0",
        "--socket-reuse-port",
        "--unsafe-no-fsync",
        # A single member elects itself; with the default of 1 s that takes up to a second of the start.
        "--heartbeat-interval=20",
        "--election-timeout=200",
    ]


def api_server(
    directory: Path, port: int, etcd_port: int, tokens: Path, *, audit: bool, flags: Sequence[str]
) -> list[str | Path]:
    """Write the files that kube-apiserver needs and return its command line.

    Args:
        directory: Where its files go.
        port: To serve on.
        etcd_port: Of its etcd.
        tokens: The file of users and their tokens.
        audit: Whether it writes `audit_log`.
        flags: Further flags; the last of a kind wins.
    """
    signing_key = directory / "service-account.key"
    write_private(signing_key, new_signing_key())
    return [
        find_asset("kube-apiserver"),
        f"--etcd-servers=http://127.0.0.1:{etcd_port}",
        f"--secure-port={port}",
        "--permit-port-sharing",
        "--bind-address=127.0.0.1",
        # Without these it publishes the address of some network interface, and waits for one where there is none.
        "--advertise-address=127.0.0.1",
        "--endpoint-reconciler-type=none",
        f"--cert-dir={ca_file(directory).parent}",
        "--service-cluster-ip-range=10.0.0.0/24",
        "--service-account-issuer=https://kubernetes.default.svc",
        f"--service-account-key-file={signing_key}",
        f"--service-account-signing-key-file={signing_key}",
        f"--token-auth-file={tokens}",
        "--authorization-mode=RBAC",
        # No controller makes the ServiceAccounts that this plug-in would wait for.
        "--disable-admission-plugins=ServiceAccount",
        "--allow-privileged",
        *(_audit_flags(directory) if audit else ()),
        *flags,
    ]


def embedded_api_server(directory: Path, port: int, tokens: Path) -> list[str | Path]:
    """Return the command line of the embedded API server.

    Args:
        directory: Where its files go, its data among them.
        port: To serve on.
        tokens: The file of users and their tokens.
    """
    return [
        sys.executable,
        "-m",
        "controller_runtime.envtest.apiserver",
        f"--secure-port={port}",
        f"--cert-dir={ca_file(directory).parent}",
        f"--token-auth-file={tokens}",
        f"--data-dir={directory / 'data'}",
    ]


def controller_manager(kubeconfig: Path) -> list[str | Path]:
    """Return the command line of kube-controller-manager with two of its controllers."""
    return [
        find_asset("kube-controller-manager"),
        f"--kubeconfig={kubeconfig}",
        "--controllers=garbage-collector-controller,namespace-controller",
        "--leader-elect=false",
        "--secure-port=0",
    ]


def kubectl(directory: Path, kubeconfig: Path, arguments: Sequence[str | Path]) -> list[str | Path]:
    """Return the command line of kubectl, whose cache stays in the directory too."""
    return [find_asset("kubectl"), f"--kubeconfig={kubeconfig}", f"--cache-dir={directory / 'kubectl'}", *arguments]


def _audit_flags(directory: Path) -> list[str]:
    policy = directory / "audit-policy.yaml"
    policy.write_text(_AUDIT_POLICY)
    return [f"--audit-policy-file={policy}", f"--audit-log-path={audit_log(directory)}"]
