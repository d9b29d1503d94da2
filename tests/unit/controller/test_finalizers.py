"""The registry of finalizers: what it puts on objects, runs, removes and reports."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime

import pytest
from msgspec.structs import replace

from controller_runtime.apimachinery import ObjectMeta
from controller_runtime.controller import TerminalError
from controller_runtime.controller.finalizers import Finalizer, FinalizerError, Finalizers, FinalizersFailedError
from tests.unit.client.fakes import Widget, WidgetSpec, WidgetStatus

DISKS, PORTS = "example.com/disks", "example.com/ports"


def living(*finalizers: str) -> Widget:
    return Widget(metadata=ObjectMeta(name="a", namespace="default", finalizers=finalizers))


def deleted(*finalizers: str) -> Widget:
    obj = living(*finalizers)
    return replace(obj, metadata=replace(obj.metadata, deletion_timestamp=datetime(2026, 1, 1, tzinfo=UTC)))


class Recorder:
    """Makes finalizers that note that they ran and what they saw."""

    def __init__(self) -> None:
        self.ran: list[str] = []
        self.saw: list[Widget] = []

    def finalizer(self, name: str, change: Callable[[Widget], Widget] = lambda obj: obj) -> Finalizer[Widget]:
        async def finalize(obj: Widget) -> Widget:
            self.ran.append(name)
            self.saw.append(obj)
            return change(obj)

        return finalize


def resized(obj: Widget) -> Widget:
    return replace(obj, spec=WidgetSpec(size=obj.spec.size + 1))


def restated(obj: Widget) -> Widget:
    return replace(obj, status=WidgetStatus(state="Cleaned"))


def fail(error: Exception) -> Callable[[Widget], Widget]:
    def change(_obj: Widget) -> Widget:
        raise error

    return change


async def test_an_object_that_lives_gets_all_keys_and_no_finalizer_runs() -> None:
    recorder, finalizers = Recorder(), Finalizers[Widget]()
    finalizers.register(DISKS, recorder.finalizer("disks"))
    finalizers.register(PORTS, recorder.finalizer("ports"))
    finalized = await finalizers.finalize(living("other", PORTS))
    assert finalized.obj == living("other", PORTS, DISKS)
    assert (finalized.updated, finalized.status_updated, recorder.ran) == (True, False, [])


@pytest.mark.parametrize("obj", [living(DISKS), deleted(), deleted("other")])
async def test_an_object_without_need_is_returned_as_it_is(obj: Widget) -> None:
    recorder, finalizers = Recorder(), Finalizers[Widget]()
    finalizers.register(DISKS, recorder.finalizer("disks"))
    finalized = await finalizers.finalize(obj)
    assert finalized.obj is obj
    assert (finalized.updated, finalized.status_updated, recorder.ran) == (False, False, [])


async def test_finalizers_of_a_deleted_object_run_in_order_each_on_what_the_one_before_left() -> None:
    recorder, finalizers = Recorder(), Finalizers[Widget]()
    finalizers.register(PORTS, recorder.finalizer("ports", resized))
    finalizers.register("example.com/unused", recorder.finalizer("unused"))
    finalizers.register(DISKS, recorder.finalizer("disks", resized))
    finalized = await finalizers.finalize(deleted(DISKS, "other", PORTS))
    assert recorder.ran == ["ports", "disks"]
    assert [(obj.spec.size, obj.metadata.finalizers) for obj in recorder.saw] == [
        (0, (DISKS, "other", PORTS)),
        (1, (DISKS, "other")),
    ]
    assert finalized.obj == replace(deleted("other"), spec=WidgetSpec(size=2))


@pytest.mark.parametrize(
    ("change", "status_updated"),
    [
        pytest.param(lambda obj: obj, False, id="nothing"),
        pytest.param(resized, False, id="the spec"),
        pytest.param(restated, True, id="the status"),
    ],
)
async def test_what_has_to_be_written_is_seen_by_comparing(
    change: Callable[[Widget], Widget], status_updated: bool
) -> None:
    finalizers = Finalizers[Widget]()
    finalizers.register(DISKS, Recorder().finalizer("disks", change))
    finalized = await finalizers.finalize(deleted(DISKS))
    assert (finalized.updated, finalized.status_updated) == (True, status_updated)


async def test_a_finalizer_that_fails_keeps_its_key_and_lets_the_others_run() -> None:
    recorder, finalizers = Recorder(), Finalizers[Widget]()
    finalizers.register(DISKS, recorder.finalizer("disks", fail(OSError("disk is busy"))))
    finalizers.register(PORTS, recorder.finalizer("ports", fail(TerminalError("no such port"))))
    finalizers.register("example.com/names", recorder.finalizer("names", restated))
    with pytest.raises(FinalizersFailedError, match="cannot finalize Widget default/a") as caught:
        await finalizers.finalize(deleted(DISKS, PORTS, "example.com/names"))
    assert recorder.ran == ["disks", "ports", "names"]
    assert [type(error) for error in caught.value.exceptions] == [OSError, TerminalError]
    assert caught.value.exceptions[0].__notes__ == [f"raised by the finalizer {DISKS} of Widget default/a"]
    finalized = caught.value.finalized
    assert finalized.obj == restated(deleted(DISKS, PORTS))
    assert (finalized.updated, finalized.status_updated) == (True, True)


async def test_a_finalizer_that_fails_can_have_the_object_written_nevertheless() -> None:
    finalizers = Finalizers[Widget]()
    obj = deleted(DISKS)
    finalizers.register(DISKS, Recorder().finalizer("disks", fail(FinalizerError("disk is busy", restated(obj)))))
    with pytest.raises(FinalizersFailedError) as caught:
        await finalizers.finalize(obj)
    finalized = caught.value.finalized
    assert finalized.obj == restated(obj)
    assert (finalized.updated, finalized.status_updated) == (False, True)


async def test_the_errors_of_finalizers_can_be_told_apart() -> None:
    finalizers = Finalizers[Widget]()
    finalizers.register(DISKS, Recorder().finalizer("disks", fail(OSError("disk is busy"))))
    finalizers.register(PORTS, Recorder().finalizer("ports", fail(TerminalError("no such port"))))
    with pytest.raises(FinalizersFailedError) as caught:
        await finalizers.finalize(deleted(DISKS, PORTS))
    terminal, rest = caught.value.split(TerminalError)
    assert [type(error) for group in (terminal, rest) if group for error in group.exceptions] == [
        TerminalError,
        OSError,
    ]


async def test_cancellation_is_no_failure_of_a_finalizer() -> None:
    recorder, finalizers = Recorder(), Finalizers[Widget]()

    async def never_ends(obj: Widget) -> Widget:
        await asyncio.get_running_loop().create_future()
        return obj

    finalizers.register(DISKS, never_ends)
    finalizers.register(PORTS, recorder.finalizer("ports"))
    task = asyncio.create_task(finalizers.finalize(deleted(DISKS, PORTS)))
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert recorder.ran == []


@pytest.mark.parametrize(
    "key",
    [
        DISKS,
        "example.com/Disks_of.2-kinds",
        "a/b",
        "x-1.y-2/3",
        pytest.param("a" * 253 + "/" + "b" * 63, id="as long as can be"),
    ],
)
async def test_a_key_is_a_domain_and_a_name(key: str) -> None:
    finalizers = Finalizers[Widget]()
    finalizers.register(key, Recorder().finalizer("any"))
    assert (await finalizers.finalize(living())).obj.metadata.finalizers == (key,)


@pytest.mark.parametrize(
    "key",
    [
        "",
        "disks",
        "/disks",
        "example.com/",
        "example.com/disks/all",
        "Example.com/disks",
        "example..com/disks",
        "-example.com/disks",
        "example.com/-disks",
        "example.com/disks\n",
        pytest.param("a" * 254 + "/b", id="domain too long"),
        pytest.param("a/" + "b" * 64, id="name too long"),
    ],
)
def test_any_other_key_is_refused(key: str) -> None:
    with pytest.raises(ValueError, match="is not a domain and a name"):
        Finalizers[Widget]().register(key, Recorder().finalizer("any"))


def test_a_key_is_registered_once() -> None:
    finalizers = Finalizers[Widget]()
    finalizers.register(DISKS, Recorder().finalizer("disks"))
    with pytest.raises(ValueError, match=r"finalizer key 'example\.com/disks' is registered already"):
        finalizers.register(DISKS, Recorder().finalizer("disks"))
