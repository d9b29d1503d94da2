"""patch_status never loses an update, and writes nothing without need."""

from __future__ import annotations

import asyncio
import json
import random
from typing import Any, ClassVar

import msgspec
import pytest

from controller_runtime.apimachinery import (
    Condition,
    NamespacedName,
    Object,
    ObjectMeta,
    Resource,
    find_condition,
    set_condition,
)
from controller_runtime.apimachinery.codec import decode
from controller_runtime.client import (
    ApiRequest,
    ApiResponse,
    Client,
    ConflictError,
    InvalidRequestError,
    NotFoundError,
    patch_status,
)
from tests.unit.client.fakes import FakeTransport, Widget, WidgetSpec, WidgetStatus, failure, response, widget

KEY = NamespacedName("default", "a")


class OneWidget:
    """A server that holds one Widget and checks resourceVersions; yields to other tasks at random points."""

    def __init__(self, seed: int = 0) -> None:
        self.document = widget(status={})
        self.random = random.Random(seed)
        self.conflicts = 0

    async def answer(self, request: ApiRequest) -> ApiResponse:
        await self.others_run()
        result = self.read() if request.method == "GET" else self.patch(json.loads(request.body or b""))
        await self.others_run()
        return result

    def read(self) -> ApiResponse:
        return response(200, self.document)

    def patch(self, patch: dict[str, Any]) -> ApiResponse:
        metadata = self.document["metadata"]
        if patch["metadata"]["resourceVersion"] != metadata["resourceVersion"]:
            self.conflicts += 1
            return failure(409, "Conflict", "the object has been modified")
        metadata["resourceVersion"] = str(int(metadata["resourceVersion"]) + 1)
        self.document["status"] |= patch["status"]
        return self.read()

    async def others_run(self) -> None:
        for _ in range(self.random.randrange(4)):
            await asyncio.sleep(0)


def current(server: OneWidget) -> Widget:
    return decode(Widget, json.dumps(server.document).encode())


def setting(condition_type: str, message: str) -> Any:
    wanted = Condition(type=condition_type, status="True", reason="Test", message=message)

    def change(obj: Widget) -> Widget:
        conditions = set_condition(obj.status.conditions, wanted)
        return msgspec.structs.replace(obj, status=msgspec.structs.replace(obj.status, conditions=conditions))

    return change


@pytest.mark.parametrize("seed", range(20))
async def test_writers_of_different_conditions_never_lose_one(seed: int) -> None:
    server = OneWidget(seed)
    client = Client(FakeTransport(server.answer))

    async def write(condition_type: str) -> None:
        seen = current(server)
        for message in map(str, range(10)):
            seen = await patch_status(client, seen, setting(condition_type, message), tries=1000)
            await server.others_run()
            own = find_condition(current(server).status.conditions, condition_type)
            assert own is not None
            assert own.message == message

    await asyncio.gather(write("Ready"), write("Delivered"))
    assert {condition.type: condition.message for condition in current(server).status.conditions} == {
        "Ready": "9",
        "Delivered": "9",
    }
    assert server.conflicts > 0, "the writers never met, so nothing was tested"


async def test_the_patch_carries_the_version_and_the_whole_list() -> None:
    server = OneWidget()
    transport = FakeTransport(server.answer)
    client = Client(transport)
    first = await patch_status(client, current(server), setting("Ready", "x"))
    await patch_status(client, first, setting("Delivered", "y"))
    request = transport.requests[-1]
    body = json.loads(request.body or b"")
    assert (request.method, request.path) == ("PATCH", "/apis/example.com/v1/namespaces/default/widgets/a/status")
    assert body["metadata"] == {"resourceVersion": "2"}
    assert [condition["type"] for condition in body["status"]["conditions"]] == ["Ready", "Delivered"]


async def test_only_what_differs_is_sent() -> None:
    server = OneWidget()
    server.document["status"] = {"state": "on"}
    transport = FakeTransport(server.answer)
    await patch_status(Client(transport), current(server), setting("Ready", "x"))
    assert list(json.loads(transport.requests[0].body or b"")["status"]) == ["conditions"]


async def test_a_field_that_goes_away_is_removed() -> None:
    server = OneWidget()
    server.document["status"] = {"state": "on"}
    transport = FakeTransport(server.answer)
    await patch_status(
        Client(transport), current(server), lambda obj: msgspec.structs.replace(obj, status=WidgetStatus())
    )
    assert json.loads(transport.requests[0].body or b"")["status"] == {"state": None}


