"""The proxy between real clients and a real server, embedded or not."""

from __future__ import annotations

import asyncio
import contextlib
import random
import socket
import ssl
import time
from collections.abc import AsyncIterator, Iterator
from typing import Any
from urllib.parse import urlsplit

import pytest

from controller_runtime.api.core_v1 import Secret
from controller_runtime.apimachinery import NamespacedName, ObjectMeta
from controller_runtime.client import (
    AiohttpTransport,
    ApiError,
    ApiRequest,
    Client,
    ConfigError,
    ConflictError,
    ConnectError,
    ConnectionLostError,
    ForbiddenError,
    GoneError,
    InternalError,
    NotFoundError,
    RequestTimeoutError,
    RestConfig,
    ServiceUnavailableError,
    TooManyRequestsError,
    load_config,
)
from controller_runtime.envtest import ControlPlane, ControlPlaneError, ControlPlaneOptions, KubectlError
from controller_runtime.envtest.fault_proxy import FaultProxy
from controller_runtime.envtest.faults import EXPIRED, Failure

pytestmark = pytest.mark.integration


@pytest.fixture(scope="module")
def control_plane() -> Iterator[ControlPlane]:
    """A control plane that these tests may kill."""
    with ControlPlane(ControlPlaneOptions(users={"visitor": []})) as plane:
        yield plane


@pytest.fixture
def proxy(control_plane: ControlPlane) -> Iterator[FaultProxy]:
    with FaultProxy(control_plane.kubeconfig, chance=random.Random(7)) as made:
        yield made


@pytest.fixture
async def transport(proxy: FaultProxy) -> AsyncIterator[AiohttpTransport]:
    made = AiohttpTransport(proxy.config)
    yield made
    await made.close()


@pytest.fixture
def client(transport: AiohttpTransport) -> Client:
    return Client(transport, field_owner="tests", timeout=20)


def secret(namespace: str, name: str, **data: bytes) -> Secret:
    return Secret(metadata=ObjectMeta(namespace=namespace, name=name), data=data)


@contextlib.asynccontextmanager
async def watching(client: Client, namespace: str, **options: Any) -> AsyncIterator[AsyncIterator[Any]]:
    async with client.watch(
        Secret, namespace=namespace, timeout_seconds=300, allow_bookmarks=False, **options
    ) as events:
        yield events


# Without faults


async def test_everything_goes_through_unchanged(proxy: FaultProxy, client: Client, kube_namespace: str) -> None:
    key = NamespacedName(kube_namespace, "a")
    created = await client.create(secret(kube_namespace, "a", x=b"1"))
    assert await client.get(Secret, key) == created
    await client.patch(Secret, key, {"metadata": {"labels": {"l": "1"}}})
    listed = await client.list(Secret, namespace=kube_namespace, label_selector="l=1")
    assert [each.key for each in listed.items] == [key]
    await client.delete(Secret, key)
    with pytest.raises(NotFoundError):
        await client.get(Secret, key)
    calls = [str(call) for call in proxy.requested(kind=Secret)]
    where = f"secrets {kube_namespace}"
    verbs = [f"{verb} {where}/a" for verb in ("create", "get", "patch")]
    assert calls == [*verbs, f"list {where}", f"delete {where}/a", f"get {where}/a"]


async def test_a_body_of_a_megabyte_goes_both_ways(client: Client, kube_namespace: str) -> None:
    content = random.Random(1).randbytes(700_000)
    await client.create(secret(kube_namespace, "big", x=content))
    assert (await client.get(Secret, NamespacedName(kube_namespace, "big"))).data["x"] == content


async def test_a_watch_comes_through_at_once(proxy: FaultProxy, client: Client, kube_namespace: str) -> None:
    async with watching(client, kube_namespace) as events, asyncio.timeout(20):
        for number in range(20):
            await client.create(secret(kube_namespace, f"s{number}"))
            event = await anext(events)
            assert event.type == "ADDED"
        (open_watch,) = proxy.open_watches()
        assert str(open_watch) == f"watch secrets {kube_namespace}"


