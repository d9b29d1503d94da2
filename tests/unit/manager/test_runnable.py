"""Groups of runnables: started together, stopped together, failures told."""

import asyncio
import gc
import weakref

import pytest
from structlog.testing import capture_logs

from controller_runtime.manager.runnable import Group, Roster, RunningGroup, group_of, run_all


class Forever:
    """Runs until cancelled and takes `delay` seconds to end."""

    needs_leader_election = False

    def __init__(self, delay: float = 0) -> None:
        self.delay = delay
        self.ended = False

    async def start(self) -> None:
        try:
            await asyncio.get_running_loop().create_future()
        finally:
            await asyncio.sleep(self.delay)
            self.ended = True


class Failing:
    async def start(self) -> None:
        await asyncio.sleep(1)
        raise ValueError("broken")


class Brief:
    async def start(self) -> None:
        await asyncio.sleep(1)


def test_a_runnable_that_says_nothing_belongs_to_the_leader() -> None:
    assert group_of(Failing()) is Group.LEADER
    assert group_of(Forever()) is Group.OTHERS


@pytest.mark.looptime
async def test_stop_waits_for_all_and_names_those_that_are_late() -> None:
    quick, slow = Forever(1), Forever(60)
    group = RunningGroup([quick, slow], lambda error: pytest.fail(str(error)))
    await asyncio.sleep(0)
    late = await group.stop(asyncio.get_running_loop().time() + 10)
    assert quick.ended
    assert not slow.ended
    assert late == ["runnable/Forever"]
    await group.stop(asyncio.get_running_loop().time() + 100)


@pytest.mark.looptime
async def test_a_failure_is_told_once_and_an_early_end_is_none() -> None:
    failures: list[BaseException] = []
    group = RunningGroup([Failing(), Brief()], failures.append)
    await asyncio.sleep(2)
    assert [str(error) for error in failures] == ["broken"]
    assert await group.stop(0) == []


@pytest.mark.looptime
async def test_a_part_that_has_ended_is_forgotten() -> None:
    failures: list[BaseException] = []
    group = RunningGroup([Forever()], failures.append)
    group.add(Brief())
    (ended,) = (weakref.ref(task) for task in asyncio.all_tasks() if task.get_name() == "runnable/Brief")
    await asyncio.sleep(10)
    gc.collect()
    assert ended() is None
    await group.stop(asyncio.get_running_loop().time() + 1)


@pytest.mark.looptime
async def test_run_all_ends_every_runnable_when_one_fails() -> None:
    other = Forever()
    with pytest.raises(ValueError, match="broken"):
        await run_all([other, Failing()])
    assert other.ended


@pytest.mark.looptime
async def test_run_all_of_nothing_runs_until_cancelled() -> None:
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(1000):
            await run_all([])


@pytest.mark.looptime
async def test_run_all_goes_on_while_one_has_ended() -> None:
    other = Forever()
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(10):
            await run_all([other, Brief()])
    assert other.ended


class CancelledInside:
    """Awaits something that somebody else has cancelled."""

    async def start(self) -> None:
        await asyncio.sleep(1)
        shared = asyncio.get_running_loop().create_future()
        shared.cancel()
        await shared


@pytest.mark.looptime
async def test_a_cancellation_from_inside_is_a_failure() -> None:
    failures: list[BaseException] = []
    group = RunningGroup([CancelledInside()], failures.append)
    await asyncio.sleep(2)
    assert [str(error) for error in failures] == [
        "runnable/CancelledInside ended by a cancellation that came from inside of it"
    ]
    await group.stop(0)
    with pytest.raises(RuntimeError, match="came from inside"):
        await run_all([Forever(), CancelledInside()])


class Named(Forever):
    name = "ipxebootconfig"


@pytest.mark.looptime
async def test_a_part_that_takes_long_to_end_is_named() -> None:
    with capture_logs() as lines, pytest.raises(TimeoutError):
        async with asyncio.timeout(1):
            await run_all([Named(10), Forever(2)])
    assert [line["parts"] for line in lines if line["log_level"] == "warning"] == [["runnable/Named/ipxebootconfig"]]


@pytest.mark.looptime
@pytest.mark.parametrize("cancellations", [1, 3])
async def test_run_all_waits_for_every_runnable_even_if_it_is_cancelled_while_they_end(cancellations: int) -> None:
    slow = Forever(10)
    task = asyncio.create_task(run_all([slow, Failing()]))
    await asyncio.sleep(2)
    for _ in range(cancellations):
        task.cancel()
        await asyncio.sleep(1)
    with pytest.raises(ValueError, match="broken"):
        await task
    assert slow.ended


@pytest.mark.looptime
async def test_run_all_waits_for_every_runnable_if_it_is_cancelled_twice() -> None:
    slow = Forever(10)
    task = asyncio.create_task(run_all([slow]))
    for _ in range(2):
        await asyncio.sleep(1)
        task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert slow.ended


@pytest.mark.looptime
async def test_what_is_added_while_a_group_runs_is_started_and_stopped_with_it() -> None:
    group = RunningGroup([], lambda error: pytest.fail(str(error)))
    late = Forever()
    group.add(late)
    await asyncio.sleep(1)
    assert await group.stop(asyncio.get_running_loop().time() + 10) == []
    assert late.ended
    with pytest.raises(RuntimeError, match="Forever cannot be added: its group is being stopped"):
        group.add(Forever())


class Counting(Forever):
    """Counts how often it was started."""

    def __init__(self, delay: float = 0) -> None:
        super().__init__(delay)
        self.starts = 0

    async def start(self) -> None:
        self.starts += 1
        await super().start()


@pytest.mark.looptime
async def test_a_roster_runs_what_is_added_to_it_in_this_term_and_in_each_later_one() -> None:
    first, late = Counting(), Counting()
    roster = Roster([first])
    for term in (1, 2):
        task = asyncio.create_task(roster.run())
        await asyncio.sleep(1)
        if term == 1:
            roster.add(late)
            await asyncio.sleep(1)
        assert (first.starts, late.starts) == (term, term)
        task.cancel()
        await asyncio.wait({task})
        assert first.ended
        assert late.ended


@pytest.mark.looptime
async def test_what_is_added_to_a_roster_while_its_term_ends_waits_for_the_next() -> None:
    late = Counting()
    roster = Roster([Counting(delay=10)])
    task = asyncio.create_task(roster.run())
    await asyncio.sleep(1)
    task.cancel()
    await asyncio.sleep(1)
    roster.add(late)
    await asyncio.wait({task})
    assert late.starts == 0
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(1):
            await roster.run()
    assert late.starts == 1


@pytest.mark.looptime
async def test_what_is_added_to_a_roster_can_end_the_term_by_its_failure() -> None:
    first = Counting()
    roster = Roster([first])
    task = asyncio.create_task(roster.run())
    await asyncio.sleep(1)
    roster.add(Failing())
    with pytest.raises(ValueError, match="broken"):
        await task
    assert first.ended


@pytest.mark.looptime
async def test_a_limit_that_the_clock_cannot_tell_from_now_is_over() -> None:
    slow = Forever(60)
    group = RunningGroup([slow], lambda error: pytest.fail(str(error)))
    await asyncio.sleep(2.077137)  # rounded to microseconds by the loop; this plus 5 is a bit more
    begin = asyncio.get_running_loop().time()
    assert await group.stop(begin + 5) == ["runnable/Forever"]
    assert asyncio.get_running_loop().time() - begin == pytest.approx(5)
    await group.stop(begin + 100)
