"""The client: live reads and all writes of typed objects."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Any, Literal, TypeVar
from urllib.parse import quote

import msgspec
import structlog

from controller_runtime.apimachinery import DecodeError, NamespacedName, Object, PartialObjectMetadata, decode, encode
from controller_runtime.apimachinery.codec import to_json_value
from controller_runtime.apimachinery.meta import APIStruct
from controller_runtime.client.errors import (
    InvalidRequestError,
    InvalidResponseError,
    Operation,
    TransportError,
    error_from_response,
)
from controller_runtime.client.lists import ObjectList, decode_list
from controller_runtime.client.patches import PatchType
from controller_runtime.client.transport import ApiRequest, ApiResponse, ApiStream, Fence, Transport
from controller_runtime.client.watching import WatchEvent, watch_events

log = structlog.get_logger(__name__)

T = TypeVar("T", bound=Object)

PropagationPolicy = Literal["Background", "Foreground", "Orphan"]
"""What becomes of dependants when their owner is deleted."""
FieldValidation = Literal["Ignore", "Warn", "Strict"]
"""What the server does with fields that the kind's schema does not have."""

_REQUEST_SECONDS = 65.0  # the API server gives up after 60 s by default (--request-timeout), and its answer says why
_BOOKMARK_SILENCE_SECONDS = 150.0  # bookmarks come about once a minute, so two were missed and the connection is dead
_SILENCE_LEEWAY_SECONDS = 30.0
_ERROR_BODY_LIMIT = 2**16
_WARNINGS_REMEMBERED = 100
_PARTIAL_ACCEPT = "application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1"
_PARTIAL_LIST_ACCEPT = "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1"


