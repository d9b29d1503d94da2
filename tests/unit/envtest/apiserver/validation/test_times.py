"""Times, and ages as tables show them."""

from __future__ import annotations

import pytest

from controller_runtime.envtest.apiserver.validation.times import (
    MICRO_TIME,
    TIME,
    format_time,
    human_duration,
    parse_time,
)


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (-2, "<invalid>"),
        (-1.5, "0s"),
        (0, "0s"),
        (119.9, "119s"),
        (120, "2m"),
        (121, "2m1s"),
        (599, "9m59s"),
        (600, "10m"),
        (3 * 3600 - 1, "179m"),
        (3 * 3600, "3h"),
        (3 * 3600 + 60, "3h1m"),
        (8 * 3600, "8h"),
        (48 * 3600 - 1, "47h"),
        (48 * 3600, "2d"),
        (50 * 3600, "2d2h"),
        (8 * 86400 - 1, "7d23h"),
        (8 * 86400, "8d"),
        (729 * 86400, "729d"),
        (730 * 86400, "2y"),
        (731 * 86400, "2y1d"),
        (8 * 365 * 86400, "8y"),
    ],
)
def test_ages_have_two_or_three_figures(seconds: float, text: str) -> None:
    assert human_duration(seconds) == text


@pytest.mark.parametrize(
    ("text", "layout", "written"),
    [
        ("2024-01-01T01:00:00+01:00", TIME, "2024-01-01T00:00:00Z"),
        ("2024-01-01T00:00:00.987Z", TIME, "2024-01-01T00:00:00Z"),
        ("2024-02-29T23:59:59-23:59", TIME, "2024-03-01T23:58:59Z"),
        ("0001-01-01T00:00:00Z", TIME, "0001-01-01T00:00:00Z"),
        ("2024-01-01T00:00:00.000001Z", MICRO_TIME, "2024-01-01T00:00:00.000001Z"),
    ],
)
def test_times_are_written_in_utc(text: str, layout: str, written: str) -> None:
    assert format_time(parse_time(text, layout), layout) == written


@pytest.mark.parametrize(
    ("text", "layout", "problem"),
    [
        ("x", TIME, 'parsing time "x" as "2006-01-02T15:04:05Z07:00": cannot parse "x" as "2006"'),
        ("2024-01-01", TIME, 'parsing time "2024-01-01" as "2006-01-02T15:04:05Z07:00": cannot parse "" as "T"'),
        ("2024-13-01T00:00:00Z", TIME, 'parsing time "2024-13-01T00:00:00Z": month out of range'),
        ("2023-02-29T00:00:00Z", TIME, 'parsing time "2023-02-29T00:00:00Z": day out of range'),
        ("2023-02-28T00:00:00Zx", TIME, 'parsing time "2023-02-28T00:00:00Zx": extra text: "x"'),
        (
            "2024-01-01T00:00:00Z",
            MICRO_TIME,
            'parsing time "2024-01-01T00:00:00Z" as "2006-01-02T15:04:05.000000Z07:00": cannot parse "Z" as ".000000"',
        ),
    ],
)
def test_what_is_no_time_is_said_in_gos_words(text: str, layout: str, problem: str) -> None:
    with pytest.raises(ValueError) as caught:  # noqa: PT011 - the whole text is compared
        parse_time(text, layout)
    assert str(caught.value) == problem
