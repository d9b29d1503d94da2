"""Which objects an informer reads and how: selectors, namespaces, and which of several settings holds."""

from __future__ import annotations

import asyncio

import pytest

from controller_runtime.apimachinery import NamespacedName, Object, metadata_of
from controller_runtime.apimachinery.selectors import SelectorError
from controller_runtime.cache import UNSET, Cache, InformerOptions, NotCachedError, Selector
from controller_runtime.cache.options import NO_OPTIONS, Scope, settings
from controller_runtime.client import Client
from controller_runtime.envtest.in_memory import InMemoryAPI
from controller_runtime.envtest.interceptor import Interceptor
from controller_runtime.metrics import REGISTRY
from tests.unit.cache.kinds import Gadget, Planet
from tests.unit.cache.observers import Recorder, running, settle

pytestmark = pytest.mark.looptime

X, Y = Selector(labels="app=x"), Selector(labels="app=y")


def names(cache: Cache, namespace: str = "") -> set[str]:
    return {obj.metadata.name for obj in cache.list(Gadget, namespace=namespace)}


# Selectors


@pytest.mark.parametrize(
    ("one", "other"),
    [
        pytest.param(Selector(labels="a=1,b=2"), Selector(labels="b=2, a==1"), id="order, spaces, =="),
        pytest.param(Selector(labels="a in (1)"), Selector(labels="a=1"), id="in one"),
        pytest.param(Selector(labels="a notin (1)"), Selector(labels="a!=1"), id="notin one"),
        pytest.param(Selector(labels="a in (2,1)"), Selector(labels="a in (1,2)"), id="order of values"),
        pytest.param(Selector(labels="!a,b"), Selector(labels="b,!a"), id="existence"),
        pytest.param(Selector(labels="a>1"), Selector(labels="a > 1"), id="comparison"),
        pytest.param(Selector(labels="a=1,a=1"), Selector(labels="a=1"), id="said twice"),
        pytest.param(Selector(fields="a=1,b!=2"), Selector(fields="b!=2,a==1"), id="fields"),
    ],
)
def test_selectors_that_say_the_same_are_equal(one: Selector, other: Selector) -> None:
    assert one == other
    assert hash(one) == hash(other)


@pytest.mark.parametrize(
    "selector",
    [
        pytest.param(Selector(labels="a=1,b in (x,y),c notin (z,w),!d,e,f>3,g="), id="labels"),
        pytest.param(Selector(fields=r"metadata.name=a,x=a\,b\=c\\d"), id="fields with escapes"),
    ],
)
def test_the_one_form_of_a_selector_says_the_same_to_the_server(selector: Selector) -> None:
    assert Selector(labels=selector.labels, fields=selector.fields) == selector
    assert Selector(fields=r"x=a\,b").fields == r"x=a\,b"


def test_a_malformed_selector_is_refused() -> None:
    with pytest.raises(SelectorError):
        Selector(labels="a in 1")
    with pytest.raises(SelectorError):
        Selector(fields="a")


async def test_informers_are_shared_by_what_they_read(cache: Cache) -> None:
    by_label = cache.informer(Gadget, selector=Selector(labels="a=1,b=2"))
    assert cache.informer(Gadget, selector=Selector(labels="b=2,a=1")) is by_label
    assert cache.informer(Gadget) is not by_label
    assert cache.informer(Gadget, selector=Selector()) is cache.informer(Gadget)
    assert cache.informer(metadata_of(Gadget), selector=Selector(labels="a=1,b=2")).kind is metadata_of(Gadget)
    assert by_label.name == "Gadget with labels a=1,b=2"


