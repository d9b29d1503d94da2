"""OpenAPI documents: what kubectl needs to validate, to explain and to patch.

Version 3, one document per group and version, with an index that names a hash of each, so that clients keep what they
have; version 2, one document of everything. Both in JSON alone: kubectl, which asks for version 2 in protobuf when it
applies a custom kind, does without.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import msgspec

from controller_runtime.envtest.apiserver.exchange import JSON, TEXT, Request, Response
from controller_runtime.envtest.apiserver.openapi_documents import discovery_document, document
from controller_runtime.envtest.apiserver.openapi_v2 import swagger
from controller_runtime.envtest.apiserver.presentation import digest, tagged
from controller_runtime.envtest.apiserver.resources import Registry, ResourceType

_INDEX: Final = "/openapi/v3"
_ACCEPTED: Final = frozenset({"", "*/*", "application/*", JSON})
_VARY: Final = (("Vary", "Accept"),)


class OpenAPI:
    """The documents of what is served at the moment.

    Args:
        registry: has the kinds.
    """

    def __init__(self, registry: Registry) -> None:
        self._registry = registry
        self._documents: dict[str, tuple[tuple[ResourceType, ...], bytes]] = {}
        self._swagger: tuple[int, bytes] = (-1, b"")

    def get(self, request: Request) -> Response | None:
        """The answer; None where the path is no business of OpenAPI's."""
        if request.path == _INDEX:
            return self._index()
        if request.path == "/openapi/v2":
            return _document_response(request, self._version_2())
        if request.path.startswith(_INDEX + "/"):
            return self._document(request, request.path.removeprefix(_INDEX + "/"))
        return None

    def _index(self) -> Response:
        paths = {name: {"serverRelativeURL": _url(name, body)} for name, body in self._version_3().items()}
        return Response(200, msgspec.json.encode({"paths": paths}), TEXT)

    def _document(self, request: Request, name: str) -> Response:
        body = self._version_3().get(name)
        if body is None:
            return Response(404, b"", "")
        asked = request.query.text("hash")
        if asked and asked != digest(body):
            return Response(301, b"", headers=(("Location", _url(name, body)), *_VARY))
        answer = _document_response(request, body)
        if asked:
            # What a URL with this hash leads to is never anything else.
            answer.headers += (("Cache-Control", "public, immutable"),)
        return answer

    def _version_3(self) -> Mapping[str, bytes]:
        groups: dict[str, list[ResourceType]] = {}
        for type_ in self._registry:
            groups.setdefault(type_.base.removeprefix("/"), []).append(type_)
        self._documents = {name: self._kept(name, tuple(types)) for name, types in groups.items()}
        bodies = {name: body for name, (_, body) in self._documents.items()}
        roots = {"api", "apis", *(name.rpartition("/")[0] for name in bodies)}
        return dict(sorted({**{root: _root(root) for root in roots}, **bodies}.items()))

    def _kept(self, name: str, types: tuple[ResourceType, ...]) -> tuple[tuple[ResourceType, ...], bytes]:
        kept = self._documents.get(name)
        if kept is not None and kept[0] == types:
            return kept
        return types, msgspec.json.encode(document(types))

    def _version_2(self) -> bytes:
        if self._swagger[0] != self._registry.generation:
            documents = (msgspec.json.decode(body) for body in self._version_3().values())
            self._swagger = self._registry.generation, msgspec.json.encode(swagger(documents))
        return self._swagger[1]


def _root(name: str) -> bytes:
    return msgspec.json.encode(discovery_document(f"/{name}/"))


def _url(name: str, body: bytes) -> str:
    return f"{_INDEX}/{name}?hash={digest(body)}"


def _document_response(request: Request, body: bytes) -> Response:
    accepted = {clause.partition(";")[0].strip() for clause in request.accept.split(",")}
    if not accepted & _ACCEPTED:
        return Response(406, b"", "", _VARY)
    return tagged(request, Response(200, body))
