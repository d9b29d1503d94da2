"""A server that serves Gadgets, and programs that speak to it."""

from __future__ import annotations

import os
import queue
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import Self

import pytest

from controller_runtime.envtest import ControlPlane, ControlPlaneOptions

HERE = Path(__file__).parent
DEADLINE = 60
"""Seconds after which a program has failed."""


@pytest.fixture(scope="package")
def control_plane() -> Iterator[ControlPlane]:
    """A server that collects garbage and serves Gadgets."""
    with ControlPlane(ControlPlaneOptions(garbage_collection=True)) as plane:
        plane.install_crds([HERE / "gadgets.yaml"])
        yield plane


class Program:
    """A program that runs while the context lasts.

    Args:
        plane: The server that it speaks to.
        name: Of the module in `programs`.
        arguments: The namespace first.
    """

    def __init__(self, plane: ControlPlane, name: str, *arguments: str) -> None:
        command = [sys.executable, str(HERE / "programs" / f"{name}.py"), *arguments]
        environment = {
            "PATH": os.environ.get("PATH", os.defpath),
            "HOME": str(plane.directory),
            "KUBECONFIG": str(plane.kubeconfig),
            "PYTHONUNBUFFERED": "1",
        }
        self._process = subprocess.Popen(
            command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        )
        self._lines: queue.Queue[str | None] = queue.Queue()
        self._output = ""
        self._reader = threading.Thread(target=self._read)
        self._reader.start()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.kill()

    def until(self, words: str) -> None:
        """Return when a line with these words was printed."""
        while (line := self._next(words)) is not None:
            if words in line:
                return
        raise AssertionError(f"the program ended with {self._process.wait()} before it said {words!r}:\n{self._output}")

    def finish(self) -> None:
        """Return when the program ended well."""
        while self._next("the end") is not None:
            pass
        code = self._process.wait(DEADLINE)
        assert code == 0, f"exit code {code}:\n{self._output}"

    def kill(self) -> None:
        """End it at once, without a word to the server."""
        self._process.kill()
        self._process.wait()
        self._reader.join()

    def _next(self, wanted: str) -> str | None:
        try:
            return self._lines.get(timeout=DEADLINE)
        except queue.Empty:
            raise AssertionError(f"{wanted!r} did not come in {DEADLINE} s:\n{self._output}") from None

    def _read(self) -> None:
        assert self._process.stdout
        with self._process.stdout as lines:
            for line in lines:
                self._output += line
                self._lines.put(line)
        self._lines.put(None)