async def test_an_informer_with_a_selector_reads_only_that_and_has_indexes_of_its_own(
    server: InMemoryAPI, cache: Cache
) -> None:
    cache.informer(Gadget)
    cache.index(Gadget, "size", lambda gadget: [str(gadget.spec.size)], selector=X)
    informer = cache.informer(Gadget, selector=X)
    recorder = Recorder()
    informer.add_handler(recorder)
    server.create(Gadget, "a", "lab", labels={"app": "x"}, spec={"size": 1})
    server.create(Gadget, "b", "lab", labels={"app": "y"}, spec={"size": 1})
    async with running(cache.start):
        await cache.wait_synced()
        assert names(cache) == {"a", "b"}
        assert [obj.metadata.name for obj in informer.store.by_index("size", "1")] == ["a"]
        await settle()
        metadata = server.list(Gadget)[1]["metadata"] | {"labels": {"app": "x"}}
        server.update(Gadget, "b", "lab", metadata=metadata)
        await settle()
        assert recorder.calls == ["+a initial", "+b"], "a change into the selector is an add"


async def test_metrics_and_errors_name_the_selector(server: InMemoryAPI, net: Interceptor, cache: Cache) -> None:
    server.create(Gadget, "a", "lab", labels={"app": "x"})
    server.create(Gadget, "b", "lab")
    cache.informer(Gadget)
    informer = cache.informer(Gadget, selector=X)
    refusal = net.fail("list", 403, where=lambda call: "labelSelector" in call.request.query)
    async with running(cache.start):
        await settle()
        assert cache.unsynced() == [informer]
        assert "cannot list gadgets.example.com with labels app=x: " in str(informer.last_error)
        refusal.remove()
        await cache.wait_synced()
        assert (objects(""), objects("labels app=x")) == (2, 1)


def objects(selector: str) -> float | None:
    labels = {"kind": "Gadget", "group": "example.com", "selector": selector}
    return REGISTRY.get_sample_value("controller_runtime_cached_objects", labels)


async def test_a_list_can_be_filtered_by_labels(server: InMemoryAPI, cache: Cache) -> None:
    cache.informer(Gadget)
    for name, namespace, app in (("a", "lab", "x"), ("b", "lab", "y"), ("c", "prod", "x")):
        server.create(Gadget, name, namespace, labels={"app": app})
    async with running(cache.start):
        await cache.wait_synced()
        assert {obj.metadata.name for obj in cache.list(Gadget, label_selector="app=x")} == {"a", "c"}
        (found,) = cache.list(Gadget, namespace="lab", label_selector="app in (x,z)")
        assert found is cache.get(Gadget, NamespacedName("lab", "a"))
        with pytest.raises(SelectorError):
            cache.list(Gadget, label_selector="app in x")


# Namespaces


async def test_all_other_namespaces_are_read_by_one_watch_that_leaves_out_the_named(
    server: InMemoryAPI, net: Interceptor, client: Client
) -> None:
    cache = Cache(client, namespaces={"": Selector(), "lab": X})
    cache.informer(Gadget)
    server.create_namespace("edge")
    for namespace in ("lab", "prod", "edge"):
        server.create(Gadget, f"{namespace}-x", namespace, labels={"app": "x"})
        server.create(Gadget, f"{namespace}-y", namespace, labels={"app": "y"})
    async with running(cache.start):
        await cache.wait_synced()
        assert names(cache) == {"lab-x", "prod-x", "prod-y", "edge-x", "edge-y"}
        assert names(cache, "lab") == {"lab-x"}
        assert names(cache, "prod") == {"prod-x", "prod-y"}
        assert cache.get(Gadget, NamespacedName("lab", "lab-x")) is not None
        assert cache.get(Gadget, NamespacedName("prod", "prod-x")) is not None
    asked = {(call.namespace, call.request.query.get("fieldSelector")) for call in net.calls}
    assert asked == {("lab", None), ("", "metadata.namespace!=lab")}