class Client:
    """Reads from and writes to the API server; the cache is not involved.

    Every method raises errors of the tree in `errors`, which name the operation, the object and the server's reason.
    Answers are new objects; what was passed in is never changed.

    Args:
        transport: Carries the requests; shared, and closed by whoever made it.
        fence: Asked before each write whether this process may still write as the leader.
        field_owner: Field manager of writes that do not name another one.
        timeout: Seconds for a request with its retries; None: no limit. Watches are not bound by it.
    """

    def __init__(
        self,
        transport: Transport,
        *,
        fence: Fence | None = None,
        field_owner: str | None = None,
        timeout: float | None = _REQUEST_SECONDS,
    ) -> None:
        self.transport = transport
        self._fence = fence
        self._field_owner = field_owner
        self._timeout = timeout
        self._warnings_logged: set[str] = set()

    def unfenced(self) -> Client:
        """The same client for writes that need no leadership: a replica's own, or the lease itself."""
        return Client(self.transport, field_owner=self._field_owner, timeout=self._timeout)

    async def get(self, kind: type[T], key: NamespacedName) -> T:
        """Read one object."""
        operation = Operation("get", kind.resource, *key)
        response = await self._send(operation, "GET", accept=_accept(kind))
        return _decode(kind, operation, response)

    async def list(
        self,
        kind: type[T],
        *,
        namespace: str = "",
        label_selector: str = "",
        field_selector: str = "",
        limit: int = 0,
        continue_token: str = "",
        resource_version: str | None = None,
        resource_version_match: str | None = None,
    ) -> ObjectList[T]:
        """Read the objects of a kind, or one page of them.

        Args:
            kind: What to list.
            namespace: Empty: all namespaces.
            label_selector: As kubectl writes it (`app=x,tier!=y`).
            field_selector: As kubectl writes it (`metadata.name=x`).
            limit: Objects per page; 0: all at once.
            continue_token: Of the page before; then no resource_version may be given.
            resource_version: None: the newest; "0": whatever the server has in its watch cache.
            resource_version_match: `NotOlderThan` or `Exact`.

        Raises:
            GoneError: the continue token or resource_version is too old.
        """
        operation = Operation("list", kind.resource, namespace)
        query = _without_empty(
            {
                "labelSelector": label_selector,
                "fieldSelector": field_selector,
                "limit": str(limit) if limit else "",
                "continue": continue_token,
                "resourceVersion": resource_version or "",
                "resourceVersionMatch": resource_version_match or "",
            }
        )
        accept = _PARTIAL_LIST_ACCEPT if issubclass(kind, PartialObjectMetadata) else "application/json"
        response = await self._send(operation, "GET", query=query, accept=accept)
        try:
            return decode_list(kind, response.body)
        except DecodeError as error:
            raise InvalidResponseError(f"cannot {operation}: {error}") from error

    def watch(
        self,
        kind: type[Object],
        *,
        namespace: str = "",
        resource_version: str = "",
        label_selector: str = "",
        field_selector: str = "",
        timeout_seconds: int,
        allow_bookmarks: bool = True,
        send_initial_events: bool = False,
        read_timeout: float | None = None,
    ) -> contextlib.AbstractAsyncContextManager[AsyncIterator[WatchEvent]]:
        """Follow the changes to the objects of a kind.

            async with client.watch(Secret, resource_version=version, timeout_seconds=300) as events:
                async for event in events: ...

        The iteration ends when the server ends the stream in good order, after `timeout_seconds` at the latest. ERROR
        events are events here; `WatchEvent.error()` makes an exception of one.

        Args:
            kind: What to watch.
            namespace: Empty: all namespaces.
            resource_version: Version after which changes are told; empty: from the present state.
            label_selector: As in `list`.
            field_selector: As in `list`.
            timeout_seconds: When the server shall end the watch.
            allow_bookmarks: Ask for BOOKMARK events, about one a minute.
            send_initial_events: Begin with an ADDED event for every object and a BOOKMARK that ends them.
            read_timeout: Longest silence in seconds; None: 150 with bookmarks, else a little more than
                `timeout_seconds`.

        Raises:
            ApiError: the server refuses the watch.
            TransportError: on entering or while iterating, the connection broke or fell silent.
            InvalidResponseError: while iterating, an event is malformed.
        """
        operation = Operation("watch", kind.resource, namespace)
        silence = _BOOKMARK_SILENCE_SECONDS if allow_bookmarks else timeout_seconds + _SILENCE_LEEWAY_SECONDS
        query = {
            "watch": "true",
            "resourceVersion": resource_version,
            "labelSelector": label_selector,
            "fieldSelector": field_selector,
            "timeoutSeconds": str(timeout_seconds),
            "allowWatchBookmarks": "true" if allow_bookmarks else "",
            "sendInitialEvents": "true" if send_initial_events else "",
            "resourceVersionMatch": "NotOlderThan" if send_initial_events else "",
        }
        request = ApiRequest(
            method="GET",
            path=_path(operation),
            query=_without_empty(query),
            accept=_accept(kind),
            read_timeout=silence if read_timeout is None else read_timeout,
        )
        return self._follow(operation, request)

    async def create(
        self,
        obj: T,
        *,
        dry_run: bool = False,
        field_owner: str | None = None,
        field_validation: FieldValidation | None = None,
    ) -> T:
        """Create an object, named by `metadata.name` or, by the server, after `metadata.generate_name`.

        Raises:
            AlreadyExistsError: the name is taken.
            InvalidRequestError: the type models only a part of its kind.
        """
        operation = Operation("create", obj.resource, *obj.key)
        _refuse_partial(obj, operation)
        query = self._write_options(dry_run, field_owner, field_validation)
        response = await self._send(operation, "POST", query=query, body=encode(obj))
        return _decode(type(obj), operation, response)

    async def update(
        self,
        obj: T,
        *,
        dry_run: bool = False,
        field_owner: str | None = None,
        field_validation: FieldValidation | None = None,
    ) -> T:
        """Replace an object whole, except its status.

        Its `resource_version` is sent as it is: with one, a change by somebody else in between is a ConflictError;
        without one, many kinds are overwritten.

        Raises:
            ConflictError: the object has changed since it was read.
            InvalidRequestError: the type models only a part of its kind.
        """
        return await self._update(obj, "", self._write_options(dry_run, field_owner, field_validation))

    async def update_status(
        self,
        obj: T,
        *,
        dry_run: bool = False,
        field_owner: str | None = None,
        field_validation: FieldValidation | None = None,
    ) -> T:
        """Replace the status of an object; see `update`."""
        return await self._update(obj, "status", self._write_options(dry_run, field_owner, field_validation))

    async def patch(
        self,
        kind: type[T],
        key: NamespacedName,
        patch: Mapping[str, Any] | Sequence[Any],
        *,
        patch_type: PatchType = PatchType.MERGE,
        dry_run: bool = False,
        field_owner: str | None = None,
        field_validation: FieldValidation | None = None,
    ) -> T:
        """Change a part of an object. `metadata.resourceVersion` in a merge patch guards against other writers.

        Args:
            kind: What it is; also the type of the answer.
            key: Which one.
            patch: A map for merge patches, a list of operations for JSON patches.
            patch_type: What `patch` is; for server-side apply use `apply`.
            dry_run: Have it checked and answered, but not stored.
            field_owner: Field manager; None: the client's.
            field_validation: None: the server's default (Warn).
        """
        query = self._write_options(dry_run, field_owner, field_validation)
        return await self._patch(Operation("patch", kind.resource, *key), kind, patch, patch_type, query)

    async def patch_status(
        self,
        kind: type[T],
        key: NamespacedName,
        patch: Mapping[str, Any] | Sequence[Any],
        *,
        patch_type: PatchType = PatchType.MERGE,
        dry_run: bool = False,
        field_owner: str | None = None,
        field_validation: FieldValidation | None = None,
    ) -> T:
        """Change a part of the status; the patch is one of the whole object (`{"status": ...}`)."""
        query = self._write_options(dry_run, field_owner, field_validation)
        return await self._patch(Operation("patch", kind.resource, *key, "status"), kind, patch, patch_type, query)

    async def apply(
        self,
        kind: type[T],
        key: NamespacedName,
        body: Mapping[str, Any] | APIStruct,
        *,
        field_owner: str | None = None,
        force: bool = False,
        dry_run: bool = False,
    ) -> T:
        """Server-side apply: create the object or make its fields those of `body`.

        Fields that an earlier apply of the same owner set and this one omits are let go.

        Args:
            kind: What it is; also the type of the answer.
            key: Which one; written into the body.
            body: The wish; apiVersion, kind and name need not be in it.
            field_owner: Field manager; None: the client's, and one of them is required.
            force: Take fields over that belong to others.
            dry_run: Have it checked and answered, but not stored.

        Raises:
            ConflictError: a field belongs to another manager (cause `FieldManagerConflict`).
        """
        operation = Operation("apply", kind.resource, *key)
        return await self._apply(operation, kind, body, field_owner, force=force, dry_run=dry_run)

    async def apply_status(
        self,
        kind: type[T],
        key: NamespacedName,
        body: Mapping[str, Any] | APIStruct,
        *,
        field_owner: str | None = None,
        force: bool = False,
        dry_run: bool = False,
    ) -> T:
        """Server-side apply of the status; see `apply`."""
        operation = Operation("apply", kind.resource, *key, "status")
        return await self._apply(operation, kind, body, field_owner, force=force, dry_run=dry_run)

    async def delete(
        self,
        kind_or_obj: type[Object] | Object,
        key: NamespacedName | None = None,
        *,
        propagation_policy: PropagationPolicy | None = None,
        uid: str = "",
        resource_version: str = "",
        grace_period_seconds: int | None = None,
        dry_run: bool = False,
    ) -> None:
        """Delete one object; with finalizers it stays until they are gone.

        Args:
            kind_or_obj: The object, or its kind together with `key`.
            key: Which one, if a kind is given.
            propagation_policy: None: the kind's default (Background for most).
            uid: Only if this is still its UID.
            resource_version: Only if this is still its version.
            grace_period_seconds: None: the kind's default.
            dry_run: Have it checked, but not deleted.

        Raises:
            NotFoundError: it is not there.
            ConflictError: `uid` or `resource_version` is another one.
        """
        resource = kind_or_obj.resource
        if isinstance(kind_or_obj, Object):
            key = kind_or_obj.key
        if key is None:
            raise InvalidRequestError(f"delete of a {resource.kind} needs an object, or a kind and a key")
        operation = Operation("delete", resource, *key)
        preconditions = _without_empty({"uid": uid, "resourceVersion": resource_version})
        options = {
            "propagationPolicy": propagation_policy,
            "preconditions": preconditions or None,
            "gracePeriodSeconds": grace_period_seconds,
            "dryRun": ["All"] if dry_run else None,
        }
        given = {name: value for name, value in options.items() if value is not None}
        await self._send(operation, "DELETE", body=encode(given) if given else None)

    @contextlib.asynccontextmanager
    async def _follow(self, operation: Operation, request: ApiRequest) -> AsyncIterator[AsyncIterator[WatchEvent]]:
        async with self.transport.stream(request) as stream:
            if stream.status != 200:
                raise error_from_response(operation, stream.status, stream.headers, await _read_error(stream))
            async with contextlib.aclosing(watch_events(stream, operation)) as events:
                yield events

    async def _update(self, obj: T, subresource: str, query: Mapping[str, str]) -> T:
        operation = Operation("update", obj.resource, *obj.key, subresource)
        _refuse_partial(obj, operation)
        response = await self._send(operation, "PUT", query=query, body=encode(obj))
        return _decode(type(obj), operation, response)

    async def _patch(
        self,
        operation: Operation,
        kind: type[T],
        patch: Mapping[str, Any] | Sequence[Any],
        patch_type: PatchType,
        query: Mapping[str, str],
    ) -> T:
        response = await self._send(
            operation,
            "PATCH",
            query=query,
            body=msgspec.json.encode(patch),
            content_type=patch_type.value,
            accept=_accept(kind),
        )
        return _decode(kind, operation, response)

    async def _apply(
        self,
        operation: Operation,
        kind: type[T],
        body: Mapping[str, Any] | APIStruct,
        field_owner: str | None,
        *,
        force: bool,
        dry_run: bool,
    ) -> T:
        if not (field_owner or self._field_owner):
            raise InvalidRequestError(f"cannot {operation}: server-side apply needs a field_owner")
        query = self._write_options(dry_run, field_owner, None)
        if force:
            query["force"] = "true"
        wish = to_json_value(body)
        identity = _without_empty({"name": operation.name, "namespace": operation.namespace})
        wish |= {
            "apiVersion": kind.resource.api_version,
            "kind": kind.resource.kind,
            "metadata": {**wish.get("metadata", {}), **identity},
        }
        return await self._patch(operation, kind, wish, PatchType.APPLY, query)

    def _write_options(
        self, dry_run: bool, field_owner: str | None, field_validation: FieldValidation | None
    ) -> dict[str, str]:
        options = {
            "fieldManager": field_owner or self._field_owner or "",
            "dryRun": "All" if dry_run else "",
            "fieldValidation": field_validation or "",
        }
        return _without_empty(options)

    async def _send(
        self,
        operation: Operation,
        method: str,
        *,
        query: Mapping[str, str] | None = None,
        body: bytes | None = None,
        content_type: str = "application/json",
        accept: str = "application/json",
    ) -> ApiResponse:
        request = ApiRequest(
            method=method,
            path=_path(operation),
            query=query or {},
            body=body,
            content_type=content_type,
            accept=accept,
            timeout=self._timeout,
            fence=None if method == "GET" else self._fence,
        )
        response = await self.transport.send(request)
        if warning := response.headers.get("Warning"):
            self._log_warning(operation, warning)
        if not 200 <= response.status < 300:
            raise error_from_response(operation, response.status, response.headers, response.body)
        return response

    def _log_warning(self, operation: Operation, warning: str) -> None:
        """Once each: a deprecated field would otherwise fill the log with every write."""
        if warning not in self._warnings_logged:
            if len(self._warnings_logged) >= _WARNINGS_REMEMBERED:
                self._warnings_logged.clear()
            self._warnings_logged.add(warning)
            log.warning("the API server warns", operation=str(operation), warning=warning)


