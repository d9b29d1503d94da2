"""The commands, and the record of what they did."""

from __future__ import annotations

import os
import re
import secrets
import shlex
import subprocess
import threading
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from controller_runtime.envtest import ControlPlane
from tests.integration.kubectl.normal import PLACEHOLDER, plain_text, same_yaml

HERE = Path(__file__).parent
DEADLINE = 30
"""Seconds that one command may take."""
SERVED = (
    "configmaps",
    "customresourcedefinitions",
    "events",
    "leases",
    "namespaces",
    "secrets",
    "serviceaccounts",
    "services",
)
"""Resources of built-in kinds that every server has."""
# What kubectl prints for people to read, word by word another server's own.
DESCRIPTION = re.compile(r"^DESCRIPTION:\n(?: +.*\n|\n)+", re.MULTILINE)


@dataclass
class Session:
    """One run of all commands on one server.

    Attributes:
        plane: The server.
        binary: kubectl.
        directory: For manifests and kubectl's cache.
        run: Name of the run, of a fixed length: a namespace, and part of the other names that are not in it.
        record: Of each step, in order, what was printed and what is stored.
    """

    plane: ControlPlane
    binary: Path
    directory: Path
    run: str = field(default_factory=lambda: f"run-{secrets.token_hex(3)}")
    record: dict[str, str] = field(default_factory=dict)

    def execute(self, *arguments: str, stdin: str = "", editor: str = "") -> subprocess.CompletedProcess[str]:
        """Run kubectl in the namespace of the run."""
        environment = {
            "HOME": str(self.directory),
            "PATH": os.defpath,
            "KUBE_EDITOR": editor,
            "TMPDIR": str(self.directory),
        }
        return subprocess.run(
            [*self.command, *arguments],
            input=stdin,
            capture_output=True,
            text=True,
            env=environment,
            timeout=DEADLINE,
            check=False,
        )

    @property
    def command(self) -> list[str]:
        """The beginning of each command line."""
        kubeconfig, cache = self.directory / "kubeconfig", self.directory / "cache"
        return [str(self.binary), f"--kubeconfig={kubeconfig}", f"--cache-dir={cache}"]

    def step(self, line: str, moment: str = "", *, stdin: str = "", editor: str = "") -> None:
        """Run a command, and record its code and what it printed; `moment` tells it from the same command before."""
        done = self.execute(*shlex.split(line.replace("RUN", self.run)), stdin=stdin, editor=editor)
        self._note(f"{line} {moment}".strip(), f"exit code {done.returncode}\n{done.stdout}{done.stderr}")

    def explain(self, line: str) -> None:
        """Record the structure that `kubectl explain` shows of a built-in kind, without its words."""
        done = self.execute(*shlex.split(line))
        self._note(line, f"exit code {done.returncode}\n{DESCRIPTION.sub('', done.stdout)}{done.stderr}")

    def resources(self) -> None:
        """Record what `kubectl api-resources` shows of the kinds that every server has."""
        lines = self.execute("api-resources", "--no-headers", "-o", "wide").stdout.splitlines()
        found = [line for line in lines if line.split()[0] in SERVED or self.run in line]
        self._note("api-resources", "\n".join(sorted(found)))

    def watch(self, line: str, change: str, count: int) -> None:
        """Record the first lines of a watch, in whose course a command changes something."""
        command = [*self.command, *shlex.split(line)]
        with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as watching:
            # Ends the watch, and with it what is read here, if fewer lines come.
            deadline = threading.Timer(DEADLINE, watching.terminate)
            deadline.start()
            assert watching.stdout
            printed = [watching.stdout.readline()]
            self.execute(*shlex.split(change))
            printed += [watching.stdout.readline() for _ in range(count - 1)]
            deadline.cancel()
            watching.terminate()
        self._note(line, "".join(printed))

    def stored(self, moment: str) -> None:
        """Record all objects as they are stored."""
        for name in ("definitions.yaml", "objects.yaml"):
            done = self.execute("get", "-f", str(self.directory / name), "-o", "yaml", "--show-managed-fields")
            assert done.returncode == 0, done.stderr
            for item in yaml.safe_load(done.stdout)["items"]:
                self._note(f"{item['kind']} {item['metadata']['name']} {moment}", same_yaml(item))

    def configure(self) -> None:
        """Write a kubeconfig whose namespace is that of the run, and make the namespace."""
        config = yaml.safe_load(self.plane.kubeconfig.read_text())
        config["contexts"][0]["context"]["namespace"] = self.run
        (self.directory / "kubeconfig").write_text(yaml.safe_dump(config))
        namespace = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": self.run}}
        created = self.execute("create", "-f", "-", stdin=yaml.safe_dump(namespace))
        assert created.returncode == 0, created.stderr

    def write(self, level: int) -> None:
        """Write the manifests as they are applied the given time."""
        for name in ("definitions.yaml", "objects.yaml"):
            lines = (HERE / name).read_text().replace("RUN", self.run).replace("LEVEL", str(level)).splitlines()
            kept = [line for line in lines if "# only" not in line or line.endswith(f"# only {level}")]
            (self.directory / name).write_text("\n".join(kept) + "\n")

    def uid(self, what: str) -> str:
        """Return the uid of an object."""
        return self.execute("get", what, "-o", "jsonpath={.metadata.uid}").stdout

    def _note(self, name: str, text: str) -> None:
        name = name.replace(str(self.directory), "").replace(self.run, PLACEHOLDER)
        assert name not in self.record, name
        self.record[name] = plain_text(text.replace(str(self.directory), "").replace(self.run, PLACEHOLDER))


