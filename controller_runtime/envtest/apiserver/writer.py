"""Create, update, patch, apply and delete.

The order of things is the real server's: what clients sent is decoded and pruned, patched, defaulted; managers of
fields are noted; the kind's strategy takes out what is not the client's to say and judges what is left; then it is
stored. All of it is one step of the event loop.
"""

from __future__ import annotations

import copy
import random
import uuid
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final, Literal, TypeAlias

from controller_runtime.envtest.apiserver import forms, managedfields
from controller_runtime.envtest.apiserver.errors import (
    FieldError,
    already_exists,
    bad_request,
    conflict,
    forbidden,
    invalid,
    not_found,
    plain,
)
from controller_runtime.envtest.apiserver.resources import ResourceType
from controller_runtime.envtest.apiserver.store import Key, Record, Store
from controller_runtime.envtest.apiserver.strategy import Strategy

Validation: TypeAlias = Literal["Ignore", "Warn", "Strict"]
Patch: TypeAlias = Callable[[dict[str, Any]], dict[str, Any]]

FOREGROUND: Final = "foregroundDeletion"
ORPHAN: Final = "orphan"
"""Finalizers that the garbage collector takes off."""

DEFINITIONS: Final = "customresourcedefinitions.apiextensions.k8s.io"
"""Storage of definitions of custom kinds; an object's kind is the definition with the name of its storage."""

_GENERATED: Final = "bcdfghjklmnpqrstvwxz2456789"
_GENERATED_LENGTH: Final = 5
_LONGEST_PREFIX: Final = 63 - _GENERATED_LENGTH
_NAME_TRIES: Final = 8
_PROTECTED: Final = frozenset({"default", "kube-system", "kube-public"})
_SYSTEM_FIELDS: Final = ("creationTimestamp", "uid", "deletionTimestamp", "deletionGracePeriodSeconds", "selfLink")


@dataclass(frozen=True, slots=True)
class WriteOptions:
    """How a write is to be done."""

    manager: str
    """Field manager, by option or User-Agent."""
    dry_run: bool = False
    validation: Validation = "Warn"
    force: bool = False
    warn: Callable[[str], None] = lambda _: None
    """Takes what the client should know."""
    admit_create: Callable[[], None] = lambda: None
    """Asked before an object is created; refuses by a StatusError, for an update or an apply that may not create."""


@dataclass(frozen=True, slots=True)
class DeleteOptions:
    """How a deletion is to be done."""

    dry_run: bool = False
    uid: str = ""
    version: str = ""
    """Preconditions; empty for none."""
    propagation: str = ""
    orphan: bool | None = None
    """The deprecated form of `propagation`."""


@dataclass(frozen=True, slots=True)
class Written:
    """What became of a write."""

    raw: bytes
    """The object in the version that was asked for."""
    created: bool = False
    deleted: bool = False
    """Whether it is gone, and not only marked for deletion."""


def timestamp(seconds: float | None = None) -> str:
    """A moment as metav1.Time: seconds since the epoch, or now by the wall clock."""
    moment = datetime.now(UTC) if seconds is None else datetime.fromtimestamp(seconds, UTC)
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")


