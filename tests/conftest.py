"""What holds for all tests."""

from __future__ import annotations

import asyncio


def pytest_configure() -> None:
    """Says that there is no event loop but those that tests get.

    Otherwise pytest-asyncio, which asks for the current one in order to restore it, makes Python 3.11 create a loop
    that nobody closes, and the warning about that hits whatever test runs when it is collected.
    """
    asyncio.set_event_loop(None)
