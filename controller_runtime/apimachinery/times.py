"""Times as the API writes them: metav1.Time has whole seconds, metav1.MicroTime exactly six decimals."""

from __future__ import annotations

from datetime import UTC, datetime


def now() -> datetime:
    """The wall clock in UTC, cut to whole seconds as metav1.Time is. For what is shown, never for deadlines."""
    return datetime.now(UTC).replace(microsecond=0)


def format_micro_time(time: datetime) -> str:
    """metav1.MicroTime: six decimals always, because the API server refuses any other number of them."""
    return time.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def parse_time(text: str) -> datetime:
    """Reads metav1.Time or metav1.MicroTime.

    Raises:
        ValueError: the text is no RFC 3339 time.
    """
    time = datetime.fromisoformat(text)
    if time.tzinfo is None:  # ISO 8601 has times without an offset, and they cannot be compared with ours
        raise ValueError(f"{text!r} is no RFC 3339 time: the offset from UTC is missing")
    return time
