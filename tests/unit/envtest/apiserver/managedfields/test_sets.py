"""Sets of field paths behave as sets, and keep their canonical form."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from controller_runtime.envtest.apiserver.managedfields import sets
from controller_runtime.envtest.apiserver.managedfields.errors import UndecodableError
from controller_runtime.envtest.apiserver.managedfields.sets import FieldSet

Path = tuple[str, ...]

PATHS = st.sets(st.lists(st.sampled_from(["f:a", "f:b", 'k:{"n":1}']), min_size=1, max_size=3).map(tuple), max_size=6)


def to_set(paths: set[Path]) -> FieldSet:
    result: FieldSet = {}
    for path in paths:
        node: FieldSet = {}
        for element in reversed(path):
            node = {element: node}
        result = sets.union(result, node)
    return result


def to_paths(fields: FieldSet, prefix: Path = ()) -> set[Path]:
    result = set()
    for element, node in fields.items():
        if element == sets.SELF:
            continue
        if sets.is_member(node):
            result.add((*prefix, element))
        result |= to_paths(node, (*prefix, element))
    return result


@given(PATHS, PATHS)
def test_union_is_that_of_the_paths(left: set[Path], right: set[Path]) -> None:
    assert to_paths(sets.union(to_set(left), to_set(right))) == left | right


@given(PATHS, PATHS)
def test_intersection_is_that_of_the_paths(left: set[Path], right: set[Path]) -> None:
    assert sets.ordered(sets.intersection(to_set(left), to_set(right))) == sets.ordered(to_set(left & right))


@given(PATHS, PATHS)
def test_difference_is_that_of_the_paths(left: set[Path], right: set[Path]) -> None:
    assert sets.difference(to_set(left), to_set(right)) == to_set(left - right)


@given(PATHS, PATHS)
def test_without_takes_what_is_below_too(left: set[Path], right: set[Path]) -> None:
    rest = {path for path in left if not any(path[: len(other)] == other for other in right)}
    assert sets.without(to_set(left), to_set(right)) == to_set(rest)


@given(PATHS)
def test_decoding_a_canonical_set_returns_it(paths: set[Path]) -> None:
    fields = to_set(paths)
    assert sets.decode(fields) is fields


@pytest.mark.parametrize(
    ("sent", "canonical"),
    [
        pytest.param(None, {}, id="null is the empty set"),
        pytest.param({".": {}, "f:a": {}}, {"f:a": {}}, id="nobody owns the whole object"),
        pytest.param({"f:a": {".": {}}}, {"f:a": {}}, id="a leaf has one form"),
        pytest.param({"f:a": None}, {"f:a": {}}, id="null is a leaf"),
        pytest.param({"f:a": {"x:new": {}}}, {"f:a": {}}, id="unknown elements are dropped"),
        pytest.param({'k:{"b":1, "a":"x"}': {}}, {'k:{"a":"x","b":1}': {}}, id="keys are sorted"),
        pytest.param({'v:"a<b"': {}, "v:1.0": {}}, {'v:"a\\u003cb"': {}, "v:1": {}}, id="values as Go writes them"),
        pytest.param({"i:07": {}}, {"i:7": {}}, id="index"),
    ],
)
def test_what_clients_send_gets_the_canonical_form(sent: Any, canonical: Any) -> None:
    assert sets.decode(sent) == canonical


@pytest.mark.parametrize("sent", [[], {"f:a": []}, {"a": {}}, {"f": {}}, {"v:{": {}}, {"k:[]": {}}, {"i:x": {}}])
def test_what_cannot_be_read_is_refused(sent: Any) -> None:
    with pytest.raises(UndecodableError):
        sets.decode(sent)


def test_elements_are_ordered_by_kind_and_numbers_by_size() -> None:
    fields: FieldSet = {
        "v:10": {},
        "v:9": {},
        'k:{"p":443}': {},
        'k:{"p":80}': {},
        "i:2": {},
        "f:b": {},
        "f:a": {"f:z": {}, "f:y": {}},
    }
    assert list(sets.ordered(fields)) == ["f:a", "f:b", 'k:{"p":80}', 'k:{"p":443}', "v:9", "v:10", "i:2"]
    assert list(sets.ordered(fields)["f:a"]) == ["f:y", "f:z"]


def test_paths_are_listed_one_level_before_the_next() -> None:
    fields: FieldSet = {
        "f:b": {"f:a": {}},
        "f:c": {".": {}, 'k:{"name":"x\\"y","port":80}': {}, 'v:"z"': {}, "v:true": {}, "v:1.5": {}, "i:3": {}},
    }
    assert list(sets.paths(fields)) == [
        ".c",
        ".b.a",
        '.c[name="x\\"y",port=80]',
        ".c[=1.5]",
        '.c[="z"]',
        ".c[=true]",
        ".c[3]",
    ]
