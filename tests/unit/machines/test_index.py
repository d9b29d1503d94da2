"""What configurations are found by."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from api.v1alpha1 import HTTPBootConfig, HTTPBootConfigSpec, IPXEBootConfig, IPXEBootConfigSpec
from controller_runtime.cache import Cache, IndexConflictError
from controller_runtime.client import Client
from machines import register
from machines.index import network_identifiers, system_ips, system_uuids
from tests.unit.machines.lab import BootApi


@pytest.mark.parametrize(
    ("uuid", "values"),
    [
        pytest.param(
            "4C4C4544-0051-3610-8052-B4C04F4E4D31", ("4c4c4544-0051-3610-8052-b4c04f4e4d31",), id="normalised"
        ),
        pytest.param("", (), id="absent"),
        pytest.param("  ", (), id="blank"),
    ],
)
def test_a_machine_is_indexed_by_its_uuid_and_never_by_a_blank_one(uuid: str, values: Sequence[str]) -> None:
    assert system_uuids(IPXEBootConfig(spec=IPXEBootConfigSpec(system_uuid=uuid))) == values
    assert system_uuids(HTTPBootConfig(spec=HTTPBootConfigSpec(system_uuid=uuid))) == values


def test_addresses_are_indexed_in_their_one_form_without_blanks() -> None:
    texts = ("AA-BB-CC-DD-EE-0F", "", "2001:DB8::0001")
    keys = ["aa:bb:cc:dd:ee:0f", "2001:db8::1"]
    assert network_identifiers(HTTPBootConfig(spec=HTTPBootConfigSpec(network_identifiers=texts))) == keys
    assert system_ips(IPXEBootConfig(spec=IPXEBootConfigSpec(system_ips=texts))) == keys


def test_register_declares_what_is_read_and_only_once() -> None:
    cache = Cache(Client(BootApi().net))
    register(cache)
    assert cache.by_index(IPXEBootConfig, "systemUUID", "x") == ()
    assert cache.by_index(IPXEBootConfig, "systemIPs", "x") == ()
    assert cache.by_index(HTTPBootConfig, "systemUUID", "x") == ()
    assert cache.by_index(HTTPBootConfig, "networkIdentifiers", "x") == ()
    with pytest.raises(IndexConflictError):
        register(cache)
