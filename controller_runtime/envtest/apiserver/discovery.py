"""What is served, for clients that ask: /api, /apis and below, /version, health."""

from __future__ import annotations

import base64
import hashlib
import platform
import sys
from collections.abc import Iterable, Iterator
from typing import Any, Final

import yaml

from controller_runtime.envtest.apiserver.errors import PageNotFoundError, no_such_method, not_acceptable
from controller_runtime.envtest.apiserver.exchange import (
    JSON,
    TEXT,
    YAML,
    Request,
    Response,
    json_response,
    text_response,
)
from controller_runtime.envtest.apiserver.negotiation import PRODUCED, Wanted, negotiate, require_representation
from controller_runtime.envtest.apiserver.presentation import indented, tagged
from controller_runtime.envtest.apiserver.resources import Registry, ResourceType
from controller_runtime.envtest.apiserver.reviews import REVIEWS
from controller_runtime.envtest.apiserver.routes import missing

VERSION: Final = "v1.36.3"
"""The Kubernetes release whose behaviour is the model."""
_AGGREGATED: Final = "apidiscovery.k8s.io"
_HEALTH: Final = ("healthz", "livez", "readyz")
_CUSTOM_VERBS: Final = ("delete", "deletecollection", "get", "list", "patch", "create", "update", "watch")
"""In the order in which the real server names them for custom kinds."""


class Discovery:
    """Answers questions about what is served.

    Args:
        registry: has the kinds.
    """

    def __init__(self, registry: Registry) -> None:
        self._registry = registry

    def get(self, request: Request) -> Response | None:
        """The answer; None where the path is no business of discovery's.

        Raises:
            StatusError: 404, 405, 406.
        """
        name, _, check = request.path.removeprefix("/").partition("/")
        if name in _HEALTH:
            return _health(request, name, check)
        path = request.path.removesuffix("/") or "/"
        match path.split("/")[1:]:
            case [""]:
                return self._root()
            case ["api"]:
                return self._core(request)
            case ["apis"]:
                groups = {"kind": "APIGroupList", "apiVersion": "v1", "groups": list(self._groups())}
                return self._aggregated(request, core=False) or _answer(groups, negotiate(request.accept))
            case ["apis", group]:
                return self._group(request, group)
            case ["api", version]:
                return self._resources(request, "", version)
            case ["apis", group, version] if group:
                return self._resources(request, group, version)
            case ["version"]:
                _check_builtin(request, (JSON,))
                return Response(200, indented(json_response(_version()).body))
        return None

    def _root(self) -> Response:
        paths = {"/api", "/api/v1", "/apis", "/openapi/v2", "/openapi/v3", "/version"}
        paths |= {f"/{name}{check}" for name in _HEALTH for check in ("", "/ping")}
        for group, versions in self._versions().items():
            if group:
                paths |= {f"/apis/{group}", *(f"/apis/{group}/{version}" for version in versions)}
        return Response(200, indented(json_response({"paths": sorted(paths)}).body))

    def _core(self, request: Request) -> Response:
        if (aggregated := self._aggregated(request, core=True)) is not None:
            return aggregated
        _check_builtin(request)
        address = {"clientCIDR": "0.0.0.0/0", "serverAddress": request.headers.get("host", "")}
        versions = {"kind": "APIVersions", "versions": ["v1"], "serverAddressByClientCIDRs": [address]}
        return _answer(versions, negotiate(request.accept))

    def _versions(self) -> dict[str, list[str]]:
        """Versions by group, the preferred one first."""
        found: dict[str, list[str]] = {}
        for group, _, _, _ in REVIEWS:
            found[group] = ["v1"]
        for type_ in self._registry:
            versions = found.setdefault(type_.group, [])
            if type_.version not in versions:
                versions.append(type_.version)
        return {group: sorted(versions, key=version_priority, reverse=True) for group, versions in found.items()}

    def _groups(self) -> Iterator[dict[str, Any]]:
        for group, versions in self._versions().items():
            if group:
                yield _group_of(group, versions)

    def _group(self, request: Request, group: str) -> Response:
        versions = self._versions().get(group)
        if not group or versions is None:
            raise PageNotFoundError
        described = {"kind": "APIGroup", "apiVersion": "v1", **_group_of(group, versions)}
        return _answer(described, negotiate(request.accept))

    def _resources(self, request: Request, group: str, version: str) -> Response:
        if version not in self._versions().get(group, ()):
            raise missing(self._registry, group)
        # What is below custom groups takes any method.
        if not self._is_custom(group):
            _check_builtin(request)
        resources = [entry for type_ in self._of(group, version) for entry in _entries(type_)]
        resources += [_review_entry(*review[1:]) for review in REVIEWS if review[0] == group]
        if not self._is_custom(group):
            resources.sort(key=lambda resource: str(resource["name"]))
        described: dict[str, Any] = {"kind": "APIResourceList"}
        if group:  # the core group, which is older, does without
            described["apiVersion"] = "v1"
        described |= {"groupVersion": f"{group}/{version}" if group else version, "resources": resources}
        return _answer(described, negotiate(request.accept))

    def _is_custom(self, group: str) -> bool:
        return any(type_.custom and type_.group == group for type_ in self._registry)

    def _of(self, group: str, version: str) -> Iterable[ResourceType]:
        return (type_ for type_ in self._registry if type_.group == group and type_.version == version)

    # Aggregated

    def _aggregated(self, request: Request, *, core: bool) -> Response | None:
        """All groups but the core one, or that one alone; None for a client that does not want them so."""
        if not _wants_aggregated(request.accept):
            return None
        items = [
            {
                "metadata": {"name": group, "creationTimestamp": None} if group else {"creationTimestamp": None},
                "versions": [
                    {"version": each, "resources": self._aggregated_resources(group, each), "freshness": "Current"}
                    for each in versions
                ],
            }
            for group, versions in self._versions().items()
            if core == (not group)
        ]
        answer = json_response(
            {
                "kind": "APIGroupDiscoveryList",
                "apiVersion": f"{_AGGREGATED}/v2",
                "metadata": {},
                "items": items,
            }
        )
        answer.content_type = f"{JSON};g={_AGGREGATED};v=v2;as=APIGroupDiscoveryList"
        return tagged(request, answer)

    def _aggregated_resources(self, group: str, version: str) -> list[dict[str, Any]]:
        resources = [_aggregated_entry(type_) for type_ in self._of(group, version)]
        resources += [
            {
                "resource": plural,
                "responseKind": {"group": group, "version": "v1", "kind": kind},
                "scope": "Namespaced" if namespaced else "Cluster",
                "singularResource": kind.lower(),
                "verbs": ["create"],
            }
            for each, plural, kind, namespaced in REVIEWS
            if each == group
        ]
        return sorted(resources, key=lambda resource: str(resource["resource"]))


