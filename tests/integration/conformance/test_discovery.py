"""What a server says of itself: groups, resources, documents, version, health."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest

from tests.integration.conformance.conftest import GROUP
from tests.integration.conformance.rest import Api, eventually

AGGREGATED = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList"
OLD_AGGREGATED = "application/json;g=apidiscovery.k8s.io;v=v2beta1;as=APIGroupDiscoveryList"
AGGREGATED_ANSWER = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList"
VERBS = ["create", "delete", "deletecollection", "get", "list", "patch", "update", "watch"]


def resources(body: Any) -> dict[str, Any]:
    """Resources of one version by their name, without what is a hash."""
    return {
        item["name"]: {key: value for key, value in item.items() if key not in ("name", "storageVersionHash")}
        for item in body["resources"]
    }


def test_the_core_group_has_one_version(api: Api) -> None:
    body = api.get("/api").expect(200)
    assert (body["kind"], body["versions"]) == ("APIVersions", ["v1"])
    [address] = body["serverAddressByClientCIDRs"]
    assert address["clientCIDR"] == "0.0.0.0/0"


def test_groups_are_listed_with_their_preferred_version(api: Api) -> None:
    body = api.get("/apis").expect(200)
    assert (body["kind"], body["apiVersion"]) == ("APIGroupList", "v1")
    groups = {group["name"]: group for group in body["groups"]}
    assert {
        "apiextensions.k8s.io",
        "authentication.k8s.io",
        "authorization.k8s.io",
        "coordination.k8s.io",
        "events.k8s.io",
    } <= (groups.keys())
    assert groups[GROUP] == {
        "name": GROUP,
        "versions": [
            {"groupVersion": f"{GROUP}/v1", "version": "v1"},
            {"groupVersion": f"{GROUP}/v1beta1", "version": "v1beta1"},
        ],
        "preferredVersion": {"groupVersion": f"{GROUP}/v1", "version": "v1"},
    }


def test_a_group_is_described_alone(api: Api) -> None:
    body = api.get(f"/apis/{GROUP}").expect(200)
    assert (body["kind"], body["apiVersion"], body["name"]) == ("APIGroup", "v1", GROUP)
    assert body["preferredVersion"]["version"] == "v1"


def test_core_resources_are_described(api: Api) -> None:
    body = api.get("/api/v1").expect(200)
    assert (body["kind"], body["groupVersion"]) == ("APIResourceList", "v1")
    found = resources(body)
    assert found["configmaps"] == {
        "singularName": "configmap",
        "namespaced": True,
        "kind": "ConfigMap",
        "verbs": VERBS,
        "shortNames": ["cm"],
    }
    assert found["namespaces"] == {
        "singularName": "namespace",
        "namespaced": False,
        "kind": "Namespace",
        "verbs": ["create", "delete", "get", "list", "patch", "update", "watch"],
        "shortNames": ["ns"],
    }
    assert found["namespaces/finalize"]["verbs"] == ["update"]
    assert found["namespaces/status"]["verbs"] == ["get", "patch", "update"]
    assert found["events"]["shortNames"] == ["ev"]
    assert (found["services"]["shortNames"], found["services"]["categories"]) == (["svc"], ["all"])


def test_custom_resources_are_described(api: Api) -> None:
    found = resources(api.get(f"/apis/{GROUP}/v1").expect(200))
    assert found == {
        "specimens": {
            "singularName": "specimen",
            "namespaced": True,
            "kind": "Specimen",
            "verbs": ["delete", "deletecollection", "get", "list", "patch", "create", "update", "watch"],
            "shortNames": ["spm"],
            "categories": ["conformance"],
        },
        "specimens/status": {
            "singularName": "",
            "namespaced": True,
            "kind": "Specimen",
            "verbs": ["get", "patch", "update"],
        },
        "specimens/scale": {
            "singularName": "",
            "namespaced": True,
            "group": "autoscaling",
            "version": "v1",
            "kind": "Scale",
            "verbs": ["get", "patch", "update"],
        },
        "realms": {
            "singularName": "realm",
            "namespaced": False,
            "kind": "Realm",
            "verbs": ["delete", "deletecollection", "get", "list", "patch", "create", "update", "watch"],
        },
        "loose": {
            "singularName": "loose",
            "namespaced": True,
            "kind": "Loose",
            "verbs": ["delete", "deletecollection", "get", "list", "patch", "create", "update", "watch"],
        },
    }


def test_everything_is_discovered_in_two_requests(api: Api) -> None:
    answer = api.get("/apis", accept=f"{AGGREGATED},application/json")
    body = answer.expect(200)
    assert (body["kind"], body["apiVersion"]) == ("APIGroupDiscoveryList", "apidiscovery.k8s.io/v2")
    assert answer.headers["Content-Type"] == AGGREGATED_ANSWER
    [group] = [item for item in body["items"] if item["metadata"]["name"] == GROUP]
    assert [found["version"] for found in group["versions"]] == ["v1", "v1beta1"]
    assert group["versions"][0]["freshness"] == "Current"
    [found] = [item for item in group["versions"][0]["resources"] if item["resource"] == "specimens"]
    assert found["responseKind"] == {"group": GROUP, "version": "v1", "kind": "Specimen"}
    assert (found["scope"], found["singularResource"], found["shortNames"]) == ("Namespaced", "specimen", ["spm"])
    assert sorted(found["verbs"]) == VERBS
    assert {item["subresource"] for item in found["subresources"]} == {"status", "scale"}
    core = api.get("/api", accept=AGGREGATED).expect(200)
    assert [item["versions"][0]["version"] for item in core["items"]] == ["v1"]


def test_an_older_form_of_discovery_is_passed_over(api: Api) -> None:
    assert api.get("/apis", accept=f"{OLD_AGGREGATED},application/json").expect(200)["kind"] == "APIGroupList"
    text = (
        "only the following media types are accepted: application/json, application/yaml, "
        "application/vnd.kubernetes.protobuf"
    )
    assert api.get("/apis", accept=OLD_AGGREGATED).verdict == (406, "NotAcceptable", text)


def test_aggregated_discovery_has_an_etag(api: Api) -> None:
    first = api.get("/apis", accept=AGGREGATED)
    tag = first.headers["ETag"]
    assert re.fullmatch(r'"[0-9A-F]{128}"', tag)
    again = api.request("GET", "/apis", accept=AGGREGATED, headers={"If-None-Match": tag})
    assert (again.status, again.body) == (304, b"")


def test_the_version_is_told(api: Api, nobody: Api) -> None:
    body = api.get("/version").expect(200)
    assert re.fullmatch(r"v1\.\d+\.\d+.*", body["gitVersion"])
    assert {"major", "minor", "gitVersion", "platform", "goVersion", "compiler", "buildDate"} <= body.keys()
    # It is no secret.
    assert nobody.get("/version").expect(200) == body


@pytest.mark.parametrize("path", ["/livez", "/readyz", "/healthz"])
def test_health_is_told_to_anybody(nobody: Api, path: str) -> None:
    answer = nobody.get(path, accept="*/*")
    assert (answer.status, answer.body) == (200, b"ok")
    assert answer.headers["Content-Type"] == "text/plain; charset=utf-8"
    assert answer.headers["X-Content-Type-Options"] == "nosniff"


def test_health_is_told_at_length(api: Api) -> None:
    answer = api.get("/readyz", accept="*/*", verbose=True)
    assert answer.status == 200
    assert b"[+]ping ok\n" in answer.body
    assert answer.body.endswith(b"readyz check passed\n")


@pytest.mark.parametrize(
    "path",
    [
        pytest.param("/apis/none.example.com/v1", id="group"),
        pytest.param(f"/apis/{GROUP}/v9", id="version"),
        pytest.param(f"/apis/{GROUP}/v1/none", id="custom resource"),
        pytest.param("/nowhere", id="path"),
    ],
)
def test_an_unknown_path_is_404_in_plain_text(api: Api, path: str) -> None:
    answer = api.get(path)
    assert (answer.status, answer.body) == (404, b"404 page not found\n")
    assert answer.headers["Content-Type"] == "text/plain; charset=utf-8"


@pytest.mark.parametrize(
    "path", [pytest.param("/api/v1/none", id="core resource"), pytest.param("/api/v2", id="core version")]
)
def test_an_unknown_path_of_a_built_in_group_is_404_in_a_status(api: Api, path: str) -> None:
    answer = api.get(path)
    assert answer.verdict == (404, "NotFound", "the server could not find the requested resource")
    assert answer.body["details"] == {}


def index(api: Api) -> Any:
    """Return where the OpenAPI documents are, once those of the custom kinds are: they come later than discovery."""

    def ask() -> Any:
        answer = api.get("/openapi/v3")
        assert answer.headers["Content-Type"] == "text/plain; charset=utf-8"  # though it is JSON
        return json.loads(answer.expect(200))["paths"]

    return eventually(ask, lambda paths: {f"apis/{GROUP}/v1", f"apis/{GROUP}/v1beta1"} <= paths.keys())


def test_the_openapi_index_has_a_hash_per_document(api: Api) -> None:
    paths = index(api)
    assert {
        "api/v1",
        "apis",
        f"apis/{GROUP}/v1",
        f"apis/{GROUP}/v1beta1",
        "apis/apiextensions.k8s.io/v1",
    } <= paths.keys()
    for path, document in paths.items():
        assert re.fullmatch(rf"/openapi/v3/{re.escape(path)}\?hash=[0-9A-F]{{128}}", document["serverRelativeURL"])


def test_an_openapi_document_describes_its_kinds(api: Api) -> None:
    url = index(api)[f"apis/{GROUP}/v1"]["serverRelativeURL"]
    answer = api.get(url)
    body = answer.expect(200)
    assert body["openapi"].startswith("3.0")
    schema = body["components"]["schemas"]["com.example.conformance.v1.Specimen"]
    assert schema["x-kubernetes-group-version-kind"] == [{"group": GROUP, "version": "v1", "kind": "Specimen"}]
    assert schema["description"] == "Specimen is what the rules are tried on."
    assert schema["properties"]["spec"]["properties"]["color"]["enum"] == ["red", "green", "blue"]
    assert f"/apis/{GROUP}/v1/namespaces/{{namespace}}/specimens/{{name}}" in body["paths"]
    assert answer.headers["Cache-Control"] == "public, immutable"
    assert answer.headers["ETag"] == f'"{url.partition("hash=")[2]}"'


def test_an_openapi_document_of_an_old_hash_is_found_again(api: Api) -> None:
    path = f"/openapi/v3/apis/{GROUP}/v1"
    answer = api.get(path, hash="0")
    assert answer.status == 301
    assert re.fullmatch(rf"{path}\?hash=[0-9A-F]{{128}}", answer.headers["Location"])
    assert api.get(path).expect(200)["openapi"].startswith("3.0")


def test_an_openapi_document_is_fetched_once(api: Api) -> None:
    path = f"/openapi/v3/apis/{GROUP}/v1"
    tag = api.get(path).headers["ETag"]
    again = api.request("GET", path, headers={"If-None-Match": tag})
    assert (again.status, again.body) == (304, b"")


def test_built_in_kinds_tell_how_their_lists_merge(api: Api) -> None:
    schemas = api.get("/openapi/v3/api/v1").expect(200)["components"]["schemas"]
    ports = schemas["io.k8s.api.core.v1.ServiceSpec"]["properties"]["ports"]
    assert ports["x-kubernetes-list-map-keys"] == ["port", "protocol"]
    assert (ports["x-kubernetes-patch-merge-key"], ports["x-kubernetes-patch-strategy"]) == ("port", "merge")


def test_the_older_openapi_document_describes_kinds_too(api: Api) -> None:
    definitions = api.get("/openapi/v2").expect(200)["definitions"]
    specimen = definitions["com.example.conformance.v1.Specimen"]
    assert specimen["x-kubernetes-group-version-kind"] == [{"group": GROUP, "kind": "Specimen", "version": "v1"}]
    ports = definitions["io.k8s.api.core.v1.ServiceSpec"]["properties"]["ports"]
    assert ports["x-kubernetes-patch-merge-key"] == "port"


def test_the_root_lists_paths(api: Api) -> None:
    paths = api.get("/").expect(200)["paths"]
    assert {"/api", "/api/v1", "/apis", f"/apis/{GROUP}/v1", "/openapi/v3", "/version", "/readyz"} <= set(paths)
