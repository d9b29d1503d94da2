"""Whatever is asked, the answer is one that the API has, and the server goes on."""

from __future__ import annotations

import json
import os
from typing import Any, NamedTuple

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from controller_runtime.envtest.apiserver.exchange import Query, Request, Response, StreamResponse
from tests.unit.envtest.apiserver.core.lab import CONFIGMAPS, CRD, GADGETS, TOKEN, Lab, configmap, gadget

CASES = int(os.environ.get("FUZZ_CASES", "5000"))
LIKE_THE_REAL_SERVER = (
    "resourceVersion should not be set on objects to be created",
    "strconv.ParseUint",
    "failed to create typed",
    "failed to create manager",
    "failed to prune fields",
    "failed to convert new object",
)
"""Texts of answers with 500 and no reason that kube-apiserver gives too."""

COLLECTIONS = {
    CONFIGMAPS: configmap("a", k="v"),
    GADGETS: gadget("a", size=1, parts=[{"name": "x", "weight": 1.5}], any={"z": [1]}),
    "/api/v1/namespaces": {"kind": "Namespace", "apiVersion": "v1", "metadata": {"name": "extra"}},
    "/api/v1/namespaces/default/secrets": {
        "kind": "Secret", "apiVersion": "v1", "metadata": {"name": "a"}, "data": {"k": "dg=="}, "stringData": {"s": "t"}
    },
    "/api/v1/namespaces/default/services": {
        "kind": "Service", "apiVersion": "v1", "metadata": {"name": "a"},
        "spec": {"selector": {"a": "b"}, "ports": [{"port": 80, "name": "http"}, {"port": 81, "name": "more"}]},
    },
    "/api/v1/namespaces/default/serviceaccounts": {
        "kind": "ServiceAccount", "apiVersion": "v1", "metadata": {"name": "a", "finalizers": ["e.com/f"]}
    },
    "/apis/events.k8s.io/v1/namespaces/default/events": {
        "kind": "Event", "apiVersion": "events.k8s.io/v1", "metadata": {"name": "a"}, "type": "Normal", "reason": "R",
        "action": "A", "reportingController": "e.com/c", "reportingInstance": "i", "note": "n",
        "eventTime": "2026-01-01T00:00:00.000000Z", "regarding": {"kind": "Pod", "namespace": "default", "name": "p"},
    },
    "/apis/coordination.k8s.io/v1/namespaces/default/leases": {
        "kind": "Lease", "apiVersion": "coordination.k8s.io/v1", "metadata": {"name": "a"},
        "spec": {"holderIdentity": "h", "leaseDurationSeconds": 15, "renewTime": "2026-01-01T00:00:00.000000Z"},
    },
    "/apis/rbac.authorization.k8s.io/v1/clusterroles": {
        "kind": "ClusterRole", "apiVersion": "rbac.authorization.k8s.io/v1", "metadata": {"name": "a"},
        "rules": [{"apiGroups": [""], "resources": ["secrets"], "verbs": ["get"]}],
    },
    "/apis/apiextensions.k8s.io/v1/customresourcedefinitions": {
        **CRD, "metadata": {"name": "others.example.com"},
        "spec": {**CRD["spec"], "names": {"kind": "Other", "plural": "others"}},
    },
    "/apis/authorization.k8s.io/v1/subjectaccessreviews": {
        "kind": "SubjectAccessReview", "apiVersion": "authorization.k8s.io/v1",
        "spec": {"user": "u", "resourceAttributes": {"verb": "get", "resource": "secrets"}},
    },
    "/apis/authentication.k8s.io/v1/tokenreviews": {
        "kind": "TokenReview", "apiVersion": "authentication.k8s.io/v1", "spec": {"token": "t"}
    },
}  # fmt: skip
"""Collections, and for each an object that it takes."""
names = st.sampled_from(["a", "b", "default", "x y", "", "Ä", "..", "a" * 300, "gadgets.example.com", "%00"])
odd_paths = st.one_of(
    st.sampled_from(["/api/v1/events", "/apis", "/api", "/version", "/openapi/v3/api/v1", "/openapi/v2", "/healthz/x"]),
    st.text(alphabet="/apisv1nmecgdt.%{}", max_size=40).map(lambda text: "/" + text),
)
subresources = st.sampled_from(["", "", "", "status", "scale", "finalize", "token"])
leaves = st.one_of(
    st.none(), st.booleans(), st.integers(-(2**70), 2**70), st.floats(allow_nan=False), st.text(max_size=12)
)
values = st.recursive(
    leaves,
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(st.text(max_size=8), inner, max_size=3)),
    max_leaves=8,
)
FIELDS = (
    "metadata", "spec", "status", "data", "stringData", "name", "namespace", "labels", "annotations", "finalizers",
    "ownerReferences", "managedFields", "resourceVersion", "uid", "generateName", "deletionTimestamp", "apiVersion",
    "kind", "size", "color", "parts", "any", "ports", "type", "clusterIP", "versions", "schema", "names", "group",
    "preconditions", "propagationPolicy", "dryRun", "holderIdentity", "eventTime", "series", "involvedObject",
    "regarding", "op", "path", "value", "$patch", "immutable", "rules", "user",
)  # fmt: skip
known = st.recursive(
    leaves,
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(st.sampled_from(FIELDS), inner, max_size=5)),
    max_leaves=14,
)
JSON_PATCH = [{"op": "add", "path": "/metadata/labels", "value": {"a": "b"}}, {"op": "test", "path": "/kind"}]


