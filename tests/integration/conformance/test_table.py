"""Other forms of the same objects: tables, metadata alone, and what Accept asks for."""

from __future__ import annotations

from typing import Any

import pytest

from tests.integration.conformance.conftest import GROUP, Place, configmap, specimen
from tests.integration.conformance.rest import Api, names

TABLE = "application/json;as=Table;v=v1;g=meta.k8s.io"
PARTIAL = "application/json;as=PartialObjectMetadata;v=v1;g=meta.k8s.io"
PARTIAL_LIST = "application/json;as=PartialObjectMetadataList;v=v1;g=meta.k8s.io"


def columns(table: Any) -> list[tuple[str, str, int]]:
    return [(column["name"], column["type"], column["priority"]) for column in table["columnDefinitions"]]


def test_a_list_of_a_built_in_kind_is_a_table(api: Api, place: Place) -> None:
    api.create(place.configmaps, configmap("a", {"x": "1", "y": "2"}))
    listed = api.get(place.configmaps).expect(200)
    table = api.get(place.configmaps, accept=TABLE).expect(200)
    assert (table["kind"], table["apiVersion"]) == ("Table", "meta.k8s.io/v1")
    assert int(table["metadata"]["resourceVersion"]) >= int(listed["metadata"]["resourceVersion"])
    assert columns(table) == [("Name", "string", 0), ("Data", "string", 0), ("Age", "string", 0)]
    [row] = table["rows"]
    assert row["cells"][:2] == ["a", 2]
    assert row["cells"][2].endswith("s")
    partial = row["object"]
    assert (partial["kind"], partial["apiVersion"]) == ("PartialObjectMetadata", "meta.k8s.io/v1")
    assert partial["metadata"] == listed["items"][0]["metadata"]


def test_names_have_a_format_and_a_description(api: Api, place: Place) -> None:
    table = api.get(place.configmaps, accept=TABLE).expect(200)
    first = table["columnDefinitions"][0]
    assert first.keys() == {"name", "type", "format", "description", "priority"}
    assert first["format"] == "name"
    assert table["rows"] == []


def test_an_object_is_a_table_of_one_row(api: Api, place: Place) -> None:
    created = api.create(place.specimens, specimen("a", {"color": "red"}))
    table = api.get(f"{place.specimens}/a", accept=TABLE).expect(200)
    assert len(table["rows"]) == 1
    assert table["metadata"] == {"resourceVersion": created["metadata"]["resourceVersion"]}


def test_columns_of_a_custom_kind_are_its_own(api: Api, place: Place) -> None:
    spec = {"color": "red", "note": "n", "tags": ["x", "y"]}
    api.create(place.specimens, specimen("a", spec))
    status = {"conditions": [{"type": "Other", "status": "False"}, {"type": "Ready", "status": "True"}]}
    api.patch(f"{place.specimens}/a/status", {"status": status}).expect(200)
    table = api.get(place.specimens, accept=TABLE).expect(200)
    assert columns(table) == [
        ("Name", "string", 0),
        ("Color", "string", 0),
        ("Size", "integer", 0),
        ("Note", "string", 1),
        ("Tags", "string", 0),
        ("Ready", "string", 0),
        ("Age", "date", 0),
    ]
    [row] = table["rows"]
    # Of several matches of a path, the first one is shown.
    assert row["cells"][:6] == ["a", "red", 7, "n", "x", "True"]
    assert table["columnDefinitions"][1]["description"] == "Its color."


def test_cells_of_missing_values_are_null(api: Api, place: Place) -> None:
    api.create(place.specimens, specimen("a"))
    [row] = api.get(place.specimens, accept=TABLE).expect(200)["rows"]
    assert row["cells"][:6] == ["a", None, None, None, None, None]


@pytest.mark.parametrize(
    ("include", "kind"), [("None", None), ("Metadata", "PartialObjectMetadata"), ("Object", "Specimen")]
)
def test_rows_include_what_is_asked_for(api: Api, place: Place, include: str, kind: str | None) -> None:
    api.create(place.specimens, specimen("a"))
    [row] = api.get(place.specimens, accept=TABLE, includeObject=include).expect(200)["rows"]
    assert (row["object"] or {}).get("kind") == kind


def test_an_unknown_include_is_refused(api: Api, place: Place) -> None:
    answer = api.get(place.specimens, accept=TABLE, includeObject="All")
    assert answer.verdict[:2] == (400, "BadRequest")


def test_pages_of_tables_follow_each_other(api: Api, place: Place) -> None:
    for name in ("a", "b", "c"):
        api.create(place.configmaps, configmap(name))
    first = api.get(place.configmaps, accept=TABLE, limit=2).expect(200)
    assert [row["cells"][0] for row in first["rows"]] == ["a", "b"]
    assert first["metadata"]["remainingItemCount"] == 1
    second = api.get(place.configmaps, accept=TABLE, continue_=first["metadata"]["continue"]).expect(200)
    assert [row["cells"][0] for row in second["rows"]] == ["c"]


