"""Deliveries reach the status: few writes, right times, nothing lost, nothing written into somebody else's object."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import structlog

from api.v1alpha1 import BootConfig, HTTPBootConfig, IPXEBootConfig
from controller_runtime.envtest import NOT_SERVED
from machines import Stage
from tests.unit.machines.lab import NAMESPACE, UUID, BootApi, Document, Lab, make_lab, running, settle, stop
from webserver import DeliveryRecorder, deliveries
from webserver.metrics import DELIVERIES, PENDING_DELIVERIES

pytestmark = pytest.mark.looptime

EPOCH = datetime(2026, 1, 1, tzinfo=UTC)


def clock() -> datetime:
    """The loop's time as wall clock time, in whole seconds."""
    return EPOCH + timedelta(seconds=int(asyncio.get_running_loop().time()))


def at(seconds: int) -> str:
    """The wall clock time as JSON."""
    return (EPOCH + timedelta(seconds=seconds)).strftime("%Y-%m-%dT%H:%M:%SZ")


@asynccontextmanager
async def recording(api: BootApi) -> AsyncIterator[tuple[Lab, DeliveryRecorder]]:
    """A lab with a recorder, begun at the loop's time 0."""
    lab = make_lab(api)
    recorder = DeliveryRecorder(lab.client, lab.cache, clock=clock)
    async with running(lab, recorder):
        yield lab, recorder


def deliver(
    lab: Lab, recorder: DeliveryRecorder, stage: Stage = Stage.IGNITION, *, name: str = "a", kind: Any = IPXEBootConfig
) -> None:
    """Delivers what the informer's copy says."""
    recorder.record(lab.config(kind, name), stage)


def conditions(api: BootApi, name: str = "a", kind: type[BootConfig] = IPXEBootConfig) -> dict[str, Document]:
    """The conditions that the server has, by type."""
    return {condition["type"]: condition for condition in api.status_of(kind, name).get("conditions", [])}


def written_by_others(seconds: int) -> Document:
    """The condition of generation 1 as another replica wrote it at that time."""
    condition: Document = {"type": "IgnitionDataFetched", "status": "True", "reason": "IgnitionDataDelivered"}
    return condition | {"message": "theirs", "lastTransitionTime": at(seconds), "observedGeneration": 1}


def counted(stage: str, result: str) -> float:
    return float(DELIVERIES.labels(stage, result)._value.get())


def one() -> BootApi:
    api = BootApi()
    api.ipxe("a")
    return api


# What is written


@pytest.mark.parametrize("kind", [IPXEBootConfig, HTTPBootConfig])
@pytest.mark.parametrize(
    ("stage", "condition_type", "reason"),
    [
        pytest.param(Stage.IPXE_SCRIPT, "IPXEScriptFetched", "IPXEScriptDelivered", id="script"),
        pytest.param(Stage.IGNITION, "IgnitionDataFetched", "IgnitionDataDelivered", id="ignition"),
    ],
)
async def test_a_delivery_becomes_a_condition(
    kind: type[BootConfig], stage: Stage, condition_type: str, reason: str
) -> None:
    api = one()
    api.http("a")
    async with recording(api) as (lab, recorder):
        deliver(lab, recorder, stage, kind=kind)
        await asyncio.sleep(10)
    condition = conditions(api, kind=kind)[condition_type]
    assert condition.pop("message")
    assert condition == {
        "type": condition_type,
        "status": "True",
        "reason": reason,
        "lastTransitionTime": at(0),
        "observedGeneration": 1,
    }


async def test_other_conditions_and_the_state_are_left_alone() -> None:
    api = one()
    ready = {"type": "Ready", "status": "True", "reason": "X", "message": "", "lastTransitionTime": at(-5)}
    fetched = ready | {"type": "IgnitionDataFetched", "status": "False"}
    api.change_status(IPXEBootConfig, "a", state="Ready", conditions=[fetched, ready])
    async with recording(api) as (lab, recorder):
        deliver(lab, recorder)
        await asyncio.sleep(10)
    status = api.status_of(IPXEBootConfig, "a")
    assert status["state"] == "Ready"
    assert [condition["type"] for condition in status["conditions"]] == ["IgnitionDataFetched", "Ready"]
    assert status["conditions"][0]["status"] == "True"
    assert status["conditions"][1] == ready


