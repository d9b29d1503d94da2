"""Values as Go prints them, because that is what the real server's messages are made of."""

from __future__ import annotations

import json
from typing import Any, Final

# encoding/json escapes these inside strings, for JSON that is pasted into HTML or JavaScript.
_HTML: Final = str.maketrans({"<": r"\u003c", ">": r"\u003e", "&": r"\u0026", "\u2028": r"\u2028", "\u2029": r"\u2029"})


def plain(value: Any) -> str:
    """`%v` of a JSON value."""
    if value is None:
        return "<nil>"
    if value is True or value is False:
        return "true" if value else "false"
    if isinstance(value, float):
        return _float(value, low=-4, high=6)
    if isinstance(value, dict):
        return "map[" + " ".join(f"{key}:{plain(value[key])}" for key in sorted(value)) + "]"
    if isinstance(value, list):
        return "[" + " ".join(map(plain, value)) + "]"
    return str(value)


class GoStruct(dict[str, Any]):
    """A structure whose fields are written in their order; other maps are written in that of their keys."""


def encoded(value: Any) -> str:
    """`encoding/json`: compact, keys of maps sorted, HTML's characters escaped."""
    if isinstance(value, GoStruct):
        return "{" + ",".join(f"{encoded(key)}:{encoded(item)}" for key, item in value.items()) + "}"
    if isinstance(value, dict):
        return "{" + ",".join(f"{encoded(key)}:{encoded(value[key])}" for key in sorted(value)) + "}"
    if isinstance(value, list | tuple):
        return "[" + ",".join(map(encoded, value)) + "]"
    if isinstance(value, float):
        return _float(value, low=-6, high=21)
    return json.dumps(value, ensure_ascii=False).translate(_HTML)


def _float(value: float, *, low: int, high: int) -> str:
    """The shortest digits, with an exponent where it is below `low` or from `high` on."""
    digits, _, exponent_text = repr(value).partition("e")
    sign = "-" if digits.startswith("-") else ""
    whole, _, fraction = digits.removeprefix("-").partition(".")
    fraction = "" if fraction == "0" else fraction
    exponent = int(exponent_text or 0) + len(whole) - 1
    significant = (whole + fraction).lstrip("0")
    if not significant:
        return sign + "0"
    exponent -= len(whole + fraction) - len(significant)
    significant = significant.rstrip("0")
    if low <= exponent < high:
        return sign + _positional(significant, exponent)
    mantissa = significant[0] + ("." + significant[1:] if len(significant) > 1 else "")
    shown = f"{abs(exponent):02d}" if low == -4 or exponent > 0 else str(abs(exponent))
    return f"{sign}{mantissa}e{'-' if exponent < 0 else '+'}{shown}"


def _positional(significant: str, exponent: int) -> str:
    if exponent < 0:
        return "0." + "0" * (-exponent - 1) + significant
    if len(significant) <= exponent + 1:
        return significant + "0" * (exponent + 1 - len(significant))
    return significant[: exponent + 1] + "." + significant[exponent + 1 :]
