"""Items that must differ, and embedded resources."""

from __future__ import annotations

from typing import Any

import pytest

from controller_runtime.envtest.apiserver.schema import compile_schema

SET = {"type": "array", "x-kubernetes-list-type": "set", "items": {"type": "string"}}
ITEM = {"type": "object", "properties": {"k": {"type": "string"}, "p": {"type": "integer"}}}
MAP = {"type": "array", "x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["k"], "items": ITEM}
MAP_OF_TWO = {**MAP, "x-kubernetes-list-map-keys": ["k", "p"]}
EMBEDDED = {
    "type": "object",
    "x-kubernetes-embedded-resource": True,
    "x-kubernetes-preserve-unknown-fields": True,
}


def errors(schema: dict[str, Any], value: Any, old: Any = None) -> list[str]:
    root = compile_schema({"type": "object", "properties": {"x": schema}})
    before = None if old is None else {"x": old}
    return [str(error) for error in root.structure_errors({"x": value}, before)]


CASES = [
    pytest.param(SET, ["a", "b", "a", "a"], ['x[2]: Duplicate value: "a"'], id="set: the second of equal items"),
    pytest.param({**SET, "items": {}}, [1, 1.0, True], [], id="set: types differ"),
    pytest.param(MAP, [{"k": "a"}, {"k": "a", "p": 1}], ['x[1]: Duplicate value: {"k":"a"}'], id="map: equal keys"),
    pytest.param(MAP, [{}, {"p": 1}], ["x[1]: Duplicate value: {}"], id="map: no keys twice"),
    pytest.param(MAP_OF_TWO, [{"k": "a", "p": 1}, {"k": "a", "p": 2}], [], id="map: one of two keys differs"),
    pytest.param(
        MAP, ["a"], ['x[0]: Invalid value: "a": must be an object for an array of list-type map'], id="map: no object"
    ),
    pytest.param(
        {"type": "object", "additionalProperties": SET},
        {"m": ["a", "a"]},
        ['x[m][1]: Duplicate value: "a"'],
        id="inside a map, in brackets",
    ),
    pytest.param(
        EMBEDDED, {}, ["x.apiVersion: Required value", "x.kind: Required value"], id="embedded: says what it is"
    ),
    pytest.param(
        EMBEDDED,
        {"apiVersion": "a/b/c", "kind": ""},
        [
            'x.apiVersion: Invalid value: "a/b/c": unexpected GroupVersion string: a/b/c',
            'x.kind: Invalid value: "": must not be empty',
        ],
        id="embedded: says so properly",
    ),
    pytest.param(
        EMBEDDED,
        {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": ".."}},
        ["""x.metadata.name: Invalid value: "..": may not be '..'"""],
        id="embedded: has valid metadata",
    ),
]


@pytest.mark.parametrize(("schema", "value", "expected"), CASES)
def test_errors_have_the_real_servers_texts(schema: dict[str, Any], value: Any, expected: list[str]) -> None:
    assert errors(schema, value) == expected


def test_lists_that_had_duplicates_may_have_others() -> None:
    assert errors(SET, ["b", "b"], old=["a", "a"]) == []
    assert errors(SET, ["b", "b"], old=["a"]) == ['x[1]: Duplicate value: "b"']
