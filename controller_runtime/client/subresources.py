"""Subresources: a part of an object, or something that is done to it, under a path of its own."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, TypeVar, overload

from msgspec.structs import replace

from controller_runtime.apimachinery import NamespacedName, Object
from controller_runtime.apimachinery.meta import APIStruct
from controller_runtime.client.errors import InvalidRequestError, Operation
from controller_runtime.client.patches import PatchType
from controller_runtime.client.sending import FieldValidation, Sender, WriteOptions, refuse_partial

T = TypeVar("T", bound=Object)
B = TypeVar("B", bound=Object)


class SubresourceClient:
    """Reads and writes one subresource of objects of any kind; `Client.status` and `Client.subresource` make them.

        await client.status.patch(Widget, key, {"status": {"state": "Ready"}})
        scale = await client.subresource("scale").get(Deployment, key, Scale)
        await client.subresource("eviction").create(Pod, key, Eviction())

    Some subresources are the object itself (`status`), others have a type of their own (`scale`: Scale, `eviction`:
    Eviction, `token`: TokenRequest), which is named by the argument `body_type` or by the type of `body`. A body that
    has no name gets the object's, which the server demands. Options and errors are those of the same verb of `Client`.
    An own write that is recorded (`record_writes`) is one of the object.
    """

    def __init__(self, sender: Sender, name: str) -> None:
        self.name = name
        self._sender = sender

    @overload
    async def get(self, kind: type[T], key: NamespacedName) -> T: ...
    @overload
    async def get(self, kind: type[Object], key: NamespacedName, body_type: type[B]) -> B: ...
    async def get(self, kind: type[Object], key: NamespacedName, body_type: type[Any] | None = None) -> Any:
        """Read it."""
        operation = self._sender.operation_on("get", kind.resource, key, self.name)
        return await self._sender.read(operation, body_type or kind)

    async def create(
        self,
        kind: type[Object],
        key: NamespacedName,
        body: B,
        *,
        dry_run: bool = False,
        field_owner: str | None = None,
        field_validation: FieldValidation | None = None,
    ) -> B:
        """Ask for what the subresource does (evict a Pod, make a token).

        Returns:
            The server's answer; an empty one where it only says that it was done (an eviction).
        """
        options = WriteOptions(dry_run=dry_run, field_owner=field_owner, field_validation=field_validation)
        operation = self._sender.operation_on("create", kind.resource, key, self.name)
        return await self._sender.store(operation, "POST", kind, _named(body, operation), options)

    @overload
    async def update(
        self,
        kind_or_obj: T,
        *,
        dry_run: bool = ...,
        field_owner: str | None = ...,
        field_validation: FieldValidation | None = ...,
    ) -> T: ...
    @overload
    async def update(
        self,
        kind_or_obj: type[Object],
        key: NamespacedName,
        body: B,
        *,
        dry_run: bool = ...,
        field_owner: str | None = ...,
        field_validation: FieldValidation | None = ...,
    ) -> B: ...
    async def update(
        self,
        kind_or_obj: Object | type[Object],
        key: NamespacedName | None = None,
        body: Object | None = None,
        *,
        dry_run: bool = False,
        field_owner: str | None = None,
        field_validation: FieldValidation | None = None,
    ) -> Any:
        """Replace it: by that of an object (`status.update(widget)`), or by a body of another type.

        Raises:
            ConflictError: the object has changed since it was read.
            InvalidRequestError: the object's type models only a part of its kind.
        """
        options = WriteOptions(dry_run=dry_run, field_owner=field_owner, field_validation=field_validation)
        if isinstance(kind_or_obj, Object):
            kind, key, body = type(kind_or_obj), kind_or_obj.key, kind_or_obj
        else:
            kind = kind_or_obj
        if key is None or body is None:
            raise InvalidRequestError(
                f"update of {kind.resource.plural}/{self.name} needs an object, or a kind, a key and a body"
            )
        operation = self._sender.operation_on("update", kind.resource, key, self.name)
        refuse_partial(body, operation)
        return await self._sender.store(operation, "PUT", kind, _named(body, operation), options)

    @overload
    async def patch(
        self,
        kind: type[T],
        key: NamespacedName,
        patch: Mapping[str, Any] | Sequence[Any],
        *,
        patch_type: PatchType = ...,
        dry_run: bool = ...,
        field_owner: str | None = ...,
        field_validation: FieldValidation | None = ...,
    ) -> T: ...
    @overload
    async def patch(
        self,
        kind: type[Object],
        key: NamespacedName,
        patch: Mapping[str, Any] | Sequence[Any],
        body_type: type[B],
        *,
        patch_type: PatchType = ...,
        dry_run: bool = ...,
        field_owner: str | None = ...,
        field_validation: FieldValidation | None = ...,
    ) -> B: ...
    async def patch(
        self,
        kind: type[Object],
        key: NamespacedName,
        patch: Mapping[str, Any] | Sequence[Any],
        body_type: type[Any] | None = None,
        *,
        patch_type: PatchType = PatchType.MERGE,
        dry_run: bool = False,
        field_owner: str | None = None,
        field_validation: FieldValidation | None = None,
    ) -> Any:
        """Change a part of it; the patch is one of the whole object (`{"status": ...}`), or of the body."""
        options = WriteOptions(dry_run=dry_run, field_owner=field_owner, field_validation=field_validation)
        operation = self._sender.operation_on("patch", kind.resource, key, self.name)
        return await self._sender.patch(operation, kind, body_type or kind, patch, patch_type, options)

    @overload
    async def apply(
        self,
        kind: type[T],
        key: NamespacedName,
        body: Mapping[str, Any] | APIStruct,
        *,
        field_owner: str | None = ...,
        force: bool = ...,
        dry_run: bool = ...,
    ) -> T: ...
    @overload
    async def apply(
        self,
        kind: type[Object],
        key: NamespacedName,
        body: Mapping[str, Any] | APIStruct,
        body_type: type[B],
        *,
        field_owner: str | None = ...,
        force: bool = ...,
        dry_run: bool = ...,
    ) -> B: ...
    async def apply(
        self,
        kind: type[Object],
        key: NamespacedName,
        body: Mapping[str, Any] | APIStruct,
        body_type: type[Any] | None = None,
        *,
        field_owner: str | None = None,
        force: bool = False,
        dry_run: bool = False,
    ) -> Any:
        """Server-side apply of it: make its fields those of `body`."""
        options = WriteOptions(dry_run=dry_run, field_owner=field_owner)
        operation = self._sender.operation_on("apply", kind.resource, key, self.name)
        return await self._sender.apply(operation, kind, body_type or kind, body, options, force=force)


def _named(body: B, operation: Operation) -> B:
    """The body, with the object's name and namespace where it has none."""
    metadata = body.metadata
    name, namespace = metadata.name or operation.name, metadata.namespace or operation.namespace
    return replace(body, metadata=replace(metadata, name=name, namespace=namespace))