def _wants_aggregated(accept: str) -> bool:
    """Whether the first form in an Accept header that is served here is the aggregated one."""
    for clause in accept.split(","):
        media_type, *parameters = (part.strip() for part in clause.split(";"))
        if media_type == JSON and {"as=APIGroupDiscoveryList", f"g={_AGGREGATED}", "v=v2"} <= set(parameters):
            return True
        if media_type in (JSON, YAML) and not any(parameter.startswith("as=") for parameter in parameters):
            return False
    return False


def _check_builtin(request: Request, types: tuple[str, ...] = PRODUCED) -> None:
    if request.method != "GET":
        raise no_such_method()
    require_representation(request.accept, streams=False, types=types)


def _answer(value: Any, wanted: Wanted) -> Response:
    if wanted.form != "Object":
        raise not_acceptable(PRODUCED)
    if wanted.yaml:
        return Response(200, yaml.safe_dump(value).encode(), YAML)
    return json_response(value)


def version_priority(version: str) -> tuple[int, int, int]:
    """Orders versions as Kubernetes does: v2 over v1 over v1beta2 over v1beta1 over v1alpha1 over anything else."""
    rest = version[1:] if version.startswith("v") else ""
    for rank, word in ((1, "beta"), (0, "alpha")):
        major, found, minor = rest.partition(word)
        if found and major.isdigit() and minor.isdigit():
            return rank, int(major), int(minor)
    return (2, int(rest), 0) if rest.isdigit() else (-1, 0, 0)


