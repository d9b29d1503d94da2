"""The API server within the process: everything that depends on time, on virtual time."""

from __future__ import annotations

import asyncio
import json
import os
import threading
from datetime import datetime
from pathlib import Path
from typing import Any, ClassVar

import pytest

from controller_runtime.api.core_v1 import Secret
from controller_runtime.apimachinery import NamespacedName, Object, Resource
from controller_runtime.builder import ControllerBuilder
from controller_runtime.cache import Informer
from controller_runtime.client import ApiRequest, Client, ForbiddenError, UnauthorizedError
from controller_runtime.controller import Request, Result
from controller_runtime.envtest import ControlPlaneError, RequestError
from controller_runtime.envtest.in_memory import InMemoryAPI
from controller_runtime.envtest.interceptor import Interceptor
from controller_runtime.leaderelection import LeaderElection
from controller_runtime.manager import Manager
from tests.unit.envtest.gadgets import LAB, PATH, A, Gadget, GadgetStatus, gadget, get, now, running, settle, watch

CRD = {
    "apiVersion": "apiextensions.k8s.io/v1",
    "kind": "CustomResourceDefinition",
    "metadata": {"name": "boxes.example.org"},
    "spec": {
        "group": "example.org",
        "scope": "Namespaced",
        "names": {"kind": "Box", "plural": "boxes"},
        "versions": [
            {
                "name": "v1",
                "served": True,
                "storage": True,
                "schema": {"openAPIV3Schema": {"type": "object", "properties": {"size": {"type": "integer"}}}},
            }
        ],
    },
}


@pytest.fixture
def api() -> InMemoryAPI:
    return InMemoryAPI(Gadget, namespaces=[LAB])


class Steward:
    """Says that each Gadget is ready, ten minutes after it first saw it."""

    def __init__(self, manager: Manager) -> None:
        self.manager = manager
        self.runs: list[float] = []
        self.ready = asyncio.Event()

    async def reconcile(self, request: Request) -> Result:
        self.runs.append(now())
        if len(self.runs) == 1:
            return Result(requeue_after=600)
        await self.manager.client.status.patch(Gadget, A, {"status": {"state": "ready"}})
        self.ready.set()
        return Result()


@pytest.mark.looptime
async def test_a_manager_elects_itself_and_its_controller_reconciles(api: InMemoryAPI) -> None:
    election = LeaderElection(name="lock", namespace=LAB, identity="me")
    manager = Manager(api.transport(), leader_election=election)
    steward = Steward(manager)
    ControllerBuilder(manager).for_(Gadget).complete(steward)
    api.create(Gadget, "a", LAB)
    async with running(manager.start):
        await steward.ready.wait()
        assert 600 <= now() < 605
        lease = api.request("GET", f"/apis/coordination.k8s.io/v1/namespaces/{LAB}/leases/lock")
        assert lease["spec"]["holderIdentity"] == "me"
    assert api.list(Gadget)[0]["status"] == {"state": "ready"}
    assert int(lease["metadata"]["resourceVersion"]) > 250, "renewed each two seconds"


@pytest.mark.looptime
@pytest.mark.parametrize("seconds", [300, 7])
async def test_a_watch_ends_after_its_time(api: InMemoryAPI, seconds: int) -> None:
    async with api.transport().stream(watch({"timeoutSeconds": str(seconds)})) as stream:
        assert [piece async for piece in stream] == []
    assert now() == pytest.approx(seconds)


@pytest.mark.looptime
async def test_bookmarks_come_each_minute(api: InMemoryAPI) -> None:
    marks: list[tuple[float, str]] = []
    asked = {"timeoutSeconds": "150", "allowWatchBookmarks": "true", "resourceVersion": str(api.revision)}
    async with api.transport().stream(watch(asked)) as stream:
        async for piece in stream:
            event = json.loads(piece)
            marks.append((round(now()), event["object"]["metadata"]["resourceVersion"]))
            assert event["type"] == "BOOKMARK"
            api.create(Secret, f"other-{len(marks)}", LAB)
    first = int(asked["resourceVersion"])
    assert marks == [(60, str(first)), (120, str(first + 1)), (150, str(first + 2))]


