"""What the operator says when what it needs is missing or wrong: one sentence, and no exit where waiting helps."""

from __future__ import annotations

import json
import subprocess
import urllib.error
import urllib.request
from pathlib import Path

import pytest

from controller_runtime.envtest import ControlPlane
from controller_runtime.manager import bind
from hack.operator_process import PROGRAM, OperatorProcess

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(120)]
ROOT = Path(__file__).parents[2]


def run(*flags: str) -> subprocess.CompletedProcess[str]:
    """Runs the operator to its end, which must come by itself."""
    addresses = [
        f"--{name}-address=127.0.0.1:0"
        for name in ("boot-server", "image-proxy-server", "metrics-bind", "health-probe-bind")
    ]
    command = [PROGRAM, *addresses, "--metrics-secure=false", *flags]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)


def readiness(operator: OperatorProcess) -> str:
    """The text of /readyz, which must be unready."""
    with pytest.raises(urllib.error.HTTPError) as answer:
        urllib.request.urlopen(operator.url("health-probe-bind") + "/readyz", timeout=5)
    with answer.value as response:
        return response.read().decode()


def test_a_missing_kubeconfig_is_one_line_that_names_it(tmp_path: Path) -> None:
    ended = run(f"--kubeconfig={tmp_path}/nowhere")
    assert ended.returncode == 1
    assert f"{tmp_path}/nowhere" in ended.stderr
    assert "--kubeconfig" in ended.stderr
    assert ended.stderr.count("\n") == 1


@pytest.mark.parametrize(
    "content",
    [
        pytest.param("{", id="no YAML"),
        pytest.param("- a\n- b\n", id="a list"),
        pytest.param("", id="empty"),
        pytest.param("apiVersion: v1\nkind: Config\n", id="nothing in it"),
        pytest.param("current-context: x\ncontexts: [{name: x, context: {cluster: c, user: u}}]\n", id="no cluster"),
    ],
)
def test_a_malformed_kubeconfig_is_one_line_that_names_it(content: str, tmp_path: Path) -> None:
    path = tmp_path / "kubeconfig"
    path.write_text(content)
    ended = run(f"--kubeconfig={path}")
    assert ended.returncode == 1
    assert str(path) in ended.stderr
    assert ended.stderr.count("\n") == 1, ended.stderr


@pytest.mark.parametrize(
    "flag",
    ["--boot-server-address", "--image-proxy-server-address", "--health-probe-bind-address", "--metrics-bind-address"],
)
def test_a_taken_port_is_one_line_that_names_the_flag(flag: str, control_plane: ControlPlane) -> None:
    (taken,) = bind("127.0.0.1:0", purpose="the test")
    with taken:
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        ended = run(f"--kubeconfig={control_plane.kubeconfig}", f"{flag}={address}")
    assert ended.returncode == 1
    assert flag in ended.stderr
    assert f"cannot listen on {address}: the address is already in use" in ended.stderr
    assert ended.stderr.count("\n") == 1, ended.stderr


def test_a_missing_certificate_is_one_line_that_names_flag_and_file(
    control_plane: ControlPlane, tmp_path: Path
) -> None:
    ended = run(f"--kubeconfig={control_plane.kubeconfig}", "--metrics-secure", f"--metrics-cert-path={tmp_path}")
    assert ended.returncode == 1
    assert "--metrics-cert-path" in ended.stderr
    assert f"{tmp_path}/tls.crt: No such file or directory" in ended.stderr
    assert ended.stderr.count("\n") == 1, ended.stderr


def test_a_missing_crd_leaves_it_unready_with_the_way_out_until_it_is_installed(tmp_path: Path) -> None:
    with ControlPlane() as plane, OperatorProcess(plane.kubeconfig, tmp_path) as operator:
        operator.process.wait_until(
            lambda: "ipxebootconfigs.boot.ironcore.dev" in operator.process.log_since_start(),
            "say what is missing",
            1e9,
        )
        text = readiness(operator)
        assert "IPXEBootConfig" in text
        assert "kubectl apply" in text
        plane.install_crds([ROOT / "config" / "crd" / "bases"])
        operator.wait_ready()


def test_a_forbidden_list_leaves_it_unready_with_the_rule_that_is_missing(
    control_plane: ControlPlane, tmp_path: Path
) -> None:
    kubeconfig = control_plane.kubeconfig_for("stranger")
    rules = [
        {"apiGroups": ["boot.ironcore.dev"], "resources": ["*"], "verbs": ["*"]},
        {"apiGroups": [""], "resources": ["secrets"], "verbs": ["*"]},
    ]
    with OperatorProcess(kubeconfig, tmp_path) as operator:
        operator.process.wait_until(
            lambda: "forbidden" in operator.process.log_since_start().lower(), "say what is forbidden", 1e9
        )
        text = readiness(operator)
        assert "ipxebootconfigs" in text
        assert "list" in text
        role = {
            "apiVersion": "rbac.authorization.k8s.io/v1",
            "kind": "ClusterRole",
            "metadata": {"name": "stranger"},
            "rules": rules,
        }
        control_plane.kubectl("apply", "-f", "-", stdin=json.dumps(role))
        control_plane.kubectl("create", "clusterrolebinding", "stranger", "--clusterrole=stranger", "--user=stranger")
        operator.wait_ready()
