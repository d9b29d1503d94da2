"""Events: one per occurrence that is new, a series for repetitions, and never a wait for who records them."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator

import msgspec
import pytest
from pytest_mock import MockerFixture
from structlog.testing import capture_logs

from controller_runtime import metrics
from controller_runtime.api.core_v1 import Secret
from controller_runtime.api.events_v1 import Event
from controller_runtime.apimachinery import ObjectMeta, decode
from controller_runtime.client import ApiResponse, Client, ConnectError
from controller_runtime.envtest import ANY, Call, Failure, InMemoryAPI, Interceptor
from controller_runtime.envtest.effects import Proceed
from controller_runtime.recorder import EventBroadcaster, EventRecorder, broadcaster
from controller_runtime.recorder.broadcaster import MAX_NOTES, MAX_QUEUED
from controller_runtime.recorder.observation import MAX_NOTE_BYTES, micro_time

SECRET = Secret(metadata=ObjectMeta(namespace="lab", name="a", uid="1", resource_version="7"))


class Events:
    """An API server that takes Events, and the way there, which takes a while.

    Attributes:
        net: where calls are disturbed.
        created: as they were created, in that order, even if the answer got lost.
        series: each update of a series that was carried out: of which Event, and its count.
        seconds: how long a call takes to get there, and its answer to come back.
    """

    def __init__(self) -> None:
        self.api = InMemoryAPI(namespaces=["lab"])
        self.created: list[Event] = []
        self.series: list[tuple[str, int]] = []
        self.seconds = 0.001
        server = Interceptor(self.api.transport())
        server.on(ANY, self._note)
        self.net = Interceptor(server, retries=False)
        self.net.on(ANY, self._travel)
        self.client = Client(self.net)

    async def _travel(self, call: Call, proceed: Proceed) -> ApiResponse:
        await asyncio.sleep(self.seconds)
        response = await proceed(call.request)
        await asyncio.sleep(self.seconds)
        return response

    async def _note(self, call: Call, proceed: Proceed) -> ApiResponse:
        response = await proceed(call.request)
        if response.status < 400:
            event = decode(Event, response.body)
            if call.verb == "create":
                self.created.append(event)
            elif event.series is not None:
                self.series.append((event.metadata.name, event.series.count))
        return response


@contextlib.asynccontextmanager
async def broadcasting(events: Events) -> AsyncIterator[EventRecorder]:
    made = EventBroadcaster(events.client)
    task = asyncio.create_task(made.run())
    try:
        yield made.recorder("test")
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
async def test_what_repeats_before_it_is_sent_is_sent_as_a_series() -> None:
    events = Events()
    async with broadcasting(events) as recorder:
        for _ in range(5):
            record(recorder)
        await asyncio.sleep(1)
    (event,) = events.created
    assert event.series is not None
    assert event.series.count == 5
    assert events.series == []


@pytest.mark.looptime
async def test_what_repeats_while_it_is_being_created_starts_its_series_at_once() -> None:
    events = Events()
    async with broadcasting(events) as recorder:
        record(recorder)
        await asyncio.sleep(0.0015)
        record(recorder)
        await asyncio.sleep(1)
        assert events.created[0].series is None
        assert [count for _, count in events.series] == [2]


@pytest.mark.looptime
async def test_a_series_that_goes_on_is_brought_up_to_date_each_half_an_hour() -> None:
    events = Events()
    async with broadcasting(events) as recorder:
        for _ in range(60):
            record(recorder)
            await asyncio.sleep(60)
        counts = [count for _, count in events.series]
    assert counts[0] == 2
    assert len(counts) == 2
    assert 30 < counts[1] <= 40


@pytest.mark.looptime
async def test_a_series_tells_when_it_was_observed_last() -> None:
    events = Events()
    async with broadcasting(events) as recorder:
        for _ in range(3):
            record(recorder)
            await asyncio.sleep(1)
        observed = micro_time()
        await asyncio.sleep(1_000)
        assert [count for _, count in events.series] == [2, 3]
        assert events.api.list(Event)[0]["series"]["lastObservedTime"] <= observed


@pytest.mark.looptime
async def test_the_version_of_an_object_does_not_make_another_event() -> None:
    events = Events()
    async with broadcasting(events) as recorder:
        record(recorder)
        metadata = msgspec.structs.replace(SECRET.metadata, resource_version="8")
        recorder.event(Secret(metadata=metadata), "Warning", "NotFound", "Verify", "no such Secret")
        await asyncio.sleep(1)
    assert len(events.created) == 1


@pytest.mark.looptime
async def test_many_notes_about_one_thing_are_a_series_of_the_last_of_them() -> None:
    events = Events()
    async with broadcasting(events) as recorder:
        for number in range(MAX_NOTES + 15):
            record(recorder, f"note {number}")
            await asyncio.sleep(1)
        record(recorder, "another reason", reason="Refused")
        await asyncio.sleep(1)
        assert [event.note for event in events.created] == [f"note {n}" for n in range(MAX_NOTES)] + ["another reason"]
        await asyncio.sleep(1_000)
        assert [name for name, _ in events.series] == [events.created[MAX_NOTES - 1].metadata.name] * 2
        assert [count for _, count in events.series] == [2, 16]


@pytest.mark.looptime
async def test_after_a_while_another_note_is_an_event_again_even_if_the_last_one_goes_on() -> None:
    events = Events()
    async with broadcasting(events) as recorder:
        for number in range(MAX_NOTES + 1):
            record(recorder, f"note {number}")
        for _ in range(11):
            await asyncio.sleep(60)
            record(recorder, f"note {MAX_NOTES - 1}")
        record(recorder, "later")
        await asyncio.sleep(1)
        assert [event.note for event in events.created[MAX_NOTES:]] == ["later"]


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
        events.api.delete(Event, events.created[0].metadata.name, "lab")
        record(recorder)
        await asyncio.sleep(1)
    first, second = events.created
    assert first.metadata.name != second.metadata.name
    assert second.event_time == first.event_time
    assert second.series is not None
    assert second.series.count == 2


@pytest.mark.looptime
async def test_an_event_that_could_not_be_made_again_at_once_is_made_later() -> None:
    events = Events()
    async with broadcasting(events) as recorder:
        record(recorder)
        await asyncio.sleep(1)
        events.api.delete(Event, events.created[0].metadata.name, "lab")
        events.net.fail("create", ConnectError("refused"), times=1)
        record(recorder)
        await asyncio.sleep(60)
    assert len(events.created) == 2
    assert [call.verb for call in events.net.calls] == ["create", "patch", "create", "create"]


@pytest.mark.looptime
async def test_it_is_sent_again_when_the_api_server_is_back() -> None:
    events = Events()
    refused = events.net.fail("create", ConnectError("refused"), times=2)
    async with broadcasting(events) as recorder:
        record(recorder)
        await asyncio.sleep(15)
        assert refused.hits == 2
        assert events.created == []
        await asyncio.sleep(15)
        assert len(events.created) == 1


@pytest.mark.looptime
async def test_an_event_is_dropped_when_the_api_server_stays_away() -> None:
    events = Events()
    events.net.fail("create", ConnectError("refused"), times=12)
    before = dropped("API server away")
    async with broadcasting(events) as recorder:
        with capture_logs() as lines:
            record(recorder, reason="First")
            record(recorder, reason="Second")
            await asyncio.sleep(300)
        assert [event.reason for event in events.created] == ["Second"]
        assert dropped("API server away") == before + 1
        assert [line["error"] for line in lines] == ["refused"]


@pytest.mark.looptime
async def test_a_creation_whose_answer_was_lost_is_not_repeated_and_not_a_loss() -> None:
    events = Events()
    events.net.reset("create", carried_out=True, times=1)
    before = dropped("refused")
    async with broadcasting(events) as recorder:
        record(recorder)
        await asyncio.sleep(60)
        record(recorder)
        await asyncio.sleep(1)
        assert len(events.created) == 1
        assert [count for _, count in events.series] == [2]
    assert dropped("refused") == before


@pytest.mark.looptime
async def test_a_lasting_refusal_is_told_once_in_a_while_with_the_missing_rule() -> None:
    events = Events()
    message = 'events.events.k8s.io is forbidden: User "x" cannot create resource "events"'
    events.net.fail("create", Failure(403, message=message))
    async with broadcasting(events) as recorder:
        with capture_logs() as lines:
            for number in range(60):
                record(recorder, reason=f"Reason{number}")
                await asyncio.sleep(30)
    assert len(lines) == 3
    assert 'resources: ["events"], verbs: [create, patch]}' in lines[0]["error"]
    assert [line["suppressed"] for line in lines] == [0, 19, 19]


@pytest.mark.looptime
async def test_what_was_refused_is_not_tried_again_with_each_repetition() -> None:
    events = Events()
    refused = events.net.fail(ANY, 403)
    async with broadcasting(events) as recorder:
        for _ in range(50):
            record(recorder)
            await asyncio.sleep(1)
        assert refused.hits == 2
        await asyncio.sleep(3_000)
        assert refused.hits == 3
    assert events.created == []


@pytest.mark.looptime
async def test_a_refusal_is_final_and_does_not_hold_up_others() -> None:
    events = Events()
    events.net.fail("create", 403, times=1)
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
        with capture_logs() as lines:
            for number in range(MAX_QUEUED + 10):
                record(recorder, reason=f"Reason{number}")
        assert dropped("queue full") == before + 10
        assert len(lines) == 1


@pytest.mark.looptime
async def test_what_is_queued_at_the_end_is_still_sent() -> None:
    events = Events()
    async with broadcasting(events) as recorder:
        await asyncio.sleep(0)
        record(recorder, "last words")
    assert [event.note for event in events.created] == ["last words"]


@pytest.mark.looptime
async def test_what_was_being_sent_at_the_end_is_there_once() -> None:
    events = Events()
    before = dropped("refused")
    async with broadcasting(events) as recorder:
        record(recorder)
        await asyncio.sleep(0.0015)
        assert len(events.created) == 1
    assert len(events.created) == 1
    assert dropped("refused") == before


@pytest.mark.looptime
async def test_the_last_counts_of_series_are_sent_at_the_end() -> None:
    events = Events()
    async with broadcasting(events) as recorder:
        for _ in range(5):
            record(recorder)
            await asyncio.sleep(1)
    assert [count for _, count in events.series] == [2, 5]


@pytest.mark.looptime
async def test_what_is_recorded_after_the_end_is_counted() -> None:
    events = Events()
    async with broadcasting(events) as recorder:
        await asyncio.sleep(0)
    before = dropped("process ended")
    record(recorder)
    assert dropped("process ended") == before + 1


@pytest.mark.looptime
async def test_the_end_does_not_wait_for_an_api_server_that_does_not_answer() -> None:
    events = Events()
    before = dropped("process ended")
    begin = asyncio.get_running_loop().time()
    async with broadcasting(events) as recorder:
        for number in range(3):
            record(recorder, reason=f"Reason{number}")
        events.seconds = 3600
        await asyncio.sleep(0.1)
    assert asyncio.get_running_loop().time() - begin < 3
    assert dropped("process ended") == before + 3


@pytest.mark.looptime
async def test_the_end_is_not_held_up_by_an_api_server_that_is_away() -> None:
    events = Events()
    events.net.outage()
    begin = asyncio.get_running_loop().time()
    async with broadcasting(events) as recorder:
        await asyncio.sleep(0)
        record(recorder)
    assert asyncio.get_running_loop().time() - begin < 1
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


@pytest.fixture
def limit(mocker: MockerFixture) -> int:
    """How many Events are remembered; few, as each of them is sent."""
    number: int = mocker.patch.object(broadcaster, "MAX_REMEMBERED", 200)
    return number


async def record_many(recorder: EventRecorder, numbers: range) -> None:
    """Records Events that differ in their reason, and lets all of them be sent."""
    for number in numbers:
        record(recorder, reason=f"Reason{number}")
        if number % 500 == 0:
            await asyncio.sleep(0.1)
    await asyncio.sleep(0.1)


@pytest.mark.looptime
async def test_memory_is_bounded_and_an_event_that_is_forgotten_for_it_tells_its_count(limit: int) -> None:
    events = Events()
    events.seconds = 0
    async with broadcasting(events) as recorder:
        for _ in range(3):
            record(recorder)
            await asyncio.sleep(0.1)
        await record_many(recorder, range(limit + 100))
        subject = recorder._broadcaster
        assert len(subject._remembered) == limit
        assert len(subject._subjects) == limit
        assert [count for _, count in events.series] == [2, 3]
        await asyncio.sleep(1_500)
        assert (len(subject._remembered), len(subject._subjects)) == (0, 0)


@pytest.mark.looptime
async def test_an_event_that_repeats_is_not_the_one_that_is_forgotten(limit: int) -> None:
    events = Events()
    events.seconds = 0
    async with broadcasting(events) as recorder:
        record(recorder)
        await record_many(recorder, range(limit - 10))
        record(recorder)
        await record_many(recorder, range(limit, limit + 100))
        record(recorder)
        await asyncio.sleep(1)
    assert [event.reason for event in events.created].count("NotFound") == 1


@pytest.mark.parametrize("reason", ["", "x" * 129])
def test_an_unusable_reason_is_a_mistake_in_the_code(reason: str) -> None:
    recorder = EventBroadcaster(Events().client).recorder("test")
    with pytest.raises(ValueError, match="1 to 128 characters"):
        record(recorder, reason=reason)


@pytest.mark.looptime
async def test_repetitions_while_the_answer_of_a_creation_is_lost_are_told() -> None:
    events = Events()
    events.net.reset("create", carried_out=True, times=1)
    async with broadcasting(events) as recorder:
        record(recorder)
        await asyncio.sleep(5)
        record(recorder)
        record(recorder)
        await asyncio.sleep(60)
        assert len(events.created) == 1
        assert [count for _, count in events.series] == [3]


@pytest.mark.looptime
async def test_a_cancellation_from_inside_a_request_is_a_failure_and_no_silence(mocker: MockerFixture) -> None:
    events = Events()
    mocker.patch.object(events.client, "create", side_effect=[asyncio.CancelledError, None])
    made = EventBroadcaster(events.client)
    record(made.recorder("test"))
    async with asyncio.timeout(1_000):
        with pytest.raises(ExceptionGroup) as error:
            await made.run()
    assert error.group_contains(RuntimeError, match="cancellation that came from inside")
