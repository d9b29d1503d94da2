"""The channel: what is sent is reconciled, in this term or a later one, and who sends too much has to wait."""

from __future__ import annotations

import asyncio

import pytest

from controller_runtime.apimachinery import ObjectMeta
from controller_runtime.controller import (
    ChannelFullError,
    ChannelSource,
    Controller,
    Funcs,
    Request,
    Result,
    TerminalError,
    predicate_for,
)
from tests.unit.cache.kinds import Gadget
from tests.unit.controller.fakes import A, B, Recording, run_for, succeed

pytestmark = pytest.mark.looptime


def gadget(name: str) -> Gadget:
    return Gadget(metadata=ObjectMeta(namespace="ns", name=name))


async def test_what_is_sent_while_the_controller_runs_is_reconciled_at_once() -> None:
    channel: ChannelSource[Gadget] = ChannelSource()
    reconciler = Recording(succeed)
    controller = Controller("channel-running", reconciler, sources=[channel])
    task = asyncio.create_task(controller.start())
    await asyncio.sleep(5)
    await channel.send(gadget("a"))
    await asyncio.sleep(5)
    assert channel.try_send(gadget("b"))
    await asyncio.sleep(5)
    assert reconciler.requests() == [A, B]
    task.cancel()
    await asyncio.wait({task})
    await run_for(10, controller)
    assert reconciler.requests() == [A, B]


async def test_what_is_sent_between_terms_is_kept_once_each_for_the_next() -> None:
    channel: ChannelSource[Gadget] = ChannelSource()
    reconciler = Recording(succeed)
    controller = Controller("channel-kept", reconciler, sources=[channel])
    for name in ("a", "b", "a"):
        await channel.send(gadget(name))
    await run_for(10, controller)
    await channel.send(gadget("a"))
    await run_for(10, controller)
    assert reconciler.requests() == [A, B, A]


async def test_what_is_not_wanted_between_terms_is_dropped_then_alone() -> None:
    channel: ChannelSource[Gadget] = ChannelSource(keep=False, buffer_size=1)
    reconciler = Recording(succeed)
    controller = Controller("channel-dropped", reconciler, sources=[channel])
    for name in ("a", "b"):
        await channel.send(gadget(name))
    task = asyncio.create_task(controller.start())
    await asyncio.sleep(5)
    await channel.send(gadget("b"))
    await asyncio.sleep(5)
    assert reconciler.requests() == [B]
    task.cancel()
    await asyncio.wait({task})
    await run_for(10, controller)
    assert reconciler.requests() == [B]


async def until_interrupted(request: Request) -> None:
    await asyncio.sleep(1_000)


async def failing(request: Request) -> None:
    raise ConnectionError("no route")


async def planning(request: Request) -> Result:
    return Result(requeue_after=1_000)


async def giving_up(request: Request) -> None:
    raise TerminalError("the spec makes no sense")


@pytest.mark.parametrize(
    ("act", "left"),
    [
        pytest.param(until_interrupted, [A, B], id="interrupted, and one that was never taken"),
        pytest.param(failing, [A, B], id="failed"),
        pytest.param(planning, [A, B], id="planned again"),
        pytest.param(giving_up, [], id="given up"),
        pytest.param(succeed, [], id="done"),
    ],
)
async def test_what_a_term_did_not_finish_is_done_by_the_next(act: object, left: list[Request]) -> None:
    channel: ChannelSource[Gadget] = ChannelSource()
    reconciler = Recording(act)  # type: ignore[arg-type]
    controller = Controller("channel-unfinished", reconciler, sources=[channel])
    await channel.send(gadget("a"))
    await channel.send(gadget("b"))
    await run_for(10, controller)
    controller._reconciler = after = Recording(succeed)
    await run_for(10, controller)
    assert sorted(after.requests()) == left


async def test_what_is_sent_while_it_is_reconciled_is_reconciled_once_more_even_in_the_next_term() -> None:
    channel: ChannelSource[Gadget] = ChannelSource()

    async def send_again(request: Request) -> None:
        await channel.send(gadget("a"))
        task.cancel()

    controller = Controller("channel-meanwhile", Recording(send_again), sources=[channel])
    await channel.send(gadget("a"))
    task = asyncio.create_task(controller.start())
    await asyncio.wait({task})
    controller._reconciler = after = Recording(succeed)
    await run_for(10, controller)
    assert after.requests() == [A]


async def test_a_sender_waits_for_room_and_goes_on_when_there_is_some() -> None:
    channel: ChannelSource[Gadget] = ChannelSource(buffer_size=1)
    reconciler = Recording(succeed)
    controller = Controller("channel-full", reconciler, sources=[channel])
    assert channel.try_send(gadget("a"))
    assert channel.try_send(gadget("a"))
    assert not channel.try_send(gadget("b"))
    sender = asyncio.create_task(channel.send(gadget("b"), timeout=None))
    await asyncio.sleep(100)
    assert not sender.done()
    task = asyncio.create_task(controller.start())
    await asyncio.sleep(5)
    assert sender.done()
    assert reconciler.requests() == [A, B]
    task.cancel()
    await asyncio.wait({task, sender})


async def test_a_sender_does_not_wait_for_ever_for_a_replica_that_does_not_lead() -> None:
    channel: ChannelSource[Gadget] = ChannelSource(buffer_size=1, name="hooks")
    Controller("channel-standby", Recording(succeed), sources=[channel])
    await channel.send(gadget("a"))
    begin = asyncio.get_running_loop().time()
    with pytest.raises(ChannelFullError, match=r"channel source: hooks: a controller has left 1 requests"):
        await channel.send(gadget("b"))
    assert asyncio.get_running_loop().time() - begin == pytest.approx(10)


async def test_each_controller_gets_everything_and_has_a_buffer_of_its_own() -> None:
    channel: ChannelSource[Gadget] = ChannelSource(buffer_size=1)
    first, second = Recording(succeed), Recording(succeed)
    quick = Controller("channel-first", first, sources=[channel])
    late = Controller("channel-second", second, sources=[channel])
    task = asyncio.create_task(quick.start())
    await asyncio.sleep(1)
    assert channel.try_send(gadget("a"))
    await asyncio.sleep(5)
    assert not channel.try_send(gadget("b"))
    await asyncio.sleep(5)
    assert first.requests() == [A]
    await run_for(10, late)
    assert second.requests() == [A]
    task.cancel()
    await asyncio.wait({task})


async def test_predicates_are_asked_as_generic() -> None:
    predicates = [predicate_for(lambda obj: obj.metadata.name != "a"), Funcs(create=lambda obj: False)]
    channel: ChannelSource[Gadget] = ChannelSource(predicates=predicates)
    reconciler = Recording(succeed)
    controller = Controller("channel-filtered", reconciler, sources=[channel])
    await channel.send(gadget("a"))
    await channel.send(gadget("b"))
    await run_for(10, controller)
    assert reconciler.requests() == [B]


async def test_what_nobody_would_get_and_what_has_no_room_is_refused() -> None:
    channel: ChannelSource[Gadget] = ChannelSource()
    with pytest.raises(RuntimeError, match="no controller has this source"):
        await channel.send(gadget("a"))
    with pytest.raises(ValueError, match="a buffer for one request"):
        ChannelSource(buffer_size=0)