async def test_all_deliveries_of_one_object_within_two_seconds_are_one_write() -> None:
    api = one()
    async with recording(api) as (lab, recorder):
        deliver(lab, recorder, Stage.IPXE_SCRIPT)
        await asyncio.sleep(1.9)
        for _ in range(100):
            deliver(lab, recorder, Stage.IPXE_SCRIPT)
            deliver(lab, recorder, Stage.IGNITION)
        assert api.patches == []
        await asyncio.sleep(60)
    assert len(api.patches) == 1
    assert set(conditions(api)) == {"IPXEScriptFetched", "IgnitionDataFetched"}


# When the time moves


async def test_the_time_moves_once_a_minute_however_many_machines_ask() -> None:
    api = one()
    async with recording(api) as (lab, recorder):
        times = []
        for second in range(180):
            deliver(lab, recorder)
            await asyncio.sleep(1)
            if second % 60 == 30:
                times.append(conditions(api)["IgnitionDataFetched"]["lastTransitionTime"])
        assert times == [at(0), at(60), at(120)]
        assert len(api.patches) == 3


async def test_the_first_delivery_after_a_minute_moves_the_time_though_the_status_stays() -> None:
    api = one()
    async with recording(api) as (lab, recorder):
        deliver(lab, recorder)
        await asyncio.sleep(3600)
        assert conditions(api)["IgnitionDataFetched"]["lastTransitionTime"] == at(0)
        deliver(lab, recorder)
        await asyncio.sleep(10)
        assert conditions(api)["IgnitionDataFetched"]["lastTransitionTime"] == at(3600)


@pytest.mark.parametrize(
    ("age", "written"),
    [
        pytest.param(0, False, id="now"),
        pytest.param(59, False, id="within the minute"),
        pytest.param(60, True, id="a minute ago"),
        pytest.param(-5, False, id="by a clock that is ahead"),
    ],
)
async def test_what_another_replica_wrote_counts(age: int, written: bool) -> None:
    api = one()
    theirs = written_by_others(-age)
    api.change_status(IPXEBootConfig, "a", conditions=[theirs])
    async with recording(api) as (lab, recorder):
        deliver(lab, recorder)
        await asyncio.sleep(10)
    assert len(api.patches) == written
    assert (conditions(api)["IgnitionDataFetched"] == theirs) is not written


async def test_what_another_replica_writes_meanwhile_counts() -> None:
    api = one()
    theirs = written_by_others(1)
    api.before_patch(lambda: api.change_status(IPXEBootConfig, "a", conditions=[theirs]))
    async with recording(api) as (lab, recorder):
        deliver(lab, recorder)
        await asyncio.sleep(10)
    assert api.patches == []
    assert conditions(api)["IgnitionDataFetched"] == theirs


async def test_a_conflict_with_another_writer_loses_neither() -> None:
    api = one()
    ready = {"type": "Ready", "status": "True", "reason": "X", "message": "", "lastTransitionTime": at(0)}
    api.before_patch(lambda: api.change_status(IPXEBootConfig, "a", conditions=[ready]))
    async with recording(api) as (lab, recorder):
        deliver(lab, recorder)
        await asyncio.sleep(10)
    assert set(conditions(api)) == {"Ready", "IgnitionDataFetched"}


async def test_another_generation_is_noted_within_the_minute_and_the_time_stays() -> None:
    api = one()
    async with recording(api) as (lab, recorder):
        deliver(lab, recorder)
        await asyncio.sleep(10)
        api.update(IPXEBootConfig, "a", NAMESPACE, spec={"systemUUID": UUID, "kernelURL": "k", "initrdURL": "i"})
        await settle()
        deliver(lab, recorder)
        await asyncio.sleep(10)
        condition = conditions(api)["IgnitionDataFetched"]
        assert (condition["lastTransitionTime"], condition["observedGeneration"]) == (at(0), 2)
        assert len(api.patches) == 2


