"""A control plane, embedded or real: what it promises to tests that use it."""

import json
import os
import signal
import socket
import ssl
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from controller_runtime.envtest import (
    ControlPlane,
    ControlPlaneError,
    ControlPlaneOptions,
    CRDError,
    KubectlError,
    ProcessError,
    RequestError,
    find_asset,
)
from controller_runtime.envtest.connection import AdminConnection
from controller_runtime.envtest.crds import install_crds, read_crds
from tests.integration.envtest.processes_of import Deaths

pytestmark = pytest.mark.integration
REAL = ControlPlaneOptions().server == "kubernetes"

WIDGETS = """
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: widgets.example.dev}
spec:
  group: example.dev
  scope: Namespaced
  names: {kind: Widget, plural: widgets, singular: widget, listKind: WidgetList}
  versions:
  - name: v1
    served: true
    storage: true
    schema: {openAPIV3Schema: {type: object, properties: {spec: {type: object, properties: {SIZE: {type: integer}}}}}}
"""


@pytest.fixture(scope="module")
def control_plane(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ControlPlane]:
    """Yield a control plane with everything that it can do switched on; tests leave it running and reachable."""
    options = ControlPlaneOptions(
        directory=tmp_path_factory.mktemp("control-plane"),
        audit=REAL,
        garbage_collection=True,
        users={"visitor": ("guests", "friends")},
    )
    with ControlPlane(options) as plane:
        yield plane


@pytest.fixture(scope="module")
def widgets(control_plane: ControlPlane, tmp_path_factory: pytest.TempPathFactory) -> ControlPlane:
    """Return the control plane with the kind Widget installed."""
    file = tmp_path_factory.mktemp("crds") / "widgets.yaml"
    file.write_text(WIDGETS.replace("SIZE", "size"))
    control_plane.install_crds([file])
    return control_plane


def port_of(plane: ControlPlane) -> int:
    return int(plane.url.rpartition(":")[2])


def manifest(kind: str, name: str, namespace: str, **metadata: object) -> str:
    version = {"Widget": "example.dev/v1"}.get(kind, "v1")
    return json.dumps(
        {"apiVersion": version, "kind": kind, "metadata": {"name": name, "namespace": namespace, **metadata}}
    )


def create_owner_and_dependant(plane: ControlPlane, namespace: str) -> None:
    created = plane.kubectl("create", "-o", "json", "-f", "-", stdin=manifest("Widget", "owner", namespace))
    owner = {"apiVersion": "example.dev/v1", "kind": "Widget", "name": "owner", "blockOwnerDeletion": True}
    references = [{**owner, "uid": json.loads(created)["metadata"]["uid"]}]
    dependant = manifest("ConfigMap", "dependant", namespace, ownerReferences=references)
    plane.kubectl("create", "-f", "-", stdin=dependant)


@pytest.mark.kubectl
@pytest.mark.kubernetes
def test_kubectl_and_the_server_are_of_the_same_version(control_plane: ControlPlane) -> None:
    versions = json.loads(control_plane.kubectl("version", "-o", "json"))
    assert versions["clientVersion"]["gitVersion"] == versions["serverVersion"]["gitVersion"]
    assert versions["serverVersion"]["gitVersion"].startswith("v1.")


