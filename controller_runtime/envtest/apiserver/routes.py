"""What a URL names, and which requests it takes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from controller_runtime.envtest.apiserver.errors import (
    PageNotFoundError,
    StatusError,
    bad_request,
    method_not_allowed,
    no_such_method,
    no_such_path,
    not_found,
    unsupported_media_type,
)
from controller_runtime.envtest.apiserver.exchange import Request
from controller_runtime.envtest.apiserver.negotiation import CUSTOM_PATCHES, PATCHES, require_representation
from controller_runtime.envtest.apiserver.resources import Registry, ResourceType
from controller_runtime.envtest.apiserver.reviews import REVIEWS

_GET: Final = frozenset({"GET", "HEAD"})
_STATUS_METHODS: Final = frozenset({"GET", "HEAD", "PUT", "PATCH"})
_OBJECT_METHODS: Final = frozenset({"GET", "HEAD", "PUT", "PATCH", "DELETE"})
_REVIEW_GROUPS: Final = frozenset(group for group, *_ in REVIEWS)
_VERBS: Final = {"POST": "create", "PUT": "update", "PATCH": "patch", "DELETE": "delete", "GET": "get", "HEAD": "get"}


@dataclass(frozen=True, slots=True)
class Target:
    """A collection, an object or a subresource of one."""

    group: str
    version: str
    plural: str
    namespace: str = ""
    name: str = ""
    subresource: str = ""
    watch: bool = False
    """Whether the path is one of those, deprecated, that are watched without a parameter."""


def target_of(path: str) -> Target | None:
    """The target of a path below /api or /apis; None where it names no resource."""
    parts = path.removeprefix("/").removesuffix("/").split("/")
    if "" in parts:
        return None
    if len(parts) >= 3 and parts[0] == "api":
        return _target("", parts[1], parts[2:])
    if len(parts) >= 4 and parts[0] == "apis":
        return _target(parts[1], parts[2], parts[3:])
    return None


def _target(group: str, version: str, rest: list[str]) -> Target | None:
    namespace = ""
    watch = rest[0] == "watch" and len(rest) > 1
    rest = rest[1:] if watch else rest
    # A namespace's own URL, and those of its subresources, look like those of what is in it.
    if rest[0] == "namespaces" and len(rest) >= 3 and not (group == "" and rest[2] in ("status", "finalize")):
        namespace, rest = rest[1], rest[2:]
    elif rest[0] == "namespaces" and group == "" and len(rest) == 2:
        return Target(group, version, "namespaces", "", rest[1], watch=watch)
    if len(rest) > 3:
        return None
    plural, name, subresource = (*rest, "", "")[:3]
    return Target(group, version, plural, namespace, name, subresource, watch)


def missing(registry: Registry, group: str) -> StatusError:
    """404 of a path in a group: a Status where the group is one of Kubernetes itself."""
    if group in _REVIEW_GROUPS or any(not type_.custom and type_.group == group for type_ in registry):
        return no_such_path()
    return PageNotFoundError()


def resource_type(registry: Registry, target: Target) -> ResourceType:
    """The type that the target is of.

    Raises:
        StatusError: 404, nothing of that kind is served there.
    """
    type_ = registry.get(target.group, target.version, target.plural)
    if type_ is None or (target.namespace and not type_.namespaced):
        raise missing(registry, target.group)
    if type_.namespaced and target.name and not target.namespace:
        raise missing(registry, target.group)
    return type_


def check_route(type_: ResourceType, target: Target, request: Request) -> None:
    """Refuses what a path does not take: methods, and media types that nothing there has.

    Raises:
        StatusError: 400, 404, 405, 406, 415.
    """
    if type_.custom:
        _check_custom(type_, target, request)
    else:
        _check_builtin(type_, target, request)


def _check_custom(type_: ResourceType, target: Target, request: Request) -> None:
    method = request.method
    if target.watch and method in _GET:
        return
    if type_.namespaced and not target.namespace and method not in _GET:
        raise PageNotFoundError
    if target.subresource:
        if not _has_subresource(type_, target.subresource):
            raise not_found(type_.group, type_.plural, target.name)
        allowed = _STATUS_METHODS
    elif target.name:
        # A new object takes its name from its body, whatever name the path has.
        allowed = _OBJECT_METHODS | {"POST"}
    elif method in ("PUT", "PATCH"):
        if method == "PATCH" and request.media_type not in CUSTOM_PATCHES:
            raise unsupported_media_type(CUSTOM_PATCHES)
        raise bad_request("name must be provided")
    else:
        allowed = _GET | {"POST", "DELETE"}
    if method not in allowed:
        raise method_not_allowed(type_.group, type_.plural, _VERBS.get(method, ""))


def _has_subresource(type_: ResourceType, name: str) -> bool:
    return name in type_.subresources or (name == "scale" and type_.scale is not None)


def _check_builtin(type_: ResourceType, target: Target, request: Request) -> None:
    if request.method not in _builtin_methods(type_, target):
        raise no_such_method()
    if request.method == "PATCH" and request.media_type not in PATCHES:
        raise StatusError(415, "UnsupportedMediaType", "415: Unsupported Media Type", details={})
    streams = request.method == "GET" and not target.name
    require_representation(request.accept, streams=streams)


def _builtin_methods(type_: ResourceType, target: Target) -> frozenset[str]:
    if target.watch:
        return frozenset({"GET"})
    if target.subresource:
        if target.subresource == "status" and "status" in type_.subresources:
            return _STATUS_METHODS - {"HEAD"}
        if target.subresource in type_.subresources:
            return frozenset({"PUT"})
        if type_.storage == "serviceaccounts" and target.subresource == "token":
            return frozenset({"POST"})
        raise no_such_path()
    if target.name:
        return _OBJECT_METHODS - {"HEAD"}
    if type_.namespaced and not target.namespace:
        return frozenset({"GET"})
    verbs = {"GET": "list", "POST": "create", "DELETE": "deletecollection"}
    return frozenset(method for method, verb in verbs.items() if verb in type_.verbs)
