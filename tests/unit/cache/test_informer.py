"""What an informer says about itself: synced, settled, absent, failing, alive."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import Any

import pytest

from controller_runtime.cache import Informer, InformerOptions, ReflectorError
from controller_runtime.client import Client, ForbiddenError, NotFoundError
from controller_runtime.envtest.faults import Failure
from controller_runtime.envtest.in_memory import InMemoryAPI
from controller_runtime.envtest.interceptor import Interceptor
from controller_runtime.metrics import REGISTRY
from tests.unit.cache.faults import FORBIDDEN, NOT_SERVED, plan, send_failure
from tests.unit.cache.kinds import Gadget, Planet, size_spec
from tests.unit.cache.observers import Recorder, running, settle

pytestmark = pytest.mark.looptime


@pytest.fixture
def optional(client: Client) -> Informer[Gadget]:
    return Informer(client, Gadget, InformerOptions(optional=True))


def names(informer: Informer[Any]) -> set[str]:
    return {obj.metadata.name for obj in informer.store.list()}


def sample(metric: str, kind: str, selector: str = "") -> float | None:
    labels = {"kind": kind, "group": "example.com", "selector": selector}
    return REGISTRY.get_sample_value(f"controller_runtime_{metric}", labels)


async def test_an_informer_is_synced_after_a_list_even_an_empty_one(informer: Informer[Gadget]) -> None:
    assert (informer.has_synced, informer.has_settled) == (False, False)
    async with running(informer.run):
        await informer.wait_synced()
        assert (informer.has_synced, informer.has_settled) == (True, True)
        assert names(informer) == set()


async def test_an_informer_runs_once(informer: Informer[Gadget]) -> None:
    async with running(informer.run):
        await informer.wait_synced()
        with pytest.raises(RuntimeError, match="the informer of Gadget has been started before"):
            await informer.run()


# Errors


async def test_forbidden_names_the_rule_that_would_allow_it(net: Interceptor, informer: Informer[Gadget]) -> None:
    net.fail("list", FORBIDDEN, kind="gadgets")
    async with running(informer.run):
        await settle()
        error = informer.last_error
        assert isinstance(error, ReflectorError)
        assert isinstance(error.cause, ForbiddenError)
        assert str(error).startswith("cannot list gadgets.example.com: gadgets is forbidden: User ")
        assert str(error).endswith(
            "bind a ClusterRole to this service account that has the rule "
            '{apiGroups: ["example.com"], resources: ["gadgets"], verbs: [list, watch]}'
        )
        assert not informer.has_settled


async def test_forbidden_in_a_namespace_asks_for_a_role_there(net: Interceptor, client: Client) -> None:
    net.fail("list", FORBIDDEN, kind="gadgets")
    informer = Informer(client, Gadget, InformerOptions(namespaces=["lab"]))
    async with running(informer.run):
        await settle()
        assert "cannot list gadgets.example.com in namespace lab: " in str(informer.last_error)
        assert "bind a Role in namespace lab to this service account" in str(informer.last_error)


async def test_how_a_kind_is_installed_is_said_once(net: Interceptor, client: Client) -> None:
    command = "kubectl apply -f gadgets.yaml"
    kind = type("Known", (Gadget,), {"resource": replace(Gadget.resource, install=command)}, frozen=True, kw_only=True)
    net.fail("*", NOT_SERVED, kind="gadgets")
    informer: Informer[Any] = Informer(client, kind)
    async with running(informer.run):
        await settle()
        assert str(informer.last_error).count(command) == 1


async def test_a_missing_definition_is_named_and_keeps_a_required_kind_unsynced(
    server: InMemoryAPI, net: Interceptor, informer: Informer[Gadget]
) -> None:
    absence = net.fail("*", NOT_SERVED, kind="gadgets")
    async with running(informer.run):
        await asyncio.sleep(100)
        assert not informer.has_synced
        assert informer.last_error is not None
        assert isinstance(informer.last_error.cause, NotFoundError)
        assert "install its CustomResourceDefinition gadgets.example.com with version v1" in str(informer.last_error)
        absence.remove()
        server.create(Gadget, "a", "lab")
        await asyncio.sleep(60)
        assert names(informer) == {"a"}


async def test_a_failure_is_logged_once_however_often_it_is_met_and_so_is_its_end(
    net: Interceptor, informer: Informer[Gadget], logs: list[dict[str, Any]]
) -> None:
    refusal = net.fail("list", FORBIDDEN, kind="gadgets")
    async with running(informer.run):
        await asyncio.sleep(600)
        assert len(net.requested("list")) > 10
        refusal.remove()
        await asyncio.sleep(60)
    told = [(line["log_level"], line["event"]) for line in logs]
    assert told == [
        ("warning", "cannot follow the kind"),
        ("info", "following the kind again"),
        ("info", "informer synced"),
    ]
    assert "list, watch" in logs[0]["error"]
    assert logs[0]["exc_info"] is None


async def test_another_failure_in_between_is_logged_too_and_the_first_not_again(
    net: Interceptor, informer: Informer[Gadget], logs: list[dict[str, Any]]
) -> None:
    one, other = Failure(500, "InternalError", "one"), Failure(500, "InternalError", "other")
    plan(net, "list", one, other, one, other, one)
    async with running(informer.run):
        await informer.wait_synced()
    failures = [line["error"] for line in logs if line["event"] == "cannot follow the kind"]
    assert [": one (500" in error for error in failures] == [True, False]


async def test_a_server_that_fails_in_endless_ways_does_not_fill_the_log(
    net: Interceptor, informer: Informer[Gadget], logs: list[dict[str, Any]]
) -> None:
    plan(net, "list", *(Failure(500, "InternalError", f"request {number} failed") for number in range(300)))
    async with running(informer.run):
        await informer.wait_synced()
    assert sum(line["event"] == "cannot follow the kind" for line in logs) == 100


async def test_lists_that_work_do_not_hide_a_watch_that_does_not(
    net: Interceptor, informer: Informer[Gadget], logs: list[dict[str, Any]]
) -> None:
    refusal = net.fail("watch", FORBIDDEN, kind="gadgets")
    async with running(informer.run):
        await asyncio.sleep(300)
        assert len(net.requested("list")) > 3
        assert informer.has_synced
        assert "cannot watch gadgets.example.com" in str(informer.last_error)
        refusal.remove()
        await asyncio.sleep(62)
        assert informer.last_error is None
    assert sum(line["event"] == "cannot follow the kind" for line in logs) == 1


async def test_a_required_kind_whose_definition_goes_keeps_its_last_state_and_says_why(
    server: InMemoryAPI, net: Interceptor, informer: Informer[Gadget]
) -> None:
    recorder = Recorder()
    informer.add_handler(recorder)
    server.create(Gadget, "a", "lab")
    async with running(informer.run):
        await asyncio.sleep(5)
        net.fail("*", NOT_SERVED, kind="gadgets")
        net.end_watches()
        await asyncio.sleep(600)
        assert names(informer) == {"a"}
        assert "install its CustomResourceDefinition" in str(informer.last_error)
    assert recorder.calls == ["+a initial"]


# Optional kinds


async def test_an_optional_kind_that_is_not_served_counts_as_synced_and_without_objects(
    net: Interceptor, optional: Informer[Gadget], logs: list[dict[str, Any]]
) -> None:
    net.fail("*", NOT_SERVED, kind="gadgets")
    async with running(optional.run):
        await optional.wait_synced()
        assert optional.absent
        assert optional.last_error is None
        await asyncio.sleep(95)
    assert [round(call.time) for call in net.requested("list")] == list(range(0, 100, 10))
    assert [line["event"] for line in logs if "not served" in line["event"]] == [
        "the optional kind is not served; install its CustomResourceDefinition if it is wanted"
    ]


async def test_an_optional_kind_is_read_from_when_it_appears(
    server: InMemoryAPI, net: Interceptor, optional: Informer[Gadget]
) -> None:
    recorder = Recorder()
    optional.add_handler(recorder)
    absence = net.fail("*", NOT_SERVED, kind="gadgets")
    async with running(optional.run):
        await optional.wait_synced()
        absence.remove()
        server.create(Gadget, "a", "lab")
        await asyncio.sleep(11)
        assert not optional.absent
        server.create(Gadget, "b", "lab")
        await settle()
    assert recorder.calls == ["+a initial", "+b"]


async def test_an_optional_kind_that_goes_away_takes_its_objects_with_it(
    server: InMemoryAPI, net: Interceptor, optional: Informer[Gadget], logs: list[dict[str, Any]]
) -> None:
    recorder = Recorder()
    optional.add_handler(recorder)
    server.create(Gadget, "a", "lab")
    async with running(optional.run):
        await asyncio.sleep(5)
        absence = net.fail("*", NOT_SERVED, kind="gadgets")
        net.end_watches()
        await asyncio.sleep(5)
        assert names(optional) == set()
        assert optional.absent
        assert optional.has_synced
        absence.remove()
        await asyncio.sleep(10)
    assert recorder.calls == ["+a initial", "-a unknown", "+a initial"]
    assert not any(line["log_level"] == "warning" for line in logs)


async def test_a_forbidden_optional_kind_is_settled_but_neither_synced_nor_absent(
    net: Interceptor, optional: Informer[Gadget]
) -> None:
    net.fail("list", FORBIDDEN, kind="gadgets")
    async with running(optional.run):
        await optional.wait_settled()
        assert not optional.has_synced
        assert not optional.absent
        assert "verbs: [list, watch]" in str(optional.last_error)


async def test_an_optional_kind_is_not_settled_while_nobody_answers(
    net: Interceptor, optional: Informer[Gadget]
) -> None:
    net.outage()
    async with running(optional.run):
        await asyncio.sleep(300)
        assert not optional.has_settled


# Namespaces


async def test_namespaces_are_read_one_by_one_into_one_store(
    server: InMemoryAPI, net: Interceptor, client: Client
) -> None:
    for namespace in ("lab", "prod", "other"):
        server.create(Gadget, "a", namespace)
    informer = Informer(client, Gadget, InformerOptions(namespaces=["lab", "prod", "lab"]))
    recorder = Recorder()
    informer.add_handler(recorder)
    async with running(informer.run):
        await informer.wait_synced()
        await settle()
        server.create(Gadget, "b", "prod")
        server.create(Gadget, "b", "other")
        await settle()
        assert {str(obj.key) for obj in informer.store.list()} == {"lab/a", "prod/a", "prod/b"}
    paths = {call.request.path for call in net.calls}
    assert paths == {f"/apis/example.com/v1/namespaces/{namespace}/gadgets" for namespace in ("lab", "prod")}
    assert recorder.calls == ["+a initial", "+a initial", "+b"]


async def test_the_informer_is_synced_when_every_namespace_was_listed(net: Interceptor, client: Client) -> None:
    informer = Informer(client, Gadget, InformerOptions(namespaces=["lab", "prod"]))
    plan(net, "list", Failure(500, "InternalError", "not today"))
    async with running(informer.run):
        await settle()
        assert not informer.has_synced
        assert "in namespace lab" in str(informer.last_error)
        await informer.wait_synced()
        assert 0.8 <= asyncio.get_running_loop().time() < 1.6


async def test_a_cluster_scoped_kind_is_read_whole_whatever_the_namespaces(
    server: InMemoryAPI, net: Interceptor, client: Client
) -> None:
    server.create(Planet, "earth")
    informer = Informer(client, Planet, defaults=InformerOptions(namespaces=["lab"]))
    async with running(informer.run):
        await informer.wait_synced()
        assert names(informer) == {"earth"}
    assert {call.request.path for call in net.calls} == {"/apis/example.com/v1/planets"}


# Proof of life


async def test_contact_is_a_list_an_open_watch_an_event_or_a_bookmark(
    server: InMemoryAPI, net: Interceptor, informer: Informer[Gadget]
) -> None:
    async with running(informer.run):
        await informer.wait_synced()
        await asyncio.sleep(10)
        assert informer.last_contact == pytest.approx(0, abs=0.01)
        server.create(Gadget, "a", "lab")
        await asyncio.sleep(20)
        assert informer.last_contact == pytest.approx(10, abs=0.01)
        await asyncio.sleep(35)
        assert informer.last_contact == pytest.approx(60, abs=0.01)
        await asyncio.sleep(5)
        net.end_watches()
        await asyncio.sleep(5)
        assert informer.last_contact == pytest.approx(70, abs=0.01)


@pytest.mark.parametrize(
    "answer",
    [
        pytest.param(Failure(403, "Forbidden", "no"), id="403"),
        pytest.param(Failure(404, "NotFound", "no"), id="404 of a required kind"),
        pytest.param(Failure(500, "InternalError", "no"), id="500"),
    ],
)
@pytest.mark.parametrize("in_stream", [pytest.param(False, id="refused"), pytest.param(True, id="ERROR event")])
async def test_an_error_is_no_proof_that_the_copy_is_current(
    net: Interceptor, informer: Informer[Gadget], answer: Failure, in_stream: bool
) -> None:
    async with running(informer.run):
        await asyncio.sleep(10)
        plan(net, "watch", *[answer] * 9)
        plan(net, "list", *[answer] * 9)
        if in_stream:
            send_failure(net, answer)
        else:
            net.end_watches()
        await asyncio.sleep(20)
        assert informer.last_contact == pytest.approx(0, abs=0.01)


async def test_the_namespace_that_has_waited_longest_counts(server: InMemoryAPI, client: Client) -> None:
    informer = Informer(client, Gadget, InformerOptions(namespaces=["lab", "prod"]))
    async with running(informer.run):
        await asyncio.sleep(10)
        server.create(Gadget, "a", "lab")
        await asyncio.sleep(10)
        assert informer.last_contact == pytest.approx(0, abs=0.01)


# Metrics


async def test_metrics_follow_the_informer(server: InMemoryAPI, informer: Informer[Gadget]) -> None:
    server.create(Gadget, "a", "lab")
    server.create(Gadget, "b", "lab")
    async with running(informer.run):
        assert await _synced_gauge_at_start() == 0
        await informer.wait_synced()
        await settle()
        assert sample("informer_synced", "Gadget") == 1
        assert sample("cached_objects", "Gadget") == 2
        server.delete(Gadget, "a", "lab")
        await settle()
        assert sample("cached_objects", "Gadget") == 1
        server.create(Gadget, "c", "lab", spec=size_spec(1))
        await settle()
        assert sample("cached_objects", "Gadget") == 2
        assert (sample("informer_last_contact_timestamp_seconds", "Gadget") or 0) > 1.7e9


async def _synced_gauge_at_start() -> float | None:
    await asyncio.sleep(0)
    return sample("informer_synced", "Gadget")


async def test_the_contact_shown_is_that_of_the_namespace_that_has_waited_longest(
    server: InMemoryAPI, client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("time.time", lambda: 1.7e9 + asyncio.get_running_loop().time())
    informer = Informer(client, Gadget, InformerOptions(namespaces=["lab", "prod"]))
    async with running(informer.run):
        await asyncio.sleep(10)
        server.create(Gadget, "a", "lab")
        await settle()
        assert sample("informer_last_contact_timestamp_seconds", "Gadget") == pytest.approx(1.7e9, abs=0.1)
        await asyncio.sleep(5)
        server.create(Gadget, "b", "prod")
        await settle()
        shown = sample("informer_last_contact_timestamp_seconds", "Gadget")
        assert shown == pytest.approx(1.7e9 + 10, abs=0.1), "now the other one has waited longer"
