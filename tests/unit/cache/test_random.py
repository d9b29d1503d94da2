"""Whatever happens, in whatever order: the copy ends as the cluster is, and each handler heard a story that holds."""

from __future__ import annotations

import asyncio
import functools
import random
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import msgspec
import pytest

from controller_runtime.apimachinery import NamespacedName
from controller_runtime.cache import Cache, Informer, InformerOptions, Registration, Selector
from controller_runtime.client import ApiRequest, ApiResponse, Client, OwnWrite
from controller_runtime.envtest.calls import Call
from controller_runtime.envtest.effects import Effect
from controller_runtime.envtest.faults import Failure, Rule
from controller_runtime.envtest.in_memory import InMemoryAPI
from controller_runtime.envtest.interceptor import Interceptor
from tests.unit.cache.faults import plan, send_failure
from tests.unit.cache.kinds import Gadget, Planet, size_spec
from tests.unit.cache.observers import ConsistencyProof, running

pytestmark = pytest.mark.looptime

STEPS = 200
NAMESPACES = ("lab", "prod")
PAUSES = (0, 0, 0.001, 0.001, 0.5, 3, 40, 130)
"""Seconds between two happenings: within a list, within a watch, within a back-off, beyond the limit on silence."""
CALM = 400
"""Seconds after which everything must have recovered: the longest back-off, a silent watch, and their sequel."""
FAILURES = (
    Failure(429, "TooManyRequests", "too many requests", retry_after=1),
    Failure(500, "InternalError", "etcdserver: leader changed"),
    Failure(410, "Expired", "too old resource version"),
    Failure(504, "Timeout", "Too large resource version", cause="ResourceVersionTooLarge"),
)
Document = dict[str, Any]


class World:
    """A cluster where things happen, also between the pages of a list.

    Attributes:
        documents: what exists of Gadgets, as the server has it.
        writes: every change of one since the last look.
        garbled: those that could not be decoded once, so that an older copy may have stayed.
    """

    def __init__(self, chance: random.Random) -> None:
        self.server = InMemoryAPI(Gadget, Planet, namespaces=NAMESPACES)
        self.net = Interceptor(self.server.transport(), retries=False)
        self.net.on("list", self._list)
        self.documents: dict[NamespacedName, Document] = {}
        self.writes: list[OwnWrite] = []
        self.garbled: set[NamespacedName] = set()
        self._outage: Rule[Effect] | None = None
        self._planets = 0
        self._chance = chance
        self._weights: Mapping[Callable[[], object], int] = {
            self.create_some: 12,
            self.update_one: 40,
            self.delete_one: 25,
            self.delete_and_create_one: 5,
            self.create_planet: 5,
            self.server.compact: 6,
            self.net.break_watches: 4,
            self.net.end_watches: 4,
            self.net.mute_watches: 2,
            self.go_down: 3,
            self.come_up: 12,
            self.plan_failure: 6,
            self.fail_watches: 2,
        }

    def happen(self) -> None:
        """One thing happens."""
        (event,) = self._chance.choices(list(self._weights), list(self._weights.values()))
        event()

    def create_some(self) -> None:
        """Up to three pages of objects in all."""
        for _ in range(self._chance.choice([1, 3, 200])):
            key = NamespacedName(self._chance.choice(NAMESPACES), f"g{self._chance.randrange(700)}")
            if key not in self.documents:
                self._create(key)

    def update_one(self) -> None:
        if key := self._any():
            metadata = self.documents[key]["metadata"] | {"labels": self._labels()}
            self._note(key, self.server.update(Gadget, key.name, key.namespace, spec=self._spec(), metadata=metadata))

    def delete_one(self) -> None:
        if key := self._any():
            self._delete(key)

    def delete_and_create_one(self) -> None:
        if key := self._any():
            self._delete(key)
            self._create(key)

    def create_planet(self) -> None:
        self._planets += 1
        self.server.create(Planet, f"p{self._planets}")

    def go_down(self) -> None:
        self._outage = self._outage or self.net.outage()

    def come_up(self) -> None:
        if self._outage is not None:
            self._outage.remove()
            self._outage = None

    def plan_failure(self) -> None:
        plan(self.net, self._chance.choice(["list", "watch"]), self._chance.choice(FAILURES))

    def fail_watches(self) -> None:
        send_failure(self.net, self._chance.choice(FAILURES))

    def calm_down(self) -> None:
        """Nothing happens any more, everything works again, and every object can be decoded."""
        self.net.clear()
        for key, document in list(self.documents.items()):
            if not isinstance(document["spec"]["size"], int):
                self._note(key, self.server.update(Gadget, key.name, key.namespace, spec=size_spec(0)))

    async def _list(self, call: Call, proceed: Callable[[ApiRequest], Awaitable[ApiResponse]]) -> ApiResponse:
        if self._chance.random() < 0.3:
            self.happen()
        return await proceed(call.request)

    def _create(self, key: NamespacedName) -> None:
        labels = self._labels()
        self._note(key, self.server.create(Gadget, key.name, key.namespace, spec=self._spec(), labels=labels))

    def _delete(self, key: NamespacedName) -> None:
        self.server.delete(Gadget, key.name, key.namespace)
        uid = self.documents.pop(key)["metadata"]["uid"]
        self.writes.append(OwnWrite(Gadget, key, "", uid, deleted=True))

    def _note(self, key: NamespacedName, document: Document) -> None:
        self.documents[key] = document
        if not isinstance(document["spec"]["size"], int):
            self.garbled.add(key)
        metadata = document["metadata"]
        labels = metadata.get("labels", {})
        self.writes.append(OwnWrite(Gadget, key, metadata["resourceVersion"], metadata["uid"], labels=labels))

    def _any(self) -> NamespacedName | None:
        return self._chance.choice([*self.documents, None])

    def _spec(self) -> Document:
        return {"size": self._chance.choice([0, 1, 2, 3, "undecodable"])}

    def _labels(self) -> dict[str, str]:
        return {"app": self._chance.choice(["x", "y"])}


