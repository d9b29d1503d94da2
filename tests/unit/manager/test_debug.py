"""The debug pages: what they tell, and what they never tell."""

from __future__ import annotations

import asyncio
import gc
import json
from collections.abc import AsyncIterator
from typing import Any

import pytest
from tornado.httputil import HTTPHeaders, HTTPServerRequest, RequestStartLine

from controller_runtime.apimachinery import NamespacedName
from controller_runtime.controller import Controller, Request, RunningSource
from controller_runtime.envtest import InMemoryAPI
from controller_runtime.manager import Answer, Manager
from controller_runtime.manager.debug import debug_pages
from controller_runtime.metrics import CACHED_OBJECTS
from controller_runtime.workqueue import PriorityQueue


class Source:
    """Hands its controller's queue to the test."""

    queue: PriorityQueue[Request]

    def __init__(self) -> None:
        self.started = asyncio.Event()

    def start(self, queue: PriorityQueue[Request]) -> RunningSource:
        self.queue = queue
        self.started.set()
        return self

    async def wait_synced(self) -> None:
        """There is nothing to wait for."""

    def stop(self) -> None:
        """Nothing was begun."""

    def describe(self) -> str:
        return "the test's source"


class Stuck:
    """A reconciler that never returns."""

    def __init__(self) -> None:
        self.called = asyncio.Event()

    async def reconcile(self, request: Request) -> None:
        self.called.set()
        await self.wait_for_the_cable("a secret in a variable")

    async def wait_for_the_cable(self, password: str) -> None:
        await asyncio.get_running_loop().create_future()


async def get(target: str, *controllers: Controller) -> Answer:
    headers = HTTPHeaders({"Host": "test"})
    request = HTTPServerRequest(start_line=RequestStartLine("GET", target, "HTTP/1.1"), headers=headers)
    return await debug_pages(lambda: controllers)(request)


@pytest.fixture
async def busy() -> AsyncIterator[tuple[Controller, PriorityQueue[Request]]]:
    """A controller whose only worker is stuck, and its queue."""
    source, reconciler = Source(), Stuck()
    controller = Controller("cables", reconciler, sources=[source])
    task = asyncio.create_task(controller.start(), name="the busy controller")
    await source.started.wait()
    source.queue.add(NamespacedName("lab", "stuck"))
    await reconciler.called.wait()
    yield controller, source.queue
    task.cancel()
    await asyncio.wait({task})


async def test_the_index_names_each_page() -> None:
    text = (await get("/debug/")).body.decode()
    for page in ("/debug/tasks", "/debug/memory", "/debug/queues"):
        assert page in text
        assert (await get(page)).status == 200
    assert (await get("/debug/other")).status == 404


async def test_a_task_is_shown_with_what_it_waits_for_and_without_values(
    busy: tuple[Controller, PriorityQueue[Request]],
) -> None:
    text = (await get("/debug/tasks")).body.decode()
    worker = next(part for part in text.split("\n\n") if part.startswith("controller/cables/0\n"))
    lines = worker.splitlines()
    assert lines[-1].endswith("in Stuck.wait_for_the_cable")
    assert lines[-2].endswith("in Stuck.reconcile")
    assert "test_debug.py:" in lines[-1]
    assert "a secret in a variable" not in text
    assert "\n\nthe busy controller\n" in text


async def test_as_many_frames_are_shown_as_are_asked_for(busy: tuple[Controller, PriorityQueue[Request]]) -> None:
    text = (await get("/debug/tasks?frames=1")).body.decode()
    worker = next(part for part in text.split("\n\n") if part.startswith("controller/cables/0\n"))
    assert len(worker.splitlines()) == 2
    assert worker.endswith("in Stuck.wait_for_the_cable")


async def test_queues_are_shown_by_controller(busy: tuple[Controller, PriorityQueue[Request]]) -> None:
    controller, queue = busy
    queue.add(NamespacedName("lab", "ready"), priority=7)
    queue.add(NamespacedName("lab", "late"), after=3600)
    queue.add(NamespacedName("lab", "later"), after=7200)
    queue.add(NamespacedName("lab", "seen"), priority=8)
    queue.hold((await queue.get())[0])
    found = json.loads((await get("/debug/queues?items=1", controller)).body)
    assert found.keys() == {"cables"}
    shown = found["cables"]
    assert shown["depth_by_priority"] == {"7": 1}
    assert (shown["waiting"], shown["processing"]) == (2, 1)
    assert [(one["item"], one["priority"]) for one in shown["waiting_first"]] == [("lab/late", 0)]
    assert 3590 < shown["waiting_first"][0]["seconds_left"] <= 3600
    assert [one["item"] for one in shown["processing_first"]] == ["lab/stuck"]
    assert shown["processing_first"][0]["seconds"] >= 0
    assert (shown["held"], shown["held_first"]) == (1, ["lab/seen"])


async def test_memory_tells_of_the_process_the_collector_and_the_cache() -> None:
    labels = {"kind": "Cable", "group": "example.com", "selector": "color=red"}
    CACHED_OBJECTS.labels(**labels).set(12)
    try:
        found = json.loads((await get("/debug/memory")).body)
    finally:
        CACHED_OBJECTS.remove(*labels.values())
    assert 1 << 20 < found["resident_bytes"] <= found["peak_resident_bytes"]
    assert found["gc"]["threshold"] == list(gc.get_threshold())
    assert len(found["gc"]["count"]) == len(found["gc"]["stats"]) == 3
    assert labels | {"objects": 12} in found["cached"]
    assert "types" not in found


async def test_types_are_counted_when_they_are_asked_for() -> None:
    class Rare:
        """A type of which there are some."""

    kept: list[Any] = [Rare() for _ in range(100_000)]
    found = json.loads((await get("/debug/memory?types=5")).body)["types"]
    assert len(found) == 5
    name = f"{__name__}.{Rare.__qualname__}"
    assert found[name] == len(kept)


@pytest.mark.parametrize("text", ["x", "-1", "%D9%A1", "", "1e3", "9" * 5000])
async def test_what_is_no_number_counts_for_nothing(text: str) -> None:
    assert (await get(f"/debug/memory?types={text}")).status == 200


async def test_a_manager_serves_no_debug_pages_unless_it_is_told_to() -> None:
    assert Manager(InMemoryAPI().transport()).debug_port is None


async def test_a_manager_shows_the_queues_of_its_controllers() -> None:
    manager = Manager(InMemoryAPI().transport(), debug_bind_address="127.0.0.1:0")
    manager.add(Controller("cables", Stuck(), sources=[Source()]))
    task = asyncio.create_task(manager.start())
    reader, writer = await asyncio.open_connection("127.0.0.1", manager.debug_port)
    writer.write(b"GET /debug/queues HTTP/1.1\r\nHost: test\r\nConnection: close\r\n\r\n")
    response = await reader.read()
    writer.close()
    await writer.wait_closed()
    task.cancel()
    await asyncio.wait({task})
    assert json.loads(response.partition(b"\r\n\r\n")[2])["cables"]["processing"] == 0
