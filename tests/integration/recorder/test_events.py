"""Events as a real API server takes them: its limits, series, and objects without a namespace."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from typing import ClassVar

import pytest

from controller_runtime.api.core_v1 import Secret
from controller_runtime.api.events_v1 import Event
from controller_runtime.apimachinery import NamespacedName, Object, ObjectMeta, Resource
from controller_runtime.client import Client
from controller_runtime.recorder import EventBroadcaster, EventRecorder
from tests.integration.recorder.conftest import CountingTransport

pytestmark = pytest.mark.integration


class Namespace(Object, frozen=True, kw_only=True, gc=False):
    """A cluster-scoped kind."""

    resource: ClassVar[Resource] = Resource(
        group="", version="v1", kind="Namespace", plural="namespaces", namespaced=False
    )


@contextlib.asynccontextmanager
async def broadcasting(transport: CountingTransport, name: str = "test") -> AsyncIterator[EventRecorder]:
    """A recorder; at the end everything that was recorded has been sent."""
    broadcaster = EventBroadcaster(Client(transport))
    task = asyncio.create_task(broadcaster.run())
    await asyncio.sleep(0)  # a task that is cancelled before its first step never runs
    try:
        yield broadcaster.recorder(name)
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task


@pytest.fixture
async def secret(client: Client, kube_namespace: str) -> Secret:
    """An object that things happen to."""
    return await client.create(Secret(metadata=ObjectMeta(namespace=kube_namespace, name="subject")))


async def events_about(client: Client, obj: Object, namespace: str) -> list[Event]:
    listed = await client.list(Event, namespace=namespace)
    return [event for event in listed.items if event.regarding and event.regarding.uid == obj.metadata.uid]


async def test_an_event_becomes_a_series(transport: CountingTransport, client: Client, secret: Secret) -> None:
    async with broadcasting(transport) as recorder:
        for answers in range(1, 4):
            recorder.event(secret, "Warning", "NotFound", "Verify", "no such key")
            if answers < 3:
                await transport.answered(answers)
    assert transport.answers == [("POST", 201), ("PATCH", 200), ("PATCH", 200)]
    (event,) = await events_about(client, secret, secret.metadata.namespace)
    assert (event.type, event.reason, event.action, event.note) == ("Warning", "NotFound", "Verify", "no such key")
    assert event.series is not None
    assert event.series.count == 3
    assert event.series.last_observed_time > event.event_time


async def test_a_series_that_was_recorded_before_it_is_sent_is_accepted(
    transport: CountingTransport, client: Client, secret: Secret
) -> None:
    async with broadcasting(transport) as recorder:
        for _ in range(7):
            recorder.event(secret, "Normal", "Tried", "Try", "again")
    assert transport.answers == [("POST", 201)]
    (event,) = await events_about(client, secret, secret.metadata.namespace)
    assert event.series is not None
    assert event.series.count == 7


async def test_a_series_whose_event_is_gone_goes_on_in_another_one(
    transport: CountingTransport, client: Client, secret: Secret
) -> None:
    async with broadcasting(transport) as recorder:
        recorder.event(secret, "Normal", "Tried", "Try", "again")
        await transport.answered(1)
        (first,) = await events_about(client, secret, secret.metadata.namespace)
        await client.delete(first)
        recorder.event(secret, "Normal", "Tried", "Try", "again")
    assert transport.answers == [("POST", 201), ("PATCH", 404), ("POST", 201)]
    (second,) = await events_about(client, secret, secret.metadata.namespace)
    assert second.metadata.name != first.metadata.name
    assert second.series is not None
    assert second.series.count == 2


async def test_the_longest_texts_are_accepted(transport: CountingTransport, client: Client, secret: Secret) -> None:
    async with broadcasting(transport, f"{'d' * 63}.{'e' * 63}.example.com/{'c' * 63}") as recorder:
        recorder.event(secret, "Normal", "R" * 128, "A" * 128, "ü" * 5000, related=secret)
    (event,) = await events_about(client, secret, secret.metadata.namespace)
    assert event.note == "ü" * 512
    assert len(event.reporting_instance) == 128
    assert event.related is not None
    assert event.related.uid == secret.metadata.uid


async def test_events_about_a_cluster_scoped_object_are_accepted(
    transport: CountingTransport, client: Client, kube_namespace: str
) -> None:
    namespace = await client.get(Namespace, NamespacedName("", kube_namespace))
    async with broadcasting(transport) as recorder:
        recorder.event(namespace, "Normal", "Tried", "Try", "a namespace")
    (event,) = await events_about(client, namespace, "default")
    assert event.metadata.name.startswith(f"{kube_namespace}.")


async def test_events_about_an_object_whose_name_is_no_name_for_events_are_accepted(
    transport: CountingTransport, client: Client, kube_namespace: str
) -> None:
    role = Secret(metadata=ObjectMeta(namespace=kube_namespace, name="system:node", uid="uid-of-system-node"))
    async with broadcasting(transport) as recorder:
        recorder.event(role, "Normal", "Tried", "Try", "a name with a colon")
    assert len(await events_about(client, role, kube_namespace)) == 1
