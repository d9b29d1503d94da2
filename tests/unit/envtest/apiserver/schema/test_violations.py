"""What values violate: texts and fields are those of kube-apiserver 1.36.3, found by sending it the same objects."""

from __future__ import annotations

from typing import Any

import pytest

from controller_runtime.envtest.apiserver.schema import compile_schema

STRING = {"type": "string"}
PAIR = {
    "type": "object",
    "properties": {"a": STRING, "b": STRING, "c": {"type": "integer"}},
}
ALTERNATIVES = [{"required": ["a"]}, {"required": ["b"], "properties": {"c": {"minimum": 5}}}]


def errors(schema: dict[str, Any], value: Any) -> list[str]:
    """What is wrong with an object whose `spec.x` is the value."""
    spec = {"type": "object", "properties": {"x": schema}}
    root = compile_schema({"type": "object", "properties": {"spec": spec}})
    return [str(error) for error in root.validate({"spec": {"x": value}})]


def in_body(what: str, value: str) -> str:
    return f"spec.x: Invalid value: {value}: spec.x in body {what}"


VALID = [
    pytest.param(STRING, "", id="text"),
    pytest.param({"type": "integer"}, 1.0, id="a float that is whole is an integer"),
    pytest.param({"type": "number"}, 1, id="an integer is a number"),
    pytest.param({"type": "string", "nullable": True}, None, id="null where it is allowed"),
    pytest.param({"x-kubernetes-int-or-string": True}, 5, id="integer of either"),
    pytest.param({"x-kubernetes-int-or-string": True}, "5%", id="text of either"),
    pytest.param({"x-kubernetes-preserve-unknown-fields": True}, None, id="anything, null too"),
    pytest.param({"type": "string", "format": "date"}, ["x"], id="a format of text lets lists through"),
    pytest.param({"type": "string", "format": "unheard-of"}, "x", id="unknown formats are ignored"),
    pytest.param({"type": "number", "enum": [1]}, 1.5, id="enum converts to the member's type"),
    pytest.param({"type": "string", "maxLength": 4}, "äöüß", id="length counts characters"),
    pytest.param({**PAIR, "anyOf": ALTERNATIVES}, {"b": "x"}, id="one of anyOf"),
    pytest.param({**PAIR, "oneOf": ALTERNATIVES}, {"a": "x"}, id="one of oneOf"),
]
INVALID = [
    pytest.param(STRING, 1, [in_body('must be of type string: "integer"', '"integer"')], id="integer for text"),
    pytest.param(STRING, None, [in_body('must be of type string: "null"', '"null"')], id="null for text"),
    pytest.param(
        {"type": "integer", "format": "date"},
        True,
        [in_body('must be of type integer: "boolean"', '"boolean"')],
        id="a format that is not of the type is ignored",
    ),
    pytest.param(
        {"type": "integer", "format": "int64"},
        1.5,
        [
            in_body('must be of type int64: "float64"', '"float64"'),
            '<nil>: Invalid value: "": Checked value must be of type integer with format int64 in spec.x',
        ],
        id="a format names itself and Go's type",
    ),
    pytest.param(
        {"type": "integer", "format": "int32"},
        2**31,
        ['<nil>: Invalid value: "": Checked value must be of type integer with format int32 in spec.x'],
        id="too large for the format",
    ),
    pytest.param(
        {"x-kubernetes-int-or-string": True},
        True,
        [in_body('must be of type integer,string: "boolean"', '"boolean"')],
        id="neither integer nor text",
    ),
    pytest.param(
        {"type": "string", "format": "ipv4"},
        "x",
        [in_body('must be of type ipv4: "x"', '"x"')],
        id="format of text",
    ),
    pytest.param(
        {"type": "string", "enum": ["a", "b"]},
        "c",
        ['spec.x: Unsupported value: "c": supported values: "a", "b"'],
        id="enum",
    ),
    pytest.param(
        {"type": "integer", "enum": [1, 2]},
        3,
        ['spec.x: Unsupported value: 3: supported values: "1", "2"'],
        id="enum of integers",
    ),
    pytest.param(
        {"type": "string", "nullable": True, "enum": ["a", None]},
        None,
        ['spec.x: Unsupported value: null: supported values: "a", "null"'],
        id="null is in no enum",
    ),
    pytest.param(
        {"type": "string", "maxLength": 1}, "ab", ["spec.x: Too long: may not be more than 1 byte"], id="too long"
    ),
    pytest.param(
        {"type": "string", "minLength": 2}, "a", [in_body("should be at least 2 chars long", '"a"')], id="too short"
    ),
    pytest.param({"type": "string", "pattern": "^a$"}, "a\n", [in_body("should match '^a$'", r'"a\n"')], id="pattern"),
    pytest.param(
        {"type": "integer", "minimum": 3}, 2, [in_body("should be greater than or equal to 3", "2")], id="minimum"
    ),
    pytest.param(
        {"type": "integer", "maximum": 3, "exclusiveMaximum": True},
        3,
        [in_body("should be less than 3", "3")],
        id="exclusive maximum",
    ),
    pytest.param(
        {"type": "number", "maximum": 1.5},
        1e20,
        [in_body("should be less than or equal to 1.5", "1e+20")],
        id="large floats in Go's form",
    ),
    pytest.param(
        {"type": "integer", "minimum": 0.5},
        5,
        ['<nil>: Invalid value: "": Minimum boundary value must be of type integer (default format) in spec.x'],
        id="a limit that is no integer is an error of each value",
    ),
    pytest.param({"type": "integer", "multipleOf": 3}, 4, [in_body("should be a multiple of 3", "4")], id="multiple"),
    pytest.param(
        {"type": "array", "items": STRING, "minItems": 1},
        [],
        [in_body("should have at least 1 items", "0")],
        id="too few items",
    ),
    pytest.param(
        {"type": "array", "items": STRING, "maxItems": 1},
        ["", ""],
        ["spec.x: Too many: 2: must have at most 1 item"],
        id="too many items",
    ),
    pytest.param(
        {"type": "object", "additionalProperties": STRING, "minProperties": 2},
        {"a": ""},
        [in_body("should have at least 2 properties", "1")],
        id="too few properties",
    ),
    pytest.param(
        {"type": "object", "additionalProperties": STRING, "maxProperties": 0},
        {"a": ""},
        ["spec.x: Too many: 1: must have at most 0 items"],
        id="too many properties",
    ),
    pytest.param(
        {"type": "object", "additionalProperties": False},
        {"a": 1},
        ['spec.x: Invalid value: "a": spec.x.a in body is a forbidden property'],
        id="no properties at all",
    ),
    pytest.param(
        {"type": "object", "required": ["a", "b"], "properties": {"a": STRING}},
        {},
        ["spec.x.a: Required value", "spec.x.b: Required value"],
        id="required, in their order",
    ),
    pytest.param(
        {"type": "array", "items": {"type": "object", "properties": {"a": STRING}}},
        [{}, {"a": 1}],
        ['spec.x[1].a: Invalid value: "integer": spec.x[1].a in body must be of type string: "integer"'],
        id="path of an item",
    ),
    pytest.param(
        {"type": "object", "additionalProperties": STRING},
        {"k": 1},
        ['spec.x.k: Invalid value: "integer": spec.x.k in body must be of type string: "integer"'],
        id="path of a map's value",
    ),
    pytest.param(
        {**PAIR, "anyOf": ALTERNATIVES},
        {"c": 9},
        ['<nil>: Invalid value: "": "spec.x" must validate at least one schema (anyOf)', "spec.x.b: Required value"],
        id="of several alternatives the one that fits best is reported",
    ),
    pytest.param(
        {**PAIR, "oneOf": ALTERNATIVES},
        {"a": "", "b": ""},
        [
            (
                '<nil>: Invalid value: "": "spec.x" must validate one and only one schema (oneOf).'
                " Found 2 valid alternatives"
            )
        ],
        id="two of oneOf",
    ),
    pytest.param(
        {**PAIR, "allOf": ALTERNATIVES},
        {},
        [
            "spec.x.a: Required value",
            "spec.x.b: Required value",
            '<nil>: Invalid value: "": "spec.x" must validate all the schemas (allOf). None validated',
        ],
        id="none of allOf",
    ),
    pytest.param(
        {**PAIR, "not": {"required": ["a"]}},
        {"a": ""},
        ['<nil>: Invalid value: "": "spec.x" must not validate the schema (not)'],
        id="not",
    ),
]


