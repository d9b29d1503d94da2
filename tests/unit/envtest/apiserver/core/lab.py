"""A server without sockets, and requests to it."""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import urlencode

from controller_runtime.envtest.apiserver.apiserver import APIServer
from controller_runtime.envtest.apiserver.exchange import Query, Request, Response, StreamResponse, User
from controller_runtime.envtest.apiserver.store import Disk

TOKEN = "secret"
ADMIN = User("admin", ("system:masters",))
CONFIGMAPS = "/api/v1/namespaces/default/configmaps"
CRD = {
    "apiVersion": "apiextensions.k8s.io/v1",
    "kind": "CustomResourceDefinition",
    "metadata": {"name": "gadgets.example.com"},
    "spec": {
        "group": "example.com",
        "scope": "Namespaced",
        "names": {"kind": "Gadget", "plural": "gadgets"},
        "versions": [
            {
                "name": "v1",
                "served": True,
                "storage": True,
                "subresources": {"status": {}},
                "schema": {
                    "openAPIV3Schema": {
                        "type": "object",
                        "properties": {
                            "spec": {
                                "type": "object",
                                "properties": {
                                    "size": {"type": "integer", "minimum": 0},
                                    "color": {"type": "string", "default": "red"},
                                    "parts": {
                                        "type": "array",
                                        "x-kubernetes-list-type": "map",
                                        "x-kubernetes-list-map-keys": ["name"],
                                        "items": {
                                            "type": "object",
                                            "required": ["name"],
                                            "properties": {"name": {"type": "string"}, "weight": {"type": "number"}},
                                        },
                                    },
                                    "any": {"type": "object", "x-kubernetes-preserve-unknown-fields": True},
                                },
                            },
                            "status": {"type": "object", "properties": {"state": {"type": "string"}}},
                        },
                    }
                },
            }
        ],
    },
}
GADGETS = "/apis/example.com/v1/namespaces/default/gadgets"


class Lab:
    """One server, asked by its administrator.

    Args:
        disk: keeps its objects.
        history: how many writes watches may go back.
    """

    def __init__(self, disk: Disk | None = None, *, history: int = 1000) -> None:
        self.api = APIServer({TOKEN: ADMIN}, disk=disk, history=history)

    def ask(
        self,
        method: str,
        path: str,
        body: Any = None,
        *,
        content_type: str = "application/json",
        accept: str = "",
        token: str = TOKEN,
        **query: Any,
    ) -> Response | StreamResponse:
        """The answer to a request; bodies are JSON unless they are bytes."""
        content = body if isinstance(body, bytes) else b"" if body is None else json.dumps(body).encode()
        headers = {"content-type": content_type, "authorization": f"Bearer {token}"}
        if accept:
            headers["accept"] = accept
        text = urlencode({name.rstrip("_"): value for name, value in query.items()})
        return self.api.dispatcher.dispatch(Request(method, path, Query(text), headers, content))

    def json(self, method: str, path: str, body: Any = None, *, status: int = 200, **options: Any) -> Any:
        """The body of an answer that has this status."""
        answer = self.ask(method, path, body, **options)
        assert isinstance(answer, Response)
        value = json.loads(answer.body)
        assert answer.status == status, value
        return value

    def create(self, path: str, body: Any, **query: Any) -> Any:
        """Creates an object."""
        return self.json("POST", path, body, status=201, **query)


def configmap(name: str, **data: str) -> dict[str, Any]:
    """A ConfigMap."""
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}, "data": data}


def gadget(name: str, **spec: Any) -> dict[str, Any]:
    """A Gadget, a kind of `CRD`."""
    return {"apiVersion": "example.com/v1", "kind": "Gadget", "metadata": {"name": name}, "spec": spec}
