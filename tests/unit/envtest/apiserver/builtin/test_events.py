"""One store of events, seen through two groups."""

from __future__ import annotations

from typing import Any

import pytest

from controller_runtime.envtest.apiserver.builtin.events import EVENTS_LABELS, LABELS, from_core, to_core
from tests.unit.envtest.apiserver.builtin.pipeline import KINDS

CORE: dict[str, Any] = {
    "metadata": {"name": "x", "namespace": "default"},
    "involvedObject": {"kind": "Pod", "name": "p", "namespace": "default", "fieldPath": "spec"},
    "reason": "R",
    "message": "m",
    "source": {"component": "c"},
    "firstTimestamp": "2024-01-01T00:00:00Z",
    "lastTimestamp": None,
    "eventTime": None,
    "count": 2,
    "type": "Normal",
    "series": {"count": 3},
    "action": "a",
    "related": {"kind": "Node"},
    "reportingComponent": "x.io/c",
    "reportingInstance": "i",
}
EVENTS: dict[str, Any] = {
    "metadata": {"name": "x", "namespace": "default"},
    "regarding": {"kind": "Pod", "name": "p", "namespace": "default", "fieldPath": "spec"},
    "reason": "R",
    "note": "m",
    "deprecatedSource": {"component": "c"},
    "deprecatedFirstTimestamp": "2024-01-01T00:00:00Z",
    "deprecatedLastTimestamp": None,
    "eventTime": None,
    "deprecatedCount": 2,
    "type": "Normal",
    "series": {"count": 3, "lastObservedTime": None},
    "action": "a",
    "related": {"kind": "Node"},
    "reportingController": "x.io/c",
    "reportingInstance": "i",
}


def test_core_events_are_seen_in_the_events_group() -> None:
    assert from_core(CORE) == EVENTS


def test_nothing_is_lost_on_the_way_there_and_back() -> None:
    assert to_core(from_core(CORE)) == {**CORE, "series": EVENTS["series"]}
    assert from_core(to_core(EVENTS)) == EVENTS


def test_what_is_empty_is_written_as_each_group_writes_it() -> None:
    assert to_core({"metadata": {"name": "x"}}) == {
        "metadata": {"name": "x"},
        "involvedObject": {},
        "source": {},
        "firstTimestamp": None,
        "lastTimestamp": None,
        "eventTime": None,
        "reportingComponent": "",
        "reportingInstance": "",
    }
    assert from_core(to_core({"metadata": {"name": "x"}})) == {
        "metadata": {"name": "x"},
        "regarding": {},
        "deprecatedSource": {},
        "deprecatedFirstTimestamp": None,
        "deprecatedLastTimestamp": None,
        "eventTime": None,
    }


@pytest.mark.parametrize("labels", [pytest.param(LABELS, id="core"), pytest.param(EVENTS_LABELS, id="events")])
def test_what_selectors_may_name_is_there(labels: dict[str, str]) -> None:
    assert set(labels.values()) <= KINDS["events"].strategy.fields(CORE).keys()


def test_the_source_is_the_controller_where_there_is_no_component() -> None:
    assert KINDS["events"].strategy.fields(CORE)["source"] == "c"
    assert KINDS["events"].strategy.fields({**CORE, "source": {}})["source"] == "x.io/c"
