"""Watching processes of other processes end, without polling."""

import os
import select
from collections.abc import Iterable
from contextlib import ExitStack
from pathlib import Path
from typing import Self

ENDING_TIMEOUT = 30
"""Seconds after which a process that should have ended counts as alive; only a failing test waits so long."""


def children(pid: int) -> dict[int, str]:
    """Return the direct children of a process by id, each with the name of its program."""
    found = {}
    for entry in Path("/proc").glob("[0-9]*/stat"):
        try:
            name, fields = entry.read_text().partition("(")[2].rsplit(")", 1)
        except FileNotFoundError:  # it ended in the meantime
            continue
        if int(fields.split()[1]) == pid:
            found[int(entry.parent.name)] = name
    return found


class Deaths:
    """Holds on to processes so that their end is seen and their ids cannot be taken by others; a context manager.

    Args:
        pids: Processes that are alive.
    """

    def __init__(self, pids: Iterable[int]) -> None:
        self._pids = list(pids)
        self._poll = select.poll()
        self._stack = ExitStack()

    def __enter__(self) -> Self:
        for pid in self._pids:
            descriptor = os.pidfd_open(pid)
            self._stack.callback(os.close, descriptor)
            self._poll.register(descriptor, select.POLLIN)
        return self

    def __exit__(self, *_error: object) -> None:
        self._stack.close()

    def wait(self) -> None:
        """Return when all of them have ended.

        Raises:
            TimeoutError: Some have not after `ENDING_TIMEOUT`.
        """
        alive = len(self._pids)
        while alive:
            ended = self._poll.poll(ENDING_TIMEOUT * 1000)
            if not ended:
                raise TimeoutError(f"{alive} of the processes {self._pids} are alive after {ENDING_TIMEOUT} s")
            for descriptor, _ in ended:
                self._poll.unregister(descriptor)
            alive -= len(ended)