async def test_what_was_just_written_counts_before_the_informer_has_it() -> None:
    api = one()
    async with recording(api) as (lab, recorder):
        stale = lab.config(IPXEBootConfig, "a")
        recorder.record(stale, Stage.IGNITION)
        await asyncio.sleep(30)
        recorder.record(stale, Stage.IGNITION)
        await asyncio.sleep(10)
        assert len(api.patches) == 1


async def test_what_was_noted_is_forgotten_after_a_minute() -> None:
    api = BootApi()
    for number in range(50):
        api.ipxe(f"m-{number}")
    async with recording(api) as (lab, recorder):
        for number in range(50):
            deliver(lab, recorder, name=f"m-{number}")
        await asyncio.sleep(61)
        deliver(lab, recorder, name="m-7")
        assert len(recorder._noted) == 1


async def test_a_minute_that_ends_between_two_looks_at_the_clock_is_no_error() -> None:
    api = one()
    lab = make_lab(api)
    seconds = iter([0, 0, 59, 60])
    recorder = DeliveryRecorder(lab.client, lab.cache, clock=lambda: EPOCH + timedelta(seconds=next(seconds)))
    async with running(lab):
        deliver(lab, recorder)
        api.update(IPXEBootConfig, "a", NAMESPACE, spec={"systemUUID": UUID, "kernelURL": "k", "initrdURL": "i"})
        await settle()
        deliver(lab, recorder)
        assert recorder._noted == {}


async def test_what_a_clock_wrote_that_was_put_back_since_does_not_count() -> None:
    api = one()
    api.change_status(IPXEBootConfig, "a", conditions=[written_by_others(86_400)])
    async with recording(api) as (lab, recorder):
        deliver(lab, recorder)
        await asyncio.sleep(10)
        assert conditions(api)["IgnitionDataFetched"]["lastTransitionTime"] == at(0)


async def test_a_clock_that_is_put_back_does_not_end_the_recording() -> None:
    api = one()
    lab = make_lab(api)
    ahead = timedelta(days=1)
    recorder = DeliveryRecorder(lab.client, lab.cache, clock=lambda: clock() + ahead)
    async with running(lab, recorder):
        deliver(lab, recorder)
        await asyncio.sleep(10)
        ahead = timedelta()
        for _ in range(60):
            deliver(lab, recorder)
            await asyncio.sleep(1)
        assert conditions(api)["IgnitionDataFetched"]["lastTransitionTime"] == at(10)
        assert len(api.patches) == 2


# What goes wrong


async def test_nothing_is_lost_while_the_server_is_away() -> None:
    api = one()
    api.ipxe("b")
    failed = counted("ignition", "failed")
    async with recording(api) as (lab, recorder):
        with structlog.testing.capture_logs() as logs:
            outage = api.net.outage()
            deliver(lab, recorder)
            await asyncio.sleep(300)
            deliver(lab, recorder, Stage.IPXE_SCRIPT)
            deliver(lab, recorder, name="b")
            await asyncio.sleep(300)
            assert PENDING_DELIVERIES._value.get() == 2
            assert 10 <= counted("ignition", "failed") - failed <= 60
            outage.remove()
            await asyncio.sleep(120)
        assert conditions(api)["IgnitionDataFetched"]["lastTransitionTime"] == at(0)
        assert conditions(api)["IPXEScriptFetched"]["lastTransitionTime"] == at(300)
        assert conditions(api, "b")["IgnitionDataFetched"]["lastTransitionTime"] == at(300)
        assert PENDING_DELIVERIES._value.get() == 0
        events = [line["event"] for line in logs if "record" in line["event"]]
        assert events == ["cannot record deliveries, trying again", "deliveries are recorded again"]


async def test_a_404_that_is_no_api_servers_word_loses_nothing() -> None:
    api = one()
    async with recording(api) as (lab, recorder):
        with api.net.fail(("get", "patch"), NOT_SERVED):
            deliver(lab, recorder)
            await asyncio.sleep(10)
        await asyncio.sleep(60)
        assert conditions(api)["IgnitionDataFetched"]["lastTransitionTime"] == at(0)


