"""What a request asks for, as authorization sees it."""

from __future__ import annotations

from typing import Final

from controller_runtime.apimachinery.selectors import SelectorError, parse_fields
from controller_runtime.envtest.apiserver.exchange import Query, Request
from controller_runtime.envtest.apiserver.rbac.attributes import Attributes
from controller_runtime.envtest.apiserver.routes import Target
from controller_runtime.envtest.apiserver.validation.names import path_segment

_VERBS: Final = {"POST": "create", "GET": "get", "HEAD": "get", "PUT": "update", "PATCH": "patch", "DELETE": "delete"}


def attributes_of(request: Request, target: Target | None) -> Attributes:
    """What a request asks for; its user is the one that the request has now."""
    if target is None:
        return Attributes(request.user, request.method.lower(), path=request.path, is_path=True)
    verb, name = _VERBS.get(request.method, ""), target.name
    if target.watch:
        verb = "watch"
    elif not name and verb == "get":
        verb = "watch" if request.query.flag("watch") else "list"
        name = _selected_name(request.query)
    elif not name and verb == "delete":
        verb = "deletecollection"
    namespace = name if target.plural == "namespaces" and not target.namespace else target.namespace
    return Attributes(request.user, verb, target.group, target.plural, target.subresource, namespace, name)


def _selected_name(query: Query) -> str:
    """A list of one object by its name is allowed to whoever may list that one."""
    if "fieldSelector" not in query:
        return ""
    try:
        name = parse_fields(query.text("fieldSelector")).exact("metadata.name") or ""
    except SelectorError:
        return ""
    return "" if path_segment(name) else name
