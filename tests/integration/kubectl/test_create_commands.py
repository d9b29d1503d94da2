"""kubectl's own commands that make objects, which kubectl sends in protobuf: all work, and leave the same objects."""

from __future__ import annotations

import base64
import json
import re
import shlex
from pathlib import Path
from typing import Literal

import pytest
import yaml

from controller_runtime.envtest import AssetsMissingError, ControlPlane, ControlPlaneOptions, find_asset
from tests.integration.kubectl.normal import plain_text, same_yaml
from tests.integration.kubectl.session import Session
from tests.integration.kubectl.test_kubectl import difference, on_path

pytestmark = [pytest.mark.kubectl, pytest.mark.integration]

COMMANDS = (
    "create namespace RUN-made",
    "create serviceaccount robot",
    "create secret generic opaque --from-literal=key=value --from-literal=empty= --from-file=DIRECTORY/bytes",
    "create secret docker-registry pull --docker-username=user --docker-password=pass --docker-email=a@example.com",
    "create configmap settings --from-literal=key=value --from-file=DIRECTORY/bytes --from-file=DIRECTORY/text",
    "create configmap dry --from-literal=key=value --dry-run=server -o yaml",
    "create configmap settings --from-literal=key=other",
    "create configmap Wrong",
    "create service clusterip web --tcp=80:8080 --tcp=443:https",
    "create service clusterip headless --clusterip=None",
    "create service nodeport node --tcp=80 --node-port=31717",
    "create service loadbalancer balanced --tcp=5678:8080",
    "create service externalname outside --external-name=example.com",
    "expose service web --name=exposed --port=81 --target-port=http",
    "create role reader --verb=get,list --resource=configmaps,secrets --resource-name=settings",
    "create clusterrole RUN-paths --verb=get --non-resource-url=/healthz/*",
    "create clusterrole RUN-sum --aggregation-rule=RUN=yes",
    "create rolebinding readers --role=reader --user=user --group=group --serviceaccount=RUN:robot",
    "create clusterrolebinding RUN-paths --clusterrole=RUN-paths --user=user",
    "auth can-i get configmaps",
    "auth can-i get configmaps --as=stranger",
    "auth can-i --list --as=stranger",
    "auth reconcile -f DIRECTORY/roles.yaml",
    "auth whoami",
)
STORED = "serviceaccounts,secrets,configmaps,services,roles,rolebindings"
CLUSTER_WIDE = (
    "namespace/RUN-made",
    "clusterrole/RUN-paths",
    "clusterrole/RUN-sum",
    "clusterrole/RUN-more",
    "clusterrolebinding/RUN-paths",
)
ROLES = """
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRole
metadata: {name: RUN-more}
rules:
- {apiGroups: [""], resources: [configmaps], verbs: [get]}
"""
REFUSED = ("create configmap settings --from-literal=key=other", "create configmap Wrong",
           "auth can-i get configmaps --as=stranger")  # fmt: skip
NODE_PORT = re.compile(r"nodePort: (?!31717\b)3\d{4}\b")


def record(plane: ControlPlane, binary: Path, directory: Path) -> dict[str, str]:
    """Run all commands, and return what they printed and what is stored then."""
    session = Session(plane, binary, directory)
    session.configure()
    (directory / "bytes").write_bytes(b"\xff\0")
    (directory / "text").write_text("a line\n")
    (directory / "roles.yaml").write_text(ROLES.replace("RUN", session.run))
    try:
        for line in COMMANDS:
            session.step(line.replace("DIRECTORY", str(directory)))
        for arguments in (["-n", session.run, STORED], *([each.replace("RUN", session.run)] for each in CLUSTER_WIDE)):
            done = session.execute("get", *arguments, "-o", "yaml", "--show-managed-fields")
            assert done.returncode == 0, done.stderr
            found = yaml.safe_load(done.stdout)
            for item in found.get("items", [found]):
                session._note(
                    f"{item['kind']} {item['metadata']['name']}", NODE_PORT.sub("nodePort: PORT", same_yaml(item))
                )
    finally:
        session.execute("-n", session.run, "delete", "service", "node")  # the next run wants its port
        session.execute("delete", *(each.replace("RUN", session.run) for each in CLUSTER_WIDE), "--wait=false")
    return session.record


@pytest.fixture(scope="module")
def first(control_plane: ControlPlane, tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """The record of kubectl in the server's version."""
    return record(control_plane, find_asset("kubectl"), tmp_path_factory.mktemp("created"))


@pytest.mark.timeout(300)
@pytest.mark.parametrize("line", COMMANDS)
def test_it_does_what_it_says(first: dict[str, str], line: str) -> None:
    printed = first[plain_text(line.replace("DIRECTORY", ""))] if line in first else found(first, line)
    assert printed.startswith("exit code 1" if line in REFUSED else "exit code 0"), printed


def found(record: dict[str, str], line: str) -> str:
    """Return what a command printed."""
    return next(text for step, text in record.items() if step == line.replace("DIRECTORY", ""))


@pytest.mark.timeout(300)
def test_another_kubectl_leaves_the_same_objects(
    control_plane: ControlPlane, first: dict[str, str], tmp_path: Path
) -> None:
    binary = on_path()
    if binary is None:
        pytest.skip("there is no other kubectl on PATH")
    other = record(control_plane, binary, tmp_path)
    assert not difference(objects(first), objects(other))


@pytest.mark.timeout(300)
def test_both_servers_have_the_same_record(control_plane: ControlPlane, first: dict[str, str], tmp_path: Path) -> None:
    name: Literal["embedded", "kubernetes"] = "kubernetes" if control_plane.options.server == "embedded" else "embedded"
    try:
        with ControlPlane(ControlPlaneOptions(server=name, garbage_collection=True)) as other:
            assert not difference(first, record(other, find_asset("kubectl"), tmp_path))
    except AssetsMissingError as error:
        pytest.skip(str(error))


def objects(record: dict[str, str]) -> dict[str, str]:
    """Return the part of a record that says what is stored."""
    return {step: text for step, text in record.items() if not text.startswith("exit code")}


def test_a_token_is_for_whom_it_was_asked(control_plane: ControlPlane, tmp_path: Path) -> None:
    session = Session(control_plane, find_asset("kubectl"), tmp_path)
    session.configure()
    assert session.execute("create", "serviceaccount", "robot").returncode == 0
    done = session.execute(*shlex.split("create token robot --audience=reader --duration=20m"))
    assert done.returncode == 0, done.stderr
    payload = done.stdout.split(".")[1]
    claims = json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
    assert claims["aud"] == ["reader"]
    assert claims["sub"] == f"system:serviceaccount:{session.run}:robot"
    assert claims["exp"] - claims["iat"] == 20 * 60
