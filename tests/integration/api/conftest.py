"""Both CRDs of each kind on one API server: ours under its own group, the reference's under a group of its own."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

from controller_runtime.envtest import ControlPlane
from hack.manifests import KINDS, ROOT
from tests.integration.api.rest import Answer, request

GROUP = "boot.ironcore.dev"
REFERENCE_GROUP = f"reference.{GROUP}"
# Values that no two objects share; messages quote whole objects, so their quotation marks may be escaped.
VARYING = re.compile(r"""(\b(?:creationTimestamp|time|uid|resourceVersion)\\*": ?\\*")[^"\\]*""")
REFERENCE = ROOT.parent / "shared" / "reference-crds"


@dataclass(frozen=True)
class Installed:
    """The two kinds as one source of CRDs serves them, in a namespace where `subject` exists of each."""

    plane: ControlPlane
    group: str
    namespace: str

    def collection(self, plural: str) -> str:
        """Path of a kind's objects."""
        return f"/apis/{self.group}/v1alpha1/namespaces/{self.namespace}/{plural}"

    def create(self, kind: str, document: dict[str, Any], query: str = "") -> Answer:
        """Creates an object; the answer is comparable between groups."""
        whole = {"apiVersion": f"{self.group}/v1alpha1", "kind": kind, **document}
        return self.comparable(request(self.plane, "POST", f"{self.collection(plural(kind))}?{query}", whole))

    def patch_status(self, kind: str, status: Any, query: str = "") -> Answer:
        """Merges into the status of `subject`; the answer is comparable between groups."""
        path = f"{self.collection(plural(kind))}/subject/status?{query}"
        patch = {"status": status}
        return self.comparable(request(self.plane, "PATCH", path, patch, content_type="application/merge-patch+json"))

    def comparable(self, answer: Answer) -> Answer:
        """The answer without what differs between any two objects."""
        text = json.dumps(answer.body).replace(self.group, GROUP).replace(self.namespace, "NAMESPACE")
        return Answer(answer.code, json.loads(VARYING.sub(r"\1", text)))


def plural(kind: str) -> str:
    """The REST resource of a kind of this group."""
    return f"{kind.lower()}s"


@contextmanager
def installed(plane: ControlPlane, group: str, paths: list[Path]) -> Iterator[Installed]:
    """Installs CRDs and has `subject` of each kind while the context lasts; other tests share the server."""
    plane.install_crds(paths)
    kinds = Installed(plane, group, plane.create_namespace())
    urls = {"kernelURL": "http://boot.example.com/kernel", "initrdURL": "http://boot.example.com/initrd"}
    for kind, spec in (("IPXEBootConfig", urls), ("HTTPBootConfig", {})):
        # Owners of fields are listed by the second, then by name: this one stands before any test's.
        document = {"metadata": {"name": "subject"}, "spec": spec}
        assert kinds.create(kind, document, "fieldManager=creator").code == 201
    yield kinds
    for kind in ("IPXEBootConfig", "HTTPBootConfig"):
        assert request(plane, "DELETE", f"{kinds.collection(plural(kind))}/subject").code == 200


@pytest.fixture(scope="module")
def generated(control_plane: ControlPlane) -> Iterator[Installed]:
    """The kinds as the generated CRDs serve them."""
    with installed(control_plane, GROUP, [ROOT / "config" / "crd" / "bases"]) as kinds:
        yield kinds


@pytest.fixture(scope="module")
def reference(control_plane: ControlPlane, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installed]:
    """The kinds as the reference's CRDs serve them; under another group, so that both can be asked side by side."""
    if not REFERENCE.is_dir():
        pytest.skip("the reference's CRDs are not beside this checkout (../shared/reference-crds)")
    directory = tmp_path_factory.mktemp("reference-crds")
    for resource in (kind.resource for kind in KINDS):
        crd = yaml.safe_load((REFERENCE / f"{GROUP}_{resource.plural}.yaml").read_text(encoding="utf-8"))
        crd["metadata"]["name"] = f"{resource.plural}.{REFERENCE_GROUP}"
        crd["spec"]["group"] = REFERENCE_GROUP
        (directory / f"{resource.plural}.yaml").write_text(yaml.safe_dump(crd), encoding="utf-8")
    with installed(control_plane, REFERENCE_GROUP, [directory]) as kinds:
        yield kinds
