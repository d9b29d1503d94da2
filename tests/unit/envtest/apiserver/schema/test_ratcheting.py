"""What was wrong before an update and has not changed may stay so."""

from __future__ import annotations

from typing import Any

import pytest

from controller_runtime.envtest.apiserver.schema import compile_schema

SHORT = {"type": "string", "maxLength": 1}
OBJECT = {"type": "object", "properties": {"a": SHORT, "b": SHORT}}
LIST = {"type": "array", "items": SHORT}
KEYED = {
    "type": "array",
    "x-kubernetes-list-type": "map",
    "x-kubernetes-list-map-keys": ["k"],
    "items": {"type": "object", "properties": {"k": {"type": "string"}, "v": SHORT}},
}
FREE = {"type": "object", "x-kubernetes-preserve-unknown-fields": True, "maxProperties": 1}

CASES = [
    pytest.param(SHORT, "aa", "aa", [], id="unchanged"),
    pytest.param(SHORT, "aa", "bb", ["x"], id="changed to another wrong value"),
    pytest.param(OBJECT, {"a": "aa"}, {"a": "aa", "b": "bb"}, ["x.b"], id="only what is new"),
    pytest.param(LIST, ["aa"], ["aa"], [], id="a list as a whole"),
    pytest.param(LIST, ["aa"], ["aa", "b"], ["x[0]"], id="items of plain lists are not compared"),
    pytest.param(
        KEYED,
        [{"k": "1", "v": "vv"}],
        [{"k": "2"}, {"k": "1", "v": "vv"}],
        [],
        id="items with keys are, wherever they are",
    ),
    pytest.param(KEYED, [{"k": "1", "v": "vv"}], [{"k": "2", "v": "vv"}], ["x[0].v"], id="another key is another item"),
    pytest.param(FREE, {"p": 1, "q": 2}, {"p": 1, "q": 2}, ["x"], id="what the schema does not know counts as changed"),
    pytest.param(
        {**OBJECT, "required": ["b"]}, {"a": "x"}, {"a": "y"}, ["x.b"], id="a missing field, once its siblings change"
    ),
]


@pytest.mark.parametrize(("schema", "old", "new", "fields"), CASES)
def test_errors_are_forgiven_where_nothing_changed(
    schema: dict[str, Any], old: Any, new: Any, fields: list[str]
) -> None:
    root = compile_schema({"type": "object", "properties": {"x": schema}})
    assert [error.field for error in root.validate({"x": new, "n": 1}, {"x": old, "n": 2})] == fields


def test_nothing_is_forgiven_at_creation() -> None:
    root = compile_schema({"type": "object", "properties": {"x": SHORT}})
    assert [error.field for error in root.validate({"x": "aa"})] == ["x"]
