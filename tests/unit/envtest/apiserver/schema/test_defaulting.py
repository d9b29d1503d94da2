"""Defaults: where they are filled in."""

from __future__ import annotations

import copy
from typing import Any

import pytest

from controller_runtime.envtest.apiserver.schema import compile_schema

TEXT = {"type": "string", "default": "d"}
DEEP = {
    "type": "object",
    "default": {},
    "properties": {"inner": {"type": "object", "default": {"a": "x"}, "properties": {"a": TEXT, "b": TEXT}}},
}
CASES = [
    pytest.param(TEXT, {}, {"x": "d"}, id="missing"),
    pytest.param(TEXT, {"x": "v"}, {"x": "v"}, id="given"),
    pytest.param(TEXT, {"x": None}, {"x": "d"}, id="null counts as missing"),
    pytest.param({**TEXT, "nullable": True}, {"x": None}, {"x": None}, id="null that is allowed does not"),
    pytest.param(DEEP, {}, {"x": {"inner": {"a": "x", "b": "d"}}}, id="defaults are defaulted"),
    pytest.param(
        {"type": "array", "items": {"type": "object", "properties": {"a": TEXT}}},
        {"x": [{}]},
        {"x": [{"a": "d"}]},
        id="in items",
    ),
    pytest.param({"type": "array", "items": TEXT}, {"x": [None, "v"]}, {"x": ["d", "v"]}, id="items that are null"),
    pytest.param(
        {"type": "object", "additionalProperties": {"type": "object", "properties": {"a": TEXT}}},
        {"x": {"m": {}}},
        {"x": {"m": {"a": "d"}}},
        id="in values of a map",
    ),
    pytest.param({"type": "object", "properties": {"a": TEXT}}, {}, {}, id="not where nothing surrounds them"),
]


@pytest.mark.parametrize(("schema", "value", "expected"), CASES)
def test_defaults_are_filled_in(schema: dict[str, Any], value: Any, expected: Any) -> None:
    obj = copy.deepcopy(value)
    compile_schema({"type": "object", "properties": {"x": schema}}).default(obj)
    assert obj == expected


def test_objects_do_not_share_their_defaults() -> None:
    schema = compile_schema({"type": "object", "properties": {"x": DEEP}})
    first: dict[str, Any] = {}
    second: dict[str, Any] = {}
    schema.default(first)
    first["x"]["inner"]["a"] = "changed"
    schema.default(second)
    assert second["x"]["inner"]["a"] == "x"
