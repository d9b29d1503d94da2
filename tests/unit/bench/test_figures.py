"""Medians, ratios, goals and the table of the library's benchmark."""

from __future__ import annotations

import pytest

from bench.figures import Figure, Figures, Goal, at_least, at_most


def figure(*goals: Goal, **samples: list[float]) -> Figure:
    return Figure("rate", "1/s", goals, samples)


def test_a_figure_is_the_median_of_its_rounds() -> None:
    measured = figure()
    for value in (5.0, 100.0, 1.0):
        measured.note("ours", value)
    assert measured.median("ours") == 5.0


@pytest.mark.parametrize(
    ("samples", "ratio"),
    [
        pytest.param({"ours": [8.0, 9.0, 70.0], "go": [3.0, 1.0, 9.0]}, 3.0, id="of the medians, not of the rounds"),
        pytest.param({"ours": [8.0]}, None, id="the rival is missing"),
        pytest.param({"go": [8.0]}, None, id="ours is missing"),
        pytest.param({"ours": [8.0], "go": [0.0]}, None, id="nothing to divide by"),
    ],
)
def test_a_ratio_is_ours_by_theirs(samples: dict[str, list[float]], ratio: float | None) -> None:
    assert figure(**samples).ratio("go") == ratio


@pytest.mark.parametrize(
    ("goal", "ours", "verdict"),
    [
        pytest.param(at_least(0.8, "go"), 80.0, ">= 0.8x go met", id="as many as asked for"),
        pytest.param(at_least(0.8, "go"), 79.9, ">= 0.8x go MISSED", id="too few"),
        pytest.param(at_most(1.5, "go"), 150.0, "<= 1.5x go met", id="as long as allowed"),
        pytest.param(at_most(1.5, "go"), 150.1, "<= 1.5x go MISSED", id="too long"),
        pytest.param(at_most(1.5, "kopf"), 1.0, "<= 1.5x kopf not measured", id="the rival did not run"),
    ],
)
def test_a_goal_is_met_at_its_bound(goal: Goal, ours: float, verdict: str) -> None:
    assert figure(goal, ours=[ours], go=[100.0]).verdicts() == [verdict]


def test_the_table_has_a_line_per_figure_and_leaves_out_nothing_that_is_missing() -> None:
    figures = Figures({"RSS": (at_most(1, "go"),)})
    for contender, value in (("ours", 64.0), ("go", 80.0), ("ours", 66.0), ("go", 80.0)):
        figures["RSS", "MB"].note(contender, value)
    figures["rate", "1/s"].note("ours", 1234.5)
    head, memory, rate = figures.table(["ours", "go"]).splitlines()
    assert head.split() == ["ours", "go", "ours/go", "goal"]
    assert memory.split() == ["RSS", "[MB]", "65", "(64-66)", "80", "(80-80)", "0.81", "<=", "1x", "go", "met"]
    assert rate.split() == ["rate", "[1/s]", "1,234", "(1,234-1,234)", "-", "-"]
