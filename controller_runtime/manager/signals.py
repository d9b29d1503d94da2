"""Ends a program on SIGINT and SIGTERM."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import signal
import sys
from collections.abc import Coroutine
from typing import Any, NoReturn

import structlog

from controller_runtime.leaderelection import LeaderWorkStuckError
from controller_runtime.manager.manager import GracefulShutdownError

log = structlog.get_logger(__name__)


async def run_until_signal(main: Coroutine[Any, Any, None]) -> None:
    """Runs `main` and cancels it on the first SIGINT or SIGTERM; a second one ends the process at once with status 1.

    The handlers are installed even where the signals were inherited as ignored, as under nohup. Where parts of the
    manager go on although they had to end (`GracefulShutdownError`, `LeaderWorkStuckError`), this logs the error and
    ends the process with status 1: `asyncio.run` would wait for them without a limit.

    Raises:
        Exception: what `main` raises, also while it winds up.
    """
    loop = asyncio.get_running_loop()
    task = asyncio.ensure_future(main)
    stopping = False

    def stop(number: signal.Signals) -> None:
        nonlocal stopping
        if stopping:
            log.warning("second signal, ending at once", signal=number.name)
            os._exit(1)
        stopping = True
        log.info("stopping", signal=number.name)
        task.cancel()

    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop, number)
    try:
        await task
    except (GracefulShutdownError, LeaderWorkStuckError) as error:
        log.error("ending at once", error=str(error))
        _end_process()
    except asyncio.CancelledError:
        if not stopping:
            raise
    finally:
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.remove_signal_handler(number)


def _end_process() -> NoReturn:
    """Ends it without a wait for what still runs; what was logged and printed gets out."""
    logging.shutdown()
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(OSError, ValueError):  # nobody reads it any more
            stream.flush()
    os._exit(1)
