"""Values look as Go prints them."""

from __future__ import annotations

from typing import Any

import pytest

from controller_runtime.envtest.apiserver.managedfields import sets
from controller_runtime.envtest.apiserver.managedfields.printing import (
    json_text,
    quoted,
    scalar_text,
    syntax,
    type_name,
)


@pytest.mark.parametrize(
    ("text", "go"),
    [
        ("plain é", '"plain é"'),
        ('a"b\\c', '"a\\"b\\\\c"'),
        ("\t\n\x01\x7f", '"\\t\\n\\x01\\x7f"'),
        ("\u200b\U000e0001", '"\\u200b\\U000e0001"'),
    ],
)
def test_strings_are_quoted_as_by_the_verb_q(text: str, go: str) -> None:
    assert quoted(text) == go


@pytest.mark.parametrize(
    ("value", "go"),
    [
        ("a/b", '"a/b"'),
        ("<&>", '"\\u003c\\u0026\\u003e"'),
        (1.0, "1"),
        (True, "true"),
        ({"b": [None], "a": 1}, '{"a":1,"b":[null]}'),
    ],
)
def test_keys_are_json_as_encoding_json_writes_it(value: Any, go: str) -> None:
    assert json_text(value) == go


@pytest.mark.parametrize(
    ("value", "go"),
    [("a", '"a"'), (1.5, "1.5"), (True, "true"), (None, "null"), (["a", 1], '["a",1]'), ({"a": 1}, "a=1")],
)
def test_keys_in_paths(value: Any, go: str) -> None:
    assert scalar_text(value) == go


@pytest.mark.parametrize(
    ("value", "go", "kind"),
    [
        ("a", '"a"', "string"),
        (1, "1", "int64"),
        (1.5, "1.5", "float64"),
        (True, "true", "bool"),
        (None, "interface {}(nil)", "<nil>"),
        (["a", None], '[]interface {}{"a", interface {}(nil)}', "[]interface {}"),
        ({"b": 1, "a": "x"}, 'map[string]interface {}{"a":"x", "b":1}', "map[string]interface {}"),
    ],
)
def test_values_in_messages(value: Any, go: str, kind: str) -> None:
    assert (syntax(value), type_name(value)) == (go, kind)


def test_values_of_all_types_have_an_order() -> None:
    elements = ["v:2", "v:10", 'v:"a"', 'v:"b"', "v:false", "v:true", "v:[1]", 'v:{"a":1}', "v:null"]
    assert list(sets.ordered({element: {} for element in reversed(elements)})) == elements
