"""Pages about the inside of a running process: its tasks, its memory, its queues.

They name tasks, source lines, kinds and keys of objects; never what is in an object, a token or a variable. Whoever can
reach them can make the process work for the answers, so their address should be a loopback one, to be reached by
`kubectl port-forward`. Nothing is gathered before somebody asks.
"""

from __future__ import annotations

import asyncio
import gc
import json
import re
import types
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from itertools import islice
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

from tornado.httputil import HTTPServerRequest

from controller_runtime import metrics
from controller_runtime.controller import Controller
from controller_runtime.manager.endpoints import TEXT, Answer, Handler, by_path

_FRAMES = 8  # of each task, from the innermost outwards
_ITEMS = 100  # of each list of a queue

_INDEX = """\
/debug/tasks             every asyncio task with the innermost frames of its stack; ?frames=N of them (8)
/debug/memory            resident memory, the collector's counts, objects in the cache by kind
/debug/memory?types=N    and the N most frequent types; walks over all objects, which takes a while
/debug/queues            of each controller, items that are ready, waiting, being processed, and held until the cache
                         has seen what their last run wrote; ?items=N of each (100)
"""


def debug_pages(controllers: Callable[[], Iterable[Controller]]) -> Handler:
    """Answers `/debug/` and the pages below it.

    Args:
        controllers: those there are when a page is asked for.
    """

    async def index(_: HTTPServerRequest) -> Answer:
        return Answer(200, TEXT, _INDEX.encode())

    async def tasks(request: HTTPServerRequest) -> Answer:
        frames = _number(request, "frames", _FRAMES)
        found = sorted(asyncio.all_tasks(), key=lambda task: task.get_name())
        text = "\n\n".join("\n".join(_describe(task, frames)) for task in found)
        return Answer(200, TEXT, f"{len(found)} tasks\n\n{text}\n".encode())

    async def memory(request: HTTPServerRequest) -> Answer:
        return _json(_memory(_number(request, "types", 0)))

    async def queues(request: HTTPServerRequest) -> Answer:
        items = _number(request, "items", _ITEMS)
        return _json({controller.name: _queue(controller, items) for controller in controllers()})

    return by_path({"/debug/": index, "/debug/tasks": tasks, "/debug/memory": memory, "/debug/queues": queues})


def _number(request: HTTPServerRequest, name: str, default: int) -> int:
    """A parameter of the query; the default if it is no number of at most nine digits."""
    text = parse_qs(request.query).get(name, [""])[-1]
    return int(text) if re.fullmatch("[0-9]{1,9}", text) else default


def _json(value: Any) -> Answer:
    return Answer(200, "application/json", (json.dumps(value, indent=2) + "\n").encode())


def _describe(task: asyncio.Task[Any], frames: int) -> Iterator[str]:
    current = " (answers this request)" if task is asyncio.current_task() else ""
    yield f"{task.get_name()}{current}"
    stack = list(_stack(task.get_coro()))
    for frame in stack[max(0, len(stack) - frames) :]:
        code = frame.f_code
        yield f"    {code.co_filename}:{frame.f_lineno} in {code.co_qualname}"


def _stack(awaitable: Any) -> Iterator[types.FrameType]:
    """The frames from a coroutine to what it waits for, outermost first; `Task.get_stack` has the outermost alone."""
    while awaitable is not None:
        frame = getattr(awaitable, "cr_frame", None) or getattr(awaitable, "gi_frame", None)
        if frame is not None:
            yield frame
        awaitable = getattr(awaitable, "cr_await", None) or getattr(awaitable, "gi_yieldfrom", None)


def _memory(number_of_types: int) -> dict[str, Any]:
    found: dict[str, Any] = {
        "resident_bytes": _kilobytes("VmRSS") * 1024,
        "peak_resident_bytes": _kilobytes("VmHWM") * 1024,
        "gc": {
            "enabled": gc.isenabled(),
            "count": gc.get_count(),
            "threshold": gc.get_threshold(),
            "stats": gc.get_stats(),
        },
        "cached": _cached(),
    }
    if number_of_types:
        # Objects of the API are not among them: the collector does not know them (`gc=False`).
        counts = Counter(f"{type(one).__module__}.{type(one).__qualname__}" for one in gc.get_objects())
        found["types"] = dict(counts.most_common(number_of_types))
    return found


def _kilobytes(field: str) -> int:
    for line in Path("/proc/self/status").read_text(encoding="ascii").splitlines():
        name, _, value = line.partition(":")
        if name == field:
            return int(value.split()[0])
    return 0


def _cached() -> list[dict[str, Any]]:
    """Per informer, the largest first."""
    samples = [sample for metric in metrics.CACHED_OBJECTS.collect() for sample in metric.samples]
    return [
        {**sample.labels, "objects": int(sample.value)} for sample in sorted(samples, key=lambda sample: -sample.value)
    ]


def _queue(controller: Controller, items: int) -> dict[str, Any]:
    now = controller.queue_snapshot()
    return {
        "depth_by_priority": {str(priority): count for priority, count in now.depth.items()},
        "waiting": len(now.waiting),
        "waiting_first": [
            {"item": str(one.item), "seconds_left": round(one.seconds_left, 3), "priority": one.priority}
            for one in islice(now.waiting, items)
        ],
        "processing": len(now.processing),
        "processing_first": [
            {"item": str(one.item), "seconds": round(one.seconds, 3)} for one in islice(now.processing, items)
        ],
        "held": len(now.held),
        "held_first": [str(item) for item in islice(now.held, items)],
    }
