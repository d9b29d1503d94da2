"""Handlers that watch an informer, and the running of one for the length of a test."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

from controller_runtime.apimachinery import NamespacedName, Object
from tests.unit.cache.kinds import Gadget


class Recorder:
    """Writes down what it is told: `+a initial`, `~a`, `=a` (nothing changed), `-a`, `-a unknown`."""

    def __init__(self) -> None:
        self.calls: list[str] = []
        self.objects: list[Object] = []

    def on_add(self, obj: Object, is_initial: bool) -> None:
        self._note(f"+{obj.metadata.name}{' initial' if is_initial else ''}", obj)

    def on_update(self, old: Object, new: Object) -> None:
        same = old.metadata.resource_version == new.metadata.resource_version
        self._note(f"{'=' if same else '~'}{new.metadata.name}", new)

    def on_delete(self, obj: Object, final_state_unknown: bool) -> None:
        self._note(f"-{obj.metadata.name}{' unknown' if final_state_unknown else ''}", obj)

    def _note(self, call: str, obj: Object) -> None:
        self.calls.append(call)
        self.objects.append(obj)

    def take(self) -> list[str]:
        """What was written down since the last time."""
        calls, self.calls = self.calls, []
        return calls


class ConsistencyProof:
    """Proves that each key is added, then updated, then deleted, and ends with the objects that remain.

    What contradicts that is written down, since an informer survives its handlers' exceptions.

    Attributes:
        present: the objects that exist, as far as this handler knows.
        violations: what it was told that cannot be.
    """

    def __init__(self) -> None:
        self.present: dict[NamespacedName, Gadget] = {}
        self.violations: list[str] = []

    def on_add(self, obj: Gadget, is_initial: bool) -> None:
        self._prove(obj.key not in self.present, f"{obj.key} was added twice")
        self.present[obj.key] = obj

    def on_update(self, old: Gadget, new: Gadget) -> None:
        self._prove(self.present.get(old.key) is old, f"{old.key} was updated from a state that was never told")
        forward = int(old.metadata.resource_version) <= int(new.metadata.resource_version)
        self._prove(forward, f"{old.key} went back in time")
        self._prove(old.metadata.uid == new.metadata.uid, f"{old.key} became another object by an update")
        self.present[new.key] = new

    def on_delete(self, obj: Gadget, final_state_unknown: bool) -> None:
        last = self.present.pop(obj.key, None)
        self._prove(last is not None, f"{obj.key} was deleted without being there")
        self._prove(last is obj or not final_state_unknown, f"{obj.key}: the unknown final state is not the last told")

    def _prove(self, holds: bool, otherwise: str) -> None:
        if not holds:
            self.violations.append(otherwise)


@asynccontextmanager
async def running(start: Callable[[], Any]) -> AsyncIterator[None]:
    """Runs something until the end of the block, and passes on what it failed with."""
    task = asyncio.ensure_future(start())
    try:
        yield
    finally:
        task.cancel()
        try:
            await task
        except asyncio.CancelledError:
            pass


async def settle() -> None:
    """Lets everything run to where it waits; virtual time moves only when nothing is ready any more."""
    await asyncio.sleep(0.001)
