"""Times as Kubernetes reads and writes them: `Time` to the second, `MicroTime` with exactly six decimals."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta, timezone
from typing import Final

TIME: Final = "2006-01-02T15:04:05Z07:00"
MICRO_TIME: Final = "2006-01-02T15:04:05.000000Z07:00"

_USUAL: Final = re.compile(r"(\d{4})-(\d\d)-(\d\d)T(\d\d):(\d\d):(\d\d)(?:[.,](\d+))?(?:Z|([+-])(\d\d):(\d\d))")
_PIECES: Final = (
    ("2006", r"\d{4}"),
    ("-", "-"),
    ("01", r"\d\d"),
    ("-", "-"),
    ("02", r"\d\d"),
    ("T", "T"),
    ("15", r"\d\d?"),
    (":", ":"),
    ("04", r"\d\d"),
    (":", ":"),
    ("05", r"\d\d"),
)
_LIMITS: Final = {"15": (23, "hour"), "04": (59, "minute"), "05": (59, "second")}
_ZONE: Final = re.compile(r"Z|[+-]\d\d:\d\d")


def parse_time(text: str, layout: str = TIME) -> datetime:
    """A point in time.

    Raises:
        ValueError: it is none; says so in the words of Go's package time.
    """
    match = _USUAL.fullmatch(text)
    if match is None or (layout == MICRO_TIME and len(match[7] or "") != 6):
        raise ValueError(_complaint(text, layout))
    year, month, day, hour, minute, second = map(int, match.groups()[:6])
    for name, value, least, most in (
        ("month", month, 1, 12),
        ("hour", hour, 0, 23),
        ("minute", minute, 0, 59),
        ("second", second, 0, 59),
    ):
        if not least <= value <= most:
            raise ValueError(_out_of_range(text, name))
    zone = timedelta(hours=int(match[9] or 0), minutes=int(match[10] or 0))
    if zone >= timedelta(hours=24) or int(match[10] or 0) > 59:
        name = "time zone offset minute" if int(match[10] or 0) > 59 else "time zone offset hour"
        raise ValueError(_out_of_range(text, name))
    micros = int((match[7] or "0")[:6].ljust(6, "0"))
    tzinfo = timezone(-zone if match[8] == "-" else zone)
    try:
        return datetime(max(year, 1), month, day, hour, minute, second, micros, tzinfo)
    except ValueError:
        raise ValueError(_out_of_range(text, "day")) from None


def format_time(time: datetime, layout: str = TIME) -> str:
    """The time in UTC."""
    micros = f".{time.microsecond:06d}" if layout == MICRO_TIME else ""
    try:
        time = time.astimezone(UTC)
    except OverflowError:
        time = time.replace(tzinfo=UTC)
    return f"{time.year:04d}-{time:%m-%dT%H:%M:%S}{micros}Z"


def human_duration(seconds: float) -> str:
    """An age with two or three significant figures, as tables show it."""
    whole = int(seconds)
    if whole < -1:
        return "<invalid>"
    if whole < 120:
        return f"{max(whole, 0)}s"
    minutes, hours = whole // 60, whole // 3600
    days = hours // 24
    if minutes < 10:
        return f"{minutes}m" + _rest(whole % 60, "s")
    if minutes < 180:
        return f"{minutes}m"
    if hours < 8:
        return f"{hours}h" + _rest(minutes % 60, "m")
    if hours < 48:
        return f"{hours}h"
    if days < 8:
        return f"{days}d" + _rest(hours % 24, "h")
    if days < 365 * 2:
        return f"{days}d"
    if days < 365 * 8:
        return f"{days // 365}y" + _rest(days % 365, "d")
    return f"{days // 365}y"


def _rest(count: int, unit: str) -> str:
    return f"{count}{unit}" if count else ""


def _out_of_range(text: str, name: str) -> str:
    return f'parsing time "{text}": {name} out of range'


def _complaint(text: str, layout: str) -> str:
    """Where the text leaves the layout; a field that is out of range is noticed first."""
    rest = text
    for name, pattern in _PIECES:
        match = re.match(pattern, rest)
        if match is None:
            return _cannot(text, layout, rest, name)
        rest = rest[match.end() :]
        if name == "01" and not 1 <= int(match[0]) <= 12:
            return _out_of_range(text, "month")
        if name in _LIMITS and int(match[0]) > _LIMITS[name][0]:
            return _out_of_range(text, _LIMITS[name][1])
    if layout == MICRO_TIME:
        match = re.match(r"\.\d{6}", rest)
        if match is None:
            return _cannot(text, layout, rest, ".000000")
        rest = rest[match.end() :]
    elif match := re.match(r"[.,]\d+", rest):
        rest = rest[match.end() :]
    match = _ZONE.match(rest)
    if match is None:
        return _cannot(text, layout, rest, "Z07:00")
    return f'parsing time "{text}": extra text: "{rest[match.end() :]}"'


def _cannot(text: str, layout: str, rest: str, element: str) -> str:
    return f'parsing time "{text}" as "{layout}": cannot parse "{rest}" as "{element}"'
