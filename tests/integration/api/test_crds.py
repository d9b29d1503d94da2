"""What the API server accepts, stores and shows by the generated CRDs, and that by the reference's it does the same.

Each object of the tables is sent as a dry run, once with unknown fields ignored and once with strict validation. Both
sources of CRDs must give the same answer to the letter: code, causes, defaults, pruned fields, owners of fields.
"""

from __future__ import annotations

from typing import Any

import pytest

from hack.manifests import ROOT
from tests.integration.api.conftest import GROUP, Installed, plural
from tests.integration.api.rest import request

pytestmark = pytest.mark.integration

IPXE, HTTP = "IPXEBootConfig", "HTTPBootConfig"
URLS = {"kernelURL": "http://boot.example.com/kernel", "initrdURL": "http://boot.example.com/initrd"}
MODES = ("Ignore", "Strict")
# Codes of the answers by mode of field validation.
ACCEPTED, REFUSED, PRUNED = (201, 201), (422, 422), (201, 400)
PATCHED, PATCH_REFUSED, PATCH_PRUNED = (200, 200), (422, 422), (200, 422)


def ipxe(**spec: Any) -> dict[str, Any]:
    return {"spec": URLS | spec}


def http(**spec: Any) -> dict[str, Any]:
    return {"spec": spec}


CONDITION = {
    "type": "Ready",
    "status": "True",
    "reason": "ConfigurationValid",
    "message": "",
    "lastTransitionTime": "2026-01-02T03:04:05Z",
    "observedGeneration": 1,
}


def condition(**change: Any) -> dict[str, Any]:
    return {"conditions": [CONDITION | change]}


def lacking(field: str) -> dict[str, Any]:
    return {"conditions": [{name: value for name, value in CONDITION.items() if name != field}]}


OBJECTS = pytest.mark.parametrize(
    ("kind", "document", "codes"),
    [
        pytest.param(IPXE, ipxe(), ACCEPTED, id="ipxe: required fields alone"),
        pytest.param(
            IPXE,
            ipxe(
                systemUUID="11111111-1111-1111-1111-111111111111",
                systemIPs=["192.0.2.1"],
                image="old",
                squashfsURL="http://boot.example.com/squashfs",
                ipxeServerURL="http://boot.example.com",
                ignitionSecretRef={"name": "a"},
                ipxeScriptSecretRef={"name": "b"},
            ),
            ACCEPTED,
            id="ipxe: every field",
        ),
        pytest.param(IPXE, {}, ACCEPTED, id="ipxe: no spec"),
        pytest.param(IPXE, {"spec": {}}, REFUSED, id="ipxe: empty spec"),
        pytest.param(IPXE, {"spec": "boot"}, REFUSED, id="ipxe: spec is a text"),
        pytest.param(IPXE, {"spec": {"initrdURL": "x"}}, REFUSED, id="ipxe: no kernelURL"),
        pytest.param(IPXE, {"spec": {"kernelURL": "x"}}, REFUSED, id="ipxe: no initrdURL"),
        pytest.param(IPXE, ipxe(kernelURL=""), REFUSED, id="ipxe: empty kernelURL"),
        pytest.param(IPXE, ipxe(initrdURL=""), REFUSED, id="ipxe: empty initrdURL"),
        pytest.param(IPXE, ipxe(kernelURL=None), REFUSED, id="ipxe: null kernelURL"),
        pytest.param(IPXE, ipxe(kernelURL="no URL at all"), ACCEPTED, id="ipxe: kernelURL is any text"),
        pytest.param(IPXE, ipxe(squashfsURL=""), ACCEPTED, id="ipxe: empty squashfsURL"),
        pytest.param(IPXE, ipxe(squashfsURL=None), ACCEPTED, id="ipxe: null squashfsURL is absent"),
        pytest.param(IPXE, ipxe(systemUUID=""), ACCEPTED, id="ipxe: empty systemUUID"),
        pytest.param(IPXE, ipxe(systemUUID=1234), REFUSED, id="ipxe: systemUUID is a number"),
        pytest.param(IPXE, ipxe(systemIPs=[]), ACCEPTED, id="ipxe: no systemIPs"),
        pytest.param(IPXE, ipxe(systemIPs=["a", "a", ""]), ACCEPTED, id="ipxe: systemIPs are any texts"),
        pytest.param(IPXE, ipxe(systemIPs="192.0.2.1"), REFUSED, id="ipxe: systemIPs is a text"),
        pytest.param(IPXE, ipxe(systemIPs=[1]), REFUSED, id="ipxe: systemIPs has a number"),
        pytest.param(IPXE, ipxe(systemIPs=[None]), REFUSED, id="ipxe: systemIPs has a null"),
        pytest.param(IPXE, ipxe(systemIPs=None), ACCEPTED, id="ipxe: null systemIPs is absent"),
        pytest.param(IPXE, ipxe(ignitionSecretRef={}), ACCEPTED, id="ipxe: empty reference"),
        pytest.param(IPXE, ipxe(ignitionSecretRef={"name": None}), ACCEPTED, id="ipxe: reference with null name"),
        pytest.param(IPXE, ipxe(ignitionSecretRef=None), ACCEPTED, id="ipxe: null reference is absent"),
        pytest.param(IPXE, ipxe(ignitionSecretRef="a"), REFUSED, id="ipxe: reference is a text"),
        pytest.param(IPXE, ipxe(ignitionSecretRef={"name": 1}), REFUSED, id="ipxe: name is a number"),
        pytest.param(
            IPXE, ipxe(ipxeScriptSecretRef={"name": "a", "namespace": "b"}), PRUNED, id="ipxe: reference with more"
        ),
        pytest.param(IPXE, ipxe(systemIP="192.0.2.1"), PRUNED, id="ipxe: unknown field in spec"),
        pytest.param(IPXE, ipxe() | {"extra": {"a": 1}}, PRUNED, id="ipxe: unknown field beside spec"),
        pytest.param(IPXE, ipxe() | {"status": {"state": "Ready"}}, ACCEPTED, id="ipxe: status given"),
        pytest.param(IPXE, ipxe() | {"status": {"state": 1}}, ACCEPTED, id="ipxe: wrong status given"),
        pytest.param(HTTP, {}, ACCEPTED, id="http: no spec"),
        pytest.param(HTTP, http(), ACCEPTED, id="http: empty spec"),
        pytest.param(
            HTTP,
            http(
                systemUUID="11111111-1111-1111-1111-111111111111",
                networkIdentifiers=["192.0.2.1", "02:00:00:00:00:01"],
                ukiURL="http://boot.example.com/uki.efi",
                ignitionSecretRef={"name": "a"},
            ),
            ACCEPTED,
            id="http: every field",
        ),
        pytest.param(HTTP, http(ukiURL=""), ACCEPTED, id="http: empty ukiURL"),
        pytest.param(HTTP, http(ukiURL=["a"]), REFUSED, id="http: ukiURL is a list"),
        pytest.param(HTTP, http(networkIdentifiers={}), REFUSED, id="http: networkIdentifiers is a map"),
        pytest.param(HTTP, http(networkIdentifiers=[True]), REFUSED, id="http: networkIdentifiers has a boolean"),
        pytest.param(HTTP, http(ignitionSecretRef={}), ACCEPTED, id="http: empty reference"),
        pytest.param(HTTP, http(ignitionSecretRef=["a"]), REFUSED, id="http: reference is a list"),
        pytest.param(HTTP, http(kernelURL="x"), PRUNED, id="http: field of the other kind"),
        pytest.param(HTTP, {"status": {"state": "Ready"}}, ACCEPTED, id="http: status given"),
    ],
)

