"""What a reflector fills."""

from __future__ import annotations

from typing import Protocol, TypeVar

from controller_runtime.apimachinery import NamespacedName, Object
from controller_runtime.cache.store import Staging

T = TypeVar("T", bound=Object)


class ReflectorTarget(Protocol[T]):
    """What a reflector keeps in step; the informer is behind it."""

    def stage(self) -> Staging[T]:
        """Begins to take a list."""

    async def replace(self, staged: Staging[T], version: str) -> None:
        """Takes a complete list of that resource version in place of everything known."""

    def put(self, obj: T) -> None:
        """An object was added or changed."""

    def delete(self, key: NamespacedName, final: T | None) -> None:
        """An object is gone; `final` is its last state, or None if that could not be decoded."""

    def moved(self, version: str, key: NamespacedName | None) -> None:
        """All up to that resource version has been told, last of the object with that key."""

    async def clear(self) -> None:
        """The optional kind is not served: nothing of it exists."""

    def contact(self) -> None:
        """The API server gave proof that it is there and that the copy is current."""

    def failed(self, verb: str, error: Exception) -> None:
        """Listing or watching failed and will be tried again."""

    def recovered(self, verb: str) -> None:
        """Listing or watching works."""
