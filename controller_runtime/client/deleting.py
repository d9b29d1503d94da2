"""The options of a deletion, and what its answer says about it for whoever waits until the cache has seen it."""

from __future__ import annotations

from typing import Any, Literal, TypeVar

import msgspec

from controller_runtime.apimachinery import DecodeError, NamespacedName, Object, ObjectMeta, decode, encode
from controller_runtime.apimachinery.meta import APIStruct
from controller_runtime.client.errors import InvalidResponseError, Operation, Status
from controller_runtime.client.own_writes import OwnWrite, current_record

T = TypeVar("T", bound=APIStruct)

PropagationPolicy = Literal["Background", "Foreground", "Orphan"]
"""What becomes of dependants when their owner is deleted."""


def delete_options(
    propagation_policy: PropagationPolicy | None,
    uid: str,
    resource_version: str,
    grace_period_seconds: int | None,
    dry_run: bool,
) -> bytes | None:
    """The body of a DELETE request; None if there is nothing to say."""
    conditions = {"uid": uid, "resourceVersion": resource_version}
    options: dict[str, Any] = {
        "propagationPolicy": propagation_policy,
        "preconditions": {name: value for name, value in conditions.items() if value} or None,
        "gracePeriodSeconds": grace_period_seconds,
        "dryRun": ["All"] if dry_run else None,
    }
    given = {name: value for name, value in options.items() if value is not None}
    return encode(given) if given else None


class _Object(APIStruct, frozen=True, kw_only=True, gc=False):
    api_version: str = ""
    kind: str = ""
    metadata: ObjectMeta = msgspec.field(default_factory=ObjectMeta)


class _List(APIStruct, frozen=True, kw_only=True, gc=False):
    items: tuple[_Object, ...] = ()


def note_deletion(kind: type[Object], operation: Operation, body: bytes) -> None:
    """Record an own deletion of one object, if anybody records.

    The answer is the object where it waits for its end, and for some kinds always; otherwise a Status, which names it.
    """
    if (record := current_record()) is not None:
        answer = _read(_Object, operation, body)
        uid, version = answer.metadata.uid, answer.metadata.resource_version
        if (answer.api_version, answer.kind) == ("v1", "Status"):
            uid = _read(Status, operation, body).details.uid
        record.add(OwnWrite(kind, operation.key, version, uid, deleted=True))


def note_deletions(kind: type[Object], operation: Operation, body: bytes) -> None:
    """Record the own deletions of a collection's objects, if anybody records.

    Without versions: the server answers with the objects as they were before.
    """
    if (record := current_record()) is not None:
        for metadata in (item.metadata for item in _read(_List, operation, body).items):
            key = NamespacedName(metadata.namespace, metadata.name)
            record.add(OwnWrite(kind, key, "", metadata.uid, deleted=True))


def _read(kind: type[T], operation: Operation, body: bytes) -> T:
    try:
        return decode(kind, body)
    except DecodeError as error:
        raise InvalidResponseError(f"cannot {operation}: the server says that it did, but {error}") from error