def _group_of(group: str, versions: list[str]) -> dict[str, Any]:
    entries = [{"groupVersion": f"{group}/{version}", "version": version} for version in versions]
    return {"name": group, "versions": entries, "preferredVersion": entries[0]}


def _entries(type_: ResourceType) -> Iterator[dict[str, Any]]:
    entry: dict[str, Any] = {
        "name": type_.plural,
        "singularName": type_.singular,
        "namespaced": type_.namespaced,
        "kind": type_.kind,
        "verbs": _verbs(type_),
    }
    if type_.short_names:
        entry["shortNames"] = list(type_.short_names)
    if type_.categories:
        entry["categories"] = list(type_.categories)
    yield {**entry, "storageVersionHash": _storage_hash(type_)}
    for name, kind, verbs in _subresources(type_):
        foreign = {"group": kind["group"], "version": kind["version"]} if kind["group"] != type_.group else {}
        yield {
            "name": f"{type_.plural}/{name}",
            "singularName": "",
            "namespaced": type_.namespaced,
            **foreign,
            "kind": kind["kind"],
            "verbs": verbs,
        }


def _verbs(type_: ResourceType) -> list[str]:
    return list(_CUSTOM_VERBS) if type_.custom else list(type_.verbs)


def _storage_hash(type_: ResourceType) -> str:
    version = type_.storage_version if type_.group else f"/{type_.storage_version}"
    return base64.b64encode(hashlib.sha256(f"{version}/{type_.kind}".encode()).digest()[:8]).decode()


def _subresources(type_: ResourceType) -> Iterator[tuple[str, dict[str, str], list[str]]]:
    """Name, kind and verbs of each."""
    kind = {"group": type_.group, "version": type_.version, "kind": type_.kind}
    for name in type_.subresources:
        yield name, kind, ["get", "patch", "update"] if name == "status" else ["update"]
    if type_.scale is not None:
        yield "scale", {"group": "autoscaling", "version": "v1", "kind": "Scale"}, ["get", "patch", "update"]
    if type_.storage == "serviceaccounts":
        yield "token", {"group": "authentication.k8s.io", "version": "v1", "kind": "TokenRequest"}, ["create"]


def _review_entry(plural: str, kind: str, namespaced: bool) -> dict[str, Any]:
    return {"name": plural, "singularName": kind.lower(), "namespaced": namespaced, "kind": kind, "verbs": ["create"]}


def _aggregated_entry(type_: ResourceType) -> dict[str, Any]:
    entry: dict[str, Any] = {
        "resource": type_.plural,
        "responseKind": {"group": type_.group, "version": type_.version, "kind": type_.kind},
        "scope": "Namespaced" if type_.namespaced else "Cluster",
        "singularResource": type_.singular,
        "verbs": _verbs(type_),
    }
    if type_.short_names:
        entry["shortNames"] = list(type_.short_names)
    if type_.categories:
        entry["categories"] = list(type_.categories)
    subresources = [
        {"subresource": name, "responseKind": kind, "verbs": verbs} for name, kind, verbs in _subresources(type_)
    ]
    return {**entry, "subresources": subresources} if subresources else entry


def _version() -> dict[str, str]:
    major, minor, _ = VERSION.removeprefix("v").split(".")
    return {
        "major": major,
        "minor": minor,
        "emulationMajor": major,
        "emulationMinor": minor,
        "minCompatibilityMajor": major,
        "minCompatibilityMinor": str(int(minor) - 1),
        "gitVersion": f"{VERSION}+embedded",
        "gitCommit": "",
        "gitTreeState": "",
        "buildDate": "1970-01-01T00:00:00Z",
        "goVersion": f"python{platform.python_version()}",
        "compiler": platform.python_implementation(),
        "platform": f"{sys.platform}/{platform.machine()}",
    }


def _health(request: Request, name: str, check: str) -> Response:
    match check:
        case "ping":
            return Response(200, b"ok", TEXT)
        case "" if not request.path.endswith("/"):
            return text_response(f"[+]ping ok\n{name} check passed\n" if "verbose" in request.query else "ok")
    raise PageNotFoundError
