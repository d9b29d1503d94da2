"""Watches: where they begin, what they tell, how they end."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from tests.integration.conformance.conftest import GROUP, Place, configmap, specimen
from tests.integration.conformance.rest import Api, named, names

INITIAL_END = "k8s.io/initial-events-end"
STREAMING: dict[str, Any] = {
    "sendInitialEvents": True,
    "resourceVersionMatch": "NotOlderThan",
    "allowWatchBookmarks": True,
}
TABLE = "application/json;as=Table;g=meta.k8s.io;v=v1"


def version(body: Any) -> str:
    found: str = body["metadata"]["resourceVersion"]
    return found


def is_bookmark(event: dict[str, Any]) -> bool:
    return bool(event["type"] == "BOOKMARK")


def test_a_watch_from_a_version_tells_what_came_after_it(api: Api, place: Place) -> None:
    before = version(api.create(place.configmaps, configmap("a")))
    api.create(place.configmaps, configmap("b"))
    api.patch(f"{place.configmaps}/a", {"data": {"x": "1"}}).expect(200)
    api.delete(f"{place.configmaps}/b").expect(200)
    with api.watch(place.configmaps, resourceVersion=before) as watch:
        assert watch.take(3) == [("ADDED", "b"), ("MODIFIED", "a"), ("DELETED", "b")]


@pytest.mark.parametrize("query", [{}, {"resourceVersion": "0"}], ids=["no version", "version 0"])
def test_a_watch_from_no_version_begins_with_what_there_is(api: Api, place: Place, query: dict[str, str]) -> None:
    for name in ("b", "a"):
        api.create(place.configmaps, configmap(name))
    # Version 0 may be served from a cache, so a list at the newest version has to have been seen by it.
    api.get(place.configmaps).expect(200)
    with api.watch(place.configmaps, **query) as watch:
        assert sorted(watch.take(2)) == [("ADDED", "a"), ("ADDED", "b")]
        api.create(place.configmaps, configmap("c"))
        assert watch.take(1) == [("ADDED", "c")]


def test_a_watch_from_a_lists_version_misses_and_repeats_nothing(api: Api, place: Place) -> None:
    api.create(place.specimens, specimen("a"))
    listed = api.get(place.specimens).expect(200)
    with api.watch(place.specimens, resourceVersion=version(listed)) as watch:
        api.create(place.specimens, specimen("b"))
        assert watch.take(1) == [("ADDED", "b")]


def test_events_carry_whole_objects_of_their_kind(api: Api, place: Place) -> None:
    before = version(api.get(place.configmaps).expect(200))
    created = api.create(place.configmaps, configmap("a", {"x": "1"}))
    with api.watch(place.configmaps, resourceVersion=before) as watch:
        assert watch.next() == {"type": "ADDED", "object": created}


def test_the_object_of_a_deletion_has_the_deletions_version(api: Api, place: Place) -> None:
    created = version(api.create(place.configmaps, configmap("a")))
    api.delete(f"{place.configmaps}/a").expect(200)
    with api.watch(place.configmaps, resourceVersion=created) as watch:
        deleted = watch.next()
    assert named(deleted) == ("DELETED", "a")
    assert int(version(deleted["object"])) > int(created)


def test_a_watch_of_a_namespace_tells_nothing_of_others(api: Api, place: Place) -> None:
    other = api.create("/api/v1/namespaces", {"metadata": {"generateName": "test-"}})["metadata"]["name"]
    before = version(api.get(place.configmaps).expect(200))
    api.create(place.configmaps.replace(place.namespace, other), configmap("elsewhere"))
    api.create(place.configmaps, configmap("here"))
    with api.watch(place.configmaps, resourceVersion=before) as watch:
        assert watch.take(1) == [("ADDED", "here")]


def test_a_watch_of_all_namespaces_tells_of_each(api: Api, place: Place) -> None:
    before = version(api.get(f"/apis/{GROUP}/v1/specimens").expect(200))
    api.create(place.specimens, specimen("a"))
    with api.watch(f"/apis/{GROUP}/v1/specimens", resourceVersion=before) as watch:
        event = watch.until(lambda event: event["object"]["metadata"]["namespace"] == place.namespace)
    assert named(event) == ("ADDED", "a")


def test_a_watch_of_one_object_is_a_field_selector(api: Api, place: Place) -> None:
    before = version(api.get(place.configmaps).expect(200))
    for name in ("a", "b", "c"):
        api.create(place.configmaps, configmap(name))
    api.delete(f"{place.configmaps}/b").expect(200)
    with api.watch(place.configmaps, resourceVersion=before, fieldSelector="metadata.name=b") as watch:
        assert watch.take(2) == [("ADDED", "b"), ("DELETED", "b")]


def test_an_objects_own_path_is_not_watched(api: Api, place: Place) -> None:
    created = api.create(place.configmaps, configmap("a"))
    assert api.get(f"{place.configmaps}/a", watch=True).expect(200) == created


def test_the_deprecated_watch_path_of_an_object_tells_of_it_alone(api: Api, place: Place) -> None:
    for name in ("a", "b"):
        api.create(place.configmaps, configmap(name))
    with api.watch(f"{place.configmaps}/a".replace("/api/v1/", "/api/v1/watch/")) as watch:
        assert watch.take(1) == [("ADDED", "a")]
        api.patch(f"{place.configmaps}/b", {"data": {"x": "1"}}).expect(200)
        api.patch(f"{place.configmaps}/a", {"data": {"x": "1"}}).expect(200)
        assert watch.take(1) == [("MODIFIED", "a")]


def test_the_deprecated_watch_path_still_works(api: Api, place: Place) -> None:
    api.create(place.configmaps, configmap("a"))
    with api.watch(place.configmaps.replace("/api/v1/", "/api/v1/watch/")) as watch:
        assert watch.take(1) == [("ADDED", "a")]


def test_an_object_that_begins_to_match_is_added(api: Api, place: Place) -> None:
    before = version(api.create(place.configmaps, configmap("a")))
    api.patch(f"{place.configmaps}/a", {"metadata": {"labels": {"x": "1"}}}).expect(200)
    with api.watch(place.configmaps, resourceVersion=before, labelSelector="x=1") as watch:
        assert watch.take(1) == [("ADDED", "a")]


def test_an_object_that_ceases_to_match_is_deleted(api: Api, place: Place) -> None:
    before = version(api.create(place.configmaps, configmap("a", labels={"x": "1"})))
    after = version(api.patch(f"{place.configmaps}/a", {"metadata": {"labels": {"x": "2"}}}).expect(200))
    with api.watch(place.configmaps, resourceVersion=before, labelSelector="x=1") as watch:
        event = watch.next()
    assert named(event) == ("DELETED", "a")
    # The object as it was when it last matched, but at the version that it left with.
    assert event["object"]["metadata"]["labels"] == {"x": "1"}
    assert version(event["object"]) == after


def test_changes_of_what_never_matches_are_not_told(api: Api, place: Place) -> None:
    before = version(api.create(place.configmaps, configmap("a", labels={"x": "2"})))
    api.patch(f"{place.configmaps}/a", {"data": {"k": "v"}}).expect(200)
    api.create(place.configmaps, configmap("b", labels={"x": "1"}))
    with api.watch(place.configmaps, resourceVersion=before, labelSelector="x=1") as watch:
        assert watch.take(1) == [("ADDED", "b")]


def test_a_field_selector_of_a_custom_kind_is_watched(api: Api, place: Place) -> None:
    before = version(api.create(place.specimens, specimen("a", {"color": "red"})))
    api.patch(f"{place.specimens}/a", {"spec": {"color": "blue"}}).expect(200)
    with api.watch(place.specimens, resourceVersion=before, fieldSelector="spec.color=blue") as watch:
        assert watch.take(1) == [("ADDED", "a")]


def test_a_watch_ends_after_timeout_seconds(api: Api, place: Place) -> None:
    api.create(place.configmaps, configmap("a"))
    with api.watch(place.configmaps, timeoutSeconds=1) as watch:
        assert watch.rest() == [("ADDED", "a")]


def test_a_watch_is_a_stream_of_json(api: Api, place: Place) -> None:
    with api.watch(place.configmaps, timeoutSeconds=1) as watch:
        assert watch.headers["Content-Type"] == "application/json"
        assert watch.headers["Transfer-Encoding"] == "chunked"


def test_streaming_lists_end_with_a_marked_bookmark(api: Api, place: Place) -> None:
    for name in ("a", "b"):
        latest = version(api.create(place.configmaps, configmap(name)))
    with api.watch(place.configmaps, **STREAMING) as watch:
        assert sorted(watch.take(2)) == [("ADDED", "a"), ("ADDED", "b")]
        bookmark = watch.next()
        assert bookmark["type"] == "BOOKMARK"
        assert bookmark["object"]["metadata"]["annotations"] == {INITIAL_END: "true"}
        assert (bookmark["object"]["kind"], bookmark["object"]["apiVersion"]) == ("ConfigMap", "v1")
        assert int(version(bookmark["object"])) >= int(latest)
        api.create(place.configmaps, configmap("c"))
        assert watch.take(1) == [("ADDED", "c")]


def test_streaming_lists_of_nothing_are_a_bookmark(api: Api, place: Place) -> None:
    with api.watch(place.specimens, **STREAMING) as watch:
        bookmark = watch.next()
    assert bookmark["type"] == "BOOKMARK"
    assert bookmark["object"]["kind"] == "Specimen"
    assert bookmark["object"]["metadata"]["annotations"] == {INITIAL_END: "true"}


def test_streaming_lists_not_older_than_a_version_have_it(api: Api, place: Place) -> None:
    latest = version(api.create(place.configmaps, configmap("a")))
    with api.watch(place.configmaps, **STREAMING, resourceVersion=latest) as watch:
        assert watch.take(1) == [("ADDED", "a")]
        assert int(version(watch.next()["object"])) >= int(latest)


def test_without_initial_events_a_watch_begins_now(api: Api, place: Place) -> None:
    api.create(place.configmaps, configmap("a"))
    query: dict[str, Any] = {**STREAMING, "sendInitialEvents": False}
    with api.watch(place.configmaps, **query) as watch:
        api.create(place.configmaps, configmap("b"))
        assert watch.take(1) == [("ADDED", "b")]


def test_a_bookmark_is_sent_before_the_end_if_asked_for(api: Api, place: Place, unique: Callable[[str], str]) -> None:
    other = place.configmaps.replace(place.namespace, "default")
    created = version(api.create(place.configmaps, configmap("a")))
    with api.watch(place.configmaps, resourceVersion=created, allowWatchBookmarks=True, timeoutSeconds=4) as watch:
        elsewhere = version(api.create(other, configmap(unique("bookmark"))))
        bookmark = watch.until(is_bookmark)["object"]
    assert int(version(bookmark)) >= int(elsewhere)
    assert (bookmark["kind"], bookmark["apiVersion"]) == ("ConfigMap", "v1")
    assert bookmark["metadata"].keys() == {"resourceVersion"}


def test_a_bookmark_is_not_sent_unasked(api: Api, place: Place, unique: Callable[[str], str]) -> None:
    other = place.configmaps.replace(place.namespace, "default")
    created = version(api.create(place.configmaps, configmap("a")))
    with api.watch(place.configmaps, resourceVersion=created, timeoutSeconds=3) as watch:
        api.create(other, configmap(unique("bookmark")))
        assert watch.rest() == []


@pytest.mark.parametrize(
    ("query", "field", "text"),
    [
        pytest.param(
            {"sendInitialEvents": True},
            "resourceVersionMatch",
            "Forbidden: sendInitialEvents requires setting resourceVersionMatch to NotOlderThan",
            id="initial events without a match",
        ),
        pytest.param(
            {"resourceVersionMatch": "NotOlderThan", "resourceVersion": "1"},
            "resourceVersionMatch",
            "Forbidden: resourceVersionMatch is forbidden for watch unless sendInitialEvents is provided",
            id="match without initial events",
        ),
    ],
)
def test_options_of_streaming_lists_go_together(
    api: Api, place: Place, query: dict[str, Any], field: str, text: str
) -> None:
    answer = api.get(place.configmaps, watch=True, **query)
    assert answer.verdict == (422, "Invalid", f'ListOptions.meta.k8s.io "" is invalid: {field}: {text}')


def test_a_list_has_no_initial_events(api: Api, place: Place) -> None:
    answer = api.get(place.configmaps, sendInitialEvents=True)
    text = (
        'ListOptions.meta.k8s.io "" is invalid: sendInitialEvents: Forbidden: sendInitialEvents is forbidden for list'
    )
    assert answer.verdict == (422, "Invalid", text)


def test_a_list_of_a_future_version_times_out(api: Api, place: Place) -> None:
    answer = api.get(place.configmaps, resourceVersion=str(2**50))
    assert answer.verdict[:2] == (504, "Timeout")
    assert answer.verdict[2].startswith(f"Timeout: Too large resource version: {2**50}, current: ")
    assert answer.causes == [("ResourceVersionTooLarge", None, "Too large resource version")]
    assert answer.body["details"]["retryAfterSeconds"] == 1


def test_a_streaming_list_of_a_future_version_times_out(api: Api, place: Place) -> None:
    with api.watch(place.configmaps, resourceVersion=str(2**50), **STREAMING) as watch:
        [event] = list(watch)
    status = event["object"]
    assert (event["type"], status["code"], status["reason"]) == ("ERROR", 504, "Timeout")
    assert status["message"].startswith(f"Timeout: Too large resource version: {2**50}, current: ")
    cause = {"reason": "ResourceVersionTooLarge", "message": "Too large resource version"}
    assert status["details"] == {"causes": [cause], "retryAfterSeconds": 1}


def test_a_watch_from_a_future_version_is_silent_until_then(api: Api, place: Place) -> None:
    now = int(version(api.create(place.configmaps, configmap("a"))))
    with api.watch(place.configmaps, resourceVersion=str(now + 10**6), timeoutSeconds=1) as watch:
        api.create(place.configmaps, configmap("b"))
        assert watch.rest() == []


def test_a_version_that_is_no_number_is_refused(api: Api, place: Place) -> None:
    answer = api.get(place.configmaps, watch=True, resourceVersion="new")
    text = 'resourceVersion: Invalid value: "new": strconv.ParseUint: parsing "new": invalid syntax'
    assert answer.verdict == (500, None, text)


def test_a_watch_may_carry_tables(api: Api, place: Place) -> None:
    api.create(place.configmaps, configmap("a"))
    with api.watch(place.configmaps, accept=TABLE) as watch:
        first = watch.next()
        api.create(place.configmaps, configmap("b"))
        second = watch.next()
    assert first["object"]["kind"] == "Table"
    assert [column["name"] for column in first["object"]["columnDefinitions"]] == ["Name", "Data", "Age"]
    assert [row["cells"][0] for row in first["object"]["rows"]] == ["a"]
    # Only the first event has the columns.
    assert second["object"]["columnDefinitions"] is None
    assert [row["cells"][0] for row in second["object"]["rows"]] == ["b"]


def test_a_dry_run_is_not_told(api: Api, place: Place) -> None:
    before = version(api.get(place.configmaps).expect(200))
    api.create(place.configmaps, configmap("dry"), dryRun="All")
    api.create(place.configmaps, configmap("wet"))
    with api.watch(place.configmaps, resourceVersion=before) as watch:
        assert watch.take(1) == [("ADDED", "wet")]


def test_versions_grow_along_a_watch(api: Api, place: Place) -> None:
    before = version(api.get(place.configmaps).expect(200))
    for number in range(5):
        api.create(place.configmaps, configmap(f"c{number}"))
    with api.watch(place.configmaps, resourceVersion=before) as watch:
        watch.take(5)
    versions = [int(version(event["object"])) for event in watch.seen]
    assert versions == sorted(set(versions))
    assert names({"items": [event["object"] for event in watch.seen]}) == ["c0", "c1", "c2", "c3", "c4"]
