"""The main job: objects are applied with kubectl, a real firmware boots a real kernel with what the operator serves."""

from __future__ import annotations

import asyncio
import base64
import re
from pathlib import Path
from typing import Literal

import pytest

from controller_runtime.envtest import ControlPlane
from hack.machine import FileServer, Guest, Machine, seen_from_guest
from hack.operator_process import OperatorProcess
from tests.e2e.conftest import apply, condition, manifest, wait_for
from tests.e2e.fedhcp import FeDHCP, NoBootOptionsError

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(300)]

UUID = "5f1c9b3e-8f3b-4d0e-9d5e-4a0f0c6d7e01"
IGNITION = (
    '{"ignition":{"version":"3.4.0"},"storage":{"files":[{"path":"/etc/motd","contents":{"source":"data:,grüße"}}]}}'
)


async def test_ipxe_boots_a_kernel_that_fetches_its_ignition(
    control_plane: ControlPlane, operator: OperatorProcess, kube_namespace: str, tmp_path: Path
) -> None:
    guest = Guest.installed()
    async with FileServer({"/kernel": guest.kernel.read_bytes(), "/initrd": guest.initrd()}) as files:
        await asyncio.to_thread(
            apply,
            control_plane,
            manifest(
                "Secret", kube_namespace, "ignition", data={"ignition": base64.b64encode(IGNITION.encode()).decode()}
            ),
            manifest(
                "IPXEBootConfig",
                kube_namespace,
                "machine",
                spec={
                    # The firmware reports the UUID in lower case.
                    "systemUUID": UUID.upper(),
                    "kernelURL": seen_from_guest(files.url("/kernel")),
                    "initrdURL": seen_from_guest(files.url("/initrd")),
                    "ignitionSecretRef": {"name": "ignition"},
                },
            ),
        )
        await asyncio.to_thread(wait_for, control_plane, kube_namespace, "ipxebootconfig/machine", "Ready")
        boot_url = seen_from_guest(operator.url() + "/ipxe")
        machine = Machine(uuid=UUID, mac="52:54:00:12:34:01", boot_url=boot_url, console=tmp_path / "console.log")
        async with machine:
            await machine.powered_off(timeout=120)

    report = machine.report()
    assert report.body == IGNITION.encode()
    assert report.ignition_url == seen_from_guest(f"{operator.url()}/ignition/{UUID}")
    assert "ignition.firstboot=1" in report.command_line
    assert "ignition.platform.id=metal" in report.command_line
    assert re.search(rf"{re.escape(boot_url)}\.* ok", machine.transcript)
    assert re.search(rf"{re.escape(boot_url)}/{UUID}\.* ok", machine.transcript)
    assert [(request.method, request.path, request.status) for request in files.requests] == [
        ("GET", "/kernel", 200),
        ("GET", "/initrd", 200),
    ]
    for stage, reason in (
        ("IPXEScriptFetched", "IPXEScriptDelivered"),
        ("IgnitionDataFetched", "IgnitionDataDelivered"),
    ):
        await asyncio.to_thread(wait_for, control_plane, kube_namespace, "ipxebootconfig/machine", stage)
        found = await asyncio.to_thread(condition, control_plane, kube_namespace, "ipxebootconfig/machine", stage)
        assert found["reason"] == reason
        assert found["observedGeneration"] == 1


@pytest.fixture(scope="module")
def fedhcp(tmp_path_factory: pytest.TempPathFactory) -> FeDHCP:
    """The double of FeDHCP, built."""
    return FeDHCP.build(tmp_path_factory.mktemp("fedhcp"))


@pytest.mark.parametrize(
    ("family", "forwarded_for", "uki"),
    [
        pytest.param(4, "192.0.2.77, 52:54:00:aa:bb:01", "http://images.example.com/uki.efi", id="address and MAC"),
        pytest.param(4, "192.0.2.77", "http://images.example.com/uki.efi", id="IPv4 address alone"),
        pytest.param(6, "2001:db8::77", "http://images.example.com/uki.efi", id="IPv6 address alone"),
        pytest.param(6, "2001:DB8:0:0::77", "http://images.example.com/uki.efi", id="IPv6 address, long form"),
        pytest.param(6, "52-54-00-AA-BB-01", "http://images.example.com/uki.efi", id="MAC alone, other notation"),
        pytest.param(4, "198.51.100.9, 52:54:00:ff:ff:ff", "http://images.example.com/default.efi", id="unknown"),
    ],
)
async def test_a_dhcp_server_gets_the_uki_of_the_machine(
    family: Literal[4, 6], forwarded_for: str, uki: str, fedhcp: FeDHCP, control_plane: ControlPlane, tmp_path: Path
) -> None:
    namespace = control_plane.create_namespace()
    spec = {
        "systemUUID": UUID,
        "networkIdentifiers": ["192.0.2.77", "2001:db8::77", "52:54:00:AA:BB:01"],
        "ukiURL": "http://images.example.com/uki.efi",
    }
    apply(control_plane, manifest("HTTPBootConfig", namespace, "machine", spec=spec))
    default = "--default-httpboot-uki-url=http://images.example.com/default.efi"
    with OperatorProcess(control_plane.kubeconfig, tmp_path, default, f"--namespaces={namespace}") as operator:
        operator.wait_ready()
        options = await fedhcp.ask(operator.url() + "/httpboot", forwarded_for, family=family)
    assert options.boot_file == uki
    assert options.protocol == f"DHCPv{family}"


async def test_without_a_default_a_dhcp_server_is_told_that_there_is_nothing_to_boot(
    fedhcp: FeDHCP, operator: OperatorProcess
) -> None:
    with pytest.raises(NoBootOptionsError, match="500"):
        await fedhcp.ask(operator.url() + "/httpboot", "198.51.100.9", family=4)
