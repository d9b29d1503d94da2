"""From operations on typed objects to requests, and from answers to objects and errors: what all clients share."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, NamedTuple, TypeVar
from urllib.parse import quote

import msgspec
import structlog

from controller_runtime.apimachinery import DecodeError, NamespacedName, Object, PartialObjectMetadata, Resource, decode
from controller_runtime.apimachinery.codec import encode, to_json_value
from controller_runtime.apimachinery.meta import APIStruct
from controller_runtime.client.errors import (
    InvalidRequestError,
    InvalidResponseError,
    Operation,
    error_from_response,
)
from controller_runtime.client.own_writes import OwnWrite, current_record, note_doubt
from controller_runtime.client.patches import PatchType
from controller_runtime.client.transport import ApiRequest, ApiResponse, Fence, Transport

log = structlog.get_logger(__name__)

T = TypeVar("T", bound=Object)

FieldValidation = Literal["Ignore", "Warn", "Strict"]
"""What the server does with fields that the kind's schema does not have."""

_WARNINGS_REMEMBERED = 100
PARTIAL_LIST_ACCEPT = "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1"
"""Asks for the metadata of a list alone."""
_PARTIAL_ACCEPT = "application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1"
_COLLECTION_VERBS = ("list", "watch", "deletecollection")


class WriteOptions(NamedTuple):
    """Options of one write, or those of a client that hold where a write names none; see `Client`."""

    dry_run: bool = False
    field_owner: str | None = None
    field_validation: FieldValidation | None = None

    def over(self, defaults: WriteOptions) -> WriteOptions:
        """These options, completed by a client's. Nobody leaves a client's dry run."""
        return WriteOptions(
            self.dry_run or defaults.dry_run,
            self.field_owner or defaults.field_owner,
            self.field_validation or defaults.field_validation,
        )

    @property
    def query(self) -> dict[str, str]:
        """As query parameters."""
        options = {
            "fieldManager": self.field_owner or "",
            "dryRun": "All" if self.dry_run else "",
            "fieldValidation": self.field_validation or "",
        }
        return without_empty(options)


