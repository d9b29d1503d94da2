"""The contender on kopf.

The settings are those that favour it: no Events, no peering, no finalizer, no scan for new kinds, `uvloop` as under
`kopf run`, and a handler of raw events (`on.event`), which costs one patch per object; `on.create` would add an
annotation with its own bookkeeping. A worker of kopf belongs to one object and holds its place among `worker_limit`
for `idle_timeout` after the last event: with the default of 5 s, 1,000 objects would take 83 minutes on one worker, so
it is 1 ms here. Its cache is a dict that a handler fills, without a limit of workers: an index, which is kopf's own
mechanism, takes more than three minutes for 10,000 objects, because each of them wakes all that wait for the others.
"""

from __future__ import annotations

import asyncio
import os
from typing import Any

import kopf
import uvloop

from bench.contenders.protocol import arguments, end_with_standard_input, report

KIND = ("bench.ironcore.dev", "v1", "widgets")
IDLE_SECONDS = 0.001


def declare(registry: kopf.OperatorRegistry) -> None:
    """What both modes need."""

    @kopf.on.login(registry=registry)
    def login(**given: Any) -> kopf.ConnectionInfo | None:
        return kopf.login_with_kubeconfig(**given)


def settings(workers: int | None) -> kopf.OperatorSettings:
    """For that many workers; None for as many as there are objects."""
    made = kopf.OperatorSettings()
    made.posting.enabled = False
    made.scanning.disabled = True
    made.queueing.worker_limit = workers
    made.queueing.idle_timeout = IDLE_SECONDS
    return made


def declare_cache(registry: kopf.OperatorRegistry, objects: int) -> None:
    """Keeps the Widgets; reports when that many are there."""
    cache: dict[tuple[str | None, str | None], dict[str, Any]] = {}

    @kopf.on.event(*KIND, registry=registry)
    async def keep(body: kopf.Body, **_: Any) -> None:
        cache[body.metadata.namespace, body.metadata.name] = dict(body)
        if len(cache) == objects:
            report("synced", objects=len(cache))


def declare_reconciler(registry: kopf.OperatorRegistry) -> None:
    """Doubles a number."""

    @kopf.on.event(*KIND, registry=registry)
    async def reconcile(type: str | None, spec: kopf.Spec, status: kopf.Status, patch: kopf.Patch, **_: Any) -> None:  # noqa: A002 - kopf's name
        doubled = 2 * spec.get("number", 0)
        if type != "DELETED" and status.get("doubled", 0) != doubled:
            patch.status["doubled"] = doubled
            patch.status["writes"] = status.get("writes", 0) + 1


def main() -> None:
    """Runs until standard input is closed."""
    given = arguments()
    end_with_standard_input()
    os.environ["KUBECONFIG"] = given.kubeconfig
    registry = kopf.OperatorRegistry()
    declare(registry)
    if given.mode == "sync":
        declare_cache(registry, given.objects)
    else:
        declare_reconciler(registry)
    workers = given.workers if given.mode == "reconcile" else None
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        kopf.run(
            loop=runner.get_loop(), registry=registry, settings=settings(workers), standalone=True, clusterwide=True
        )


if __name__ == "__main__":
    main()
