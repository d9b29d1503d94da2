"""What `bootctl explain` says, which must be what the boot server would."""

from __future__ import annotations

import pytest

from boot_operator.bootctl import explanation
from tests.unit.machines.lab import UUID, BootApi, Lab, make_lab, running

pytestmark = pytest.mark.looptime

MAC = "02:00:00:00:00:01"


def explained(lab: Lab, machine: str) -> list[str]:
    return list(explanation(lab.machines, lab.cache, machine, "http://boot"))


@pytest.mark.parametrize("machine", [UUID.upper(), "02-00-00-00-00-01"], ids=["uuid", "mac"])
async def test_a_machine_is_explained_by_any_of_its_names(machine: str) -> None:
    api = BootApi()
    api.http("a", networkIdentifiers=[MAC], ignition="s")
    api.secret("s", ignition=b"{}")
    async with running(make_lab(api)) as lab:
        lines = explained(lab, machine)
    assert "HTTPBootConfig lab/a: not judged yet" in lines
    assert "HTTP boot   http://images/uki.efi from HTTPBootConfig lab/a" in lines
    assert "Ignition    2 bytes from HTTPBootConfig lab/a" in lines


async def test_an_address_that_two_configurations_name_is_explained_as_it_is_answered() -> None:
    api = BootApi()
    for number in (1, 2):
        api.http(f"a-{number}", systemUUID=f"u-{number}", networkIdentifiers=[MAC, f"10.0.0.{number}"])
    async with running(make_lab(api)) as lab:
        lines = [line for line in explained(lab, MAC) if line.startswith("HTTP boot")]
    assert lines
    assert all("name this machine, delete all but one: lab/a-1, lab/a-2" in line for line in lines)


async def test_a_configuration_that_no_dhcp_server_can_ask_for_is_explained() -> None:
    api = BootApi()
    api.http("a")
    async with running(make_lab(api)) as lab:
        (line,) = [line for line in explained(lab, UUID) if line.startswith("HTTP boot")]
    assert "spec.networkIdentifiers" in line


async def test_a_configuration_without_a_uuid_gives_neither_script_nor_ignition() -> None:
    api = BootApi()
    api.http("a", systemUUID="", networkIdentifiers=[MAC], ignition="s")
    async with running(make_lab(api)) as lab:
        lines = explained(lab, MAC)
    assert "Ignition    HTTPBootConfig lab/a has no spec.systemUUID, by which the machine asks" in lines


async def test_the_uuid_of_any_configuration_found_by_address_will_do() -> None:
    api = BootApi()
    api.http("a", systemUUID="", networkIdentifiers=["10.0.0.1"])
    api.http("b", networkIdentifiers=["10.0.0.1"], ignition="s")
    api.secret("s", ignition=b"{}")
    async with running(make_lab(api)) as lab:
        assert "Ignition    2 bytes from HTTPBootConfig lab/b" in explained(lab, "10.0.0.1")


async def test_the_script_is_shown_as_the_boot_server_would_give_it() -> None:
    api = BootApi()
    api.ipxe("a")
    async with running(make_lab(api)) as lab:
        lines = list(explanation(lab.machines, lab.cache, UUID, "http://boot:8082/"))
    assert "    set ipxe-svc http://boot:8082" in lines


async def test_an_unknown_machine_has_no_explanation() -> None:
    async with running(make_lab(BootApi())) as lab:
        assert explained(lab, UUID) == []
        assert explained(lab, " ") == []
