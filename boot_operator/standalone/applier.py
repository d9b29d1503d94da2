"""Applying objects of any kind, by server-side apply, where discovery tells how a kind is addressed."""

from __future__ import annotations

import asyncio
from typing import Any
from urllib.parse import quote

import msgspec
import structlog

from boot_operator.standalone.manifests import Manifest, ObjectKey
from controller_runtime.apimachinery import Resource
from controller_runtime.client import (
    ApiRequest,
    ApiResponse,
    InvalidResponseError,
    NotFoundError,
    Operation,
    Transport,
)
from controller_runtime.client.errors import error_from_response

FIELD_OWNER = "boot-operator-standalone"
"""Field manager of all that is applied."""

_REQUEST_SECONDS = 10.0
_POLL_SECONDS = 0.02
_NAMESPACES = Resource("", "v1", "Namespace", "namespaces", namespaced=False)

log = structlog.get_logger("boot_operator.standalone")


class UnknownKindError(Exception):
    """The API server does not serve a kind; the message names it."""


class _APIResource(msgspec.Struct, rename="camel"):
    name: str
    kind: str
    namespaced: bool


class _APIResourceList(msgspec.Struct):
    resources: list[_APIResource]


class Applier:
    """Makes objects what manifests say, and deletes them.

    Fields that others own are taken over: whoever describes a lab in files wants it to be what the files say. A field
    that a kind does not have is an error, as it is for kubectl.

    Args:
        transport: to the API server.
    """

    def __init__(self, transport: Transport) -> None:
        self._transport = transport
        self._kinds: dict[tuple[str, str], Resource] = {}

    async def apply(self, manifest: Manifest) -> bool:
        """Creates or changes an object; whether it was created. Its namespace is created where it is missing.

        Raises:
            UnknownKindError: its kind is not served.
            ClientError: the API server refuses it or cannot be reached.
        """
        resource = await self._resource(manifest.api_version, manifest.key.kind)
        namespace = manifest.key.namespace if resource.namespaced else ""
        operation = Operation("apply", resource, namespace, manifest.key.name)
        try:
            response = await self._patch(operation, manifest.body)
        except NotFoundError as error:
            if not namespace or error.status.details.kind != "namespaces":
                raise
            await self._create_namespace(namespace)
            response = await self._patch(operation, manifest.body)
        return response.status == 201

    async def delete(self, api_version: str, key: ObjectKey) -> bool:
        """Deletes an object and what depends on it; whether it was there.

        Raises:
            ClientError: the API server refuses it or cannot be reached.
        """
        try:
            resource = await self._resource(api_version, key.kind)
            operation = Operation("delete", resource, key.namespace if resource.namespaced else "", key.name)
            await self._send(operation, "DELETE", {"propagationPolicy": "Background"})
        except (UnknownKindError, NotFoundError):
            return False
        return True

    async def wait_served(self, api_version: str, kind: str) -> None:
        """Returns when the API server serves a kind. It is for the caller to set a limit."""
        while True:
            try:
                await self._resource(api_version, kind)
            except UnknownKindError:
                await asyncio.sleep(_POLL_SECONDS)
            else:
                return

    async def _resource(self, api_version: str, kind: str) -> Resource:
        if (api_version, kind) not in self._kinds:
            await self._discover(api_version)
        try:
            return self._kinds[api_version, kind]
        except KeyError:
            raise UnknownKindError(
                f"the API server knows no kind {kind} in {api_version}: is its CRD applied?"
            ) from None

    async def _discover(self, api_version: str) -> None:
        group, _, version = api_version.rpartition("/")
        anything = Resource(group, version, "APIResourceList", "", namespaced=False)
        operation = Operation("get", anything)
        path = anything.path().rstrip("/")
        response = await self._transport.send(ApiRequest(method="GET", path=path, timeout=_REQUEST_SECONDS))
        if response.status == 404:
            return
        if response.status != 200:
            raise error_from_response(operation, response.status, response.headers, response.body)
        try:
            found = msgspec.json.decode(response.body, type=_APIResourceList)
        except msgspec.DecodeError as error:
            raise InvalidResponseError(f"GET {path} was not answered by a list of resources: {error}") from error
        for each in found.resources:
            if "/" not in each.name:  # else a subresource, which may be of another kind's
                self._kinds[api_version, each.kind] = Resource(
                    group, version, each.kind, each.name, namespaced=each.namespaced
                )

    async def _patch(self, operation: Operation, body: dict[str, Any]) -> ApiResponse:
        query = {"fieldManager": FIELD_OWNER, "force": "true", "fieldValidation": "Strict"}
        return await self._send(operation, "PATCH", body, query, "application/apply-patch+yaml")

    async def _create_namespace(self, name: str) -> None:
        body = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}}
        await self._patch(Operation("apply", _NAMESPACES, "", name), body)
        log.info("created a namespace that a manifest names", namespace=name)

    async def _send(
        self,
        operation: Operation,
        method: str,
        body: dict[str, Any],
        query: dict[str, str] | None = None,
        content_type: str = "application/json",
    ) -> ApiResponse:
        _, resource, namespace, name, _ = operation
        request = ApiRequest(
            method=method,
            path=resource.path(quote(namespace, safe=""), quote(name, safe=":@")),
            query=query or {},
            body=msgspec.json.encode(body),
            content_type=content_type,
            timeout=_REQUEST_SECONDS,
        )
        response = await self._transport.send(request)
        if not 200 <= response.status < 300:
            raise error_from_response(operation, response.status, response.headers, response.body)
        return response
