"""HTTPBootConfig: boot by UEFI HTTP boot."""

from __future__ import annotations

from typing import ClassVar

import msgspec

from api.v1alpha1.bootconfig import BootConfig, BootConfigSpec, boot_resource
from controller_runtime.apimachinery import Resource


class HTTPBootConfigSpec(BootConfigSpec, frozen=True, kw_only=True, gc=False):
    """The wish: which machine boots which Unified Kernel Image."""

    network_identifiers: tuple[str, ...] = ()
    """IP and MAC addresses of the machine, by which the DHCP server asks for it."""
    uki_url: str = msgspec.field(default="", name="ukiURL")
    """URL that the firmware loads the UKI (Unified Kernel Image) from."""


class HTTPBootConfig(BootConfig, frozen=True, kw_only=True, gc=False):
    """What one machine boots by UEFI HTTP boot: a Unified Kernel Image, and the Ignition for its first boot."""

    resource: ClassVar[Resource] = boot_resource("HTTPBootConfig")

    spec: HTTPBootConfigSpec = HTTPBootConfigSpec()
    """What the machine shall boot."""