async def test_thousands_of_requests_over_few_connections(proxy: FaultProxy, kube_namespace: str) -> None:
    transport = AiohttpTransport(proxy.config, connection_limit=8)
    client = Client(transport)
    try:
        for _ in range(20):
            await asyncio.gather(*(client.list(Secret, namespace=kube_namespace, limit=1) for _ in range(100)))
        assert len(proxy.calls) == 2000
        assert proxy.break_connections() == 8
    finally:
        await transport.close()


async def test_credentials_are_the_clients_own(
    control_plane: ControlPlane, proxy: FaultProxy, kube_namespace: str
) -> None:
    config = await load_config(str(proxy.redirect(control_plane.kubeconfig_for("visitor"))))
    assert config.host == proxy.url
    transport = AiohttpTransport(config)
    with pytest.raises(ForbiddenError, match='User "visitor"'):
        await Client(transport).list(Secret, namespace=kube_namespace)
    await transport.close()


@pytest.mark.parametrize("of_file", [pytest.param(True, id="of a file"), pytest.param(False, id="of a RestConfig")])
async def test_its_kubeconfig_leads_through_it(control_plane: ControlPlane, of_file: bool, kube_namespace: str) -> None:
    upstream = control_plane.kubeconfig if of_file else await load_config(str(control_plane.kubeconfig))
    with FaultProxy(upstream) as proxy:
        transport = AiohttpTransport(await load_config(str(proxy.kubeconfig)))
        await Client(transport).list(Secret, namespace=kube_namespace)
        await transport.close()
        assert proxy.kubeconfig.stat().st_mode & 0o777 == 0o600
        assert len(proxy.requested("list", namespace=kube_namespace)) == 1


@pytest.mark.kubectl
def test_kubectl_works_through_it(control_plane: ControlPlane, proxy: FaultProxy, kube_namespace: str) -> None:
    options = ("--kubeconfig", str(proxy.kubeconfig), "-n", kube_namespace)
    control_plane.kubectl(*options, "create", "secret", "generic", "a", "--from-literal=x=1")
    assert "secret/a" in control_plane.kubectl(*options, "get", "secrets", "-o", "name")
    with (
        proxy.fail("get", Failure(500, message="out of order"), kind=Secret),
        pytest.raises(KubectlError, match="out of order"),
    ):
        control_plane.kubectl(*options, "get", "secret", "a")
    control_plane.kubectl(*options, "delete", "secret", "a")


# Answers without asking the server


@pytest.mark.parametrize(
    ("failure", "expected"),
    [
        pytest.param(429, TooManyRequestsError, id="429"),
        pytest.param(500, InternalError, id="500"),
        pytest.param(Failure(503, "ServiceUnavailable", "not ready"), ServiceUnavailableError, id="503"),
        pytest.param(409, ConflictError, id="409"),
        pytest.param(Failure(502, text="<html>"), ApiError, id="no Status"),
    ],
)
async def test_it_answers_in_place_of_the_server(
    proxy: FaultProxy, client: Client, kube_namespace: str, failure: Any, expected: type[ApiError]
) -> None:
    key = NamespacedName(kube_namespace, "a")
    before = await client.create(secret(kube_namespace, "a"))
    rule = proxy.fail("patch", failure, kind=Secret, name="a", times=2)
    for _ in range(2):
        with pytest.raises(expected):
            await client.patch(Secret, key, {"metadata": {"labels": {"l": "1"}}})
    assert await client.get(Secret, key) == before
    await client.patch(Secret, key, {"metadata": {"labels": {"l": "1"}}})
    assert rule.hits == 2


async def test_a_server_that_asks_for_patience_is_asked_again(
    proxy: FaultProxy, client: Client, kube_namespace: str
) -> None:
    proxy.fail("create", Failure(429, retry_after=1), times=1)
    await client.create(secret(kube_namespace, "a"))
    first, second = (call.time for call in proxy.requested("create"))
    assert second - first >= 1