async def test_a_selector_of_one_namespace_is_asked_of_that_namespace_alone(
    server: InMemoryAPI, net: Interceptor, cache: Cache
) -> None:
    informer = cache.informer(Gadget, selector=Selector(fields="metadata.namespace=lab"))
    server.create(Gadget, "a", "lab")
    server.create(Gadget, "b", "prod")
    async with running(cache.start):
        await cache.wait_synced()
        await settle()
        assert [obj.metadata.name for obj in informer.store.list()] == ["a"]
        assert informer.store.list("prod") == ()
    assert {call.namespace for call in net.calls} == {"lab"}, "so that a Role in that namespace is enough"


async def test_a_kind_has_namespaces_of_its_own(server: InMemoryAPI, client: Client) -> None:
    cache = Cache(client, namespaces=["lab"], kinds={Gadget: InformerOptions(namespaces=["prod"])})
    cache.informer(Gadget)
    cache.informer(metadata_of(Gadget))
    cache.informer(Planet)
    server.create(Gadget, "a", "lab")
    server.create(Gadget, "b", "prod")
    server.create(Planet, "earth")
    async with running(cache.start):
        await cache.wait_synced()
        assert names(cache) == {"b"}
        assert [obj.metadata.name for obj in cache.list(metadata_of(Gadget))] == ["a"], "a kind of its own"
        assert len(cache.list(Planet)) == 1
        with pytest.raises(NotCachedError):
            cache.list(Gadget, namespace="lab")


@pytest.mark.parametrize(
    ("kinds", "defaults", "namespaces", "message"),
    [
        pytest.param(
            {Planet: InformerOptions(namespaces=["lab"])},
            NO_OPTIONS,
            (),
            "Planet is cluster-scoped",
            id="cluster-scoped",
        ),
        pytest.param(
            {Gadget: InformerOptions(namespaces=["lab", ""])}, NO_OPTIONS, (), "an empty namespace", id="kind"
        ),
        pytest.param({}, InformerOptions(namespaces=["lab", ""]), (), "an empty namespace", id="empty in the defaults"),
        pytest.param({}, InformerOptions(namespaces=["lab"]), ["lab"], "are given twice", id="given twice"),
    ],
)
def test_what_cannot_be_meant_is_refused_at_once(
    client: Client,
    kinds: dict[type[Object], InformerOptions],
    defaults: InformerOptions,
    namespaces: list[str],
    message: str,
) -> None:
    with pytest.raises(ValueError, match=message):
        Cache(client, namespaces=namespaces, kinds=kinds, defaults=defaults)


def test_a_resync_period_below_a_second_is_refused() -> None:
    with pytest.raises(ValueError, match="too short"):
        InformerOptions(resync_period=0.5)


# Precedence


def transform(obj: Gadget) -> Gadget:
    return obj


def test_unset_options_are_the_defaults_and_those_the_librarys() -> None:
    own = InformerOptions(resync_period=None)
    held = settings(Gadget, own, InformerOptions(transform=transform, resync_period=60, bookmarks=False))
    assert (held.transform, held.resync_period, held.bookmarks) == (transform, None, False)
    bare = settings(Gadget, NO_OPTIONS, NO_OPTIONS)
    assert (bare.transform, bare.resync_period, bare.bookmarks, bare.streaming_list) == (None, 36000, True, False)
    stopped = settings(Gadget, InformerOptions(transform=None), InformerOptions(transform=transform))
    assert stopped.transform is None, "None is a setting"


KIND, DEFAULT = Selector(labels="of=kind"), Selector(labels="of=defaults")
KIND_IN, DEFAULT_IN = Selector(labels="of=kind-in-lab"), Selector(labels="of=defaults-in-lab")


