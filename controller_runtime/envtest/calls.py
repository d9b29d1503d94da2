"""What a request asks for, and which requests a fault is meant for."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final, TypedDict

import msgspec

from controller_runtime.apimachinery import Object
from controller_runtime.client.transport import ApiRequest
from controller_runtime.envtest.apiserver.routes import Target, target_of

ANY: Final = "*"
"""Every verb."""
APPLY: Final = "application/apply-patch+yaml"

_VERBS: Final = {"GET": "get", "HEAD": "get", "POST": "create", "PUT": "update", "PATCH": "patch", "DELETE": "delete"}
_ALL_VERBS: Final = frozenset(
    {"get", "list", "watch", "create", "update", "patch", "apply", "delete", "deletecollection"}
)
_COLLECTION_VERBS: Final = {"get": "list", "delete": "deletecollection"}
_TRUE: Final = frozenset({"1", "t", "T", "true", "TRUE", "True"})
_NOTHING: Final = Target("", "", "")


class _Metadata(msgspec.Struct):
    name: str = ""


class _Named(msgspec.Struct):
    metadata: _Metadata = msgspec.field(default_factory=_Metadata)


@dataclass(frozen=True, slots=True)
class Call:
    """One attempt of a request, in the words of RBAC."""

    request: ApiRequest
    verb: str
    """get, list, watch, create, update, patch, apply, delete or deletecollection; of a path that names no resource the
    method in lower case."""
    group: str
    plural: str
    """Empty where the path names no resource (`/version`)."""
    namespace: str
    name: str
    """Of a create the name in its body; empty for a collection."""
    subresource: str
    time: float
    """When it was made, by the clock of whoever wrote it down."""

    def __str__(self) -> str:
        """`update widgets.example.com/status lab/a`."""
        if not self.plural:
            return f"{self.verb} {self.request.path}"
        what = f"{self.plural}.{self.group}" if self.group else self.plural
        what += f"/{self.subresource}" if self.subresource else ""
        where = "/".join(filter(None, (self.namespace, self.name)))
        return f"{self.verb} {what} {where}".rstrip()


def call_of(request: ApiRequest, time: float) -> Call:
    """What a request asks for.

    Args:
        request: As it is sent.
        time: Becomes the call's.
    """
    target = target_of(request.path)
    if target is None:
        return Call(request, request.method.lower(), "", "", "", "", "", time)
    verb = _verb(request, target)
    name = _name_in_body(request) if verb == "create" and not target.name else target.name
    return Call(request, verb, target.group, target.plural, target.namespace, name, target.subresource, time)


def _verb(request: ApiRequest, target: Target) -> str:
    verb = _VERBS.get(request.method, request.method.lower())
    if verb == "patch":
        return "apply" if request.content_type.startswith(APPLY) else verb
    if verb == "get" and (target.watch or request.query.get("watch") in _TRUE):
        return "watch"
    return verb if target.name else _COLLECTION_VERBS.get(verb, verb)


def _name_in_body(request: ApiRequest) -> str:
    try:
        return msgspec.json.decode(request.body or b"{}", type=_Named).metadata.name
    except msgspec.MsgspecError:
        return ""  # a malformed body, or Protobuf: for the server to judge


class Which(TypedDict, total=False):
    """Limits a fault to some calls; what is left out limits nothing."""

    kind: type[Object] | str
    """A kind's class, in any of its versions, or `plural` or `plural.group`."""
    namespace: str
    """Empty: calls without one, which are those of cluster-scoped kinds and of all namespaces."""
    name: str
    """Empty: calls of a whole collection."""
    subresource: str
    """Empty: calls of the object itself."""
    where: Callable[[Call], bool]
    """Anything else."""


class Only(Which, total=False):
    """Limits a fault to some calls, and to some of those."""

    times: int
    """It happens that often, and then no more."""
    probability: float
    """It happens to that part of the calls, by the random numbers that the interceptor or proxy was given."""


def check_limits(given: Mapping[str, Any], known: type[Which]) -> None:
    """Refuses a misspelt limit, without which a rule would be for more calls than it should.

    Args:
        given: Limits by name.
        known: `Which` or `Only`.

    Raises:
        TypeError: One of the names is none.
    """
    if unknown := given.keys() - known.__annotations__.keys():
        names = ", ".join(known.__annotations__)
        raise TypeError(f"{', '.join(sorted(unknown))}: no such limit; take one of {names}")


def verbs_of(verb: str | Iterable[str]) -> frozenset[str]:
    """The verbs that are meant; empty means every one.

    Args:
        verb: One, several, or `ANY`.

    Raises:
        ValueError: One of them is none.
    """
    verbs = frozenset({verb} if isinstance(verb, str) else verb)
    if unknown := verbs - _ALL_VERBS - {ANY}:
        names = ", ".join(sorted(_ALL_VERBS))
        raise ValueError(f"{', '.join(sorted(unknown))}: no such verb; take one of {names}, or {ANY!r} for all")
    return frozenset() if ANY in verbs else verbs


def is_meant(call: Call, verbs: frozenset[str], which: Which) -> bool:
    """Whether a call is among those.

    Args:
        call: It.
        verbs: From `verbs_of`.
        which: The other limits.
    """
    if verbs and call.verb not in verbs:
        return False
    if "kind" in which and not _is_of(call, which["kind"]):
        return False
    for limit, value in (("namespace", call.namespace), ("name", call.name), ("subresource", call.subresource)):
        if which.get(limit, value) != value:
            return False
    return "where" not in which or which["where"](call)


def _is_of(call: Call, kind: type[Object] | str) -> bool:
    if not isinstance(kind, str):
        return (call.group, call.plural) == (kind.resource.group, kind.resource.plural)
    return bool(call.plural) and kind in (call.plural, f"{call.plural}.{call.group}")