@st.composite
def mutated(draw: st.DrawFn, seed: Any) -> Any:
    """The seed, but for a few places."""
    body = json.loads(json.dumps(seed))
    for _ in range(draw(st.integers(0, 3))):
        place = body
        while isinstance(place, dict) and place:
            key = draw(st.sampled_from(sorted(place)))
            if isinstance(place[key], dict) and place[key] and draw(st.booleans()):
                place = place[key]
                continue
            if draw(st.booleans()):
                place[key] = draw(values)
            else:
                place[draw(st.sampled_from(FIELDS))] = draw(known)
            break
    return body


queries = st.dictionaries(
    st.sampled_from(
        [
            "labelSelector", "fieldSelector", "limit", "continue", "resourceVersion", "resourceVersionMatch",
            "timeoutSeconds", "watch", "allowWatchBookmarks", "sendInitialEvents", "dryRun", "fieldManager",
            "fieldValidation", "force", "propagationPolicy", "gracePeriodSeconds", "orphanDependents", "includeObject",
            "pretty",
        ]
    ),
    st.one_of(
        st.sampled_from(
            ["true", "false", "0", "1", "All", "Strict", "Ignore", "Exact", "NotOlderThan", "Orphan", "Foreground",
             "a=b", "a in (b,c)", "!a", "metadata.name=a", "type=Opaque", "99999999999999999999", "-1", "m", ""]
        ),
        st.text(max_size=12),
    ),
    max_size=4,
)  # fmt: skip
CONTENT_TYPES = [
    "application/json",
    "application/yaml",
    "application/json-patch+json",
    "application/merge-patch+json",
    "application/strategic-merge-patch+json",
    "application/apply-patch+yaml",
    "application/vnd.kubernetes.protobuf",
    "text/plain",
    "",
]
accepts = st.sampled_from(
    [
        "",
        "application/json",
        "application/yaml",
        "application/json;as=Table;v=v1;g=meta.k8s.io",
        "application/json;as=PartialObjectMetadata;v=v1;g=meta.k8s.io,application/json",
        "application/json;as=PartialObjectMetadataList;v=v1;g=meta.k8s.io",
        "application/vnd.kubernetes.protobuf",
        "*/*;q=x",
    ]
)
METHODS = ["GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS", "BREW"]


class Asked(NamedTuple):
    """One request."""

    method: str
    path: str
    body: bytes
    content_type: str
    query: dict[str, str]
    accept: str


@st.composite
def likely(draw: st.DrawFn) -> Asked:
    """A request that makes sense, but for a few places."""
    collection = draw(st.sampled_from(sorted(COLLECTIONS)))
    method = draw(st.sampled_from(METHODS[:5]))
    path, content_type = collection, "application/json"
    if method in ("PUT", "PATCH") or (method != "POST" and draw(st.booleans())):
        path = "/".join(filter(None, [collection, draw(st.sampled_from(["a", "a", "b"])), draw(subresources)]))
    query = draw(queries) if draw(st.integers(0, 3)) == 0 else {}
    seed: Any = COLLECTIONS[collection]
    if method == "PATCH":
        content_type = draw(st.sampled_from(CONTENT_TYPES[2:6]))
        query = {"fieldManager": draw(st.sampled_from(["one", "two"])), "force": "true"} | query
        if "apply" not in content_type:
            query.pop("force", None)
        seed = JSON_PATCH if "json-patch" in content_type else seed
    if method == "DELETE":
        seed = {"kind": "DeleteOptions", "apiVersion": "v1", "propagationPolicy": "Background"}
    body = json.dumps(draw(mutated(seed))).encode()
    return Asked(method, path, body, content_type, query, draw(accepts) if draw(st.booleans()) else "")


@st.composite
def unlikely(draw: st.DrawFn) -> Asked:
    """Anything at all."""
    path = "/".join(
        [draw(st.one_of(odd_paths, st.sampled_from(sorted(COLLECTIONS)))), *draw(st.lists(names, max_size=3))]
    )
    body = draw(st.one_of(known.map(lambda value: json.dumps(value).encode()), st.binary(max_size=60)))
    method, content_type = draw(st.sampled_from(METHODS)), draw(st.sampled_from(CONTENT_TYPES))
    return Asked(method, path, body, content_type, draw(queries), draw(accepts))


@pytest.fixture(scope="module")
def lab() -> Lab:
    """A server with a custom kind and an object of it, which all cases share."""
    lab = Lab()
    lab.create("/apis/apiextensions.k8s.io/v1/customresourcedefinitions", CRD)
    lab.create(GADGETS, gadget("a"))
    return lab


@pytest.mark.timeout(600)
@settings(
    max_examples=CASES,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)
@given(asked=st.one_of(likely(), likely(), unlikely()))
def test_no_request_finds_a_bug(lab: Lab, asked: Asked) -> None:
    lab.api.store.compact()  # bounds the memory of thousands of writes
    request = Request(
        asked.method,
        asked.path,
        Query("&".join(f"{name}={value}" for name, value in asked.query.items())),
        {"content-type": asked.content_type, "accept": asked.accept, "authorization": f"Bearer {TOKEN}"},
        asked.body,
    )
    answer = lab.api.dispatcher.dispatch(request)
    if isinstance(answer, StreamResponse):
        return
    assert isinstance(answer, Response)
    if answer.status >= 500:
        status = yaml.safe_load(answer.body)  # JSON is YAML, and either may have been asked for
        assert status.get("reason", "") in ("", "Timeout"), status
        assert answer.status == 504 or any(text in status["message"] for text in LIKE_THE_REAL_SERVER), status