@pytest.mark.parametrize(
    ("own", "defaults", "held"),
    [
        pytest.param(
            InformerOptions(selector=KIND, namespaces={"lab": KIND_IN}),
            InformerOptions(selector=DEFAULT, namespaces={"lab": DEFAULT_IN}),
            KIND_IN,
            id="the kind's for the namespace",
        ),
        pytest.param(
            InformerOptions(selector=KIND),
            InformerOptions(selector=DEFAULT, namespaces={"lab": DEFAULT_IN}),
            KIND,
            id="then the kind's",
        ),
        pytest.param(
            InformerOptions(namespaces={"lab": None}),
            InformerOptions(selector=DEFAULT, namespaces={"lab": DEFAULT_IN}),
            DEFAULT_IN,
            id="then the defaults' for the namespace",
        ),
        pytest.param(
            InformerOptions(namespaces=["lab"]), InformerOptions(selector=DEFAULT), DEFAULT, id="then the defaults'"
        ),
        pytest.param(
            InformerOptions(selector=Selector()),
            InformerOptions(selector=DEFAULT, namespaces={"lab": DEFAULT_IN}),
            Selector(),
            id="an empty one is one",
        ),
    ],
)
def test_the_nearest_selector_holds(own: InformerOptions, defaults: InformerOptions, held: Selector) -> None:
    assert settings(Gadget, own, defaults).scopes == (Scope("lab", "lab", held),)


def test_a_selector_of_ones_own_takes_the_place_of_every_other_and_leaves_the_namespaces() -> None:
    own = InformerOptions(selector=KIND, namespaces={"lab": KIND_IN, "prod": None})
    assert settings(Gadget, own, NO_OPTIONS, X).scopes == (Scope("lab", "lab", X), Scope("prod", "prod", X))


def test_defaults_hold_for_cluster_scoped_kinds_but_for_the_namespaces() -> None:
    defaults = InformerOptions(selector=DEFAULT, namespaces={"lab": DEFAULT_IN})
    assert settings(Planet, NO_OPTIONS, defaults).scopes == (Scope(selector=DEFAULT),)


def test_what_is_not_given_is_unset() -> None:
    options = InformerOptions()
    assert {getattr(options, name) for name in options.__dataclass_fields__} == {UNSET}


# Removing


async def test_a_removed_informer_ends_and_is_forgotten(server: InMemoryAPI, net: Interceptor, cache: Cache) -> None:
    informer = cache.informer(Gadget)
    server.create(Gadget, "a", "lab")
    async with running(cache.start):
        await cache.wait_synced()
        await settle()
        assert len(net.open_watches()) == 1
        found = cache.get(Gadget, NamespacedName("lab", "a"))
        assert found is not None
        await cache.remove_informer(Gadget)
        found.metadata.labels["app"] = "nobody shares it any more"
        assert net.open_watches() == []
        assert objects("") is None
        with pytest.raises(NotCachedError):
            cache.list(Gadget)
        cache.check_mutations()
        assert cache.informer(Gadget) is not informer
        await cache.wait_synced()
        assert names(cache) == {"a"}


async def test_one_in_use_is_not_removed(cache: Cache) -> None:
    informer = cache.informer(Gadget)
    registration = informer.add_handler(Recorder())
    async with running(cache.start):
        with pytest.raises(RuntimeError, match="the informer of Gadget tells Recorder: remove these handlers first"):
            await cache.remove_informer(Gadget)
        await cache.wait_synced()
        assert cache.list(Gadget) == ()
        informer.remove_handler(registration)
        await cache.remove_informer(Gadget)
        await cache.remove_informer(Gadget)
        with pytest.raises(RuntimeError, match="has ended"):
            informer.add_handler(Recorder())


async def test_who_waits_for_a_removed_informer_is_told(net: Interceptor, cache: Cache) -> None:
    net.fail("list", 500)
    informer = cache.informer(Gadget)
    async with running(cache.start):
        everything = asyncio.ensure_future(cache.wait_synced())
        waits = [asyncio.ensure_future(wait()) for wait in (informer.wait_synced, informer.wait_settled)]
        await settle()
        await cache.remove_informer(Gadget)
        await everything
        for wait in waits:
            with pytest.raises(RuntimeError, match="the informer of Gadget has been removed"):
                await wait
