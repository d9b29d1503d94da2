"""A contender as a process of its own, with its time, CPU and memory as Linux tells them to anybody."""

from __future__ import annotations

import asyncio
import json
import os
import re
import time
from collections.abc import Coroutine, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TypeVar

T = TypeVar("T")

ROOT = Path(__file__).parents[1]
_END_SECONDS = 10
_TICKS_PER_SECOND = os.sysconf("SC_CLK_TCK")


class ContenderError(Exception):
    """A contender ended, or did not get as far as it should in time; the message quotes its standard error."""


@dataclass(frozen=True)
class Memory:
    """Of a process, in MB."""

    resident: float
    """RSS: its pages that are in memory, shared ones included."""
    proportional: float
    """PSS: the same with each shared page divided among those who share it."""


@dataclass(frozen=True)
class Phase:
    """A line that a contender wrote."""

    name: str
    facts: Mapping[str, Any]
    at: float
    """`time.monotonic` of the driver when it came."""


def read_cpu(stat: str, ticks_per_second: int = _TICKS_PER_SECOND) -> float:
    """Seconds of CPU, user and system, of all threads, from the text of /proc/PID/stat.

    The second field, the program's name in parentheses, may itself hold spaces and parentheses.
    """
    fields = stat[stat.rindex(")") + 2 :].split()
    return (int(fields[11]) + int(fields[12])) / ticks_per_second


def read_memory(rollup: str) -> Memory:
    """Memory from the text of /proc/PID/smaps_rollup.

    Raises:
        ValueError: it has no line for Rss or Pss.
    """
    return Memory(_megabytes("Rss", rollup), _megabytes("Pss", rollup))


def _megabytes(name: str, rollup: str) -> float:
    found = re.search(rf"^{name}:\s+(\d+) kB$", rollup, re.MULTILINE)
    if found is None:
        raise ValueError(f"smaps_rollup has no line {name}:\n{rollup}")
    return int(found[1]) / 1024


def read_phase(line: bytes, at: float) -> Phase:
    """A contender's line.

    Raises:
        ContenderError: it is none.
    """
    try:
        facts = json.loads(line)
        return Phase(facts.pop("phase"), facts, at)
    except (ValueError, AttributeError, KeyError, TypeError) as error:
        raise ContenderError(f"a contender wrote {line!r}, which is no line of its protocol") from error


def cpu_seconds(pid: int) -> float:
    """CPU that a running process has used."""
    return read_cpu(Path(f"/proc/{pid}/stat").read_text())


class ContenderProcess:
    """Starts a contender; an async context manager that ends it.

    It dies with this process: its standard input is a pipe from here.

    Args:
        command: program and arguments.
        log: takes its standard error.

    Attributes:
        started_at: `time.monotonic` just before its start.
    """

    def __init__(self, command: Sequence[str | Path], log: Path) -> None:
        self._command = [str(part) for part in command]
        self._log = log
        self._process: asyncio.subprocess.Process | None = None
        self.started_at = 0.0

    async def __aenter__(self) -> Self:
        with self._log.open("wb") as log:
            self.started_at = time.monotonic()
            self._process = await asyncio.create_subprocess_exec(
                *self._command, cwd=ROOT, stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, stderr=log
            )
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        process = self._running
        assert process.stdin is not None
        process.stdin.close()
        try:
            await asyncio.wait_for(process.wait(), _END_SECONDS)
        except TimeoutError:
            process.kill()
            await process.wait()

    @property
    def _running(self) -> asyncio.subprocess.Process:
        assert self._process is not None, "the contender has not been started"
        return self._process

    async def phase(self, name: str, timeout: float) -> Phase:
        """Waits for its next line, which must be that of this phase.

        Raises:
            ContenderError: it ended, wrote something else, or took longer than `timeout` seconds.
        """
        assert self._running.stdout is not None
        try:
            line = await asyncio.wait_for(self._running.stdout.readline(), timeout)
        except TimeoutError:
            raise ContenderError(f"{self} did not report {name} within {timeout:g} s{self._quoted()}") from None
        phase = read_phase(line, time.monotonic()) if line else None
        if phase is None or phase.name != name:
            raise ContenderError(f"{self} should report {name}, and wrote {line!r}{self._quoted()}")
        return phase

    async def unless_ended(self, awaitable: Coroutine[Any, Any, T]) -> T:
        """Waits for something that the contender should bring about.

        Raises:
            ContenderError: it ended before.
        """
        waiting, ended = asyncio.create_task(awaitable), asyncio.create_task(self._running.wait())
        try:
            await asyncio.wait({waiting, ended}, return_when=asyncio.FIRST_COMPLETED)
            if not waiting.done():
                raise ContenderError(f"{self} ended with exit code {ended.result()}{self._quoted()}")
            return waiting.result()
        finally:
            for task in (waiting, ended):
                task.cancel()
            await asyncio.gather(waiting, ended, return_exceptions=True)

    def cpu(self) -> float:
        """Seconds of CPU so far."""
        return cpu_seconds(self._running.pid)

    def memory(self) -> Memory:
        """Its memory now."""
        return read_memory(Path(f"/proc/{self._running.pid}/smaps_rollup").read_text())

    def _quoted(self) -> str:
        text = self._log.read_text(errors="replace").strip()
        return f"; the end of its standard error:\n{text[-2000:]}" if text else ""

    def __str__(self) -> str:
        return " ".join(self._command)