@pytest.mark.looptime
async def test_what_was_missed_in_an_outage_is_listed_anew_once_the_history_is_gone(api: InMemoryAPI) -> None:
    network = Interceptor(api.transport())
    informer = Informer(Client(network), Gadget)
    async with running(informer.run):
        await informer.wait_synced()
        await settle()
        with network.outage():
            api.create(Gadget, "a", LAB)
            api.compact()
            await asyncio.sleep(5)
            assert len(informer.store) == 0
        await asyncio.sleep(60)
        assert informer.store.get(A) is not None
    assert len(network.requested("list")) == 2
    assert informer.last_error is None


@pytest.mark.looptime
async def test_timestamps_and_tokens_go_by_the_loops_clock(api: InMemoryAPI) -> None:
    client = Client(api.transport())
    await client.create(gadget("first"))
    path = f"/api/v1/namespaces/{LAB}/serviceaccounts"
    api.request("POST", path, {"metadata": {"name": "robot"}})
    issued = api.request("POST", f"{path}/robot/token", {"spec": {"expirationSeconds": 600}})
    robot = Client(api.transport(token=issued["status"]["token"]))
    with pytest.raises(ForbiddenError):
        await robot.get(Gadget, A)
    await asyncio.sleep(3600)
    await client.create(gadget("later"))
    created = [(await client.get(Gadget, NamespacedName(LAB, name))).metadata for name in ("first", "later")]
    first, later = (metadata.creation_timestamp for metadata in created)
    assert first is not None
    assert later is not None
    assert 3600 <= (later - first).total_seconds() <= 3602
    with pytest.raises(UnauthorizedError):
        await robot.get(Gadget, A)


@pytest.fixture
async def old(api: InMemoryAPI) -> dict[str, Any]:
    """Made before the test, when the loop's time is still the real one."""
    return api.create(Gadget, "old", LAB)


@pytest.mark.looptime
async def test_a_loop_whose_time_begins_anew_does_not_put_timestamps_back(
    api: InMemoryAPI, old: dict[str, Any]
) -> None:
    new = api.create(Gadget, "new", LAB)
    created = [datetime.fromisoformat(each["metadata"]["creationTimestamp"]) for each in (old, new)]
    assert 0 <= (created[1] - created[0]).total_seconds() < 60


@pytest.mark.looptime
async def test_what_loses_its_owner_goes_by_itself(api: InMemoryAPI) -> None:
    owner = api.create(Gadget, "owner", LAB)
    reference = {"apiVersion": "example.com/v1", "kind": "Gadget", "name": "owner", "uid": owner["metadata"]["uid"]}
    api.create(Secret, "mine", LAB, ownerReferences=[reference])
    client = Client(api.transport())
    await client.delete(Gadget, NamespacedName(LAB, "owner"))
    await settle()
    assert api.list(Secret) == []


def test_without_a_loop_it_goes_with_the_request() -> None:
    api = InMemoryAPI(Gadget, namespaces=[LAB])
    api.create(Gadget, "a", LAB)
    api.request("DELETE", f"/api/v1/namespaces/{LAB}")
    assert api.list(Gadget) == []
    with pytest.raises(RequestError, match="404"):
        api.request("GET", f"/api/v1/namespaces/{LAB}")


async def test_users_may_do_what_rbac_says() -> None:
    api = InMemoryAPI(Gadget, namespaces=[LAB], users={"visitor": ["guests"]})
    api.create(Gadget, "a", LAB)
    visitor = Client(api.transport("visitor"))
    with pytest.raises(ForbiddenError, match='User "visitor" cannot get resource "gadgets"'):
        await visitor.get(Gadget, A)
    role = {"metadata": {"name": "look"}, "rules": [{"apiGroups": ["*"], "resources": ["*"], "verbs": ["get"]}]}
    api.request("POST", "/apis/rbac.authorization.k8s.io/v1/clusterroles", role)
    binding = {
        "metadata": {"name": "look"},
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "look"},
        "subjects": [{"apiGroup": "rbac.authorization.k8s.io", "kind": "Group", "name": "guests"}],
    }
    api.request("POST", "/apis/rbac.authorization.k8s.io/v1/clusterrolebindings", binding)
    assert (await visitor.get(Gadget, A)).metadata.name == "a"


def test_an_unknown_user_is_said_to_be_none(api: InMemoryAPI) -> None:
    with pytest.raises(ControlPlaneError, match=r"there is no user visitor \(only admin\)"):
        api.transport("visitor")