@pytest.mark.parametrize(
    "change",
    [
        pytest.param(lambda obj: obj, id="the same object"),
        pytest.param(lambda obj: msgspec.structs.replace(obj, status=WidgetStatus()), id="an equal status"),
    ],
)
async def test_nothing_is_sent_when_nothing_differs(change: Any) -> None:
    transport = FakeTransport()
    obj = decode(Widget, json.dumps(widget()).encode())
    assert await patch_status(Client(transport), obj, change) is obj
    assert transport.requests == []


async def test_a_conflict_is_resolved_from_a_fresh_read() -> None:
    server = OneWidget()
    stale = current(server)
    client = Client(FakeTransport(server.answer))
    await patch_status(client, stale, setting("Delivered", "other"))
    seen: list[str] = []

    def change(obj: Widget) -> Widget:
        seen.append(obj.metadata.resource_version)
        return setting("Ready", "mine")(obj)  # type: ignore[no-any-return]

    result = await patch_status(client, stale, change)
    assert seen == ["1", "2"]
    assert {condition.type for condition in result.status.conditions} == {"Ready", "Delivered"}


async def test_a_conflict_after_which_nothing_differs_ends_without_a_write() -> None:
    server = OneWidget()
    stale = current(server)
    transport = FakeTransport(server.answer)
    done = await patch_status(Client(transport), stale, setting("Ready", "x"))
    again = await patch_status(Client(transport), stale, setting("Ready", "x"))
    assert again == done
    assert [request.method for request in transport.requests] == ["PATCH", "PATCH", "GET"]


async def test_after_the_last_try_the_conflict_is_the_callers() -> None:
    server = OneWidget()
    transport = FakeTransport(
        lambda request: server.read() if request.method == "GET" else failure(409, "Conflict", "modified")
    )
    with pytest.raises(ConflictError, match="modified"):
        await patch_status(Client(transport), current(server), setting("Ready", "x"))
    assert [request.method for request in transport.requests].count("PATCH") == 5


async def test_an_object_that_is_gone_is_the_callers() -> None:
    transport = FakeTransport(
        lambda request: failure(404, "NotFound") if request.method == "GET" else failure(409, "Conflict")
    )
    obj = decode(Widget, json.dumps(widget()).encode())
    with pytest.raises(NotFoundError):
        await patch_status(Client(transport), obj, setting("Ready", "x"))


class Lamp(Object, frozen=True, kw_only=True, gc=False):
    """A kind that may have no status."""

    resource: ClassVar[Resource] = Resource(group="example.com", version="v1", kind="Lamp", plural="lamps")

    status: WidgetStatus | None = None


@pytest.mark.parametrize(
    ("before", "after", "patch"),
    [
        pytest.param(None, WidgetStatus(state="on"), {"state": "on"}, id="the first"),
        pytest.param(WidgetStatus(state="on"), None, {"state": None}, id="none any more"),
        pytest.param(None, WidgetStatus(), None, id="an empty one says nothing"),
    ],
)
async def test_a_status_that_may_be_missing(
    before: WidgetStatus | None, after: WidgetStatus | None, patch: dict[str, Any] | None
) -> None:
    transport = FakeTransport(lambda request: response(200, {"metadata": {"name": "a", "resourceVersion": "2"}}))
    metadata = ObjectMeta(name="a", namespace="default", resource_version="1")
    lamp = Lamp(metadata=metadata, status=before)
    await patch_status(Client(transport), lamp, lambda obj: msgspec.structs.replace(obj, status=after))
    sent = [json.loads(request.body or b"") for request in transport.requests]
    assert sent == ([{"metadata": {"resourceVersion": "1"}, "status": patch}] if patch is not None else [])


@pytest.mark.parametrize(
    ("obj", "change", "message"),
    [
        pytest.param(
            widget(),
            lambda obj: msgspec.structs.replace(obj, spec=WidgetSpec(size=9), status=WidgetStatus(state="on")),
            "Widget default/a: patch_status cannot change spec",
            id="another field than status",
        ),
        pytest.param(
            {"metadata": {"name": "a", "namespace": "default"}},
            setting("Ready", "x"),
            "has no resourceVersion",
            id="never read",
        ),
    ],
)
async def test_misuse_is_refused_before_anything_is_sent(obj: dict[str, Any], change: Any, message: str) -> None:
    transport = FakeTransport()
    with pytest.raises(InvalidRequestError, match=message):
        await patch_status(Client(transport), decode(Widget, json.dumps(obj).encode()), change)
    assert transport.requests == []