def record(plane: ControlPlane, binary: Path, directory: Path) -> dict[str, str]:
    """Run everything on a server and return the record.

    Args:
        plane: The server; what the run makes there goes with it, but for two namespaces.
        binary: kubectl.
        directory: An empty one.
    """
    session = Session(plane, binary, directory)
    session.configure()
    _apply(session)
    _look(session)
    _change(session)
    _wait(session)
    _delete(session)
    return session.record


def _apply(session: Session) -> None:
    definitions, objects = (str(session.directory / name) for name in ("definitions.yaml", "objects.yaml"))
    for level, moment in ((1, "first"), (2, "second"), (2, "third")):
        session.write(level)
        session.step(f"apply -f {definitions}", moment)
        session.step(f"wait --for=condition=Established -f {definitions} --timeout=30s", moment)
        session.step(f"apply -f {objects}", moment)
        session.stored(f"applied, {moment}")
    session.write(3)
    session.step(f"apply --server-side -f {definitions} -f {objects}")
    session.step(f"apply --server-side --force-conflicts --field-manager=suite -f {definitions} -f {objects}")
    session.stored("applied by the server")


def _look(session: Session) -> None:
    reference = {"apiVersion": "v1", "kind": "ConfigMap", "name": "plain", "namespace": session.run}
    event = {
        "apiVersion": "v1",
        "kind": "Event",
        "metadata": {"name": "about-plain"},
        "involvedObject": {**reference, "uid": session.uid("configmap/plain")},
        "reason": "Looked",
        "message": "somebody looked at it",
        "type": "Warning",
        "source": {"component": "suite"},
        "firstTimestamp": "2020-01-01T00:00:00Z",
        "lastTimestamp": "2020-01-01T00:00:00Z",
        "count": 2,
    }
    session.step("create -f -", stdin=yaml.safe_dump(event))
    kinds = "configmaps,secrets,services,serviceaccounts,leases,widgets"
    for line in (
        f"get {kinds} -l suite=kubectl",
        f"get {kinds} -l suite=kubectl -o wide",
        f"get {kinds} -o name",
        "get widgets -o wide --show-labels",
        "get widgets --sort-by=.spec.size",
        "get widgets -o custom-columns=NAME:.metadata.name,SIZE:.spec.size",
        "get widgets -A -l suite=kubectl --field-selector=metadata.namespace=RUN",
        "get wd small",
        "get gear",
        "get plants RUN",
        "get namespace RUN-second",
        "get crd widgets.RUN.example.com plants.RUN.example.com",
        "get events",
        "get events -o wide",
        "get configmap none",
        "get nothing",
        "get configmaps --chunk-size=2",
        "describe configmap plain",
        "describe secret opaque",
        "describe service cluster",
        "describe serviceaccount robot",
        "describe lease lead",
        "describe plant RUN",
        "describe widget tagged",
        "events --for=configmap/plain",
        # The words about apiVersion, kind and metadata are each server's own: only what the CRD says is compared.
        "explain widgets.spec",
        "explain widgets --recursive",
        "explain widgets.spec.ports",
        "explain plants.spec.none",
        "api-resources --api-group=RUN.example.com -o wide",
        "auth can-i delete configmaps",
    ):
        session.step(line)
    for kind in ("configmaps", "secrets", "services", "leases", "events", "serviceaccounts"):
        session.explain(f"explain {kind} --recursive")
    session.resources()
    session.watch("get configmap binary -w --output-watch-events", "annotate configmap binary watched=yes", 3)
    session.watch("get widgets -w", 'patch widget small --type=merge -p \'{"spec":{"size":4}}\'', 5)