def test_objects_are_changed_at_once(api: InMemoryAPI) -> None:
    api.create(Gadget, "a", LAB, labels={"x": "1"}, spec={"size": 1}, status={"state": "ignored"})
    api.update(Gadget, "a", LAB, spec={"size": 2})
    api.update(Gadget, "a", LAB, subresource="status", status={"state": "ready"})
    (stored,) = api.list(Gadget, LAB)
    assert (stored["spec"], stored["status"], stored["metadata"]["labels"]) == (
        {"size": 2},
        {"state": "ready"},
        {"x": "1"},
    )
    api.delete(Gadget, "a", LAB)
    assert api.list(Gadget) == []


@pytest.mark.parametrize(
    ("attempt", "message"),
    [
        pytest.param(lambda api: api.update(Gadget, "a", LAB), 'gadgets.example.com "a" not found', id="a Status"),
        pytest.param(lambda api: api.request("GET", "/nowhere"), "404 page not found", id="plain text"),
    ],
)
def test_a_refusal_is_an_error(api: InMemoryAPI, attempt: Any, message: str) -> None:
    with pytest.raises(RequestError, match=message):
        attempt(api)


class Pod(Object, frozen=True, kw_only=True, gc=False):
    resource: ClassVar[Resource] = Resource(group="", version="v1", kind="Pod", plural="pods")


class Box(Object, frozen=True, kw_only=True, gc=False):
    resource: ClassVar[Resource] = Resource(group="example.org", version="v1", kind="Box", plural="boxes")


@pytest.mark.parametrize(
    "attempt",
    [
        pytest.param(lambda api: api.create(Box, "a", LAB), id="create"),
        pytest.param(lambda api: api.update(Box, "a", LAB), id="update"),
        pytest.param(lambda api: api.delete(Box, "a", LAB), id="delete"),
        pytest.param(lambda api: api.list(Box), id="list"),
    ],
)
def test_a_kind_that_is_not_served_is_named(api: InMemoryAPI, attempt: Any) -> None:
    with pytest.raises(ControlPlaneError, match=r"Box is not served: call serve\(Box\)"):
        attempt(api)


def test_an_object_of_a_namespaced_kind_needs_its_namespace(api: InMemoryAPI) -> None:
    with pytest.raises(ControlPlaneError, match="Gadget is a namespaced kind: give the namespace of the object"):
        api.create(Gadget, "a")


def test_built_in_kinds_are_there_or_not(api: InMemoryAPI) -> None:
    for use in (api.serve, api.list):
        with pytest.raises(ControlPlaneError, match="the embedded server does not have this built-in kind"):
            use(Pod)
    with pytest.raises(ControlPlaneError, match="Secret is a built-in kind, and served already"):
        api.serve(Secret)


def test_crds_bring_their_schemas(api: InMemoryAPI, tmp_path: Path) -> None:
    (tmp_path / "box.yaml").write_text(json.dumps(CRD))
    api.install_crds([tmp_path])
    box = {"apiVersion": "example.org/v1", "kind": "Box", "metadata": {"name": "a"}}
    path = f"/apis/example.org/v1/namespaces/{LAB}/boxes"
    with pytest.raises(RequestError, match='size: Invalid value: "string"'):
        api.request("POST", path, box | {"size": "large"})
    api.request("POST", path, box | {"size": 3})


async def test_a_short_history_ends_pages_early() -> None:
    api = InMemoryAPI(Gadget, namespaces=[LAB], history=2)
    for name in "abc":
        api.create(Gadget, name, LAB)
    transport = api.transport()
    page = json.loads((await transport.send(get(PATH, query={"limit": "1"}))).body)
    for name in "def":
        api.create(Gadget, name, LAB)
    rest = await transport.send(get(PATH, query={"limit": "1", "continue": page["metadata"]["continue"]}))
    assert rest.status == 410


async def test_no_thread_no_socket_no_file() -> None:
    def resources() -> tuple[int, int]:
        return threading.active_count(), len(os.listdir("/proc/self/fd"))  # noqa: PTH208 - counts, and opens nothing else

    before = resources()
    api = InMemoryAPI(Gadget, namespaces=[LAB])
    transport = api.transport()
    client = Client(transport)
    async with transport.stream(watch()) as stream:
        await client.create(gadget())
        created = await client.get(Gadget, A)
        assert created.status == GadgetStatus()
        await anext(aiter(stream))
        assert resources() == before
    await transport.send(ApiRequest(method="GET", path="/version"))
    assert resources() == before
