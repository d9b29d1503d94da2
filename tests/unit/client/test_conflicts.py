"""A read-modify-write is done again on a conflict, and on nothing else; on virtual time."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from itertools import pairwise

import pytest

from controller_runtime.client import (
    ApiError,
    ConflictError,
    InvalidRequestError,
    NotFoundError,
    Operation,
    Status,
    retry_on_conflict,
)
from tests.unit.client.fakes import Widget

pytestmark = pytest.mark.looptime


def error(kind: type[ApiError]) -> ApiError:
    return kind(Operation("update", Widget.resource, "default", "a"), Status())


class Writes:
    """Ends as it is told, in the end well, and notes when it was called."""

    def __init__(self, *errors: Exception) -> None:
        self.errors: Iterator[Exception] = iter(errors)
        self.times: list[float] = []

    async def __call__(self) -> str:
        self.times.append(asyncio.get_running_loop().time())
        for error in self.errors:
            raise error
        return "written"

    @property
    def waits(self) -> list[float]:
        return [later - earlier for earlier, later in pairwise(self.times)]


async def test_it_is_called_until_nobody_wrote_in_between() -> None:
    writes = Writes(error(ConflictError), error(ConflictError))
    assert await retry_on_conflict(writes) == "written"
    assert len(writes.times) == 3


async def test_after_the_last_step_the_conflict_is_the_callers() -> None:
    writes = Writes(*[error(ConflictError)] * 9)
    with pytest.raises(ConflictError):
        await retry_on_conflict(writes)
    assert len(writes.times) == 5


@pytest.mark.parametrize("other", [pytest.param(error(NotFoundError), id="API"), pytest.param(KeyError("x"), id="bug")])
async def test_another_failure_is_the_callers_at_once(other: Exception) -> None:
    writes = Writes(error(ConflictError), other)
    with pytest.raises(type(other)):
        await retry_on_conflict(writes)
    assert len(writes.times) == 2


@pytest.mark.parametrize(
    ("options", "least"),
    [
        pytest.param({}, [0.01, 0.01, 0.01, 0.01], id="client-go's DefaultRetry"),
        pytest.param({"steps": 4, "factor": 5.0}, [0.01, 0.05, 0.25], id="client-go's DefaultBackoff"),
        pytest.param({"steps": 1}, [], id="one step"),
    ],
)
async def test_waits_grow_by_the_factor_and_a_tenth_at_random(options: dict[str, float], least: list[float]) -> None:
    writes = Writes(*[error(ConflictError)] * 9)
    with pytest.raises(ConflictError):
        await retry_on_conflict(writes, **options)  # type: ignore[arg-type]
    assert len(writes.waits) == len(least)
    for wait, bound in zip(writes.waits, least, strict=True):
        assert bound - 1e-6 <= wait <= bound * 1.1 + 1e-6


async def test_without_jitter_waits_are_exact() -> None:
    writes = Writes(*[error(ConflictError)] * 2)
    await retry_on_conflict(writes, delay=1, factor=2, jitter=0)
    assert writes.times == [0, 1, 3]


@pytest.mark.parametrize("steps", [0, -1])
async def test_no_step_at_all_is_refused(steps: int) -> None:
    writes = Writes()
    with pytest.raises(InvalidRequestError, match="at least one"):
        await retry_on_conflict(writes, steps=steps)
    assert writes.times == []