class Writer:
    """Carries out what changes something.

    Args:
        store: has the objects.
        clock: the wall clock as metav1.Time.
    """

    def __init__(self, store: Store, *, clock: Callable[[], str] = timestamp) -> None:
        self._store = store
        self._clock = clock

    # Create

    def create(self, type_: ResourceType, namespace: str, obj: dict[str, Any], options: WriteOptions) -> Written:
        """Creates an object; `obj` is decoded and pruned and belongs to this call.

        Raises:
            StatusError: it is refused.
        """
        metadata = obj["metadata"]
        for name in _SYSTEM_FIELDS:
            metadata.pop(name, None)
        self._settle_namespace(type_, namespace, metadata)
        obj = _defaulted(type_, type_.strategy, obj)
        return self._create(type_, obj, options, managed_by=lambda new: self._updated_fields(type_, None, new, options))

    def _create(
        self,
        type_: ResourceType,
        obj: dict[str, Any],
        options: WriteOptions,
        managed_by: Callable[[dict[str, Any]], list[dict[str, Any]]],
    ) -> Written:
        metadata = obj["metadata"]
        if metadata.get("resourceVersion") not in (None, "", "0"):
            raise plain("resourceVersion should not be set on objects to be created")
        metadata.pop("resourceVersion", None)
        self._set_managed_fields(obj, managed_by(obj))
        self._name(type_, metadata)
        metadata["creationTimestamp"] = self._clock()
        metadata["uid"] = str(uuid.uuid4())
        stored = type_.to_storage(obj)
        type_.strategy.prepare_for_create(stored)
        self._admit(type_, metadata)
        key = Key(metadata.get("namespace", ""), metadata.get("name", ""))
        self._refuse_invalid(type_, key.name, type_.strategy.validate(stored))
        type_.strategy.canonicalize(stored)
        for text in type_.strategy.warnings(stored):
            options.warn(text)
        options.admit_create()
        if self._store.get(type_.storage, key) is not None:
            raise already_exists(type_.group, type_.plural, key.name)
        return Written(self._put(type_, key, stored, options), created=True)

    @staticmethod
    def _settle_namespace(type_: ResourceType, namespace: str, metadata: dict[str, Any]) -> None:
        if not type_.namespaced:
            metadata.pop("namespace", None)
        elif metadata.get("namespace") in (None, ""):
            metadata["namespace"] = namespace
        elif metadata["namespace"] != namespace:
            raise bad_request("the namespace of the provided object does not match the namespace sent on the request")

    def _name(self, type_: ResourceType, metadata: dict[str, Any]) -> None:
        prefix = metadata.get("generateName", "")
        if metadata.get("name") or not prefix:
            return
        for _ in range(_NAME_TRIES):
            suffix = "".join(random.choices(_GENERATED, k=_GENERATED_LENGTH))
            metadata["name"] = prefix[:_LONGEST_PREFIX] + suffix
            if self._store.get(type_.storage, Key(metadata.get("namespace", ""), metadata["name"])) is None:
                return

    def _admit(self, type_: ResourceType, metadata: Mapping[str, Any]) -> None:
        """Objects are created in namespaces that exist and are not about to go; likewise with their kind."""
        if type_.custom and self._is_going(DEFINITIONS, Key("", type_.storage)):
            raise forbidden(
                type_.group,
                type_.plural,
                metadata.get("name", ""),
                "create not allowed while custom resource definition is terminating",
            )
        if not type_.namespaced:
            return
        name = metadata["namespace"]
        record = self._store.get("namespaces", Key("", name))
        if record is None:
            raise not_found("", "namespaces", name)
        if self._is_going("namespaces", record.key):
            error = forbidden(
                type_.group,
                type_.plural,
                metadata.get("name", ""),
                f"unable to create new content in namespace {name} because it is being terminated",
            )
            error.details["causes"] = [
                {
                    "reason": "NamespaceTerminating",
                    "message": f"namespace {name} is being terminated",
                    "field": "metadata.namespace",
                }
            ]
            raise error

    def _is_going(self, storage: str, key: Key) -> bool:
        record = self._store.get(storage, key)
        return record is not None and record.is_marked

    # Update

    def update(
        self,
        type_: ResourceType,
        key: Key,
        obj: dict[str, Any],
        options: WriteOptions,
        subresource: str = "",
    ) -> Written:
        """Replaces an object, or the part of it that a subresource is; `obj` is decoded and pruned.

        Raises:
            StatusError: it is refused.
        """
        metadata = obj["metadata"]
        self._settle_namespace(type_, key.namespace, metadata)
        _check_name(metadata, key)
        strategy = self._strategy(type_, subresource)
        obj = _defaulted(type_, strategy, obj)
        record = self._store.get(type_.storage, key)
        if record is None:
            if strategy.create_on_update and not subresource:
                return self.create(type_, key.namespace, obj, options)
            raise not_found(type_.group, type_.plural, key.name)
        _check_uid(type_, key, record, metadata)
        old = forms.view(type_, record)
        new_fields = self._updated_fields(type_, old, obj, options, subresource)
        return self._replace(type_, key, record, old, obj, new_fields, options, subresource)

    def patch(
        self, type_: ResourceType, key: Key, patch: Patch, options: WriteOptions, subresource: str = ""
    ) -> Written:
        """Changes an object by a function from the old to the new one, which is pruned by it.

        Raises:
            StatusError: it is refused.
        """
        record = self._store.get(type_.storage, key)
        if record is None:
            raise not_found(type_.group, type_.plural, key.name)
        old = forms.view(type_, record)
        obj = patch(copy.deepcopy(old))
        self._check_identity(type_, key, record, obj)
        obj = _defaulted(type_, self._strategy(type_, subresource), obj)
        new_fields = self._updated_fields(type_, old, obj, options, subresource)
        return self._replace(type_, key, record, old, obj, new_fields, options, subresource)

    @staticmethod
    def _check_identity(type_: ResourceType, key: Key, record: Record, obj: dict[str, Any]) -> None:
        metadata = obj.setdefault("metadata", {})
        _check_name(metadata, key)
        if type_.namespaced and metadata.get("namespace", key.namespace) != key.namespace:
            raise bad_request("the namespace of the provided object does not match the namespace sent on the request")
        _check_uid(type_, key, record, metadata)

    def apply(
        self,
        type_: ResourceType,
        key: Key,
        applied: dict[str, Any],
        prune: Callable[[dict[str, Any]], dict[str, Any]],
        options: WriteOptions,
        subresource: str = "",
    ) -> Written:
        """Server-side apply.

        Args:
            type_: of the object.
            key: where it is, or will be.
            applied: what the manager wants, as it was sent.
            prune: takes unknown fields out of the merged object.
            options: names the manager.
            subresource: the part that is applied to.

        Raises:
            StatusError: it is refused; 409 where other managers have fields.
        """
        record = self._store.get(type_.storage, key)
        if record is None and subresource:
            raise not_found(type_.group, type_.plural, key.name)
        old = forms.view(type_, record) if record else None
        strategy = self._strategy(type_, subresource)
        obj = managedfields.apply(
            old,
            applied,
            schema=type_.schema,
            manager=options.manager,
            api_version=type_.api_version,
            kind=type_.kind,
            time=self._clock(),
            force=options.force,
            empty=type_.empty,
            subresource=subresource,
            reset_fields=strategy.reset_fields,
            **_versions(type_),
        )
        obj = prune(obj)
        metadata = obj.setdefault("metadata", {})
        fields = metadata.get("managedFields", [])
        obj = _defaulted(type_, strategy, obj)
        metadata = obj["metadata"]
        if record is None or old is None:
            for name in _SYSTEM_FIELDS:
                metadata.pop(name, None)
            _check_name(metadata, key)
            self._settle_namespace(type_, key.namespace, metadata)
            return self._create(type_, obj, options, managed_by=lambda _: fields)
        self._check_identity(type_, key, record, obj)
        return self._replace(type_, key, record, old, obj, fields, options, subresource)

    def _replace(
        self,
        type_: ResourceType,
        key: Key,
        record: Record,
        old: dict[str, Any],
        obj: dict[str, Any],
        fields: list[dict[str, Any]],
        options: WriteOptions,
        subresource: str,
    ) -> Written:
        strategy = self._strategy(type_, subresource)
        self._check_version(type_, strategy, key, record, obj["metadata"])
        self._set_managed_fields(obj, fields)
        new, old = type_.to_storage(obj), type_.to_storage(old)
        _keep_system_fields(new["metadata"], old["metadata"])
        _keep_generation(new["metadata"], old["metadata"])
        new["metadata"]["resourceVersion"] = old["metadata"]["resourceVersion"]
        strategy.prepare_for_update(new, old)
        _keep_system_fields(new["metadata"], old["metadata"])
        self._refuse_invalid(type_, key.name, strategy.validate(new, old))
        strategy.canonicalize(new)
        for text in strategy.warnings(new, old):
            options.warn(text)
        if _is_to_be_removed(new["metadata"], old["metadata"]) and strategy.removable(new):
            return self._remove(type_, key, new, dry_run=options.dry_run)
        if _without_times(new) == _without_times(old):
            return Written(forms.raw_view(type_, record))
        return Written(self._put(type_, key, new, options))

    @staticmethod
    def _check_version(
        type_: ResourceType, strategy: Strategy, key: Key, record: Record, metadata: Mapping[str, Any]
    ) -> None:
        version = metadata.get("resourceVersion") or ""
        if version in ("", "0"):
            if not strategy.unconditional_update:
                cause = FieldError(
                    "FieldValueInvalid",
                    "metadata.resourceVersion",
                    "Invalid value: 0: must be specified for an update",
                )
                raise invalid(type_.group, type_.plural, key.name, [cause])
        elif version != str(record.revision):
            if not version.isdigit():
                raise bad_request(f'strconv.ParseUint: parsing "{version}": invalid syntax')
            raise conflict(type_.group, type_.plural, key.name)

    @staticmethod
    def _strategy(type_: ResourceType, subresource: str) -> Strategy:
        return type_.subresources[subresource] if subresource else type_.strategy

    def _updated_fields(
        self,
        type_: ResourceType,
        old: dict[str, Any] | None,
        new: dict[str, Any],
        options: WriteOptions,
        subresource: str = "",
    ) -> list[dict[str, Any]]:
        return managedfields.update_manager(
            old,
            new,
            schema=type_.schema,
            manager=options.manager,
            api_version=type_.api_version,
            time=self._clock(),
            subresource=subresource,
            reset_fields=self._strategy(type_, subresource).reset_fields,
            empty=type_.empty,
            **_versions(type_),
        )

    @staticmethod
    def _set_managed_fields(obj: dict[str, Any], fields: list[dict[str, Any]]) -> None:
        if fields:
            obj["metadata"]["managedFields"] = fields
        else:
            obj["metadata"].pop("managedFields", None)

    @staticmethod
    def _refuse_invalid(type_: ResourceType, name: str, errors: Iterable[FieldError]) -> None:
        if errors := list(errors):
            raise invalid(type_.group, type_.kind, name, errors)

    def _put(self, type_: ResourceType, key: Key, stored: dict[str, Any], options: WriteOptions) -> bytes:
        if options.dry_run:
            version = stored["metadata"].get("resourceVersion")
            raw = forms.encode(stored, type_, int(version) if version else None)
            return forms.reencoded(type_, raw)
        record = self._store.put(type_.storage, key, lambda revision: forms.encode(stored, type_, revision))
        return forms.raw_view(type_, record)

    # Delete

    def delete(self, type_: ResourceType, key: Key, options: DeleteOptions) -> Written:
        """Deletes an object, or marks it where finalizers have to act first.

        Raises:
            StatusError: 404, 409, or it may not be deleted.
        """
        record = self._store.get(type_.storage, key)
        if record is None:
            raise not_found(type_.group, type_.plural, key.name)
        obj = forms.decode(record.raw)
        self._check_preconditions(type_, key, record, options)
        if type_.storage == "namespaces" and key.name in _PROTECTED:
            raise forbidden("", "namespaces", key.name, "this namespace may not be deleted")
        old = copy.deepcopy(obj)
        metadata = obj["metadata"]
        if finalizers := _finalizers(metadata.get("finalizers", ()), options):
            metadata["finalizers"] = finalizers
        else:
            metadata.pop("finalizers", None)
        waits = type_.strategy.prepare_for_delete(obj) or bool(metadata.get("finalizers"))
        if not waits:
            return self._remove(type_, key, obj, dry_run=options.dry_run)
        if "deletionTimestamp" not in metadata:
            if metadata.get("generation", 0) > 0:
                metadata["generation"] += 1
            metadata["deletionTimestamp"] = self._clock()
        metadata["deletionGracePeriodSeconds"] = 0
        if obj == old:
            return Written(forms.raw_view(type_, record))
        return Written(self._put(type_, key, obj, WriteOptions("", dry_run=options.dry_run)))

    @staticmethod
    def _check_preconditions(type_: ResourceType, key: Key, record: Record, options: DeleteOptions) -> None:
        if options.uid and options.uid != record.uid:
            raise conflict(
                type_.group,
                type_.kind,
                key.name,
                f"the UID in the precondition ({options.uid}) does not match the UID in record ({record.uid}). The "
                "object might have been deleted and then recreated",
            )
        if options.version and options.version != str(record.revision):
            raise conflict(
                type_.group,
                type_.kind,
                key.name,
                f"the ResourceVersion in the precondition ({options.version}) does not match the ResourceVersion in "
                f"record ({record.revision}). The object might have been modified",
            )

    def _remove(self, type_: ResourceType, key: Key, stored: dict[str, Any], *, dry_run: bool) -> Written:
        if dry_run:
            version = stored["metadata"].get("resourceVersion")
            raw = forms.encode(stored, type_, int(version) if version else None)
            return Written(forms.reencoded(type_, raw), deleted=True)
        record = self._store.remove(type_.storage, key, lambda revision: forms.encode(stored, type_, revision))
        return Written(forms.raw_view(type_, record), deleted=True)


