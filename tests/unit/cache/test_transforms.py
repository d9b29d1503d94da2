"""Objects that are changed before they are cached, and what becomes of those that cannot be."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, MutableMapping
from typing import Any

import msgspec
import pytest

from controller_runtime.apimachinery import NamespacedName
from controller_runtime.cache import Informer, InformerOptions
from controller_runtime.client import Client
from controller_runtime.envtest.in_memory import InMemoryAPI
from controller_runtime.envtest.interceptor import Interceptor
from controller_runtime.metrics import REGISTRY
from tests.unit.cache.kinds import Gadget, Planet
from tests.unit.cache.observers import Recorder, running, settle

pytestmark = pytest.mark.looptime

WAYS = [pytest.param(False, id="paged"), pytest.param(True, id="streamed")]


class Doubling:
    """Doubles sizes; fails on negative ones."""

    def __init__(self) -> None:
        self.calls = 0

    def __call__(self, obj: Gadget) -> Gadget:
        self.calls += 1
        if obj.spec.size < 0:
            raise ValueError("negative")
        return msgspec.structs.replace(obj, spec=msgspec.structs.replace(obj.spec, size=2 * obj.spec.size))


def sizes(informer: Informer[Gadget]) -> dict[str, int]:
    return {obj.metadata.name: obj.spec.size for obj in informer.store.list()}


def failures() -> float:
    return REGISTRY.get_sample_value("controller_runtime_transform_errors_total", {"kind": "Gadget"}) or 0


def with_transform(client: Client, transform: Callable[[Any], Any], *, streamed: bool = False) -> Informer[Gadget]:
    return Informer(client, Gadget, InformerOptions(transform=transform, streaming_list=streamed))


@pytest.mark.parametrize("streamed", WAYS)
async def test_what_is_cached_and_told_is_what_the_transform_makes(
    server: InMemoryAPI, net: Interceptor, client: Client, streamed: bool
) -> None:
    transform = Doubling()
    informer = with_transform(client, transform, streamed=streamed)
    recorder = Recorder()
    informer.add_handler(recorder)
    server.create(Gadget, "a", "lab", spec={"size": 1})
    async with running(informer.run):
        await asyncio.sleep(5)
        server.create(Gadget, "b", "lab", spec={"size": 2})
        await settle()
        assert sizes(informer) == {"a": 2, "b": 4}
        before, calls = informer.store.list(), transform.calls
        net.expire_watches()
        await asyncio.sleep(5)
        assert all(now is then for now, then in zip(informer.store.list(), before, strict=True))
        assert transform.calls == calls, "a relist transforms only what has changed"
        server.delete(Gadget, "b", "lab")
        await settle()
    last = recorder.objects[-1]
    assert isinstance(last, Gadget)
    assert (recorder.calls[-1], last.spec.size) == ("-b", 4)


@pytest.mark.parametrize("streamed", WAYS)
async def test_an_object_whose_transform_fails_costs_itself_alone_and_its_last_copy_stays(
    server: InMemoryAPI, net: Interceptor, client: Client, logs: list[MutableMapping[str, Any]], streamed: bool
) -> None:
    informer = with_transform(client, Doubling(), streamed=streamed)
    recorder = Recorder()
    informer.add_handler(recorder)
    before = failures()
    server.create(Gadget, "a", "lab", spec={"size": -1})
    server.create(Gadget, "b", "lab", spec={"size": 1})
    async with running(informer.run):
        await asyncio.sleep(5)
        assert sizes(informer) == {"b": 2}
        server.update(Gadget, "b", "lab", spec={"size": -1})
        await settle()
        assert sizes(informer) == {"b": 2}
        feed = informer.feed_of(NamespacedName("lab", "b"))
        assert feed is not None
        assert feed.position == str(server.revision), "it moves the version"
        net.expire_watches()
        await asyncio.sleep(5)
        assert sizes(informer) == {"b": 2}, "a list does not take what it cannot transform for deleted"
        assert failures() - before == 4, "a twice by lists, b by the watch and a list"
        server.delete(Gadget, "b", "lab")
        await settle()
        assert sizes(informer) == {}
    assert recorder.calls == ["+b initial", "=b", "-b unknown"]
    failed = [line for line in logs if line["event"] == "skipped an object that its transform failed on"]
    assert [line["object"] for line in failed] == ["lab/a", "lab/b", "lab/a", "lab/b", "lab/b"]
    assert isinstance(failed[0]["exc_info"], ValueError)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        pytest.param("name", "other", id="name"),
        pytest.param("namespace", "prod", id="namespace"),
        pytest.param("uid", "other", id="uid"),
        pytest.param("resource_version", "1", id="resource_version"),
    ],
)
async def test_a_transform_that_changes_the_identity_of_an_object_has_failed(
    server: InMemoryAPI, client: Client, logs: list[MutableMapping[str, Any]], field: str, value: str
) -> None:
    def change(obj: Gadget) -> Gadget:
        metadata = msgspec.structs.replace(obj.metadata, **{field: value})
        return msgspec.structs.replace(obj, metadata=metadata)

    await refused(server, with_transform(client, change), logs, f"the transform changed metadata.{field} of Gadget")


@pytest.mark.parametrize(
    "made", [pytest.param(None, id="nothing"), pytest.param(Planet(), id="an object of another kind")]
)
async def test_a_transform_that_makes_no_object_of_the_kind_has_failed(
    server: InMemoryAPI, client: Client, logs: list[MutableMapping[str, Any]], made: object
) -> None:
    expected = f"the transform returned {type(made).__name__} for a Gadget"
    await refused(server, with_transform(client, lambda _: made), logs, expected)


async def refused(
    server: InMemoryAPI, informer: Informer[Gadget], logs: list[MutableMapping[str, Any]], message: str
) -> None:
    server.create(Gadget, "a", "lab")
    async with running(informer.run):
        await informer.wait_synced()
        assert sizes(informer) == {}
    (line,) = [line for line in logs if line["log_level"] == "error"]
    assert message in line["error"]