@dataclass(frozen=True, kw_only=True)
class Sender:
    """Sends the requests of a client and of its subresource clients; the fields are the arguments of `Client`."""

    transport: Transport
    fence: Fence | None
    timeout: float | None
    namespace: str
    express: bool
    user_agent_suffix: str
    options: WriteOptions
    _warnings_logged: set[str] = field(default_factory=set)

    def operation(
        self, verb: str, resource: Resource, namespace: str = "", name: str = "", subresource: str = ""
    ) -> Operation:
        """What a request does; its namespace is the client's where the client is bound to one.

        Raises:
            InvalidRequestError: another namespace than the client's.
        """
        if self.namespace and resource.namespaced:
            if namespace not in ("", self.namespace):
                raise InvalidRequestError(
                    f"cannot {verb} a {resource.kind} in namespace {namespace}: the client is bound to {self.namespace}"
                )
            namespace = self.namespace
        return Operation(verb, resource, namespace, name, subresource)

    def operation_on(self, verb: str, resource: Resource, key: NamespacedName, subresource: str = "") -> Operation:
        """`operation` on one object.

        Raises:
            InvalidRequestError: likewise, or the key is no NamespacedName.
        """
        wanted: object = key
        if not isinstance(wanted, NamespacedName):
            raise InvalidRequestError(
                f"cannot {verb} a {resource.kind}: the key must be a NamespacedName, not {wanted!r}"
            )
        return self.operation(verb, resource, *key, subresource)

    async def send(
        self,
        operation: Operation,
        method: str,
        *,
        query: Mapping[str, str] | None = None,
        body: bytes | None = None,
        content_type: str = "application/json",
        accept: str = "application/json",
    ) -> ApiResponse:
        """Send a request; anything but a success is an error."""
        request = ApiRequest(
            method=method,
            path=path_of(operation),
            query=query or {},
            body=body,
            content_type=content_type,
            accept=accept,
            user_agent_suffix=self.user_agent_suffix,
            timeout=self.timeout,
            fence=None if method == "GET" else self.fence,
            express=self.express,
        )
        response = await self.transport.send(request)
        if warning := response.headers.get("Warning"):
            self._log_warning(operation, warning)
        if not 200 <= response.status < 300:
            raise error_from_response(operation, response.status, response.headers, response.body)
        return response

    async def read(self, operation: Operation, answer: type[T]) -> T:
        """GET one object or subresource."""
        return decode_answer(answer, operation, await self.send(operation, "GET", accept=accept_of(answer)))

    async def store(self, operation: Operation, method: str, kind: type[Object], obj: T, options: WriteOptions) -> T:
        """POST or PUT a whole object, or the body of a subresource, of an object of `kind`."""
        return await self._write(operation, method, kind, type(obj), encode(obj), options.over(self.options))

    async def patch(
        self,
        operation: Operation,
        kind: type[Object],
        answer: type[T],
        patch: Mapping[str, Any] | Sequence[Any],
        patch_type: PatchType,
        options: WriteOptions,
    ) -> T:
        """Send a patch that is not server-side apply; `answer` is what the server answers with."""
        if patch_type is PatchType.APPLY:
            raise InvalidRequestError(f"cannot {operation} by server-side apply this way: `apply` does that")
        body = msgspec.json.encode(patch)
        return await self._write(operation, "PATCH", kind, answer, body, options.over(self.options), patch_type)

    async def apply(
        self,
        operation: Operation,
        kind: type[Object],
        answer: type[T],
        body: Mapping[str, Any] | APIStruct,
        options: WriteOptions,
        *,
        force: bool,
    ) -> T:
        """Send a wish of server-side apply, with the identity that `answer` and `operation` say written into it.

        Field validation is not asked for: apply refuses unknown fields of its own accord.
        """
        options = options.over(self.options)._replace(field_validation=None)
        if not options.field_owner:
            raise InvalidRequestError(f"cannot {operation}: server-side apply needs a field_owner")
        wish = to_json_value(body)
        identity = without_empty({"name": operation.name, "namespace": operation.namespace})
        wish |= {
            "apiVersion": answer.resource.api_version,
            "kind": answer.resource.kind,
            "metadata": {**wish.get("metadata", {}), **identity},
        }
        body_bytes = msgspec.json.encode(wish)
        return await self._write(operation, "PATCH", kind, answer, body_bytes, options, PatchType.APPLY, force=force)

    async def _write(
        self,
        operation: Operation,
        method: str,
        kind: type[Object],
        answer: type[T],
        body: bytes,
        options: WriteOptions,
        content_type: str = "application/json",
        *,
        force: bool = False,
    ) -> T:
        """Send what creates or changes an object of `kind`, and note it as an own write."""
        query = options.query | {"force": "true"} if force else options.query
        accept = accept_of(answer)
        with note_doubt(kind, operation.key, dry_run=options.dry_run):
            response = await self.send(
                operation, method, query=query, body=body, content_type=content_type, accept=accept
            )
            obj = decode_answer(answer, operation, response)
        record = current_record()
        if record is not None and not options.dry_run and obj.metadata.resource_version:
            # Without a version nothing was changed that a cache could see (a token was made).
            key = NamespacedName(operation.namespace, obj.metadata.name or operation.name)
            metadata = obj.metadata
            record.add(OwnWrite(kind, key, metadata.resource_version, metadata.uid, labels=metadata.labels))
        return obj

    def _log_warning(self, operation: Operation, warning: str) -> None:
        """Once each: a deprecated field would otherwise fill the log with every write."""
        if warning not in self._warnings_logged:
            if len(self._warnings_logged) >= _WARNINGS_REMEMBERED:
                self._warnings_logged.clear()
            self._warnings_logged.add(warning)
            log.warning("the API server warns", operation=str(operation), warning=warning)


def path_of(operation: Operation) -> str:
    """The URL path; refuses what would address something else than the operation says.

    Names may come from users (a reference in a spec), and an empty or dotted one would climb to another resource.
    """
    verb, resource, namespace, name, subresource = operation
    makes_name = verb == "create" and not subresource  # the body names it
    if not name and not makes_name and verb not in _COLLECTION_VERBS:
        raise InvalidRequestError(f"cannot {verb} a {resource.kind} without a name")
    if resource.namespaced and not namespace and verb not in ("list", "watch"):
        raise InvalidRequestError(f"cannot {verb} a {resource.kind} without a namespace")
    for part in (namespace, name):
        if part in (".", "..") or "/" in part or "%" in part:
            raise InvalidRequestError(f"cannot {verb} a {resource.kind}: {part!r} cannot be a name")
    return resource.path(quote(namespace, safe=""), "" if makes_name else quote(name, safe=":@"), subresource)


def without_empty(query: Mapping[str, str]) -> dict[str, str]:
    """Only those that say something."""
    return {name: value for name, value in query.items() if value}


def accept_of(kind: type[Object]) -> str:
    """The form in which the server shall answer."""
    return _PARTIAL_ACCEPT if issubclass(kind, PartialObjectMetadata) else "application/json"


def refuse_partial(obj: Object, operation: Operation) -> None:
    """Refuse to write a type whole that is only a part."""
    if obj.partial:
        raise InvalidRequestError(
            f"cannot {operation} as {type(obj).__name__}, which models only a part of {obj.resource.kind}: "
            "writing it whole would erase the rest; patch or apply it"
        )


def decode_answer(kind: type[T], operation: Operation, response: ApiResponse) -> T:
    """The object in an answer."""
    try:
        return decode(kind, response.body)
    except DecodeError as error:
        raise InvalidResponseError(f"cannot {operation}: {error}") from error
