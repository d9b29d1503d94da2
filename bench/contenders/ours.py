"""The contender on this library."""

from __future__ import annotations

import asyncio
import logging

import msgspec
import uvloop

from bench.contenders.protocol import arguments, end_with_standard_input, report
from bench.contenders.queue_load import measure_queue
from bench.contenders.widget import Widget
from controller_runtime import (
    AiohttpTransport,
    Cache,
    Client,
    ControllerBuilder,
    ControllerOptions,
    Manager,
    Request,
    load_config,
    log,
    patch_status,
)


class WidgetReconciler:
    """Doubles a number."""

    def __init__(self, client: Client, cache: Cache) -> None:
        self._client = client
        self._cache = cache

    async def reconcile(self, request: Request) -> None:
        """Patches the status where it is not right."""
        widget = self._cache.get(Widget, request)
        if widget is not None and widget.status.doubled != 2 * widget.spec.number:
            await patch_status(self._client, widget, _doubled)


def _doubled(widget: Widget) -> Widget:
    status = msgspec.structs.replace(widget.status, doubled=2 * widget.spec.number, writes=widget.status.writes + 1)
    return msgspec.structs.replace(widget, status=status)


async def sync(kubeconfig: str) -> None:
    """Caches the Widgets."""
    manager = Manager(AiohttpTransport(await load_config(kubeconfig)))
    manager.cache.informer(Widget)
    running = asyncio.create_task(manager.start())
    await manager.cache.wait_synced()
    report("synced", objects=len(manager.cache.list(Widget)))
    await running


async def reconcile(kubeconfig: str, workers: int) -> None:
    """Reconciles the Widgets."""
    manager = Manager(AiohttpTransport(await load_config(kubeconfig)))
    reconciler = WidgetReconciler(manager.client, manager.cache)
    options = ControllerOptions(max_concurrent_reconciles=workers)
    ControllerBuilder(manager).for_(Widget).with_options(options).complete(reconciler)
    await manager.start()


def main() -> None:
    """Runs until standard input is closed."""
    given = arguments()
    end_with_standard_input()
    log.configure(level=logging.WARNING)
    match given.mode:
        case "sync":
            uvloop.run(sync(given.kubeconfig))
        case "reconcile":
            uvloop.run(reconcile(given.kubeconfig, given.workers))
        case "queue":
            uvloop.run(measure_queue(given.objects, given.workers))


if __name__ == "__main__":
    main()