def _defaulted(type_: ResourceType, strategy: Strategy, obj: dict[str, Any]) -> dict[str, Any]:
    """The object, in the version of the type, with what its sender left out; `obj` may be changed."""
    if type_.custom or type_.api_version == type_.storage_version:
        strategy.default(obj)
        return obj
    stored = type_.to_storage(obj)
    strategy.default(stored)
    return {**type_.from_storage(stored), "apiVersion": type_.api_version, "kind": type_.kind}


def _versions(type_: ResourceType) -> dict[str, Any]:
    """The other versions of a kind, for managers that use them."""
    if len(type_.versions) < 2:
        return {}
    others = {name: each.schema for name, each in type_.versions.items() if name != type_.api_version}
    return {"others": others, "convert": type_.convert}


def _keep_generation(metadata: dict[str, Any], old: Mapping[str, Any]) -> None:
    """Strategies count generations from that of the stored object."""
    if "generation" in old:
        metadata["generation"] = old["generation"]
    else:
        metadata.pop("generation", None)


def _keep_system_fields(metadata: dict[str, Any], old: Mapping[str, Any]) -> None:
    """An update changes nothing of what the system says about an object."""
    if not metadata.get("uid"):
        metadata["uid"] = old["uid"]
    metadata["creationTimestamp"] = old["creationTimestamp"]
    metadata.pop("selfLink", None)
    for name in ("deletionTimestamp", "deletionGracePeriodSeconds"):
        if name in old:
            metadata[name] = old[name]