async def test_the_latest_of_several_deliveries_during_an_outage_is_written() -> None:
    api = one()
    async with recording(api) as (lab, recorder):
        with api.net.outage():
            for _ in range(3):
                deliver(lab, recorder)
                await asyncio.sleep(100)
        await asyncio.sleep(120)
        assert conditions(api)["IgnitionDataFetched"]["lastTransitionTime"] == at(200)
        assert len(api.patches) == 1


@pytest.mark.parametrize("known", [pytest.param(True, id="informer knows"), pytest.param(False, id="informer lags")])
@pytest.mark.parametrize("again", [pytest.param(False, id="gone"), pytest.param(True, id="made again")])
async def test_an_object_that_is_gone_or_another_one_is_dropped(known: bool, again: bool) -> None:
    api = one()
    dropped = counted("ignition", "dropped")

    def replace() -> None:
        api.delete(IPXEBootConfig, "a", NAMESPACE)
        if again:
            api.ipxe("a")

    async with recording(api) as (lab, recorder):
        deliver(lab, recorder)
        if known:
            replace()
        else:
            api.before_patch(replace)
        await asyncio.sleep(120)
        assert api.patches == []
        assert counted("ignition", "dropped") - dropped == 1
        assert PENDING_DELIVERIES._value.get() == 0


async def test_writes_are_bounded() -> None:
    api = BootApi()
    for number in range(50):
        api.ipxe(f"m-{number}")
    async with recording(api) as (lab, recorder):
        api.patching.close()
        for number in range(50):
            deliver(lab, recorder, name=f"m-{number}")
        await asyncio.sleep(10)
        assert api.patching.inside == 8
        api.patching.open()
        await asyncio.sleep(10)
        assert len(api.patches) == 50
        assert api.patching.most == 8


async def test_one_object_is_never_written_twice_at_once() -> None:
    api = one()
    async with recording(api) as (lab, recorder):
        api.patching.close()
        deliver(lab, recorder, Stage.IPXE_SCRIPT)
        await asyncio.sleep(10)
        deliver(lab, recorder, Stage.IGNITION)
        await asyncio.sleep(10)
        assert api.patching.inside == 1
        api.patching.open()
        await asyncio.sleep(10)
        assert len(api.patches) == 2
        assert conditions(api)["IPXEScriptFetched"]["lastTransitionTime"] == at(0)
        assert conditions(api)["IgnitionDataFetched"]["lastTransitionTime"] == at(10)


async def test_a_delivery_during_the_write_of_an_earlier_one_is_written_after_it() -> None:
    api = one()
    async with recording(api) as (lab, recorder):
        deliver(lab, recorder)
        api.patching.close()
        await asyncio.sleep(62)
        deliver(lab, recorder)
        api.patching.open()
        await asyncio.sleep(10)
        assert len(api.patches) == 2
        assert conditions(api)["IgnitionDataFetched"]["lastTransitionTime"] == at(62)


async def test_memory_is_bounded(mocker: Any) -> None:
    mocker.patch.object(deliveries, "MAX_PENDING", 3)
    api = BootApi()
    for number in range(5):
        api.ipxe(f"m-{number}")
    dropped = counted("ignition", "dropped")
    async with recording(api) as (lab, recorder):
        for number in range(5):
            deliver(lab, recorder, name=f"m-{number}")
        assert len(recorder._pending) == 3
        assert len(recorder._noted) == 3
        assert counted("ignition", "dropped") - dropped == 2
        await asyncio.sleep(10)
        assert len(api.patches) == 3


async def test_a_bug_costs_one_record_and_not_the_recorder(mocker: Any) -> None:
    api = one()
    api.ipxe("b")
    async with recording(api) as (lab, recorder):
        broken = mocker.patch.object(deliveries, "patch_status", side_effect=ZeroDivisionError)
        with structlog.testing.capture_logs() as logs:
            deliver(lab, recorder)
            await asyncio.sleep(10)
        assert [line["event"] for line in logs if line["log_level"] == "error"] == ["cannot record a delivery"]
        mocker.stop(broken)
        deliver(lab, recorder, name="b")
        await asyncio.sleep(10)
        assert "IgnitionDataFetched" in conditions(api, "b")


