"""IPXEBootConfig: boot by iPXE."""

from __future__ import annotations

from typing import Annotated, ClassVar

import msgspec

from api.v1alpha1.bootconfig import (
    AtomicSecretReference,
    BootConfig,
    BootConfigSpec,
    boot_resource,
    distinct_names,
    referenced_name,
)
from controller_runtime.apimachinery import Resource

RequiredURL = Annotated[str, msgspec.Meta(extra_json_schema={"minLength": 1}, extra={"required": True})]
"""A URL that the CRD demands, while decoding accepts its absence (as the empty string)."""


class IPXEBootConfigSpec(BootConfigSpec, frozen=True, kw_only=True, gc=False):
    """The wish: which machine boots which kernel, initrd and root file system by iPXE."""

    system_ips: tuple[str, ...] = msgspec.field(default=(), name="systemIPs")
    """IP addresses of the machine."""
    image: str = ""
    """Deprecated and without effect."""
    kernel_url: RequiredURL = msgspec.field(default="", name="kernelURL")
    """URL that iPXE loads the kernel from, for example that of a layer of an OCI image at the image proxy."""
    initrd_url: RequiredURL = msgspec.field(default="", name="initrdURL")
    """URL that iPXE loads the initrd (initial RAM disk) from."""
    squashfs_url: str = msgspec.field(default="", name="squashfsURL")
    """URL of a squashfs image that the initrd takes as the root file system. Without it the initrd is all there is."""
    ipxe_server_url: str = msgspec.field(default="", name="ipxeServerURL")
    """Deprecated and without effect."""
    ipxe_script_secret_ref: AtomicSecretReference | None = None
    """Secret whose key "ipxe-script" holds a script that is served in place of the default one."""


class IPXEBootConfig(BootConfig, frozen=True, kw_only=True, gc=False):
    """What one machine boots by iPXE: kernel, initrd and root file system, and the Ignition for its first boot."""

    resource: ClassVar[Resource] = boot_resource("IPXEBootConfig")

    spec: IPXEBootConfigSpec = IPXEBootConfigSpec()
    """What the machine shall boot."""

    @property
    def ipxe_script_secret_name(self) -> str:
        """Name of the Secret with the custom iPXE script, in the object's namespace; empty without a reference."""
        return referenced_name(self.spec.ipxe_script_secret_ref)

    @property
    def secret_names(self) -> tuple[str, ...]:
        """Names of all Secrets that the object refers to, each once."""
        return distinct_names(self.ignition_secret_name, self.ipxe_script_secret_name)
