"""What a server without sockets answers: routes, forms, discovery and OpenAPI documents."""

from __future__ import annotations

import gzip
from typing import Any

import msgspec
import pytest
import yaml

from controller_runtime.envtest.apiserver.apiserver import APIServer
from controller_runtime.envtest.apiserver.discovery import version_priority
from controller_runtime.envtest.apiserver.errors import StatusError
from controller_runtime.envtest.apiserver.exchange import Query, Request, Response, User
from controller_runtime.envtest.apiserver.negotiation import negotiate, require_representation
from controller_runtime.envtest.apiserver.routes import Target, target_of

ADMIN = User("admin", ("system:masters",))
GROUP = "/apis/example.com/v1"
CONFIGMAPS = "/api/v1/namespaces/default/configmaps"
THINGS = f"{GROUP}/namespaces/default/things"
TABLE = "application/json;as=Table;g=meta.k8s.io;v=v1"
AGGREGATED = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList"
CRD = {
    "metadata": {"name": "things.example.com"},
    "spec": {
        "group": "example.com",
        "scope": "Namespaced",
        "names": {"plural": "things", "kind": "Thing"},
        "versions": [
            {
                "name": "v1",
                "served": True,
                "storage": True,
                "subresources": {"status": {}},
                "schema": {
                    "openAPIV3Schema": {
                        "type": "object",
                        "description": "A thing.",
                        "properties": {"size": {"type": "integer", "nullable": True}},
                    }
                },
            }
        ],
    },
}


class Client:
    """Asks a server as its administrator."""

    def __init__(self) -> None:
        self._server = APIServer({"token": ADMIN})

    def ask(self, method: str, path: str, body: Any = None, **headers: str) -> Response:
        """The answer; underscores in names of headers stand for dashes."""
        path, _, query = path.partition("?")
        sent = {"authorization": "Bearer token", "accept": "application/json"}
        sent |= {name.replace("_", "-"): value for name, value in headers.items()}
        content = b"" if body is None else msgspec.json.encode(body)
        answer = self._server.dispatcher.dispatch(Request(method, path, Query(query), sent, content))
        assert isinstance(answer, Response)
        return answer

    def get(self, path: str, **headers: str) -> Any:
        """The value at a path that has one."""
        answer = self.ask("GET", path, **headers)
        assert answer.status == 200, answer.body
        return msgspec.json.decode(answer.body)


@pytest.fixture(scope="module")
def client() -> Client:
    """A client of a server with a custom kind and an object of 200 KiB."""
    made = Client()
    assert made.ask("POST", "/apis/apiextensions.k8s.io/v1/customresourcedefinitions", CRD).status == 201
    large = {"metadata": {"name": "large"}, "data": {"x": "y" * 200_000}}
    assert made.ask("POST", CONFIGMAPS, large).status == 201
    return made


def status(answer: Response) -> tuple[int, str]:
    """Code and message of a Status."""
    return answer.status, msgspec.json.decode(answer.body)["message"]


# Routes


@pytest.mark.parametrize(
    ("path", "target"),
    [
        ("/api/v1/pods", Target("", "v1", "pods")),
        ("/api/v1/namespaces", Target("", "v1", "namespaces")),
        ("/api/v1/namespaces/x", Target("", "v1", "namespaces", name="x")),
        ("/api/v1/namespaces/x/", Target("", "v1", "namespaces", name="x")),
        ("/api/v1/namespaces/x/status", Target("", "v1", "namespaces", name="x", subresource="status")),
        ("/api/v1/namespaces/x/pods", Target("", "v1", "pods", "x")),
        ("/apis/g/v1/namespaces/x/things/y/scale", Target("g", "v1", "things", "x", "y", "scale")),
        ("/api/v1/watch/namespaces/x/pods/y", Target("", "v1", "pods", "x", "y", watch=True)),
        ("/apis/g/v1/watch", Target("g", "v1", "watch")),
        ("/apis/g/v1", None),
        ("/apis//v1/pods", None),
        ("//api/v1/pods", None),
        ("/apis/g/v1/a/b/c/d", None),
    ],
)
def test_a_path_names_a_target(path: str, target: Target | None) -> None:
    assert target_of(path) == target


@pytest.mark.parametrize(
    "path", [f"{GROUP}/none", f"{GROUP}/things/x", "/apis/example.com/v2", "/nowhere", "/livez/no"]
)
def test_what_no_group_has_is_not_found_in_plain_text(client: Client, path: str) -> None:
    answer = client.ask("GET", path)
    assert (answer.status, answer.body) == (404, b"404 page not found\n")
    assert ("X-Content-Type-Options", "nosniff") in answer.headers