@pytest.mark.parametrize("in_stream", [True, False])
async def test_history_expires(
    proxy: FaultProxy, client: Client, transport: AiohttpTransport, kube_namespace: str, in_stream: bool
) -> None:
    for name in "ab":
        await client.create(secret(kube_namespace, name))
    page = await client.list(Secret, namespace=kube_namespace, limit=1)
    proxy.expire(in_stream=in_stream)
    path = Secret.resource.path(kube_namespace)
    rest = {"limit": "1", "continue": "token"}
    assert (await transport.send(ApiRequest(method="GET", path=path, query=rest))).status == 410
    with pytest.raises(GoneError):
        async with watching(client, kube_namespace, resource_version=page.resource_version) as events:
            raise (await anext(events)).error()
    await client.list(Secret, namespace=kube_namespace)


async def test_the_same_random_numbers_fail_the_same_calls(control_plane: ControlPlane, kube_namespace: str) -> None:
    async def outcomes() -> list[int]:
        with FaultProxy(control_plane.kubeconfig, chance=random.Random(3)) as proxy:
            proxy.fail("list", 403, probability=0.3)
            transport = AiohttpTransport(proxy.config)
            path = Secret.resource.path(kube_namespace)
            codes = [(await transport.send(ApiRequest(method="GET", path=path))).status for _ in range(50)]
            await transport.close()
            return codes

    first = await outcomes()
    assert first == await outcomes()
    assert 5 <= first.count(403) <= 25


# Connections


@pytest.mark.parametrize("carried_out", [True, False])
async def test_a_reset_tells_nothing_of_the_write(
    proxy: FaultProxy, client: Client, kube_namespace: str, carried_out: bool
) -> None:
    proxy.reset("create", carried_out=carried_out, times=1)
    with pytest.raises(ConnectionLostError):
        await client.create(secret(kube_namespace, "a"))
    assert bool((await client.list(Secret, namespace=kube_namespace)).items) is carried_out


async def test_a_watch_may_be_reset_once_it_was_begun(proxy: FaultProxy, client: Client, kube_namespace: str) -> None:
    proxy.reset("watch", carried_out=True, times=2)  # the transport tries a second time to open it
    with pytest.raises(ConnectionLostError):
        async with watching(client, kube_namespace):
            pass
    assert len(proxy.requested("watch")) == 2


async def test_calls_wait(proxy: FaultProxy, client: Client, kube_namespace: str) -> None:
    await client.list(Secret, namespace=kube_namespace)
    proxy.delay("list", 0.3, times=1)
    begun = time.monotonic()
    await client.list(Secret, namespace=kube_namespace)
    assert time.monotonic() - begun >= 0.3


@pytest.mark.parametrize("length", [0, 1, 200])
async def test_answers_are_cut(proxy: FaultProxy, client: Client, kube_namespace: str, length: int) -> None:
    await client.create(secret(kube_namespace, "a"))
    proxy.truncate("list", length, times=2)
    with pytest.raises(ConnectionLostError):
        await client.list(Secret, namespace=kube_namespace)
    proxy.truncate("list", 10_000_000)
    assert len((await client.list(Secret, namespace=kube_namespace)).items) == 1


async def test_watches_are_cut_within_an_event(proxy: FaultProxy, client: Client, kube_namespace: str) -> None:
    await client.create(secret(kube_namespace, "a"))
    proxy.truncate("watch", 30)
    with pytest.raises(ConnectionLostError):
        async with watching(client, kube_namespace) as events:
            await anext(events)


async def test_a_made_up_answer_may_be_cut_too(proxy: FaultProxy, client: Client, kube_namespace: str) -> None:
    proxy.truncate(["list", "watch"], 20)
    proxy.fail(["list", "watch"], EXPIRED, in_stream=True)
    with pytest.raises(ConnectionLostError):
        await client.list(Secret, namespace=kube_namespace)
    with pytest.raises(ConnectionLostError):
        async with watching(client, kube_namespace) as events:
            await anext(events)


