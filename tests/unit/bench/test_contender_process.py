"""What the driver of the library's benchmark reads from /proc and from its contenders."""

from __future__ import annotations

import asyncio
import os
import sys
from pathlib import Path

import pytest

from bench.contender_process import (
    ContenderError,
    ContenderProcess,
    Memory,
    Phase,
    cpu_seconds,
    read_cpu,
    read_memory,
    read_phase,
)

ROLLUP = """\
55d0c0a00000-7ffd1c5f2000 ---p 00000000 00:00 0                          [rollup]
Rss:               20480 kB
Pss:               10240 kB
Pss_Dirty:          9000 kB
SwapPss:            4096 kB
"""


@pytest.mark.parametrize(
    "name",
    [
        pytest.param("python", id="plain"),
        pytest.param("my (odd) name", id="spaces and parentheses"),
        pytest.param(") R 1 2 3", id="a name that looks like what follows"),
    ],
)
def test_cpu_is_user_and_system_time_whatever_the_program_is_called(name: str) -> None:
    stat = f"4242 ({name}) S 1 4242 4242 0 -1 4194304 900 0 3 0 150 50 7 8 20 0 4 0 100 1 2"
    assert read_cpu(stat, ticks_per_second=100) == 2.0


def test_memory_is_rss_and_pss_alone() -> None:
    assert read_memory(ROLLUP) == Memory(resident=20.0, proportional=10.0)


def test_a_rollup_without_a_figure_is_an_error_that_quotes_it() -> None:
    with pytest.raises(ValueError, match=r"(?s)no line Pss.*Rss"):
        read_memory("Rss:               20480 kB\n")


def test_what_linux_says_of_this_process_can_be_read() -> None:
    assert cpu_seconds(os.getpid()) > 0
    memory = read_memory(Path("/proc/self/smaps_rollup").read_text())
    assert 0 < memory.proportional <= memory.resident


def test_a_line_is_a_phase_with_its_facts() -> None:
    line = b'{"phase": "synced", "objects": 1000}\n'
    assert read_phase(line, at=5.0) == Phase(name="synced", facts={"objects": 1000}, at=5.0)


@pytest.mark.parametrize(
    "line",
    [
        pytest.param(b"Traceback (most recent call last):\n", id="no JSON"),
        pytest.param(b"[]\n", id="no object"),
        pytest.param(b'{"objects": 3}\n', id="no phase"),
        pytest.param(b"\xff\n", id="no text"),
    ],
)
def test_any_other_line_is_an_error_that_quotes_it(line: bytes) -> None:
    with pytest.raises(ContenderError, match="no line of its protocol"):
        read_phase(line, at=0)


def contender(tmp_path: Path, code: str) -> ContenderProcess:
    return ContenderProcess([sys.executable, "-I", "-c", code], tmp_path / "log")


async def test_a_contender_ends_when_its_input_is_closed(tmp_path: Path) -> None:
    code = 'import sys; print(\'{"phase": "synced"}\', flush=True); sys.stdin.read()'
    async with contender(tmp_path, code) as process:
        phase = await process.phase("synced", 60)
        assert phase.at >= process.started_at
        assert process.cpu() >= 0
        assert process.memory().resident > 1
    with pytest.raises(ContenderError, match="exit code 0"):
        await process.unless_ended(asyncio.Event().wait())


@pytest.mark.parametrize(
    ("code", "message"),
    [
        pytest.param(
            "raise SystemExit('no server there')", r"should report synced(?s:.*)no server there", id="it ended"
        ),
        pytest.param('print(\'{"phase": "working"}\')', "should report synced, and wrote", id="another phase"),
    ],
)
async def test_a_phase_that_does_not_come_is_an_error(tmp_path: Path, code: str, message: str) -> None:
    async with contender(tmp_path, code) as process:
        with pytest.raises(ContenderError, match=message):
            await process.phase("synced", 60)


async def test_a_contender_that_ends_is_not_waited_for(tmp_path: Path) -> None:
    async with contender(tmp_path, "raise SystemExit('out of luck')") as process:
        with pytest.raises(ContenderError, match=r"exit code 1(?s:.*)out of luck"):
            await process.unless_ended(asyncio.Event().wait())


async def test_what_was_waited_for_is_returned_while_the_contender_runs(tmp_path: Path) -> None:
    async def answer() -> int:
        return 7

    async with contender(tmp_path, "import sys; sys.stdin.read()") as process:
        assert await process.unless_ended(answer()) == 7
