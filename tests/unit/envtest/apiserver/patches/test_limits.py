"""Patches that are too long, or meet documents of another form."""

from __future__ import annotations

from typing import Any

import pytest

from controller_runtime.envtest.apiserver.errors import StatusError
from controller_runtime.envtest.apiserver.patches import json_patch, merge_patch, strategic_merge_patch

TEST = {"op": "test", "path": "/a", "value": 1}


def test_a_json_patch_has_at_most_ten_thousand_operations() -> None:
    assert json_patch({"a": 1}, [TEST] * 10_000) == {"a": 1}
    with pytest.raises(StatusError) as caught:
        json_patch({"a": 1}, [TEST] * 10_001)
    assert caught.value.status() == {
        "kind": "Status",
        "apiVersion": "v1",
        "metadata": {},
        "status": "Failure",
        "message": "Request entity too large: The allowed maximum operations in a JSON patch is 10000, got 10001",
        "reason": "RequestEntityTooLarge",
        "code": 413,
    }


@pytest.mark.parametrize(
    ("document", "value", "same"),
    [
        pytest.param(1, 1.0, False, id="integers are no floats"),
        pytest.param(1, True, False, id="numbers are no booleans"),
        pytest.param({"a": [1, {"b": None}]}, {"a": [1, {"b": None}]}, True, id="depth"),
        pytest.param([1], [1, 2], False, id="length"),
        pytest.param({"a": 1}, {"a": 1, "b": None}, False, id="keys"),
    ],
)
def test_values_are_the_same_if_their_json_is(document: Any, value: Any, same: bool) -> None:
    patch = [{"op": "test", "path": "/a", "value": value}]
    if same:
        assert json_patch({"a": document}, patch) == {"a": document}
    else:
        with pytest.raises(StatusError):
            json_patch({"a": document}, patch)


def test_a_copy_is_independent() -> None:
    patch = [{"op": "copy", "from": "/a", "path": "/b"}, {"op": "add", "path": "/b/x", "value": 2}]
    assert json_patch({"a": {"x": 1}}, patch) == {"a": {"x": 1}, "b": {"x": 2}}


def test_a_failing_operation_undoes_the_others() -> None:
    document = {"a": 1}
    with pytest.raises(StatusError):
        json_patch(document, [{"op": "remove", "path": "/a"}, {"op": "remove", "path": "/a"}])
    assert document == {"a": 1}


@pytest.mark.parametrize(
    ("document", "patch", "expected"),
    [
        pytest.param({"a": "x"}, {"a": {"b": None, "c": 1}}, {"a": {"c": 1}}, id="nulls of new maps vanish"),
        pytest.param({}, {"a": [{"b": None}, None]}, {"a": [{}, None]}, id="nulls in new lists stay"),
        pytest.param({"a": {"b": 1}}, {"a": [None]}, {"a": [None]}, id="a list replaces a map"),
        pytest.param({"a": None}, {"a": {"b": {"c": None}}}, {"a": {"b": {}}}, id="null is nothing"),
    ],
)
def test_merge_patch_drops_nulls_where_it_adds(document: Any, patch: Any, expected: Any) -> None:
    assert merge_patch(document, patch) == expected


def test_strategic_merge_knows_no_lists_of_lists() -> None:
    schema = {"properties": {"a": {"type": "array", "items": {}, "x-kubernetes-patch-strategy": "merge"}}}
    with pytest.raises(StatusError) as caught:
        strategic_merge_patch({"a": [[1]]}, {"a": [[2]]}, schema, {})
    assert caught.value.code == 422


def test_maps_can_be_replaced_by_strategy() -> None:
    schema = {"properties": {"a": {"type": "object", "properties": {}, "x-kubernetes-patch-strategy": "replace"}}}
    assert strategic_merge_patch({"a": {"b": 1}}, {"a": {"c": 2}}, schema, {}) == {"a": {"c": 2}}