@pytest.mark.parametrize(
    "path", ["/api/v1/none", "/api/v2", "/apis/coordination.k8s.io/v1/none", f"{CONFIGMAPS}/x/none"]
)
def test_what_a_built_in_group_lacks_is_not_found_in_a_status(client: Client, path: str) -> None:
    assert status(client.ask("GET", path)) == (404, "the server could not find the requested resource")


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", f"{CONFIGMAPS}/x"),
        ("PUT", CONFIGMAPS),
        ("HEAD", CONFIGMAPS),
        ("DELETE", "/api/v1/configmaps"),
        ("DELETE", "/api/v1/namespaces"),
        ("GET", "/api/v1/namespaces/default/finalize"),
        ("POST", "/version"),
        ("POST", "/api/v1"),
    ],
)
def test_methods_of_built_in_kinds_are_limited(client: Client, method: str, path: str) -> None:
    text = "the server does not allow this method on the requested resource"
    assert status(client.ask(method, path)) == (405, text)


@pytest.mark.parametrize(
    ("method", "path", "message"),
    [
        ("POST", f"{THINGS}/x/status", 'create is not supported on resources of kind "things.example.com"'),
        ("FOO", THINGS, ' is not supported on resources of kind "things.example.com"'),
        ("PUT", THINGS, "name must be provided"),
        ("GET", f"{THINGS}/x/scale", 'things.example.com "x" not found'),
    ],
)
def test_methods_of_custom_kinds_are_limited(client: Client, method: str, path: str, message: str) -> None:
    assert status(client.ask(method, path))[1] == message


def test_discovery_of_custom_groups_takes_any_method(client: Client) -> None:
    assert [client.ask(method, GROUP).status for method in ("GET", "HEAD", "PUT", "FOO")] == [200] * 4


def test_a_large_body_is_refused(client: Client) -> None:
    large = {"data": {"x": "y" * (3 << 20)}}
    assert status(client.ask("POST", CONFIGMAPS, large)) == (413, "Request entity too large: limit is 3145728")


# Forms


@pytest.mark.parametrize(
    ("accept", "form", "is_yaml"),
    [
        ("", "Object", False),
        ("*/*", "Object", False),
        ("application/yaml", "Object", True),
        ("application/json;q=0.5, application/yaml", "Object", True),
        (f"{TABLE},application/json", "Table", False),
        ("application/vnd.kubernetes.protobuf, application/json", "Object", False),
        ("application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1beta1", "PartialObjectMetadata", False),
    ],
)
def test_the_first_form_that_can_be_had_is_taken(accept: str, form: str, is_yaml: bool) -> None:
    wanted = negotiate(accept)
    assert (wanted.form, wanted.yaml) == (form, is_yaml)


@pytest.mark.parametrize(
    "accept", ["text/html", "APPLICATION/JSON", "application/json;as=Chart;g=meta.k8s.io;v=v1", ","]
)
def test_there_may_be_no_form(accept: str) -> None:
    with pytest.raises(StatusError, match="only the following media types are accepted"):
        negotiate(accept)


def test_watches_are_no_yaml() -> None:
    with pytest.raises(StatusError, match="application/json;stream=watch"):
        negotiate("application/yaml", stream=True)


def test_built_in_paths_name_what_they_represent() -> None:
    require_representation("text/plain, application/yaml", streams=False)
    with pytest.raises(StatusError, match=r"Available representations: .*stream=watch"):
        require_representation("application/*", streams=True)


def test_a_list_is_no_single_object(client: Client) -> None:
    partial = "application/json;as=PartialObjectMetadata{};g=meta.k8s.io;v=v1"
    listed = client.ask("GET", CONFIGMAPS, accept=partial.format(""))
    text = "you requested PartialObjectMetadata, but the requested object is a list (*core.ConfigMapList)"
    assert status(listed) == (406, text)
    single = client.ask("GET", f"{CONFIGMAPS}/large", accept=partial.format("List"))
    assert status(single)[1].endswith("is not a list (*core.ConfigMap)")


def test_rows_are_in_yaml_too(client: Client) -> None:
    answer = client.ask("GET", CONFIGMAPS, accept=TABLE.replace("json", "yaml"))
    assert answer.content_type == "application/yaml"
    assert yaml.safe_load(answer.body)["rows"][0]["cells"][0] == "large"


def test_an_error_is_yaml_for_whoever_wants_that(client: Client) -> None:
    answer = client.ask("GET", f"{CONFIGMAPS}/none", accept="application/yaml")
    assert (answer.content_type, yaml.safe_load(answer.body)["code"]) == ("application/yaml", 404)


