"""A registry of finalizers: each is put on living objects, run when they are deleted, and removed when it succeeded.

    finalizers = Finalizers[Widget]()
    finalizers.register("example.com/disks", delete_disks)

    async def reconcile(request: Request) -> None:
        widget = await client.get(Widget, request)
        finalized = await finalizers.finalize(widget)
        if finalized.updated:
            await client.update(finalized.obj)

What `pkg/finalizer` is in controller-runtime. There each finalizer says itself what it changed; here objects are
frozen, and it is seen by comparing.
"""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any, Generic, Self, TypeAlias, TypeVar

from controller_runtime.apimachinery import Object
from controller_runtime.controller.controllerutil import add_finalizer, contains_finalizer, remove_finalizer

T = TypeVar("T", bound=Object)

Finalizer: TypeAlias = Callable[[T], Awaitable[T]]
"""Cleans up what belongs to an object that is being deleted, and returns the object, changed or as it was.

It may be called again for the same object, and must be content with what is gone already. It leaves its own key alone.
"""

_KEY = re.compile(
    r"(?=.{1,253}/)[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*"
    r"/[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?"
)
"""A domain and a name, as the API server wants them: a DNS subdomain of at most 253 characters, and at most 63."""


@dataclass(frozen=True, slots=True)
class Finalized(Generic[T]):
    """What became of an object."""

    obj: T
    """The object to be written; the very one that was passed in if nothing changed."""
    updated: bool
    """It must be written with `client.update` or `client.patch`: something beside the status changed."""
    status_updated: bool
    """Its status must be written. Do that first, as the update that removes the last finalizer ends the object, and
    update with the resourceVersion of the answer."""


class FinalizerError(Exception):
    """A finalizer may raise this where it has failed and yet wants the object changed, for example by a condition.

    Any other exception leaves the object as it was before that finalizer.

    Attributes:
        obj: The object as it should be written nevertheless.
    """

    def __init__(self, message: str, obj: Object) -> None:
        super().__init__(message)
        self.obj = obj


class FinalizersFailedError(ExceptionGroup[Exception]):
    """Some finalizers failed; their keys stay on the object, and the others have done their work.

    Attributes:
        finalized: What has to be written nevertheless.
    """

    def __new__(cls, message: str, errors: Sequence[Exception], finalized: Finalized[Any]) -> Self:  # noqa: ARG004
        """A group's errors are settled when it is made, not when it is initialized."""
        return super().__new__(cls, message, errors)

    def __init__(self, message: str, errors: Sequence[Exception], finalized: Finalized[Any]) -> None:
        super().__init__(message, errors)
        self.finalized = finalized


class Finalizers(Generic[T]):
    """Finalizers of one kind, in the order in which they were registered."""

    def __init__(self) -> None:
        self._finalizers: dict[str, Finalizer[T]] = {}

    def register(self, key: str, finalizer: Finalizer[T]) -> None:
        """Adds a finalizer.

        Args:
            key: What stands in `metadata.finalizers`: a domain of yours and a name, `example.com/disks`.
            finalizer: Called for objects that are being deleted and have the key.

        Raises:
            ValueError: the key is taken, or is not a domain and a name.
        """
        if not _KEY.fullmatch(key):
            raise ValueError(f"finalizer key {key!r} is not a domain and a name like example.com/disks")
        if key in self._finalizers:
            raise ValueError(f"finalizer key {key!r} is registered already")
        self._finalizers[key] = finalizer

    async def finalize(self, obj: T) -> Finalized[T]:
        """Puts all keys on an object that lives; runs the finalizers of one that is being deleted.

        The key of each that succeeds is removed. Nothing is written: that is for the caller. Each finalizer is given
        the object as those before it left it.

        Raises:
            FinalizersFailedError: one or more finalizers failed; all others have run.
        """
        if obj.metadata.deletion_timestamp is None:
            return _compare(obj, self._with_all_keys(obj))
        final, errors = obj, []
        for key, finalizer in self._finalizers.items():
            if not contains_finalizer(final, key):
                continue
            try:
                final = remove_finalizer(await finalizer(final), key)
            except Exception as error:  # noqa: BLE001 - raised below, together with those of the others
                error.add_note(f"raised by the finalizer {key} of {obj.resource.kind} {obj.key}")
                errors.append(error)
                final = _wanted_nevertheless(error, final)
        finalized = _compare(obj, final)
        if errors:
            raise FinalizersFailedError(f"cannot finalize {obj.resource.kind} {obj.key}", errors, finalized)
        return finalized

    def _with_all_keys(self, obj: T) -> T:
        for key in self._finalizers:
            obj = add_finalizer(obj, key)
        return obj


def _wanted_nevertheless(error: Exception, before: T) -> T:
    if isinstance(error, FinalizerError) and isinstance(error.obj, type(before)):
        return error.obj
    return before


def _compare(before: T, after: T) -> Finalized[T]:
    changed = {name for name in before.__struct_fields__ if getattr(before, name) != getattr(after, name)}
    return Finalized(after if changed else before, bool(changed - {"status"}), "status" in changed)
