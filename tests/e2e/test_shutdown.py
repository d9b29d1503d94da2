"""The end of the process, where parts do not want to end."""

from __future__ import annotations

import subprocess
import sys

import pytest

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(60)]

STUBBORN = """
import asyncio, os, signal, sys
from unittest import mock
from boot_operator import __main__ as program
from controller_runtime.manager import GracefulShutdownError

async def stubborn():
    while True:
        try:
            await asyncio.sleep(3600)
        except asyncio.CancelledError:
            pass

async def run(options):
    asyncio.get_running_loop().create_task(stubborn())
    await asyncio.sleep(0)
    raise GracefulShutdownError("these parts had not ended: stubborn")

with mock.patch.object(program, "run", run):
    program.main()
"""


def test_a_part_that_ignores_its_end_does_not_keep_the_process() -> None:
    done = subprocess.run([sys.executable, "-c", STUBBORN], capture_output=True, text=True, timeout=30, check=False)
    assert done.returncode == 1
    assert "these parts had not ended: stubborn" in done.stderr