async def test_a_write_that_is_cancelled_from_inside_is_tried_again(mocker: Any) -> None:
    api = one()
    async with recording(api) as (lab, recorder):
        broken = mocker.patch.object(deliveries, "patch_status", side_effect=asyncio.CancelledError)
        deliver(lab, recorder)
        await asyncio.sleep(10)
        mocker.stop(broken)
        await asyncio.sleep(60)
        assert conditions(api)["IgnitionDataFetched"]["lastTransitionTime"] == at(0)


# Beginning and end


async def test_what_was_delivered_before_the_recorder_started_is_written() -> None:
    api = one()
    lab = make_lab(api)
    recorder = DeliveryRecorder(lab.client, lab.cache, clock=clock)
    async with running(lab):
        deliver(lab, recorder)
        await asyncio.sleep(10)
        assert api.patches == []
        task = asyncio.create_task(recorder.start())
        await settle()
        assert len(api.patches) == 1
        await stop([task])


async def flushed(api: BootApi, lab: Lab, recorder: DeliveryRecorder) -> float:
    """Cancels a recorder that has something to write; how long its end takes."""
    task = asyncio.create_task(recorder.start())
    await settle()
    deliver(lab, recorder)
    began = asyncio.get_running_loop().time()
    await stop([task])
    return asyncio.get_running_loop().time() - began


async def test_the_end_does_not_wait_for_coalescing() -> None:
    api = one()
    lab = make_lab(api)
    async with running(lab):
        took = await flushed(api, lab, DeliveryRecorder(lab.client, lab.cache, clock=clock))
        assert took < 0.1
        assert len(api.patches) == 1


async def test_the_end_waits_for_writes_under_way() -> None:
    api = one()
    lab = make_lab(api)
    async with running(lab):
        api.patching.close()
        asyncio.get_running_loop().call_later(3, api.patching.open)
        took = await flushed(api, lab, DeliveryRecorder(lab.client, lab.cache, clock=clock))
        assert took == pytest.approx(3, abs=0.1)
        assert len(api.patches) == 1


async def test_the_end_tries_again_when_the_server_comes_back() -> None:
    api = one()
    lab = make_lab(api)
    async with running(lab):
        asyncio.get_running_loop().call_later(3, api.net.outage().remove)
        took = await flushed(api, lab, DeliveryRecorder(lab.client, lab.cache, clock=clock))
        assert took == pytest.approx(3, abs=0.6)
        assert len(api.patches) == 1


@pytest.mark.parametrize("how", [pytest.param("down", id="refused"), pytest.param("hanging", id="no answer")])
async def test_the_end_takes_five_seconds_at_most_and_says_what_is_lost(how: str) -> None:
    api = one()
    lab = make_lab(api)
    async with running(lab):
        if how == "down":
            api.net.outage()
        else:
            api.patching.close()
        with structlog.testing.capture_logs() as logs:
            took = await flushed(api, lab, DeliveryRecorder(lab.client, lab.cache, clock=clock))
        assert took == pytest.approx(5, abs=0.1)
        (line,) = [line for line in logs if line["event"] == "deliveries could not be recorded before the end"]
        assert line["objects"] == 1
        await settle()
        assert api.patching.inside == 0


# What is told


async def test_a_delivery_is_logged_when_it_is_news() -> None:
    api = one()
    async with recording(api) as (lab, recorder):
        unchanged = counted("ignition", "unchanged")
        recorded = counted("ignition", "recorded")
        with structlog.testing.capture_logs() as logs:
            for _ in range(5):
                deliver(lab, recorder)
            await asyncio.sleep(10)
        (line,) = [line for line in logs if line["event"] == "delivered"]
        assert (line["log_level"], line["stage"], line["machine"]) == ("info", "ignition", UUID)
        assert (line["kind"], line["namespace"], line["name"]) == ("IPXEBootConfig", NAMESPACE, "a")
        assert counted("ignition", "unchanged") - unchanged == 4
        assert counted("ignition", "recorded") - recorded == 1
