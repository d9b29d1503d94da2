"""What the tests of this room share."""

from __future__ import annotations

import asyncio

import pytest


@pytest.fixture(scope="session", autouse=True)
def _no_implicit_event_loop() -> None:
    """Keeps looptime from having Python 3.11 make an event loop in a test without one, which nobody would close."""
    asyncio.set_event_loop(None)