STATUSES = pytest.mark.parametrize(
    ("status", "codes"),
    [
        pytest.param({}, PATCHED, id="empty"),
        pytest.param({"state": "Ready"}, PATCHED, id="known state"),
        pytest.param({"state": "Dreaming"}, PATCHED, id="unknown state"),
        pytest.param({"state": ""}, PATCHED, id="empty state"),
        pytest.param({"state": 1}, PATCH_REFUSED, id="state is a number"),
        pytest.param({"phase": "Ready"}, PATCH_PRUNED, id="unknown field"),
        pytest.param({"conditions": []}, PATCHED, id="no conditions"),
        pytest.param({"conditions": {}}, PATCH_REFUSED, id="conditions is a map"),
        pytest.param(condition(), PATCHED, id="whole condition"),
        pytest.param({"conditions": [CONDITION, CONDITION]}, PATCHED, id="one type twice: the list is atomic"),
        pytest.param(lacking("type"), PATCH_REFUSED, id="no type"),
        pytest.param(lacking("status"), PATCH_REFUSED, id="no status"),
        pytest.param(lacking("reason"), PATCH_REFUSED, id="no reason"),
        pytest.param(lacking("message"), PATCH_REFUSED, id="no message"),
        pytest.param(lacking("lastTransitionTime"), PATCH_REFUSED, id="no lastTransitionTime"),
        pytest.param(lacking("observedGeneration"), PATCHED, id="no observedGeneration"),
        pytest.param(condition(status="true"), PATCH_REFUSED, id="status out of the enum"),
        pytest.param(condition(status="Unknown"), PATCHED, id="status Unknown"),
        pytest.param(condition(status=True), PATCH_REFUSED, id="status is a boolean"),
        pytest.param(condition(reason=""), PATCH_REFUSED, id="empty reason"),
        pytest.param(condition(reason="Not Camel"), PATCH_REFUSED, id="reason with a space"),
        pytest.param(condition(reason="A" * 1024), PATCHED, id="longest reason"),
        pytest.param(condition(reason="A" * 1025), PATCH_REFUSED, id="reason too long"),
        pytest.param(condition(message="m" * 32768), PATCHED, id="longest message"),
        pytest.param(condition(message="m" * 32769), PATCH_REFUSED, id="message too long"),
        pytest.param(condition(type="example.com/Ready"), PATCHED, id="type with a domain"),
        pytest.param(condition(type="Example.com/Ready"), PATCH_REFUSED, id="type with a wrong domain"),
        pytest.param(condition(type=""), PATCH_REFUSED, id="empty type"),
        pytest.param(condition(type="T" * 316), PATCHED, id="longest type"),
        pytest.param(condition(type="T" * 317), PATCH_REFUSED, id="type too long"),
        pytest.param(condition(observedGeneration=-1), PATCH_REFUSED, id="negative observedGeneration"),
        pytest.param(condition(observedGeneration="1"), PATCH_REFUSED, id="observedGeneration is a text"),
        pytest.param(condition(observedGeneration=2**63 - 1), PATCHED, id="largest observedGeneration"),
        pytest.param(condition(lastTransitionTime="yesterday"), PATCH_REFUSED, id="lastTransitionTime is no time"),
        pytest.param(condition(lastTransitionTime=None), PATCH_REFUSED, id="null lastTransitionTime"),
        pytest.param(condition(severity="high"), PATCH_PRUNED, id="unknown field in a condition"),
    ],
)


