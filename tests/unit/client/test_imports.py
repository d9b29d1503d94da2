"""What finding a configuration costs: the `kubernetes` package takes 20 MB and 0.2 s, and hardly anybody needs it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.unit.client.loopback import Certificates

PROGRAM = """
import asyncio, pathlib, sys
from controller_runtime.client import load_config
config = asyncio.run(load_config(service_account=pathlib.Path(sys.argv[1])))
credential = asyncio.run(config.credentials.current())
assert credential.authorization or credential.client_certificate
print(*sorted({name.partition(".")[0] for name in sys.modules}))
"""


def modules_of(directory: Path, **environment: str) -> set[str]:
    """The packages that a process has imported once it knows who it is."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("KUBE")}
    command = [sys.executable, "-c", PROGRAM, str(directory)]
    ended = subprocess.run(command, env=kept | environment, check=True, capture_output=True, text=True)
    return set(ended.stdout.split())


def kubeconfig(directory: Path, user: dict[str, Any]) -> str:
    document = {
        "current-context": "x",
        "contexts": [{"name": "x", "context": {"cluster": "x", "user": "x"}}],
        "clusters": [{"name": "x", "cluster": {"server": "https://127.0.0.1"}}],
        "users": [{"name": "x", "user": user}],
    }
    path = directory / "config"
    path.write_text(json.dumps(document))
    return str(path)


def user_of(form: str, certificates: Certificates) -> dict[str, Any]:
    cert_file, key_file = certificates.pair("client")
    version = "client.authentication.k8s.io/v1"
    answer = json.dumps({"apiVersion": version, "kind": "ExecCredential", "status": {"token": "t"}})
    users: dict[str, dict[str, Any]] = {
        "token": {"token": "t"},
        "certificate": {"client-certificate": cert_file, "client-key": key_file},
        "exec": {"exec": {"apiVersion": version, "command": "echo", "args": [answer]}},
        "oidc": {"auth-provider": {"name": "oidc", "config": {"id-token": "e30.e30.sig"}}},
        "gcp": {"auth-provider": {"name": "gcp", "config": {"access-token": "t"}}},
    }
    return users[form]


@pytest.mark.parametrize("form", ["token", "certificate", "exec", "oidc"])
def test_a_kubeconfig_is_read_without_large_packages(tmp_path: Path, certificates: Certificates, form: str) -> None:
    modules = modules_of(tmp_path, KUBECONFIG=kubeconfig(tmp_path, user_of(form, certificates)))
    assert modules & {"kubernetes", "cryptography"} == set()


def test_a_pod_is_known_without_large_packages(tmp_path: Path, certificates: Certificates) -> None:
    (tmp_path / "token").write_text("t")
    (tmp_path / "ca.crt").write_bytes(Path(certificates.ca).read_bytes())
    modules = modules_of(tmp_path, KUBERNETES_SERVICE_HOST="10.96.0.1", KUBERNETES_SERVICE_PORT="443")
    assert modules & {"kubernetes", "cryptography"} == set()


def test_the_gcp_auth_provider_takes_the_package(tmp_path: Path, certificates: Certificates) -> None:
    """Which also shows that the tests above would notice it."""
    assert "kubernetes" in modules_of(tmp_path, KUBECONFIG=kubeconfig(tmp_path, user_of("gcp", certificates)))
