"""Finds whoever changes cached objects in place.

Objects are frozen, but their maps (labels, annotations, the data of a Secret) are plain dicts. Encoding every object
again is far too slow for production; tests switch it on with `Cache(detect_mutations=True)` and end with
`Cache.check_mutations()`.
"""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from controller_runtime.apimachinery import Object, encode
from controller_runtime.cache.errors import ObjectsMutatedError


class _Remembered(msgspec.Struct):
    obj: Object
    document: bytes

    @property
    def changed(self) -> bool:
        return encode(self.obj) != self.document


class MutationDetector:
    """Remembers what objects looked like when they were cached."""

    def __init__(self) -> None:
        self._remembered: dict[int, _Remembered] = {}
        self._mutated: dict[str, None] = {}

    def replace(self, old: Iterable[Object], new: Iterable[Object]) -> None:
        """Notes that objects left the store, after a last look at them, and that others came."""
        leaving = {id(obj) for obj in old}
        for obj in new:
            leaving.discard(id(obj))
            if id(obj) not in self._remembered:
                self._remembered[id(obj)] = _Remembered(obj, encode(obj))
        for identity in leaving:
            self._look_at(self._remembered.pop(identity))

    def _look_at(self, remembered: _Remembered) -> None:
        if remembered.changed:
            self._mutated[f"{type(remembered.obj).resource.kind} {remembered.obj.key}"] = None

    def check(self) -> None:
        """Looks at every object that is cached now.

        Raises:
            ObjectsMutatedError: one of them, or one that has left since, was changed; it names them all.
        """
        for remembered in self._remembered.values():
            self._look_at(remembered)
        if self._mutated:
            raise ObjectsMutatedError(list(self._mutated))
