"""What Go's types make of single values, where JSON does not simply show what is written."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any, Final

from controller_runtime.envtest.apiserver.decode import DecodeError, decode, is_deeper
from controller_runtime.envtest.apiserver.protobuf.wire import WireError
from controller_runtime.envtest.apiserver.validation.times import MICRO_TIME, TIME, format_time

TOO_DEEP: Final = "exceeded max depth"
LAYOUTS: Final = {"Time": TIME, "MicroTime": MICRO_TIME}
"""Messages that are times, and how those are written."""

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_ZERO_TIME: Final = datetime(1, 1, 1, tzinfo=UTC)
_LIMIT: Final = float(1 << 63)
_NO_CHARACTER: Final = re.compile("[\udc80-\udcff]")


def text(data: bytes) -> str:
    """A string; each byte that belongs to no character is replaced by one."""
    return _NO_CHARACTER.sub("\ufffd", data.decode("utf-8", "surrogateescape"))


def json_number(value: float) -> int | float:
    """A float as it is after it was written as JSON and read again.

    Raises:
        WireError: JSON has no such number.
    """
    if not math.isfinite(value):
        raise WireError(f"json: unsupported value: {'NaN' if math.isnan(value) else format(value, '+').title()}")
    if not value.is_integer() or not -_LIMIT <= value < _LIMIT:
        return value
    # JSON has the shortest digits that give the number, and zeros.
    return int(Decimal(repr(value)))


def json_value(data: bytes, levels: int) -> Any:
    """The value of bytes that are JSON; none are null.

    Args:
        data: the bytes.
        levels: how deep values may be nested.

    Raises:
        WireError: it is malformed, or nested too deep.
    """
    if not data:
        return None
    try:
        value, _ = decode(data)
    except DecodeError as error:
        raise WireError(str(error).rpartition("json parse error: ")[2]) from None
    if is_deeper(value, levels):
        raise WireError(TOO_DEEP)
    return value


def fields_value(data: bytes, levels: int) -> Any:
    """A set of fields; a malformed one stays a text, which is no set, and whose owner loses the fields."""
    try:
        return json_value(data, levels)
    except WireError:
        return text(data)


def moment(value: Mapping[str, int], layout: str) -> str | None:
    """A time; None of the one that Go takes for none.

    Raises:
        WireError: it is out of range.
    """
    # What is finer than a microsecond is cut off, towards zero.
    micros = math.trunc(value.get("nanos", 0) / 1000) if layout == MICRO_TIME else 0
    try:
        time = _EPOCH + timedelta(seconds=value.get("seconds", 0), microseconds=micros)
    except OverflowError:
        raise WireError("a time is out of range: it has to be in the years 1 to 9999") from None
    return None if time == _ZERO_TIME else format_time(time, layout)


def _number_or_name(value: Mapping[str, Any]) -> Any:
    match value.get("type", 0):
        case 0:
            return value.get("intVal", 0)
        case 1:
            return value.get("strVal", "")
    raise WireError("json: error calling MarshalJSON for type intstr.IntOrString: impossible IntOrString.Type")


def _either(name: str) -> Callable[[Mapping[str, Any]], Any]:
    return lambda value: value.get(name) or value.get("schema")


MEANINGS: Final[Mapping[str, Callable[[Mapping[str, Any]], Any]]] = {
    "IntOrString": _number_or_name,
    "FieldsV1": lambda value: value.get("raw"),
    "JSON": lambda value: value.get("raw"),
    "ExtraValue": lambda value: value.get("items", []),
    "JSONSchemaPropsOrBool": lambda value: value.get("schema", value.get("allows", False)),
    "JSONSchemaPropsOrArray": _either("JSONSchemas"),
    "JSONSchemaPropsOrStringArray": _either("property"),
}
"""Messages that stand for something else than an object of their fields, and for what."""
