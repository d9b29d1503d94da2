"""Getting and listing: versions, order, pages, and what a page refers to."""

from __future__ import annotations

import base64
import json

import pytest

from tests.integration.conformance.conftest import GROUP, Place, configmap, specimen
from tests.integration.conformance.rest import Api, names


def fill(api: Api, place: Place, count: int) -> None:
    for number in range(count):
        api.create(place.configmaps, configmap(f"c{number}"))


def test_a_missing_object_is_not_found(api: Api, place: Place) -> None:
    answer = api.get(f"{place.configmaps}/none")
    assert answer.body == {
        "kind": "Status",
        "apiVersion": "v1",
        "metadata": {},
        "status": "Failure",
        "message": 'configmaps "none" not found',
        "reason": "NotFound",
        "details": {"name": "none", "kind": "configmaps"},
        "code": 404,
    }
    answer = api.get(f"{place.specimens}/none")
    assert answer.verdict == (404, "NotFound", f'specimens.{GROUP} "none" not found')
    assert answer.body["details"] == {"name": "none", "group": GROUP, "kind": "specimens"}


def test_an_empty_list_has_a_version_and_no_items(api: Api, place: Place) -> None:
    body = api.get(place.configmaps).expect(200)
    version = body["metadata"].pop("resourceVersion")
    assert int(version) > 0
    assert body == {"kind": "ConfigMapList", "apiVersion": "v1", "metadata": {}, "items": []}
    body = api.get(place.specimens).expect(200)
    assert body["kind"] == "SpecimenList"
    assert body["apiVersion"] == f"{GROUP}/v1"
    assert body["items"] == []
    assert body["metadata"].items() >= {"continue": ""}.items()


def test_a_list_of_a_missing_namespace_is_empty(api: Api, place: Place) -> None:
    assert api.get(place.configmaps.replace(place.namespace, "nowhere")).expect(200)["items"] == []


def test_items_of_built_in_kinds_carry_no_kind(api: Api, place: Place) -> None:
    fill(api, place, 1)
    assert not {"kind", "apiVersion"} & api.get(place.configmaps).expect(200)["items"][0].keys()


def test_items_of_custom_kinds_carry_their_kind(api: Api, place: Place) -> None:
    api.create(place.specimens, specimen("a"))
    assert {"kind", "apiVersion"} <= api.get(place.specimens).expect(200)["items"][0].keys()


def test_a_list_is_sorted_by_namespace_and_name(api: Api, place: Place) -> None:
    for name in ("b", "a.b", "a", "a-b", "c"):
        api.create(place.configmaps, configmap(name))
    assert names(api.get(place.configmaps).expect(200)) == ["a", "a-b", "a.b", "b", "c"]


def test_a_list_across_namespaces_has_them_all(api: Api, place: Place) -> None:
    api.create(place.specimens, specimen("a"))
    body = api.get(f"/apis/{GROUP}/v1/specimens").expect(200)
    assert (place.namespace, "a") in [(i["metadata"]["namespace"], i["metadata"]["name"]) for i in body["items"]]


def test_pages_follow_each_other_without_gaps(api: Api, place: Place) -> None:
    fill(api, place, 5)
    pages, token = [], ""
    while True:
        page = api.get(place.configmaps, limit=2, continue_=token).expect(200)
        pages.append(names(page))
        if not (token := page["metadata"].get("continue", "")):
            break
    assert pages == [["c0", "c1"], ["c2", "c3"], ["c4"]]


def test_a_page_tells_how_many_remain(api: Api, place: Place) -> None:
    fill(api, place, 5)
    first = api.get(place.configmaps, limit=2).expect(200)["metadata"]
    assert first["remainingItemCount"] == 3
    last = api.get(place.configmaps, limit=3, continue_=first["continue"]).expect(200)["metadata"]
    assert "remainingItemCount" not in last
    assert "continue" not in last


def test_a_page_with_a_selector_does_not_tell_how_many_remain(api: Api, place: Place) -> None:
    for number in range(3):
        api.create(place.configmaps, configmap(f"c{number}", labels={"a": "b"}))
    page = api.get(place.configmaps, limit=2, labelSelector="a=b").expect(200)["metadata"]
    assert page["continue"]
    assert "remainingItemCount" not in page


def test_a_page_that_holds_all_is_the_only_one(api: Api, place: Place) -> None:
    fill(api, place, 2)
    metadata = api.get(place.configmaps, limit=2).expect(200)["metadata"]
    assert metadata.keys() == {"resourceVersion"}


def test_pages_show_one_version(api: Api, place: Place) -> None:
    fill(api, place, 4)
    first = api.get(place.configmaps, limit=2).expect(200)
    api.create(place.configmaps, configmap("c2a"))
    api.delete(f"{place.configmaps}/c3").expect(200)
    second = api.get(place.configmaps, limit=10, continue_=first["metadata"]["continue"]).expect(200)
    assert names(second) == ["c2", "c3"]
    assert second["metadata"]["resourceVersion"] == first["metadata"]["resourceVersion"]


