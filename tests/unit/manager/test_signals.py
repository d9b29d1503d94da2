"""Signals: the first one lets a program wind up, the second one does not wait for that."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys

import pytest
from pytest_mock import MockerFixture

from controller_runtime.manager import run_until_signal


async def until_cancelled(notes: list[str], number: signal.Signals = signal.SIGTERM) -> None:
    """Sends this process the signal and runs until that has come through."""
    os.kill(os.getpid(), number)
    try:
        await asyncio.get_running_loop().create_future()
    finally:
        notes.append("wound up")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
async def test_the_first_signal_cancels_and_is_no_error(number: signal.Signals) -> None:
    notes: list[str] = []
    before = signal.getsignal(number)
    await run_until_signal(until_cancelled(notes, number))
    assert notes == ["wound up"]
    assert signal.getsignal(number) in (before, signal.SIG_DFL, signal.default_int_handler)


async def test_the_second_signal_ends_the_process_at_once(mocker: MockerFixture) -> None:
    left = asyncio.Event()
    leave = mocker.patch.object(os, "_exit", side_effect=lambda status: left.set())

    async def wind_up_for_ever() -> None:
        try:
            await until_cancelled([])
        finally:
            os.kill(os.getpid(), signal.SIGINT)
            await left.wait()

    await run_until_signal(wind_up_for_ever())
    leave.assert_called_once_with(1)


async def test_what_fails_while_winding_up_comes_out() -> None:
    async def fail_at_the_end() -> None:
        try:
            await until_cancelled([])
        finally:
            raise ValueError("broken")

    with pytest.raises(ValueError, match="broken"):
        await run_until_signal(fail_at_the_end())


async def test_a_cancellation_without_a_signal_is_handed_on() -> None:
    notes: list[str] = []
    running = asyncio.Event()

    async def main() -> None:
        running.set()
        try:
            await asyncio.get_running_loop().create_future()
        finally:
            notes.append("wound up")

    task = asyncio.create_task(run_until_signal(main()))
    await running.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert notes == ["wound up"]


STUBBORN = """
import asyncio
from controller_runtime.leaderelection import LeaderWorkStuckError
from controller_runtime.manager import GracefulShutdownError, run_until_signal

async def stubborn():
    while True:
        try:
            await asyncio.get_running_loop().create_future()
        except asyncio.CancelledError:
            pass

async def main():
    part = asyncio.create_task(stubborn())
    await asyncio.sleep(0)
    print("not flushed yet", end="")
    raise {error}("stubborn had not ended")

asyncio.run(run_until_signal(main()))
"""


@pytest.mark.parametrize("error", ["GracefulShutdownError", "LeaderWorkStuckError"])
def test_what_does_not_end_does_not_keep_the_process(error: str) -> None:
    program = [sys.executable, "-c", STUBBORN.format(error=error)]
    done = subprocess.run(program, capture_output=True, text=True, timeout=30, check=False)
    assert done.returncode == 1
    assert "not flushed yet" in done.stdout
    assert "stubborn had not ended" in done.stdout + done.stderr
    assert "Traceback" not in done.stderr