@pytest.mark.parametrize(
    ("query", "agent", "is_indented"),
    [("", "curl/8.0", True), ("?pretty=false", "curl/8.0", False), ("?pretty=true", "", True), ("", "kubectl", False)],
)
def test_people_get_lines(client: Client, query: str, agent: str, is_indented: bool) -> None:
    for path in ("/api", f"{CONFIGMAPS}/none"):
        assert client.ask("GET", path + query, user_agent=agent).body.startswith(b"{\n  ") == is_indented


def test_large_answers_are_compressed(client: Client) -> None:
    plain = client.ask("GET", f"{CONFIGMAPS}/large")
    small = client.ask("GET", "/api", accept_encoding="gzip")
    packed = client.ask("GET", f"{CONFIGMAPS}/large", accept_encoding="deflate, gzip;q=1.0")
    assert plain.headers == small.headers == ()
    assert packed.headers == (("Content-Encoding", "gzip"), ("Vary", "Accept-Encoding"))
    assert gzip.decompress(packed.body) == plain.body


# Discovery


def test_versions_are_ordered_by_how_stable_they_are() -> None:
    versions = ["v1alpha1", "v2", "none", "v1beta2", "v10", "v1beta1", "v1"]
    ordered = sorted(versions, key=version_priority, reverse=True)
    assert ordered == ["v10", "v2", "v1", "v1beta2", "v1beta1", "v1alpha1", "none"]


def test_groups_and_their_paths_are_told(client: Client) -> None:
    assert {"/apis/example.com", GROUP, "/livez/ping"} <= set(client.get("/")["paths"])
    assert client.get("/apis/example.com")["preferredVersion"]["version"] == "v1"
    assert client.get("/api", host="x:6443")["serverAddressByClientCIDRs"][0]["serverAddress"] == "x:6443"


def test_aggregated_discovery_is_kept_by_its_tag(client: Client) -> None:
    first = client.ask("GET", "/apis", accept=AGGREGATED)
    tag = dict(first.headers)["Etag"]
    again = client.ask("GET", "/apis", accept=AGGREGATED, if_none_match=tag)
    assert (again.status, again.body) == (304, b"")


def test_storage_has_a_hash(client: Client) -> None:
    found = {entry["name"]: entry.get("storageVersionHash") for entry in client.get("/api/v1")["resources"]}
    assert (found["configmaps"], found["namespaces/status"]) == ("qFsyl6wFWjQ=", None)


# OpenAPI


def document(client: Client, path: str = GROUP) -> Any:
    return client.get(f"/openapi/v3{path}")


def test_a_document_is_found_by_its_hash(client: Client) -> None:
    url = client.get("/openapi/v3")["paths"]["apis/example.com/v1"]["serverRelativeURL"]
    assert ("Cache-Control", "public, immutable") in client.ask("GET", url).headers
    moved = client.ask("GET", f"/openapi/v3{GROUP}?hash=0")
    assert (moved.status, dict(moved.headers)["Location"]) == (301, url)


def test_documents_have_what_they_refer_to(client: Client) -> None:
    for path in client.get("/openapi/v3")["paths"]:
        found = document(client, f"/{path}")
        text = msgspec.json.encode(found).decode()
        names = {part.partition('"')[0] for part in text.split("#/components/schemas/")[1:]}
        assert names <= found["components"]["schemas"].keys()


def test_metadata_of_custom_kinds_is_a_reference(client: Client) -> None:
    schema = document(client)["components"]["schemas"]["com.example.v1.Thing"]
    assert schema["properties"]["metadata"]["allOf"] == [
        {"$ref": "#/components/schemas/io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta"}
    ]


def test_version_2_says_the_same_in_its_own_words(client: Client) -> None:
    found = client.get("/openapi/v2")
    assert found["definitions"]["com.example.v1.Thing"]["properties"]["size"] == {"type": "integer"}
    operation = found["paths"][f"{GROUP}/namespaces/{{namespace}}/things"]["post"]
    assert operation["responses"]["200"]["schema"] == {"$ref": "#/definitions/com.example.v1.Thing"}
    assert [each["in"] for each in operation["parameters"]].count("body") == 1
    assert "#/components" not in msgspec.json.encode(found).decode()


def test_documents_are_json_alone(client: Client) -> None:
    for path in ("/openapi/v2", f"/openapi/v3{GROUP}"):
        answer = client.ask("GET", path, accept="application/com.github.proto-openapi.spec.v2@v1.0+protobuf")
        assert (answer.status, answer.body) == (406, b"")
