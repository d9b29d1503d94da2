"""Times as Go parses and prints them in objects: RFC 3339."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta, timezone
from typing import Final

_LAYOUT: Final = "2006-01-02T15:04:05Z07:00"
_CANONICAL: Final = re.compile(
    r"\d{4}-(?:0[1-9]|1[0-2])-(?:0[1-9]|[12]\d|3[01])T(?:[01]\d|2[0-3]):[0-5]\d:[0-5]\dZ", re.ASCII
)
_DAYS: Final = (31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31)
# Pieces of the layout, what they match, their greatest value and what it is called.
_PIECES: Final = (
    ("2006", r"\d{4}", 9999, "year"),
    ("-", "-", 0, ""),
    ("01", r"\d{2}", 12, "month"),
    ("-", "-", 0, ""),
    ("02", r"\d{2}", 31, "day"),
    ("T", "T", 0, ""),
    ("15", r"\d{1,2}", 23, "hour"),
    (":", ":", 0, ""),
    ("04", r"\d{2}", 59, "minute"),
    (":", ":", 0, ""),
    ("05", r"\d{2}", 59, "second"),
)
_FRACTION: Final = re.compile(r"[.,]\d+", re.ASCII)
_ZONE: Final = re.compile(r"Z|([+-])(\d{2}):(\d{2})", re.ASCII)


def canonical_time(text: str) -> bool:
    """Whether a time is written as the API server writes it. True for the few days that no month has."""
    return _CANONICAL.fullmatch(text) is not None and int(text[8:10]) <= _DAYS[int(text[5:7]) - 1]


def parse_time(text: str) -> str:
    """The time in UTC and whole seconds.

    Raises:
        ValueError: it is none; the text is that of Go's time.ParseError.
    """
    rest, values = text, {}
    for piece, pattern, limit, name in _PIECES:
        found = re.match(pattern, rest, re.ASCII)
        if found is None:
            raise _cannot_parse(text, rest, piece)
        rest = rest[found.end() :]
        if name:
            values[name] = int(found.group())
            if values[name] > limit or (name == "month" and values[name] == 0):
                raise _out_of_range(text, name)
    if (fraction := _FRACTION.match(rest)) is not None:
        rest = rest[fraction.end() :]
    offset, rest = _offset(text, rest)
    if rest:
        raise ValueError(f'parsing time "{text}": extra text: "{rest}"')
    return _in_utc(text, values, offset)


def _offset(text: str, rest: str) -> tuple[timedelta, str]:
    zone = _ZONE.match(rest)
    if zone is None:
        raise _cannot_parse(text, rest, "Z07:00")
    if zone.group() == "Z":
        return timedelta(), rest[1:]
    hours, minutes = int(zone[2]), int(zone[3])
    if hours > 24 or minutes > 60:
        raise _out_of_range(text, f"time zone offset {'hour' if hours > 24 else 'minute'}")
    offset = timedelta(hours=hours, minutes=minutes)
    return (-offset if zone[1] == "-" else offset), rest[zone.end() :]


def _in_utc(text: str, values: dict[str, int], offset: timedelta) -> str:
    try:
        time = datetime(*values.values(), tzinfo=UTC)  # type: ignore[misc, arg-type] # in the constructor's order
    except ValueError:
        if values["year"]:
            raise _out_of_range(text, "day") from None
        time = datetime(1, 1, 1, tzinfo=timezone.utc)  # noqa: UP017 - before Python's first year
    return f"{(time - offset).isoformat(timespec='seconds').removesuffix('+00:00')}Z"


def _cannot_parse(text: str, rest: str, piece: str) -> ValueError:
    return ValueError(f'parsing time "{text}" as "{_LAYOUT}": cannot parse "{rest}" as "{piece}"')


def _out_of_range(text: str, what: str) -> ValueError:
    return ValueError(f'parsing time "{text}": {what} out of range')
