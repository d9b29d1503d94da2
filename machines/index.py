"""The indexes by which configurations are found, and the functions behind them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final

from api.v1alpha1 import BootConfig, HTTPBootConfig, IPXEBootConfig
from controller_runtime.cache import Cache
from machines.keys import machine_uuid, network_identifier

SYSTEM_UUID: Final = "systemUUID"
"""Both kinds, by `keys.machine_uuid`."""
SYSTEM_IP: Final = "systemIPs"
"""IPXEBootConfig, by `keys.network_identifier`."""
NETWORK_IDENTIFIER: Final = "networkIdentifiers"
"""HTTPBootConfig, by `keys.network_identifier`."""


def register(cache: Cache) -> None:
    """Declares the indexes of both kinds; once per cache, before anything reads by them."""
    cache.index(IPXEBootConfig, SYSTEM_UUID, system_uuids)
    cache.index(IPXEBootConfig, SYSTEM_IP, system_ips)
    cache.index(HTTPBootConfig, SYSTEM_UUID, system_uuids)
    cache.index(HTTPBootConfig, NETWORK_IDENTIFIER, network_identifiers)


def system_uuids(config: BootConfig) -> Sequence[str]:
    """The machine's UUID; nothing when it is blank, so that a blank one never matches."""
    uuid = machine_uuid(config.spec.system_uuid)
    return (uuid,) if uuid else ()


def system_ips(config: IPXEBootConfig) -> Sequence[str]:
    """The machine's IP addresses."""
    return _identifiers(config.spec.system_ips)


def network_identifiers(config: HTTPBootConfig) -> Sequence[str]:
    """The machine's IP and MAC addresses."""
    return _identifiers(config.spec.network_identifiers)


def _identifiers(texts: Iterable[str]) -> Sequence[str]:
    return [identifier for identifier in map(network_identifier, texts) if identifier]
