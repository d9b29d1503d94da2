"""What the election promises, on a real API server. How the times add up is tested on virtual time, not here."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import pytest
from structlog.testing import capture_logs

from controller_runtime.api.coordination_v1 import Lease
from controller_runtime.api.core_v1 import Secret
from controller_runtime.api.events_v1 import Event
from controller_runtime.apimachinery import NamespacedName, ObjectMeta, parse_time
from controller_runtime.client import Client, LeadershipLostError
from controller_runtime.envtest import ControlPlane
from controller_runtime.recorder import EventBroadcaster
from tests.integration.leaderelection.conftest import DEADLINE, LEASE_NAME, Replica

pytestmark = pytest.mark.integration

Start = Callable[..., Awaitable[Replica]]
Read = Callable[[], Awaitable[Lease]]


async def test_a_lease_goes_from_the_leader_that_ends_to_the_next(
    start: Start, lease: Read, client: Client, kube_namespace: str
) -> None:
    broadcaster = EventBroadcaster(client)
    events = asyncio.create_task(broadcaster.run())
    recorder = broadcaster.recorder("leader-election")
    a = await start("a", recorder=recorder)
    await a.leads()
    first = await lease()
    assert (first.spec.holder_identity, first.spec.lease_duration_seconds, first.spec.lease_transitions) == ("a", 4, 0)
    assert parse_time(first.spec.acquire_time) <= parse_time(first.spec.renew_time)
    b = await start("b", recorder=recorder)
    await a.stop()
    released = await lease()
    assert released.spec.holder_identity in ("", "b")
    await b.leads()
    second = await lease()
    assert (second.spec.holder_identity, second.spec.lease_transitions) == ("b", 1)
    assert second.metadata.uid == first.metadata.uid
    events.cancel()
    await asyncio.wait({events})
    recorded = (await client.list(Event, namespace=kube_namespace)).items
    assert sorted(event.note for event in recorded) == ["a became leader", "a stopped leading", "b became leader"]
    assert {(event.reason, event.regarding.uid) for event in recorded if event.regarding} == {
        ("LeaderElection", first.metadata.uid)
    }


async def test_a_leader_without_connection_has_ended_its_work_before_the_next_one_starts(start: Start) -> None:
    a = await start("a")
    await a.leads()
    b = await start("b")
    a.cable.is_cut = True
    async with asyncio.timeout(DEADLINE):
        await asyncio.wait(
            {asyncio.create_task(a.ended.wait()), asyncio.create_task(b.running.wait())},
            return_when=asyncio.FIRST_COMPLETED,
        )
    assert a.ended.is_set()
    assert not b.running.is_set()
    await b.leads()


async def test_what_others_write_into_the_lease_does_not_disturb_the_leader(
    start: Start, lease: Read, client: Client, kube_namespace: str
) -> None:
    a = await start("a")
    await a.leads()
    a.cable.statuses.clear()
    key = NamespacedName(kube_namespace, LEASE_NAME)
    labelled = await client.patch(Lease, key, {"metadata": {"labels": {"touched": "yes"}}})
    await a.cable.answered(5)
    assert a.cable.statuses.count(409) == 1
    assert set(a.cable.statuses) == {200, 409}
    renewed = await lease()
    assert renewed.spec.renew_time > labelled.spec.renew_time
    assert renewed.metadata.labels == {"touched": "yes"}
    assert not a.ended.is_set()


async def test_the_fence_lets_only_the_leader_write(start: Start, client: Client, kube_namespace: str) -> None:
    a = await start("a")
    await a.leads()
    b = await start("b")
    writes = {replica: Client(replica.cable, fence=replica.elector.fence) for replica in (a, b)}
    written = await writes[a].create(Secret(metadata=ObjectMeta(namespace=kube_namespace, name="written-by-leader")))
    assert written.metadata.uid
    with pytest.raises(LeadershipLostError, match="b may not write"):
        await writes[b].create(Secret(metadata=ObjectMeta(namespace=kube_namespace, name="refused")))
    assert [secret.metadata.name for secret in (await client.list(Secret, namespace=kube_namespace)).items] == [
        "written-by-leader"
    ]


async def test_a_missing_right_is_named_once(start: Start) -> None:
    with capture_logs() as lines:
        nobody = await start("nobody", user="nobody")
        await nobody.cable.answered(3)
        await nobody.stop()
    assert set(nobody.cable.statuses) == {403}
    (warning,) = [line for line in lines if line["log_level"] == "warning" and "trying again" in line["event"]]
    assert '{apiGroups: ["coordination.k8s.io"], resources: ["leases"], verbs: [get]}' in warning["error"]


async def test_the_leadership_ends_with_the_api_server_and_comes_back_with_it(
    control_plane: ControlPlane, start: Start
) -> None:
    a = await start("a")
    await a.leads()
    await asyncio.to_thread(control_plane.kill_api_server)
    await a.lost()
    assert not a.elector.is_leader
    assert not a.task.done()
    await asyncio.to_thread(control_plane.start_api_server)
    await a.leads()
    assert a.elector.is_leader
