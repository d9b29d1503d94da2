"""YAML text and the files that hold it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from controller_runtime.controllergen import stale_files, to_yaml, write_files

VALUES: st.SearchStrategy[Any] = st.recursive(
    st.text() | st.booleans() | st.integers(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


def test_the_order_of_insertion_does_not_show() -> None:
    assert to_yaml({"b": 1, "a": {"d": 2, "c": 3}}) == to_yaml({"a": {"c": 3, "d": 2}, "b": 1})
    assert to_yaml({"b": 1, "a": 2}) == "a: 2\nb: 1\n"


def test_an_object_that_occurs_twice_is_written_twice() -> None:
    shared = {"type": "string"}
    assert to_yaml({"a": shared, "b": shared}) == "a:\n  type: string\nb:\n  type: string\n"


def test_text_that_yaml_would_take_for_something_else_is_quoted() -> None:
    assert to_yaml({"status": ["True", "null", "1"]}) == "status:\n- 'True'\n- 'null'\n- '1'\n"


def test_paragraphs_are_written_as_a_block() -> None:
    assert to_yaml({"description": "One.\n\nTwo."}) == "description: |-\n  One.\n\n  Two.\n"


@given(VALUES)
def test_yaml_reads_back_as_what_was_written(value: Any) -> None:
    assert yaml.safe_load(to_yaml(value)) == value


def test_only_missing_and_different_files_are_stale_and_written(tmp_path: Path) -> None:
    current, different, missing = tmp_path / "current", tmp_path / "different", tmp_path / "new" / "missing"
    current.write_text("ä", encoding="utf-8")
    different.write_text("old", encoding="utf-8")
    files = {current: "ä", different: "new", missing: "there"}
    assert stale_files(files) == [different, missing]
    before = current.stat().st_mtime_ns
    assert write_files(files) == [different, missing]
    assert stale_files(files) == []
    assert {path: path.read_text(encoding="utf-8") for path in files} == files
    assert current.stat().st_mtime_ns == before


def test_a_directory_in_the_place_of_a_file_is_an_error_not_a_silent_miss(tmp_path: Path) -> None:
    assert stale_files({tmp_path: ""}) == [tmp_path]
    with pytest.raises(IsADirectoryError):
        write_files({tmp_path: ""})
