"""Unknown fields and nulls: what is removed, and how it is named."""

from __future__ import annotations

import copy
from typing import Any

import pytest

from controller_runtime.envtest.apiserver.schema import CoercionError, compile_schema

STRING = {"type": "string"}
KNOWN = {"type": "object", "properties": {"k": STRING}}
PRESERVE = {"x-kubernetes-preserve-unknown-fields": True}
EMBEDDED = {"x-kubernetes-embedded-resource": True}


def pruned(schema: dict[str, Any], value: Any) -> tuple[Any, list[str]]:
    """What is left of `x`, and the names of what is not."""
    obj = {"x": copy.deepcopy(value)}
    unknown = compile_schema({"type": "object", "properties": {"x": schema}}).prune(obj)
    return obj.get("x", "gone"), unknown


CASES = [
    pytest.param(KNOWN, {"k": "", "u": 1}, {"k": ""}, ["x.u"], id="unknown field"),
    pytest.param(
        {"type": "array", "items": KNOWN}, [{"k": ""}, {"u": 1}], [{"k": ""}, {}], ["x[1].u"], id="in an item"
    ),
    pytest.param(
        {"type": "object", "additionalProperties": KNOWN}, {"m": {"u": 1}}, {"m": {}}, ["x.m.u"], id="in a map's value"
    ),
    pytest.param(
        {"type": "object", "additionalProperties": True},
        {"m": {"u": 1}},
        {"m": {}},
        ["x.m.u"],
        id="values of a free map know no fields",
    ),
    pytest.param(STRING, {"u": 1}, {}, ["x.u"], id="a scalar has no fields"),
    pytest.param({"type": "object", **PRESERVE}, {"u": {"v": None}}, {"u": {"v": None}}, [], id="preserved"),
    pytest.param(
        {"type": "object", **PRESERVE, "properties": {"known": KNOWN}},
        {"u": 1, "known": {"v": 1}},
        {"u": 1, "known": {}},
        ["x.known.v"],
        id="what is preserved may hold what is not",
    ),
    pytest.param(
        {"type": "array", **PRESERVE, "items": KNOWN}, [{"u": 1}], [{"u": 1}], [], id="items of a preserved list"
    ),
    pytest.param(KNOWN, {"k": None}, {}, [], id="null is absence"),
    pytest.param(KNOWN, None, "gone", [], id="null of the value itself"),
    pytest.param({"type": "string", "nullable": True}, None, None, [], id="null where it is allowed"),
    pytest.param({"type": "string", "default": "d"}, None, None, [], id="null that will be defaulted"),
    pytest.param({"type": "array", "items": STRING}, [None], [None], [], id="null items stay"),
    pytest.param(
        {"type": "object", **EMBEDDED, **PRESERVE},
        {"metadata": {"name": "a", "u": 1, "labels": {}}},
        {"metadata": {"name": "a"}},
        ["x.metadata.u"],
        id="metadata of embedded resources",
    ),
]


@pytest.mark.parametrize(("schema", "value", "expected", "unknown"), CASES)
def test_what_is_unknown_is_removed_and_named(
    schema: dict[str, Any], value: Any, expected: Any, unknown: list[str]
) -> None:
    assert pruned(schema, value) == (expected, unknown)


def test_names_are_sorted_and_those_of_the_metadata_come_first() -> None:
    schema = compile_schema({"type": "object", "properties": {"spec": KNOWN}})
    obj = {"apiVersion": "v1", "kind": "X", "z": 1, "spec": {"b": 1, "a": 1}, "metadata": {"y": 1, "name": "n"}}
    assert schema.prune(obj) == ["metadata.y", "spec.a", "spec.b", "z"]
    assert obj == {"apiVersion": "v1", "kind": "X", "spec": {}, "metadata": {"name": "n"}}


def test_type_errors_of_embedded_metadata_name_the_field() -> None:
    with pytest.raises(CoercionError) as caught:
        pruned({"type": "object", **EMBEDDED, **PRESERVE}, {"metadata": {"name": 1}})
    assert str(caught.value) == (
        'x.metadata: Invalid value: {"name":1}: json: cannot unmarshal number into Go struct field ObjectMeta.name of'
        " type string"
    )
