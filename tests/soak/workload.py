"""What others write, at a bounded rate and straight to the API server."""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Final

from msgspec.structs import replace

from controller_runtime.apimachinery import NamespacedName, ObjectMeta
from controller_runtime.client import AlreadyExistsError, Client, ConflictError, NotFoundError, retry_on_conflict
from tests.soak.kinds import GOLD, GUARD, NAMESPACES, PROBE, SWEPT, Child, Widget, WidgetSpec

IN_FLIGHT: Final = 16
_COLOURS: Final = ("red", "green", "blue", "white")
_GUARDED: Final = 0.15
"""The part of Widgets that have a finalizer."""
_SWEPT_EVERY: Final = 50
"""One of so many Widgets is in the namespace that is swept."""
_LABEL, _, _VALUE = GOLD.partition("=")


@dataclass(frozen=True)
class Plan:
    """How much is to be done.

    Attributes:
        objects: Widgets that there are most of the time.
        operations: how many in all, the creation of these among them.
        seconds: how long that takes.
    """

    objects: int
    operations: int
    seconds: float

    @property
    def rate(self) -> float:
        """Operations per second."""
        return self.operations / self.seconds


class Workload:
    """Creates, changes and deletes Widgets, and meddles with what the operator made of them.

    Args:
        client: leads past the faults.
        plan: how much.
        chance: decides what is done to which Widget.

    Attributes:
        done: operations that the server was asked for, by sort.
        missed: those among them that came to nothing because somebody was faster, by sort.
    """

    def __init__(self, client: Client, plan: Plan, chance: random.Random) -> None:
        self.done: Counter[str] = Counter()
        self.missed: Counter[str] = Counter()
        self._client = client
        self._plan = plan
        self._chance = chance
        self._absent: list[NamespacedName] = [_key(number) for number in range(plan.objects * 11 // 10)]
        self._present: list[NamespacedName] = []
        chance.shuffle(self._absent)
        self._begun = 0
        self._acts: dict[str, tuple[float, Callable[[], Awaitable[None]]]] = {
            "change spec": (30, self._change_spec),
            "change labels": (16, self._change_labels),
            "annotate": (12, self._annotate),
            "replace": (6, self._replace),
            "create": (8, self._create),
            "delete": (8, self._delete),
            "recreate": (4, self._recreate),
            "delete child": (4, self._delete_child),
            "spoil child": (4, self._spoil_child),
            "spoil status": (4, self._spoil_status),
            "sweep": (0.06, self._sweep),
        }

    async def run(self, limit: float) -> None:
        """Does all that is planned, or stops after `limit` seconds."""
        start = asyncio.get_running_loop().time()
        async with asyncio.TaskGroup() as workers:
            for number in range(IN_FLIGHT):
                workers.create_task(self._work(start, start + limit), name=f"workload/{number}")

    async def _work(self, start: float, end: float) -> None:
        loop = asyncio.get_running_loop()
        while self._begun < self._plan.operations and loop.time() < end:
            due = start + self._begun / self._plan.rate
            self._begun += 1
            if due > loop.time():
                await asyncio.sleep(due - loop.time())
            await self._act()

    async def _act(self) -> None:
        if self._begun <= self._plan.objects and self._absent:
            sort = "create"
        else:
            sorts = list(self._acts)
            (sort,) = self._chance.choices(sorts, [self._acts[sort][0] for sort in sorts])
        self.done[sort] += 1
        try:
            await self._acts[sort][1]()
        except (AlreadyExistsError, NotFoundError, ConflictError):
            self.missed[sort] += 1

    # Which Widget

    def _any(self) -> NamespacedName:
        return self._chance.choice(self._present or self._absent)

    def _take(self, keys: list[NamespacedName]) -> NamespacedName:
        number = self._chance.randrange(len(keys))
        keys[number], keys[-1] = keys[-1], keys[number]
        return keys.pop()

    def _spec(self) -> WidgetSpec:
        chance = self._chance
        return WidgetSpec(size=chance.randrange(1000), colour=chance.choice(_COLOURS), child=chance.random() < 0.5)

    def _widget(self, key: NamespacedName) -> Widget:
        metadata = ObjectMeta(
            namespace=key.namespace,
            name=key.name,
            labels={_LABEL: _VALUE} if self._chance.random() < 0.3 else {},
            annotations={PROBE: "x" * self._chance.randrange(200)},
            finalizers=(GUARD,) if self._chance.random() < _GUARDED else (),
        )
        return Widget(metadata=metadata, spec=self._spec())

    # What is done to it

    async def _create(self) -> None:
        if not self._absent:
            await self._change_spec()
            return
        key = self._take(self._absent)
        self._present.append(key)
        await self._client.create(self._widget(key))

    async def _change_spec(self) -> None:
        key, spec = self._any(), self._spec()
        await self._client.patch(Widget, key, {"spec": {"size": spec.size, "colour": spec.colour, "child": spec.child}})

    async def _change_labels(self) -> None:
        value = _VALUE if self._chance.random() < 0.4 else self._chance.choice((None, "silver"))
        await self._client.patch(Widget, self._any(), {"metadata": {"labels": {_LABEL: value}}})

    async def _annotate(self) -> None:
        text = "x" * self._chance.randrange(200)
        await self._client.patch(Widget, self._any(), {"metadata": {"annotations": {PROBE: text}}})

    async def _replace(self) -> None:
        key, spec = self._any(), self._spec()

        async def read_and_write() -> None:
            await self._client.update(replace(await self._client.get(Widget, key), spec=spec))

        await retry_on_conflict(read_and_write)

    async def _delete(self) -> None:
        if not self._present:
            return
        key = self._take(self._present)
        self._absent.append(key)
        await self._client.delete(Widget, key)

    async def _recreate(self) -> None:
        key = self._any()
        widget = self._widget(key)
        await self._client.delete(Widget, key)
        self.done["create"] += 1
        await self._client.create(widget)

    async def _delete_child(self) -> None:
        await self._client.delete(Child, self._any())

    async def _spoil_child(self) -> None:
        await self._client.patch(Child, self._any(), {"data": {"seen": "spoilt"}})

    async def _spoil_status(self) -> None:
        await self._client.status.patch(Widget, self._any(), {"status": {"seen": "spoilt"}})

    async def _sweep(self) -> None:
        swept = [key for key in self._present if key.namespace == SWEPT]
        self._present = [key for key in self._present if key.namespace != SWEPT]
        self._absent += swept
        await self._client.delete_all_of(Widget, namespace=SWEPT, everything=True)


def _key(number: int) -> NamespacedName:
    namespace = SWEPT if number % _SWEPT_EVERY == 0 else NAMESPACES[number % len(NAMESPACES)]
    return NamespacedName(namespace, f"w-{number:05d}")
