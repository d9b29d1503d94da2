"""A moment of an informer that others wait for."""

from __future__ import annotations

import asyncio

from controller_runtime.cache.errors import InformerStoppedError


class Milestone:
    """Is reached once and stays reached, or is given up, which whoever waits is told."""

    def __init__(self) -> None:
        self._over = asyncio.Event()
        self._given_up = ""
        self.reached = False

    def reach(self) -> None:
        """It is reached, and nothing changes that any more."""
        self.reached = True
        self._over.set()

    def take_back(self) -> None:
        """It is not reached after all; who has returned from waiting has returned."""
        self.reached = False
        if not self._given_up:
            self._over.clear()

    def give_up(self, why: str) -> None:
        """It will not be reached any more, unless it was."""
        self._given_up = why
        self._over.set()

    async def wait(self) -> None:
        """Returns once it is reached.

        Raises:
            InformerStoppedError: it was given up.
        """
        await self._over.wait()
        if not self.reached:
            raise InformerStoppedError(self._given_up)
