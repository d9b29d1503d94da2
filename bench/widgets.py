"""The Widgets of `bench.library`: made, followed from outside, and checked."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Iterable
from types import TracebackType
from typing import Self

from bench.contenders.widget import Widget, WidgetSpec
from controller_runtime.apimachinery import ObjectMeta, decode
from controller_runtime.client import ApiRequest, Client

IN_FLIGHT = 16
_ENVIRONMENT = {"LOG_LEVEL": "info", "REGION": "north", "CACHE_SIZE": "128Mi", "FEATURES": "alpha,beta"}
_ARGUMENTS = ("--listen=:8080", "--metrics=:9090", "--workers=4", "--verbose")


def widget(number: int) -> Widget:
    """The Widget of that number, which is never 0: a status that nobody wrote is wrong."""
    labels = {"app.kubernetes.io/name": "widget", "app.kubernetes.io/instance": f"widget-{number}"}
    return Widget(
        metadata=ObjectMeta(
            namespace="default",
            name=f"widget-{number:06d}",
            labels=labels,
            annotations={"bench.ironcore.dev/description": f"This is the widget with the number {number}."},
        ),
        spec=WidgetSpec(
            number=number,
            image=f"registry.example.com/widgets/server:1.{number % 10}",
            arguments=_ARGUMENTS,
            environment={**_ENVIRONMENT, "NUMBER": str(number)},
        ),
    )


async def create_widgets(client: Client, numbers: Iterable[int]) -> None:
    """Creates the Widgets of these numbers, 16 requests in flight."""
    rest = iter(numbers)

    async def worker() -> None:
        for number in rest:
            await client.create(widget(number))

    await asyncio.gather(*(worker() for _ in range(IN_FLIGHT)))


async def delete_widgets(client: Client) -> None:
    """Deletes all Widgets."""
    path = Widget.resource.path("default")
    response = await client.transport.send(ApiRequest(method="DELETE", path=path))
    if response.status != 200:
        raise RuntimeError(f"DELETE {path}: {response.status} {response.body[:500]!r}")


class Observer:
    """Follows the Widgets from outside, the same for every contender; an async context manager.

    Attributes:
        modified: how often each Widget was changed since the observer began, by name.
        last_versions: resource version of the last event of each Widget.
    """

    def __init__(self, client: Client) -> None:
        self._client = client
        self._task: asyncio.Task[None] | None = None
        self._right: dict[str, float] = {}
        self._news = asyncio.Event()
        self.modified: Counter[str] = Counter()
        self.last_versions: dict[str, str] = {}

    async def __aenter__(self) -> Self:
        version = (await self._client.list(Widget, limit=1)).resource_version
        self._task = asyncio.create_task(self._follow(version))
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        assert self._task is not None
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)

    async def _follow(self, version: str) -> None:
        async with self._client.watch(Widget, resource_version=version, timeout_seconds=3600) as events:
            async for event in events:
                if event.type == "ERROR":
                    raise event.error()
                if event.type in ("ADDED", "MODIFIED"):
                    self._take(event.type, decode(Widget, event.raw))

    def _take(self, event: str, seen: Widget) -> None:
        name = seen.metadata.name
        self.last_versions[name] = seen.metadata.resource_version
        if event == "MODIFIED":
            self.modified[name] += 1
            if is_right(seen):
                self._right.setdefault(name, time.monotonic())
        self._news.set()

    async def wait_right(self, count: int, timeout: float) -> list[float]:
        """Waits until that many Widgets were seen to be right; when each one was, in order, by `time.monotonic`.

        Raises:
            TimeoutError: it took longer than `timeout` seconds.
            ApiError: the observer's watch failed.
        """
        async with asyncio.timeout(timeout):
            while len(self._right) < count:
                await self._next()
        return sorted(self._right.values())

    async def wait_current(self, listed: Iterable[Widget]) -> None:
        """Waits until the last change to each of these Widgets was seen."""
        versions = {one.metadata.name: one.metadata.resource_version for one in listed}
        while any(self.last_versions.get(name) != version for name, version in versions.items()):
            await self._next()

    async def _next(self) -> None:
        assert self._task is not None
        if self._task.done():
            self._task.result()
            raise RuntimeError("the observer's watch has ended")
        self._news.clear()
        await self._news.wait()


def is_right(seen: Widget) -> bool:
    """Whether a contender has written what it should."""
    return seen.status.doubled == 2 * seen.spec.number


def faults(widgets: Iterable[Widget], modified: Counter[str], expected: int) -> list[str]:
    """What is wrong with the Widgets as they are listed at the end: each must be right, and was changed once."""
    widgets = list(widgets)
    found = [] if len(widgets) == expected else [f"{len(widgets)} Widgets are there, not {expected}"]
    for one in widgets:
        name, writes, changes = one.metadata.name, one.status.writes, modified[one.metadata.name]
        if not is_right(one):
            found.append(f"{name}: the status says {one.status.doubled}, not {2 * one.spec.number}")
        if (writes, changes) != (1, 1):
            found.append(f"{name}: its status counts {writes} writes, and it was changed {changes} times")
    return found[:5]
