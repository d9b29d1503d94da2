"""What is measured while it runs, and how it is shown."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import os
import re
import resource
import sys
import threading
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

_PAGE = resource.getpagesize()
_EACH = 1.0
_POOL = ("asyncio_", "uvloop_")
"""Threads of `asyncio.to_thread`, which stay with the loop."""


def resident_megabytes() -> float:
    """The memory of this process that is resident."""
    return int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1]) * _PAGE / 1e6


@dataclass
class Memory:
    """Resident megabytes, once a second."""

    samples: list[tuple[float, float]] = field(default_factory=list)

    async def follow(self) -> None:
        """Measures until cancelled."""
        loop = asyncio.get_running_loop()
        while True:
            self.samples.append((loop.time(), resident_megabytes()))
            await asyncio.sleep(_EACH)

    def growth(self) -> float:
        """Megabytes by which it grew over the last half, by the line that fits best."""
        last = self.samples[len(self.samples) // 2 :]
        return slope(last) * (last[-1][0] - last[0][0])

    def at(self, part: float) -> float:
        """The megabytes when that part of the time was over."""
        return self.samples[min(int(part * len(self.samples)), len(self.samples) - 1)][1]


def slope(points: Sequence[tuple[float, float]]) -> float:
    """Of the line that fits the points best (least squares); 0 of a single point."""
    x0 = sum(x for x, _ in points) / len(points)
    y0 = sum(y for _, y in points) / len(points)
    spread = sum((x - x0) ** 2 for x, _ in points)
    return sum((x - x0) * (y - y0) for x, y in points) / spread if spread else 0.0


@dataclass(frozen=True)
class Holdings:
    """What a process holds that it has to give back: blocks of Python's memory, and what has a name."""

    blocks: int
    descriptors: Mapping[str, int]
    threads: tuple[str, ...]
    tasks: Mapping[str, int]

    @classmethod
    def now(cls) -> Holdings:
        """Those of this process, after a collection of garbage."""
        gc.collect()
        names = sorted(thread.name for thread in threading.enumerate())
        return cls(
            sys.getallocatedblocks(),
            _descriptors(),
            tuple(name for name in names if not name.startswith(_POOL)),
            tasks_by_name(),
        )

    def differences(self, before: Holdings) -> list[str]:
        """What is not as it was, but for memory, of which some always stays."""
        pairs = {
            "file descriptors": (before.descriptors, self.descriptors),
            "threads": (before.threads, self.threads),
            "tasks": (before.tasks, self.tasks),
        }
        return [f"{what}: {was} before, {now} after" for what, (was, now) in pairs.items() if was != now]


def _descriptors() -> Counter[str]:
    """Open descriptors by what they lead to, without the numbers."""
    found: Counter[str] = Counter()
    for descriptor in Path("/proc/self/fd").iterdir():
        with contextlib.suppress(FileNotFoundError):  # the one that reads this directory
            found[re.sub(r"[0-9]+", "N", os.readlink(descriptor))] += 1  # noqa: PTH115 - a name, and no path
    return found


def tasks_by_name() -> Counter[str]:
    """The tasks of the running loop, by the beginning of their names, or by what they run if they have none."""
    return Counter(_name(task) for task in asyncio.all_tasks())


def _name(task: asyncio.Task[object]) -> str:
    name = task.get_name()
    if not name.startswith("Task-"):
        return name.partition("/")[0]
    return getattr(task.get_coro(), "__qualname__", "unknown")


def table(rows: Mapping[str, object]) -> str:
    """One line each."""
    width = max(map(len, rows)) + 2
    return "\n".join(f"  {label:<{width}}{value}" for label, value in rows.items())
