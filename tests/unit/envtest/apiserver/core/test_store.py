"""Revisions, history and watchers of the store."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from controller_runtime.envtest.apiserver import store as store_module
from controller_runtime.envtest.apiserver.store import CompactedError, Key, Store

A, B = Key("n", "a"), Key("n", "b")


def encoder(**more: Any) -> Callable[[int], bytes]:
    return lambda revision: json.dumps({"metadata": {"uid": "u", "revision": revision}, **more}).encode()


def put(store: Store, key: Key, **more: Any) -> int:
    return store.put("things", key, encoder(**more)).revision


def test_each_write_is_the_next_revision_whatever_it_is_of() -> None:
    store = Store()
    first = put(store, A)
    second = store.put("others", A, encoder()).revision
    third = store.remove("things", A, encoder()).revision
    assert (second, third) == (first + 1, first + 2)
    assert store.revision == third


def test_a_list_is_ordered_by_namespace_and_name() -> None:
    store = Store()
    for key in (Key("b", "a"), Key("a", "z"), Key("a", "b")):
        put(store, key)
    assert [record.key for record in store.list("things")] == [Key("a", "b"), Key("a", "z"), Key("b", "a")]
    assert [record.key for record in store.list("things", "a")] == [Key("a", "b"), Key("a", "z")]


@given(st.lists(st.tuples(st.sampled_from(["put", "remove"]), st.sampled_from([A, B, Key("m", "c")])), max_size=30))
def test_a_list_of_a_revision_is_what_there_was_then(operations: list[tuple[str, Key]]) -> None:
    store = Store()
    seen = {store.revision: [record.raw for record in store.list("things")]}
    for operation, key in operations:
        if operation == "put":
            put(store, key)
        elif store.get("things", key) is not None:
            store.remove("things", key, encoder())
        seen[store.revision] = [record.raw for record in store.list("things")]
    for revision, raws in seen.items():
        assert [record.raw for record in store.list("things", at=revision)] == raws


def test_what_is_older_than_the_history_is_compacted() -> None:
    store = Store(history=2)
    first = put(store, A)
    for _ in range(3):
        put(store, A)
    with pytest.raises(CompactedError) as caught:
        store.list("things", at=first)
    assert (caught.value.asked, caught.value.oldest) == (first, store.oldest)
    with pytest.raises(CompactedError):
        store.watch("things", first)
    store.watch("things", store.oldest).close()


def test_a_write_that_cannot_be_kept_has_not_happened() -> None:
    class FullDisk:
        def load(self) -> Any:
            return iter(())

        def last_revision(self) -> int:
            return 0

        def put(self, *_: Any) -> None:
            raise OSError("no space left")

        remove = put

    store = Store(FullDisk())
    before = store.revision
    watcher = store.watch("things", before)
    with pytest.raises(OSError, match="no space"):
        put(store, A)
    assert store.revision == before
    assert store.list("things") == []
    assert watcher.take() == []


async def test_a_watcher_sees_what_was_missed_and_then_what_comes() -> None:
    store = Store()
    since = put(store, A)
    put(store, B)
    watcher = store.watch("things", since)
    store.put("others", A, encoder())
    store.remove("things", A, encoder())
    await watcher.wait(None)
    assert [(event.type, event.record.key) for event in watcher.take()] == [("ADDED", B), ("DELETED", A)]


@pytest.mark.looptime
async def test_a_watcher_waits_no_longer_than_it_is_told(looptime: Any) -> None:
    watcher = Store().watch("things", 1)
    await watcher.wait(7)
    assert looptime == 7
    assert watcher.take() == []


def test_a_watcher_that_is_too_slow_is_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(store_module, "BACKLOG", 2)
    store = Store()
    watcher = store.watch("things", store.revision)
    for _ in range(3):
        put(store, A)
    assert watcher.closed
    assert watcher.take() == []


async def test_watches_end_when_their_kind_is_not_served_any_more() -> None:
    store = Store()
    watcher = store.watch("things", store.revision)
    store.end_watches("things")
    await watcher.wait(None)
    assert watcher.closed
