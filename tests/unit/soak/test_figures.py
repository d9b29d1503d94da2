"""Growth is that of the last half, and what is left over is named."""

from __future__ import annotations

import asyncio
import socket

import pytest

from tests.soak.figures import Holdings, Memory, slope


@pytest.mark.parametrize(
    ("points", "expected"),
    [
        pytest.param([(0, 5)], 0, id="one-point"),
        pytest.param([(0, 5), (1, 5), (2, 5)], 0, id="flat"),
        pytest.param([(0, 1), (1, 3), (2, 5)], 2, id="line"),
        pytest.param([(0, 0), (1, 9), (2, 9), (3, 0)], 0, id="hill"),
    ],
)
def test_the_slope_is_that_of_the_best_line(points: list[tuple[float, float]], expected: float) -> None:
    assert slope(points) == pytest.approx(expected)


@pytest.mark.parametrize(
    ("curve", "growth"),
    [
        pytest.param([min(second, 50) for second in range(100)], 0, id="warms-up-in-the-first-half"),
        pytest.param(list(range(100)), 49, id="grows-all-the-time"),
        pytest.param([0] * 50 + list(range(50)), 49, id="grows-in-the-last-half"),
    ],
)
def test_growth_is_that_of_the_last_half(curve: list[float], growth: float) -> None:
    memory = Memory([(second, megabytes) for second, megabytes in enumerate(curve)])
    assert memory.growth() == pytest.approx(growth)
    assert memory.at(0.5) == curve[50]


async def test_what_is_left_over_is_named() -> None:
    before = Holdings.now()
    assert Holdings.now().differences(before) == []
    task = asyncio.create_task(asyncio.Event().wait(), name="reflector/Widget")
    with socket.socket():
        task_left, *_ = [text for text in Holdings.now().differences(before) if text.startswith("tasks")]
        descriptors_left, *_ = [text for text in Holdings.now().differences(before) if "socket" in text]
    task.cancel()
    await asyncio.wait({task})
    assert "reflector" in task_left
    assert descriptors_left.startswith("file descriptors")
    assert Holdings.now().differences(before) == []