def _path(operation: Operation) -> str:
    """The URL path; refuses what would address something else than the operation says.

    Names may come from users (a reference in a spec), and an empty or dotted one would climb to another resource.
    """
    verb, resource, namespace, name, subresource = operation
    if not name and verb not in ("list", "watch", "create"):
        raise InvalidRequestError(f"cannot {verb} a {resource.kind} without a name")
    if resource.namespaced and not namespace and verb not in ("list", "watch"):
        raise InvalidRequestError(f"cannot {verb} a {resource.kind} without a namespace")
    for part in (namespace, name):
        if part in (".", "..") or "/" in part or "%" in part:
            raise InvalidRequestError(f"cannot {verb} a {resource.kind}: {part!r} cannot be a name")
    return resource.path(quote(namespace, safe=""), "" if verb == "create" else quote(name, safe=":@"), subresource)


def _without_empty(query: Mapping[str, str]) -> dict[str, str]:
    return {name: value for name, value in query.items() if value}


def _accept(kind: type[Object]) -> str:
    return _PARTIAL_ACCEPT if issubclass(kind, PartialObjectMetadata) else "application/json"


def _refuse_partial(obj: Object, operation: Operation) -> None:
    if obj.partial:
        raise InvalidRequestError(
            f"cannot {operation} as {type(obj).__name__}, which models only a part of {obj.resource.kind}: "
            "writing it whole would erase the rest; patch or apply it"
        )


def _decode(kind: type[T], operation: Operation, response: ApiResponse) -> T:
    try:
        return decode(kind, response.body)
    except DecodeError as error:
        raise InvalidResponseError(f"cannot {operation}: {error}") from error


async def _read_error(stream: ApiStream) -> bytes:
    """The body of a failure, or what there is of it: its status code says enough to go on."""
    body = b""
    with contextlib.suppress(TransportError):
        async for chunk in stream:
            body += chunk
            if len(body) >= _ERROR_BODY_LIMIT:
                break
    return body
