"""Events: one per occurrence that is new, a series for repetitions, and never a wait for who records them."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Mapping
from typing import Any

import msgspec
import pytest

from controller_runtime import metrics
from controller_runtime.api.core_v1 import Secret
from controller_runtime.api.events_v1 import Event
from controller_runtime.apimachinery import NamespacedName, ObjectMeta
from controller_runtime.client import ClientError, ConnectError, ForbiddenError, NotFoundError, Operation, Status
from controller_runtime.recorder import EventBroadcaster, EventRecorder
from controller_runtime.recorder.broadcaster import MAX_NOTE_BYTES, MAX_QUEUED

CREATE = Operation("create", Event.resource)
SECRET = Secret(metadata=ObjectMeta(namespace="lab", name="a", uid="1", resource_version="7"))


class Events:
    """The two calls of a client that Events need, with failures to order."""

    def __init__(self) -> None:
        self.created: list[Event] = []
        self.series: list[tuple[NamespacedName, int]] = []
        self.failures: list[ClientError] = []

    async def create(self, event: Event) -> Event:
        await asyncio.sleep(0.001)
        if self.failures:
            raise self.failures.pop(0)
        self.created.append(event)
        metadata = msgspec.structs.replace(event.metadata, resource_version="1", uid="x")
        return msgspec.structs.replace(event, metadata=metadata)

    async def patch(self, kind: type[Event], key: NamespacedName, patch: Mapping[str, Any]) -> None:
        await asyncio.sleep(0.001)
        if self.failures:
            raise self.failures.pop(0)
        self.series.append((key, patch["series"]["count"]))


@contextlib.asynccontextmanager
async def broadcasting(events: Events) -> AsyncIterator[EventRecorder]:
    broadcaster = EventBroadcaster(events)  # type: ignore[arg-type]
    task = asyncio.create_task(broadcaster.run())
    try:
        yield broadcaster.recorder("test")
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task


def record(recorder: EventRecorder, note: str = "no such Secret", reason: str = "NotFound") -> None:
    recorder.event(SECRET, "Warning", reason, "Verify", note)


def dropped(reason: str) -> float:
    return metrics.REGISTRY.get_sample_value("controller_runtime_events_dropped_total", {"reason": reason}) or 0.0


@pytest.mark.looptime
async def test_an_event_carries_what_happened_to_which_object() -> None:
    events = Events()
    async with broadcasting(events) as recorder:
        record(recorder)
        await asyncio.sleep(1)
    (event,) = events.created
    assert event.metadata.namespace == "lab"
    assert event.metadata.name.startswith("a.")
    assert event.regarding is not None
    assert (event.regarding.kind, event.regarding.name, event.regarding.resource_version) == ("Secret", "a", "7")
    assert (event.type, event.reason, event.action, event.note) == ("Warning", "NotFound", "Verify", "no such Secret")
    assert event.reporting_controller == "test"
    assert event.reporting_instance.startswith("test-")
    assert len(event.event_time) == len("2026-01-01T00:00:00.000000Z")


@pytest.mark.looptime
async def test_repetitions_become_one_series_whose_count_is_brought_up_to_date_now_and_then() -> None:
    events = Events()
    async with broadcasting(events) as recorder:
        for _ in range(100):
            record(recorder)
            await asyncio.sleep(1)
        assert len(events.created) == 1
        assert [count for _, count in events.series] == [2]
        await asyncio.sleep(1_000)
    assert [count for _, count in events.series] == [2, 100]


@pytest.mark.looptime
async def test_another_note_is_another_event() -> None:
    events = Events()
    async with broadcasting(events) as recorder:
        record(recorder, "no Secret a")
        record(recorder, "no Secret b")
        await asyncio.sleep(1)
    assert [event.note for event in events.created] == ["no Secret a", "no Secret b"]


@pytest.mark.looptime
async def test_an_event_that_comes_back_after_a_quiet_time_is_a_new_one() -> None:
    events = Events()
    async with broadcasting(events) as recorder:
        record(recorder)
        await asyncio.sleep(1_000)
        record(recorder)
        await asyncio.sleep(1)
    assert len(events.created) == 2
    assert events.series == []


@pytest.mark.looptime
async def test_an_event_that_the_api_server_has_deleted_is_made_again() -> None:
    events = Events()
    async with broadcasting(events) as recorder:
        record(recorder)
        await asyncio.sleep(1)
        events.failures = [NotFoundError(CREATE, Status(code=404))]
        record(recorder)
        await asyncio.sleep(1)
    assert len(events.created) == 2
    assert events.created[0].metadata.name != events.created[1].metadata.name


@pytest.mark.looptime
async def test_it_is_sent_again_when_the_api_server_is_back() -> None:
    events = Events()
    events.failures = [ConnectError("refused"), ConnectError("refused")]
    async with broadcasting(events) as recorder:
        record(recorder)
        await asyncio.sleep(60)
    assert len(events.created) == 1


@pytest.mark.looptime
async def test_a_refusal_is_final_and_does_not_hold_up_others() -> None:
    events = Events()
    events.failures = [ForbiddenError(CREATE, Status(code=403))]
    before = dropped("refused")
    async with broadcasting(events) as recorder:
        record(recorder, "first")
        record(recorder, "second")
        await asyncio.sleep(1)
    assert [event.note for event in events.created] == ["second"]
    assert dropped("refused") == before + 1


@pytest.mark.looptime
async def test_recording_never_fails_and_what_does_not_fit_is_counted() -> None:
    events = Events()
    before = dropped("queue full")
    async with broadcasting(events) as recorder:
        for number in range(MAX_QUEUED + 10):
            record(recorder, f"note {number}")
        assert dropped("queue full") == before + 10


@pytest.mark.looptime
async def test_what_is_queued_at_the_end_is_still_sent() -> None:
    events = Events()
    async with broadcasting(events) as recorder:
        await asyncio.sleep(0)
        record(recorder, "last words")
    assert [event.note for event in events.created] == ["last words"]


@pytest.mark.looptime
async def test_the_end_is_not_held_up_by_an_api_server_that_is_away() -> None:
    events = Events()
    events.failures = [ConnectError("refused")] * 100
    begin = asyncio.get_running_loop().time()
    async with broadcasting(events) as recorder:
        await asyncio.sleep(0)
        record(recorder)
    assert asyncio.get_running_loop().time() - begin < 3
    assert events.created == []


@pytest.mark.looptime
async def test_a_long_note_is_cut_at_a_character() -> None:
    events = Events()
    async with broadcasting(events) as recorder:
        record(recorder, "ü" * 2000)
        await asyncio.sleep(1)
    note = events.created[0].note
    assert len(note.encode()) <= MAX_NOTE_BYTES
    assert set(note) == {"ü"}


@pytest.mark.parametrize("reason", ["", "x" * 129])
def test_an_unusable_reason_is_a_mistake_in_the_code(reason: str) -> None:
    recorder = EventBroadcaster(Events()).recorder("test")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="1 to 128 characters"):
        record(recorder, reason=reason)
