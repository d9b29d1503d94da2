"""What one handler was told, checked as it comes: it has to add up to what the store holds."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from controller_runtime.apimachinery import NamespacedName, Object


class Identity(NamedTuple):
    """One state of one object."""

    uid: str
    resource_version: str


def identity(obj: Object) -> Identity:
    """The state that an object is in."""
    return Identity(obj.metadata.uid, obj.metadata.resource_version)


class Problems:
    """What went wrong, each thing in words; the first are kept, all are counted."""

    _KEPT = 40

    def __init__(self) -> None:
        self.count = 0
        self.texts: list[str] = []

    def add(self, text: str) -> None:
        """One more."""
        self.count += 1
        if len(self.texts) < self._KEPT:
            self.texts.append(text)


class Shadow:
    """A handler that keeps what it was told.

    Args:
        name: of the informer, for messages.
        problems: is told what an informer may not do: add twice, change or delete what is not there, go back.
        heard: called with each object that something happened to, and with what that was.
    """

    def __init__(self, name: str, problems: Problems, heard: Callable[[Object, str], None]) -> None:
        self.objects: dict[NamespacedName, Identity] = {}
        self._name = name
        self._problems = problems
        self._heard = heard

    def on_add(self, obj: Object, is_initial: bool) -> None:
        """It must be new."""
        if obj.key in self.objects:
            self._problems.add(f"{self._name}: {obj.key} was added twice: {self.objects[obj.key]}, {identity(obj)}")
        self.objects[obj.key] = identity(obj)
        self._heard(obj, "initial" if is_initial else "added")

    def on_update(self, old: Object, new: Object) -> None:
        """It must be known in its old state, be the same object, and not go back."""
        known = self.objects.get(new.key)
        if known != identity(old):
            self._problems.add(f"{self._name}: {new.key} changed from {identity(old)}, but it was {known}")
        if old.metadata.uid != new.metadata.uid:
            self._problems.add(f"{self._name}: {new.key} became another object by an update")
        if int(new.metadata.resource_version) < int(old.metadata.resource_version):
            self._problems.add(f"{self._name}: {new.key} went back from {identity(old)} to {identity(new)}")
        self.objects[new.key] = identity(new)
        self._heard(new, "listed" if identity(old) == identity(new) else "changed")

    def on_delete(self, obj: Object, final_state_unknown: bool) -> None:
        """It must be there."""
        known = self.objects.pop(obj.key, None)
        if known is None or known.uid != obj.metadata.uid:
            self._problems.add(f"{self._name}: {obj.key} {identity(obj)} was deleted, but it was {known}")
        self._heard(obj, "missed" if final_state_unknown else "deleted")