@pytest.mark.kubectl
def test_kubectl_leaves_nothing_outside_of_the_directory(
    control_plane: ControlPlane, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TEST_ASSET_KUBECTL", str(find_asset("kubectl")))
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("KUBECONFIG", str(tmp_path / "mine"))
    control_plane.kubectl("get", "namespaces")
    assert not list(tmp_path.iterdir())


@pytest.mark.kubectl
def test_a_failing_kubectl_says_what_was_run_and_why_it_failed(control_plane: ControlPlane) -> None:
    with pytest.raises(KubectlError, match=r"kubectl get secret nobody: exit code 1: .*secrets \"nobody\" not found"):
        control_plane.kubectl("get", "secret", "nobody")


def test_files_with_tokens_and_keys_are_readable_by_their_owner_alone(control_plane: ControlPlane) -> None:
    directory = control_plane.directory
    secret = [control_plane.kubeconfig, control_plane.kubeconfig_for("visitor")]
    secret += [directory / "tokens.csv", *directory.glob("**/*.key")]
    assert len(secret) == 5
    assert {path: path.stat().st_mode & 0o777 for path in secret} == dict.fromkeys(secret, 0o600)


def test_the_certificate_is_good_for_the_strictest_verification(control_plane: ControlPlane) -> None:
    context = ssl.create_default_context(cafile=str(control_plane.ca_file))
    context.verify_flags |= ssl.VERIFY_X509_STRICT
    port = port_of(control_plane)
    plain = socket.create_connection(("127.0.0.1", port))
    with context.wrap_socket(plain, server_hostname="127.0.0.1") as encrypted:
        assert encrypted.getpeercert()


@pytest.mark.kubectl
def test_a_user_has_the_groups_of_the_options_and_no_rights(control_plane: ControlPlane) -> None:
    visitor = f"--kubeconfig={control_plane.kubeconfig_for('visitor')}"
    who = json.loads(control_plane.kubectl("auth", "whoami", "-o", "json", visitor))["status"]["userInfo"]
    assert who["username"] == "visitor"
    assert who["groups"] == ["guests", "friends", "system:authenticated"]
    with pytest.raises(KubectlError, match=r'User "visitor" cannot list resource "secrets"'):
        control_plane.kubectl("get", "secrets", visitor)


def test_an_unknown_user_has_no_kubeconfig(control_plane: ControlPlane) -> None:
    with pytest.raises(ControlPlaneError, match=r"there is no user nobody \(only visitor, admin\)"):
        control_plane.kubeconfig_for("nobody")


@pytest.mark.kubectl
def test_a_service_account_may_do_what_rbac_grants_it(control_plane: ControlPlane, kube_namespace: str) -> None:
    def kubectl(*arguments: str | Path) -> str:
        return control_plane.kubectl("--namespace", kube_namespace, *arguments)

    kubectl("create", "serviceaccount", "operator")
    operator = f"--kubeconfig={control_plane.kubeconfig_for_service_account(kube_namespace, 'operator')}"
    with pytest.raises(KubectlError, match="cannot list resource"):
        kubectl("get", "secrets", operator)
    kubectl("create", "role", "reader", "--verb=list", "--resource=secrets")
    kubectl("create", "rolebinding", "reader", "--role=reader", f"--serviceaccount={kube_namespace}:operator")
    assert kubectl("get", "secrets", "-o", "name", operator) == ""


def test_a_service_account_that_does_not_exist_has_no_kubeconfig(control_plane: ControlPlane) -> None:
    with pytest.raises(RequestError, match=r'404 serviceaccounts "nobody" not found'):
        control_plane.kubeconfig_for_service_account("default", "nobody")


@pytest.mark.kubectl
def test_each_test_gets_a_namespace_of_its_own(control_plane: ControlPlane, kube_namespace: str) -> None:
    assert control_plane.kubectl("get", "all", "--namespace", kube_namespace) == ""
    assert control_plane.create_namespace() != kube_namespace


@pytest.mark.kubectl
@pytest.mark.kubernetes
def test_requests_are_in_the_audit_log_before_they_are_answered(
    control_plane: ControlPlane, kube_namespace: str
) -> None:
    control_plane.kubectl("create", "configmap", "audited", "--namespace", kube_namespace)
    events = [json.loads(line) for line in control_plane.audit_log.read_text().splitlines()]
    (event,) = [
        event
        for event in events
        if event["verb"] == "create"
        and event.get("objectRef", {}).get("name") == "audited"
        and event["objectRef"]["namespace"] == kube_namespace
    ]
    assert event["user"]["username"] == "admin"
    assert event["responseStatus"]["code"] == 201


@pytest.mark.kubectl
def test_a_kind_is_usable_as_soon_as_its_crd_is_installed(widgets: ControlPlane, kube_namespace: str) -> None:
    widgets.kubectl("create", "-f", "-", stdin=manifest("Widget", "first", kube_namespace))
    names = widgets.kubectl("get", "widgets", "--namespace", kube_namespace, "-o", "name")
    assert names == "widget.example.dev/first\n"


@pytest.mark.kubectl
def test_installing_a_crd_again_replaces_its_schema(
    widgets: ControlPlane, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    changed, original = tmp_path / "changed.yaml", tmp_path / "original.yaml"
    changed.write_text(WIDGETS.replace("SIZE", "weight"))
    original.write_text(WIDGETS.replace("SIZE", "size"))
    request.addfinalizer(lambda: widgets.install_crds([original]))
    widgets.install_crds([changed])
    path = "{.spec.versions[0].schema.openAPIV3Schema.properties.spec.properties}"
    properties = json.loads(widgets.kubectl("get", "crd", "widgets.example.dev", "-o", f"jsonpath={path}"))
    assert list(properties) == ["weight"]


@pytest.mark.kubectl
def test_a_crd_that_cannot_be_established_is_named_with_its_conditions(widgets: ControlPlane, tmp_path: Path) -> None:
    clash = tmp_path / "clash.yaml"
    clash.write_text(
        WIDGETS.replace("SIZE", "size")
        .replace("name: widgets.", "name: gadgets.")
        .replace("plural: widgets, singular: widget", "plural: gadgets, singular: gadget")
    )
    connection = AdminConnection(port_of(widgets), widgets.ca_file, widgets.token)
    try:
        with pytest.raises(CRDError, match=r"CRD gadgets\.example\.dev is not served after 1 s: .*already in use"):
            install_crds(connection, read_crds([clash]), timeout=1)
    finally:
        widgets.kubectl("delete", "crd", "gadgets.example.dev")


@pytest.mark.kubectl
@pytest.mark.parametrize("policy", ["background", "foreground"])
def test_dependants_go_with_their_owner(policy: str, widgets: ControlPlane, kube_namespace: str) -> None:
    create_owner_and_dependant(widgets, kube_namespace)
    widgets.kubectl("delete", "widget", "owner", "--namespace", kube_namespace, f"--cascade={policy}", "--wait=false")
    widgets.kubectl("wait", "--for=delete", "configmap/dependant", "--namespace", kube_namespace, "--timeout=60s")


@pytest.mark.kubectl
def test_dependants_stay_when_they_are_orphaned(widgets: ControlPlane, kube_namespace: str) -> None:
    create_owner_and_dependant(widgets, kube_namespace)
    widgets.kubectl("delete", "widget", "owner", "--namespace", kube_namespace, "--cascade=orphan", "--timeout=60s")
    path = "jsonpath={.metadata.ownerReferences}"
    assert widgets.kubectl("get", "configmap", "dependant", "--namespace", kube_namespace, "-o", path) == ""


@pytest.mark.kubectl
def test_a_namespace_goes_with_all_that_is_in_it(widgets: ControlPlane, kube_namespace: str) -> None:
    widgets.kubectl("create", "-f", "-", stdin=manifest("Widget", "content", kube_namespace))
    widgets.kubectl("delete", "namespace", kube_namespace, "--timeout=60s")
    with pytest.raises(KubectlError, match="not found"):
        widgets.kubectl("get", "namespace", kube_namespace)


@pytest.mark.kubectl
def test_a_killed_api_server_comes_back_with_the_same_address_tokens_and_objects(
    control_plane: ControlPlane, kube_namespace: str
) -> None:
    control_plane.kubectl("create", "configmap", "kept", "--namespace", kube_namespace)
    before = control_plane.url, control_plane.kubeconfig.read_text(), control_plane.ca_file.read_bytes()
    control_plane.kill_api_server()
    try:
        with pytest.raises(KubectlError, match="was refused"):
            control_plane.kubectl("get", "namespaces")
    finally:
        control_plane.start_api_server()
    assert (control_plane.url, control_plane.kubeconfig.read_text(), control_plane.ca_file.read_bytes()) == before
    control_plane.kubectl("get", "configmap", "kept", "--namespace", kube_namespace)


def test_nobody_gets_the_port_of_a_killed_api_server(control_plane: ControlPlane) -> None:
    port = port_of(control_plane)
    control_plane.kill_api_server()
    try:
        with pytest.raises(OSError, match="in use"):
            socket.create_server(("127.0.0.1", port))
    finally:
        control_plane.start_api_server()


@pytest.mark.kubectl
def test_a_paused_api_server_accepts_connections_and_does_not_answer(control_plane: ControlPlane) -> None:
    port = port_of(control_plane)
    impatient = AdminConnection(port, control_plane.ca_file, control_plane.token, timeout=0.5)
    control_plane.pause_api_server()
    try:
        socket.create_connection(("127.0.0.1", port)).close()
        with pytest.raises(TimeoutError):
            impatient.get("/version")
    finally:
        control_plane.resume_api_server()
    control_plane.kubectl("version")


def test_it_is_not_started_twice(control_plane: ControlPlane) -> None:
    with pytest.raises(ControlPlaneError, match="running already"):
        control_plane.start()


@pytest.mark.kubectl
def test_before_its_start_everything_says_so() -> None:
    plane = ControlPlane()
    plane.stop()
    with pytest.raises(ControlPlaneError, match=r"not running: call start\(\) first"):
        plane.kubectl("version")


@pytest.mark.parametrize(
    "option", [pytest.param({"audit": True}, id="audit log"), pytest.param({"api_server_flags": ["--x"]}, id="flags")]
)
def test_what_the_embedded_server_cannot_do_is_said_with_the_option_that_can(option: dict[str, Any]) -> None:
    with pytest.raises(ControlPlaneError, match='need the real API server: add server="kubernetes"'):
        ControlPlaneOptions(server="embedded", **option)


def test_without_the_option_there_is_no_audit_log() -> None:
    with pytest.raises(ControlPlaneError, match="audit=True"):
        _ = ControlPlane().audit_log


@pytest.mark.kubernetes
def test_a_program_that_does_not_start_is_quoted_and_nothing_is_left(tmp_path: Path) -> None:
    plane = ControlPlane(ControlPlaneOptions(directory=tmp_path, api_server_flags=["--no-such-flag"]))
    with pytest.raises(
        ProcessError, match=r"kube-apiserver ended with exit code 1;(.|\n)*unknown flag: --no-such-flag"
    ):
        plane.start()
    with pytest.raises(ControlPlaneError, match="not running"):
        _ = plane.url
    assert '"received signal; shutting down"' in (tmp_path / "etcd.log").read_text()


def test_a_temporary_directory_goes_with_the_control_plane() -> None:
    with ControlPlane() as plane:
        directory = plane.directory
        assert directory.stat().st_mode & 0o777 == 0o700
    assert not directory.exists()


@pytest.fixture
def started_elsewhere() -> Iterator[Callable[[], tuple["subprocess.Popen[str]", list[int]]]]:
    """Yield a function that starts a control plane in another process and returns that and the ids of its programs."""
    code = (
        "import signal\n"
        "from controller_runtime.envtest import ControlPlane, ControlPlaneOptions\n"
        "with ControlPlane(ControlPlaneOptions(garbage_collection=True)) as plane:\n"
        "    print(*(program.pid for program in plane.programs), flush=True)\n"
        "    signal.pause()\n"
    )
    processes: list[subprocess.Popen[str]] = []

    def start() -> tuple["subprocess.Popen[str]", list[int]]:
        process = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)
        processes.append(process)
        assert process.stdout
        return process, [int(pid) for pid in process.stdout.readline().split()]

    yield start
    for process in processes:
        process.kill()
        process.communicate()


def test_all_programs_end_when_the_process_that_started_them_is_killed(
    started_elsewhere: Callable[[], tuple["subprocess.Popen[str]", list[int]]],
) -> None:
    process, pids = started_elsewhere()
    assert len(pids) == (3 if REAL else 1)
    with Deaths(pids) as programs:
        os.kill(process.pid, signal.SIGKILL)
        programs.wait()