def dry_run(mode: str) -> str:
    return f"dryRun=All&fieldValidation={mode}&fieldManager=test"


@OBJECTS
def test_the_generated_crds_accept_and_refuse(
    generated: Installed, kind: str, document: dict[str, Any], codes: tuple[int, int]
) -> None:
    named = {"metadata": {"name": "new"}, **document}
    assert tuple(generated.create(kind, named, dry_run(mode)).code for mode in MODES) == codes


@OBJECTS
@pytest.mark.parametrize("mode", MODES)
def test_the_reference_judges_objects_alike(
    generated: Installed, reference: Installed, kind: str, document: dict[str, Any], codes: tuple[int, int], mode: str
) -> None:
    named = {"metadata": {"name": "new"}, **document}
    assert generated.create(kind, named, dry_run(mode)) == reference.create(kind, named, dry_run(mode))


@STATUSES
@pytest.mark.parametrize("kind", [IPXE, HTTP])
def test_the_generated_crds_accept_and_refuse_a_status(
    generated: Installed, kind: str, status: dict[str, Any], codes: tuple[int, int]
) -> None:
    assert tuple(generated.patch_status(kind, status, dry_run(mode)).code for mode in MODES) == codes


@STATUSES
@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("kind", [IPXE, HTTP])
def test_the_reference_judges_a_status_alike(
    generated: Installed, reference: Installed, kind: str, status: dict[str, Any], codes: tuple[int, int], mode: str
) -> None:
    assert generated.patch_status(kind, status, dry_run(mode)) == reference.patch_status(kind, status, dry_run(mode))


@pytest.mark.parametrize("kind", [IPXE, HTTP])
def test_both_serve_the_same_names_verbs_and_columns(generated: Installed, reference: Installed, kind: str) -> None:
    discovered = [
        request(installed.plane, "GET", f"/apis/{installed.group}/v1alpha1").body["resources"]
        for installed in (generated, reference)
    ]
    ours, theirs = (
        [
            {**resource, "storageVersionHash": ""}
            for resource in sorted(resources, key=lambda resource: resource["name"])
        ]
        for resources in discovered
    )
    assert ours == theirs
    assert columns(generated, kind) == columns(reference, kind)


def columns(installed: Installed, kind: str) -> list[dict[str, Any]]:
    """The columns of `kubectl get`; the server takes the first one's description from the schema of metadata."""
    path = installed.collection(plural(kind))
    table = request(installed.plane, "GET", path, accept="application/json;as=Table;g=meta.k8s.io;v=v1").body
    definitions: list[dict[str, Any]] = table["columnDefinitions"]
    return definitions


@pytest.mark.parametrize("kind", [IPXE, HTTP])
def test_columns_are_name_state_and_age(generated: Installed, kind: str) -> None:
    assert [(column["name"], column["type"]) for column in columns(generated, kind)] == [
        ("Name", "string"),
        ("State", "string"),
        ("Age", "date"),
    ]


