"""What the election promises, on a real API server. How the times add up is tested on virtual time, not here."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable

import pytest
from structlog.testing import capture_logs

from controller_runtime.api.coordination_v1 import Lease
from controller_runtime.api.core_v1 import Secret
from controller_runtime.api.events_v1 import Event
from controller_runtime.apimachinery import NamespacedName, ObjectMeta, parse_time
from controller_runtime.client import ApiRequest, Client, LeadershipLostError
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


RARELY = {"lease_duration": 3600, "renew_deadline": 1800, "retry_period": 600}
"""Times with which polling alone would notice nothing before a test has failed."""


async def test_a_release_is_noticed_through_the_watch(start: Start, lease: Read) -> None:
    a = await start("a", **RARELY)
    await a.leads()
    b, c = await start("b", **RARELY), await start("c", **RARELY)
    for standby in (b, c):
        async with asyncio.timeout(DEADLINE):
            await standby.cable.watching.wait()
        assert standby.cable.statuses == [200]
    await a.stop()
    async with asyncio.timeout(DEADLINE):
        await asyncio.wait(
            {asyncio.create_task(standby.running.wait()) for standby in (b, c)}, return_when=asyncio.FIRST_COMPLETED
        )
    assert (await lease()).spec.holder_identity in ("b", "c")
    assert b.running.is_set() != c.running.is_set()


async def test_a_deletion_is_noticed_through_the_watch(start: Start, client: Client, kube_namespace: str) -> None:
    a = await start("a", **RARELY)
    await a.leads()
    b = await start("b", **RARELY)
    async with asyncio.timeout(DEADLINE):
        await b.cable.watching.wait()
    looked = asyncio.create_task(b.cable.answered(1))
    await client.delete(Lease, NamespacedName(kube_namespace, LEASE_NAME))
    await looked
    assert b.cable.statuses == [200, 404]
    assert not b.elector.is_leader


async def test_without_the_right_to_watch_polling_does(start: Start, client: Client, kube_namespace: str) -> None:
    await grant(client, kube_namespace, "nobody", ["create", "get", "update"])
    a = await start("a")
    await a.leads()
    with capture_logs() as lines:
        nobody = await start("b", user="nobody")
        await nobody.cable.answered(3)
        await a.stop()
        await nobody.leads()
    (warning,) = [line for line in lines if line["event"].startswith("cannot watch") and line["log_level"] == "warning"]
    assert (
        '{apiGroups: ["coordination.k8s.io"], resources: ["leases"], verbs: [create, get, update, watch]}'
        in warning["error"]
    )


async def test_the_right_to_watch_the_one_lease_is_enough(start: Start, client: Client, kube_namespace: str) -> None:
    await grant(client, kube_namespace, "nobody", ["get", "update", "watch"], only=LEASE_NAME)
    a = await start("a", **RARELY)
    await a.leads()
    nobody = await start("b", user="nobody", **RARELY)
    async with asyncio.timeout(DEADLINE):
        await nobody.cable.watching.wait()
    await a.stop()
    await nobody.leads()


async def grant(client: Client, namespace: str, user: str, verbs: list[str], *, only: str = "") -> None:
    """Lets a user do that with Leases of the namespace, or with one of them."""
    names = {"resourceNames": [only]} if only else {}
    rule = {"apiGroups": ["coordination.k8s.io"], "resources": ["leases"], "verbs": verbs, **names}
    reference = {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": "leases"}
    subject = {"apiGroup": "rbac.authorization.k8s.io", "kind": "User", "name": user}
    bodies = {"roles": {"rules": [rule]}, "rolebindings": {"subjects": [subject], "roleRef": reference}}
    for plural, body in bodies.items():
        path = f"/apis/rbac.authorization.k8s.io/v1/namespaces/{namespace}/{plural}"
        document = json.dumps({"metadata": {"name": "leases"}, **body}).encode()
        response = await client.transport.send(ApiRequest(method="POST", path=path, body=document))
        assert response.status == 201, response.body


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
    assert (
        '{apiGroups: ["coordination.k8s.io"], resources: ["leases"], verbs: [create, get, update, watch]}'
        in warning["error"]
    )


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
