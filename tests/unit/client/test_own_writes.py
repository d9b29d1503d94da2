"""A record of own writes holds what was written or may have been, and no more than anybody needs to wait for."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from controller_runtime.apimachinery import NamespacedName, ObjectMeta
from controller_runtime.client import (
    AlreadyExistsError,
    ApiRequest,
    Client,
    ConflictError,
    ConnectError,
    ConnectionLostError,
    InternalError,
    InvalidResponseError,
    NotFoundError,
    OwnWrite,
    OwnWrites,
    patch_status,
    record_writes,
)
from controller_runtime.client.own_writes import WRITES_PER_KIND
from tests.unit.client.fakes import FakeTransport, Node, Scale, Widget, WidgetStatus, failure, response

KEY = NamespacedName("default", "a")
OBJECT = Widget(metadata=ObjectMeta(name="a", namespace="default", resource_version="1"))

Call = Callable[[Client], Awaitable[Any]]


WRITES = [
    pytest.param(lambda c: c.create(OBJECT), id="create"),
    pytest.param(lambda c: c.update(OBJECT), id="update"),
    pytest.param(lambda c: c.status.patch(Widget, KEY, {}), id="patch of the status"),
    pytest.param(lambda c: c.delete(OBJECT), id="delete"),
]


def stored(name: str = "a", version: str = "7", uid: str = "u") -> dict[str, Any]:
    """JSON of a Widget as the server answers."""
    metadata = {"name": name, "namespace": "default", "resourceVersion": version, "uid": uid}
    return {"apiVersion": "example.com/v1", "kind": "Widget", "metadata": metadata}


def done(uid: str = "u") -> dict[str, Any]:
    """The Status that answers a deletion which took place."""
    return {"apiVersion": "v1", "kind": "Status", "metadata": {}, "status": "Success", "details": {"uid": uid}}


def answering(body: Any, status: int = 200) -> Client:
    return Client(FakeTransport(lambda request: response(status, body)), field_owner="me")


async def recorded(call: Call, client: Client) -> list[OwnWrite]:
    with record_writes() as writes:
        await call(client)
    return list(writes)


@pytest.mark.parametrize(
    "call",
    [
        pytest.param(lambda c: c.create(OBJECT), id="create"),
        pytest.param(lambda c: c.update(OBJECT), id="update"),
        pytest.param(lambda c: c.patch(Widget, KEY, {}), id="patch"),
        pytest.param(lambda c: c.apply(Widget, KEY, {}), id="apply"),
        pytest.param(lambda c: c.status.update(OBJECT), id="update of the status"),
        pytest.param(lambda c: c.status.patch(Widget, KEY, {}), id="patch of the status"),
        pytest.param(lambda c: c.status.apply(Widget, KEY, {}), id="apply of the status"),
        pytest.param(
            lambda c: patch_status(
                c, OBJECT, lambda obj: Widget(metadata=obj.metadata, status=WidgetStatus(state="on"))
            ),
            id="patch_status",
        ),
        pytest.param(lambda c: c.subresource("scale").update(Widget, KEY, Scale()), id="update through another type"),
        pytest.param(lambda c: c.subresource("scale").patch(Widget, KEY, {}, Scale), id="patch through another type"),
    ],
)
async def test_each_write_is_recorded_with_the_version_it_led_to(call: Call) -> None:
    assert await recorded(call, answering(stored())) == [OwnWrite(Widget, KEY, "7", "u")]


@pytest.mark.parametrize(
    ("call", "body", "expected"),
    [
        pytest.param(
            lambda c: c.delete(OBJECT), done(), [OwnWrite(Widget, KEY, "", "u", deleted=True)], id="gone at once"
        ),
        pytest.param(
            lambda c: c.delete(Widget, KEY),
            stored(),
            [OwnWrite(Widget, KEY, "7", "u", deleted=True)],
            id="waits for its finalizers",
        ),
        pytest.param(
            lambda c: c.delete_all_of(Widget, namespace="default", everything=True),
            {"kind": "PartialObjectMetadataList", "items": [stored("a", "7", "u"), stored("b", "8", "v")]},
            [
                OwnWrite(Widget, KEY, "", "u", deleted=True),
                OwnWrite(Widget, NamespacedName("default", "b"), "", "v", deleted=True),
            ],
            id="a collection",
        ),
        pytest.param(
            lambda c: c.delete_all_of(Widget, namespace="default", everything=True),
            {"items": None},
            [],
            id="an empty collection",
        ),
    ],
)
async def test_a_deletion_is_recorded_as_such(call: Call, body: Any, expected: list[OwnWrite]) -> None:
    assert await recorded(call, answering(body)) == expected


async def test_an_object_that_looks_like_a_status_is_none() -> None:
    """A kind may have a field `details` of any shape."""
    body = stored() | {"details": "none"}
    assert await recorded(lambda c: c.delete(OBJECT), answering(body)) == [
        OwnWrite(Widget, KEY, "7", "u", deleted=True)
    ]


async def test_a_generated_name_is_the_recorded_one() -> None:
    made = Widget(metadata=ObjectMeta(generate_name="a-", namespace="default"))
    [write] = await recorded(lambda c: c.create(made), answering(stored("a-x1")))
    assert write.key == NamespacedName("default", "a-x1")


@pytest.mark.parametrize(
    ("call", "body"),
    [
        pytest.param(lambda c: c.get(Widget, KEY), stored(), id="read"),
        pytest.param(lambda c: c.list(Widget), {"items": [stored()]}, id="list"),
        pytest.param(lambda c: c.create(OBJECT, dry_run=True), stored(), id="dry run of a create"),
        pytest.param(lambda c: c.status.patch(Widget, KEY, {}, dry_run=True), stored(), id="dry run of a status"),
        pytest.param(lambda c: c.apply(Widget, KEY, {}, dry_run=True), stored(), id="dry run of an apply"),
        pytest.param(lambda c: c.delete(OBJECT, dry_run=True), stored(), id="dry run of a deletion"),
        pytest.param(
            lambda c: c.delete_all_of(Widget, namespace="default", dry_run=True, everything=True),
            {"items": [stored()]},
            id="dry run of a collection's deletion",
        ),
        pytest.param(
            lambda c: c.subresource("token").create(Widget, KEY, Scale()), {"metadata": {"name": "a"}}, id="a token"
        ),
    ],
)
async def test_what_changes_nothing_is_not_recorded(call: Call, body: Any) -> None:
    assert await recorded(call, answering(body)) == []


async def test_a_client_of_dry_runs_records_nothing() -> None:
    client = Client(FakeTransport(lambda request: response(200, stored())), dry_run=True)
    assert await recorded(lambda c: c.update(OBJECT), client) == []
    assert await recorded(lambda c: c.delete(OBJECT), client) == []


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        pytest.param(failure(409, "Conflict"), ConflictError, id="refused"),
        pytest.param(ConnectError("refused"), ConnectError, id="never sent"),
    ],
)
@pytest.mark.parametrize("call", WRITES)
async def test_a_write_that_was_not_made_is_not_recorded(call: Call, answer: Any, error: type[Exception]) -> None:
    assert await failed(call, answer, error) == []


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        pytest.param(response(200, b"{"), InvalidResponseError, id="unreadable"),
        pytest.param(ConnectionLostError("reset"), ConnectionLostError, id="lost"),
        pytest.param(failure(500, "InternalError"), InternalError, id="the server failed"),
        pytest.param(failure(404, "NotFound"), NotFoundError, id="it is not there"),
        pytest.param(failure(409, "AlreadyExists"), AlreadyExistsError, id="it is there"),
        pytest.param(asyncio.CancelledError(), asyncio.CancelledError, id="cancelled"),
    ],
)
@pytest.mark.parametrize("call", WRITES)
async def test_a_write_that_leaves_doubt_is_recorded_as_unknown(
    call: Call, answer: Any, error: type[BaseException]
) -> None:
    assert await failed(call, answer, error) == [OwnWrite(Widget, KEY, "", "", unknown=True)]


async def test_what_has_no_name_yet_or_is_a_dry_run_leaves_no_doubt_that_anybody_could_settle() -> None:
    lost = ConnectionLostError("reset")
    made = Widget(metadata=ObjectMeta(generate_name="a-", namespace="default"))
    assert await failed(lambda c: c.create(made), lost, ConnectionLostError) == []
    assert await failed(lambda c: c.create(OBJECT, dry_run=True), lost, ConnectionLostError) == []
    assert await failed(lambda c: c.delete(OBJECT, dry_run=True), lost, ConnectionLostError) == []
    assert (
        await failed(lambda c: c.delete_all_of(Widget, namespace="default", everything=True), lost, ConnectionLostError)
        == []
    )


async def failed(call: Call, answer: Any, error: type[BaseException]) -> list[OwnWrite]:
    def answered(request: ApiRequest) -> Any:
        if isinstance(answer, BaseException):
            raise answer
        return answer

    with record_writes() as writes, pytest.raises(error):
        await call(Client(FakeTransport(answered)))
    return list(writes)


async def test_tasks_started_in_the_block_are_recorded_and_others_are_not() -> None:
    client = answering(stored())
    go = asyncio.Event()

    async def write_later(name: str) -> None:
        await go.wait()
        await client.patch(Widget, NamespacedName("default", name), {})

    before = asyncio.create_task(write_later("before"))
    with record_writes() as writes:
        inside = asyncio.create_task(write_later("inside"))
        go.set()
        await asyncio.gather(before, inside)
    assert len(writes) == 1


async def test_a_task_that_outlives_the_block_writes_into_no_record() -> None:
    client = answering(stored())
    go = asyncio.Event()

    async def write_later() -> None:
        await go.wait()
        await client.patch(Widget, KEY, {})

    with record_writes() as outer:
        with record_writes() as writes:
            task = asyncio.create_task(write_later())
        go.set()
        await task
    assert (len(writes), len(outer)) == (0, 1)


async def test_an_outer_block_sees_the_writes_of_an_inner_one() -> None:
    client = answering(stored())
    with record_writes() as outer:
        with record_writes() as inner:
            await client.update(OBJECT)
        await client.patch(Node, NamespacedName("", "n"), {})
    assert ([write.kind for write in inner], [write.kind for write in outer]) == ([Widget], [Widget, Node])


def write(version: str, name: str = "a", **more: Any) -> OwnWrite:
    return OwnWrite(Widget, NamespacedName("default", name), version, "u", **more)


@pytest.mark.parametrize(
    ("first", "second", "kept"),
    [
        pytest.param(write("9"), write("10"), "10", id="in order"),
        pytest.param(write("10"), write("9"), "10", id="answers overtook each other"),
        pytest.param(write("10"), write("10"), "10", id="changed nothing"),
        pytest.param(write("b"), write("a"), "a", id="versions without an order"),
        pytest.param(write("10"), write("", deleted=True), "", id="deleted after it was written"),
        pytest.param(write("", deleted=True), write("11"), "11", id="made anew"),
    ],
)
def test_of_an_object_the_newest_write_counts(first: OwnWrite, second: OwnWrite, kept: str) -> None:
    writes = OwnWrites()
    writes.add(first)
    writes.add(second)
    assert [write.resource_version for write in writes] == [kept]


def test_a_record_is_bounded_for_each_kind_and_keeps_the_newest() -> None:
    writes = OwnWrites()
    writes.add(OwnWrite(Node, NamespacedName("", "n"), "1", "u"))
    writes.add(write("2", "first"))
    for number in range(WRITES_PER_KIND - 1):
        writes.add(write(str(number + 3), str(number)))
    writes.add(write("100000", "first"))  # written again, so no longer the oldest
    writes.add(write("100001", "last"))
    names = [write.key.name for write in writes]
    assert len(writes) == 1 + WRITES_PER_KIND
    assert names[0] == "n"
    assert "0" not in names
    assert names[-2:] == ["first", "last"]