async def test_a_swallowed_call_leaves_its_connection_open(
    proxy: FaultProxy, transport: AiohttpTransport, client: Client, kube_namespace: str
) -> None:
    rule = proxy.hang("create", times=1)
    hasty = Client(transport, timeout=0.3)
    with pytest.raises(RequestTimeoutError):
        await hasty.create(secret(kube_namespace, "a"))
    assert rule.hits == 1
    assert not (await client.list(Secret, namespace=kube_namespace)).items


async def test_open_watches_are_reset(proxy: FaultProxy, client: Client, kube_namespace: str) -> None:
    async with watching(client, kube_namespace) as events:
        await client.create(secret(kube_namespace, "a"))
        await anext(events)
        assert proxy.break_watches(namespace="another") == 0
        assert proxy.break_watches(kind=Secret) == 1
        with pytest.raises(ConnectionLostError):
            await anext(events)
    await client.list(Secret, namespace=kube_namespace)


async def test_open_watches_fall_silent(proxy: FaultProxy, client: Client, kube_namespace: str) -> None:
    async with watching(client, kube_namespace, read_timeout=1) as events:
        await client.create(secret(kube_namespace, "a"))
        await anext(events)
        assert proxy.mute_watches() == 1
        await client.create(secret(kube_namespace, "b"))
        with pytest.raises(RequestTimeoutError):
            await anext(events)


async def test_idle_connections_fall_silent(
    proxy: FaultProxy, transport: AiohttpTransport, client: Client, kube_namespace: str
) -> None:
    await client.list(Secret, namespace=kube_namespace)
    assert proxy.mute_connections() == 1
    with pytest.raises(RequestTimeoutError):
        await Client(transport, timeout=0.3).create(secret(kube_namespace, "a"))
    assert not (await client.list(Secret, namespace=kube_namespace)).items


async def test_an_outage_refuses_and_resets(proxy: FaultProxy, client: Client, kube_namespace: str) -> None:
    async with watching(client, kube_namespace) as events:
        with proxy.outage():
            with pytest.raises(ConnectionLostError):
                await anext(events)
            with pytest.raises(ConnectError):
                await client.list(Secret, namespace=kube_namespace)
    await client.list(Secret, namespace=kube_namespace)


async def test_a_server_that_dies_is_seen_to_die(
    control_plane: ControlPlane, proxy: FaultProxy, client: Client, kube_namespace: str
) -> None:
    """And is found again on the same port."""
    async with watching(client, kube_namespace) as events:
        await client.list(Secret, namespace=kube_namespace)
        await asyncio.to_thread(control_plane.kill_api_server)
        with pytest.raises(ConnectionLostError):
            await anext(events)
        with pytest.raises(ConnectionLostError):
            await client.create(secret(kube_namespace, "a"))
    await asyncio.to_thread(control_plane.start_api_server)
    await client.create(secret(kube_namespace, "a"))


def test_what_is_no_http_is_cut_off(proxy: FaultProxy) -> None:
    context = ssl.create_default_context(cafile=str(proxy.ca_file))
    host, port = urlsplit(proxy.url).hostname, urlsplit(proxy.url).port
    for garbage in (b"\r\n\r\n", b"x" * (2 << 20)):
        with (
            socket.create_connection((host, port), timeout=20) as plain,
            context.wrap_socket(plain, server_hostname=host) as tls,
        ):
            with contextlib.suppress(OSError):
                tls.sendall(garbage)
            with contextlib.suppress(OSError):
                assert tls.recv(1) == b""


def test_a_stopped_proxy_is_gone_and_may_be_started_again(control_plane: ControlPlane) -> None:
    proxy = FaultProxy(control_plane.kubeconfig)
    proxy.start()
    port = urlsplit(proxy.url).port
    with pytest.raises(ControlPlaneError, match="running already"):
        proxy.start()
    proxy.stop()
    proxy.stop()
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", port))
    with pytest.raises(ControlPlaneError, match=r"call start\(\) first"):
        _ = proxy.url
    with proxy:
        assert proxy.calls == []


async def test_another_proxy_on_the_way_is_refused() -> None:
    with pytest.raises(ConfigError, match="does not go through another one"):
        FaultProxy(RestConfig(host="https://127.0.0.1:1", proxy="http://127.0.0.1:2")).start()
