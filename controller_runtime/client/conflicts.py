"""Doing a read-modify-write again when somebody else wrote in between."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable
from typing import TypeVar

from controller_runtime.client.errors import ConflictError, InvalidRequestError

R = TypeVar("R")


async def retry_on_conflict(
    function: Callable[[], Awaitable[R]],
    *,
    steps: int = 5,
    delay: float = 0.01,
    factor: float = 1.0,
    jitter: float = 0.1,
) -> R:
    """Call `function` until it does not end in a ConflictError.

        async def grow() -> Widget:
            widget = await client.get(Widget, key)
            return await client.update(replace(widget, spec=larger(widget.spec)))

        await retry_on_conflict(grow)

    It has to read the object itself, and live: the cache may still hold what the server has just refused. For the
    status there is `patch_status`. The defaults are those of client-go's `retry.DefaultRetry`, for objects that others
    write now and then; `steps=4, factor=5.0` is its `DefaultBackoff`, for those that busy controllers write.

    Args:
        function: Reads, changes and writes.
        steps: Calls at most.
        delay: Seconds before the second call.
        factor: By which each further delay grows.
        jitter: Up to this part of a delay is added to it at random.

    Raises:
        ConflictError: the last call, too, ended in one.
        InvalidRequestError: `steps` is less than 1.
        Exception: anything else that `function` raises, at once.
    """
    if steps < 1:
        raise InvalidRequestError(f"retry_on_conflict with steps={steps}: at least one is needed")
    for _ in range(steps - 1):
        try:
            return await function()
        except ConflictError:
            await asyncio.sleep(delay * (1 + random.uniform(0, jitter)))
            delay *= factor
    return await function()
