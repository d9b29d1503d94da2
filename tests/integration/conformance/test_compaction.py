"""Versions that a server has forgotten: 410 for lists, pages and watches, and the way on from there."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pytest

from controller_runtime.envtest import ControlPlane
from tests.integration.conformance.conftest import GROUP, Place, configmap, specimen
from tests.integration.conformance.rest import Api, eventually, names

TOO_MANY_REQUESTS = 429


@dataclass(frozen=True)
class Past:
    """What was known before the history was forgotten.

    Attributes:
        place: With the ConfigMaps c0, c1, c2 and d and the Specimen s.
        version: A version between the creations of c2 and d.
        token: Of the page after c0, from before d was created.
    """

    place: Place
    version: str
    token: str


def until_watched(api: Api, collection: str) -> None:
    """Return when watches of a collection are served; one from version 1 ends at once."""
    eventually(
        lambda: api.get(collection, watch=True, resourceVersion="1").status, lambda status: status != TOO_MANY_REQUESTS
    )


@pytest.fixture(scope="module")
def past(control_plane: ControlPlane) -> Past:
    """Objects, a version and a token; then everything older than now is forgotten."""
    place = Place(control_plane.create_namespace())
    with Api(control_plane.url, control_plane.ca_file, control_plane.token) as api:
        for number in range(3):
            api.create(place.configmaps, configmap(f"c{number}"))
        page = api.get(place.configmaps, limit=1).expect(200)["metadata"]
        api.create(place.specimens, specimen("s"))
        api.create(place.configmaps, configmap("d"))
    control_plane.compact()
    with Api(control_plane.url, control_plane.ca_file, control_plane.token) as api:
        for collection in (place.specimens, place.loose, f"/apis/{GROUP}/v1/realms"):
            # The real server's cache of a custom kind fills when it is first asked for; until then no watch is served.
            until_watched(api, collection)
    return Past(place, page["resourceVersion"], page["continue"])


def test_an_expired_token_comes_with_one_for_the_rest_as_it_is_now(api: Api, past: Past) -> None:
    answer = api.get(past.place.configmaps, limit=1, continue_=past.token)
    assert answer.verdict == (
        410,
        "Expired",
        (
            "The provided continue parameter is too old to display a consistent list result. You can start a new "
            "list without "
            "the continue parameter, or use the continue token in this response to retrieve the remainder of the "
            "results. "
            "Continuing with the provided token results in an inconsistent list - objects that were created, "
            "modified, or "
            "deleted between the time the first chunk was returned and now may show up in the list."
        ),
    )
    rest = api.get(past.place.configmaps, continue_=answer.body["metadata"]["continue"]).expect(200)
    assert names(rest) == ["c1", "c2", "d"]
    assert int(rest["metadata"]["resourceVersion"]) > int(past.version)


def test_an_exact_list_of_a_forgotten_version_is_expired(api: Api, past: Past) -> None:
    answer = api.get(past.place.configmaps, resourceVersion=past.version, resourceVersionMatch="Exact")
    assert answer.verdict == (
        410,
        "Expired",
        "The resourceVersion for the provided list is too old.",
    )


@pytest.mark.parametrize("custom", [False, True], ids=["built-in", "custom"])
def test_a_watch_from_a_forgotten_version_ends_with_410(api: Api, past: Past, custom: bool) -> None:
    collection = past.place.specimens if custom else past.place.configmaps
    with api.watch(collection, resourceVersion=past.version) as watch:
        [event] = list(watch)
    status: dict[str, Any] = event["object"]
    assert event["type"] == "ERROR"
    assert (status["kind"], status["code"], status["reason"]) == ("Status", 410, "Expired")
    assert status["message"].startswith(f"too old resource version: {past.version} (")


def test_a_watch_of_one_object_from_a_forgotten_version_ends_with_410(api: Api, past: Past) -> None:
    with api.watch(past.place.configmaps, fieldSelector="metadata.name=c0", resourceVersion=past.version) as watch:
        assert [event["object"]["code"] for event in watch] == [410]


def test_not_older_than_a_forgotten_version_is_the_list_of_now(api: Api, past: Past) -> None:
    body = api.get(past.place.configmaps, resourceVersion=past.version, resourceVersionMatch="NotOlderThan").expect(200)
    assert names(body) == ["c0", "c1", "c2", "d"]


def test_a_list_of_now_is_where_to_watch_from(api: Api, past: Past) -> None:
    version = api.get(past.place.specimens).expect(200)["metadata"]["resourceVersion"]
    with api.watch(past.place.specimens, resourceVersion=version) as watch:
        api.create(past.place.specimens, specimen("after"))
        assert watch.take(1) == [("ADDED", "after")]
    api.delete(f"{past.place.specimens}/after").expect(200)


def test_an_object_keeps_its_version(api: Api, past: Past) -> None:
    assert int(api.get(f"{past.place.configmaps}/c0").expect(200)["metadata"]["resourceVersion"]) <= int(past.version)


def test_a_get_not_older_than_a_forgotten_version_is_served(api: Api, past: Past) -> None:
    assert api.get(f"{past.place.configmaps}/c0", resourceVersion=past.version).status == 200
