"""The quick check and the exact walk are of one opinion, whatever the schema and the value."""

from __future__ import annotations

from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from controller_runtime.envtest.apiserver.schema.checks import compile_check
from controller_runtime.envtest.apiserver.schema.node import Reader
from controller_runtime.envtest.apiserver.schema.violations import examine

SCALARS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-3, 12),
    st.sampled_from([2**31, 2**63 - 1, 2**63]),
    st.sampled_from([0.5, 1.0, 2.5, 1e20]),
    st.sampled_from(["", "a", "b", "abc", "1.2.3.4", "2024-01-01"]),
)
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(st.sampled_from("abc"), inner, max_size=3)),
    max_leaves=6,
)
LIMITS: dict[str, st.SearchStrategy[Any]] = {
    "nullable": st.booleans(),
    "format": st.sampled_from(["int32", "int64", "float", "ipv4", "date", "unknown"]),
    "minimum": st.sampled_from([0, 2, 2.5]),
    "maximum": st.sampled_from([3, 10.5]),
    "exclusiveMinimum": st.booleans(),
    "exclusiveMaximum": st.booleans(),
    "multipleOf": st.sampled_from([2, 0.5]),
    "minLength": st.integers(0, 2),
    "maxLength": st.integers(0, 3),
    "pattern": st.just("^a"),
    "minItems": st.integers(0, 2),
    "maxItems": st.integers(0, 2),
    "uniqueItems": st.booleans(),
    "minProperties": st.integers(0, 2),
    "maxProperties": st.integers(0, 2),
    "enum": st.lists(SCALARS, min_size=1, max_size=3),
    "required": st.lists(st.sampled_from("abc"), max_size=2, unique=True),
}
TYPES = st.sampled_from(["string", "integer", "number", "boolean", "object", "array"])
LEAVES = st.fixed_dictionaries({}, optional={"type": TYPES, **LIMITS})


def nested(inner: st.SearchStrategy[dict[str, Any]]) -> st.SearchStrategy[dict[str, Any]]:
    children = {
        "properties": st.dictionaries(st.sampled_from("abc"), inner, max_size=3),
        "additionalProperties": st.one_of(st.booleans(), inner),
        "items": inner,
        "anyOf": st.lists(inner, max_size=2),
        "oneOf": st.lists(inner, max_size=2),
        "allOf": st.lists(inner, max_size=2),
        "not": inner,
    }
    return st.fixed_dictionaries({}, optional={"type": TYPES, **LIMITS, **children})


@settings(max_examples=300, deadline=None)
@given(schema=st.recursive(LEAVES, nested, max_leaves=4), values=st.lists(VALUES, min_size=1, max_size=5))
def test_check_passes_exactly_what_has_no_violations(schema: dict[str, Any], values: list[Any]) -> None:
    reader = Reader(None)
    root = reader.read(schema)
    for node in reader.nodes:
        node.check = compile_check(node)
    for value in values:
        assert root.check(value) == (not examine(root, value, "", None).violations)
