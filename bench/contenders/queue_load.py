"""Keys through our work queue, in the ways in which go/queue.go sends them through Go's."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence

from bench.contenders.protocol import report
from controller_runtime import NamespacedName
from controller_runtime.workqueue import PriorityQueue, ShutDownError

DUPLICATES = 10
ADDS_PER_TURN = 100
"""Keys added before the loop gets a turn, as the reflector gives it one while it reads events."""

Queue = PriorityQueue[NamespacedName]
Fill = Callable[[Queue, Sequence[NamespacedName]], Awaitable[int]]


async def measure_queue(count: int, workers: int) -> None:
    """Reports each way of adding `count` keys."""
    keys = [NamespacedName("default", f"widget-{number:06d}") for number in range(count)]
    await _measure("unique", keys, workers, add_once)
    await _measure("duplicated", keys, workers, add_again_and_again)
    await _measure("rate-limited", keys, workers, add_rate_limited)


async def add_once(queue: Queue, keys: Sequence[NamespacedName]) -> int:
    """Adds each key once; returns how many adds that took."""
    for start in range(0, len(keys), ADDS_PER_TURN):
        for key in keys[start : start + ADDS_PER_TURN]:
            queue.add(key)
        await asyncio.sleep(0)
    return len(keys)


async def add_again_and_again(queue: Queue, keys: Sequence[NamespacedName]) -> int:
    """Adds each key several times in a row."""
    for start in range(0, len(keys), ADDS_PER_TURN):
        for key in keys[start : start + ADDS_PER_TURN]:
            for _ in range(DUPLICATES):
                queue.add(key)
        await asyncio.sleep(0)
    return len(keys) * DUPLICATES


async def add_rate_limited(queue: Queue, keys: Sequence[NamespacedName]) -> int:
    """Adds each key as one that has failed once: ready 5 ms later."""
    for start in range(0, len(keys), ADDS_PER_TURN):
        for key in keys[start : start + ADDS_PER_TURN]:
            queue.add(key, rate_limited=True)
        await asyncio.sleep(0)
    return len(keys)


async def _measure(name: str, keys: Sequence[NamespacedName], workers: int, fill: Fill) -> None:
    """Reports operations, and the seconds until each key was handed out and nothing is left."""
    queue = Queue(name)
    taken: Counter[NamespacedName] = Counter()
    all_seen = asyncio.Event()

    async def work() -> None:
        while True:
            try:
                key, _ = await queue.get()
            except ShutDownError:
                return
            queue.forget(key)
            queue.done(key)
            taken[key] += 1
            if len(taken) == len(keys) and not len(queue):
                all_seen.set()

    begin = time.perf_counter()
    async with asyncio.TaskGroup() as tasks:
        for _ in range(workers):
            tasks.create_task(work())
        adds = await fill(queue, keys)
        await all_seen.wait()
        seconds = time.perf_counter() - begin
        queue.shut_down()
    gets = taken.total()
    report(name, operations=adds + 2 * gets, seconds=seconds, gets=gets, most=max(taken.values()))
