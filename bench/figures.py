"""What a benchmark with several contenders makes of its measurements: medians, ratios, goals, a table."""

from __future__ import annotations

import statistics
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

OURS = "ours"
GO = "go"
KOPF = "kopf"


@dataclass(frozen=True)
class Goal:
    """Our figure in proportion to another contender's: at least so much, or at most."""

    rival: str
    ratio: float
    at_least: bool

    def is_met(self, ours: float, theirs: float) -> bool:
        """Whether the two figures are in that proportion."""
        return ours >= self.ratio * theirs if self.at_least else ours <= self.ratio * theirs

    def __str__(self) -> str:
        return f"{'>=' if self.at_least else '<='} {self.ratio:g}x {self.rival}"


def at_least(ratio: float, rival: str) -> Goal:
    """Our figure should be that many times the rival's, or more."""
    return Goal(rival, ratio, True)


def at_most(ratio: float, rival: str) -> Goal:
    """Our figure should be that many times the rival's, or less."""
    return Goal(rival, ratio, False)


@dataclass
class Figure:
    """One line of the table: what each contender measured in each round."""

    label: str
    unit: str
    goals: tuple[Goal, ...] = ()
    samples: dict[str, list[float]] = field(default_factory=dict)

    def note(self, contender: str, value: float) -> None:
        """Takes a measurement."""
        self.samples.setdefault(contender, []).append(value)

    def median(self, contender: str) -> float | None:
        """Of the rounds; None where the contender has none."""
        values = self.samples.get(contender)
        return statistics.median(values) if values else None

    def ratio(self, rival: str) -> float | None:
        """The median of ours divided by that of the rival; None where one of them is missing or zero."""
        ours, theirs = self.median(OURS), self.median(rival)
        return ours / theirs if ours is not None and theirs else None

    def verdicts(self) -> list[str]:
        """Each goal, and whether it is met."""
        return [f"{goal} {self._verdict(goal)}" for goal in self.goals]

    def _verdict(self, goal: Goal) -> str:
        ours, theirs = self.median(OURS), self.median(goal.rival)
        if ours is None or theirs is None:
            return "not measured"
        return "met" if goal.is_met(ours, theirs) else "MISSED"


class Figures:
    """All lines, in the order in which they were first asked for."""

    def __init__(self, goals: Mapping[str, Sequence[Goal]]) -> None:
        self._goals = goals
        self._lines: dict[str, Figure] = {}

    def __getitem__(self, line: tuple[str, str]) -> Figure:
        """The line of a label and a unit; made when it is new."""
        label, unit = line
        return self._lines.setdefault(label, Figure(label, unit, tuple(self._goals.get(label, ()))))

    def table(self, contenders: Sequence[str]) -> str:
        """Medians with the spread of the rounds, ratios to the rivals, goals."""
        rivals = [name for name in contenders if name != OURS]
        head = ["", *contenders, *(f"{OURS}/{rival}" for rival in rivals), "goal"]
        return _aligned([head, *(_row(line, contenders, rivals) for line in self._lines.values())])


def _row(figure: Figure, contenders: Sequence[str], rivals: Sequence[str]) -> list[str]:
    cells = [_cell(figure.samples.get(name, ())) for name in contenders]
    ratios = [_ratio(figure.ratio(rival)) for rival in rivals]
    return [f"{figure.label} [{figure.unit}]", *cells, *ratios, ", ".join(figure.verdicts())]


def _cell(values: Sequence[float]) -> str:
    if not values:
        return "-"
    return f"{_number(statistics.median(values))} ({_number(min(values))}-{_number(max(values))})"


def _ratio(ratio: float | None) -> str:
    return "-" if ratio is None else f"{ratio:.2f}"


def _number(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"


def _aligned(rows: Iterable[Sequence[str]]) -> str:
    rows = list(rows)
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = (
        [cell.ljust(width) if not number else cell.rjust(width) for number, (cell, width) in _cells(row, widths)]
        for row in rows
    )
    return "\n".join("  ".join(line).rstrip() for line in lines)


def _cells(row: Sequence[str], widths: Sequence[int]) -> Iterable[tuple[int, tuple[str, int]]]:
    return enumerate(zip(row, widths, strict=True))