def test_an_empty_reference_is_stored_with_an_empty_name(generated: Installed) -> None:
    document = {"metadata": {"name": "new"}, "spec": URLS | {"ignitionSecretRef": {}, "ipxeScriptSecretRef": {}}}
    stored = generated.create(IPXE, document, dry_run("Strict")).body["spec"]
    assert stored == URLS | {"ignitionSecretRef": {"name": ""}, "ipxeScriptSecretRef": {"name": ""}}


def test_unknown_fields_are_not_stored(generated: Installed) -> None:
    document = {"metadata": {"name": "new"}, "spec": {"ukiURL": "x", "future": 1}, "extra": True}
    body = generated.create(HTTP, document, dry_run("Ignore")).body
    assert body["spec"] == {"ukiURL": "x"}
    assert body.keys() == {"apiVersion", "kind", "metadata", "spec"}


@pytest.mark.parametrize("kind", [IPXE, HTTP])
def test_a_status_is_written_through_its_subresource_alone(generated: Installed, kind: str) -> None:
    document = {"metadata": {"name": "new"}, "spec": URLS if kind == IPXE else {}, "status": {"state": "Ready"}}
    assert "status" not in generated.create(kind, document, dry_run("Strict")).body
    assert generated.patch_status(kind, {"state": "Ready"}, dry_run("Strict")).body["status"] == {"state": "Ready"}


def test_the_causes_of_a_refusal_name_the_fields(generated: Installed) -> None:
    document = {"metadata": {"name": "new"}, "spec": {"kernelURL": ""}}
    causes = generated.create(IPXE, document, dry_run("Strict")).body["details"]["causes"]
    assert sorted(cause["field"] for cause in causes) == ["spec.initrdURL", "spec.kernelURL"]


@pytest.mark.kubectl
def test_kubectl_wait_and_get_see_the_status(generated: Installed) -> None:
    assert generated.patch_status(HTTP, {"state": "Ready", "conditions": [CONDITION]}).code == 200
    here = ("-n", generated.namespace)
    generated.plane.kubectl("wait", *here, "--for=condition=Ready", "--timeout=5s", "httpbootconfig/subject")
    header, row = generated.plane.kubectl("get", *here, "httpbootconfigs").splitlines()
    assert header.split() == ["NAME", "STATE", "AGE"]
    assert row.split()[:2] == ["subject", "Ready"]
    assert generated.patch_status(HTTP, None).code == 200


@pytest.mark.kubectl
@pytest.mark.parametrize(
    ("field", "words"),
    [
        pytest.param("ipxebootconfig", "What one machine boots by iPXE", id="kind"),
        pytest.param("ipxebootconfig.spec.kernelURL", "URL that iPXE loads the kernel from", id="field"),
        pytest.param("httpbootconfig.status.conditions.reason", "Why, for programs", id="field of a condition"),
    ],
)
def test_kubectl_explain_speaks_with_our_words(generated: Installed, field: str, words: str) -> None:
    assert words in generated.plane.kubectl("explain", f"--api-version={GROUP}/v1alpha1", field)


@pytest.mark.kubectl
def test_the_crds_and_roles_apply_as_they_are(generated: Installed, kube_namespace: str) -> None:
    apply = ("apply", "--server-side", "--force-conflicts", "--dry-run=server", "--validate=strict")
    crds = generated.plane.kubectl(*apply, "-k", ROOT / "config" / "crd").splitlines()
    assert [line.split()[0] for line in crds] == [
        "customresourcedefinition.apiextensions.k8s.io/httpbootconfigs.boot.ironcore.dev",
        "customresourcedefinition.apiextensions.k8s.io/ipxebootconfigs.boot.ironcore.dev",
    ]
    role_file = ROOT / "config" / "rbac" / "role.yaml"
    roles = generated.plane.kubectl(*apply, "-n", kube_namespace, "-f", role_file).splitlines()
    assert [line.split()[0] for line in roles] == [
        "clusterrole.rbac.authorization.k8s.io/manager-role",
        "role.rbac.authorization.k8s.io/leader-election-role",
    ]


@pytest.mark.kubectl
def test_the_samples_apply_without_a_field_dropped(generated: Installed, kube_namespace: str) -> None:
    samples = ROOT / "config" / "samples"
    apply = ("apply", "--dry-run=server", "--validate=strict", "-n", kube_namespace, "-k", samples)
    assert sorted(generated.plane.kubectl(*apply).splitlines()) == [
        "httpbootconfig.boot.ironcore.dev/machine-3 created (server dry run)",
        "ipxebootconfig.boot.ironcore.dev/machine-1 created (server dry run)",
        "ipxebootconfig.boot.ironcore.dev/machine-2 created (server dry run)",
        "secret/machine-1-ignition created (server dry run)",
        "secret/machine-2-ipxe-script created (server dry run)",
        "secret/machine-3-ignition created (server dry run)",
    ]
