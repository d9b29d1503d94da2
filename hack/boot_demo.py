"""`make boot-demo`: a virtual machine boots from the operator, and this terminal shows what each side sees."""

from __future__ import annotations

import asyncio
import base64
import json
import sys
import tempfile
from pathlib import Path

from controller_runtime.envtest import ControlPlane
from hack.machine import FileServer, Guest, Machine, seen_from_guest
from hack.operator_process import OperatorProcess

ROOT = Path(__file__).parents[1]
UUID = "0a1b2c3d-4e5f-4a6b-8c7d-9e0f1a2b3c4d"
IGNITION = b'{"ignition": {"version": "3.4.0"}, "passwd": {"users": [{"name": "demo"}]}}'


def say(text: str) -> None:
    """A line of our own among those of the machine."""
    print(f"\n--- {text}", flush=True)


def objects(kernel_url: str, initrd_url: str) -> str:
    """The machine as a person would apply it, as JSON."""
    secret = {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": "demo-ignition"},
        "data": {"ignition": base64.b64encode(IGNITION).decode()},
    }
    config = {
        "apiVersion": "boot.ironcore.dev/v1alpha1",
        "kind": "IPXEBootConfig",
        "metadata": {"name": "demo"},
        "spec": {
            "systemUUID": UUID,
            "kernelURL": kernel_url,
            "initrdURL": initrd_url,
            "ignitionSecretRef": {"name": "demo-ignition"},
        },
    }
    return json.dumps({"apiVersion": "v1", "kind": "List", "items": [secret, config]})


async def boot(plane: ControlPlane, directory: Path) -> bool:
    """The whole demo; whether the machine got the bytes that were applied."""
    guest = Guest.installed()
    files = FileServer({"/kernel": guest.kernel.read_bytes(), "/initrd": guest.initrd()})
    with OperatorProcess(plane.kubeconfig, directory) as operator:
        async with files:
            await asyncio.to_thread(operator.wait_ready)
            urls = (seen_from_guest(files.url("/kernel")), seen_from_guest(files.url("/initrd")))
            say(f"kubectl apply: a Secret, and an IPXEBootConfig for the machine {UUID}")
            print(await asyncio.to_thread(plane.kubectl, "apply", "-f", "-", stdin=objects(*urls)), end="")
            await _kubectl(plane, "wait", "--for=condition=Ready", "ipxebootconfig/demo", "--timeout=30s")
            boot_url = seen_from_guest(operator.url() + "/ipxe")
            say(f"power on; DHCP tells the firmware to boot {boot_url}")
            machine = Machine(uuid=UUID, mac="52:54:00:00:de:30", boot_url=boot_url, console=directory / "console")
            async with machine:
                await _show(machine)
            received = machine.report().body
            say(f"the machine is off; the Ignition that it received: {received!r}")
            for stage in ("IPXEScriptFetched", "IgnitionDataFetched"):
                await _kubectl(plane, "wait", f"--for=condition={stage}", "ipxebootconfig/demo", "--timeout=30s")
            await _kubectl(plane, "get", "ipxebootconfig", "demo", "-o", "jsonpath={.status}")
    return received == IGNITION


async def _kubectl(plane: ControlPlane, *arguments: str) -> None:
    say("kubectl " + " ".join(arguments))
    print((await asyncio.to_thread(plane.kubectl, *arguments)).rstrip("\n"), flush=True)


async def _show(machine: Machine) -> None:
    """Prints the console line by line while the machine runs."""
    off = asyncio.ensure_future(machine.powered_off(timeout=180))
    shown = 0
    while not off.done() or shown < len(machine.console.lines):
        lines = machine.console.lines[shown : None if off.done() else -1]
        for line in lines:
            print(f"    {line}", flush=True)
        shown += len(lines)
        await asyncio.wait({off}, timeout=0.1)
    await off


def main() -> int:
    """Returns 1 where the machine got other bytes than were applied."""
    say("starting kube-apiserver, etcd and the operator")
    with tempfile.TemporaryDirectory(prefix="boot-demo-") as directory, ControlPlane() as plane:
        plane.install_crds([ROOT / "config" / "crd" / "bases"])
        if asyncio.run(boot(plane, Path(directory))):
            say("done: the machine booted, and what it received stands in the status")
            return 0
    say("FAILED: the machine received other bytes than were applied")
    return 1


if __name__ == "__main__":
    sys.exit(main())
