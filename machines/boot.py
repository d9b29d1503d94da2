"""What a machine gets when it asks: the one answer for the boot server, the controllers and `bootctl explain`."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import TypeVar

from api.v1alpha1 import BootConfig, HTTPBootConfig, IPXEBootConfig
from controller_runtime.cache import Cache
from machines import ipxe
from machines.content import secret_content
from machines.errors import InvalidFieldError, NoDefaultUKIError, NoIgnitionError, UnknownMachineError
from machines.ignition import ignition_payload
from machines.index import NETWORK_IDENTIFIER, SYSTEM_UUID, network_identifiers, system_uuids
from machines.keys import machine_uuid, network_identifier
from machines.secrets import BootSecrets
from machines.selection import select
from machines.stage import Stage

ConfigT = TypeVar("ConfigT", bound=BootConfig)


@dataclass(frozen=True, slots=True)
class Payload:
    """What a machine is to be given, and where that comes from."""

    body: bytes = field(repr=False)
    """Never logged: it may hold secrets."""
    config: BootConfig
    """The configuration that was chosen for the machine, as the informer has it."""
    stage: Stage


@dataclass(frozen=True, slots=True)
class HTTPBoot:
    """What a machine boots by UEFI HTTP boot."""

    uki_url: str
    """Where the firmware loads the UKI from; empty if the configuration names none."""
    config: HTTPBootConfig | None
    """The configuration that was chosen; None for the default, which unknown machines get."""


class Machines:
    """Answers what a machine boots.

    All methods but `verify` are synchronous and read memory alone. The indexes must have been declared (`register`).

    Args:
        cache: has the informers of both kinds.
        secrets: has the content of the Secrets that configurations refer to.
        default_uki_url: what machines without an HTTPBootConfig boot by UEFI HTTP boot; empty for nothing.
    """

    def __init__(self, cache: Cache, secrets: BootSecrets, *, default_uki_url: str = "") -> None:
        self._cache = cache
        self._secrets = secrets
        self._default_uki_url = default_uki_url
        self._scripts = ipxe.ScriptCache()
        self._ready = False

    @property
    def ready(self) -> bool:
        """Whether the first state of the cluster has been read; answers before that would be wrong. It stays true."""
        if not self._ready:
            self._ready = self._cache.has_synced and self._secrets.ready
        return self._ready

    def chain_script(self, service_url: str) -> bytes:
        """The iPXE script by which a machine asks again with its UUID; the same for all machines.

        Args:
            service_url: where this boot server is reached, without a trailing slash.
        """
        return ipxe.chain_script(service_url)

    def ipxe_script(self, uuid: str, service_url: str) -> Payload:
        """The iPXE script of a machine: that of its configuration's Secret if it names one, else the default script.

        Args:
            uuid: the machine's, in any notation.
            service_url: where this boot server is reached, without a trailing slash.

        Raises:
            BootError: any of the tree but those about Ignition and HTTP boot.
        """
        config = self._find(IPXEBootConfig, uuid)
        if config is None:
            raise UnknownMachineError(f"no IPXEBootConfig names the machine {uuid}")
        name = config.ipxe_script_secret_name
        if name:
            answer = self._secrets.lookup(config.metadata.namespace, name)
            script = secret_content(config, Stage.IPXE_SCRIPT, name, answer)
        else:
            script = self._scripts.default_script(config, service_url)
        return Payload(script, config, Stage.IPXE_SCRIPT)

    def ignition(self, uuid: str) -> Payload:
        """The Ignition of a machine: that of its IPXEBootConfig, else that of its HTTPBootConfig.

        Args:
            uuid: the machine's, in any notation.

        Raises:
            BootError: any of the tree but those about scripts and HTTP boot.
        """
        config = self._find(IPXEBootConfig, uuid) or self._find(HTTPBootConfig, uuid)
        if config is None:
            raise UnknownMachineError(f"no IPXEBootConfig or HTTPBootConfig names the machine {uuid}")
        name = config.ignition_secret_name
        if not name:
            raise NoIgnitionError(config)
        answer = self._secrets.lookup(config.metadata.namespace, name)
        return Payload(ignition_payload(config, answer), config, Stage.IGNITION)

    def http_boot(self, identifiers: Iterable[str]) -> HTTPBoot:
        """What a machine boots by UEFI HTTP boot.

        Args:
            identifiers: its IP and MAC addresses, in any notation; the first that an HTTPBootConfig names counts.

        Raises:
            AmbiguousMachineError: several HTTPBootConfigs name that identifier.
            NoDefaultUKIError: none names any of them, and there is no default.
        """
        for identifier in identifiers:
            key = network_identifier(identifier)
            config = select(self._cache.by_index(HTTPBootConfig, NETWORK_IDENTIFIER, key))
            if config is not None:
                return HTTPBoot(config.spec.uki_url, config)
        if not self._default_uki_url:
            raise NoDefaultUKIError
        return HTTPBoot(self._default_uki_url, None)

    def rivals(self, config: BootConfig) -> tuple[BootConfig, ...]:
        """The other configurations of the same kind that name the same machine.

        Whether `config` can be served depends on them, so a change of one is news for all.
        """
        kind = type(config)
        found = [rival for uuid in system_uuids(config) for rival in self._cache.by_index(kind, SYSTEM_UUID, uuid)]
        if isinstance(config, HTTPBootConfig):
            for identifier in network_identifiers(config):
                found += self._cache.by_index(HTTPBootConfig, NETWORK_IDENTIFIER, identifier)
        return tuple({rival.key: rival for rival in found if rival.key != config.key}.values())

    async def verify(self, config: BootConfig) -> None:
        """Finds out whether a machine can be given what the configuration says, for the controllers.

        Unlike what machines get, this waits until each Secret has been read in the version that is known.

        Raises:
            BootError: what stands in the way, or what could not be found out (`NotAvailableYetError`).
        """
        if isinstance(config, IPXEBootConfig) and not system_uuids(config):
            raise InvalidFieldError(config, "spec.systemUUID", "is empty, set it to the UUID of the machine")
        select((config, *self.rivals(config)))
        namespace = config.metadata.namespace
        if name := config.ignition_secret_name:
            ignition_payload(config, await self._secrets.answer(namespace, name))
        if not isinstance(config, IPXEBootConfig):
            return
        if name := config.ipxe_script_secret_name:
            secret_content(config, Stage.IPXE_SCRIPT, name, await self._secrets.answer(namespace, name))
        else:
            ipxe.default_script(config, "")

    def _find(self, kind: type[ConfigT], uuid: str) -> ConfigT | None:
        return select(self._cache.by_index(kind, SYSTEM_UUID, machine_uuid(uuid)))