def test_metadata_alone_is_a_partial_object(api: Api, place: Place) -> None:
    for collection, document in ((place.configmaps, configmap("a", {"x": "1"})), (place.specimens, specimen("a", {}))):
        created = api.create(collection, document)
        body = api.get(f"{collection}/a", accept=PARTIAL).expect(200)
        assert body == {
            "kind": "PartialObjectMetadata",
            "apiVersion": "meta.k8s.io/v1",
            "metadata": created["metadata"],
        }


def test_metadata_alone_is_listed(api: Api, place: Place) -> None:
    api.create(place.specimens, specimen("a"))
    body = api.get(place.specimens, accept=PARTIAL_LIST).expect(200)
    assert (body["kind"], body["apiVersion"]) == ("PartialObjectMetadataList", "meta.k8s.io/v1")
    assert names(body) == ["a"]
    assert body["items"][0].keys() == {"kind", "apiVersion", "metadata"}


def test_metadata_alone_is_watched(api: Api, place: Place) -> None:
    before = api.get(place.specimens).expect(200)["metadata"]["resourceVersion"]
    created = api.create(place.specimens, specimen("a"))
    with api.watch(place.specimens, accept=PARTIAL, resourceVersion=before) as watch:
        event = watch.next()
    assert event["type"] == "ADDED"
    assert event["object"] == {
        "kind": "PartialObjectMetadata",
        "apiVersion": "meta.k8s.io/v1",
        "metadata": created["metadata"],
    }


def test_a_created_object_may_be_answered_as_a_table(api: Api, place: Place) -> None:
    table = api.post(place.configmaps, configmap("a"), accept=TABLE).expect(201)
    assert table["kind"] == "Table"


@pytest.mark.parametrize(
    "accept",
    [
        pytest.param(f"{TABLE},application/json", id="table first"),
        pytest.param("application/json;as=Table;v=v1beta1;g=meta.k8s.io," + TABLE, id="old table first"),
    ],
)
def test_the_first_form_that_is_served_is_taken(api: Api, place: Place, accept: str) -> None:
    assert api.get(place.configmaps, accept=accept).expect(200)["kind"] == "Table"


@pytest.mark.parametrize("accept", ["*/*", "text/plain;q=0.1,application/json", "application/json;q=0.5"])
def test_json_is_served_to_whoever_takes_it(api: Api, place: Place, accept: str) -> None:
    answer = api.get(place.configmaps, accept=accept)
    assert answer.headers["Content-Type"] == "application/json"
    assert answer.expect(200)["kind"] == "ConfigMapList"


def test_half_a_wildcard_is_not_understood(api: Api, place: Place) -> None:
    answer = api.get(place.configmaps, accept="application/*")
    text = (
        "406: Not Acceptable\n\nAvailable representations: application/json, application/yaml, "
        "application/vnd.kubernetes.protobuf, application/json;stream=watch, "
        "application/vnd.kubernetes.protobuf;stream=watch"
    )
    assert answer.verdict == (406, "NotAcceptable", text)


def test_yaml_is_served(api: Api, place: Place) -> None:
    answer = api.get(place.configmaps, accept="application/yaml")
    assert answer.status == 200
    assert answer.headers["Content-Type"] == "application/yaml"
    assert b"kind: ConfigMapList\n" in answer.body


@pytest.mark.parametrize(
    "accept",
    [
        pytest.param("text/html", id="no such media type"),
        pytest.param("application/json;as=Chart;v=v1;g=meta.k8s.io", id="no such form"),
    ],
)
def test_what_is_not_served_is_not_acceptable(api: Api, place: Place, accept: str) -> None:
    answer = api.get(place.specimens, accept=accept)
    assert answer.status == 406
    assert answer.verdict[1] == "NotAcceptable"
    assert answer.verdict[2].startswith(
        "only the following media types are accepted: application/json, application/yaml"
    )


def test_an_errors_form_is_a_status_whatever_was_asked_for(api: Api, place: Place) -> None:
    answer = api.get(f"{place.specimens}/none", accept=TABLE)
    assert answer.verdict == (404, "NotFound", f'specimens.{GROUP} "none" not found')


def test_answers_are_compressed_on_demand(api: Api, place: Place) -> None:
    api.create(place.configmaps, configmap("a", {"x": "y" * 200_000}))
    answer = api.request("GET", f"{place.configmaps}/a", headers={"Accept-Encoding": "gzip"})
    assert answer.headers["Content-Encoding"] == "gzip"
    assert answer.body[:2] == b"\x1f\x8b"
    small = api.request("GET", f"{place.configmaps}/none", headers={"Accept-Encoding": "gzip"})
    assert "Content-Encoding" not in small.headers
