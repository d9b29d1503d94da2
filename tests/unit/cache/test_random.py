"""Whatever happens, in whatever order: the copy ends as the cluster is, and each handler heard a story that holds."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Mapping

import pytest

from controller_runtime.apimachinery import NamespacedName
from controller_runtime.cache import Cache, Informer, Registration
from controller_runtime.client import ApiRequest, ApiResponse, Client
from tests.unit.cache.kinds import Gadget, Planet
from tests.unit.cache.memory_api import Answer, MemoryApi, size_spec, status
from tests.unit.cache.observers import ConsistencyProof, running

pytestmark = pytest.mark.looptime

STEPS = 200
NAMESPACES = ("lab", "prod")
PAUSES = (0, 0, 0.001, 0.001, 0.5, 3, 40, 130)
"""Seconds between two happenings: within a list, within a watch, within a back-off, beyond the limit on silence."""
CALM = 400
"""Seconds after which everything must have recovered: the longest back-off, a silent watch, and their sequel."""
FAILURES = (
    Answer(429, "TooManyRequests", "too many requests", retry_after=1),
    Answer(500, "InternalError", "etcdserver: leader changed"),
    Answer(410, "Expired", "too old resource version"),
    Answer(504, "Timeout", "Too large resource version", cause="ResourceVersionTooLarge"),
)


class World(MemoryApi):
    """A cluster where things happen, also between the pages of a list."""

    def __init__(self, chance: random.Random) -> None:
        super().__init__(Gadget, Planet)
        self._calm = False
        self._chance = chance
        self._weights: Mapping[Callable[[], object], int] = {
            self.create_some: 12,
            self.update_one: 40,
            self.delete_one: 25,
            self.delete_and_create_one: 5,
            self.create_planet: 5,
            self.compact: 6,
            self.break_watches: 4,
            self.end_watches: 4,
            self.mute_watches: 2,
            self.go_down: 3,
            self.come_up: 12,
            self.plan_failure: 6,
            self.fail_watches: 2,
            self.switch_form_of_expiry: 2,
        }

    def happen(self) -> None:
        """One thing happens."""
        (event,) = self._chance.choices(list(self._weights), list(self._weights.values()))
        event()

    def create_some(self) -> None:
        """Up to three pages of objects in all."""
        for _ in range(self._chance.choice([1, 3, 200])):
            name, namespace = f"g{self._chance.randrange(700)}", self._chance.choice(NAMESPACES)
            if NamespacedName(namespace, name) not in self.documents(Gadget):
                self.create(Gadget, name, namespace, spec=self._spec())

    def update_one(self) -> None:
        if key := self._any():
            self.update(Gadget, key.name, key.namespace, spec=self._spec())

    def delete_one(self) -> None:
        if key := self._any():
            self.delete(Gadget, key.name, key.namespace)

    def delete_and_create_one(self) -> None:
        if key := self._any():
            self.delete(Gadget, key.name, key.namespace)
            self.create(Gadget, key.name, key.namespace, spec=self._spec())

    def create_planet(self) -> None:
        self.create(Planet, f"p{self.revision}")

    def come_up(self) -> None:
        self.down = False

    def plan_failure(self) -> None:
        self.answer_next(self._chance.choice(["list", "watch"]), self._chance.choice(FAILURES))

    def fail_watches(self) -> None:
        self.send_all("ERROR", status(self._chance.choice(FAILURES)))

    def switch_form_of_expiry(self) -> None:
        self.gone_in_stream = not self.gone_in_stream

    def calm_down(self) -> None:
        """Nothing happens any more, everything works again, and every object can be decoded."""
        self._calm = True
        self.down = False
        self.forget_plans()
        for key, document in list(self.documents(Gadget).items()):
            if not isinstance(document["spec"]["size"], int):
                self.update(Gadget, key.name, key.namespace, spec=size_spec(0))

    async def send(self, request: ApiRequest) -> ApiResponse:
        if not self._calm and self._chance.random() < 0.3:
            self.happen()
        return await super().send(request)

    def _any(self) -> NamespacedName | None:
        return self._chance.choice([*self.documents(Gadget), None])

    def _spec(self) -> dict[str, object]:
        return {"size": self._chance.choice([0, 1, 2, 3, "undecodable"])}


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


@pytest.mark.parametrize("seed", range(16))
async def test_the_store_ends_as_the_cluster_is_and_every_handler_heard_a_consistent_story(seed: int) -> None:
    random.seed(seed)  # the jitter of back-offs and watches
    chance = random.Random(seed)
    world = World(chance)
    caches = [Cache(Client(world)), Cache(Client(world), namespaces=NAMESPACES, detect_mutations=True)]
    for cache in caches:
        cache.index(Gadget, "size", lambda obj: [str(obj.spec.size)])
    audiences = [Audience(cache.informer(Gadget), chance) for cache in caches]
    async with running(caches[0].start), running(caches[1].start):
        for _ in range(STEPS):
            world.happen()
            for audience in audiences:
                audience.come_or_go()
            await asyncio.sleep(chance.choice(PAUSES))
        world.calm_down()
        await asyncio.sleep(CALM)
        for cache, audience in zip(caches, audiences, strict=True):
            verify_copy(world, cache)
            audience.verify()
        caches[1].check_mutations()
    assert len(world.requested("list")) > 10, "a world where nothing goes wrong proves nothing"


def verify_copy(world: World, cache: Cache) -> None:
    wanted = {key: document["metadata"]["resourceVersion"] for key, document in world.documents(Gadget).items()}
    assert {obj.key: obj.metadata.resource_version for obj in cache.list(Gadget)} == wanted
    for size in range(4):
        by_scan = {key for key, document in world.documents(Gadget).items() if document["spec"]["size"] == size}
        assert {obj.key for obj in cache.by_index(Gadget, "size", str(size))} == by_scan