class Audience:
    """Handlers of one informer that come and go."""

    def __init__(self, informer: Informer[Gadget], chance: random.Random) -> None:
        self.informer = informer
        self.proofs: list[tuple[ConsistencyProof, Registration[Gadget]]] = []
        self._chance = chance
        self.join()

    def join(self) -> None:
        proof = ConsistencyProof()
        self.proofs.append((proof, self.informer.add_handler(proof)))

    def come_or_go(self) -> None:
        if self._chance.random() < 0.05:
            self.join()
        if self._chance.random() < 0.03:
            _, registration = self._chance.choice(self.proofs)
            self.informer.remove_handler(registration)

    def verify(self) -> None:
        """Nobody was told what cannot be, and whoever is still there knows exactly what is."""
        cached = {obj.key: obj for obj in self.informer.store.list()}
        for proof, registration in self.proofs:
            assert proof.violations == []
            if registration.active:
                assert proof.present == cached


class Writer:
    """Waits for every write, and looks whether it has really been seen when the cache says so.

    Attributes:
        unseen: writes that are waited for.
        violations: writes that were called seen while the store held an older state.
        waited: how many writes had to be waited for.
    """

    def __init__(self, cache: Cache) -> None:
        self.unseen = 0
        self.violations: list[OwnWrite] = []
        self.waited = 0
        self._cache = cache
        self._informer = cache.informer(Gadget)

    def look(self, world: World) -> None:
        for write in world.writes:
            seen = self._cache.when_seen([write])
            if not seen.done():
                self.unseen += 1
                self.waited += 1
                seen.add_done_callback(functools.partial(self._seen, write, world))

    def _seen(self, write: OwnWrite, world: World, _: asyncio.Future[None]) -> None:
        self.unseen -= 1
        cached = self._informer.store.get(write.key)
        if cached is None or write.key in world.garbled or self._informer.last_error is not None:
            return
        is_old = not write.deleted and int(cached.metadata.resource_version) < int(write.resource_version)
        if is_old or (write.deleted and cached.metadata.uid == write.uid):
            self.violations.append(write)


def without_tags(obj: Gadget) -> Gadget:
    return msgspec.structs.replace(obj, spec=msgspec.structs.replace(obj.spec, tags=()))


def caches_of(world: World) -> list[Cache]:
    """The ways to read: whole, by namespaces, streamed with everything that can be asked for."""
    whole = Cache(Client(world.net), defaults=InformerOptions(resync_period=600))
    by_namespace = Cache(Client(world.net), namespaces=NAMESPACES, detect_mutations=True)
    streaming = InformerOptions(
        streaming_list=True,
        selector=Selector(labels="app=x"),
        transform=without_tags,
        resync_period=700,
        namespaces={"": None, "lab": None},
    )
    return [whole, by_namespace, Cache(Client(world.net), kinds={Gadget: streaming}, detect_mutations=True)]


@pytest.mark.parametrize("seed", range(16))
async def test_the_store_ends_as_the_cluster_is_and_every_handler_heard_a_consistent_story(seed: int) -> None:
    random.seed(seed)  # the jitter of back-offs and watches
    chance = random.Random(seed)
    world = World(chance)
    caches = caches_of(world)
    for cache in caches:
        cache.index(Gadget, "size", lambda obj: [str(obj.spec.size)])
    audiences = [Audience(cache.informer(Gadget), chance) for cache in caches]
    writers = [Writer(cache) for cache in caches]
    async with running(caches[0].start), running(caches[1].start), running(caches[2].start):
        for _ in range(STEPS):
            world.happen()
            for audience in audiences:
                audience.come_or_go()
            for writer in writers:
                writer.look(world)
            world.writes.clear()
            await asyncio.sleep(chance.choice(PAUSES))
        world.calm_down()
        await asyncio.sleep(CALM)
        verify_copy(world, caches[0], lambda _: True)
        verify_copy(world, caches[1], lambda _: True)
        verify_copy(world, caches[2], lambda document: document["metadata"]["labels"] == {"app": "x"})
        for audience in audiences:
            audience.verify()
        for writer in writers:
            assert (writer.unseen, writer.violations) == (0, [])
            assert writer.waited > 10
        caches[1].check_mutations()
        caches[2].check_mutations()
    streamed = [call for call in world.net.requested("watch") if "sendInitialEvents" in call.request.query]
    assert len(streamed) > 2
    assert len(streamed) + len(world.net.requested("list")) > 10, "a world where nothing goes wrong proves nothing"


def verify_copy(world: World, cache: Cache, is_selected: Callable[[Document], bool]) -> None:
    selected = {key: document for key, document in world.documents.items() if is_selected(document)}
    wanted = {key: document["metadata"]["resourceVersion"] for key, document in selected.items()}
    assert {obj.key: obj.metadata.resource_version for obj in cache.list(Gadget)} == wanted
    for size in range(4):
        by_scan = {key for key, document in selected.items() if document["spec"]["size"] == size}
        assert {obj.key for obj in cache.by_index(Gadget, "size", str(size))} == by_scan
