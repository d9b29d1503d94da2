"""What the client sends, and what it makes of the answers."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Iterator
from typing import Any

import pytest
from structlog.testing import capture_logs

from controller_runtime.apimachinery import NamespacedName, ObjectMeta, metadata_of
from controller_runtime.client import (
    ApiRequest,
    ApiResponse,
    Client,
    ConflictError,
    ConnectionLostError,
    GoneError,
    InvalidRequestError,
    InvalidResponseError,
    NotFoundError,
    PatchType,
)
from tests.unit.client.fakes import (
    FakeTransport,
    Node,
    PartialWidget,
    Widget,
    WidgetSpec,
    WidgetStatus,
    failure,
    response,
    widget,
)

KEY = NamespacedName("default", "a")
PATH = "/apis/example.com/v1/namespaces/default/widgets"
OBJECT = Widget(
    metadata=ObjectMeta(name="a", namespace="default", resource_version="1"),
    spec=WidgetSpec(size=2),
    status=WidgetStatus(state="on"),
)
WidgetMetadata = metadata_of(Widget)

Call = Callable[[Client], Awaitable[Any]]


def answering(body: Any, status: int = 200) -> FakeTransport:
    return FakeTransport(lambda request: response(status, body))


async def sent_by(call: Call, **options: Any) -> ApiRequest:
    transport = answering(widget())
    await call(Client(transport, **options))
    [request] = transport.requests
    return request


@pytest.mark.parametrize(
    ("call", "method", "path", "query", "content_type"),
    [
        pytest.param(lambda c: c.get(Widget, KEY), "GET", f"{PATH}/a", {}, None, id="get"),
        pytest.param(
            lambda c: c.get(Node, NamespacedName("", "n1")), "GET", "/api/v1/nodes/n1", {}, None, id="cluster-scoped"
        ),
        pytest.param(lambda c: c.create(OBJECT), "POST", PATH, {}, "application/json", id="create"),
        pytest.param(lambda c: c.update(OBJECT), "PUT", f"{PATH}/a", {}, "application/json", id="update"),
        pytest.param(
            lambda c: c.update_status(OBJECT), "PUT", f"{PATH}/a/status", {}, "application/json", id="update status"
        ),
        pytest.param(
            lambda c: c.patch(Widget, KEY, {"spec": {}}),
            "PATCH",
            f"{PATH}/a",
            {},
            "application/merge-patch+json",
            id="merge patch",
        ),
        pytest.param(
            lambda c: c.patch(Widget, KEY, [{"op": "remove", "path": "/spec"}], patch_type=PatchType.JSON),
            "PATCH",
            f"{PATH}/a",
            {},
            "application/json-patch+json",
            id="JSON patch",
        ),
        pytest.param(
            lambda c: c.patch(Widget, KEY, {"spec": {}}, patch_type=PatchType.STRATEGIC),
            "PATCH",
            f"{PATH}/a",
            {},
            "application/strategic-merge-patch+json",
            id="strategic merge patch",
        ),
        pytest.param(
            lambda c: c.patch_status(Widget, KEY, {"status": {}}),
            "PATCH",
            f"{PATH}/a/status",
            {},
            "application/merge-patch+json",
            id="patch status",
        ),
        pytest.param(
            lambda c: c.apply(Widget, KEY, {}, field_owner="me", force=True),
            "PATCH",
            f"{PATH}/a",
            {"fieldManager": "me", "force": "true"},
            "application/apply-patch+yaml",
            id="apply",
        ),
        pytest.param(
            lambda c: c.apply_status(Widget, KEY, {}, field_owner="me"),
            "PATCH",
            f"{PATH}/a/status",
            {"fieldManager": "me"},
            "application/apply-patch+yaml",
            id="apply status",
        ),
        pytest.param(lambda c: c.delete(OBJECT), "DELETE", f"{PATH}/a", {}, None, id="delete an object"),
        pytest.param(lambda c: c.delete(Widget, KEY), "DELETE", f"{PATH}/a", {}, None, id="delete by key"),
        pytest.param(
            lambda c: c.update(OBJECT, dry_run=True, field_owner="me", field_validation="Strict"),
            "PUT",
            f"{PATH}/a",
            {"dryRun": "All", "fieldManager": "me", "fieldValidation": "Strict"},
            "application/json",
            id="write options",
        ),
    ],
)
async def test_the_request_of_each_verb(
    call: Call, method: str, path: str, query: dict[str, str], content_type: str | None
) -> None:
    request = await sent_by(call)
    assert (request.method, request.path, dict(request.query)) == (method, path, query)
    assert (request.content_type if request.body is not None else None) == content_type
    assert request.timeout == 65


async def test_a_written_object_carries_its_identity_and_its_resource_version_as_given() -> None:
    request = await sent_by(lambda c: c.update(OBJECT))
    assert json.loads(request.body or b"") == widget(spec={"size": 2}, status={"state": "on"})


async def test_delete_options_are_sent_in_the_body() -> None:
    request = await sent_by(
        lambda c: c.delete(
            Widget,
            KEY,
            propagation_policy="Foreground",
            uid="u",
            resource_version="4",
            grace_period_seconds=0,
            dry_run=True,
        )
    )
    assert json.loads(request.body or b"") == {
        "propagationPolicy": "Foreground",
        "preconditions": {"uid": "u", "resourceVersion": "4"},
        "gracePeriodSeconds": 0,
        "dryRun": ["All"],
    }


async def test_list_passes_its_options_on() -> None:
    transport = answering({"metadata": {"resourceVersion": "9"}, "items": [widget()]})
    page = await Client(transport).list(
        Widget,
        namespace="default",
        label_selector="a=b",
        field_selector="metadata.name=x",
        limit=500,
        continue_token="t",
        resource_version="0",
        resource_version_match="NotOlderThan",
    )
    assert (page.resource_version, [item.key for item in page.items]) == ("9", [KEY])
    [request] = transport.requests
    assert (request.path, request.query) == (
        PATH,
        {
            "labelSelector": "a=b",
            "fieldSelector": "metadata.name=x",
            "limit": "500",
            "continue": "t",
            "resourceVersion": "0",
            "resourceVersionMatch": "NotOlderThan",
        },
    )


async def test_list_without_options_asks_for_everything() -> None:
    transport = answering({"metadata": {}, "items": []})
    await Client(transport).list(Widget)
    assert (transport.requests[0].path, transport.requests[0].query) == ("/apis/example.com/v1/widgets", {})


async def test_metadata_kinds_ask_for_metadata_alone() -> None:
    one = "application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1"
    many = "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1"
    transport = FakeTransport(lambda request: response(200, widget()))
    client = Client(transport)
    await client.get(WidgetMetadata, KEY)
    await client.patch(WidgetMetadata, KEY, {"metadata": {"labels": {"a": "b"}}})
    await client.list(WidgetMetadata)
    async with client.watch(WidgetMetadata, timeout_seconds=300):
        pass
    assert [request.accept for request in transport.requests] == [one, one, many, one]


@pytest.mark.parametrize(
    "call",
    [
        pytest.param(lambda c: c.create(PartialWidget(metadata=OBJECT.metadata)), id="create"),
        pytest.param(lambda c: c.update(PartialWidget(metadata=OBJECT.metadata)), id="update"),
        pytest.param(lambda c: c.update_status(PartialWidget(metadata=OBJECT.metadata)), id="update status"),
        pytest.param(lambda c: c.update(WidgetMetadata(metadata=OBJECT.metadata)), id="metadata"),
    ],
)
async def test_partial_types_are_refused_before_anything_is_sent(call: Call) -> None:
    transport = FakeTransport()
    with pytest.raises(InvalidRequestError, match=r"models only a part of Widget: .* patch or apply it"):
        await call(Client(transport))
    assert transport.requests == []


@pytest.mark.parametrize(
    "call",
    [
        pytest.param(lambda c: c.get(Widget, NamespacedName("default", "")), id="get without a name"),
        pytest.param(lambda c: c.delete(Widget, NamespacedName("default", "")), id="delete without a name"),
        pytest.param(lambda c: c.delete(Widget), id="delete without a key"),
        pytest.param(lambda c: c.get(Widget, NamespacedName("", "a")), id="no namespace"),
        pytest.param(lambda c: c.get(Widget, NamespacedName("default", "..")), id="parent directory"),
        pytest.param(lambda c: c.get(Widget, NamespacedName("default", "../secrets/a")), id="another resource"),
        pytest.param(lambda c: c.get(Widget, NamespacedName("default/x", "a")), id="slash in the namespace"),
        pytest.param(lambda c: c.get(Widget, NamespacedName("default", "a%2fb")), id="escaped slash"),
        pytest.param(lambda c: c.apply(Widget, KEY, {}), id="apply without an owner"),
    ],
)
async def test_requests_that_would_address_something_else_are_refused(call: Call) -> None:
    transport = FakeTransport()
    with pytest.raises(InvalidRequestError):
        await call(Client(transport))
    assert transport.requests == []


async def test_names_are_escaped() -> None:
    request = await sent_by(lambda c: c.get(Widget, NamespacedName("default", "a?b#c d")))
    assert request.path == f"{PATH}/a%3Fb%23c%20d"


@pytest.mark.parametrize(
    "body",
    [
        pytest.param({"spec": {"size": 3}}, id="map"),
        pytest.param(Widget(spec=WidgetSpec(size=3)), id="object"),
        pytest.param({"kind": "Other", "spec": {"size": 3}, "metadata": {"name": "b", "labels": {}}}, id="misnamed"),
    ],
)
async def test_apply_writes_the_identity_into_the_body(body: Any) -> None:
    request = await sent_by(lambda c: c.apply(Widget, KEY, body), field_owner="me")
    sent = json.loads(request.body or b"")
    assert (sent["apiVersion"], sent["kind"], sent["spec"]) == ("example.com/v1", "Widget", {"size": 3})
    assert (sent["metadata"]["name"], sent["metadata"]["namespace"]) == ("a", "default")


async def test_apply_leaves_the_callers_map_alone() -> None:
    body: dict[str, Any] = {"metadata": {"labels": {"a": "b"}}}
    await sent_by(lambda c: c.apply(Widget, KEY, body), field_owner="me")
    assert body == {"metadata": {"labels": {"a": "b"}}}


async def test_a_call_names_another_field_owner_than_the_client() -> None:
    default = await sent_by(lambda c: c.patch(Widget, KEY, {}), field_owner="mine")
    other = await sent_by(lambda c: c.patch(Widget, KEY, {}, field_owner="other"), field_owner="mine")
    assert (default.query["fieldManager"], other.query["fieldManager"]) == ("mine", "other")


async def test_writes_carry_the_fence_and_reads_do_not() -> None:
    transport = FakeTransport(lambda request: response(200, widget()))
    client = Client(transport, fence=lambda: 5.0)
    await client.get(Widget, KEY)
    await client.list(Widget)
    for write in (client.create(OBJECT), client.update(OBJECT), client.patch(Widget, KEY, {})):
        await write
    await client.apply(Widget, KEY, {}, field_owner="me")
    await client.delete(OBJECT)
    await client.unfenced().update(OBJECT)
    fenced = [(request.method, request.fence is not None) for request in transport.requests]
    assert fenced == [
        ("GET", False),
        ("GET", False),
        ("POST", True),
        ("PUT", True),
        ("PATCH", True),
        ("PATCH", True),
        ("DELETE", True),
        ("PUT", False),
    ]


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        pytest.param(failure(404, "NotFound"), NotFoundError, id="not found"),
        pytest.param(failure(409, "Conflict"), ConflictError, id="conflict"),
        pytest.param(response(200, b"{"), InvalidResponseError, id="no JSON"),
        pytest.param(response(200, {"spec": {"size": "large"}}), InvalidResponseError, id="wrong type"),
    ],
)
async def test_failures_are_errors_of_the_tree(answer: ApiResponse, expected: type[Exception]) -> None:
    with pytest.raises(expected, match=r"cannot get widgets\.example\.com default/a: "):
        await Client(FakeTransport(lambda request: answer)).get(Widget, KEY)


async def test_a_list_with_a_malformed_envelope_is_an_invalid_response() -> None:
    with pytest.raises(InvalidResponseError, match=r"cannot list widgets\.example\.com: "):
        await Client(answering(b"<html>")).list(Widget)


async def test_null_is_absent() -> None:
    got = await Client(answering(widget(spec=None))).get(Widget, KEY)
    assert got.spec == WidgetSpec()


async def test_a_warning_of_the_server_is_logged_once() -> None:
    warning = '299 - "example.com/v1 Widget is deprecated"'
    client = Client(FakeTransport(lambda request: response(200, widget(), warning=warning)))
    with capture_logs() as logs:
        await client.get(Widget, KEY)
        await client.get(Widget, KEY)
    assert [line["warning"] for line in logs] == [warning]


async def test_watch_asks_for_what_it_is_told() -> None:
    transport = FakeTransport()
    async with Client(transport).watch(
        Widget,
        namespace="default",
        resource_version="5",
        label_selector="a=b",
        field_selector="metadata.name=x",
        timeout_seconds=300,
        send_initial_events=True,
    ):
        pass
    [request] = transport.requests
    assert (request.method, request.path) == ("GET", PATH)
    assert request.query == {
        "watch": "true",
        "resourceVersion": "5",
        "labelSelector": "a=b",
        "fieldSelector": "metadata.name=x",
        "timeoutSeconds": "300",
        "allowWatchBookmarks": "true",
        "sendInitialEvents": "true",
        "resourceVersionMatch": "NotOlderThan",
    }


@pytest.mark.parametrize(
    ("options", "silence"),
    [
        pytest.param({}, 150, id="bookmarks prove life"),
        pytest.param({"allow_bookmarks": False}, 330, id="without bookmarks the watch may be silent to its end"),
        pytest.param({"read_timeout": 7}, 7, id="chosen"),
    ],
)
async def test_a_watch_bounds_silence_and_not_its_length(options: dict[str, Any], silence: float) -> None:
    transport = FakeTransport()
    async with Client(transport).watch(Widget, timeout_seconds=300, **options):
        pass
    assert (transport.requests[0].timeout, transport.requests[0].read_timeout) == (None, silence)


async def test_watch_yields_events_until_the_stream_ends() -> None:
    frames = [json.dumps({"type": kind, "object": widget(kind)}).encode() + b"\n" for kind in ("ADDED", "ERROR")]
    async with Client(FakeTransport(chunks=frames)).watch(Widget, timeout_seconds=300) as events:
        seen = [(event.type, json.loads(bytes(event.raw))["metadata"]["name"]) async for event in events]
    assert seen == [("ADDED", "ADDED"), ("ERROR", "ERROR")]


async def test_a_refused_watch_is_an_error_before_the_first_event() -> None:
    body = failure(410, "Expired", "too old").body
    transport = FakeTransport(chunks=[body[:10], body[10:]], stream_status=410)
    with pytest.raises(GoneError, match=r"cannot watch widgets\.example\.com: too old"):
        async with Client(transport).watch(Widget, timeout_seconds=300):
            pytest.fail("the watch was entered")


async def test_a_refusal_that_breaks_off_is_the_refusal_all_the_same() -> None:
    def breaking() -> Iterator[bytes]:
        yield failure(410, "Expired", "too old").body[:10]
        raise ConnectionLostError("reset")

    transport = FakeTransport(chunks=breaking(), stream_status=410)
    with pytest.raises(GoneError):
        async with Client(transport).watch(Widget, timeout_seconds=300):
            pytest.fail("the watch was entered")
