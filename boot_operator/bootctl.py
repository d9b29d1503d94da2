"""`bootctl`: asks the cluster what machines boot.

bootctl explain 11111111-1111-1111-1111-111111111111
bootctl explain 02:00:00:00:00:03
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import logging
import sys
from collections.abc import Iterable, Iterator, Sequence

import uvloop

from api.v1alpha1 import BootConfig, ConditionType, HTTPBootConfig, IPXEBootConfig
from boot_operator.flags import in_flags
from controller_runtime import log as logging_setup
from controller_runtime.apimachinery import find_condition
from controller_runtime.cache import Cache
from controller_runtime.client import AiohttpTransport, Client, ClientError, load_config
from machines import (
    BootError,
    BootSecrets,
    Machines,
    NoDefaultUKIError,
    machine_uuid,
    network_identifier,
    register,
)

_SYNC_SECONDS = 20


def main() -> None:
    """Runs `bootctl`; exits with 1 and one line where the cluster cannot be read or names no such machine."""
    parser = argparse.ArgumentParser(prog="bootctl", description="Asks the cluster what machines boot.")
    parser.add_argument("--kubeconfig", metavar="FILE", help="default: $KUBECONFIG, the pod, ~/.kube/config")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    explain = commands.add_parser("explain", help="which configuration a machine gets, what it is served, and why not")
    explain.add_argument("machine", help="its system UUID, a MAC or an IP address")
    explain.add_argument(
        "--service-url", default="http://boot-operator", metavar="URL", help="where machines reach the boot server"
    )
    arguments = parser.parse_args()
    logging_setup.configure(level=logging.WARNING, json=False)
    try:
        sys.exit(uvloop.run(_explain(arguments.kubeconfig, arguments.machine, arguments.service_url)))
    except (ClientError, TimeoutError) as error:
        sys.exit(f"bootctl: {in_flags(str(error))}")


async def _explain(kubeconfig: str | None, machine: str, service_url: str) -> int:
    """Prints the answer; 1 where no configuration names the machine."""
    client = Client(AiohttpTransport(await load_config(kubeconfig)))
    cache = Cache(client)
    register(cache)
    secrets = BootSecrets(client, cache)
    async with contextlib.AsyncExitStack() as stack:
        stack.push_async_callback(client.transport.close)
        for runnable in (cache, secrets):
            task = asyncio.create_task(runnable.start())
            stack.push_async_callback(_end, task)
        await _synced(cache, secrets)
        lines = list(explanation(Machines(cache, secrets), cache, machine, service_url))
    print("\n".join(lines or [f"no IPXEBootConfig and no HTTPBootConfig names the machine {machine}"]))
    return 0 if lines else 1


async def _synced(cache: Cache, secrets: BootSecrets) -> None:
    try:
        async with asyncio.timeout(_SYNC_SECONDS):
            await cache.wait_synced()
            await secrets.wait_ready()
    except TimeoutError:
        reasons = "; ".join(f"{one.name}: {one.last_error or 'no answer'}" for one in cache.unsynced())
        raise TimeoutError(f"the cluster was not read within {_SYNC_SECONDS} s: {reasons}") from None


async def _end(task: asyncio.Task[None]) -> None:
    task.cancel()
    await asyncio.wait({task})


def explanation(machines: Machines, cache: Cache, machine: str, service_url: str) -> Iterator[str]:
    """The lines about one machine; none where no configuration names it.

    Args:
        machines: answers what it boots.
        cache: has the configurations.
        machine: UUID, MAC or IP address, in any notation.
        service_url: for the URLs in its script.
    """
    configs = _named_by(cache, machine)
    for config in configs:
        yield from _about(config)
    if not configs:
        return
    uuid = next((config.spec.system_uuid for config in configs if machine_uuid(config.spec.system_uuid)), "")
    yield ""
    for config in configs:
        if isinstance(config, HTTPBootConfig):
            yield f"HTTP boot   {_http_boot(machines, config)}"
    if not uuid:
        nothing = f"{_name(configs[0])} has no spec.systemUUID, by which the machine asks"
        yield from (f"Ignition    {nothing}", f"iPXE script {nothing}")
        return
    try:
        ignition = machines.ignition(uuid)
        yield f"Ignition    {len(ignition.body)} bytes from {_name(ignition.config)}"
    except BootError as error:
        yield f"Ignition    {error}"
    try:
        script = machines.ipxe_script(uuid, service_url.rstrip("/"))
        yield f"iPXE script from {_name(script.config)}:"
        yield from (f"    {line}" for line in script.body.decode(errors="replace").splitlines())
    except BootError as error:
        yield f"iPXE script {error}"


def _http_boot(machines: Machines, config: HTTPBootConfig) -> str:
    """What a DHCP server is told that asks by the addresses in the configuration."""
    try:
        found = machines.http_boot(config.spec.network_identifiers)
    except NoDefaultUKIError:
        return f"{_name(config)} has no spec.networkIdentifiers, by which a DHCP server asks"
    except BootError as error:
        return str(error)
    return f"{found.uki_url or 'no UKI'} from {_name(config)}"


def _named_by(cache: Cache, machine: str) -> Sequence[BootConfig]:
    """Configurations that name the machine, those for iPXE first."""
    uuid, identifier = machine_uuid(machine), network_identifier(machine)
    found: list[BootConfig] = []
    if uuid:
        found += cache.by_index(IPXEBootConfig, "systemUUID", uuid)
        found += cache.by_index(HTTPBootConfig, "systemUUID", uuid)
    if identifier:
        found += cache.by_index(IPXEBootConfig, "systemIPs", identifier)
        found += cache.by_index(HTTPBootConfig, "networkIdentifiers", identifier)
    return list({(type(config), config.key): config for config in found}.values())


def _about(config: BootConfig) -> Iterable[str]:
    yield f"{_name(config)}: {config.status.state or 'not judged yet'}"
    for condition_type in ConditionType:
        condition = find_condition(config.status.conditions, condition_type)
        if condition is not None:
            yield (
                f"    {condition.type}={condition.status} since {condition.last_transition_time:%Y-%m-%d %H:%M:%SZ}: "
                + (condition.message or condition.reason)
            )


def _name(config: BootConfig) -> str:
    return f"{type(config).resource.kind} {config.key}"
