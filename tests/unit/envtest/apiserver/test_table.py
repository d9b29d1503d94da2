"""Tables and what else takes an object's place."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from controller_runtime.envtest.apiserver.columns import custom_columns
from controller_runtime.envtest.apiserver.jsonpath import compile_path
from controller_runtime.envtest.apiserver.table import partial_metadata, partial_metadata_list, table

RECORDED = json.loads((Path(__file__).parent / "columns.json").read_text())
NOW = datetime(2026, 11, 25, 10, 29, tzinfo=UTC)
OBJECT: dict[str, Any] = {
    "apiVersion": "example.com/v1",
    "kind": "Thing",
    "metadata": {"name": "x", "creationTimestamp": "2026-11-25T10:28:00Z"},
    "spec": {},
}


def test_custom_columns_are_filled_as_by_the_api_server() -> None:
    made = table(custom_columns(RECORDED["columns"]), RECORDED["objects"], list_metadata={}, now=NOW)
    assert made["columnDefinitions"] == RECORDED["definitions"]
    headings = [column["name"] for column in RECORDED["definitions"]]
    for ours, real in zip(made["rows"], RECORDED["rows"], strict=True):
        assert dict(zip(headings, ours["cells"], strict=True)) == dict(zip(headings, real, strict=True))
        assert [type(cell) for cell in ours["cells"]] == [type(cell) for cell in real]


def test_a_kind_without_columns_shows_name_and_age() -> None:
    made = table(custom_columns(None), [OBJECT], list_metadata={"resourceVersion": "5"}, now=NOW)
    assert [(column["name"], column["type"]) for column in made["columnDefinitions"]] == [
        ("Name", "string"),
        ("Age", "date"),
    ]
    assert made["rows"][0]["cells"] == ["x", "60s"]
    assert made["metadata"] == {"resourceVersion": "5"}


@pytest.mark.parametrize(
    ("include", "expected"),
    [
        pytest.param("Object", OBJECT, id="object"),
        pytest.param("None", None, id="none"),
        pytest.param(
            "Metadata",
            {"kind": "PartialObjectMetadata", "apiVersion": "meta.k8s.io/v1beta1", "metadata": OBJECT["metadata"]},
            id="metadata",
        ),
    ],
)
def test_rows_hold_what_was_asked_for(include: str, expected: Any) -> None:
    made = table(custom_columns(()), [OBJECT], include_object=include, list_metadata={}, version="v1beta1", now=NOW)
    assert made["rows"][0]["object"] == expected
    assert made["apiVersion"] == "meta.k8s.io/v1beta1"


def test_headings_can_be_left_out() -> None:
    assert table(custom_columns(()), [], list_metadata={}, headers=False)["columnDefinitions"] is None


def test_partial_metadata_is_metadata_alone() -> None:
    assert partial_metadata(OBJECT) == {
        "kind": "PartialObjectMetadata",
        "apiVersion": "meta.k8s.io/v1",
        "metadata": OBJECT["metadata"],
    }
    listed = partial_metadata_list([OBJECT], list_metadata={"continue": "c"})
    assert listed["items"] == [partial_metadata(OBJECT)]
    assert listed["kind"] == "PartialObjectMetadataList"
    assert listed["metadata"] == {"continue": "c"}


@pytest.mark.parametrize("path", [".a[", ".a[x]", ".a[?(@.b==1]", "a", ".a[?(@.b=1)]"])
def test_paths_that_cannot_be_understood_are_refused(path: str) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 - no text is promised
        compile_path(path)


@pytest.mark.parametrize(
    ("path", "found"),
    [
        (".a.b", [1]),
        ("$.a.b", [1]),
        (".a.nope", []),
        (".l[*].n", ["x", "y", "z"]),
        (".l[-1].n", ["z"]),
        (".l[0:2].n", ["x", "y"]),
        (".l[::2].n", ["x", "z"]),
        (".l[0,2].n", ["x", "z"]),
        ("['a'].b", [1]),
        ('.l[?(@.n=="y")].v', [2]),
        (".l[?(@.v>1)].n", ["y", "z"]),
        (".l[?(@.v)].n", ["x", "y", "z"]),
        (".l[?(@.n!='y')].v", [1, 3]),
        (r".d\.o\.t", [4]),
        ("..n", ["x", "y", "z"]),
    ],
)
def test_paths_find_values(path: str, found: list[Any]) -> None:
    value = {"a": {"b": 1}, "l": [{"n": "x", "v": 1}, {"n": "y", "v": 2}, {"n": "z", "v": 3}], "d.o.t": 4}
    assert compile_path(path)(value) == found
