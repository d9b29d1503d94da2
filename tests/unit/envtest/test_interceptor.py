"""Faults at the seam, on virtual time, with the embedded server behind it."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from controller_runtime.api.core_v1 import Secret
from controller_runtime.apimachinery import NamespacedName
from controller_runtime.cache import Informer
from controller_runtime.client import (
    AlreadyExistsError,
    ApiError,
    ApiResponse,
    ApiStream,
    Client,
    ConflictError,
    ConnectError,
    ConnectionLostError,
    GoneError,
    InvalidResponseError,
    LeadershipLostError,
    NotFoundError,
    RequestTimeoutError,
    ServerTimeoutError,
    TooManyRequestsError,
    WatchEvent,
)
from controller_runtime.envtest.calls import ANY, Call
from controller_runtime.envtest.effects import OpenStream, Proceed
from controller_runtime.envtest.faults import (
    BAD_GATEWAY,
    EXPIRED,
    NOT_SERVED,
    TOO_LARGE_RESOURCE_VERSION,
    Failure,
)
from controller_runtime.envtest.in_memory import InMemoryAPI
from controller_runtime.envtest.interceptor import Interceptor
from tests.unit.envtest.gadgets import LAB, PATH, A, Gadget, gadget, get, now, put, running, settle, watch

pytestmark = pytest.mark.looptime


@pytest.fixture
def api() -> InMemoryAPI:
    return InMemoryAPI(Gadget, namespaces=[LAB])


@pytest.fixture
def network(api: InMemoryAPI) -> Interceptor:
    return Interceptor(api.transport(), chance=random.Random(7))


@pytest.fixture
def client(network: Interceptor) -> Client:
    return Client(network, field_owner="tests", timeout=30)


async def events(client: Client, version: str = "") -> list[WatchEvent]:
    """All events of a watch that ends by itself."""
    async with client.watch(Gadget, resource_version=version, timeout_seconds=100, allow_bookmarks=False) as stream:
        return [event async for event in stream]


# What a call is


@pytest.mark.parametrize(
    ("call", "expected"),
    [
        pytest.param(lambda c: c.get(Gadget, A), "get gadgets.example.com lab/a", id="get"),
        pytest.param(lambda c: c.list(Gadget, namespace=LAB), "list gadgets.example.com lab", id="list"),
        pytest.param(lambda c: c.list(Gadget), "list gadgets.example.com", id="list all"),
        pytest.param(lambda c: c.create(gadget("b")), "create gadgets.example.com lab/b", id="create"),
        pytest.param(
            lambda c: c.patch(Gadget, A, {"spec": {"size": 3}}), "patch gadgets.example.com lab/a", id="patch"
        ),
        pytest.param(
            lambda c: c.apply(Gadget, A, {"spec": {"size": 3}}), "apply gadgets.example.com lab/a", id="apply"
        ),
        pytest.param(lambda c: c.delete(Gadget, A), "delete gadgets.example.com lab/a", id="delete"),
        pytest.param(
            lambda c: c.status.patch(Gadget, A, {"status": {}}), "patch gadgets.example.com/status lab/a", id="status"
        ),
        pytest.param(lambda c: events(c), "watch gadgets.example.com", id="watch"),
        pytest.param(lambda c: c.list(Secret), "list secrets", id="core group"),
    ],
)
async def test_calls_are_written_down_in_the_words_of_rbac(
    api: InMemoryAPI, network: Interceptor, client: Client, call: Callable[[Client], Any], expected: str
) -> None:
    api.create(Gadget, "a", LAB)
    await asyncio.sleep(5)
    await call(client)
    assert [(str(call), call.time) for call in network.calls] == [(expected, 5)]


@pytest.mark.parametrize(
    ("request_", "expected"),
    [
        pytest.param(get("/version"), "get /version", id="no resource"),
        pytest.param(replace(get(PATH), method="DELETE"), "deletecollection gadgets.example.com lab", id="collection"),
        pytest.param(
            replace(put(), method="POST", path=PATH, body=b"\x00"), "create gadgets.example.com lab", id="body"
        ),
        pytest.param(get("/api/v1/namespaces/lab"), "get namespaces lab", id="namespace"),
        pytest.param(get("/api/v1/watch/secrets"), "watch secrets", id="old watch"),
    ],
)
async def test_so_are_requests_that_no_client_makes(network: Interceptor, request_: Any, expected: str) -> None:
    await network.send(replace(request_, query={"timeoutSeconds": "1"}))
    assert [str(call) for call in network.calls] == [expected]


@pytest.mark.parametrize(
    ("only", "expected"),
    [
        pytest.param({}, 4, id="all"),
        pytest.param({"kind": Gadget}, 3, id="class"),
        pytest.param({"kind": "gadgets"}, 3, id="plural"),
        pytest.param({"kind": "gadgets.example.com"}, 3, id="plural and group"),
        pytest.param({"kind": "gadgets.example.org"}, 0, id="another group"),
        pytest.param({"namespace": LAB}, 3, id="namespace"),
        pytest.param({"namespace": ""}, 1, id="without a namespace"),
        pytest.param({"name": "a"}, 2, id="name"),
        pytest.param({"name": "", "kind": Gadget}, 1, id="collections"),
        pytest.param({"subresource": "status"}, 1, id="subresource"),
        pytest.param({"subresource": "", "name": "a"}, 1, id="the object itself"),
        pytest.param({"where": lambda call: call.verb == "list"}, 2, id="function"),
    ],
)
async def test_a_rule_is_narrowed(
    api: InMemoryAPI, network: Interceptor, client: Client, only: Any, expected: int
) -> None:
    api.create(Gadget, "a", LAB)
    rule = network.delay(ANY, 1, **only)
    await client.get(Gadget, A)
    await client.list(Gadget, namespace=LAB)
    await client.status.patch(Gadget, A, {"status": {}})
    await client.list(Secret)
    assert (rule.hits, now()) == (expected, expected)
    assert len(network.requested(**only)) == expected


@pytest.mark.parametrize("use", [lambda n: n.fail("udpate", 500), lambda n: n.requested(["get", "udpate"])])
async def test_a_verb_that_is_none_is_refused(network: Interceptor, use: Callable[[Interceptor], object]) -> None:
    with pytest.raises(ValueError, match="udpate: no such verb; take one of apply, create"):
        use(network)


@pytest.mark.parametrize(
    "use",
    [
        pytest.param(lambda network: network.fail("get", 500, kinds=Gadget), id="rule"),
        pytest.param(lambda network: network.requested(kinds=Gadget), id="requests"),
        pytest.param(lambda network: network.break_watches(kinds=Gadget), id="open-watches"),
        pytest.param(lambda network: network.requested(kinds=Gadget, times=1), id="limit-of-rules-alone"),
    ],
)
async def test_a_limit_that_is_none_is_refused(network: Interceptor, use: Callable[[Any], object]) -> None:
    with pytest.raises(TypeError, match=r"kinds.*: no such limit; take one of kind, namespace, name,"):
        use(network)


async def test_a_probability_needs_random_numbers(api: InMemoryAPI) -> None:
    with pytest.raises(ValueError, match=r"chance=random.Random\(seed\)"):
        Interceptor(api.transport()).fail(ANY, 500, probability=0.5)


async def test_the_same_random_numbers_fail_the_same_calls(api: InMemoryAPI) -> None:
    async def outcomes(seed: int) -> list[bool]:
        network = Interceptor(api.transport(), chance=random.Random(seed))
        network.fail("list", 500, probability=0.3)
        return [(await network.send(get(PATH))).status == 500 for _ in range(100)]

    first = await outcomes(7)
    assert await outcomes(7) == first != await outcomes(8)
    assert 20 <= sum(first) <= 40


# Failures


@pytest.mark.parametrize(
    ("failure", "expected", "text"),
    [
        pytest.param(409, ConflictError, "409 Conflict, as the test has planned", id="409"),
        pytest.param(410, GoneError, "410 Expired", id="410"),
        pytest.param(429, TooManyRequestsError, "429 TooManyRequests", id="429"),
        pytest.param(418, ApiError, "418", id="a code without a reason"),
        pytest.param(EXPIRED, GoneError, "too old", id="expired"),
        pytest.param(TOO_LARGE_RESOURCE_VERSION, ServerTimeoutError, "Too large resource version", id="too large"),
        pytest.param(NOT_SERVED, NotFoundError, "does not serve gadgets of example.com/v1", id="not served"),
        pytest.param(BAD_GATEWAY, ApiError, "502", id="no API server"),
        pytest.param(Failure(500, "InternalError", "etcd is slow"), ApiError, "etcd is slow", id="of one's own"),
        pytest.param(ConnectError("no route"), ConnectError, "no route", id="an error"),
    ],
)
async def test_a_call_fails_as_planned_and_the_server_is_not_asked(
    api: InMemoryAPI, network: Interceptor, client: Client, failure: Any, expected: type[Exception], text: str
) -> None:
    api.create(Gadget, "a", LAB)
    before = api.revision
    rule = network.fail("patch", failure, kind=Gadget, times=2)
    for _ in range(2):
        with pytest.raises(expected, match=text):
            await client.patch(Gadget, A, {"spec": {"size": 2}})
    assert (api.revision, rule.hits) == (before, 2)
    await client.patch(Gadget, A, {"spec": {"size": 2}})
    assert now() == 0


async def test_a_conflict_of_a_create_is_that_the_name_is_taken(network: Interceptor, client: Client) -> None:
    network.fail("create", 409, name="a")
    with pytest.raises(AlreadyExistsError):
        await client.create(gadget("a"))
    await client.create(gadget("b"))


async def test_a_cause_is_in_the_details(network: Interceptor, client: Client) -> None:
    network.fail("list", TOO_LARGE_RESOURCE_VERSION)
    with pytest.raises(ServerTimeoutError) as raised:
        await client.list(Gadget)
    assert raised.value.has_cause("ResourceVersionTooLarge")


async def test_rules_that_answer_once_answer_one_after_the_other(network: Interceptor) -> None:
    for code in (500, 403):
        network.fail("list", code, times=1)
    assert [(await network.send(get(PATH))).status for _ in range(3)] == [500, 403, 200]


async def test_a_rule_lasts_for_its_block(network: Interceptor) -> None:
    with network.fail(ANY, 403) as rule:
        assert (await network.send(get(PATH))).status == 403
    assert (await network.send(get(PATH))).status == 200
    rule.remove()
    assert rule.hits == 1


async def test_all_rules_can_be_removed(network: Interceptor) -> None:
    network.fail(ANY, 403)
    network.hang(ANY)
    network.clear()
    assert (await network.send(get(PATH))).status == 200


# Retries, limits, the fence


async def test_a_refusal_with_a_time_is_retried_as_over_http(network: Interceptor, client: Client) -> None:
    network.fail("create", Failure(429, retry_after=3), times=2)
    await client.create(gadget())
    assert [call.time for call in network.requested("create")] == [0, 3, 6]


async def test_a_read_whose_connection_breaks_is_retried_once(
    api: InMemoryAPI, network: Interceptor, client: Client
) -> None:
    api.create(Gadget, "a", LAB)
    network.reset("get", times=3)
    with pytest.raises(ConnectionLostError):
        await client.get(Gadget, A)
    await client.get(Gadget, A)
    assert [call.time for call in network.calls] == [0, 1, 1, 2]


async def test_without_retries_the_caller_gets_what_comes(api: InMemoryAPI) -> None:
    network = Interceptor(api.transport(), retries=False)
    client = Client(network)
    network.fail("list", Failure(429, retry_after=3), times=1)
    with pytest.raises(TooManyRequestsError) as raised:
        await client.list(Gadget)
    assert raised.value.retry_after == 3
    network.reset("watch", times=1)
    with pytest.raises(ConnectionLostError):
        await events(client)
    assert now() == 0


async def test_what_the_other_transport_has_retried_is_not_retried_again(
    network: Interceptor, api: InMemoryAPI
) -> None:
    refused = Interceptor(Interceptor(api.transport()))
    inner = refused._transport
    assert isinstance(inner, Interceptor)
    inner.reset("get")
    with pytest.raises(ConnectionLostError):
        await refused.send(get())
    assert [len(each.calls) for each in (inner, refused)] == [2, 1]
    inner.clear()
    inner.fail("get", Failure(429, retry_after=1))
    assert (await refused.send(get())).status == 429
    assert [len(each.calls) for each in (inner, refused)] == [2 + 11, 2]
    inner.clear()
    inner.reset("watch")
    with pytest.raises(ConnectionLostError):
        async with refused.stream(watch()):
            pass
    assert [len(each.calls) for each in (inner, refused)] == [2 + 11 + 2, 3]


@pytest.mark.parametrize("fault", [lambda n: n.delay(ANY, 40), lambda n: n.hang(ANY)], ids=["delay", "hang"])
async def test_a_call_takes_no_longer_than_its_time(
    network: Interceptor, client: Client, fault: Callable[[Interceptor], object]
) -> None:
    fault(network)
    with pytest.raises(RequestTimeoutError, match="no answer within 30 s"):
        await client.get(Gadget, A)
    with pytest.raises(RequestTimeoutError):
        async with network.stream(watch(read_timeout=20)):
            pass
    with pytest.raises(RequestTimeoutError):
        async with network.stream(watch(timeout=10)):
            pass
    assert now() == 60


async def test_a_call_takes_no_longer_than_leadership(network: Interceptor) -> None:
    network.hang("update")
    with pytest.raises(RequestTimeoutError, match="while leadership lasted"):
        await network.send(put(fence=lambda: 8))
    assert now() == 8


async def test_a_write_that_was_held_up_past_leadership_is_not_carried_out(
    api: InMemoryAPI, network: Interceptor
) -> None:
    api.create(Gadget, "a", LAB)
    before = api.revision

    def fence() -> float:
        if now() >= 5:
            raise LeadershipLostError("no longer")
        return 5 - now()

    network.delay("patch", 5)
    with pytest.raises(LeadershipLostError):
        await Client(network, fence=fence).patch(Gadget, A, {"spec": {"size": 2}})
    assert api.revision == before


# Lost connections and broken answers


@pytest.mark.parametrize("carried_out", [True, False])
async def test_a_lost_connection_tells_nothing_of_the_write(
    api: InMemoryAPI, network: Interceptor, client: Client, carried_out: bool
) -> None:
    network.reset("create", carried_out=carried_out)
    with pytest.raises(ConnectionLostError):
        await client.create(gadget())
    assert bool(api.list(Gadget)) is carried_out


async def test_an_answer_may_be_cut_or_no_answer_at_all(network: Interceptor, client: Client) -> None:
    with network.truncate("list", 20), pytest.raises(InvalidResponseError):
        await client.list(Gadget)
    with network.garble("list"), pytest.raises(InvalidResponseError):
        await client.list(Gadget)


async def test_an_outage_refuses_and_breaks_everything(api: InMemoryAPI, network: Interceptor, client: Client) -> None:
    async with network.stream(watch({"timeoutSeconds": "100"})) as stream:
        with network.outage():
            with pytest.raises(ConnectionLostError):
                await anext(aiter(stream))
            with pytest.raises(ConnectError):
                await client.list(Gadget)
            with pytest.raises(ConnectError):
                await events(client)
    await client.list(Gadget)


@pytest.mark.parametrize("turns", range(8))
async def test_an_outage_breaks_a_watch_however_far_its_opening_is(api: InMemoryAPI, turns: int) -> None:
    network = Interceptor(api.transport(), retries=False)

    async def read() -> list[bytes]:
        async with network.stream(watch({"timeoutSeconds": "100"})) as stream:
            return [piece async for piece in stream]

    reading = asyncio.create_task(read())
    for _ in range(turns):
        await asyncio.sleep(0)
    with network.outage(), pytest.raises(ConnectError if turns == 0 else ConnectionLostError):
        await reading


async def test_a_watch_whose_opening_broke_is_opened_again_and_lasts(network: Interceptor) -> None:
    reading = asyncio.create_task(received(network, network.end_watches))
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    network.outage().remove()
    assert await reading == []
    assert [call.time for call in network.requested("watch")] == [0, 1]


# Hooks


async def test_a_hook_may_change_request_and_answer(api: InMemoryAPI, network: Interceptor, client: Client) -> None:
    api.create(Gadget, "a", LAB)

    async def hook(call: Call, proceed: Proceed) -> ApiResponse:
        answer = await proceed(replace(call.request, path=call.request.path.replace("other", "a")))
        return replace(answer, body=answer.body.replace(b'"a"', b'"other"'))

    network.on("get", hook, name="other")
    found = await client.get(Gadget, NamespacedName(LAB, "other"))
    assert found.metadata.name == "other"


async def test_hooks_stand_behind_each_other(network: Interceptor) -> None:
    notes: list[str] = []

    def noting(name: str) -> Any:
        async def hook(call: Call, proceed: Proceed) -> ApiResponse:
            notes.append(f"{name} {dict(call.request.query)}")
            return await proceed(replace(call.request, query={"limit": name}))

        return hook

    network.on(ANY, noting("1"))
    network.on(ANY, noting("2"))
    await network.send(get(PATH))
    assert notes == ["1 {}", "2 {'limit': '1'}"]


async def test_a_hook_of_requests_sees_no_watch(network: Interceptor, client: Client) -> None:
    async def hook(call: Call, proceed: Proceed) -> ApiResponse:
        raise AssertionError("called")

    rule = network.on(ANY, hook, where=lambda call: call.group == "example.com")
    await events(client)
    assert rule.hits == 0


async def test_a_hook_of_watches_may_change_what_is_asked_for(api: InMemoryAPI, network: Interceptor) -> None:
    async def without_bookmarks(call: Call, proceed: OpenStream) -> ApiStream:
        query = {name: value for name, value in call.request.query.items() if name != "allowWatchBookmarks"}
        return await proceed(replace(call.request, query=query))

    network.on_watch(without_bookmarks)
    asked = {"timeoutSeconds": "100", "allowWatchBookmarks": "true"}
    async with network.stream(watch(asked)) as stream:
        assert [piece async for piece in stream] == []


# Watches


async def test_a_watch_is_refused(network: Interceptor, client: Client) -> None:
    network.fail("watch", 403)
    with pytest.raises(ApiError, match="403"):
        await events(client)


async def test_a_watch_may_fail_after_it_was_opened(network: Interceptor, client: Client) -> None:
    network.fail("watch", 500, in_stream=True)
    (event,) = await events(client)
    assert event.type == "ERROR"
    assert event.error().code == 500


@pytest.mark.parametrize("in_stream", [True, False])
async def test_history_may_expire(api: InMemoryAPI, network: Interceptor, client: Client, in_stream: bool) -> None:
    for name in "ab":
        api.create(Gadget, name, LAB)
    first = await network.send(get(PATH, query={"limit": "1"}))
    rule = network.expire(in_stream=in_stream)
    assert (await network.send(get(PATH, query={"limit": "1", "continue": "x"}))).status == 410
    assert first.status == (await network.send(get(PATH))).status == 200
    assert [event.type for event in await events(client)] == ["ADDED", "ADDED"]
    async with network.stream(watch({"resourceVersion": "5"})) as stream:
        assert stream.status == (200 if in_stream else 410)
    assert rule.hits == 2


async def test_a_watch_may_be_cut_or_garbled(api: InMemoryAPI, network: Interceptor, client: Client) -> None:
    api.create(Gadget, "a", LAB)
    with network.truncate("watch", 30), pytest.raises(ConnectionLostError, match="within an event"):
        await events(client)
    with network.garble("watch"), pytest.raises(InvalidResponseError, match="Bad Gateway"):
        await events(client)
    with network.reset("watch", carried_out=True), pytest.raises(ConnectionLostError):
        await events(client)


async def test_a_cut_may_be_after_what_comes(api: InMemoryAPI, network: Interceptor, client: Client) -> None:
    api.create(Gadget, "a", LAB)
    network.truncate("watch", 10**6)
    assert len(await events(client)) == 1


async def received(network: Interceptor, act: Callable[[], int]) -> list[bytes]:
    """What an open watch of Gadgets brings while something happens."""
    async with network.stream(watch({"timeoutSeconds": "100"}, read_timeout=30)) as stream:
        asyncio.get_running_loop().call_later(10, act)
        return [piece async for piece in stream]


async def test_open_watches_break(network: Interceptor) -> None:
    with pytest.raises(ConnectionLostError, match=r"watch gadgets\.example\.com lab: connection reset"):
        await received(network, network.break_watches)
    assert now() == 10


async def test_open_watches_end(network: Interceptor) -> None:
    assert await received(network, network.end_watches) == []
    assert now() == 10


async def test_open_watches_fall_silent(api: InMemoryAPI, network: Interceptor) -> None:
    async with network.stream(watch({"timeoutSeconds": "100"}, read_timeout=30)) as stream:
        assert network.mute_watches() == 1
        api.create(Gadget, "a", LAB)
        network.break_watches()
        network.end_watches()
        with pytest.raises(RequestTimeoutError):
            await anext(aiter(stream))
    assert now() == 30


async def test_open_watches_expire(network: Interceptor) -> None:
    (piece,) = await received(network, network.expire_watches)
    assert b'"code":410,"reason":"Expired"' in piece


async def test_open_watches_get_what_a_test_makes_up(network: Interceptor) -> None:
    def act() -> int:
        network.send_event("ADDED", {"metadata": {"name": "x"}})
        network.send_bytes(b"<html>")
        return network.end_watches()

    expected = [b'{"type":"ADDED","object":{"metadata":{"name":"x"}}}\n', b"<html>"]
    assert await received(network, act) == expected


async def test_what_was_brought_comes_before_what_a_test_sends(api: InMemoryAPI, network: Interceptor) -> None:
    async with network.stream(watch({"timeoutSeconds": "100"})) as stream:
        pieces = aiter(stream)
        reading = asyncio.ensure_future(anext(pieces))
        await settle()
        api.create(Gadget, "a", LAB)
        await settle()
        network.send_bytes(b"sent")
        assert b"ADDED" in await reading
        assert await anext(pieces) == b"sent"


async def test_the_end_of_a_watch_stays_its_end(network: Interceptor) -> None:
    async with network.stream(watch({"timeoutSeconds": "1"})) as stream:
        assert [piece async for piece in stream] == []
        with pytest.raises(StopAsyncIteration):
            await anext(aiter(stream))


async def test_only_some_open_watches_are_meant(network: Interceptor) -> None:
    async with network.stream(watch()), network.stream(replace(watch(), path="/api/v1/secrets")):
        assert [str(call) for call in network.open_watches()] == ["watch gadgets.example.com lab", "watch secrets"]
        assert len(network.open_watches(kind=Gadget)) == 1
        assert network.break_watches(kind="secrets") == 1
        assert network.break_watches(kind="pods") == 0
    assert network.open_watches() == []


async def test_an_informer_lives_through_all_of_it(api: InMemoryAPI) -> None:
    """A reflector on a network that does everything wrong has what the server has, once that is over."""
    network = Interceptor(api.transport(), chance=random.Random(3))
    informer = Informer(Client(network), Gadget)
    network.fail("list", 500, probability=0.3)
    network.fail("watch", 429, probability=0.2)
    network.reset(["list", "watch"], probability=0.2)
    network.truncate("watch", 700, probability=0.3)
    network.garble(["list", "watch"], probability=0.2)
    network.expire(probability=0.3)
    network.hang("watch", probability=0.1)
    chance = random.Random(4)
    accidents: list[Callable[[], object]] = [network.break_watches, network.mute_watches, api.compact, int, int]
    async with running(informer.run):
        for _ in range(300):
            name = f"g{chance.randrange(20)}"
            if any(each["metadata"]["name"] == name for each in api.list(Gadget)):
                api.delete(Gadget, name, LAB)
            else:
                api.create(Gadget, name, LAB)
            chance.choice(accidents)()
            await asyncio.sleep(chance.choice([0, 0.1, 5]))
        network.clear()
        await asyncio.sleep(300)
        stored = {obj.metadata.name: obj.metadata.resource_version for obj in informer.store.list()}
    assert stored == {each["metadata"]["name"]: each["metadata"]["resourceVersion"] for each in api.list(Gadget)}
    assert len(network.requested("list")) > 10
