"""The frames of a watch, however the network cuts them."""

from __future__ import annotations

import itertools
import json
from collections.abc import AsyncIterator, Iterable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from controller_runtime.apimachinery import Resource
from controller_runtime.client import ConnectionLostError, GoneError, InvalidResponseError, Operation, WatchEvent
from controller_runtime.client.watching import watch_events

WATCH = Operation("watch", Resource(group="", version="v1", kind="Secret", plural="secrets"))


async def stream(chunks: Iterable[bytes]) -> AsyncIterator[bytes]:
    for chunk in chunks:
        yield chunk


def frame(kind: str, obj: Any) -> bytes:
    return json.dumps({"type": kind, "object": obj}).encode() + b"\n"


async def events_of(*chunks: bytes) -> list[tuple[str, Any]]:
    return [(event.type, json.loads(bytes(event.raw))) async for event in watch_events(stream(chunks), WATCH)]


def cut(data: bytes, positions: Iterable[int]) -> list[bytes]:
    edges = [0, *sorted(positions), len(data)]
    return [data[start:end] for start, end in itertools.pairwise(edges)]


@given(
    objects=st.lists(st.dictionaries(st.text(max_size=3), st.text(max_size=20), max_size=3), max_size=6), data=st.data()
)
async def test_chunk_boundaries_do_not_matter(objects: list[dict[str, str]], data: st.DataObject) -> None:
    body = b"".join(frame("ADDED", obj) for obj in objects)
    positions = data.draw(st.lists(st.integers(0, len(body)), max_size=12))
    assert await events_of(*cut(body, positions)) == [("ADDED", obj) for obj in objects]


async def test_every_byte_may_come_alone() -> None:
    body = frame("ADDED", {"name": "grün"}) + frame("DELETED", {"name": "x"})
    chunks = [body[index : index + 1] for index in range(len(body))]
    assert await events_of(*chunks) == [("ADDED", {"name": "grün"}), ("DELETED", {"name": "x"})]


async def test_blank_lines_are_no_events() -> None:
    assert await events_of(b"\n\r\n", frame("BOOKMARK", {}), b"\n") == [("BOOKMARK", {})]


async def test_a_complete_last_frame_needs_no_newline() -> None:
    assert await events_of(frame("ADDED", {"a": 1}).rstrip()) == [("ADDED", {"a": 1})]


async def test_a_truncated_last_frame_is_an_error_after_the_events_before_it() -> None:
    events = watch_events(stream([frame("ADDED", {}), frame("ADDED", {})[:-5]]), WATCH)
    assert (await anext(events)).type == "ADDED"
    with pytest.raises(ConnectionLostError, match="watch secrets: the stream ended within an event"):
        await anext(events)


@pytest.mark.parametrize(
    "line",
    [
        pytest.param(b"no json\n", id="not JSON"),
        pytest.param(b'{"type":"ADDED"}\n', id="no object"),
        pytest.param(b'{"object":{}}\n', id="no type"),
        pytest.param(b"[]\n", id="a list"),
        pytest.param(b'{"type":"ADDED","object":{}}{"type":"ADDED","object":{}}\n', id="two on one line"),
    ],
)
async def test_a_malformed_frame_is_an_error(line: bytes) -> None:
    with pytest.raises(InvalidResponseError, match="watch secrets: malformed event"):
        await events_of(line)


async def test_an_error_event_is_an_event_and_can_be_made_an_exception() -> None:
    status = {"kind": "Status", "code": 410, "reason": "Expired", "message": "too old resource version"}
    events: list[WatchEvent] = [event async for event in watch_events(stream([frame("ERROR", status)]), WATCH)]
    assert [event.type for event in events] == ["ERROR"]
    assert isinstance(events[0].error(), GoneError)


async def test_an_error_event_without_a_status_is_an_invalid_response() -> None:
    events = [event async for event in watch_events(stream([frame("ERROR", "boom")]), WATCH)]
    with pytest.raises(InvalidResponseError, match="ERROR event without a Status"):
        events[0].error()


async def test_a_large_frame_is_copied_a_bounded_number_of_times() -> None:
    """No quadratic work: every byte is split once and joined once, however many chunks there are."""
    size = 0

    class Counted(bytes):
        def split(self, *args: Any, **options: Any) -> list[bytes]:
            nonlocal size
            size += len(self)
            return super().split(*args, **options)

    body = frame("ADDED", {"data": "x" * 1_000_000})
    chunks = [Counted(chunk) for chunk in cut(body, range(1000, len(body), 1000))]
    events = await events_of(*chunks)
    assert len(events[0][1]["data"]) == 1_000_000
    assert size == len(body)


async def test_a_frame_that_nests_too_deep_is_an_error() -> None:
    line = b'{"type":"ADDED","object":' + b"[" * 5000 + b"]" * 5000 + b"}\n"
    with pytest.raises(InvalidResponseError, match="malformed event"):
        await events_of(line)