def _change(session: Session) -> None:
    for line in (
        "label -f objects.yaml level=high --overwrite",
        "label widget small size=small",
        "label widget small size=big",
        "label widget small size-",
        "annotate -f objects.yaml note=text",
        'patch configmap plain -p \'{"data":{"patched":"yes"}}\'',
        'patch widget small --type=merge -p \'{"spec":{"note":"patched"}}\'',
        'patch widget small -p \'{"spec":{"note":"patched"}}\'',
        'patch widget small --type=json -p \'[{"op":"test","path":"/spec/note","value":"none"}]\'',
        'patch service cluster -p \'{"spec":{"ports":[{"port":80,"name":"web"}]}}\'',
        'patch widget small --type=merge -p \'{"spec":{"size":1000}}\'',
        'patch configmap fixed -p \'{"data":{"key":"other"}}\'',
        'patch configmap plain -p \'{"data":{"patched":"yes"}}\' --dry-run=server',
    ):
        session.step(line.replace("-f objects.yaml", f"-f {session.directory / 'objects.yaml'}"))
    session.stored("labelled, annotated and patched")
    session.step("edit configmap plain", editor="sed -i s/several/edited/")
    session.step("edit widget tagged", editor="sed -i 's/size: 10/size: 11/'")
    session.step("edit secret opaque", editor="true")
    session.step("edit widget small", editor="sed -i 's/size: 4/size: 5000/'")
    session.stored("edited")


def _wait(session: Session) -> None:
    ready = '{"status":{"conditions":[{"type":"Ready","status":"True"}]}}'
    session.step("wait --for=condition=Ready widget/small --timeout=1s")
    session.step(f"patch widget small --subresource=status --type=merge -p '{ready}'")
    session.step("wait --for=condition=Ready widget/small --timeout=20s")
    session.step("wait --for=jsonpath='{.spec.size}'=11 widget/tagged --timeout=20s")
    session.step("get widget small")


def _delete(session: Session) -> None:
    owner = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "owner"}}
    for name, cascade in (("background", "background"), ("foreground", "foreground"), ("orphaned", "orphan")):
        session.execute("create", "-f", "-", stdin=yaml.safe_dump(owner))
        references = [{"apiVersion": "v1", "kind": "ConfigMap", "name": "owner", "uid": session.uid("configmap/owner")}]
        child: dict[str, Any] = {**owner, "metadata": {"name": name, "ownerReferences": references}}
        session.execute("create", "-f", "-", stdin=yaml.safe_dump(child))
        session.step(f"delete configmap owner --cascade={cascade}")
        if cascade == "orphan":
            session.step("get configmap orphaned -o jsonpath={.metadata.ownerReferences}")
        else:
            session.step(f"wait --for=delete configmap/{name} --timeout=30s")
    session.step("delete widget held --wait=false")
    session.step("get widget held -o jsonpath={.metadata.finalizers}")
    session.step('patch widget held --type=merge -p \'{"metadata":{"finalizers":null}}\'')
    session.step("wait --for=delete widget/held --timeout=20s")
    session.step("delete configmap plain")
    session.step("delete configmap plain --ignore-not-found")
    session.step("delete configmap plain", "again")
    session.step("delete secrets -l suite=kubectl")
    session.step("delete widgets,services,leases,serviceaccounts --all")
    session.step("delete plant RUN --dry-run=server")
    session.step("delete namespace RUN-second --wait=false")
    session.step("delete crd widgets.RUN.example.com plants.RUN.example.com")
    session.step("get widgets")
    # These commands write protobuf, those that take manifests write JSON.
    session.step("create configmap made --from-literal=key=value")
    session.step("create secret generic made --from-literal=key=value")
    session.step("create serviceaccount made")
    session.step("delete configmap/made secret/made serviceaccount/made")