def _check_name(metadata: Mapping[str, Any], key: Key) -> None:
    name = metadata.get("name") or ""
    if not name:
        raise bad_request(f"the name of the object ({key.name} based on URL) was undeterminable: name must be provided")
    if name != key.name:
        raise bad_request(f"the name of the object ({name}) does not match the name on the URL ({key.name})")


def _check_uid(type_: ResourceType, key: Key, record: Record, metadata: Mapping[str, Any]) -> None:
    wanted = metadata.get("uid")
    if wanted and wanted != record.uid:
        path = f"/registry/{type_.registry_prefix}/" + (f"{key.namespace}/{key.name}" if key.namespace else key.name)
        raise conflict(
            type_.group,
            type_.plural,
            key.name,
            f"StorageError: invalid object, Code: 4, Key: {path}, ResourceVersion: 0, AdditionalErrorMsg: Precondition "
            f"failed: UID in precondition: {wanted}, UID in object meta: {record.uid}",
        )


def _is_to_be_removed(metadata: Mapping[str, Any], old: Mapping[str, Any]) -> bool:
    return not metadata.get("finalizers") and "deletionTimestamp" in old


def _without_times(obj: Mapping[str, Any]) -> dict[str, Any]:
    """The object as far as a change of it is worth a write: when managers wrote is not."""
    metadata = dict(obj["metadata"])
    if fields := metadata.get("managedFields"):
        metadata["managedFields"] = [{**entry, "time": ""} for entry in fields]
    return {**obj, "metadata": metadata}


def _finalizers(present: Iterable[str], options: DeleteOptions) -> list[str]:
    """The finalizers with those of the garbage collector as the options, else the object itself, demand."""
    present = list(present)
    kept = [finalizer for finalizer in present if finalizer not in (ORPHAN, FOREGROUND)]
    if options.orphan is not None:
        return [*kept, ORPHAN] if options.orphan else kept
    match options.propagation:
        case "Orphan":
            return [*kept, ORPHAN]
        case "Foreground":
            return [*kept, FOREGROUND]
        case "Background":
            return kept
    return present
