"""Formats of strings that the real server checks (kube-openapi, pkg/validation/strfmt, and Go's standard library)."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import date
from typing import Final

from controller_runtime.envtest.apiserver.schema.addresses import is_cidr, is_ipv4, is_ipv6
from controller_runtime.envtest.apiserver.schema.email import is_email
from controller_runtime.envtest.apiserver.schema.re2 import compile_pattern
from controller_runtime.envtest.apiserver.schema.uris import is_request_uri

_NUMBERS: Final = {"integer": frozenset({"int32", "int64"}), "number": frozenset({"float", "double"})}
_SHORT_NAME: Final = "[a-z0-9]([-a-z0-9]*[a-z0-9])?"
_LENGTHS_OF_MAC: Final = (6, 8, 20)  # bytes


def effective_format(name: str, types: tuple[str, ...]) -> str:
    """The format as it is checked for values of these types; empty if it is not known there, and so ignored."""
    if len(types) != 1 or types[0] == "string":
        return name if name.replace("-", "") in STRING_FORMATS else ""
    return name if name in _NUMBERS.get(types[0], ()) else ""


def string_check(name: str) -> Callable[[str], object] | None:
    """The check of a format of strings; None if there is none."""
    return STRING_FORMATS.get(name.replace("-", ""))


def _search(pattern: str) -> Callable[[str], object]:
    # Not before it is needed: together these take a third of a second.
    return lambda text: compile_pattern(pattern).search(text)


def _is_date(text: str) -> bool:
    if not re.fullmatch(r"[0-9]{4}-[0-9]{2}-[0-9]{2}", text):
        return False
    try:
        # Go knows a year 0, which is a leap year; Python does not.
        date.fromisoformat("2000" + text[4:] if text.startswith("0000") else text)
    except ValueError:
        return False
    return True


_TIME: Final = re.compile(r"([0-9]{2}):([0-9]{2}):([0-9]{2})([^\n][0-9]+)?(z|([+-][0-9]{2}:[0-9]{2}))")


def _is_date_time(text: str) -> bool:
    parts = text.lower().split("t")
    if len(text.encode()) < 4 or len(parts) < 2 or not _is_date(parts[0]):
        return False
    time = _TIME.fullmatch(parts[1])
    return time is not None and time[1] <= "23" and time[2] <= "59" and time[3] <= "59"


_NANOSECONDS: Final = {"ns": 1, "us": 10**3, "µs": 10**3, "μs": 10**3, "ms": 10**6, "s": 10**9}
_UNITS: Final = {**_NANOSECONDS, "m": 60 * 10**9, "h": 3600 * 10**9}
_GO_PART: Final = re.compile(r"(?:([0-9]+)(?:\.([0-9]*))?|\.([0-9]+))([^.0-9]+)")
_GO_LIMIT: Final = 2**63
_WORDS: Final = (
    ("ns", "nano"),
    ("us", "µs", "micro"),
    ("ms", "milli"),
    ("s", "sec"),
    ("m", "min"),
    ("h", "hr", "hour"),
    ("d", "day"),
    ("w", "wk", "week"),
)
_SPOKEN_PART: Final = re.compile(r"([0-9]+)[\t\n\f\r ]*([A-Za-zµ]+)")


def is_go_duration(text: str) -> bool:
    """What time.ParseDuration accepts."""
    unsigned = text[1:] if text[:1] in {"-", "+"} else text
    if unsigned == "0":
        return True
    at, total = 0, 0
    while at < len(unsigned):
        part = _GO_PART.match(unsigned, at)
        if part is None or part[4] not in _UNITS:
            return False
        unit = _UNITS[part[4]]
        whole, fraction = int(part[1] or 0), part[2] or part[3] or "0"
        total += whole * unit + int(float("0." + fraction) * unit)
        if whole > _GO_LIMIT // unit or total > _GO_LIMIT:
            return False
        at = part.end()
    return at > 0 and (text.startswith("-") or total < _GO_LIMIT)


def _is_duration(text: str) -> bool:
    if is_go_duration(text):
        return True
    spoken = False
    for number, unit in _SPOKEN_PART.findall(text):
        if int(number) >= _GO_LIMIT:
            return False
        spoken = spoken or any(_is_unit(unit.lower(), variants) for variants in _WORDS)
    return spoken


def _is_unit(unit: str, variants: tuple[str, ...]) -> bool:
    return unit in variants or unit.startswith(variants[-1])


def _is_mac(text: str) -> bool:
    separated = re.fullmatch(r"[0-9a-fA-F]{2}(?:([:-])[0-9a-fA-F]{2})(?:\1[0-9a-fA-F]{2})*", text)
    dotted = re.fullmatch(r"[0-9a-fA-F]{4}(?:\.[0-9a-fA-F]{4})+", text)
    bare = re.fullmatch(r"[0-9a-fA-F]+", text)
    digits = re.sub("[:.-]", "", text)
    return bool(separated or dotted or bare) and len(digits) % 2 == 0 and len(digits) // 2 in _LENGTHS_OF_MAC


def _is_isbn10(text: str) -> bool:
    digits = re.sub(r"[\t\n\f\r -]+", "", text)
    if not re.fullmatch("[0-9]{9}[0-9X]", digits):
        return False
    values = [10 if digit == "X" else int(digit) for digit in digits]
    return sum((index + 1) * value for index, value in enumerate(values)) % 11 == 0


def _is_isbn13(text: str) -> bool:
    digits = re.sub(r"[\t\n\f\r -]+", "", text)
    if not re.fullmatch("[0-9]{13}", digits):
        return False
    checksum = sum(int(digit) * (3 if index % 2 else 1) for index, digit in enumerate(digits[:12]))
    return int(digits[12]) == (10 - checksum % 10) % 10


_CARD: Final = re.compile(
    "4[0-9]{12}(?:[0-9]{3})?|5[1-5][0-9]{14}|6(?:011|5[0-9][0-9])[0-9]{12}|3[47][0-9]{13}"
    "|3(?:0[0-5]|[68][0-9])[0-9]{11}|(?:2131|1800|35[0-9]{3})[0-9]{11}"
)


def _is_credit_card(text: str) -> bool:
    digits = re.sub("[^0-9]+", "", text)
    if not _CARD.fullmatch(digits):
        return False
    doubled = [int(digit) * (2 if index % 2 else 1) for index, digit in enumerate(reversed(digits))]
    return sum(value - 9 if value > 9 else value for value in doubled) % 10 == 0


_HOSTNAME: Final = (
    r"^([a-zA-Z0-9\p{S}\p{L}]((-?[a-zA-Z0-9\p{S}\p{L}]{0,62})?)"
    r"|([a-zA-Z0-9\p{S}\p{L}](([a-zA-Z0-9-\p{S}\p{L}]{0,61}[a-zA-Z0-9\p{S}\p{L}])?)(\.)){1,}([a-zA-Z\p{L}]){2,63})$"
)


def _is_hostname(text: str) -> bool:
    if not compile_pattern(_HOSTNAME).search(text) or len(text.encode()) > 255:
        return False
    return all(len(label.encode()) <= 63 for label in text.split("."))


_COLOR: Final = r"(0|[1-9]\d?|1\d\d?|2[0-4]\d|25[0-5])"

STRING_FORMATS: Final[dict[str, Callable[[str], object]]] = {
    "bsonobjectid": re.compile("(?:[0-9a-fA-F]{24})").fullmatch,
    "byte": _search(r"^(?:[A-Za-z0-9+\/]{4})*(?:[A-Za-z0-9+\/]{2}==|[A-Za-z0-9+\/]{3}=|[A-Za-z0-9+\/]{4})$"),
    "cidr": is_cidr,
    "creditcard": _is_credit_card,
    "date": _is_date,
    "datetime": _is_date_time,
    "duration": _is_duration,
    "email": is_email,
    "hexcolor": _search("^#?([0-9a-fA-F]{3}|[0-9a-fA-F]{6})$"),
    "hostname": _is_hostname,
    "ipv4": is_ipv4,
    "ipv6": is_ipv6,
    "isbn": lambda text: _is_isbn10(text) or _is_isbn13(text),
    "isbn10": _is_isbn10,
    "isbn13": _is_isbn13,
    "k8slongname": lambda text: len(text) <= 253 and re.fullmatch(rf"{_SHORT_NAME}(\.{_SHORT_NAME})*", text),
    "k8sshortname": lambda text: len(text) <= 63 and re.fullmatch(_SHORT_NAME, text),
    "mac": _is_mac,
    "password": lambda _: True,
    "rgbcolor": _search(rf"^rgb\(\s*{_COLOR}\s*,\s*{_COLOR}\s*,\s*{_COLOR}\s*\)$"),
    "ssn": lambda text: len(text.encode()) == 11 and re.fullmatch("[0-9]{3}[- ]?[0-9]{2}[- ]?[0-9]{4}", text),
    "uri": is_request_uri,
    "uuid": _search("(?i)^[0-9a-f]{8}-?[0-9a-f]{4}-?[0-9a-f]{4}-?[0-9a-f]{4}-?[0-9a-f]{12}$"),
    "uuid3": _search("(?i)^[0-9a-f]{8}-?[0-9a-f]{4}-?3[0-9a-f]{3}-?[0-9a-f]{4}-?[0-9a-f]{12}$"),
    "uuid4": _search("(?i)^[0-9a-f]{8}-?[0-9a-f]{4}-?4[0-9a-f]{3}-?[89ab][0-9a-f]{3}-?[0-9a-f]{12}$"),
    "uuid5": _search("(?i)^[0-9a-f]{8}-?[0-9a-f]{4}-?5[0-9a-f]{3}-?[89ab][0-9a-f]{3}-?[0-9a-f]{12}$"),
}
