"""The client: live reads and all writes of typed objects."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Any, TypeVar

from controller_runtime.apimachinery import DecodeError, NamespacedName, Object, PartialObjectMetadata
from controller_runtime.apimachinery.meta import APIStruct
from controller_runtime.client.deleting import PropagationPolicy, delete_options, note_deletion, note_deletions
from controller_runtime.client.errors import (
    InvalidRequestError,
    InvalidResponseError,
    Operation,
    TransportError,
    error_from_response,
)
from controller_runtime.client.lists import ObjectList, decode_list
from controller_runtime.client.own_writes import note_doubt
from controller_runtime.client.patches import PatchType
from controller_runtime.client.sending import (
    PARTIAL_LIST_ACCEPT,
    FieldValidation,
    Sender,
    WriteOptions,
    accept_of,
    path_of,
    refuse_partial,
    without_empty,
)
from controller_runtime.client.subresources import SubresourceClient
from controller_runtime.client.transport import ApiRequest, ApiStream, Fence, Transport
from controller_runtime.client.watching import WatchEvent, watch_events

T = TypeVar("T", bound=Object)

_REQUEST_SECONDS = 65.0  # the API server gives up after 60 s by default (--request-timeout), and its answer says why
_BOOKMARK_SILENCE_SECONDS = 150.0  # bookmarks come about once a minute, so two were missed and the connection is dead
_SILENCE_LEEWAY_SECONDS = 30.0
_ERROR_BODY_LIMIT = 2**16


class Client:
    """Reads from and writes to the API server; the cache is not involved.

    Every method raises errors of the tree in `errors`, which name the operation, the object and the server's reason.
    Answers are new objects; what was passed in is never changed.

    Args:
        transport: Carries the requests; shared, and closed by whoever made it.
        fence: Asked before each write whether this process may still write as the leader.
        field_owner: Field manager of writes that do not name another one.
        field_validation: Of creates, updates and patches that do not name another one; None: the server's default
            (Warn).
        dry_run: All writes are dry runs: checked and answered, but not stored. No write can ask for the contrary.
        namespace: The one namespace of all requests for namespaced kinds; naming another one is an InvalidRequestError,
            naming none means this one, also in a list. Empty: no such bond.
        timeout: Seconds for a request with its retries; None: no limit. Watches are not bound by it.
        express: Requests overtake those that wait for the transport's rate limit or for a connection. For the few
            requests on which leadership depends.
        user_agent_suffix: Follows the transport's user agent after a slash, as with client-go's `AddUserAgent`.
    """

    def __init__(
        self,
        transport: Transport,
        *,
        fence: Fence | None = None,
        field_owner: str | None = None,
        field_validation: FieldValidation | None = None,
        dry_run: bool = False,
        namespace: str = "",
        timeout: float | None = _REQUEST_SECONDS,
        express: bool = False,
        user_agent_suffix: str = "",
    ) -> None:
        self.transport = transport
        options = WriteOptions(dry_run=dry_run, field_owner=field_owner, field_validation=field_validation)
        self._sender = Sender(
            transport=transport,
            fence=fence,
            timeout=timeout,
            namespace=namespace,
            express=express,
            user_agent_suffix=user_agent_suffix,
            options=options,
        )

    def unfenced(self) -> Client:
        """The same client for writes that need no leadership: a replica's own, or the lease itself."""
        sender, options = self._sender, self._sender.options
        return Client(
            self.transport,
            field_owner=options.field_owner,
            field_validation=options.field_validation,
            dry_run=options.dry_run,
            namespace=sender.namespace,
            timeout=sender.timeout,
            express=sender.express,
            user_agent_suffix=sender.user_agent_suffix,
        )

    @property
    def status(self) -> SubresourceClient:
        """For the status of objects; conditions are written by the function `patch_status`."""
        return self.subresource("status")

    def subresource(self, name: str) -> SubresourceClient:
        """For a subresource of objects (`scale`, `eviction`, `token`)."""
        return SubresourceClient(self._sender, name)

    async def get(self, kind: type[T], key: NamespacedName) -> T:
        """Read one object."""
        return await self._sender.read(self._sender.operation_on("get", kind.resource, key), kind)

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
        operation = self._sender.operation("list", kind.resource, namespace)
        query = without_empty(
            {
                "labelSelector": label_selector,
                "fieldSelector": field_selector,
                "limit": str(limit) if limit else "",
                "continue": continue_token,
                "resourceVersion": resource_version or "",
                "resourceVersionMatch": resource_version_match or "",
            }
        )
        accept = PARTIAL_LIST_ACCEPT if issubclass(kind, PartialObjectMetadata) else "application/json"
        response = await self._sender.send(operation, "GET", query=query, accept=accept)
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
        operation = self._sender.operation("watch", kind.resource, namespace)
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
            path=path_of(operation),
            query=without_empty(query),
            accept=accept_of(kind),
            user_agent_suffix=self._sender.user_agent_suffix,
            read_timeout=silence if read_timeout is None else read_timeout,
            express=self._sender.express,
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
        options = WriteOptions(dry_run=dry_run, field_owner=field_owner, field_validation=field_validation)
        operation = self._sender.operation("create", obj.resource, *obj.key)
        refuse_partial(obj, operation)
        return await self._sender.store(operation, "POST", type(obj), obj, options)

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
        options = WriteOptions(dry_run=dry_run, field_owner=field_owner, field_validation=field_validation)
        operation = self._sender.operation("update", obj.resource, *obj.key)
        refuse_partial(obj, operation)
        return await self._sender.store(operation, "PUT", type(obj), obj, options)

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
            field_validation: None: the client's.
        """
        options = WriteOptions(dry_run=dry_run, field_owner=field_owner, field_validation=field_validation)
        operation = self._sender.operation_on("patch", kind.resource, key)
        return await self._sender.patch(operation, kind, kind, patch, patch_type, options)

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
        options = WriteOptions(dry_run=dry_run, field_owner=field_owner)
        operation = self._sender.operation_on("apply", kind.resource, key)
        return await self._sender.apply(operation, kind, kind, body, options, force=force)

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
        kind = type(kind_or_obj) if isinstance(kind_or_obj, Object) else kind_or_obj
        if isinstance(kind_or_obj, Object):
            key = kind_or_obj.key
        if key is None:
            raise InvalidRequestError(f"delete of a {kind.resource.kind} needs an object, or a kind and a key")
        operation = self._sender.operation_on("delete", kind.resource, key)
        dry_run = dry_run or self._sender.options.dry_run
        body = delete_options(propagation_policy, uid, resource_version, grace_period_seconds, dry_run)
        with note_doubt(kind, operation.key, dry_run=dry_run):
            response = await self._sender.send(operation, "DELETE", body=body)
            if not dry_run:
                note_deletion(kind, operation, response.body)

    async def delete_all_of(
        self,
        kind: type[Object],
        *,
        namespace: str = "",
        label_selector: str = "",
        field_selector: str = "",
        everything: bool = False,
        propagation_policy: PropagationPolicy | None = None,
        grace_period_seconds: int | None = None,
        dry_run: bool = False,
    ) -> None:
        """Delete the objects of a kind that selectors match, or all of them in a namespace.

        The server deletes one after the other; an error in the middle leaves the rest. RBAC's verb is
        `deletecollection`.

        Args:
            kind: What to delete.
            namespace: Where; required for namespaced kinds, as no server deletes them in all namespaces at once.
            label_selector: As kubectl writes it (`app=x,tier!=y`).
            field_selector: As kubectl writes it (`metadata.name=x`).
            everything: Needed where both selectors are empty, which may also be a mistake in what made them.
            propagation_policy: None: the kind's default (Background for most).
            grace_period_seconds: None: the kind's default.
            dry_run: Have it checked, but not deleted.

        Raises:
            InvalidRequestError: no namespace, or neither a selector nor `everything`.
        """
        operation = self._sender.operation("deletecollection", kind.resource, namespace)
        if not (label_selector or field_selector or everything):
            raise InvalidRequestError(f"cannot {operation} without a selector: say everything=True to delete all")
        dry_run = dry_run or self._sender.options.dry_run
        body = delete_options(propagation_policy, "", "", grace_period_seconds, dry_run)
        query = without_empty({"labelSelector": label_selector, "fieldSelector": field_selector})
        # The answer lists what was deleted; metadata is all that is read of it.
        response = await self._sender.send(operation, "DELETE", query=query, body=body, accept=PARTIAL_LIST_ACCEPT)
        if not dry_run:
            note_deletions(kind, operation, response.body)

    @contextlib.asynccontextmanager
    async def _follow(self, operation: Operation, request: ApiRequest) -> AsyncIterator[AsyncIterator[WatchEvent]]:
        async with self.transport.stream(request) as stream:
            if stream.status != 200:
                raise error_from_response(operation, stream.status, stream.headers, await _read_error(stream))
            async with contextlib.aclosing(watch_events(stream, operation)) as events:
                yield events


async def _read_error(stream: ApiStream) -> bytes:
    """The body of a failure, or what there is of it: its status code says enough to go on."""
    body = b""
    with contextlib.suppress(TransportError):
        async for chunk in stream:
            body += chunk
            if len(body) >= _ERROR_BODY_LIMIT:
                break
    return body
