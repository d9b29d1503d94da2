"""Merge patches."""

from __future__ import annotations

import copy
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from controller_runtime.client import merge_diff

scalars = st.booleans() | st.integers(-3, 3) | st.text("ab", max_size=2)
values = st.recursive(
    scalars,
    lambda inner: st.lists(inner | st.none(), max_size=3) | st.dictionaries(st.sampled_from("abcd"), inner, max_size=4),
    max_leaves=12,
)
documents = st.dictionaries(st.sampled_from("abcd"), values, max_size=4)


def apply_merge_patch(target: Any, patch: Any) -> Any:
    """RFC 7386, section 2."""
    if not isinstance(patch, dict):
        return patch
    result = dict(target) if isinstance(target, dict) else {}
    for name, value in patch.items():
        if value is None:
            result.pop(name, None)
        else:
            result[name] = apply_merge_patch(result.get(name), value)
    return result


def as_json(value: Any) -> str:
    return json.dumps(value, sort_keys=True)


@given(documents, documents)
def test_the_patch_turns_the_old_document_into_the_new_one(old: dict[str, Any], new: dict[str, Any]) -> None:
    before = copy.deepcopy((old, new))
    patch = merge_diff(old, new)
    assert as_json(apply_merge_patch(old, patch)) == as_json(new)
    assert (old, new) == before


@given(documents)
def test_nothing_differs_from_itself(document: dict[str, Any]) -> None:
    assert merge_diff(document, copy.deepcopy(document)) == {}


@pytest.mark.parametrize(
    ("old", "new", "patch"),
    [
        pytest.param({"a": 1, "b": 2}, {"a": 1, "b": 3}, {"b": 3}, id="only what differs"),
        pytest.param({"a": 1}, {}, {"a": None}, id="null removes"),
        pytest.param({"s": {"a": 1, "b": 1}}, {"s": {"a": 1}}, {"s": {"b": None}}, id="maps are merged"),
        pytest.param({"l": [1, 2]}, {"l": [1, 3]}, {"l": [1, 3]}, id="lists are replaced whole"),
        pytest.param({"a": True}, {"a": 1}, {"a": 1}, id="true is not 1"),
        pytest.param({"l": [{"a": 1}]}, {"l": [{"a": True}]}, {"l": [{"a": True}]}, id="not in a list either"),
        pytest.param({}, {"a": {}}, {"a": {}}, id="an empty map is something"),
    ],
)
def test_shape_of_the_patch(old: dict[str, Any], new: dict[str, Any], patch: dict[str, Any]) -> None:
    assert as_json(merge_diff(old, new)) == as_json(patch)
