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
    Scale,
    ScaleSpec,
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
            lambda c: c.status.update(OBJECT), "PUT", f"{PATH}/a/status", {}, "application/json", id="update status"
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
            lambda c: c.status.patch(Widget, KEY, {"status": {}}),
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
            lambda c: c.status.apply(Widget, KEY, {}, field_owner="me"),
            "PATCH",
            f"{PATH}/a/status",
            {"fieldManager": "me"},
            "application/apply-patch+yaml",
            id="apply status",
        ),
        pytest.param(lambda c: c.status.get(Widget, KEY), "GET", f"{PATH}/a/status", {}, None, id="get status"),
        pytest.param(
            lambda c: c.subresource("scale").get(Widget, KEY, Scale), "GET", f"{PATH}/a/scale", {}, None, id="get scale"
        ),
        pytest.param(
            lambda c: c.subresource("eviction").create(Widget, KEY, Scale(), dry_run=True),
            "POST",
            f"{PATH}/a/eviction",
            {"dryRun": "All"},
            "application/json",
            id="create a subresource",
        ),
        pytest.param(
            lambda c: c.subresource("x").create(Node, NamespacedName("", "n1"), Scale()),
            "POST",
            "/api/v1/nodes/n1/x",
            {},
            "application/json",
            id="create a subresource of a cluster-scoped kind",
        ),
        pytest.param(
            lambda c: c.subresource("scale").update(Widget, KEY, Scale(), field_owner="me", field_validation="Strict"),
            "PUT",
            f"{PATH}/a/scale",
            {"fieldManager": "me", "fieldValidation": "Strict"},
            "application/json",
            id="update scale",
        ),
        pytest.param(
            lambda c: c.subresource("scale").patch(Widget, KEY, [], Scale, patch_type=PatchType.JSON),
            "PATCH",
            f"{PATH}/a/scale",
            {},
            "application/json-patch+json",
            id="patch scale",
        ),
        pytest.param(
            lambda c: c.subresource("scale").apply(Widget, KEY, {}, Scale, field_owner="me", force=True, dry_run=True),
            "PATCH",
            f"{PATH}/a/scale",
            {"fieldManager": "me", "force": "true", "dryRun": "All"},
            "application/apply-patch+yaml",
            id="apply scale",
        ),
        pytest.param(
            lambda c: c.delete_all_of(Widget, namespace="default", label_selector="a=b", field_selector="x=y"),
            "DELETE",
            PATH,
            {"labelSelector": "a=b", "fieldSelector": "x=y"},
            None,
            id="delete all",
        ),
        pytest.param(
            lambda c: c.delete_all_of(Node, everything=True),
            "DELETE",
            "/api/v1/nodes",
            {},
            None,
            id="delete all of a cluster",
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


async def test_a_collections_delete_options_are_sent_in_the_body() -> None:
    request = await sent_by(
        lambda c: c.delete_all_of(
            Widget,
            namespace="default",
            propagation_policy="Orphan",
            grace_period_seconds=3,
            dry_run=True,
            everything=True,
        )
    )
    assert json.loads(request.body or b"") == {
        "propagationPolicy": "Orphan",
        "gracePeriodSeconds": 3,
        "dryRun": ["All"],
    }


async def test_a_body_of_another_type_carries_its_own_identity_and_so_does_its_answer() -> None:
    transport = answering({"apiVersion": "autoscaling/v1", "kind": "Scale", "spec": {"replicas": 4}})
    scale = Client(transport, field_owner="me").subresource("scale")
    body = Scale(metadata=OBJECT.metadata, spec=ScaleSpec(replicas=3))
    answers = [
        await scale.get(Widget, KEY, Scale),
        await scale.create(Widget, KEY, body),
        await scale.update(Widget, KEY, body),
        await scale.patch(Widget, KEY, {}, Scale),
        await scale.apply(Widget, KEY, body, Scale),
    ]
    assert [answer.spec.replicas for answer in answers] == [4] * 5
    sent = [json.loads(request.body) for request in transport.requests if request.body]
    assert [(doc.get("apiVersion"), doc.get("kind")) for doc in sent] == [
        ("autoscaling/v1", "Scale"),
        ("autoscaling/v1", "Scale"),
        (None, None),
        ("autoscaling/v1", "Scale"),
    ]


@pytest.mark.parametrize(
    "write",
    [
        pytest.param(lambda c, body: c.subresource("scale").create(Widget, KEY, body), id="create"),
        pytest.param(lambda c, body: c.subresource("scale").update(Widget, KEY, body), id="update"),
    ],
)
async def test_a_body_without_a_name_gets_the_objects(write: Callable[[Client, Scale], Awaitable[Any]]) -> None:
    unnamed = await sent_by(lambda c: write(c, Scale(metadata=ObjectMeta(resource_version="4"))))
    assert json.loads(unnamed.body or b"")["metadata"] == {"name": "a", "namespace": "default", "resourceVersion": "4"}
    named = await sent_by(lambda c: write(c, Scale(metadata=ObjectMeta(name="b", namespace="x"))))
    assert json.loads(named.body or b"")["metadata"] == {"name": "b", "namespace": "x"}


ALL_WRITES: list[Call] = [
    lambda c: c.create(OBJECT),
    lambda c: c.update(OBJECT),
    lambda c: c.patch(Widget, KEY, {}),
    lambda c: c.apply(Widget, KEY, {}, field_owner="me"),
    lambda c: c.delete(OBJECT),
    lambda c: c.delete(Widget, KEY),
    lambda c: c.delete_all_of(Widget, namespace="default", everything=True),
    lambda c: c.status.update(OBJECT),
    lambda c: c.status.patch(Widget, KEY, {}),
    lambda c: c.status.apply(Widget, KEY, {}, field_owner="me"),
    lambda c: c.subresource("scale").create(Widget, KEY, Scale()),
    lambda c: c.subresource("scale").update(Widget, KEY, Scale()),
]


async def test_each_write_of_a_client_of_dry_runs_is_one() -> None:
    for write in ALL_WRITES:
        request = await sent_by(write, dry_run=True)
        in_body = request.method == "DELETE" and json.loads(request.body or b"{}").get("dryRun") == ["All"]
        assert in_body or request.query.get("dryRun") == "All"


async def test_a_clients_field_validation_is_that_of_writes_that_apply_does_not_make() -> None:
    requests = [await sent_by(write, field_validation="Strict") for write in ALL_WRITES]
    validated = {request.method + request.content_type for request in requests if "fieldValidation" in request.query}
    assert validated == {"POSTapplication/json", "PUTapplication/json", "PATCHapplication/merge-patch+json"}
    own = await sent_by(lambda c: c.update(OBJECT, field_validation="Ignore"), field_validation="Strict")
    assert own.query["fieldValidation"] == "Ignore"


NAMELESS = NamespacedName("", "a")


@pytest.mark.parametrize(
    "call",
    [
        pytest.param(lambda c: c.get(Widget, NAMELESS), id="get"),
        pytest.param(lambda c: c.list(Widget), id="list"),
        pytest.param(lambda c: c.create(Widget(metadata=ObjectMeta(name="a"))), id="create"),
        pytest.param(lambda c: c.update(Widget(metadata=ObjectMeta(name="a"))), id="update"),
        pytest.param(lambda c: c.patch(Widget, NAMELESS, {}), id="patch"),
        pytest.param(lambda c: c.apply(Widget, NAMELESS, {}, field_owner="me"), id="apply"),
        pytest.param(lambda c: c.delete(Widget, NAMELESS), id="delete"),
        pytest.param(lambda c: c.delete_all_of(Widget, everything=True), id="delete all"),
        pytest.param(lambda c: c.status.patch(Widget, NAMELESS, {}), id="status"),
        pytest.param(lambda c: c.get(Widget, KEY), id="named all the same"),
    ],
)
async def test_a_client_bound_to_a_namespace_goes_nowhere_else(call: Call) -> None:
    request = await sent_by(call, namespace="default")
    assert request.path.startswith(PATH)


@pytest.mark.parametrize(
    "call",
    [
        pytest.param(lambda client, key: client.get(Widget, key), id="get"),
        pytest.param(lambda client, key: client.patch(Widget, key, {}), id="patch"),
        pytest.param(lambda client, key: client.apply(Widget, key, {}, field_owner="me"), id="apply"),
        pytest.param(lambda client, key: client.delete(Widget, key), id="delete"),
        pytest.param(lambda client, key: client.status.patch(Widget, key, {}), id="status"),
    ],
)
async def test_a_key_that_is_none_is_not_asked_for(call: Callable[[Client, Any], Awaitable[Any]]) -> None:
    transport = answering(widget())
    with pytest.raises(InvalidRequestError, match="the key must be a NamespacedName, not 'default/a'"):
        await call(Client(transport), "default/a")
    assert not transport.requests


async def test_a_watch_of_a_bound_client_is_in_its_namespace() -> None:
    transport = FakeTransport()
    async with Client(transport, namespace="default").watch(Widget, timeout_seconds=300):
        pass
    assert transport.requests[0].path == PATH


async def test_a_bound_client_refuses_another_namespace_and_leaves_cluster_scoped_kinds_alone() -> None:
    transport = FakeTransport(lambda request: response(200, widget()))
    client = Client(transport, namespace="mine")
    for call in ALL_WRITES:
        with pytest.raises(InvalidRequestError, match="in namespace default: the client is bound to mine"):
            await call(client)
    assert transport.requests == []
    await client.get(Node, NamespacedName("", "n1"))
    assert transport.requests[0].path == "/api/v1/nodes/n1"


async def test_unfenced_changes_nothing_but_the_fence() -> None:
    options: dict[str, Any] = {
        "field_owner": "me",
        "field_validation": "Strict",
        "dry_run": True,
        "namespace": "default",
        "timeout": 7.0,
        "express": True,
        "user_agent_suffix": "us",
    }
    plain = await sent_by(lambda c: c.patch(Widget, NAMELESS, {}), **options)
    unfenced = await sent_by(lambda c: c.unfenced().patch(Widget, NAMELESS, {}), fence=lambda: 5.0, **options)
    assert unfenced == plain
    assert (plain.express, plain.timeout, plain.user_agent_suffix) == (True, 7.0, "us")


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
        pytest.param(lambda c: c.status.update(PartialWidget(metadata=OBJECT.metadata)), id="update status"),
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
        pytest.param(lambda c: c.delete_all_of(Widget, everything=True), id="delete all in all namespaces"),
        pytest.param(lambda c: c.delete_all_of(Widget, namespace="default"), id="delete all by mistake"),
        pytest.param(lambda c: c.status.update(Widget), id="update of a kind without a key"),
        pytest.param(lambda c: c.subresource("scale").update(Widget, KEY), id="update without a body"),
        pytest.param(
            lambda c: c.subresource("x").create(Widget, NamespacedName("default", ""), Scale()), id="of no one"
        ),
        pytest.param(lambda c: c.patch(Widget, KEY, {}, patch_type=PatchType.APPLY), id="apply as a patch"),
        pytest.param(lambda c: c.status.apply(Widget, KEY, {}), id="apply of a status without an owner"),
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
