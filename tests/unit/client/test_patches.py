"""Merge patches."""

from __future__ import annotations

import copy
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from controller_runtime.apimachinery import Condition, ObjectMeta, to_json_value
from controller_runtime.client import InvalidRequestError, merge_diff, merge_patch_from
from tests.unit.client.fakes import PartialWidget, Widget, WidgetSpec, WidgetStatus

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


def widget_of(size: int, labels: dict[str, str], state: str, version: str = "5", name: str = "a") -> Widget:
    metadata = ObjectMeta(name=name, namespace="default", resource_version=version, labels=labels)
    return Widget(metadata=metadata, spec=WidgetSpec(size=size), status=WidgetStatus(state=state))


widgets = st.builds(
    widget_of,
    st.integers(0, 2),
    st.dictionaries(st.sampled_from("abc"), st.sampled_from(["", "x"]), max_size=3),
    st.sampled_from(["", "on"]),
)


@given(widgets, widgets)
def test_a_patch_between_objects_makes_the_one_of_the_other(base: Widget, wanted: Widget) -> None:
    assert apply_merge_patch(to_json_value(base), merge_patch_from(base, wanted)) == to_json_value(wanted)


@pytest.mark.parametrize(
    ("base", "wanted", "patch"),
    [
        pytest.param(widget_of(1, {}, ""), widget_of(2, {}, ""), {"spec": {"size": 2}}, id="changed"),
        pytest.param(widget_of(0, {}, ""), widget_of(2, {}, ""), {"spec": {"size": 2}}, id="no longer the default"),
        pytest.param(widget_of(2, {}, ""), widget_of(0, {}, ""), {"spec": {"size": None}}, id="back to the default"),
        pytest.param(
            widget_of(0, {"a": "x", "b": "y"}, ""),
            widget_of(0, {"b": "y"}, ""),
            {"metadata": {"labels": {"a": None}}},
            id="a key removed",
        ),
        pytest.param(
            widget_of(0, {"a": "x"}, ""),
            widget_of(0, {}, ""),
            {"metadata": {"labels": None}},
            id="the last key removed",
        ),
        pytest.param(widget_of(0, {}, ""), widget_of(0, {}, "on"), {"status": {"state": "on"}}, id="status"),
        pytest.param(widget_of(1, {}, "", "5"), widget_of(1, {}, "", "9"), {}, id="a version is no difference"),
    ],
)
def test_a_patch_between_objects_says_what_differs_and_no_more(base: Widget, wanted: Widget, patch: Any) -> None:
    assert merge_patch_from(base, wanted) == patch


def test_a_list_is_sent_whole() -> None:
    kept, added = (Condition(type=name, status="True", reason="x") for name in ("A", "B"))
    base = Widget(status=WidgetStatus(conditions=(kept,)))
    wanted = Widget(status=WidgetStatus(conditions=(kept, added)))
    patch = merge_patch_from(base, wanted)
    assert [condition["type"] for condition in patch["status"]["conditions"]] == ["A", "B"]


def test_the_lock_is_the_version_that_was_read() -> None:
    base, wanted = widget_of(1, {}, "", "5"), widget_of(2, {"a": "x"}, "", "9")
    assert merge_patch_from(base, wanted, optimistic_lock=True) == {
        "metadata": {"labels": {"a": "x"}, "resourceVersion": "5"},
        "spec": {"size": 2},
    }
    assert merge_patch_from(base, widget_of(2, {}, ""), optimistic_lock=True) == {
        "metadata": {"resourceVersion": "5"},
        "spec": {"size": 2},
    }


def test_where_nothing_differs_the_lock_is_not_sent_either() -> None:
    assert merge_patch_from(widget_of(1, {}, ""), widget_of(1, {}, ""), optimistic_lock=True) == {}


@pytest.mark.parametrize(
    ("base", "wanted", "lock", "message"),
    [
        pytest.param(
            widget_of(1, {}, "", ""), widget_of(2, {}, ""), True, "default/a has no resourceVersion", id="no version"
        ),
        pytest.param(
            widget_of(1, {}, ""), widget_of(2, {}, "", name="b"), False, "they are different objects", id="other name"
        ),
        pytest.param(widget_of(1, {}, ""), PartialWidget(), False, "they are different objects", id="other kind"),
    ],
)
def test_what_makes_no_patch_is_refused(base: Widget, wanted: Widget, lock: bool, message: str) -> None:
    with pytest.raises(InvalidRequestError, match=message):
        merge_patch_from(base, wanted, optimistic_lock=lock)