@pytest.mark.parametrize(("schema", "value"), VALID)
def test_valid_values_have_no_errors(schema: dict[str, Any], value: Any) -> None:
    assert errors(schema, value) == []


@pytest.mark.parametrize(("schema", "value", "expected"), INVALID)
def test_errors_have_the_real_servers_texts(schema: dict[str, Any], value: Any, expected: list[str]) -> None:
    assert errors(schema, value) == expected


def test_fields_carry_the_prefix_and_messages_do_not() -> None:
    schema = compile_schema(
        {"type": "object", "properties": {"status": {"type": "object", "properties": {"s": STRING}}}}
    )
    found = schema.status_errors({"status": {"s": 1}}, {})
    assert [str(error) for error in found] == [
        'status.s: Invalid value: "integer": s in body must be of type string: "integer"'
    ]


def test_references_may_recurse() -> None:
    tree = {"type": "object", "properties": {"child": {"$ref": "#/components/schemas/Tree"}, "name": STRING}}
    schema = compile_schema({"$ref": "#/components/schemas/Tree"}, {"Tree": tree})
    value = {"child": {"child": {"name": 1, "other": 2}}}
    assert schema.prune(value) == ["child.child.other"]
    assert [error.field for error in schema.validate(value)] == ["child.child.name"]
