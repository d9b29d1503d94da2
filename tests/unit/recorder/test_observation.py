"""The limits of the API server, kept before anything is sent."""

from __future__ import annotations

import asyncio
import re
import uuid
from typing import Any, ClassVar

import pytest

from controller_runtime.api.core_v1 import Secret
from controller_runtime.api.events_v1 import Event
from controller_runtime.apimachinery import Object, ObjectMeta, Resource
from controller_runtime.recorder import EventBroadcaster
from controller_runtime.recorder.observation import cut, event_name

SECRET = Secret(metadata=ObjectMeta(namespace="lab", name="a", uid="1"))


class Node(Object, frozen=True, kw_only=True, gc=False):
    """A cluster-scoped kind."""

    resource: ClassVar[Resource] = Resource(group="", version="v1", kind="Node", plural="nodes", namespaced=False)


class Events:
    """A client that keeps what is created."""

    def __init__(self) -> None:
        self.created: list[Event] = []

    async def create(self, event: Event) -> Event:
        self.created.append(event)
        return event


async def sent(regarding: Object, controller: str = "test", **options: Any) -> Event:
    events = Events()
    broadcaster = EventBroadcaster(events)  # type: ignore[arg-type]
    task = asyncio.create_task(broadcaster.run())
    await asyncio.sleep(0)
    arguments = {"type_": "Normal", "reason": "Tested", "action": "Test", "note": "a note", **options}
    broadcaster.recorder(controller).event(regarding, **arguments)
    task.cancel()
    await asyncio.wait({task})
    return events.created[0]


async def test_events_about_cluster_scoped_objects_are_in_the_default_namespace() -> None:
    event = await sent(Node(metadata=ObjectMeta(name="node-1", uid="2")))
    assert event.metadata.namespace == "default"
    assert event.regarding is not None
    assert event.regarding.namespace == ""


async def test_a_related_object_is_referred_to() -> None:
    event = await sent(SECRET, related=Node(metadata=ObjectMeta(name="node-1", uid="2")))
    assert event.related is not None
    assert (event.related.kind, event.related.name, event.related.uid) == ("Node", "node-1", "2")


async def test_the_reporting_instance_is_cut_to_what_the_api_server_takes() -> None:
    event = await sent(SECRET, f"{'d' * 100}.example.com/{'c' * 63}")
    assert event.reporting_controller == f"{'d' * 100}.example.com/{'c' * 63}"
    assert event.reporting_instance == event.reporting_controller[:128]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        pytest.param({"type_": "Error"}, "is Normal or Warning, not 'Error'", id="unknown type"),
        pytest.param({"action": ""}, "the action of an Event needs 1 to 128 characters: ''", id="no action"),
        pytest.param({"reason": "ü" * 65}, "the reason of an Event needs 1 to 128 characters", id="too many bytes"),
    ],
)
async def test_what_the_api_server_would_refuse_is_a_mistake_in_the_code(options: dict[str, str], message: str) -> None:
    with pytest.raises(ValueError, match=re.escape(message)):
        await sent(SECRET, **options)


@pytest.mark.parametrize("name", ["", "-a", "a-", "a b", "x" * 64, "/a", "a/b/c", "Example.com/a", "a\n"])
def test_a_recorder_needs_a_qualified_name(name: str) -> None:
    with pytest.raises(ValueError, match="needs a qualified name"):
        EventBroadcaster(Events()).recorder(name)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("text", "result"),
    [
        pytest.param("short", "short", id="short enough"),
        pytest.param("a" * 12, "a" * 8, id="cut"),
        pytest.param("ü" * 6, "ü" * 4, id="two bytes each"),
        pytest.param("a" + "ü" * 6, "a" + "ü" * 3, id="not within a character"),
        pytest.param("bad \udcff", "bad ?", id="not UTF-8"),
    ],
)
def test_notes_are_cut_between_characters(text: str, result: str) -> None:
    assert cut(text, 8) == result


def test_the_name_of_an_event_is_that_of_the_object_and_the_time() -> None:
    assert re.fullmatch(r"node-1\.[0-9a-f]{16}", event_name("node-1"))
    assert event_name("node-1") < event_name("node-1")


def test_the_name_of_an_event_has_no_more_than_253_characters() -> None:
    name = event_name("a" * 235 + "-" * 17 + "b")
    assert re.fullmatch(r"a{235}\.[0-9a-f]{16}", name)


@pytest.mark.parametrize("name", ["system:node", "Upper", ""])
def test_a_name_that_is_invalid_for_events_is_replaced(name: str) -> None:
    replaced = event_name(name)
    assert str(uuid.UUID(replaced)) == replaced
