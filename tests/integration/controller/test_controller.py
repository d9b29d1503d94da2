"""What controllers promise, on an API server: exclusion, hand-over, recovery, own writes, kinds that come and go."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Iterable

import pytest

from controller_runtime.api.core_v1 import Secret
from controller_runtime.apimachinery import NamespacedName, ObjectMeta
from controller_runtime.builder import ControllerBuilder
from controller_runtime.client import Client
from controller_runtime.controller import ControllerOptions, Request, Result
from controller_runtime.envtest import ControlPlane
from controller_runtime.envtest.interceptor import Interceptor
from controller_runtime.manager import Manager
from tests.integration.controller.conftest import (
    DEADLINE,
    HERE,
    Detector,
    Latecomer,
    MakeManager,
    Widget,
    change,
    metric,
    running,
    uninstall,
    widget,
)

pytestmark = pytest.mark.integration


class Observing:
    """Writes into the status of each Widget which size it saw, and notes it."""

    def __init__(self, manager: Manager, detector: Detector, who: str = "") -> None:
        self.seen: dict[NamespacedName, int] = {}
        self._manager = manager
        self._detector = detector
        self._who = who

    async def reconcile(self, request: Request) -> None:
        with self._detector.run(request, self._who):
            found = self._manager.cache.get(Widget, request)
            if found is None:
                return
            if found.status.observed != found.spec.size:
                await self._manager.client.status.patch(Widget, request, {"status": {"observed": found.spec.size}})
            self.seen[request] = found.spec.size


def keys_of(namespace: str, count: int) -> list[NamespacedName]:
    return [NamespacedName(namespace, f"w{number}") for number in range(count)]


async def test_no_object_is_reconciled_twice_at_once_under_a_storm_of_updates(
    make_manager: MakeManager, client: Client, kube_namespace: str, detector: Detector
) -> None:
    manager = await make_manager()
    reconciler = Observing(manager, detector)
    options = ControllerOptions(max_concurrent_reconciles=8)
    ControllerBuilder(manager).for_(Widget).named("storm").with_options(options).complete(reconciler)
    keys = keys_of(kube_namespace, 10)
    for key in keys:
        await client.create(widget(key))
    async with running(manager):
        await change(client, keys, range(1, 31))
        await detector.until(lambda: reconciler.seen == dict.fromkeys(keys, 30))
    assert detector.overlaps == []
    assert detector.most_at_once > 1
    assert metric("storm", "controller_runtime_reconcile_errors_total") == 0
    observed = [one.status.observed for one in (await client.list(Widget, namespace=kube_namespace)).items]
    assert observed == [30] * len(keys)


@pytest.mark.parametrize("how", ["by release", "by loss"])
async def test_a_hand_over_loses_no_reconcile_and_no_two_replicas_work_at_once(
    make_manager: MakeManager,
    nets: dict[str, Interceptor],
    client: Client,
    kube_namespace: str,
    detector: Detector,
    how: str,
) -> None:
    managers = {name: await make_manager(name) for name in ("a", "b")}
    reconcilers = {name: Observing(manager, detector, name) for name, manager in managers.items()}
    options = ControllerOptions(max_concurrent_reconciles=4, enable_warmup=True)
    warm = {
        name: ControllerBuilder(manager).for_(Widget).with_options(options).complete(reconcilers[name])
        for name, manager in managers.items()
    }
    keys = keys_of(kube_namespace, 10)
    for key in keys:
        await client.create(widget(key))
    async with running(managers["a"]) as first:
        async with asyncio.timeout(DEADLINE):
            await managers["a"].wait_elected()
        async with running(managers["b"]):
            storm = asyncio.create_task(change(client, keys, range(1, 61)))
            # A look after each run of the leader: its standby may still be syncing when the first ones are over.
            await detector.until(
                lambda: (
                    min(reconcilers["a"].seen.values(), default=0) > 5
                    and sum(warm["b"].queue_snapshot().depth.values()) == len(keys)
                )
            )
            assert reconcilers["b"].seen == {}
            if how == "by release":
                first.cancel()
                await asyncio.wait({first})
                assert first.cancelled()
            else:
                nets["a"].outage()
            await storm
            await detector.until(lambda: reconcilers["b"].seen == dict.fromkeys(keys, 60))
            nets["a"].clear()
    assert detector.overlaps == []
    observed = [one.status.observed for one in (await client.list(Widget, namespace=kube_namespace)).items]
    assert observed == [60] * len(keys)


async def test_bugs_and_runs_that_hang_are_counted_and_retried(
    make_manager: MakeManager, client: Client, kube_namespace: str, detector: Detector
) -> None:
    manager = await make_manager()
    first = Counter[str]()

    class Unreliable(Observing):
        async def reconcile(self, request: Request) -> None:
            first[request.name] += 1
            if first[request.name] == 1:
                if request.name == "bug":
                    raise KeyError("no such thing")
                await asyncio.get_running_loop().create_future()
            await super().reconcile(request)

    reconciler = Unreliable(manager, detector)
    options = ControllerOptions(reconciliation_timeout=0.5, max_concurrent_reconciles=2)
    ControllerBuilder(manager).for_(Widget).named("unreliable").with_options(options).complete(reconciler)
    keys = [NamespacedName(kube_namespace, name) for name in ("bug", "hang")]
    for key in keys:
        await client.create(widget(key))
    async with running(manager):
        await detector.until(lambda: reconciler.seen == dict.fromkeys(keys, 0))
    assert metric("unreliable", "controller_runtime_reconcile_panics_total") == 1
    assert metric("unreliable", "controller_runtime_reconcile_timeouts_total") == 1
    assert metric("unreliable", "controller_runtime_reconcile_errors_total") == 2


_OF = "controller.example.com/of"
_WANTED = 5


class Begetting:
    """Gives each Widget so many Secrets, one in each run, by what the cache says that there are."""

    def __init__(self, manager: Manager, detector: Detector) -> None:
        self._manager = manager
        self._detector = detector

    def has_all(self, key: NamespacedName) -> bool:
        """Whether the cache says that nothing is missing."""
        found = self._manager.cache.list(Secret, namespace=key.namespace, label_selector=f"{_OF}={key.name}")
        return len(found) >= _WANTED

    async def reconcile(self, request: Request) -> Result | None:
        with self._detector.run(request):
            if self.has_all(request):
                return None
            labels = {_OF: request.name}
            metadata = ObjectMeta(namespace=request.namespace, generate_name=f"{request.name}-", labels=labels)
            await self._manager.client.create(Secret(metadata=metadata))
            return Result(requeue_after=0.000001)


async def test_a_run_reads_what_the_last_one_wrote(
    make_manager: MakeManager, client: Client, kube_namespace: str, detector: Detector
) -> None:
    def parents(secret: Secret) -> Iterable[Request]:
        return [NamespacedName(kube_namespace, secret.metadata.labels[_OF])] if _OF in secret.metadata.labels else []

    manager = await make_manager()
    reconciler = Begetting(manager, detector)
    options = ControllerOptions(max_concurrent_reconciles=4, await_own_writes=DEADLINE)
    (
        ControllerBuilder(manager)
        .for_(Widget)
        .named("begetting")
        .watches(Secret, parents)
        .with_options(options)
        .complete(reconciler)
    )
    keys = keys_of(kube_namespace, 10)
    for key in keys:
        await client.create(widget(key))
    async with running(manager):
        await detector.until(lambda: all(detector.runs[key] > _WANTED for key in keys))
    secrets = (await client.list(Secret, namespace=kube_namespace)).items
    assert Counter(secret.metadata.labels.get(_OF) for secret in secrets) == {key.name: _WANTED for key in keys}
    assert metric("begetting", "controller_runtime_own_writes_unseen_total") == 0


async def test_a_controller_of_an_optional_kind_waits_for_it_and_follows_its_comings_and_goings(
    make_manager: MakeManager, client: Client, control_plane: ControlPlane, kube_namespace: str, detector: Detector
) -> None:
    manager = await make_manager()
    there: dict[str, bool] = {}

    class Noting:
        async def reconcile(self, request: Request) -> None:
            with detector.run(request):
                there[request.name] = manager.cache.get(Latecomer, request) is not None

    ControllerBuilder(manager).for_(Latecomer, optional=True).complete(Noting())
    ControllerBuilder(manager).for_(Widget).named("beside").complete(Observing(manager, detector))
    beside, first, second = (NamespacedName(kube_namespace, name) for name in ("beside", "first", "second"))
    async with running(manager):
        await client.create(widget(beside))
        await detector.until(lambda: detector.runs[beside] > 0)
        for key in (first, second):
            await asyncio.to_thread(control_plane.install_crds, [HERE / "latecomers.yaml"])
            await client.create(widget(key, Latecomer))
            await detector.until(lambda key=key: there.get(key.name) is True)  # type: ignore[misc]
            await uninstall(client, Latecomer)
            await detector.until(lambda key=key: there.get(key.name) is False)  # type: ignore[misc]
        assert manager.cache.list(Latecomer) == ()
        assert manager.cache.has_synced