def test_a_page_of_a_selector_is_filled_up(api: Api, place: Place) -> None:
    for number in range(6):
        api.create(place.configmaps, configmap(f"c{number}", labels={"odd": str(number % 2)}))
    first = api.get(place.configmaps, limit=2, labelSelector="odd=1").expect(200)
    assert names(first) == ["c1", "c3"]
    second = api.get(place.configmaps, limit=2, labelSelector="odd=1", continue_=first["metadata"]["continue"]).expect(
        200
    )
    assert names(second) == ["c5"]


def test_a_broken_token_is_refused(api: Api, place: Place) -> None:
    answer = api.get(place.configmaps, limit=2, continue_="rubbish")
    assert answer.verdict[:2] == (400, "BadRequest")
    assert answer.verdict[2].startswith("invalid continue token: continue key is not valid: ")


def test_a_token_does_not_go_with_a_version(api: Api, place: Place) -> None:
    fill(api, place, 3)
    token = api.get(place.configmaps, limit=2).expect(200)["metadata"]["continue"]
    answer = api.get(place.configmaps, limit=2, continue_=token, resourceVersion="5")
    text = "specifying resource version is not allowed when using continue"
    assert answer.verdict == (400, "BadRequest", text)


def test_version_0_is_any_version(api: Api, place: Place) -> None:
    assert int(api.get(place.configmaps, resourceVersion="0").expect(200)["metadata"]["resourceVersion"]) > 0


def test_not_older_than_is_at_least_that_version(api: Api, place: Place) -> None:
    fill(api, place, 1)
    version = api.create(place.configmaps, configmap("z"))["metadata"]["resourceVersion"]
    body = api.get(place.configmaps, resourceVersion=version, resourceVersionMatch="NotOlderThan").expect(200)
    assert names(body) == ["c0", "z"]
    assert int(body["metadata"]["resourceVersion"]) >= int(version)


def test_exact_is_the_list_as_it_was(api: Api, place: Place) -> None:
    version = api.create(place.configmaps, configmap("a"))["metadata"]["resourceVersion"]
    api.create(place.configmaps, configmap("b"))
    body = api.get(place.configmaps, resourceVersion=version, resourceVersionMatch="Exact").expect(200)
    assert names(body) == ["a"]
    assert body["metadata"]["resourceVersion"] == version


@pytest.mark.parametrize(
    ("query", "text"),
    [
        pytest.param(
            {"resourceVersionMatch": "Exact"},
            "resourceVersionMatch: Forbidden: resourceVersionMatch is forbidden unless resourceVersion is provided",
            id="match without a version",
        ),
        pytest.param(
            {"resourceVersion": "0", "resourceVersionMatch": "Exact"},
            'resourceVersionMatch: Forbidden: resourceVersionMatch "exact" is forbidden for resourceVersion "0"',
            id="exactly 0",
        ),
        pytest.param(
            {"resourceVersion": "1", "resourceVersionMatch": "Nearly"},
            'resourceVersionMatch: Unsupported value: "Nearly": supported values: "Exact", "NotOlderThan", ""',
            id="unknown match",
        ),
    ],
)
def test_a_wrong_match_is_named(api: Api, place: Place, query: dict[str, str], text: str) -> None:
    answer = api.get(place.configmaps, **query)
    assert answer.verdict == (422, "Invalid", f'ListOptions.meta.k8s.io "" is invalid: {text}')


def test_a_version_is_a_number(api: Api, place: Place) -> None:
    answer = api.get(place.configmaps, resourceVersion="new")
    text = 'resourceVersion: Invalid value: "new": strconv.ParseUint: parsing "new": invalid syntax'
    assert answer.verdict == (400, "BadRequest", f"invalid resource version: {text}")


@pytest.mark.parametrize("option", ["limit", "timeoutSeconds"])
def test_a_count_is_a_number(api: Api, place: Place, option: str) -> None:
    answer = api.get(place.configmaps, **{option: "x"})
    assert answer.verdict == (400, "BadRequest", 'strconv.ParseInt: parsing "x": invalid syntax')


def test_a_token_tells_nothing_but_key_and_version(api: Api, place: Place) -> None:
    fill(api, place, 3)
    metadata = api.get(place.configmaps, limit=1).expect(200)["metadata"]
    token = metadata["continue"]
    decoded = json.loads(base64.urlsafe_b64decode(token + "=" * (-len(token) % 4)))
    assert decoded.keys() == {"v", "rv", "start"}
    assert str(decoded["rv"]) == metadata["resourceVersion"]
