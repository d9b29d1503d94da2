"""The lab: an API server, the kinds, the manifests and the operator, started in this order and stopped in reverse."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
from collections.abc import AsyncIterator, Coroutine
from pathlib import Path
from typing import Any

import structlog

from boot_operator import crds, operator
from boot_operator.flags import Options, StandaloneOptions
from boot_operator.standalone.applier import Applier
from boot_operator.standalone.directory import Inventory, ManifestDirectory
from boot_operator.standalone.errors import StandaloneError
from boot_operator.standalone.manifests import manifest
from boot_operator.standalone.server import api_server
from controller_runtime.client import AiohttpTransport, ClientError, load_config
from controller_runtime.envtest.credentials import write_private

_KIND_SECONDS = 10.0  # a kind may take so long to be served after its CRD was applied

log = structlog.get_logger("boot_operator.standalone")


async def run_lab(lab: StandaloneOptions, options: Options) -> None:
    """Runs the operator with an API server of its own until cancelled.

    The operator starts when the manifests that are there have been applied: what it answers first is what they say.

    Raises:
        StandaloneError: a part of the lab cannot start, or the API server has ended.
        ConfigError, ListenError, Exception: as `operator.run`.
    """
    if lab.manifests is not None and not lab.manifests.is_dir():
        raise StandaloneError(f"--manifests: {lab.manifests} is no directory")
    async with api_server(lab.data_dir, lab.api_port) as server, _applier(server.kubeconfig) as applier:
        await install_kinds(applier)
        if lab.kubeconfig_out is not None:
            _hand_out(server.kubeconfig, lab.kubeconfig_out)
        log.info("the API server is ready", url=server.url, kubeconfig=str(lab.kubeconfig_out or server.kubeconfig))
        background = [server.ended()]
        if lab.manifests is not None:
            directory = ManifestDirectory(
                lab.manifests,
                applier,
                prune=lab.prune,
                inventory=Inventory(lab.data_dir / "manifests.json" if lab.data_dir else None),
            )
            await directory.apply_changes()
            background.append(directory.follow())
        options = dataclasses.replace(options, kubeconfig=str(server.kubeconfig))
        await _run_with(operator.run(options), *background)


async def install_kinds(applier: Applier) -> None:
    """Applies the CRDs of the operator's kinds and waits until they are served.

    Raises:
        StandaloneError: the API server refuses one, or does not come to serve it.
    """
    try:
        for kind in crds.KINDS:
            await applier.apply(manifest(crds.definition(kind)))
    except ClientError as error:
        raise StandaloneError(f"the CRDs of the operator's kinds cannot be installed: {error}") from error
    for kind in crds.KINDS:
        try:
            async with asyncio.timeout(_KIND_SECONDS):
                await applier.wait_served(kind.resource.api_version, kind.resource.kind)
        except TimeoutError:
            raise StandaloneError(
                f"the API server does not serve {kind.resource.qualified_plural} {_KIND_SECONDS:.0f} s after its CRD "
                "was applied"
            ) from None


@contextlib.asynccontextmanager
async def _applier(kubeconfig: Path) -> AsyncIterator[Applier]:
    transport = AiohttpTransport(await load_config(str(kubeconfig)))
    try:
        yield Applier(transport)
    finally:
        await transport.close()


def _hand_out(kubeconfig: Path, to: Path) -> None:
    try:
        write_private(to, kubeconfig.read_text(encoding="utf-8"))
    except OSError as error:
        raise StandaloneError(f"--kubeconfig-out: {to} cannot be written: {error.strerror}") from error


async def _run_with(main: Coroutine[Any, Any, None], *background: Coroutine[Any, Any, None]) -> None:
    """Runs `main` to its end, or until one of the others ends; those last as long as `main` does.

    Raises:
        BaseException: what the first of them to fail raised.
    """
    running = asyncio.ensure_future(main)
    others = [asyncio.ensure_future(each) for each in background]
    cancelled: asyncio.CancelledError | None = None
    try:
        await asyncio.wait({running, *others}, return_when=asyncio.FIRST_COMPLETED)
    except asyncio.CancelledError as error:
        cancelled = error
    # The operator first: it has deliveries to write.
    for tasks in ([running], others):
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks)
    for task in (*others, running):
        if not task.cancelled():
            task.result()
    if cancelled is not None:
        raise cancelled
